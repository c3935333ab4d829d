/* cache.c - writes, checks and maps the cache files of decoded images. Local to a machine: native byte order.
 *
 * File: header (4096 bytes) | pixels u8 [n,H,W,C], zeros up to a multiple of 64 | labels u16 [n], zeros up to
 * a multiple of 32 | checksum u64 of all before it. Invariant: what is handed out has passed every check of
 * check_file, on this very mapping.
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

enum { FORMAT_VERSION = 1, HEADER_BYTES = 4096, CHUNK_BYTES = 1 << 20, LANES = 4, MAX_CLASSES = 65536 };
static const char MAGIC[8] = "MNASIMG";

typedef struct cache_header {
    char magic[8];
    uint32_t version, n;
    uint64_t key;
    int32_t is_test, reserved;
    mnas_dataset_shape shape;
} cache_header;
static_assert(sizeof(cache_header) <= HEADER_BYTES, "the header must fit");

/* ---- checksum: four chains of 8-byte words, fast enough to check every open ---- */

typedef struct checksum {
    uint64_t lane[LANES];
} checksum;

static const uint64_t CHECK_PRIME = 0x9e3779b97f4a7c15ULL;

/* n is a multiple of 32. Each step is one-to-one in the lane, so that a change of one word always shows. */
static void checksum_add(checksum *sum, const void *data, size_t n) {
    const unsigned char *bytes = data;
    assert(n % (8 * LANES) == 0);
    for (size_t i = 0; i < n; i += 8 * LANES)
        for (int l = 0; l < LANES; l++) {
            uint64_t word, x;
            memcpy(&word, bytes + i + 8 * (size_t)l, 8);
            x = sum->lane[l] ^ word;
            sum->lane[l] = (x << 29 | x >> 35) * CHECK_PRIME;
        }
}

static uint64_t checksum_end(const checksum *sum) {
    return mnas_hash_bytes(MNAS_HASH_INIT, sum->lane, sizeof sum->lane);
}

/* ---- layout ---- */

static size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

static size_t image_bytes(const mnas_dataset_shape *s) {
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels;
}

static size_t labels_offset(const mnas_dataset_shape *s, size_t n) {
    return HEADER_BYTES + round_up(n * image_bytes(s), 64);
}

static size_t body_bytes(const mnas_dataset_shape *s, size_t n) {
    return round_up(labels_offset(s, n) + n * sizeof(uint16_t), 8 * LANES);
}

/* ---- key and path ---- */

/* Options that choose the split leave the images alone, and `path` is in the key through the files it names. */
static bool shapes_images(const mnas_opt *opt) {
    return strcmp(opt->name, "val") != 0 && strcmp(opt->name, "val-seed") != 0 &&
           strcmp(opt->name, "path") != 0;
}

