/* builtin_spaces.c - the files of spaces/ inside the binary, so that it needs no installed data.
 *
 * The assembler includes the very files, byte for byte with a NUL behind each; CMakeLists.txt names their
 * folder and rebuilds this object when one changes. A new built-in is a file in spaces/ and a line in the list below.
 */
#include "model/space.h"

#include <string.h>

#define SPACES(X)                                                                                            \
    X(mnasnet, "mnasnet")                                                                                    \
    X(mnasnet_google, "mnasnet-google")                                                                      \
    X(mnasnet_28, "mnasnet-28")                                                                              \
    X(mnasnet_32, "mnasnet-32")                                                                              \
    X(flat_28, "flat-28")                                                                                    \
    X(mnasnet_hswish, "mnasnet-hswish")                                                                      \
    X(mnasnet_28_hswish, "mnasnet-28-hswish")

#define EMBED(id, name)                                                                                      \
    __asm__(".pushsection .rodata\n"                                                                         \
            ".global mnas_space_text_" #id "\n"                                                              \
            "mnas_space_text_" #id ":\n"                                                                     \
            ".incbin \"" MNAS_SPACES_DIR "/" name ".yaml\"\n"                                                \
            ".byte 0\n"                                                                                      \
            ".popsection\n");                                                                                \
    extern const char mnas_space_text_##id[];
SPACES(EMBED)
#undef EMBED

static const char *const texts[] = {
#define TEXT(id, name) mnas_space_text_##id,
    SPACES(TEXT)
#undef TEXT
};

const char *const *mnas_space_builtins(size_t *n) {
    static const char *const names[] = {
#define NAME(id, name) name,
        SPACES(NAME)
#undef NAME
    };
    *n = sizeof names / sizeof *names;
    return names;
}

const char *mnas_space_builtin_text(const char *name, size_t *n) {
    size_t n_names;
    const char *const *names = mnas_space_builtins(&n_names);
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(names[i], name) == 0) {
            *n = strlen(texts[i]);
            return texts[i];
        }
    return NULL;
}
