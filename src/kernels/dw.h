/* dw.h - depthwise correlations over whole tensors, in parallel: what dwconv.c and avgpool.c share.
 *
 * Tensors are NHWC. Work is cut into pieces of a few rows or images; each share of the pieces belongs to one
 * thread. The weight gradient sums per share and adds the shares' sums in their order, so results depend on
 * the number of threads at creation alone.
 */
#ifndef MNAS_KERNELS_DW_H
#define MNAS_KERNELS_DW_H

#include "kernels/isa.h"
#include "model/kernel.h"

/* How a pass is cut, and the plane (isa.h) that a piece needs. */
typedef struct mnas_dw_cut {
    int rows, images;     /* of a piece: rows of the result (weight gradient: of ddst) */
    int n_rows, n_images; /* pieces along each */
    int left, cols;       /* of the plane */
    size_t plane_floats;
} mnas_dw_cut;

typedef struct mnas_dw {
    const mnas_isa *isa;
    int n_threads, batch, kernel, stride, pad_top, pad_left;
    mnas_shape in, out;
    mnas_dw_cut forward, backward;
    size_t plane_floats, packed_floats; /* of one thread; of all weights */
} mnas_dw;

mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch);
/* Scratch of forward and backward_data: packed weights and planes. backward_weight: sums and planes. */
size_t mnas_dw_scratch_floats(const mnas_dw *dw, bool training);
/* `weight` is [C, 1, k, k]; NULL: all ones. */
void mnas_dw_forward(const mnas_dw *dw, const float *src, const float *weight, float *dst, float *scratch);
void mnas_dw_backward_data(const mnas_dw *dw, const float *ddst, const float *weight, float *dsrc,
                           float *scratch);
void mnas_dw_backward_weight(const mnas_dw *dw, const float *src, const float *ddst, float *dweight,
                             float *scratch);

#endif
