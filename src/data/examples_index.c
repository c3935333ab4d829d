/* examples_index.c - writes, checks and maps the index of images that stay in their files. Local to a machine: native byte order.
 *
 * File: header | examples | places | labels u16 | names | names of the classes, then of the skipped files, a line each | checksum
 * u64 of all before it. Each part is filled up with zeros to a multiple of 64 bytes. Invariant: what is handed out has passed
 * check_parts, on this very mapping: offsets, labels and places lie inside.
 */
#include "data/examples_index.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/round.h"
#include "data/checksum.h"
#include "data/some_opts.h"

enum { FORMAT_VERSION = 1, ALIGN = 64 };
static const char MAGIC[8] = "MNASIDX";
static const double TOLD_AFTER_S = 0.5;
/* File systems keep times in steps; what changed so shortly before it was listed may have changed once more, unseen. */
static const int64_t YOUNG_MS = 2000;

typedef struct index_header {
    char magic[8];
    uint32_t version;
    int32_t classes;
    uint64_t key, n_places, n_text, names_bytes, skipped_bytes;
    int64_t taken_ms;
    int32_t n_split[3], side, n_ignored, n_skipped;
    uint8_t reserved[40];
} index_header;
static_assert(sizeof(index_header) % ALIGN == 0, "the header is whole units");
static_assert(ALIGN % MNAS_CHECKSUM_UNIT == 0, "parts can be summed one by one");

/* ---- layout ---- */

static size_t round_up(size_t n) {
    return mnas_round_up(n, ALIGN);
}

/* Where the parts begin. */
typedef struct index_layout {
    size_t n, list, places, labels, text, lines, sum, file_bytes;
} index_layout;

static index_layout layout_of(const index_header *h) {
    index_layout at = {.list = sizeof *h};
    for (int i = 0; i < 3; i++) at.n += (size_t)h->n_split[i];
    at.places = at.list + round_up(at.n * sizeof(mnas_example));
    at.labels = at.places + round_up((size_t)h->n_places * sizeof(mnas_place));
    at.text = at.labels + round_up(at.n * sizeof(uint16_t));
    at.lines = at.text + round_up((size_t)h->n_text);
    at.sum = at.lines + round_up((size_t)(h->names_bytes + h->skipped_bytes));
    at.file_bytes = at.sum + sizeof(uint64_t);
    return at;
}

/* ---- key and path ---- */

/* Of the options those that choose images. Their paths may be relative: the working folder is part of the key. */
static int compute_key(uint64_t *key, const mnas_plugin *plugin, const void *opts) {
    static const char *const others[] = {"size",    "fit",        "channels", "decode",
                                         "threads", "interleave", "buffer",   NULL};
    mnas_str text = {0};
    char here[4096];
    mnas_str_appendf(&text, "%d %s %s ", FORMAT_VERSION, plugin->name, getcwd(here, sizeof here) ? here : "");
    mnas_some_opts_print(plugin->opts, opts, others, &text);
    int rc = mnas_str_ok(&text)
                 ? 0
                 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the index key of %s", plugin->name);
    if (rc == 0) *key = mnas_hash_bytes(MNAS_HASH_INIT, text.data, text.len);
    mnas_str_free(&text);
    return rc;
}

static int index_path(char *path, size_t n, const char *name, uint64_t key) {
    char dir[900];
    int rc = mnas_file_cache_dir(dir, sizeof dir);
    return rc < 0 ? rc : mnas_str_format(path, n, "%s/%s-%016" PRIx64 ".index", dir, name, key);
}

/* ---- writing ---- */

static int put(mnas_file_writer *w, mnas_checksum *sum, const void *data, size_t n) {
    uint8_t last[ALIGN] = {0};
    size_t whole = n / ALIGN * ALIGN;
    int rc = 0;
    if (whole > 0) {
        mnas_checksum_add(sum, data, whole);
        rc = mnas_file_writer_write(w, data, whole);
    }
    if (rc < 0 || whole == n) return rc;
    memcpy(last, (const char *)data + whole, n - whole);
    mnas_checksum_add(sum, last, sizeof last);
    return mnas_file_writer_write(w, last, sizeof last);
}

