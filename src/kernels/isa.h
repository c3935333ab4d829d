/* isa.h - the leaf loops of all kernels, compiled once for each instruction set, and which of them this CPU gets.
 *
 * The loops stand in leaf_*.h; isa_avx512.c, isa_avx2.c, isa_base.c (SSE2 or NEON) and isa_portable.c (plain C) include
 * them with another vector width and fill one record each. A leaf is single-threaded: kernels (dwconv.c, bn.c, ...) cut
 * the work and run leaves in parallel regions. Choosing by a table rather than by ifuncs keeps sanitizer builds working,
 * and lets tests run every set the CPU has.
 */
#ifndef MNAS_KERNELS_ISA_H
#define MNAS_KERNELS_ISA_H

#include <stddef.h>
#include <stdint.h>

#include "model/kernel.h"

enum { MNAS_DW_MAX_KERNEL = 7, MNAS_ISA_MAX_LANES = 16, MNAS_ISA_MAX_SETS = 4 };

/* Depthwise leaves work on one block of `width` channels (mnas_isa_width), c the first of them. What they read several
 * times stands in a plane: [n, rows, cols, width], dense, zeros where the padding is, so that every tap of every
 * pixel exists along a row. Row y of a tensor is row y % ring of its plane. Results
 * stand in a row of each image, [n, pixels, width], before they go to the tensor.
 * Weights and their sums are dense, too: [tap, width]. Tensors have all channels, and are read by dw_fill and
 * written by dw_drain alone; `at` is where the first image's channel c is in them, in elements. */

typedef enum mnas_dw_fill_mode {
    MNAS_DW_COPY,
    MNAS_DW_APPLY,    /* act((src - mean) scale + beta) of norm */
    MNAS_DW_GRADIENT, /* src is dy of norm, x its input: scale g - (x - mean) slope - offset, g = dy act' */
    MNAS_DW_GRADIENT_PASSED /* the same with g = src */
} mnas_dw_fill_mode;

/* plane[i, y % ring, left + x, :] = what mode makes of src[i, y, x, c..c + width), zeros in the other columns, y in
 * [first_row, first_row + rows); src rows have src_cols pixels, images src_image elements. */
typedef struct mnas_dw_fill {
    mnas_dw_fill_mode mode;
    bool all_channels; /* the other blocks of the rows are filled soon */
    const void *src, *x;
    const mnas_norm *norm;
    int n, first_row, rows, ring, src_cols, left, cols;
    size_t c, channels, at, src_image;
    float *plane;
} mnas_dw_fill;

typedef enum mnas_dw_drain_mode {
    MNAS_DW_COPY_OUT,
    MNAS_DW_SUMS, /* and add up value - shift and its square */
    MNAS_DW_PASS  /* through norm's activation, g = value act'; add up g and g (x - mean) */
} mnas_dw_drain_mode;

/* n_pixels of a row of n images into dst, `at` there and x_at in x; sums are added to total[0..width) and, norm->columns later, the second. */
typedef struct mnas_dw_drain {
    mnas_dw_drain_mode mode;
    const float *row;
    size_t row_image; /* floats from one image's row to the next */
    const void *x;
    const mnas_norm *norm;
    int n, n_pixels;
    size_t c, channels, at, dst_image, x_at, x_image;
    void *dst; /* NULL: the sums alone */
    double *total;
} mnas_dw_drain;

/* The same row of n images, of the forward pass and of the data gradient alike:
 * dst[t * dst_step] = sum_v sum_h weight[v][h] * src[v][t * src_step + h], t in [0, whole tiles of n_out). */
typedef struct mnas_dw_row {
    const float *src[MNAS_DW_MAX_KERNEL];    /* [n_v], into the plane */
    const float *weight[MNAS_DW_MAX_KERNEL]; /* [n_v] [n_h, width] */
    int n, n_v, n_h, n_out, dst_step, src_step;
    size_t src_image, dst_image; /* floats from one image to the next */
    float *dst;
} mnas_dw_row;

/* Weight gradient over n images and output rows [row_begin, row_end) of each:
 * sum[i, j] += gradient[y, x] * plane[y * stride + i - top, x * stride + j], rows outside the plane left out.
 * Behind out_w the gradient's rows are zero as far as whole tiles go. */