static void key_options(mnas_str *text, const mnas_dataset_class *cls, const void *opts) {
    mnas_opt table[32] = {MNAS_OPT_END};
    size_t n = 0;
    for (const mnas_opt *o = cls->plugin.opts; o && o->name; o++)
        if (shapes_images(o)) {
            assert(n + 1 < sizeof table / sizeof table[0]);
            table[n++] = *o;
            table[n] = (mnas_opt)MNAS_OPT_END;
        }
    mnas_opts_print(table, opts, text);
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

/* Training and test caches share the key, hence `stat` (not open) of all sources. */
static int compute_key(uint64_t *key, const mnas_dataset_class *cls, const void *opts) {
    mnas_str text = {0}, paths = {0};
    mnas_str_appendf(&text, "%d %s ", FORMAT_VERSION, cls->plugin.name);
    key_options(&text, cls, opts);
    int rc = cls->sources(opts, &paths);
    char *rest = NULL;
    if (rc == 0 && paths.data)
        for (char *path = strtok_r(paths.data, "\n", &rest); path; path = strtok_r(NULL, "\n", &rest))
            key_file(&text, path);
    if (rc == 0 && !(mnas_str_ok(&text) && mnas_str_ok(&paths)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for the cache key of %s", cls->plugin.name);
    if (rc == 0) *key = mnas_hash_bytes(MNAS_HASH_INIT, text.data, text.len);
    mnas_str_free(&text);
    mnas_str_free(&paths);
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
    checksum sum;
    uint8_t *chunk; /* [CHUNK_BYTES] */
    size_t fill;
    size_t image_bytes;
    int n, n_expected, classes;
    uint16_t *labels; /* [n_expected] */
} cache_writer;

static int flush(cache_writer *w) {
    checksum_add(&w->sum, w->chunk, w->fill);
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

/* Chunks are a multiple of every alignment, so that the fill alone says where the file stands. */
static int pad_to(cache_writer *w, size_t multiple) {
    static const uint8_t zeros[64];
    return put(w, zeros, round_up(w->fill, multiple) - w->fill);
}

static int emit(void *user, const uint8_t *pixels, int label) {
    cache_writer *w = user;
    if (w->n == w->n_expected)
        return mnas_error_set(MNAS_ERR_FORMAT, "more images than the %d of the headers", w->n_expected);
    if (label < 0 || label >= w->classes)
        return mnas_error_set(MNAS_ERR_FORMAT, "label of image %d is %d, expected 0 to %d", w->n, label,
                              w->classes - 1);
    w->labels[w->n++] = (uint16_t)label;
    return put(w, pixels, w->image_bytes);
}

static int put_header(cache_writer *w, const mnas_dataset_shape *shape, uint64_t key, bool test) {
    uint8_t bytes[HEADER_BYTES] = {0};
    cache_header header = {.version = FORMAT_VERSION,
                           .n = (uint32_t)w->n_expected,
                           .key = key,
                           .is_test = test,
                           .shape = *shape};
    memcpy(header.magic, MAGIC, sizeof header.magic);
    memcpy(bytes, &header, sizeof header);
    return put(w, bytes, sizeof bytes);
}

static int put_all(cache_writer *w, const mnas_dataset_class *cls, const void *opts, bool test) {
    mnas_decode_sink sink = {emit, w};
    int rc = cls->decode(opts, test, &sink);
    if (rc == 0 && w->n != w->n_expected)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: %d images, expected %d by the headers", cls->plugin.name,
                            w->n, w->n_expected);
    if (rc == 0) rc = pad_to(w, 64);
    if (rc == 0) rc = put(w, w->labels, (size_t)w->n * sizeof *w->labels);
    if (rc == 0) rc = pad_to(w, 8 * LANES);
    if (rc == 0) rc = flush(w);
    uint64_t sum = checksum_end(&w->sum);
    return rc < 0 ? rc : mnas_file_writer_write(&w->file, &sum, sizeof sum);
}

/* The number of test images is unknown (-1) where their header cannot be read: decode then says why. */
static int write_cache(const char *path, const mnas_dataset_class *cls, const void *opts, uint64_t key,
                       bool test) {
    mnas_dataset_shape shape;
    int rc = cls->shape(opts, &shape);
    if (rc < 0) return rc;
    assert(shape.classes > 0 && shape.classes <= MAX_CLASSES);
    cache_writer w = {.image_bytes = image_bytes(&shape), .classes = shape.classes};
    w.n_expected = test ? shape.n_test : shape.n_train;
    if (w.n_expected < 0) w.n_expected = 0;
    w.chunk = malloc(CHUNK_BYTES);
    w.labels = calloc((size_t)w.n_expected + 1, sizeof *w.labels);
    if (!w.chunk || !w.labels) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for %d labels of %s", w.n_expected, cls->plugin.name);
        goto out;
    }
    rc = mnas_file_writer_open(&w.file, path);
    if (rc < 0) goto out;
    rc = put_header(&w, &shape, key, test);
    if (rc == 0) rc = put_all(&w, cls, opts, test);
    if (rc == 0) rc = mnas_file_writer_commit(&w.file);
    if (rc < 0) mnas_file_writer_abort(&w.file);
out:
    free(w.chunk);
    free(w.labels);
    return rc;
}

/* ---- reading ---- */

static bool plausible(const mnas_dataset_shape *s, uint32_t n) {
    return s->height > 0 && s->height <= 65536 && s->width > 0 && s->width <= 65536 && s->channels > 0 &&
           s->channels <= 4 && s->classes > 0 && s->classes <= MAX_CLASSES && n <= INT32_MAX;
}

static int check_file(const void *map, size_t map_bytes, uint64_t key, bool test) {
    cache_header h;
    if (map_bytes < HEADER_BYTES)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu bytes, shorter than its header", map_bytes);
    memcpy(&h, map, sizeof h);
    if (memcmp(h.magic, MAGIC, sizeof MAGIC) != 0 || h.version != FORMAT_VERSION || h.key != key ||
        h.is_test != test || !plausible(&h.shape, h.n))
        return mnas_error_set(MNAS_ERR_FORMAT, "not the header expected");
    size_t body = body_bytes(&h.shape, h.n);
    if (map_bytes != body + sizeof(uint64_t))
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu bytes, expected %zu", map_bytes, body + sizeof(uint64_t));
    checksum sum = {0};
    uint64_t stored;
    checksum_add(&sum, map, body);
    memcpy(&stored, (const char *)map + body, sizeof stored);
    return stored == checksum_end(&sum) ? 0 : mnas_error_set(MNAS_ERR_FORMAT, "wrong checksum");
}

static int map_cache(mnas_cache *out, uint64_t key, bool test) {
    int rc = mnas_file_map(out->path, &out->map, &out->map_bytes);
    if (rc < 0) return rc;
    rc = check_file(out->map, out->map_bytes, key, test);
    if (rc < 0) {
        mnas_file_unmap(out->map, out->map_bytes);
        out->map = NULL;
        return rc;
    }
    cache_header h;
    memcpy(&h, out->map, sizeof h);
    out->shape = h.shape;
    out->n = (int)h.n;
    out->pixels = (const uint8_t *)out->map + HEADER_BYTES;
    out->labels = (const uint16_t *)(const void *)((const char *)out->map + labels_offset(&h.shape, h.n));
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