static int put_lines(mnas_file_writer *w, mnas_checksum *sum, const mnas_examples *e) {
    mnas_str lines = {0};
    if (e->class_names.n > 0) mnas_str_append_n(&lines, e->class_names.text, e->class_names.n);
    if (e->skipped.n > 0) mnas_str_append_n(&lines, e->skipped.text, e->skipped.n);
    int rc = mnas_str_ok(&lines) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of classes");
    if (rc == 0 && lines.len > 0) rc = put(w, sum, lines.data, lines.len);
    mnas_str_free(&lines);
    return rc;
}

static index_header header_of(const mnas_examples *e, uint64_t key, int64_t taken_ms) {
    index_header h = {.version = FORMAT_VERSION,
                      .classes = e->classes,
                      .key = key,
                      .n_places = e->n_places,
                      .n_text = e->n_text,
                      .names_bytes = e->class_names.n,
                      .skipped_bytes = e->skipped.n,
                      .taken_ms = taken_ms,
                      .side = e->side,
                      .n_ignored = e->n_ignored,
                      .n_skipped = e->n_skipped};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.n_split, e->n_split, sizeof h.n_split);
    return h;
}

static int write_index(const char *path, const mnas_examples *e, uint64_t key, int64_t taken_ms) {
    mnas_file_writer w;
    mnas_checksum sum = {0};
    index_header h = header_of(e, key, taken_ms);
    int rc = mnas_file_writer_open(&w, path);
    if (rc < 0) return rc;
    rc = put(&w, &sum, &h, sizeof h);
    if (rc == 0) rc = put(&w, &sum, e->list, e->n * sizeof *e->list);
    if (rc == 0) rc = put(&w, &sum, e->places, e->n_places * sizeof *e->places);
    if (rc == 0) rc = put(&w, &sum, e->labels, e->n * sizeof *e->labels);
    if (rc == 0) rc = put(&w, &sum, e->text, e->n_text);
    if (rc == 0) rc = put_lines(&w, &sum, e);
    uint64_t end = mnas_checksum_end(&sum);
    if (rc == 0) rc = mnas_file_writer_write(&w, &end, sizeof end);
    if (rc == 0) rc = mnas_file_writer_commit(&w);
    if (rc < 0) mnas_file_writer_abort(&w);
    return rc;
}

static int make_index(const char *path, const void *opts, mnas_lister lister, uint64_t key) {
    mnas_listing listing = {0};
    mnas_examples e;
    int64_t taken_ms = mnas_clock_unix_ms();
    double start_s = mnas_clock_now_s();
    int rc = lister(opts, &listing);
    if (rc == 0) rc = mnas_listing_finish(&listing, &e);
    if (rc == 0) rc = mnas_examples_side(&e.side, &e);
    if (rc == 0) rc = write_index(path, &e, key, taken_ms);
    double seconds = mnas_clock_now_s() - start_s;
    if (rc == 0 && seconds > TOLD_AFTER_S)
        mnas_log_info("listed %zu images in %.1f s into %s", e.n, seconds, path);
    mnas_listing_free(&listing);
    return rc;
}

/* ---- reading ---- */

/* Numbers so small that layout_of cannot overflow. */
static bool plausible(const index_header *h, size_t map_bytes) {
    bool counts = h->n_split[0] >= 0 && h->n_split[1] >= 0 && h->n_split[2] >= 0 &&
                  h->n_places <= map_bytes && h->n_text <= map_bytes && h->names_bytes <= map_bytes &&
                  h->skipped_bytes <= map_bytes;
    return counts && h->classes > 0 && h->classes <= MNAS_DATASET_MAX_CLASSES && h->side > 0 &&
           h->n_ignored >= 0 && h->n_skipped >= 0;
}

/* Everything a reader follows blindly. */
static bool check_parts(const mnas_examples *e) {
    bool good = e->n_text > 0 && e->text[e->n_text - 1] == '\0';
    for (size_t i = 0; good && i < e->n_places; i++) good = e->places[i].path < e->n_text;
    for (size_t i = 0; good && i < e->n; i++)
        good = e->list[i].name < e->n_text && e->list[i].place < e->n_places && e->labels[i] < e->classes &&
               e->list[i].offset <= INT64_MAX / 2;
    return good;
}

