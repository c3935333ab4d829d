/* dwconv.c - depthwise convolution in training, with the batch-norms around it where it is given them (dw.c, leaf_dw.h).
 *
 * Not for inference graphs, whose convolutions carry a bias and an activation.
 */
#include "kernels/dw.h"

#include <stdlib.h>

#include "base/error.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->kernel <= MNAS_DW_MAX_KERNEL && node->stride <= MNAS_DW_MAX_KERNEL && !node->bias &&
           node->act == MNAS_ACT_NONE;
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    mnas_dw *dw = malloc(sizeof *dw);
    if (!dw) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *dw = mnas_dw_of(node, in[0], batch);
    *scratch_bytes = mnas_dw_scratch_floats(dw, training) * sizeof(float);
    *state = dw;
    return 0;
}

static int forward(void *state, const mnas_call *call) {
    mnas_dw_forward(state, call);
    return 0;
}

static int backward(void *state, const mnas_call *call) {
    mnas_dw_backward(state, call);
    return 0;
}

const mnas_kernel mnas_kernel_dwconv = {"depthwise", supports, create, forward, backward, free, true};
