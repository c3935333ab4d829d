/* dataset.c - from a spec to splits: the list of dataset plug-ins, what is held out for validation, and the
 * lock on the test images. Decoding and caching are cache.c's.
 *
 * Invariant: train and val are disjoint, together the whole training set, and the same for the same spec everywhere.
 */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "data/cache.h"
#include "data/common.h"
#include "data/examples_index.h"
#include "data/image_set.h"
#include "data/some_opts.h"

#define X(name) extern const mnas_dataset_class mnas_dataset_class_##name;
#include "data/datasets.def"
#undef X

static const mnas_plugin *const plugins[] = {
#define X(name) &mnas_dataset_class_##name.plugin,
#include "data/datasets.def"
#undef X
};

const mnas_plugin *const *mnas_dataset_plugins(size_t *n) {
    *n = sizeof plugins / sizeof plugins[0];
    return plugins;
}

/* Without `threads`: what is the same for any number of them is the same dataset. */
static int canonical_spec(char *out, size_t n, const mnas_plugin *plugin, const void *opts) {
    static const char *const without[] = {"threads", NULL};
    mnas_str text = {0};
    mnas_some_opts_print(plugin->opts, opts, without, &text);
    const char *pairs = text.data ? text.data : "";
    int rc = mnas_str_ok(&text)
                 ? mnas_str_format(out, n, "%s%s%s", plugin->name, *pairs ? ":" : "", pairs)
                 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the spec of %s", plugin->name);
    mnas_str_free(&text);
    return rc;
}

static int parse_spec(const mnas_dataset_class **cls, void **opts, const char *spec) {
    const mnas_plugin *plugin = NULL;
    *opts = NULL;
    int rc = mnas_registry_open(plugins, sizeof plugins / sizeof plugins[0], "dataset", spec, &plugin, opts);
    *cls = (const mnas_dataset_class *)plugin;
    return rc;
}

static mnas_dataset_common *common_of(const mnas_dataset_class *cls, void *opts) {
    return (void *)((char *)opts + cls->common);
}

/* As the plug-in's shape says it, without listing a million files. */
static int look_at_index(mnas_dataset_shape *shape, const mnas_dataset_class *cls, const void *opts) {
    const mnas_image_options *images = (const void *)((const char *)opts + cls->images);
    const mnas_dataset_common *common = (const void *)((const char *)opts + cls->common);
    mnas_examples_index index;
    int rc = mnas_image_set_check(images);
    if (rc == 0) rc = mnas_examples_index_open(&index, &cls->plugin, opts, cls->list);
    if (rc < 0) return rc;
    const mnas_examples *e = &index.examples;
    int size = common->size > 0 ? (int)common->size : e->side;
    rc = mnas_image_set_describe(shape, e, images, size);
    mnas_file_unmap(index.map, index.map_bytes);
    return rc;
}

int mnas_dataset_look(mnas_dataset_shape *shape, bool *has_size, const char *spec) {
    const mnas_dataset_class *cls;
    void *opts;
    *shape = (mnas_dataset_shape){0};
    int rc = parse_spec(&cls, &opts, spec);
    if (rc < 0) return rc;
    *has_size = common_of(cls, opts)->size > 0;
    rc = cls->list ? look_at_index(shape, cls, opts) : cls->shape(opts, shape);
    free(opts);
    return rc < 0 ? mnas_error_context(rc, "dataset %s", spec) : 0;
}

int mnas_dataset_spec_at(char *out, size_t n, const char *spec, int size) {
    const mnas_dataset_class *cls;
    void *opts;
    int rc = parse_spec(&cls, &opts, spec);
    if (rc < 0) return rc;
    common_of(cls, opts)->size = size;
    rc = canonical_spec(out, n, &cls->plugin, opts);
    free(opts);
    return rc;
}

static int holdout_size(int *n_val, int64_t wanted, int n_train) {
    if (n_train < 2)
        return mnas_error_set(MNAS_ERR_FORMAT, "%d training image; expected 2 or more, to hold one out",
                              n_train);
    if (wanted == 0) wanted = n_train >= 50000 ? 5000 : (n_train + 9) / 10;
    if (wanted >= n_train)
        return mnas_error_set(MNAS_ERR_ARG, "val is %lld images; allowed: 1 to %d of the %d training images",
                              (long long)wanted, n_train - 1, n_train);
    *n_val = (int)wanted;
    return 0;
}

