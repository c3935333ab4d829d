/* rng.c - xoshiro256** and the distributions the project draws from.
 *
 * Not for secrets. Same bits on every machine: only mnas_rng_normal goes through libm, whose last bit may
 * differ between C libraries.
 */
#include "base/rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"

static uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

/* splitmix64 (Steele, Lea, Flood 2014): the seeding that xoshiro's authors recommend. */
static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

mnas_rng mnas_rng_stream(uint64_t seed, uint64_t index, const char *purpose) {
    /* Each key passes through the mixer before the next is added, so that (1, 2) and (2, 1) are strangers. */
    uint64_t state = seed;
    state = splitmix64(&state) + index;
    state = splitmix64(&state) + mnas_hash_bytes(MNAS_HASH_INIT, purpose, strlen(purpose));
    mnas_rng rng;
    for (int i = 0; i < 4; i++) rng.s[i] = splitmix64(&state);
    return rng;
}

uint64_t mnas_rng_u64(mnas_rng *rng) {
    uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double mnas_rng_uniform(mnas_rng *rng) {
    return (double)(mnas_rng_u64(rng) >> 11) * 0x1p-53;
}

uint32_t mnas_rng_below(mnas_rng *rng, uint32_t n) {
    assert(n >= 1);
    /* Lemire 2019: the high half of a 32 x 32 bit product, redrawn in the part where it would be biased. */
    uint32_t reject = (uint32_t)(0 - n) % n;
    uint64_t product;
    do product = (mnas_rng_u64(rng) >> 32) * n;
    while ((uint32_t)product < reject);
    return (uint32_t)(product >> 32);
}

double mnas_rng_normal(mnas_rng *rng) {
    double u = 1.0 - mnas_rng_uniform(rng); /* (0, 1]: the logarithm is finite */
    double v = mnas_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v); /* Box & Muller */
}

void mnas_rng_shuffle(mnas_rng *rng, uint32_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = mnas_rng_below(rng, (uint32_t)i);
        uint32_t swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}
