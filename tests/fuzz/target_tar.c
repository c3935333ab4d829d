/* A shard: a tar file with images and labels.
 *
 * Input: a byte, then the file. Where the byte is odd the checksums of the headers that a plain walk finds are put right first, so
 * that the fuzzer reaches behind them.
 */
#include <stdlib.h>
#include <string.h>

#include "data/examples.h"
#include "data/shards.h"
#include "fuzz.h"

enum { BLOCK = 512, CHECKSUM = 148, SIZE = 124, MAX_HEADERS = 64 };

static void seal(uint8_t *block) {
    unsigned sum = 0;
    memset(block + CHECKSUM, ' ', 8);
    for (int i = 0; i < BLOCK; i++) sum += block[i];
    for (int i = CHECKSUM + 5; i >= CHECKSUM; i--, sum >>= 3) block[i] = (uint8_t)('0' + (sum & 7));
    block[CHECKSUM + 6] = 0;
}

static void seal_all(uint8_t *file, size_t n) {
    size_t at = 0;
    for (int i = 0; i < MAX_HEADERS && at + BLOCK <= n; i++) {
        char digits[13] = {0};
        bool zero = true;
        for (int k = 0; k < BLOCK; k++) zero = zero && file[at + (size_t)k] == 0;
        if (zero) return;
        seal(file + at);
        memcpy(digits, file + at + SIZE, 12);
        unsigned long long size = strtoull(digits, NULL, 8);
        if (size > n) return;
        at += BLOCK + (size_t)((size + BLOCK - 1) / BLOCK * BLOCK);
    }
}

static void check_images(mnas_listing *l, size_t file_bytes) {
    mnas_examples e;
    mnas_bytes bytes = {0};
    FUZZ_CHECK(mnas_listing_finish(l, &e) == 0);
    for (size_t i = 0; i < e.n; i++) {
        FUZZ_CHECK(e.list[i].offset + e.list[i].size <= file_bytes && e.list[i].size > 0);
        FUZZ_CHECK(strlen(e.text + e.list[i].name) > 0);
        FUZZ_CHECK(mnas_examples_read(&e, i, &bytes) == 0 && bytes.n == e.list[i].size);
    }
    free(bytes.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_listing l = {0};
    int largest = -1;
    if (n == 0) return 0;
    uint8_t *file = malloc(n);
    FUZZ_CHECK(file);
    memcpy(file, data + 1, n - 1);
    if (data[0] & 1) seal_all(file, n - 1);
    FUZZ_CHECK(mnas_shards_list(&l, fuzz_file("x.tar", file, n - 1), MNAS_SPLIT_TRAIN, &largest) == 0);
    for (size_t i = 0; i < l.n; i++) FUZZ_CHECK(l.labels[i] <= largest);
    check_images(&l, n - 1);
    mnas_listing_free(&l);
    free(file);
    return 0;
}