/* order = the training indices, then the validation indices, each ascending: the choice is random, reading is not. */
static int hold_out(mnas_dataset *d, int n, int n_val, uint64_t seed) {
    uint32_t *shuffled = malloc((size_t)n * sizeof *shuffled);
    bool *held = calloc((size_t)n, sizeof *held);
    d->order = malloc((size_t)n * sizeof *d->order);
    int rc = 0;
    if (!shuffled || !held || !d->order) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for the order of %d images", n);
        goto out;
    }
    for (int i = 0; i < n; i++) shuffled[i] = (uint32_t)i;
    mnas_rng rng = mnas_rng_stream(seed, 0, "holdout");
    mnas_rng_shuffle(&rng, shuffled, (size_t)n);
    for (int i = 0; i < n_val; i++) held[shuffled[i]] = true;
    uint32_t *train = d->order, *val = d->order + (n - n_val);
    for (int i = 0; i < n; i++) *(held[i] ? val++ : train++) = (uint32_t)i;
out:
    free(shuffled);
    free(held);
    return rc;
}

/* The plug-in's choice: the training images stand first. */
static int take_last(mnas_dataset *d, int n) {
    d->order = malloc((size_t)n * sizeof *d->order);
    if (!d->order) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the order of %d images", n);
    for (int i = 0; i < n; i++) d->order[i] = (uint32_t)i;
    return 0;
}

static int split_training(mnas_dataset *d, int *n_val, const mnas_cache *cache, const mnas_dataset_class *cls,
                          const void *opts) {
    const mnas_dataset_common *common = (const void *)((const char *)opts + cls->common);
    *n_val = cache->n_val;
    if (cls->splits && (*n_val == 0 || *n_val == cache->n))
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%d images for training and %d for validation; expected 1 or more of each",
                              cache->n - *n_val, *n_val);
    if (cls->splits) return take_last(d, cache->n);
    int rc = holdout_size(n_val, common->val, cache->n);
    return rc < 0 ? rc : hold_out(d, cache->n, *n_val, (uint64_t)common->val_seed);
}

/* ---- images that stay in their files ---- */

static void describe_files(mnas_dataset *d, const mnas_image_options *o, int size) {
    const mnas_examples *e = d->examples;
    mnas_dataset_info *info = &d->info;
    info->height = info->width = size;
    info->channels = (int)o->channels, info->classes = e->classes;
    info->n_train = e->n_split[MNAS_SPLIT_TRAIN], info->n_val = e->n_split[MNAS_SPLIT_VAL];
    info->n_test = e->n_split[MNAS_SPLIT_TEST];
    info->n_skipped = e->n_skipped, info->n_ignored = e->n_ignored;
    info->cache_bytes = (int64_t)d->map_bytes;
    info->in_files = true;
    memcpy(info->cache_path, d->index->path, sizeof info->cache_path);
    d->class_names = e->class_names, d->skipped = e->skipped;
    d->threads = (int)o->threads, d->interleave = (int)o->interleave, d->buffer = (int)o->buffer;
}

/* Test images are in the index, and stay closed to who may not see them. */
static int split_files(mnas_dataset *d, bool with_test) {
    const mnas_examples *e = d->examples;
    size_t first = 0;
    if (e->n_split[MNAS_SPLIT_TRAIN] == 0 || e->n_split[MNAS_SPLIT_VAL] == 0)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%d images for training and %d for validation; expected 1 or more of each",
                              e->n_split[MNAS_SPLIT_TRAIN], e->n_split[MNAS_SPLIT_VAL]);
    if (with_test && e->n_split[MNAS_SPLIT_TEST] == 0)
        return mnas_error_set(MNAS_ERR_MISSING, "it has no test images");
    int rc = take_last(d, (int)e->n);
    for (int k = 0; rc == 0 && k < 3; k++) {
        if (k != MNAS_SPLIT_TEST || with_test)
            d->split[k] = (mnas_split){e->n_split[k], NULL, e->labels, d->order + first};
        first += (size_t)e->n_split[k];
    }
    return rc;
}

