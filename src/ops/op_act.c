/* op_act.c - an activation on its own: relu, relu6, sigmoid.
 *
 * Batch-norm carries the activation behind it itself, so the builder's graphs have none of these; other
 * graphs may. Backward works from dst alone: each of the three slopes is a function of the output.
 */
#include "ops/reference.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    node->out = in[0];
    return 0;
}

static void forward(const mnas_call *call) {
    int64_t n = mnas_ref_size(call->in[0], call->batch);
    for (int64_t i = 0; i < n; i++)
        call->dst[i] = (float)mnas_ref_act(call->node->act, (double)call->src[0][i]);
}

static float slope(mnas_act act, float y) {
    switch (act) {
    case MNAS_ACT_RELU:
        return y > 0 ? 1 : 0;
    case MNAS_ACT_RELU6:
        return y > 0 && y < 6 ? 1 : 0;
    case MNAS_ACT_SIGMOID:
        return y * (1 - y);
    case MNAS_ACT_NONE:
        break;
    }
    return 1;
}

static void backward(const mnas_call *call) {
    if (!call->dsrc[0]) return;
    int64_t n = mnas_ref_size(call->in[0], call->batch);
    for (int64_t i = 0; i < n; i++) call->dsrc[0][i] = call->ddst[i] * slope(call->node->act, call->dst[i]);
}

const mnas_op mnas_op_act = {
    .plugin = {"act", "activation: relu, relu6, sigmoid", NULL, 0},
    .n_in = 1,
    .backward_reads_dst = true,
    .inplace_backward = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
