/* act.c - relu and relu6 on their own. No built-in network has one: behind batch-norm they are part of bn.c, as
 * are swish and hswish, which on their own are left to the reference loops, like sigmoid. */
#include <math.h>

#include "kernels/map.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->act == MNAS_ACT_RELU || node->act == MNAS_ACT_RELU6;
}

static float high(const mnas_call *call) {
    return call->node->act == MNAS_ACT_RELU6 ? 6.0f : INFINITY;
}

static int forward(void *state, const mnas_call *call) {
    const mnas_map *m = state;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
    for (size_t i = 0; i < m->n_pieces; i++) {
        const size_t at = i * MNAS_MAP_PIECE;
        m->isa->clamp(call->src[0] + at, mnas_map_length(m, i), 0.0f, high(call), call->dst + at);
    }
    return 0;
}

static int backward(void *state, const mnas_call *call) {
    const mnas_map *m = state;
    if (!call->dsrc[0]) return 0;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
    for (size_t i = 0; i < m->n_pieces; i++) {
        const size_t at = i * MNAS_MAP_PIECE;
        m->isa->clamp_gradient(call->src[0] + at, call->ddst + at, mnas_map_length(m, i), 0.0f, high(call),
                               call->dsrc[0] + at);
    }
    return 0;
}

const mnas_kernel mnas_kernel_act = {"clamp", supports, mnas_map_create, forward, backward, free, false};
