/* dw.h - depthwise correlations over whole tensors, in parallel: what dwconv.c and avgpool.c share.
 *
 * Tensors are NHWC. Work is cut into pieces of images, or of rows where there are fewer images than threads; each
 * share of the pieces belongs to one thread. Sums (of the weight gradient, of a batch-norm) are taken per share and the
 * shares' added in their order, so results depend on the number of threads at creation alone.
 */
#ifndef MNAS_KERNELS_DW_H
#define MNAS_KERNELS_DW_H

#include "kernels/isa.h"
#include "model/kernel.h"

/* Rows and pixels are counted in int. */
static inline int mnas_dw_min(int a, int b) {
    return a < b ? a : b;
}
static inline int mnas_dw_max(int a, int b) {
    return a > b ? a : b;
}
static inline int mnas_dw_divide_up(int a, int b) {
    return (a + b - 1) / b;
}

/* How a pass is cut. A piece goes down its images step by step, all channels of a step before the next one. */
typedef struct mnas_dw_cut {
    int rows, images;                                       /* of a piece; rows: of the output */
    int n_rows, n_images;                                   /* pieces along each */
    int step;                                               /* rows of the output */
    int in_ring, out_ring;                                  /* rows of the planes that are kept at a time */
    size_t in_floats, out_floats, stage_floats, row_floats; /* of one thread */
    bool all_channels; /* those of a row are read soon one after the other */
    bool stream;       /* the result is too large to be found in a cache by whoever reads it */
} mnas_dw_cut;

/* Of one thread: the row of results, both planes, the stage, in this order. */
static inline size_t mnas_dw_thread_floats(const mnas_dw_cut *cut) {
    return cut->row_floats + cut->in_floats + cut->out_floats + cut->stage_floats;
}

/* Columns of a plane (isa.h): zeros, the tensor's columns, zeros. */
typedef struct mnas_dw_plane {
    int left, cols;
} mnas_dw_plane;

/* Along x, of one phase of the data gradient: its first result, number of results and taps, and where its
 * first tap lies. */
typedef struct mnas_dw_phase {
    int first, n_out, n_taps, offset;
} mnas_dw_phase;

typedef struct mnas_dw {
    const mnas_isa *isa;
    int n_threads, batch, kernel, stride, pad_top, pad_left;
    mnas_shape in, out;
    mnas_dw_plane in_plane, out_plane;
    mnas_dw_cut forward, backward;
    mnas_dw_phase phases[MNAS_DW_MAX_KERNEL]; /* [stride] */
    int data_pixels;      /* between two images in the row of results of the data gradient */
    size_t packed_floats; /* of all weights */
} mnas_dw;

/* Kernel and stride up to MNAS_DW_MAX_KERNEL. */
mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch);
size_t mnas_dw_scratch_floats(const mnas_dw *dw, bool training);

/* call->param[0] is [C, 1, k, k]; NULL: all ones. The norms around it are done in passing. */
void mnas_dw_forward(const mnas_dw *dw, const mnas_call *call);
/* Both gradients, and the norms' part of them, in one pass; dparam[0] NULL: no weight gradient. */
void mnas_dw_backward(const mnas_dw *dw, const mnas_call *call);

#endif
