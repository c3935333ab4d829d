/* op_se.c - squeeze-and-excitation: y = x sigmoid(W2 relu(W1 mean_hw(x) + b1) + b2), one scale per image and channel.
 *
 * x [N, H, W, C], W1 [R, C, 1, 1], b1 [R], W2 [C, R, 1, 1], b2 [C].
 *
 * saved, in floats, for any implementation to share: pooled [N, C], reduced [N, R] (behind relu), scale [N,
 * C] (behind sigmoid), then C + R more as backward's own workspace. saved is needed in inference, too.
 */
#include "ops/reference.h"

#include <assert.h>

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    if (node->filters < 1)
        return mnas_error_set(MNAS_ERR_INVALID, "se's reduced width is %d; allowed: 1 or more",
                              node->filters);
    node->out = in[0];
    return 0;
}

static int declare(mnas_graph *graph, const mnas_shape *in) {
    int reduced = graph->nodes[graph->n_nodes - 1].filters, channels = in[0].c;
    int rc = mnas_graph_add_param(graph, MNAS_PARAM_CONV, "conv_reduce.weight", 4,
                                  (int[]){reduced, channels, 1, 1});
    if (rc >= 0) rc = mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "conv_reduce.bias", 1, &reduced);
    if (rc >= 0)
        rc = mnas_graph_add_param(graph, MNAS_PARAM_CONV, "conv_expand.weight", 4,
                                  (int[]){channels, reduced, 1, 1});
    if (rc >= 0) rc = mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "conv_expand.bias", 1, &channels);
    return rc;
}

/* The two 1x1 convolutions on one pixel; pooling and scaling are no multiply-adds by the field's convention. */
static int64_t macs(const mnas_node *node, const mnas_shape *in) {
    return 2 * (int64_t)node->filters * in[0].c;
}

static size_t saved_bytes(const mnas_node *node, const mnas_shape *in, int batch) {
    size_t channels = (size_t)in[0].c, reduced = (size_t)node->filters;
    return ((size_t)batch * (2 * channels + reduced) + channels + reduced) * sizeof(float);
}

/* One image's view of the call. */
typedef struct image {
    int n_pixels, channels, width; /* H W, C, R */
    const float *src;
    float *pooled, *reduced, *scale; /* [C] [R] [C] */
    float *dscale, *dreduced;        /* [C] [R], in front of sigmoid and relu; shared by all images */
    int64_t offset;                  /* of the image in the tensor */
} image;

static image image_of(const mnas_call *call, int n) {
    assert(call->saved);
    image m = {
        .n_pixels = call->in[0].h * call->in[0].w, .channels = call->in[0].c, .width = call->node->filters};
    float *saved = call->saved;
    int64_t c = m.channels, r = m.width, batch = call->batch;
    m.offset = (int64_t)n * m.n_pixels * c;
    m.src = call->src[0] + m.offset;
    m.pooled = saved + n * c;
    m.reduced = saved + batch * c + n * r;
    m.scale = saved + batch * (c + r) + n * c;
    m.dscale = saved + batch * (2 * c + r);
    m.dreduced = m.dscale + c;
    return m;
}

static void pool(const image *m) {
    for (int c = 0; c < m->channels; c++) {
        double sum = 0;
        for (int i = 0; i < m->n_pixels; i++) sum += (double)m->src[(int64_t)i * m->channels + c];
        m->pooled[c] = (float)(sum / m->n_pixels);
    }
}

/* out[i] = act(sum over j of weight[i, j] in[j] + bias[i]) */
static void dense(float *out, int n_out, const float *in, int n_in, const float *weight, const float *bias,
                  mnas_act act) {
    for (int i = 0; i < n_out; i++) {
        double sum = (double)bias[i];
        for (int j = 0; j < n_in; j++) sum += (double)weight[(int64_t)i * n_in + j] * (double)in[j];
        out[i] = (float)mnas_act_value(act, sum);
    }
}

