/* se.c - squeeze-and-excitation, image by image in parallel; the weights' gradients row by row in parallel.
 *
 * y = x s, s = sigmoid(W2 relu(W1 mean_hw(x) + b1) + b2). `saved` is laid out as op_se.c says: pooled [N, C],
 * reduced [N, R], scale [N, C]. A batch-norm in front is done in passing, in both readings of an image: the second
 * finds it in a cache.
 */
#include <assert.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernels/gate.h"

typedef struct se {
    const mnas_isa *isa; /* of the tensors */
    int n_threads, batch;
    size_t channels, width, pixels; /* C, R, H W */
} se;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    se *s = malloc(sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *s = (se){mnas_isa_of(node->elem), omp_get_max_threads(), batch,
              (size_t)in[0].c,         (size_t)node->filters, (size_t)in[0].h * (size_t)in[0].w};
    /* gradients of scale and reduced in front of their activations, and of pooled */
    *scratch_bytes = training ? (size_t)batch * (2 * s->channels + s->width) * sizeof(float) : 0;
    *state = s;
    return 0;
}

/* One image's rows of the [N, C] and [N, R] arrays, and what the leaves are told of its pixels. */
typedef struct image {
    float *pooled, *reduced, *scale, *dscale, *dreduced, *dpooled;
    mnas_gate gate;
} image;

static image image_of(const se *s, const mnas_call *call, int n) {
    const size_t batch = (size_t)s->batch, i = (size_t)n;
    float *saved = call->saved, *scratch = call->scratch;
    image m = {.pooled = saved + i * s->channels};
    m.reduced = saved + batch * s->channels + i * s->width;
    m.scale = saved + batch * (s->channels + s->width) + i * s->channels;
    m.gate = (mnas_gate){.x = call->src[0],
                         .norm = call->norm_in[0],
                         .channels = s->channels,
                         .at = i * s->pixels * s->channels,
                         .n = s->pixels,
                         .scale = m.scale};
    if (!scratch) return m;
    m.dscale = scratch + i * s->channels;
    m.dreduced = scratch + batch * s->channels + i * s->width;
    m.dpooled = scratch + batch * (s->channels + s->width) + i * s->channels;
    return m;
}

static void forward_image(const se *s, const mnas_call *call, int n) {
    image m = image_of(s, call, n);
    const size_t channels = s->channels, width = s->width;
    m.gate.sum = m.pooled;
    mnas_gate_run(s->isa, s->isa->gate_pool, m.gate);
    for (size_t c = 0; c < channels; c++) m.pooled[c] /= (float)s->pixels;
    for (size_t r = 0; r < width; r++) {
        const float a = s->isa->dot(call->param[0] + r * channels, m.pooled, channels) + call->param[1][r];
        m.reduced[r] = a < 0 ? 0 : a;
    }
    for (size_t c = 0; c < channels; c++) {
        const float a = s->isa->dot(call->param[2] + c * width, m.reduced, width) + call->param[3][c];
        m.scale[c] = 1 / (1 + expf(-a));
    }
    m.gate.dst = call->dst;
    mnas_gate_run(s->isa, s->isa->gate_scale, m.gate);
}

static int forward(void *state, const mnas_call *call) {
    const se *s = state;
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
    for (int n = 0; n < s->batch; n++) forward_image(s, call, n);
    return 0;
}

/* ds = s (1 - s) sum_hw dy x;  dr = relu'(W2^T ds);  dx = dy s + W1^T dr / (H W) */
static void backward_image(const se *s, const mnas_call *call, int n, int share) {
    image m = image_of(s, call, n);
    const size_t channels = s->channels, width = s->width;
    m.gate.dy = call->ddst;
    m.gate.sum = m.dscale;
    mnas_gate_run(s->isa, s->isa->gate_dots, m.gate);
    memset(m.dreduced, 0, width * sizeof(float));
    memset(m.dpooled, 0, channels * sizeof(float));
    for (size_t c = 0; c < channels; c++) {
        m.dscale[c] *= m.scale[c] * (1 - m.scale[c]);
        s->isa->axpy(m.dscale[c], call->param[2] + c * width, width, m.dreduced);
    }
    for (size_t r = 0; r < width; r++) {
        if (!(m.reduced[r] > 0)) m.dreduced[r] = 0;
        s->isa->axpy(m.dreduced[r] / (float)s->pixels, call->param[0] + r * channels, channels, m.dpooled);
    }
    if (!call->dsrc[0] && !m.gate.norm) return;
    m.gate.add = m.dpooled;
    m.gate.dst = call->dsrc[0];
    if (m.gate.norm) m.gate.total = mnas_norm_share(m.gate.norm, share);
    mnas_gate_run(s->isa, s->isa->gate_gradient, m.gate);
}

/* The images of a share, in their order: sums do not depend on the threads at hand. */
static void backward_share(const se *s, const mnas_call *call, int share) {
    const int end = mnas_gate_share(s->batch, share + 1, s->n_threads);
    if (call->norm_in[0]) mnas_norm_clear(call->norm_in[0], share);
    for (int n = mnas_gate_share(s->batch, share, s->n_threads); n < end; n++)
        backward_image(s, call, n, share);
}

/* dweight[i, :] = sum_n dout[n, i] in[n, :], dbias[i] = sum_n dout[n, i] */
static void weight_rows(const se *s, const float *dout, size_t n_out, const float *in, size_t n_in,
                        float *dweight, float *dbias) {
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
    for (size_t i = 0; i < n_out; i++) {
        float bias = 0, *row = dweight + i * n_in;
        memset(row, 0, n_in * sizeof *row);
        for (size_t n = 0; n < (size_t)s->batch; n++) {
            bias += dout[n * n_out + i];
            s->isa->axpy(dout[n * n_out + i], in + n * n_in, n_in, row);
        }
        dbias[i] = bias;
    }
}

static int backward(void *state, const mnas_call *call) {
    const se *s = state;
    assert(!call->norm_in[0] || call->norm_in[0]->n_shares == s->n_threads);
#pragma omp parallel for schedule(static) num_threads(s->n_threads)
    for (int share = 0; share < s->n_threads; share++) backward_share(s, call, share);
    const image all = image_of(s, call, 0);
    weight_rows(s, all.dscale, s->channels, all.reduced, s->width, call->dparam[2], call->dparam[3]);
    weight_rows(s, all.dreduced, s->width, all.pooled, s->channels, call->dparam[0], call->dparam[1]);
    return 0;
}

const mnas_kernel mnas_kernel_se = {"squeeze-excite", supports, create, forward, backward, free, true};
