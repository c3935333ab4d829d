/* The index of images that stay in their files. Input: the file. Its checksum is put right first, and its key is the one asked for. */
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
        mnas_file_unmap(index.map, index.map_bytes);
    }
    free(file);
    return 0;
}
