/* cache.c - writes, checks and maps the cache files of decoded images. Local to a machine: native byte order.
 *
 * File: header (4096 bytes) | pixels u8 [n,H,W,C] | labels u16 [n] | names of the classes, then of the skipped files, a line
 * each | tail: how many of all these | checksum u64 of all before it. Each part is filled up with zeros to a multiple of 64
 * bytes. The counts stand at the end because only decoding tells them. Invariant: what is handed out has passed every check
 * of check_file, on this very mapping.
 */
#include "data/cache.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/round.h"
#include "data/checksum.h"
#include "data/common.h"
#include "data/resize.h"
#include "data/some_opts.h"

enum { FORMAT_VERSION = 2, HEADER_BYTES = 4096, CHUNK_BYTES = 1 << 20, ALIGN = 64 };
static const char MAGIC[8] = "MNASIMG";

typedef struct cache_header {
    char magic[8];
    uint32_t version;
    int32_t is_test;
    uint64_t key;
    int32_t height, width, channels, classes, n_test, n_ignored;
} cache_header;
static_assert(sizeof(cache_header) <= HEADER_BYTES, "the header must fit");

typedef struct cache_tail {
    uint64_t n, n_val, n_skipped, names_bytes, skipped_bytes, reserved[3];
} cache_tail;
static_assert(sizeof(cache_tail) == ALIGN, "the tail is one unit");

/* ---- layout ---- */

/* Where the parts begin. */
typedef struct cache_layout {
    size_t labels, text, tail, file_bytes;
} cache_layout;

static cache_layout layout_of(const cache_header *h, const cache_tail *t) {
    cache_layout at;
    size_t image_bytes = (size_t)h->height * (size_t)h->width * (size_t)h->channels;
    at.labels = HEADER_BYTES + mnas_round_up((size_t)t->n * image_bytes, ALIGN);
    at.text = at.labels + mnas_round_up((size_t)t->n * sizeof(uint16_t), ALIGN);
    at.tail = at.text + mnas_round_up((size_t)(t->names_bytes + t->skipped_bytes), ALIGN);
    at.file_bytes = at.tail + sizeof *t + sizeof(uint64_t);
    return at;
}

/* ---- key and path ---- */

/* `path` is in the key through the files it names; options that choose the split leave the images alone, unless the plug-in orders its
 * images by them; others say when and how images are decoded, not to what. */
static void key_options(mnas_str *text, const mnas_dataset_class *cls, const void *opts) {
    static const char *const files[] = {"path", "decode", "threads", "interleave", "buffer", NULL},
                             *const arrays[] = {"path", "val", "val-seed", NULL};
    mnas_some_opts_print(cls->plugin.opts, opts, cls->splits ? files : arrays, text);
}

static void key_file(mnas_str *text, const char *path) {
    struct stat st;
    char *real = realpath(path, NULL);
    if (real && stat(real, &st) == 0)
        mnas_str_appendf(text, "\n%s %jd %jd.%09ld", real, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
                         st.st_mtim.tv_nsec);
    else
        mnas_str_appendf(text, "\n%s missing", path);
    free(real);
}

static int key_sources(mnas_str *text, const mnas_dataset_class *cls, const void *opts) {
    if (cls->fingerprint) return cls->fingerprint(opts, text);
    mnas_str paths = {0};
    char *rest = NULL;
    int rc = cls->sources(opts, &paths);
    if (rc == 0 && !mnas_str_ok(&paths))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for the sources of %s", cls->plugin.name);
    if (rc == 0 && paths.data)
        for (char *path = strtok_r(paths.data, "\n", &rest); path; path = strtok_r(NULL, "\n", &rest))
            key_file(text, path);
    mnas_str_free(&paths);
    return rc;
}

/* Training and test caches share the key, hence `stat` (not open) of all sources. */
static int compute_key(uint64_t *key, const mnas_dataset_class *cls, const void *opts) {
    mnas_str text = {0};
    mnas_str_appendf(&text, "%d %s ", FORMAT_VERSION, cls->plugin.name);
    key_options(&text, cls, opts);
    int rc = key_sources(&text, cls, opts);
    if (rc == 0 && !mnas_str_ok(&text))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for the cache key of %s", cls->plugin.name);
    if (rc == 0) *key = mnas_hash_bytes(MNAS_HASH_INIT, text.data, text.len);
    mnas_str_free(&text);
    return rc;
}

