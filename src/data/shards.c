/* shards.c - the samples in a shard. Reads labels, and of images nothing. */
#include "data/shards.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "data/tar.h"

enum { MAX_LABEL_BYTES = 1 << 20, MAX_LABEL = 65534 };

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
