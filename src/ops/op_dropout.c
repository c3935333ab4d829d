/* op_dropout.c - inverted dropout: in training a value is zero with probability `rate`, else times 1 / (1 - rate).
 *
 * Whether element i is kept is a function of (seed, i) alone, so nothing is saved, backward finds the same
 * mask, and the result does not depend on threads or order.
 */
#include "ops/reference.h"

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    if (!(node->rate >= 0 && node->rate < 1))
        return mnas_error_set(MNAS_ERR_INVALID, "dropout rate is %g; allowed: 0 to below 1", node->rate);
    node->out = in[0];
    return 0;
}

/* [0, 1) from a counter: splitmix64's finaliser over (seed, i). */
static double uniform(uint64_t seed, int64_t i) {
    uint64_t z = seed + 0x9e3779b97f4a7c15ULL * ((uint64_t)i + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

static void apply(const mnas_call *call, float *to, const float *from) {
    int64_t n = mnas_ref_size(call->in[0], call->batch);
    double rate = call->training ? call->node->rate : 0;
    float scale = (float)(1 / (1 - rate));
    for (int64_t i = 0; i < n; i++) to[i] = uniform(call->seed, i) < rate ? 0 : from[i] * scale;
}

static void forward(const mnas_call *call) {
    apply(call, call->dst, call->src[0]);
}

static void backward(const mnas_call *call) {
    if (call->dsrc[0]) apply(call, call->dsrc[0], call->ddst);
}

const mnas_op mnas_op_dropout = {
    .plugin = {"dropout", "inverted dropout", NULL, 0},
    .n_in = 1,
    .inplace_backward = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