static int cache_path(char *path, size_t n, const mnas_dataset_class *cls, uint64_t key, bool test) {
    char dir[1024];
    int rc = mnas_file_cache_dir(dir, sizeof dir);
    if (rc < 0) return rc;
    return mnas_str_format(path, n, "%s/%s-%016" PRIx64 ".%s", dir, cls->plugin.name, key,
                           test ? "test" : "train");
}

/* ---- writing ---- */

typedef struct cache_writer {
    mnas_file_writer file;
    mnas_checksum sum;
    uint8_t *chunk; /* [CHUNK_BYTES] */
    size_t fill;
    mnas_dataset_shape stored; /* as the plug-in emits them */
    cache_header header;       /* as they are kept */
    cache_tail tail;
    int64_t n_expected, first_val; /* images; the number of the first one of validation */
    uint16_t *labels;              /* [n_expected] */
    mnas_str skipped;
    mnas_resize *resize; /* NULL where nothing is resized */
    mnas_square square;
    uint8_t *resized; /* one image */
} cache_writer;

static int flush(cache_writer *w) {
    mnas_checksum_add(&w->sum, w->chunk, w->fill);
    int rc = mnas_file_writer_write(&w->file, w->chunk, w->fill);
    w->fill = 0;
    return rc;
}

static int put(cache_writer *w, const void *data, size_t n) {
    const uint8_t *bytes = data;
    while (n > 0) {
        size_t part = n < CHUNK_BYTES - w->fill ? n : CHUNK_BYTES - w->fill;
        memcpy(w->chunk + w->fill, bytes, part);
        w->fill += part, bytes += part, n -= part;
        int rc = w->fill == CHUNK_BYTES ? flush(w) : 0;
        if (rc < 0) return rc;
    }
    return 0;
}

/* Chunks are a multiple of ALIGN, so that the fill alone says where the file stands. */
static int pad(cache_writer *w) {
    static const uint8_t zeros[ALIGN];
    return put(w, zeros, mnas_round_up(w->fill, ALIGN) - w->fill);
}

/* The number of the image that comes now: skipped ones count, so that the split of the others does not depend on them. */
static int count_image(cache_writer *w, int64_t *number) {
    *number = (int64_t)(w->tail.n + w->tail.n_skipped);
    if (*number < w->n_expected) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "more images than the %lld of the headers",
                          (long long)w->n_expected);
}

static int emit(void *user, const uint8_t *pixels, int label) {
    cache_writer *w = user;
    const cache_header *h = &w->header;
    int64_t number;
    int rc = count_image(w, &number);
    if (rc < 0) return rc;
    if (label < 0 || label >= h->classes)
        return mnas_error_set(MNAS_ERR_FORMAT, "label of image %lld is %d, expected 0 to %d",
                              (long long)number, label, h->classes - 1);
    w->labels[w->tail.n++] = (uint16_t)label;
    if (number >= w->first_val) w->tail.n_val++;
    if (w->resize) {
        size_t pixel = (size_t)h->channels, row = (size_t)w->stored.width * pixel;
        mnas_resize_apply(w->resize, w->resized,
                          pixels + (size_t)w->square.y * row + (size_t)w->square.x * pixel, row);
        pixels = w->resized;
    }
    return put(w, pixels, (size_t)h->height * (size_t)h->width * (size_t)h->channels);
}

static int skip(void *user, const char *file, const char *reason) {
    cache_writer *w = user;
    int64_t number;
    int rc = count_image(w, &number);
    if (rc < 0) return rc;
    w->tail.n_skipped++;
    mnas_dataset_append_skipped(&w->skipped, file, reason);
    return 0;
}

static int put_header(cache_writer *w) {
    uint8_t bytes[HEADER_BYTES] = {0};
    memcpy(bytes, &w->header, sizeof w->header);
    return put(w, bytes, sizeof bytes);
}

