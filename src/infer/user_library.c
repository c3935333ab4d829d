/* user_library.c - dlopen, with words for people where nothing is found. */
#include "infer/user_library.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* The file that was named; its own reason where it is none. */
static int load_named(void **handle, const mnas_user_library *library, const char *file, const char *by) {
    *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (*handle) return 0;
    return mnas_error_set(MNAS_ERR_MISSING, "%s cannot be loaded: %s, named by %s: %s", library->title, file,
                          by, dlerror());
}

int mnas_user_library_load(void **handle, const mnas_user_library *library, const char *file) {
    const char *variable = getenv(library->variable);
    if (file[0]) return load_named(handle, library, file, "library=");
    if (variable && variable[0]) return load_named(handle, library, variable, library->variable);
    mnas_str names = {0};
    *handle = NULL;
    for (const char *const *name = library->names; *name && !*handle; name++) {
        *handle = dlopen(*name, RTLD_NOW | RTLD_LOCAL);
        mnas_str_appendf(&names, "%s%s", name == library->names ? "" : ", ", *name);
    }
    if (!*handle)
        mnas_error_set(
            MNAS_ERR_MISSING, "%s is not installed: looked for %s; %s. Name its file with library=FILE or %s",
            library->title, mnas_str_ok(&names) ? names.data : "it", library->how, library->variable);
    mnas_str_free(&names);
    return *handle ? 0 : MNAS_ERR_MISSING;
}

int mnas_user_library_find(void *function, void *handle, const mnas_user_library *library, const char *name) {
    void *found = dlsym(handle, name);
    if (!found)
        return mnas_error_set(MNAS_ERR_MISSING, "%s: this file has no %s; %s", library->title, name,
                              library->how);
    memcpy(function, &found, sizeof found); /* ISO C knows no cast from object to function */
    return 0;
}
