/* some_opts.c - a shorter table, printed. */
#include "data/some_opts.h"

#include <assert.h>
#include <string.h>

enum { MAX_OPTS = 32 };

static bool is_among(const char *name, const char *const *names) {
    while (*names && strcmp(name, *names) != 0) names++;
    return *names != NULL;
}

void mnas_some_opts_print(const mnas_opt *table, const void *opts, const char *const *without,
                          mnas_str *out) {
    mnas_opt some[MAX_OPTS] = {MNAS_OPT_END};
    size_t n = 0;
    for (const mnas_opt *o = table; o && o->name; o++) {
        if (is_among(o->name, without)) continue;
        assert(n + 1 < MAX_OPTS);
        some[n++] = *o;
        some[n] = (mnas_opt)MNAS_OPT_END;
    }
    mnas_opts_print(some, opts, out);
}