static int put_text(cache_writer *w) {
    const mnas_str *names = &w->stored.class_names;
    if (!mnas_str_ok(&w->skipped))
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of skipped files");
    w->tail.names_bytes = names->len, w->tail.skipped_bytes = w->skipped.len;
    int rc = names->len > 0 ? put(w, names->data, names->len) : 0;
    return rc == 0 && w->skipped.len > 0 ? put(w, w->skipped.data, w->skipped.len) : rc;
}

static int put_all(cache_writer *w, const mnas_dataset_class *cls, const void *opts, bool test) {
    mnas_decode_sink sink = {emit, skip, w, w->stored.width};
    int rc = put_header(w);
    if (rc == 0) rc = cls->decode(opts, test, &sink);
    if (rc == 0 && (int64_t)(w->tail.n + w->tail.n_skipped) != w->n_expected)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: %llu images, expected %lld by the headers",
                            cls->plugin.name, (unsigned long long)w->tail.n, (long long)w->n_expected);
    if (rc == 0) rc = pad(w);
    if (rc == 0) rc = put(w, w->labels, (size_t)w->tail.n * sizeof *w->labels);
    if (rc == 0) rc = pad(w);
    if (rc == 0) rc = put_text(w);
    if (rc == 0) rc = pad(w);
    if (rc == 0) rc = put(w, &w->tail, sizeof w->tail);
    if (rc == 0) rc = flush(w);
    uint64_t sum = mnas_checksum_end(&w->sum);
    return rc < 0 ? rc : mnas_file_writer_write(&w->file, &sum, sizeof sum);
}

/* The number of test images is unknown (-1) where their header cannot be read: decode then says why. */
static void plan(cache_writer *w, const mnas_dataset_class *cls, const void *opts, uint64_t key, bool test) {
    const mnas_dataset_shape *s = &w->stored;
    const mnas_dataset_common *common = (const void *)((const char *)opts + cls->common);
    assert(s->classes > 0 && s->classes <= MNAS_DATASET_MAX_CLASSES && s->n_val <= s->n_train);
    w->n_expected = test ? s->n_test : s->n_train;
    if (w->n_expected < 0) w->n_expected = 0;
    w->first_val = test || s->n_val == 0 ? INT64_MAX : s->n_train - s->n_val;
    int size = (int)common->size;
    w->header = (cache_header){.version = FORMAT_VERSION,
                               .is_test = test,
                               .key = key,
                               .height = size ? size : s->height,
                               .width = size ? size : s->width,
                               .channels = s->channels,
                               .classes = s->classes,
                               .n_test = s->n_test,
                               .n_ignored = s->n_ignored};
    memcpy(w->header.magic, MAGIC, sizeof w->header.magic);
}

static int make_buffers(cache_writer *w, const char *name) {
    const cache_header *h = &w->header;
    w->chunk = malloc(CHUNK_BYTES);
    w->labels = calloc((size_t)w->n_expected + 1, sizeof *w->labels);
    w->resized = malloc((size_t)h->height * (size_t)h->width * (size_t)h->channels);
    if (!w->chunk || !w->labels || !w->resized)
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %lld labels of %s", (long long)w->n_expected,
                              name);
    if (h->height == w->stored.height && h->width == w->stored.width) return 0;
    w->square = mnas_resize_centre(w->stored.height, w->stored.width);
    return mnas_resize_create(&w->resize, w->square.side, w->square.side, h->height, h->width, h->channels);
}

static int write_cache(const char *path, const mnas_dataset_class *cls, const void *opts, uint64_t key,
                       bool test) {
    cache_writer w = {0};
    int rc = cls->shape(opts, &w.stored);
    if (rc < 0) goto out;
    plan(&w, cls, opts, key, test);
    rc = make_buffers(&w, cls->plugin.name);
    if (rc == 0) rc = mnas_file_writer_open(&w.file, path);
    if (rc < 0) goto out;
    rc = put_all(&w, cls, opts, test);
    if (rc == 0) rc = mnas_file_writer_commit(&w.file);
    if (rc < 0) mnas_file_writer_abort(&w.file);
out:
    mnas_resize_destroy(w.resize);
    mnas_str_free(&w.stored.class_names);
    mnas_str_free(&w.skipped);
    free(w.resized);
    free(w.chunk);
    free(w.labels);
    return rc;
}