static void forward(const mnas_call *call) {
    for (int n = 0; n < call->batch; n++) {
        image m = image_of(call, n);
        pool(&m);
        dense(m.reduced, m.width, m.pooled, m.channels, call->param[0], call->param[1], MNAS_ACT_RELU);
        dense(m.scale, m.channels, m.reduced, m.width, call->param[2], call->param[3], MNAS_ACT_SIGMOID);
        float *dst = call->dst + m.offset;
        for (int i = 0; i < m.n_pixels; i++)
            for (int c = 0; c < m.channels; c++) {
                int64_t at = (int64_t)i * m.channels + c;
                dst[at] = m.src[at] * m.scale[c];
            }
    }
}

/* Gradient in front of the sigmoid: s (1 - s) sum over hw of ddst x. */
static void backward_scale(const image *m, const float *ddst) {
    for (int c = 0; c < m->channels; c++) {
        double sum = 0, s = (double)m->scale[c];
        for (int i = 0; i < m->n_pixels; i++) {
            int64_t at = (int64_t)i * m->channels + c;
            sum += (double)ddst[at] * (double)m->src[at];
        }
        m->dscale[c] = (float)(sum * s * (1 - s));
    }
}

/* Gradient in front of the relu: W2^T dscale where reduced > 0. */
static void backward_reduced(const image *m, const float *weight) {
    for (int j = 0; j < m->width; j++) {
        double sum = 0;
        for (int c = 0; c < m->channels; c++)
            sum += (double)weight[(int64_t)c * m->width + j] * (double)m->dscale[c];
        m->dreduced[j] = m->reduced[j] > 0 ? (float)sum : 0;
    }
}

/* dweight[i, j] += dout[i] in[j], dbias[i] += dout[i] */
static void accumulate(float *dweight, float *dbias, const float *dout, int n_out, const float *in,
                       int n_in) {
    for (int i = 0; i < n_out; i++) {
        dbias[i] += dout[i];
        for (int j = 0; j < n_in; j++) dweight[(int64_t)i * n_in + j] += dout[i] * in[j];
    }
}

/* dx = ddst s + (W1^T dreduced) / HW: straight through the scaling, and through the mean. */
static void backward_src(const image *m, const float *weight, const float *ddst, float *dsrc) {
    for (int c = 0; c < m->channels; c++) {
        double sum = 0;
        for (int j = 0; j < m->width; j++)
            sum += (double)weight[(int64_t)j * m->channels + c] * (double)m->dreduced[j];
        for (int i = 0; i < m->n_pixels; i++) {
            int64_t at = (int64_t)i * m->channels + c;
            dsrc[at] = (float)((double)ddst[at] * (double)m->scale[c] + sum / m->n_pixels);
        }
    }
}

static void backward(const mnas_call *call) {
    int channels = call->in[0].c, width = call->node->filters;
    for (int k = 0; k < 4; k++) {
        int n = k == 1 ? width : k == 3 ? channels : channels * width;
        for (int i = 0; i < n; i++) call->dparam[k][i] = 0;
    }
    for (int n = 0; n < call->batch; n++) {
        image m = image_of(call, n);
        backward_scale(&m, call->ddst + m.offset);
        backward_reduced(&m, call->param[2]);
        accumulate(call->dparam[2], call->dparam[3], m.dscale, channels, m.reduced, width);
        accumulate(call->dparam[0], call->dparam[1], m.dreduced, width, m.pooled, channels);
        if (call->dsrc[0]) backward_src(&m, call->param[0], call->ddst + m.offset, call->dsrc[0] + m.offset);
    }
}

const mnas_op mnas_op_se = {
    .plugin = {"se", "squeeze-and-excitation", NULL, 0},
    .n_in = 1,
    .takes_norm_in_front = mnas_op_always,
    .backward_reads_src = true,
    .inplace_backward = true,
    .shape = shape,
    .declare = declare,
    .macs = macs,
    .saved_bytes = saved_bytes,
    .forward = forward,
    .backward = backward,
};
