/* bf16.h - the upper half of a float as a number of its own: 8 bits of exponent, 8 of precision. */
#ifndef MNAS_BASE_BF16_H
#define MNAS_BASE_BF16_H

#include <stdint.h>
#include <string.h>

static inline float mnas_bf16_to_float(uint16_t x) {
    const uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest, to even on a tie; NaN stays NaN. */
static inline uint16_t mnas_bf16_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#endif
