/* dataset_webdataset.c - `webdataset:path=DIR/train-{000000..000146}.tar`: images and labels in tar files (shards.h has the layout).
 *
 * Shards are read once from end to end for what they hold, which the index keeps. Training reads the images of many shards side by
 * side, each from front to back, and shuffles them in a buffer. Truncated or damaged shards are named, and what stands before the
 * damage is used.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "data/image_set.h"
#include "data/shards.h"

typedef struct web_opts {
    char path[MNAS_OPT_STR], val_path[MNAS_OPT_STR], test_path[MNAS_OPT_STR];
    double val;
    int64_t classes;
    mnas_image_options images;
    mnas_dataset_common common;
} web_opts;

#define PATTERN "FILES"

static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(web_opts, path), NULL, 0, 0, PATTERN,
     "shards to train on: DIR/train-{000000..000146}.tar, or with * and ?; or DIR, with train*.tar, "
     "val*.tar, test*.tar",
     NULL},
    {"val-path", MNAS_OPT_STRING, offsetof(web_opts, val_path), "", 0, 0, PATTERN, "shards for validation",
     NULL},
    {"test-path", MNAS_OPT_STRING, offsetof(web_opts, test_path), "", 0, 0, PATTERN,
     "shards with the test images", NULL},
    {"classes", MNAS_OPT_INT, offsetof(web_opts, classes), "0", 0, 65535, "classes",
     "labels are 0 to one less; 0: as the largest label says", NULL},
    MNAS_DATASET_SIZE_OPT(web_opts, "side the images get; 0: chosen by the median of their shorter sides"),
    MNAS_IMAGE_OPTS(web_opts),
    {"interleave", MNAS_OPT_INT, offsetof(web_opts, images.interleave), "64", 1, 4096, "shards",
     "read side by side in training", NULL},
    {"buffer", MNAS_OPT_INT, offsetof(web_opts, images.buffer), "1024", 1, 1e8, "images",
     "shuffled in training", NULL},
    {"val", MNAS_OPT_FLOAT, offsetof(web_opts, val), "0.1", 0.001, 0.9, "share",
     "of the training images held out for validation where there is no val-path", NULL},
    MNAS_DATASET_VAL_SEED_OPT(web_opts),
    MNAS_OPT_END,
};

/* ---- patterns ---- */

typedef struct patterns {
    char by_split[3][MNAS_OPT_STR + 16]; /* "": none */
} patterns;

static void find_in_folder(patterns *p, const char *folder, mnas_split_kind split, const char *name) {
    mnas_str found = {0};
    char *pattern = p->by_split[split];
    if (*pattern) return;
    snprintf(pattern, sizeof p->by_split[split], "%s/%s", folder, name);
    if (mnas_shards_find(&found, pattern) < 0 && split != MNAS_SPLIT_TRAIN) *pattern = '\0';
    mnas_str_free(&found);
}

/* A folder means what lies in it by the usual names. */
static void read_patterns(patterns *p, const web_opts *o) {
    mnas_place place;
    snprintf(p->by_split[MNAS_SPLIT_TRAIN], sizeof p->by_split[0], "%s", o->path);
    snprintf(p->by_split[MNAS_SPLIT_VAL], sizeof p->by_split[0], "%s", o->val_path);
    snprintf(p->by_split[MNAS_SPLIT_TEST], sizeof p->by_split[0], "%s", o->test_path);
    if (!mnas_place_look(&place, o->path) || place.size >= 0) return;
    p->by_split[MNAS_SPLIT_TRAIN][0] = '\0';
    find_in_folder(p, o->path, MNAS_SPLIT_TRAIN, "train*.tar");
    find_in_folder(p, o->path, MNAS_SPLIT_VAL, "val*.tar");
    find_in_folder(p, o->path, MNAS_SPLIT_TEST, "test*.tar");
}

/* ---- listing ---- */

static int list_pattern(mnas_listing *out, const char *pattern, mnas_split_kind split, int *largest) {
    mnas_str paths = {0};
    char *rest = NULL, folder[MNAS_OPT_STR + 16];
    int rc = mnas_shards_find(&paths, pattern), n = 0;
    size_t before = out->n;
    if (rc == 0 && mnas_shards_folder(folder, sizeof folder, pattern) && mnas_listing_place(out, folder) < 0)
        rc = MNAS_ERR_IO;
    if (rc == 0)
        for (char *path = strtok_r(paths.data, "\n", &rest); rc == 0 && path;
             path = strtok_r(NULL, "\n", &rest)) {
            rc = mnas_shards_list(out, path, split, largest);
            mnas_log_live("listing shards: %d, %zu images", ++n, out->n);
        }
    mnas_str_free(&paths);
    if (rc == 0 && out->n == before)
        rc = mnas_error_set(
            MNAS_ERR_FORMAT,
            "%s: no image with a label; expected members KEY.jpg, .jpeg or .png with KEY.cls or KEY.json",
            pattern);
    return rc;
}