/* Once: each trial of a search opens it. */
static void tell_why(const mnas_dataset *d, const mnas_image_options *o) {
    const mnas_dataset_info *i = &d->info;
    if (o->decode == MNAS_DECODE_AUTO && d->index->made)
        mnas_log_info(
            "%zu images of %dx%d would take %.0f GB decoded: they stay in their files and are decoded each "
            "time (decode=once keeps them decoded)",
            d->examples->n, i->width, i->height,
            (double)d->examples->n * i->width * i->height * i->channels / 1e9);
}

/* *stays: all is done, the images are not to be decoded now. */
static int open_files(mnas_dataset *d, bool *stays, const mnas_dataset_class *cls, const void *opts,
                      int flags) {
    const mnas_image_options *images = (const void *)((const char *)opts + cls->images);
    const mnas_dataset_common *common = (const void *)((const char *)opts + cls->common);
    *stays = false;
    if (!cls->list) return 0;
    int rc = mnas_image_set_check(images);
    if (rc < 0 || images->decode == MNAS_DECODE_ONCE) return rc;
    d->index = calloc(1, sizeof *d->index);
    if (!d->index) return mnas_error_set(MNAS_ERR_MEMORY, "no memory to open a dataset");
    rc = mnas_examples_index_open(d->index, &cls->plugin, opts, cls->list);
    if (rc < 0) return rc;
    int size = common->size > 0 ? (int)common->size : d->index->examples.side;
    d->map = d->index->map, d->map_bytes = d->index->map_bytes;
    *stays = mnas_image_set_stays(images, &d->index->examples, size);
    if (!*stays) return 0;
    d->examples = &d->index->examples;
    describe_files(d, images, size);
    rc = split_files(d, flags & MNAS_ALLOW_TEST);
    if (rc == 0) tell_why(d, images);
    return rc;
}

static void forget_index(mnas_dataset *d) {
    if (d->index && d->map) mnas_file_unmap(d->map, d->map_bytes);
    free(d->index);
    d->index = NULL, d->map = NULL;
}

/* ---- decoded images ---- */

static int open_train(mnas_dataset *d, const mnas_dataset_class *cls, const void *opts) {
    mnas_cache cache;
    int n_val = 0, rc = mnas_cache_open(&cache, cls, opts, false);
    if (rc < 0) return rc;
    d->map = cache.map;
    d->map_bytes = cache.map_bytes;
    d->class_names = cache.class_names;
    d->skipped = cache.skipped;
    rc = split_training(d, &n_val, &cache, cls, opts);
    if (rc < 0) return rc;
    int n_train = cache.n - n_val;
    d->split[MNAS_SPLIT_TRAIN] = (mnas_split){n_train, cache.pixels, cache.labels, d->order};
    d->split[MNAS_SPLIT_VAL] = (mnas_split){n_val, cache.pixels, cache.labels, d->order + n_train};
    mnas_dataset_info *info = &d->info;
    info->height = cache.height, info->width = cache.width, info->channels = cache.channels;
    info->classes = cache.classes;
    info->n_train = n_train, info->n_val = n_val, info->n_test = cache.n_test;
    info->n_skipped = cache.n_skipped, info->n_ignored = cache.n_ignored;
    info->cache_bytes = (int64_t)cache.map_bytes;
    memcpy(info->cache_path, cache.path, sizeof info->cache_path);
    return 0;
}

static int open_test(mnas_dataset *d, const mnas_dataset_class *cls, const void *opts) {
    mnas_cache cache;
    int rc = mnas_cache_open(&cache, cls, opts, true);
    if (rc < 0) return rc;
    d->test_map = cache.map;
    d->test_map_bytes = cache.map_bytes;
    if (cache.n == 0) return mnas_error_set(MNAS_ERR_MISSING, "it has no test images");
    d->split[MNAS_SPLIT_TEST] = (mnas_split){cache.n, cache.pixels, cache.labels, NULL};
    d->info.n_test = cache.n;
    d->info.cache_bytes += (int64_t)cache.map_bytes;
    return 0;
}

static int open_decoded(mnas_dataset *d, const mnas_dataset_class *cls, const void *opts, int flags) {
    forget_index(d);
    int rc = open_train(d, cls, opts);
    return rc == 0 && (flags & MNAS_ALLOW_TEST) ? open_test(d, cls, opts) : rc;
}

