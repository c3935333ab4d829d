/* tile.h - the inner loops of the built-in inference engine, compiled once for each instruction set, and which of them this
 * CPU gets.
 *
 * Feature maps are cut into blocks of `lanes` channels, [block, row, column, lanes]: a vector is one pixel of one block, and
 * channels that a last block lacks are zeros. A tile, a few pixels by a few blocks, stays in registers until it is whole, and
 * leaves with bias, bounds and residual in it.
 *
 * The loops stand in leaf_tile.h; tile_avx512.c, tile_avx2.c, tile_base.c (SSE2 or NEON) and tile_portable.c include them. They
 * know nothing of networks, of padding or of threads; infer/native*.c cuts the work. Training has leaves of its own (isa.h).
 */
#ifndef MNAS_KERNELS_TILE_H
#define MNAS_KERNELS_TILE_H

#include <stddef.h>

#include "kernels/isa.h"

enum { MNAS_TILE_MAX_BLOCKS = 3, MNAS_TILE_LINE_FLOATS = 16 };

/* `length` floats in a row, `at` from the pixel they belong to. */
typedef struct mnas_tile_segment {
    ptrdiff_t at;
    int length;
} mnas_tile_segment;

/* dst[b, p, :] = clamp(bias + sum over segments s, floats k of src[p * pixel + s.at + k] * weight[s, k, b, :]) + residual[b, p, :]
 * for n_pixels p and n_blocks blocks b. A 1x1 convolution has a segment for each block of input channels, a k x k one k * k times as
 * many. */
typedef struct mnas_tile_conv {
    const float *src;
    size_t pixel; /* floats from one pixel to the next in src; those of dst lie side by side */
    const mnas_tile_segment *segment;
    int n_segments, n_pixels, n_blocks;
    const float *weight;   /* [sum of lengths, n_blocks, lanes] */
    const float *bias;     /* [n_blocks, lanes] */
    const float *residual; /* laid out as dst, or NULL */
    float low, high;
    float *dst;
    size_t block; /* floats from one block to the next in dst */
    /* Weights of the calls to come, brought nearer while this one computes: n_inputs lines of the cache a tile. */
    const float *ahead;
    size_t n_inputs, ahead_floats;
} mnas_tile_conv;

/* dst[b, p, :] = clamp(bias + sum over rows v and columns h of src[v][b, p * stride + h, :] * weight[v][b, h, :]), n_pixels p and
 * n_blocks b; sum[b, :] += dst[b, p, :] where not NULL. */
typedef struct mnas_tile_dw {
    int kernel, stride, n_rows, n_pixels, n_blocks;
    const float *src[MNAS_DW_MAX_KERNEL], *weight[MNAS_DW_MAX_KERNEL]; /* [n_rows] */
    size_t src_block, weight_block, dst_block;                         /* floats from one block to the next */
    const float *bias;                                                 /* [n_blocks, lanes] */
    float low, high;
    float *dst, *sum;
} mnas_tile_dw;

/* One pixel of a pool, of one block: the mean or the largest of rows x columns pixels, row_floats apart. */
typedef struct mnas_tile_pool {
    bool max;
    const float *src;
    size_t row_floats;
    int rows, columns;
    float *dst;
} mnas_tile_pool;

typedef struct mnas_tile_isa {
    const char *name;     /* of the mnas_isa it belongs to */
    size_t lanes, pixels; /* of a whole tile */
    void (*conv)(const mnas_tile_conv *conv);
    void (*dw)(const mnas_tile_dw *dw);
    void (*pool)(const mnas_tile_pool *pool);
    /* x[i] = act(x[i]) + residual[i]; n is a multiple of lanes; residual may be NULL */
    void (*activate)(mnas_act act, float *x, size_t n, const float *residual);
    /* n_pixels of a block: dst[p, :] = src[p, :] * scale[:]; dst may be src */
    void (*scale)(const float *src, const float *scale, size_t n_pixels, float *dst);
    /* sum[:] += src[p, :] */
    void (*sum)(const float *src, size_t n_pixels, float *sum);
} mnas_tile_isa;

extern const mnas_tile_isa mnas_tile_avx512, mnas_tile_avx2, mnas_tile_sse2; /* x86-64 */
extern const mnas_tile_isa mnas_tile_neon;                                   /* aarch64 */
extern const mnas_tile_isa mnas_tile_portable;

/* Those of the set that mnas_isa_get() names. */
const mnas_tile_isa *mnas_tile_get(void);

#endif