/* ---- reading ---- */

static bool plausible(const cache_header *h) {
    return h->height > 0 && h->height <= 65536 && h->width > 0 && h->width <= 65536 && h->channels > 0 &&
           h->channels <= 4 && h->classes > 0 && h->classes <= MNAS_DATASET_MAX_CLASSES;
}

/* Numbers so small that layout_of cannot overflow. */
static bool countable(const cache_header *h, const cache_tail *t, size_t map_bytes) {
    const size_t image_bytes = (size_t)h->height * (size_t)h->width * (size_t)h->channels;
    return t->n <= INT32_MAX && t->n <= map_bytes / image_bytes && t->n_val <= t->n &&
           t->n_skipped <= INT32_MAX && t->names_bytes <= map_bytes && t->skipped_bytes <= map_bytes;
}

static int check_file(cache_header *h, cache_tail *t, const void *map, size_t map_bytes, uint64_t key,
                      bool test) {
    uint64_t stored;
    if (map_bytes < HEADER_BYTES + sizeof *t + sizeof stored)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu bytes, too short", map_bytes);
    memcpy(h, map, sizeof *h);
    memcpy(t, (const char *)map + map_bytes - sizeof stored - sizeof *t, sizeof *t);
    if (memcmp(h->magic, MAGIC, sizeof MAGIC) != 0 || h->version != FORMAT_VERSION || h->key != key ||
        h->is_test != test || !plausible(h))
        return mnas_error_set(MNAS_ERR_FORMAT, "not the header expected");
    if (!countable(h, t, map_bytes) || layout_of(h, t).file_bytes != map_bytes)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu bytes, not what its end says", map_bytes);
    mnas_checksum sum = {0};
    mnas_checksum_add(&sum, map, map_bytes - sizeof stored);
    memcpy(&stored, (const char *)map + map_bytes - sizeof stored, sizeof stored);
    return stored == mnas_checksum_end(&sum) ? 0 : mnas_error_set(MNAS_ERR_FORMAT, "wrong checksum");
}

static int map_cache(mnas_cache *out, uint64_t key, bool test) {
    cache_header h;
    cache_tail t;
    int rc = mnas_file_map(out->path, &out->map, &out->map_bytes);
    if (rc < 0) return rc;
    rc = check_file(&h, &t, out->map, out->map_bytes, key, test);
    if (rc < 0) {
        mnas_file_unmap(out->map, out->map_bytes);
        out->map = NULL;
        return rc;
    }
    const char *base = out->map;
    cache_layout at = layout_of(&h, &t);
    out->height = h.height, out->width = h.width, out->channels = h.channels, out->classes = h.classes;
    out->n = (int)t.n, out->n_val = (int)t.n_val, out->n_test = h.n_test;
    out->n_skipped = (int)t.n_skipped, out->n_ignored = h.n_ignored;
    out->pixels = (const uint8_t *)base + HEADER_BYTES;
    out->labels = (const uint16_t *)(const void *)(base + at.labels);
    out->class_names = (mnas_cache_text){base + at.text, (size_t)t.names_bytes};
    out->skipped = (mnas_cache_text){base + at.text + t.names_bytes, (size_t)t.skipped_bytes};
    return 0;
}

int mnas_cache_open(mnas_cache *out, const mnas_dataset_class *cls, const void *opts, bool test) {
    *out = (mnas_cache){0};
    uint64_t key = 0;
    int rc = compute_key(&key, cls, opts);
    if (rc == 0) rc = cache_path(out->path, sizeof out->path, cls, key, test);
    if (rc < 0) return rc;
    if (mnas_file_exists(out->path)) {
        if (map_cache(out, key, test) == 0) return 0;
        mnas_log_warn("cache %s is damaged (%s): decoding again", out->path, mnas_error_message());
    }
    double start_s = mnas_clock_now_s();
    rc = write_cache(out->path, cls, opts, key, test);
    if (rc == 0) rc = map_cache(out, key, test);
    if (rc == 0)
        mnas_log_info("decoded %d %s images of %s in %.2f s into %s", out->n, test ? "test" : "training",
                      cls->plugin.name, mnas_clock_now_s() - start_s, out->path);
    return rc;
}