int mnas_dataset_open(mnas_dataset **out, const char *spec, int flags) {
    *out = NULL;
    const mnas_dataset_class *cls;
    void *opts;
    int rc = parse_spec(&cls, &opts, spec);
    if (rc < 0) return rc;
    mnas_dataset *d = calloc(1, sizeof *d);
    if (!d) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory to open dataset %s", spec);
        goto out;
    }
    rc = canonical_spec(d->info.spec, sizeof d->info.spec, &cls->plugin, opts);
    bool stays = false;
    if (rc == 0) rc = open_files(d, &stays, cls, opts, flags);
    if (rc == 0 && !stays) rc = open_decoded(d, cls, opts, flags);
    if (rc < 0) mnas_error_context(rc, "dataset %s", spec);
out:
    free(opts);
    if (rc == 0)
        *out = d;
    else
        mnas_dataset_close(d);
    return rc;
}

void mnas_dataset_close(mnas_dataset *dataset) {
    if (!dataset) return;
    if (dataset->test_map) mnas_file_unmap(dataset->test_map, dataset->test_map_bytes);
    if (dataset->map) mnas_file_unmap(dataset->map, dataset->map_bytes);
    free(dataset->index);
    free(dataset->order);
    free(dataset);
}

/* ---- descriptions ---- */

void mnas_dataset_append_line(mnas_str *lines, const char *text) {
    size_t at = lines->len;
    mnas_str_append(lines, text);
    for (; at < lines->len; at++)
        if ((unsigned char)lines->data[at] < 32 || lines->data[at] == 127) lines->data[at] = '?';
    mnas_str_append(lines, "\n");
}

void mnas_dataset_append_skipped(mnas_str *lines, const char *file, const char *reason) {
    mnas_str line = {0};
    mnas_str_appendf(&line, "%s: %s", file, reason);
    mnas_dataset_append_line(lines, mnas_str_ok(&line) ? line.data : file);
    mnas_str_free(&line);
}

int mnas_dataset_name_classes(mnas_dataset_shape *shape, const char *const *names, int n) {
    for (int i = 0; i < n; i++) mnas_dataset_append_line(&shape->class_names, names[i]);
    if (mnas_str_ok(&shape->class_names)) return 0;
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %d class names", n);
}

int mnas_dataset_describe(mnas_dataset_info *out, const char *spec) {
    mnas_dataset *dataset;
    int rc = mnas_dataset_open(&dataset, spec, 0);
    if (rc < 0) return rc;
    *out = dataset->info;
    mnas_dataset_close(dataset);
    return 0;
}

static void name_classes(mnas_class_info *classes, int n, mnas_cache_text names) {
    const char *at = names.text, *end = names.text + names.n;
    for (int k = 0; k < n && at < end; k++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        if (len >= sizeof classes[k].name) len = sizeof classes[k].name - 1;
        memcpy(classes[k].name, at, len);
        at = stop ? stop + 1 : end;
    }
}

static void count_classes(mnas_class_info *classes, const mnas_dataset *d) {
    const mnas_split *train = &d->split[MNAS_SPLIT_TRAIN], *val = &d->split[MNAS_SPLIT_VAL];
    for (int i = 0; i < train->n; i++) classes[train->labels[train->index[i]]].n_train++;
    for (int i = 0; i < val->n; i++) classes[val->labels[val->index[i]]].n_val++;
}

int mnas_dataset_classes(mnas_class_info **classes, char **skipped, const char *spec) {
    mnas_dataset *d;
    *classes = NULL, *skipped = NULL;
    int rc = mnas_dataset_open(&d, spec, 0);
    if (rc < 0) return rc;
    *classes = calloc((size_t)d->info.classes, sizeof **classes);
    *skipped = calloc(1, d->skipped.n + 1);
    if (*classes && *skipped) {
        name_classes(*classes, d->info.classes, d->class_names);
        count_classes(*classes, d);
        if (d->skipped.n > 0) memcpy(*skipped, d->skipped.text, d->skipped.n);
    } else {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for %d classes of %s", d->info.classes, spec);
        free(*classes), free(*skipped);
        *classes = NULL, *skipped = NULL;
    }
    mnas_dataset_close(d);
    return rc;
}
