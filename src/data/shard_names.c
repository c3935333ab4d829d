/* shard_names.c - which files a pattern of shard names means. Does not open them. */
#include "data/shards.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

enum { MAX_SHARDS = 1000000, MAX_DEPTH = 8 };

/* The names found so far, and how many braces stand around the one that is looked at. */
typedef struct expansion {
    mnas_str *paths;
    int n, depth;
} expansion;

static int expand(expansion *x, const char *pattern);

/* One value in the place of the brace [open, close]. */
static int expand_with(expansion *x, const char *pattern, const char *open, const char *close,
                       const char *value, size_t n_value) {
    mnas_str one = {0};
    mnas_str_append_n(&one, pattern, (size_t)(open - pattern));
    mnas_str_append_n(&one, value, n_value);
    mnas_str_append(&one, close + 1);
    x->depth++;
    int rc = mnas_str_ok(&one) ? expand(x, one.data)
                               : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of shards");
    x->depth--;
    mnas_str_free(&one);
    return rc;
}

/* {000..146}: as many digits as the longer end has, where one begins with 0. */
static bool read_range(const char *open, const char *close, long *from, long *to, int *width) {
    char *dots, *stop;
    const char *second = strstr(open, "..");
    if (!second || second > close || open[1] < '0' || open[1] > '9' || second[2] < '0' || second[2] > '9')
        return false;
    *from = strtol(open + 1, &dots, 10);
    *to = strtol(second + 2, &stop, 10);
    size_t n_first = (size_t)(second - open - 1), n_last = (size_t)(close - second - 2);
    bool padded = (n_first > 1 && open[1] == '0') || (n_last > 1 && second[2] == '0');
    *width = padded ? (int)(n_first > n_last ? n_first : n_last) : 1;
    return dots == second && stop == close && *to - *from < MAX_SHARDS && *from - *to < MAX_SHARDS &&
           *width < 20;
}

static int expand_brace(expansion *x, const char *pattern, const char *open, const char *close) {
    long from, to;
    int width, rc = 0;
    if (read_range(open, close, &from, &to, &width)) {
        for (long i = from; rc == 0 && (from <= to ? i <= to : i >= to); i += from <= to ? 1 : -1) {
            char value[32];
            snprintf(value, sizeof value, "%0*ld", width, i);
            rc = expand_with(x, pattern, open, close, value, strlen(value));
        }
        return rc;
    }
    if (!memchr(open, ',', (size_t)(close - open)))
        return mnas_error_set(MNAS_ERR_ARG, "%s: \"%.*s\"; allowed: {000..146} or {a,b}", pattern,
                              (int)(close - open + 1), open);
    for (const char *at = open + 1; rc == 0 && at <= close;) {
        size_t len = strcspn(at, ",}");
        rc = expand_with(x, pattern, open, close, at, len);
        at += len + 1;
    }
    return rc;
}

static int expand_glob(expansion *x, const char *pattern) {
    glob_t found;
    int rc = glob(pattern, GLOB_ERR, NULL, &found);
    if (rc == GLOB_NOSPACE) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of shards");
    if (rc == GLOB_ABORTED) return mnas_error_errno("%s", pattern);
    if (rc == GLOB_NOMATCH) return mnas_error_set(MNAS_ERR_MISSING, "%s: no such file", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++, x->n++) mnas_str_appendf(x->paths, "%s\n", found.gl_pathv[i]);
    globfree(&found);
    return 0;
}

static int expand(expansion *x, const char *pattern) {
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    if (x->n > MAX_SHARDS || x->depth > MAX_DEPTH)
        return mnas_error_set(MNAS_ERR_ARG, "more than %d shards or %d braces", MAX_SHARDS, MAX_DEPTH);
    if (close) return expand_brace(x, pattern, open, close);
    if (open) return mnas_error_set(MNAS_ERR_ARG, "%s: a { without its }", pattern);
    if (strpbrk(pattern, "*?[")) return expand_glob(x, pattern);
    if (!mnas_file_exists(pattern)) return mnas_error_set(MNAS_ERR_MISSING, "%s: no such file", pattern);
    mnas_str_appendf(x->paths, "%s\n", pattern);
    x->n++;
    return 0;
}

int mnas_shards_find(mnas_str *paths, const char *pattern) {
    expansion x = {.paths = paths};
    int rc = expand(&x, pattern);
    if (rc == 0 && !mnas_str_ok(paths))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of shards");
    return rc;
}

bool mnas_shards_folder(char *folder, size_t n, const char *pattern) {
    size_t n_plain = strcspn(pattern, "*?[{");
    if (!strpbrk(pattern, "*?[")) return false;
    while (n_plain > 0 && pattern[n_plain - 1] != '/') n_plain--;
    return mnas_str_format(folder, n, "%.*s.", (int)n_plain, pattern) == 0;
}
