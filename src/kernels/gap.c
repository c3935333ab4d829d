/* gap.c - global average pooling, image by image in parallel. */
#include <string.h>

#include "kernels/map.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static int forward(void *state, const mnas_call *call) {
    const mnas_map *m = state;
    const size_t channels = (size_t)call->in[0].c, pixels = m->size / (size_t)m->batch / channels;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
    for (size_t n = 0; n < (size_t)m->batch; n++) {
        float *dst = call->dst + n * channels;
        m->isa->column_sums(call->src[0] + n * pixels * channels, pixels, channels, dst);
        for (size_t c = 0; c < channels; c++) dst[c] /= (float)pixels;
    }
    return 0;
}

static int backward(void *state, const mnas_call *call) {
    const mnas_map *m = state;
    if (!call->dsrc[0]) return 0;
    const size_t channels = (size_t)call->in[0].c, pixels = m->size / (size_t)m->batch / channels;
#pragma omp parallel for schedule(static) num_threads(m->n_threads) if (m->n_pieces > 1)
    for (size_t n = 0; n < (size_t)m->batch; n++) {
        float *image = call->dsrc[0] + n * pixels * channels;
        for (size_t c = 0; c < channels; c++) image[c] = call->ddst[n * channels + c] / (float)pixels;
        for (size_t i = 1; i < pixels; i++) memcpy(image + i * channels, image, channels * sizeof *image);
    }
    return 0;
}

const mnas_kernel mnas_kernel_gap = {"mean", supports, mnas_map_create, forward, backward, free, false, false};