/* Each by its own name, as folder_list.h draws them. */
static void draw_validation(mnas_listing *l, double share, uint64_t seed) {
    for (size_t i = 0; i < l->n; i++) {
        const char *name = l->text.data + l->list[i].name;
        if (l->splits[i] != MNAS_SPLIT_TRAIN) continue;
        uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, name, strlen(name));
        mnas_rng rng = mnas_rng_stream(seed, hash, "folder val");
        if (mnas_rng_uniform(&rng) < share) l->splits[i] = MNAS_SPLIT_VAL;
    }
}

static int count_classes(mnas_listing *out, int64_t wanted, int largest) {
    if (wanted > 0 && largest >= wanted)
        return mnas_error_set(MNAS_ERR_ARG,
                              "classes is %lld; allowed: more than the largest label, which is %d",
                              (long long)wanted, largest);
    out->classes = wanted > 0 ? (int)wanted : largest + 1;
    if (out->classes >= 2) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%d class; expected 2 or more", out->classes);
}

static void tell_skipped(const mnas_listing *l) {
    if (l->n_skipped == 0 || !mnas_str_ok(&l->skipped)) return;
    mnas_log_warn("skipped %.*s%s", (int)strcspn(l->skipped.data, "\n"), l->skipped.data,
                  l->n_skipped > 1 ? "; `mnas datasets` names the others" : "");
}

static int list_images(const void *opts, mnas_listing *out) {
    const web_opts *o = opts;
    patterns p;
    int largest = 0, rc = 0;
    read_patterns(&p, o);
    for (int split = 0; rc == 0 && split < 3; split++)
        if (*p.by_split[split]) rc = list_pattern(out, p.by_split[split], (mnas_split_kind)split, &largest);
    tell_skipped(out); /* where nothing is left, too: it may be why */
    if (rc == 0 && !mnas_str_ok(&out->text))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for a list of images");
    if (rc < 0) return rc;
    if (!*p.by_split[MNAS_SPLIT_VAL]) draw_validation(out, o->val, (uint64_t)o->common.val_seed);
    return count_classes(out, o->classes, largest);
}

/* ---- the plug-in ---- */

static int fingerprint_pattern(mnas_str *text, const char *pattern) {
    mnas_str paths = {0};
    char *rest = NULL;
    mnas_place place = {0};
    int rc = mnas_shards_find(&paths, pattern);
    if (rc == 0)
        for (char *path = strtok_r(paths.data, "\n", &rest); path; path = strtok_r(NULL, "\n", &rest))
            if (mnas_place_look(&place, path))
                mnas_str_appendf(text, "%s %" PRId64 " %" PRId64 "\n", path, place.size, place.mtime_ns);
    mnas_str_free(&paths);
    return rc;
}

static int fingerprint(const void *opts, mnas_str *text) {
    const web_opts *o = opts;
    patterns p;
    int rc = 0;
    read_patterns(&p, o);
    for (int split = 0; rc == 0 && split < 3; split++)
        if (*p.by_split[split]) rc = fingerprint_pattern(text, p.by_split[split]);
    return rc;
}

static int shape(const void *opts, mnas_dataset_shape *out) {
    const web_opts *o = opts;
    return mnas_image_set_shape(out, opts, list_images, &o->images, (int)o->common.size);
}

static int decode(const void *opts, bool test, const mnas_decode_sink *sink) {
    const web_opts *o = opts;
    return mnas_image_set_decode(opts, list_images, &o->images, test, sink);
}

extern const mnas_dataset_class mnas_dataset_class_webdataset;
const mnas_dataset_class mnas_dataset_class_webdataset = {
    .plugin = {"webdataset", "images and labels in tar files, as WebDataset lays them out", table,
               sizeof(web_opts)},
    .common = offsetof(web_opts, common),
    .splits = true,
    .images = offsetof(web_opts, images),
    .fingerprint = fingerprint,
    .shape = shape,
    .list = list_images,
    .decode = decode,
};
