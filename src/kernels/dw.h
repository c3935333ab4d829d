/* dw.h - depthwise correlations over whole tensors, in parallel: what dwconv.c and avgpool.c share.
 *
 * Tensors are NHWC. Work is cut into pieces of a few rows or images; each share of the pieces belongs to one
 * thread. Sums (of the weight gradient, of a batch-norm) are taken per share and the shares' added in their order, so
 * results depend on the number of threads at creation alone.
 */
#ifndef MNAS_KERNELS_DW_H
#define MNAS_KERNELS_DW_H

#include "kernels/isa.h"
#include "model/kernel.h"

/* How a pass is cut: pieces are some rows of the output, with the input rows in front of them, of some images. */
typedef struct mnas_dw_cut {
    int rows, images;
    int n_rows, n_images; /* pieces along each */
} mnas_dw_cut;

/* Columns of a plane (isa.h): zeros, the tensor's columns, zeros; and the floats of the largest plane. */
typedef struct mnas_dw_plane {
    int left, cols;
    size_t floats;
} mnas_dw_plane;

typedef struct mnas_dw {
    const mnas_isa *isa;
    int n_threads, batch, kernel, stride, pad_top, pad_left;
    mnas_shape in, out;
    mnas_dw_cut forward, backward;
    mnas_dw_plane in_plane, out_plane;
    size_t row_floats, packed_floats; /* of the results of a row of a piece; of all weights */
} mnas_dw;

mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch);
size_t mnas_dw_scratch_floats(const mnas_dw *dw, bool training);
/* call->param[0] is [C, 1, k, k]; NULL: all ones. The norms around it are done in passing. */
void mnas_dw_forward(const mnas_dw *dw, const mnas_call *call);
/* Both gradients, and the norms' part of them, in one pass; dparam[0] NULL: no weight gradient. */
void mnas_dw_backward(const mnas_dw *dw, const mnas_call *call);

#endif