static int check_file(index_header *h, const void *map, size_t map_bytes, uint64_t key) {
    uint64_t stored;
    if (map_bytes < sizeof *h + sizeof stored)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu bytes, too short", map_bytes);
    memcpy(h, map, sizeof *h);
    if (memcmp(h->magic, MAGIC, sizeof MAGIC) != 0 || h->version != FORMAT_VERSION || h->key != key ||
        !plausible(h, map_bytes))
        return mnas_error_set(MNAS_ERR_FORMAT, "not the header expected");
    index_layout at = layout_of(h);
    if (at.file_bytes != map_bytes)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu bytes, not the %zu its header says", map_bytes,
                              at.file_bytes);
    mnas_checksum sum = {0};
    mnas_checksum_add(&sum, map, at.sum);
    memcpy(&stored, (const char *)map + at.sum, sizeof stored);
    return stored == mnas_checksum_end(&sum) ? 0 : mnas_error_set(MNAS_ERR_FORMAT, "wrong checksum");
}

static void find_parts(mnas_examples *e, const index_header *h, const void *map) {
    const char *base = map;
    index_layout at = layout_of(h);
    *e = (mnas_examples){.n = at.n,
                         .list = (const void *)(base + at.list),
                         .labels = (const void *)(base + at.labels),
                         .places = (const void *)(base + at.places),
                         .n_places = (size_t)h->n_places,
                         .text = base + at.text,
                         .n_text = (size_t)h->n_text,
                         .classes = h->classes,
                         .side = h->side,
                         .n_ignored = h->n_ignored,
                         .n_skipped = h->n_skipped,
                         .class_names = {base + at.lines, (size_t)h->names_bytes},
                         .skipped = {base + at.lines + h->names_bytes, (size_t)h->skipped_bytes}};
    memcpy(e->n_split, h->n_split, sizeof e->n_split);
}

static bool is_unchanged(const mnas_examples *e, int64_t taken_ms) {
    for (size_t i = 0; i < e->n_places; i++) {
        const mnas_place *then = &e->places[i];
        mnas_place now;
        if (!mnas_place_look(&now, e->text + then->path)) return false;
        if (now.mtime_ns != then->mtime_ns || now.size != then->size) return false;
        if (now.mtime_ns / 1000000 > taken_ms - YOUNG_MS) return false;
    }
    return true;
}

static void unmap(mnas_examples_index *index) {
    mnas_file_unmap(index->map, index->map_bytes);
    index->map = NULL;
}

static int map_index(mnas_examples_index *out, uint64_t key, int64_t *taken_ms) {
    index_header h;
    int rc = mnas_file_map(out->path, &out->map, &out->map_bytes);
    if (rc < 0) return rc;
    rc = check_file(&h, out->map, out->map_bytes, key);
    if (rc == 0) {
        find_parts(&out->examples, &h, out->map);
        if (!check_parts(&out->examples))
            rc = mnas_error_set(MNAS_ERR_FORMAT, "its parts do not fit together");
    }
    if (rc < 0) unmap(out);
    *taken_ms = h.taken_ms;
    return rc;
}

int mnas_examples_index_map(mnas_examples_index *out, uint64_t key) {
    int64_t taken_ms;
    return map_index(out, key, &taken_ms);
}

/* Is there a good one? A damaged one is told, an outdated one is everyday life. */
static bool use_index(mnas_examples_index *out, uint64_t key) {
    int64_t taken_ms;
    if (!mnas_file_exists(out->path)) return false;
    if (map_index(out, key, &taken_ms) < 0) {
        mnas_log_warn("index %s is damaged (%s): listing again", out->path, mnas_error_message());
        return false;
    }
    if (is_unchanged(&out->examples, taken_ms)) return true;
    unmap(out);
    return false;
}

int mnas_examples_index_open(mnas_examples_index *out, const mnas_plugin *plugin, const void *opts,
                             mnas_lister lister) {
    uint64_t key = 0;
    *out = (mnas_examples_index){0};
    int rc = compute_key(&key, plugin, opts);
    if (rc == 0) rc = index_path(out->path, sizeof out->path, plugin->name, key);
    if (rc < 0 || use_index(out, key)) return rc;
    out->made = true;
    rc = make_index(out->path, opts, lister, key);
    return rc < 0 ? rc : mnas_examples_index_map(out, key);
}
