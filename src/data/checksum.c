/* checksum.c - each step is one-to-one in its lane, so that a change of one word always shows. */
#include "data/checksum.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

static const uint64_t PRIME = 0x9e3779b97f4a7c15ULL;

void mnas_checksum_add(mnas_checksum *sum, const void *data, size_t n) {
    const unsigned char *bytes = data;
    assert(n % MNAS_CHECKSUM_UNIT == 0);
    for (size_t i = 0; i < n; i += MNAS_CHECKSUM_UNIT)
        for (int l = 0; l < MNAS_CHECKSUM_LANES; l++) {
            uint64_t word, x;
            memcpy(&word, bytes + i + 8 * (size_t)l, 8);
            x = sum->lane[l] ^ word;
            sum->lane[l] = (x << 29 | x >> 35) * PRIME;
        }
}

uint64_t mnas_checksum_end(const mnas_checksum *sum) {
    return mnas_hash_bytes(MNAS_HASH_INIT, sum->lane, sizeof sum->lane);
}
