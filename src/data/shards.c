/* shards.c - patterns of shard names, and the samples in a shard. Reads labels, and of images nothing. */
#include "data/shards.h"

#include <glob.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/file.h"
#include "data/tar.h"

enum { MAX_SHARDS = 1000000, MAX_DEPTH = 8, MAX_LABEL_BYTES = 1 << 20, MAX_LABEL = 65534 };

/* ---- patterns ---- */

static int expand(mnas_str *paths, const char *pattern, int *n, int depth);

/* One value in the place of the brace [open, close]. */
static int expand_with(mnas_str *paths, const char *pattern, const char *open, const char *close,
                       const char *value, size_t n_value, int *n, int depth) {
    mnas_str one = {0};
    mnas_str_append_n(&one, pattern, (size_t)(open - pattern));
    mnas_str_append_n(&one, value, n_value);
    mnas_str_append(&one, close + 1);
    int rc = mnas_str_ok(&one) ? expand(paths, one.data, n, depth + 1)
                               : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of shards");
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

static int expand_brace(mnas_str *paths, const char *pattern, const char *open, const char *close, int *n,
                        int depth) {
    long from, to;
    int width, rc = 0;
    if (read_range(open, close, &from, &to, &width)) {
        for (long i = from; rc == 0 && (from <= to ? i <= to : i >= to); i += from <= to ? 1 : -1) {
            char value[32];
            snprintf(value, sizeof value, "%0*ld", width, i);
            rc = expand_with(paths, pattern, open, close, value, strlen(value), n, depth);
        }
        return rc;
    }
    if (!memchr(open, ',', (size_t)(close - open)))
        return mnas_error_set(MNAS_ERR_ARG, "%s: \"%.*s\"; allowed: {000..146} or {a,b}", pattern,
                              (int)(close - open + 1), open);
    for (const char *at = open + 1; rc == 0 && at <= close;) {
        size_t len = strcspn(at, ",}");
        rc = expand_with(paths, pattern, open, close, at, len, n, depth);
        at += len + 1;
    }
    return rc;
}

static int expand_glob(mnas_str *paths, const char *pattern, int *n) {
    glob_t found;
    int rc = glob(pattern, GLOB_ERR, NULL, &found);
    if (rc == GLOB_NOSPACE) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of shards");
    if (rc == GLOB_ABORTED) return mnas_error_errno("%s", pattern);
    if (rc == GLOB_NOMATCH) return mnas_error_set(MNAS_ERR_MISSING, "%s: no such file", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++, ++*n) mnas_str_appendf(paths, "%s\n", found.gl_pathv[i]);
    globfree(&found);
    return 0;
}

static int expand(mnas_str *paths, const char *pattern, int *n, int depth) {
    const char *open = strchr(pattern, '{'), *close = open ? strchr(open, '}') : NULL;
    if (*n > MAX_SHARDS || depth > MAX_DEPTH)
        return mnas_error_set(MNAS_ERR_ARG, "more than %d shards or %d braces", MAX_SHARDS, MAX_DEPTH);
    if (close) return expand_brace(paths, pattern, open, close, n, depth);
    if (open) return mnas_error_set(MNAS_ERR_ARG, "%s: a { without its }", pattern);
    if (strpbrk(pattern, "*?[")) return expand_glob(paths, pattern, n);
    if (!mnas_file_exists(pattern)) return mnas_error_set(MNAS_ERR_MISSING, "%s: no such file", pattern);
    mnas_str_appendf(paths, "%s\n", pattern);
    ++*n;
    return 0;
}

int mnas_shards_find(mnas_str *paths, const char *pattern) {
    int n = 0, rc = expand(paths, pattern, &n, 0);
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

/* ---- samples ---- */

/* What has come of a sample so far. */
typedef struct sample {
    char key[MNAS_TAR_NAME];
    mnas_tar_member image;
    bool has_image, has_label;
    int64_t label;
} sample;

static bool is_one_of(const char *word, const char *const *list) {
    while (*list && strcasecmp(word, *list) != 0) list++;
    return *list != NULL;
}

/* The name ends its key at the first dot behind the last slash; *ending is what follows that. */
static size_t split_key(const char *name, const char **ending) {
    const char *slash = strrchr(name, '/'), *dot = strchr(slash ? slash : name, '.');
    *ending = dot ? dot + 1 : "";
    return dot ? (size_t)(dot - name) : strlen(name);
}

static bool parse_label(int64_t *label, char *text, size_t n, bool json) {
    long long number = -1;
    if (json) {
        json_t *object = json_loadb(text, n, 0, NULL), *value = json_object_get(object, "label");
        bool found = json_is_integer(value);
        if (found) number = json_integer_value(value);
        json_decref(object);
        *label = number;
        return found;
    }
    while (n > 0 && strchr(" \t\r\n", text[n - 1])) n--;
    text[n] = '\0';
    bool found = mnas_str_to_i64(text + strspn(text, " \t\r\n"), &number);
    *label = number;
    return found;
}

static int read_label(sample *s, mnas_tar *tar, const mnas_tar_member *m, bool json) {
    if (m->size > MAX_LABEL_BYTES) return 0;
    char *text = malloc((size_t)m->size + 1);
    if (!text) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a label");
    int rc = mnas_tar_read(tar, m->offset, text, (size_t)m->size);
    text[m->size] = '\0';
    if (rc == 0 && parse_label(&s->label, text, (size_t)m->size, json)) s->has_label = true;
    free(text);
    return rc;
}

static int take_member(sample *s, mnas_tar *tar, const mnas_tar_member *m, const char *ending) {
    static const char *const images[] = {"jpg", "jpeg", "png", NULL}, *const numbers[] = {"cls", NULL},
                             *const objects[] = {"json", NULL};
    if (is_one_of(ending, images) && m->size > 0 && m->size <= UINT32_MAX) {
        s->image = *m;
        s->has_image = true;
    }
    if (is_one_of(ending, numbers)) return read_label(s, tar, m, false);
    return is_one_of(ending, objects) && !s->has_label ? read_label(s, tar, m, true) : 0;
}

static void skip_sample(mnas_listing *out, const char *path, const sample *s, const char *reason) {
    mnas_str name = {0};
    mnas_str_appendf(&name, "%s: %s", path, s->key);
    mnas_listing_skip(out, mnas_str_ok(&name) ? name.data : path, reason);
    mnas_str_free(&name);
}

static int finish_sample(mnas_listing *out, const char *path, sample *s, uint32_t place,
                         mnas_split_kind split, int *largest) {
    char reason[80];
    int rc = 0;
    if (s->has_image && s->has_label && s->label >= 0 && s->label <= MAX_LABEL) {
        const mnas_example example = {
            .offset = s->image.offset, .size = (uint32_t)s->image.size, .place = place};
        if (s->label > *largest) *largest = (int)s->label;
        rc = mnas_listing_add(out, example, s->image.name, (int)s->label, split);
    } else if (s->has_image && s->has_label) {
        snprintf(reason, sizeof reason, "its label is %lld; allowed: 0 to %d", (long long)s->label,
                 MAX_LABEL);
        skip_sample(out, path, s, reason);
    } else if (s->has_image) {
        skip_sample(out, path, s, "an image without a label in .cls or .json");
    } else if (s->key[0]) {
        out->n_ignored++;
    }
    *s = (sample){.key = ""};
    return rc;
}

static int list_members(mnas_listing *out, mnas_tar *tar, const char *path, uint32_t place,
                        mnas_split_kind split, int *largest) {
    static const sample none = {.key = ""};
    sample *s = malloc(sizeof *s);
    mnas_tar_member *m = malloc(sizeof *m);
    const char *ending;
    int rc = s && m ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory to list %s", path), more = 1;
    if (s) *s = none;
    while (rc == 0 && (more = mnas_tar_next(tar, m)) > 0) {
        size_t n_key = split_key(m->name, &ending);
        if (strlen(s->key) != n_key || memcmp(s->key, m->name, n_key) != 0) {
            rc = finish_sample(out, path, s, place, split, largest);
            memcpy(s->key, m->name, n_key);
            s->key[n_key] = '\0';
        }
        if (rc == 0) rc = take_member(s, tar, m, ending);
    }
    bool broken = more < 0 && !(s->has_image && s->has_label); /* told with the shard */
    if (rc == 0 && !broken) rc = finish_sample(out, path, s, place, split, largest);
    free(s), free(m);
    return rc < 0 ? rc : more;
}

int mnas_shards_list(mnas_listing *out, const char *path, mnas_split_kind split, int *largest) {
    mnas_tar *tar = NULL;
    int place = mnas_listing_place(out, path);
    if (place < 0) return place;
    int rc = mnas_tar_open(&tar, path);
    if (rc == 0) rc = list_members(out, tar, path, (uint32_t)place, split, largest);
    mnas_tar_close(tar);
    if (rc == MNAS_ERR_FORMAT) {
        mnas_listing_skip(out, path, mnas_error_message());
        rc = 0;
    }
    return rc;
}
