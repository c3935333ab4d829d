/* op_act.c - an activation on its own: relu, relu6, swish, hswish, sigmoid.
 *
 * Batch-norm carries the activation behind it itself, so the builder's graphs have none of these; other
 * graphs may. Backward works from src: swish goes down before it goes up, so its slope is no function of the output.
 */
#include "ops/reference.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    node->out = in[0];
    return 0;
}

static void forward(const mnas_call *call) {
    int64_t n = mnas_ref_size(call->in[0], call->batch);
    for (int64_t i = 0; i < n; i++)
        call->dst[i] = (float)mnas_act_value(call->node->act, (double)call->src[0][i]);
}

static void backward(const mnas_call *call) {
    if (!call->dsrc[0]) return;
    int64_t n = mnas_ref_size(call->in[0], call->batch);
    for (int64_t i = 0; i < n; i++)
        call->dsrc[0][i] = call->ddst[i] * (float)mnas_act_slope(call->node->act, (double)call->src[0][i]);
}

const mnas_op mnas_op_act = {
    .plugin = {"act", "activation: relu, relu6, swish, hswish, sigmoid", NULL, 0},
    .n_in = 1,
    .backward_reads_src = true,
    .inplace_backward = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