typedef struct mnas_dw_weight {
    const float *plane, *gradient; /* gradient: behind the columns at the left */
    size_t plane_row, plane_image, gradient_row, gradient_image; /* floats from one to the next */
    int plane_ring, gradient_ring;
    int n, plane_rows, top, row_begin, row_end, out_w, kernel, stride;
    float *sum; /* [kernel * kernel, width] */
} mnas_dw_weight;

/* Leaves compute tiles of 8, 4, 2 and 1 pixels: n, or a little more where one larger tile is cheaper than two. */
static inline int mnas_dw_whole_tiles(int n) {
    const int rest = n % 8;
    return rest >= 5 ? n - rest + 8 : rest == 3 ? n + 1 : n;
}

/* n pixels of a block of `width` channels, c the first of them, `at` the first element in every tensor. scale, add and
 * sum are of all channels. */
typedef struct mnas_gate {
    const void *x, *dy; /* gate_gradient: dy NULL: 0 */
    const mnas_norm *norm;
    size_t c, channels, at, n;
    const float *scale, *add;
    float *sum;
    void *dst;
    double *total; /* [0..width), and norm->columns later the second */
} mnas_gate;

typedef struct mnas_add {
    const void *x[2];
    const mnas_norm *norm[2]; /* NULL: none */
    size_t c, channels, at, n;
    void *dst;
} mnas_add;

/* Tensors that are void * hold elements of elem_bytes: float or bf16 (the upper half of a float).
 * "columns": a matrix [rows, columns], dense; columns is a multiple of lanes unless said. */
typedef struct mnas_isa {
    const char *name;
    size_t lanes, elem_bytes;
    void (*dw_fill)(const mnas_dw_fill *fill, size_t width);
    void (*dw_row)(const mnas_dw_row *row, size_t width);
    void (*dw_weight)(const mnas_dw_weight *weight, size_t width);
    void (*dw_drain)(const mnas_dw_drain *drain, size_t width);
    /* h = act((x - mean) scale + beta) of gate->norm, or x. sum[c] = sum_i h; dst = h scale; sum[c] = sum_i h dy */
    void (*gate_pool)(const mnas_gate *gate, size_t width);
    void (*gate_scale)(const mnas_gate *gate, size_t width);
    void (*gate_dots)(const mnas_gate *gate, size_t width);
    /* g = (dy scale + add) act', to dst; g and g (x - mean) are added to total, with a norm */
    void (*gate_gradient)(const mnas_gate *gate, size_t width);
    /* dst = h of x[0] + h of x[1] */
    void (*add_normed)(const mnas_add *sum, size_t width);
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
    /* Between floats and elements; any n. */
    void (*narrow)(const float *x, size_t n, void *y);
    void (*widen)(const void *x, size_t n, float *y);
    /* n elements from `from` of x to `to` of y, past the cache. */
    void (*copy_stream)(const void *x, size_t from, size_t n, void *y, size_t to);
    /* total[j] += part[j]; any n */
    void (*accumulate)(const float *part, size_t n, double *total);
    /* Any n below. y = clamp(x, low, high); dx = dy where low < x < high, else 0 */
    void (*clamp)(const float *x, size_t n, float low, float high, float *y);
    void (*clamp_gradient)(const float *x, const float *dy, size_t n, float low, float high, float *dx);
    void (*add)(const void *a, const void *b, size_t n, void *y); /* tensors */
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

extern const mnas_isa mnas_isa_avx512, mnas_isa_avx2, mnas_isa_sse2, mnas_isa_avx512_bf16; /* x86-64 */
extern const mnas_isa mnas_isa_neon;                                                       /* aarch64 */
extern const mnas_isa mnas_isa_portable;

/* The best one for this CPU; MNAS_ISA=NAME in the environment asks for a lesser one. */
const mnas_isa *mnas_isa_get(void);
/* For tensors of these elements; bf16: NULL where the CPU has no arithmetic for it, or MNAS_ISA asks for a lesser set. */
const mnas_isa *mnas_isa_of(mnas_elem elem);
/* Those for f32 that this CPU can run, best first; the last is portable; returns their number. */
size_t mnas_isa_list(const mnas_isa *list[MNAS_ISA_MAX_SETS]);
/* For tests: use this one from now on; NULL: choose again. */
void mnas_isa_force(const mnas_isa *isa);

/* Width of the next block of channels when `left` are left: 16, 8, 4 or 1, at most the set's lanes. */
static inline size_t mnas_isa_width(const mnas_isa *isa, size_t left) {
    size_t width = isa->lanes;
    while (width > left) width = width > 4 ? width / 2 : 1;
    return width;
}

#endif
