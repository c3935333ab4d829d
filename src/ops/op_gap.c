/* op_gap.c - global average pooling: [N, H, W, C] -> [N, 1, 1, C]. */
#include "ops/reference.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    node->out = (mnas_shape){1, 1, in[0].c};
    return 0;
}

static void forward(const mnas_call *call) {
    int channels = call->in[0].c, n_pixels = call->in[0].h * call->in[0].w;
    for (int n = 0; n < call->batch; n++) {
        const float *src = call->src[0] + mnas_ref_at(call->in[0], n, 0, 0);
        for (int c = 0; c < channels; c++) {
            double sum = 0;
            for (int i = 0; i < n_pixels; i++) sum += (double)src[(int64_t)i * channels + c];
            call->dst[(int64_t)n * channels + c] = (float)(sum / n_pixels);
        }
    }
}

static void backward(const mnas_call *call) {
    if (!call->dsrc[0]) return;
    int channels = call->in[0].c, n_pixels = call->in[0].h * call->in[0].w;
    for (int n = 0; n < call->batch; n++) {
        const float *ddst = call->ddst + (int64_t)n * channels;
        float *dsrc = call->dsrc[0] + mnas_ref_at(call->in[0], n, 0, 0);
        for (int i = 0; i < n_pixels; i++)
            for (int c = 0; c < channels; c++) dsrc[(int64_t)i * channels + c] = ddst[c] / (float)n_pixels;
    }
}

const mnas_op mnas_op_gap = {
    .plugin = {"gap", "global average pooling", NULL, 0},
    .n_in = 1,
    .takes_norm_in_front = mnas_op_always,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
