/* dropout.c - inverted dropout in parallel. Which elements are kept is op_dropout.c's function of (seed,
 * element), repeated here to the bit: a count made into a uniform number by splitmix64's finaliser.
 */
#include "kernels/map.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static void apply(const mnas_map *m, const mnas_call *call, const float *from, float *to) {
    const double rate = call->training ? call->node->rate : 0;
    const float scale = (float)(1 / (1 - rate));
    const uint64_t seed = call->seed;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
    for (size_t piece = 0; piece < m->n_pieces; piece++) {
        const size_t at = piece * MNAS_MAP_PIECE;
        m->isa->dropout(from + at, mnas_map_length(m, piece), at, seed, rate, scale, to + at);
    }
}

static int forward(void *state, const mnas_call *call) {
    apply(state, call, call->src[0], call->dst);
    return 0;
}

static int backward(void *state, const mnas_call *call) {
    if (call->dsrc[0]) apply(state, call, call->ddst, call->dsrc[0]);
    return 0;
}

const mnas_kernel mnas_kernel_dropout = {"dropout", supports, mnas_map_create, forward, backward,
                                         free,      false};
