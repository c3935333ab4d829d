/* op_add.c - residual addition of two tensors of one shape.
 *
 * The gradient of both inputs is the gradient of the sum; where the plan gives them the same place
 * (ops/memory.h), nothing is copied.
 */
#include "ops/reference.h"

#include <string.h>

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    if (in[0].h != in[1].h || in[0].w != in[1].w || in[0].c != in[1].c)
        return mnas_error_set(MNAS_ERR_INVALID, "cannot add %dx%dx%d and %dx%dx%d", in[0].h, in[0].w, in[0].c,
                              in[1].h, in[1].w, in[1].c);
    node->out = in[0];
    return 0;
}

static void forward(const mnas_call *call) {
    int64_t n = mnas_ref_size(call->in[0], call->batch);
    for (int64_t i = 0; i < n; i++) call->dst[i] = call->src[0][i] + call->src[1][i];
}

static void backward(const mnas_call *call) {
    size_t bytes = (size_t)mnas_ref_size(call->in[0], call->batch) * sizeof(float);
    for (int k = 0; k < 2; k++)
        if (call->dsrc[k] && call->dsrc[k] != call->ddst) memcpy(call->dsrc[k], call->ddst, bytes);
}

const mnas_op mnas_op_add = {
    .plugin = {"add", "residual addition", NULL, 0},
    .n_in = 2,
    .takes_norm_in_front = mnas_op_always,
    .inplace_backward = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
