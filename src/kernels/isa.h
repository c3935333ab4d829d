/* isa.h - the leaf loops of all kernels, compiled once for each instruction set, and which of them this CPU gets.
 *
 * The loops stand in leaf_*.h; isa_avx512.c, isa_avx2.c and isa_sse2.c include them with another vector width
 * and fill one record each. A leaf is single-threaded: kernels (dwconv.c, bn.c, ...) cut the work and run
 * leaves in parallel regions. Choosing by a table rather than by ifuncs keeps sanitizer builds working, and
 * lets tests run every set the CPU has.
 */
#ifndef MNAS_KERNELS_ISA_H
#define MNAS_KERNELS_ISA_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel.h"

enum { MNAS_DW_MAX_KERNEL = 7, MNAS_ISA_MAX_LANES = 16 };

/* Depthwise leaves work on one block of `width` channels (mnas_isa_width). What they read several times
 * stands in a plane: [n, rows, cols, width], dense, zeros where the padding is, so that every tap of every
 * pixel exists along a row. Weights and their sums are dense, too: [tap, width]. Only dst, ddst and the
 * source of dw_fill have all channels. */

/* plane[i, y, left + x, :] = src[i, first_row + y, x, 0..width), zeros in the other columns; src rows have
 * src_cols pixels, images src_image floats. */
typedef struct mnas_dw_fill {
    const float *src;
    int n, first_row, rows, src_cols, left, cols;
    size_t channels, src_image;
    float *plane;
} mnas_dw_fill;

/* The same row of n images, of the forward pass and of the data gradient alike:
 * dst[t * dst_step] = sum_v sum_h weight[v][h] * src[v][t * src_step + h], t in [0, n_out). */
typedef struct mnas_dw_row {
    const float *src[MNAS_DW_MAX_KERNEL];    /* [n_v], into the plane */
    const float *weight[MNAS_DW_MAX_KERNEL]; /* [n_v] [n_h, width] */
    int n, n_v, n_h, n_out, dst_step, src_step;
    size_t channels, src_image, dst_image; /* src_image, dst_image: floats from one image to the next */
    float *dst;
} mnas_dw_row;

/* Weight gradient over n images and output rows [row_begin, row_end) of each:
 * sum[i, j] += ddst[y, x] * plane[y * stride + i - top, x * stride + j], rows outside the plane left out. */
typedef struct mnas_dw_weight {
    const float *plane, *ddst; /* ddst: row 0 of the first image */
    int n, plane_rows, plane_cols, top, row_begin, row_end, out_h, out_w, kernel, stride;
    size_t channels;
    float *sum; /* [kernel * kernel, width] */
} mnas_dw_weight;

/* Tensors that are void * below hold elements of elem_bytes: float or bf16 (the upper half of a float).
 * "columns": a matrix [rows, columns], dense; columns is a multiple of lanes unless said. */
typedef struct mnas_isa {
    const char *name;
    size_t lanes, elem_bytes;
    void (*dw_fill)(const mnas_dw_fill *fill, size_t width);
    void (*dw_row)(const mnas_dw_row *row, size_t width);
    void (*dw_weight)(const mnas_dw_weight *weight, size_t width);
    /* sum[j] = sum_i (x[i, j] - shift[j]), square likewise: overwritten */
    void (*bn_sums)(const void *x, const float *shift, size_t rows, size_t columns, float *sum,
                    float *square);
    void (*bn_apply)(const void *x, const mnas_norm *bn, size_t rows, size_t columns, void *y);
    /* The same past the cache; y aligned to a vector. */
    void (*bn_apply_stream)(const void *x, const mnas_norm *bn, size_t rows, size_t columns, void *y);
    /* sum[j] = sum_i g, sum_x[j] = sum_i g (x - mean): overwritten; g = dy act' is written where not NULL (it may be dy) */
    void (*bn_gradient_sums)(const void *x, const void *dy, const mnas_norm *bn, size_t rows, size_t columns,
                             float *sum, float *sum_x, void *g);
    /* dx = scale g - (x - mean) slope - offset, g = dy act'; act apart from bn's, since dy may be g already */
    void (*bn_gradient)(const void *x, const void *dy, const mnas_norm *bn, mnas_act act, size_t rows,
                        size_t columns, void *dx);
    /* total[j] += part[j]; any n */
    void (*accumulate)(const float *part, size_t n, double *total);
    /* Any n below. y = clamp(x, low, high); dx = dy where low < x < high, else 0 */
    void (*clamp)(const float *x, size_t n, float low, float high, float *y);
    void (*clamp_gradient)(const float *x, const float *dy, size_t n, float low, float high, float *dx);
    void (*add)(const float *a, const float *b, size_t n, float *y);
    /* Any columns. sum[j] = sum_i x[i, j]; sum[j] = sum_i x[i, j] y[i, j] */
    void (*column_sums)(const float *x, size_t rows, size_t columns, float *sum);
    void (*column_dots)(const float *x, const float *y, size_t rows, size_t columns, float *sum);
    /* y[i, j] = x[i, j] * scale[j] + offset[j]; y may be x */
    void (*column_affine)(const float *x, const float *scale, const float *offset, size_t rows,
                          size_t columns, float *y);
    void (*multiply)(const float *a, const float *b, size_t n, float *y);
    float (*dot)(const float *a, const float *b, size_t n);
    void (*axpy)(float a, const float *x, size_t n, float *y); /* y += a x */
    /* y = 0 where uniform(seed, first + i) < rate, else x scale; see dropout.c */
    void (*dropout)(const float *x, size_t n, uint64_t first, uint64_t seed, double rate, float scale,
                    float *y);
} mnas_isa;

extern const mnas_isa mnas_isa_avx512, mnas_isa_avx2, mnas_isa_sse2, mnas_isa_avx512_bf16;

/* The best one for this CPU; MNAS_ISA=avx512|avx2|sse2 in the environment asks for a lesser one. */
const mnas_isa *mnas_isa_get(void);
/* For tensors of these elements; bf16: NULL where the CPU has no arithmetic for it, or MNAS_ISA asks for a lesser set. */
const mnas_isa *mnas_isa_of(mnas_elem elem);
/* Those for f32 that this CPU can run, best first; returns their number (at most 3). */
size_t mnas_isa_list(const mnas_isa *list[3]);
/* For tests: use this one from now on; NULL: choose again. */
void mnas_isa_force(const mnas_isa *isa);

/* Width of the next block of channels when `left` are left: 16, 8, 4 or 1, at most the set's lanes. */
static inline size_t mnas_isa_width(const mnas_isa *isa, size_t left) {
    size_t width = isa->lanes;
    while (width > left) width = width > 4 ? width / 2 : 1;
    return width;
}

#endif
