/* fixed.c - see fixed.h. What to say of a difference is the caller's business. */
#include "search/fixed.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

int mnas_fixed_add(mnas_fixed_list *list, const char *name, const char *option, const char *fmt, ...) {
    assert(list->n < MNAS_MAX_FIXED);
    char text[2200]; /* two specs, or two paths */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    mnas_fixed *f = &list->items[list->n++];
    *f = (mnas_fixed){name, option, strdup(text)};
    return f->value ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: setting %s", name);
}

int mnas_fixed_add_number(mnas_fixed_list *list, const char *name, const char *option, double value,
                          const char *unset) {
    char text[32];
    if (isnan(value)) return mnas_fixed_add(list, name, option, "%s", unset);
    mnas_str_from_f64(value, text);
    return mnas_fixed_add(list, name, option, "%s", text);
}

const mnas_fixed *mnas_fixed_differing(const mnas_fixed_list *list, const mnas_setting *settings, size_t n,
                                       const char **was) {
    for (int i = 0; i < list->n; i++) {
        *was = mnas_settings_get(settings, n, list->items[i].name);
        if (!*was || strcmp(*was, list->items[i].value) != 0) return &list->items[i];
    }
    return NULL;
}

int mnas_fixed_store_making(mnas_store *store, const char *spec, const mnas_space *space) {
    char created[32];
    mnas_clock_iso8601(mnas_clock_unix_ms(), created);
    int rc = mnas_store_set(store, "version", mnas_version());
    if (rc == 0) rc = mnas_store_set(store, "created_utc", created);
    if (rc < 0 || !space) return rc;
    rc = mnas_store_set(store, "space", spec);
    if (rc == 0) rc = mnas_store_set(store, "space_name", mnas_space_name(space));
    if (rc == 0) rc = mnas_store_set(store, "space_text", mnas_space_text(space));
    return rc < 0 ? rc : mnas_store_set(store, "n_encodings", mnas_space_n_encodings(space));
}

int mnas_fixed_store(const mnas_fixed_list *list, mnas_store *store) {
    int rc = 0;
    for (int i = 0; i < list->n && rc == 0; i++)
        rc = mnas_store_set(store, list->items[i].name, list->items[i].value);
    return rc;
}

void mnas_fixed_free(mnas_fixed_list *list) {
    for (int i = 0; i < list->n; i++) free(list->items[i].value);
    list->n = 0;
}
