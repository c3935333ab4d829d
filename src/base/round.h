/* round.h - whole pieces: how many hold n, and how much they are together. */
#ifndef MNAS_BASE_ROUND_H
#define MNAS_BASE_ROUND_H

#include <stddef.h>

static inline size_t mnas_divide_up(size_t n, size_t piece) {
    return (n + piece - 1) / piece;
}

static inline size_t mnas_round_up(size_t n, size_t piece) {
    return mnas_divide_up(n, piece) * piece;
}

#endif
