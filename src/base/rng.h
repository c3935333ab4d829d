/* rng.h - random numbers as streams of (seed, index, purpose): the same study, seed and trial give the same run whatever
 * else happens around them.
 *
 * xoshiro256** (Blackman & Vigna) seeded by splitmix64. The state is a plain value: copy it to save it.
 */
#ifndef MNAS_BASE_RNG_H
#define MNAS_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct mnas_rng {
    uint64_t s[4];
} mnas_rng;

/* `purpose` is a short constant text ("init", "shuffle", "augment", ...): streams of different purposes are independent. */
mnas_rng mnas_rng_stream(uint64_t seed, uint64_t index, const char *purpose);
uint64_t mnas_rng_u64(mnas_rng *rng);
double mnas_rng_uniform(mnas_rng *rng);             /* [0, 1), 53 bits */
uint32_t mnas_rng_below(mnas_rng *rng, uint32_t n); /* [0, n), unbiased; n >= 1 */
double mnas_rng_normal(mnas_rng *rng); /* N(0, 1); draws two uniforms a call, keeps no hidden state */
void mnas_rng_shuffle(mnas_rng *rng, uint32_t *items, size_t n); /* Fisher-Yates */

#endif
