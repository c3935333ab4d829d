/* tile_avx512.c - the tiles of the inference engine for CPUs with AVX-512; the code is in leaf_tile.h. */
#include "kernels/tile.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,prefer-vector-width=512")
#define MNAS_LEAF_ISA   avx512
#define MNAS_LEAF_LANES 16
#include "kernels/leaf_tile.h"
#endif
