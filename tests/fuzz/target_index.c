/* The index of images that stay in their files. Input: the file. Its checksum is put right first, and its key is the one asked for. What
 * is read is listed, written and read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/checksum.h"
#include "data/examples_index.h"
#include "fuzz.h"

enum { KEY_AT = 16, SUM_BYTES = 8 };

static void seal(uint8_t *file, size_t n) {
    mnas_checksum sum = {{0}};
    if (n < SUM_BYTES || (n - SUM_BYTES) % MNAS_CHECKSUM_UNIT != 0) return;
    mnas_checksum_add(&sum, file, n - SUM_BYTES);
    uint64_t end = mnas_checksum_end(&sum);
    memcpy(file + n - SUM_BYTES, &end, SUM_BYTES);
}

static void follow(const mnas_examples *e) {
    size_t total = 0;
    char name[100];
    for (size_t i = 0; i < e->n; i++) {
        FUZZ_CHECK(e->labels[i] < e->classes);
        total += strlen(e->text + e->list[i].name) + strlen(e->text + e->places[e->list[i].place].path);
        mnas_examples_name(e, i, name, sizeof name);
    }
    for (size_t i = 0; i < e->class_names.n; i++) total += (unsigned char)e->class_names.text[i];
    for (size_t i = 0; i < e->skipped.n; i++) total += (unsigned char)e->skipped.text[i];
    FUZZ_CHECK(total < SIZE_MAX && e->n_split[0] + e->n_split[1] + e->n_split[2] == (int)e->n);
}

/* A listing of what an index holds. */
static int list(const void *opts, mnas_listing *out) {
    const mnas_examples *const *from = opts;
    const mnas_examples *e = *from;
    int split = 0, left = e->n_split[0];
    FUZZ_CHECK(mnas_listing_place(out, fuzz_folder()) == 0);
    for (size_t i = 0; i < e->n; i++, left--) {
        while (left == 0) left = e->n_split[++split];
        FUZZ_CHECK(mnas_listing_add(out, (mnas_example){.size = e->list[i].size}, e->text + e->list[i].name,
                                    e->labels[i], (mnas_split_kind)split) == 0);
    }
    mnas_listing_skip(out, "x", "it is no image");
    out->classes = e->classes;
    mnas_dataset_append_line(&out->class_names, "a");
    return 0;
}

static void expect_same(const mnas_examples *a, const mnas_examples *b) {
    FUZZ_CHECK(a->n == b->n && memcmp(a->n_split, b->n_split, sizeof a->n_split) == 0 && b->n_skipped == 1);
    for (size_t i = 0; i < a->n; i++) {
        FUZZ_CHECK(strcmp(a->text + a->list[i].name, b->text + b->list[i].name) == 0);
        FUZZ_CHECK(a->labels[i] == b->labels[i] && a->list[i].size == b->list[i].size);
    }
}

static void write_and_read(const mnas_examples *e) {
    static const mnas_opt none[] = {MNAS_OPT_END};
    static const mnas_plugin plugin = {"fuzz", "", none, 0};
    mnas_examples_index again;
    setenv("MNAS_CACHE_DIR", fuzz_folder(), 1);
    if (e->n == 0 || mnas_examples_index_open(&again, &plugin, &e, list) < 0) return;
    expect_same(e, &again.examples);
    mnas_file_unmap(again.map, again.map_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_examples_index index = {0};
    uint64_t key = 0;
    uint8_t *file = malloc(n + 1);
    FUZZ_CHECK(file);
    if (n > 0) memcpy(file, data, n);
    seal(file, n);
    if (n >= KEY_AT + sizeof key) memcpy(&key, file + KEY_AT, sizeof key);
    snprintf(index.path, sizeof index.path, "%s", fuzz_file("x.index", file, n));
    if (mnas_examples_index_map(&index, key) == 0) {
        follow(&index.examples);
        write_and_read(&index.examples);
        mnas_file_unmap(index.map, index.map_bytes);
    }
    free(file);
    return 0;
}
