/* add.c - residual addition. Its gradient is a copy where the memory plan could not share the place. */
#include <string.h>

#include "kernels/map.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static int forward(void *state, const mnas_call *call) {
    const mnas_map *m = state;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
    for (size_t i = 0; i < m->n_pieces; i++) {
        const size_t at = i * MNAS_MAP_PIECE;
        m->isa->add(call->src[0] + at, call->src[1] + at, mnas_map_length(m, i), call->dst + at);
    }
    return 0;
}

static int backward(void *state, const mnas_call *call) {
    const mnas_map *m = state;
    for (int k = 0; k < 2; k++) {
        float *to = call->dsrc[k];
        if (!to || to == call->ddst) continue;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
        for (size_t i = 0; i < m->n_pieces; i++) {
            const size_t at = i * MNAS_MAP_PIECE;
            memcpy(to + at, call->ddst + at, mnas_map_length(m, i) * sizeof *to);
        }
    }
    return 0;
}

const mnas_kernel mnas_kernel_add = {"add", supports, mnas_map_create, forward, backward, free, false, false};
