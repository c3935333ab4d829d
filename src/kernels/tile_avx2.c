/* tile_avx2.c - the tiles of the inference engine for CPUs with AVX2; the code is in leaf_tile.h. */
#include "kernels/tile.h"

#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#define MNAS_LEAF_ISA   avx2
#define MNAS_LEAF_LANES 8
#include "kernels/leaf_tile.h"
#endif
