/* gap.c - global average pooling, image by image in parallel, behind a batch-norm done in passing where there is one.
 * Its result is float, whatever it reads. */
#include <assert.h>
#include <omp.h>
#include <stdlib.h>

#include "base/error.h"
#include "kernels/gate.h"

typedef struct gap {
    const mnas_isa *isa; /* of what is pooled */
    int n_threads, batch;
    size_t channels, pixels;
    bool parallel;
} gap;

enum { SMALL_WORK = 1 << 13 };

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

/* Scratch: a row of channels for each thread. */
static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    gap *g = malloc(sizeof *g);
    if (!g) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *g = (gap){.isa = mnas_isa_of(node->elem),
               .n_threads = omp_get_max_threads(),
               .batch = batch,
               .channels = (size_t)in[0].c,
               .pixels = (size_t)in[0].h * (size_t)in[0].w,
               .parallel = (size_t)batch * mnas_shape_size(in[0]) > SMALL_WORK};
    *scratch_bytes = training ? (size_t)g->n_threads * g->channels * sizeof(float) : 0;
    *state = g;
    return 0;
}

static mnas_gate gate_of(const gap *g, const mnas_call *call, int n) {
    return (mnas_gate){.x = call->src[0],
                       .norm = call->norm_in[0],
                       .channels = g->channels,
                       .at = (size_t)n * g->pixels * g->channels,
                       .n = g->pixels};
}

static int forward(void *state, const mnas_call *call) {
    const gap *g = state;
#pragma omp parallel for schedule(static) num_threads(g->n_threads) if (g->parallel)
    for (int n = 0; n < g->batch; n++) {
        mnas_gate gate = gate_of(g, call, n);
        gate.sum = call->dst + (size_t)n * g->channels;
        mnas_gate_run(g->isa, g->isa->gate_pool, gate);
        for (size_t c = 0; c < g->channels; c++) gate.sum[c] /= (float)g->pixels;
    }
    return 0;
}

static void backward_share(const gap *g, const mnas_call *call, int share) {
    const int end = mnas_gate_share(g->batch, share + 1, g->n_threads);
    const mnas_norm *norm = call->norm_in[0];
    float *each = (float *)call->scratch + (size_t)share * g->channels; /* pixel's part */
    if (norm) mnas_norm_clear(norm, share);
    for (int n = mnas_gate_share(g->batch, share, g->n_threads); n < end; n++) {
        for (size_t c = 0; c < g->channels; c++)
            each[c] = call->ddst[(size_t)n * g->channels + c] / (float)g->pixels;
        mnas_gate gate = gate_of(g, call, n);
        gate.add = each;
        gate.dst = call->dsrc[0];
        gate.total = norm ? mnas_norm_share(norm, share) : NULL;
        mnas_gate_run(g->isa, g->isa->gate_gradient, gate);
    }
}

static int backward(void *state, const mnas_call *call) {
    const gap *g = state;
    if (!call->dsrc[0] && !call->norm_in[0]) return 0;
    assert(!call->norm_in[0] || call->norm_in[0]->n_shares == g->n_threads);
#pragma omp parallel for schedule(static) num_threads(g->n_threads) if (g->parallel)
    for (int share = 0; share < g->n_threads; share++) backward_share(g, call, share);
    return 0;
}

const mnas_kernel mnas_kernel_gap = {"mean", supports, create, forward, backward, free, true};
