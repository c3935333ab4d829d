/* dw.h - depthwise correlations over whole tensors, in parallel: what dwconv.c and avgpool.c share.
 *
 * Tensors are NHWC. Weights come packed, tap by tap over all channels, in the order the pass walks them. Work
 * is cut into rows (or rows of images), static schedule; the weight gradient sums per thread and adds the
 * threads' sums in their order, so results depend on the number of threads alone.
 */
#ifndef MNAS_KERNELS_DW_H
#define MNAS_KERNELS_DW_H

#include "kernels/isa.h"
#include "model/kernel.h"

typedef struct mnas_dw {
    const mnas_isa *isa;
    int n_threads, batch, kernel, stride, pad_top, pad_left;
    mnas_shape in, out;
} mnas_dw;

mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch);
size_t mnas_dw_packed_floats(const mnas_dw *dw);
/* From [C, 1, k, k]. */
void mnas_dw_pack_forward(const mnas_dw *dw, const float *weight, float *packed);
void mnas_dw_pack_backward(const mnas_dw *dw, const float *weight, float *packed);
void mnas_dw_forward(const mnas_dw *dw, const float *src, const float *packed, float *dst);
void mnas_dw_backward_data(const mnas_dw *dw, const float *ddst, const float *packed, float *dsrc);
/* `sums`: n_threads * mnas_dw_packed_floats. */
void mnas_dw_backward_weight(const mnas_dw *dw, const float *src, const float *ddst, float *sums,
                             float *dweight);

#endif
