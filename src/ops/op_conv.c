/* op_conv.c - regular convolution, any odd or even kernel, explicit pads; the 1x1 convolution too.
 *
 * src [N, H, W, C], weight [K, C, k, k], dst [N, OH, OW, K]. In inference graphs it has a bias [K] and an
 * activation; training graphs leave both to batch-norm, so backward takes no activation.
 */
#include "ops/reference.h"

#include <assert.h>

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    if (node->filters < 1)
        return mnas_error_set(MNAS_ERR_INVALID, "conv has %d filters; allowed: 1 or more", node->filters);
    node->out.c = node->filters;
    return mnas_ref_window_shape(node, in[0]);
}

static int declare(mnas_graph *graph, const mnas_shape *in) {
    const mnas_node *node = &graph->nodes[graph->n_nodes - 1];
    int filters = node->filters;
    bool bias = node->bias;
    int rc = mnas_graph_add_param(graph, MNAS_PARAM_CONV, "weight", 4,
                                  (int[]){filters, in[0].c, node->kernel, node->kernel});
    if (rc < 0 || !bias) return rc;
    return mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "bias", 1, &filters);
}

static int64_t macs(const mnas_node *node, const mnas_shape *in) {
    return (int64_t)mnas_shape_size(node->out) * in[0].c * node->kernel * node->kernel;
}

/* weight[k, c, ky, kx] */
static int64_t tap(const mnas_call *call, int k, int c, int ky, int kx) {
    int side = call->node->kernel;
    return (((int64_t)k * call->in[0].c + c) * side + ky) * side + kx;
}

/* sum over ky, kx, c of src[n, oy s + ky - pad, ox s + kx - pad, c] weight[k, c, ky, kx] */
static double window_dot(const mnas_call *call, int n, int oy, int ox, int k) {
    const mnas_node *node = call->node;
    double sum = 0;
    for (int ky = 0; ky < node->kernel; ky++)
        for (int kx = 0; kx < node->kernel; kx++) {
            int y = oy * node->stride + ky - node->pad_top, x = ox * node->stride + kx - node->pad_left;
            if (!mnas_ref_inside(call->in[0], y, x)) continue;
            const float *src = call->src[0] + mnas_ref_at(call->in[0], n, y, x);
            for (int c = 0; c < call->in[0].c; c++)
                sum += (double)src[c] * (double)call->param[0][tap(call, k, c, ky, kx)];
        }
    return sum;
}

static void forward(const mnas_call *call) {
    const mnas_node *node = call->node;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < node->out.h; oy++)
            for (int ox = 0; ox < node->out.w; ox++) {
                float *dst = call->dst + mnas_ref_at(node->out, n, oy, ox);
                for (int k = 0; k < node->filters; k++) {
                    double bias = node->bias ? (double)call->param[1][k] : 0;
                    dst[k] = (float)mnas_act_value(node->act, window_dot(call, n, oy, ox, k) + bias);
                }
            }
}

/* dsrc[n, y, x, c]: every output whose window covers the pixel. */
static double src_gradient(const mnas_call *call, int n, int y, int x, int c) {
    const mnas_node *node = call->node;
    double sum = 0;
    for (int ky = 0; ky < node->kernel; ky++)
        for (int kx = 0; kx < node->kernel; kx++) {
            int oy, ox;
            if (!mnas_ref_output_of(&oy, y, ky, node->pad_top, node->stride, node->out.h)) continue;
            if (!mnas_ref_output_of(&ox, x, kx, node->pad_left, node->stride, node->out.w)) continue;
            const float *ddst = call->ddst + mnas_ref_at(node->out, n, oy, ox);
            for (int k = 0; k < node->filters; k++)
                sum += (double)ddst[k] * (double)call->param[0][tap(call, k, c, ky, kx)];
        }
    return sum;
}

/* dweight[k, c, ky, kx] = sum over n, oy, ox of ddst[n, oy, ox, k] src[n, y, x, c] */
static double weight_gradient(const mnas_call *call, int k, int c, int ky, int kx) {
    const mnas_node *node = call->node;
    double sum = 0;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < node->out.h; oy++)
            for (int ox = 0; ox < node->out.w; ox++) {
                int y = oy * node->stride + ky - node->pad_top, x = ox * node->stride + kx - node->pad_left;
                if (!mnas_ref_inside(call->in[0], y, x)) continue;
                sum += (double)call->ddst[mnas_ref_at(node->out, n, oy, ox) + k] *
                       (double)call->src[0][mnas_ref_at(call->in[0], n, y, x) + c];
            }
    return sum;
}

static void backward_src(const mnas_call *call) {
    mnas_shape in = call->in[0];
    for (int n = 0; n < call->batch; n++)
        for (int y = 0; y < in.h; y++)
            for (int x = 0; x < in.w; x++)
                for (int c = 0; c < in.c; c++)
                    call->dsrc[0][mnas_ref_at(in, n, y, x) + c] = (float)src_gradient(call, n, y, x, c);
}

static void backward(const mnas_call *call) {
    const mnas_node *node = call->node;
    assert(node->act == MNAS_ACT_NONE);
    for (int k = 0; k < node->filters; k++)
        for (int c = 0; c < call->in[0].c; c++)
            for (int ky = 0; ky < node->kernel; ky++)
                for (int kx = 0; kx < node->kernel; kx++)
                    call->dparam[0][tap(call, k, c, ky, kx)] = (float)weight_gradient(call, k, c, ky, kx);
    if (node->bias) mnas_ref_bias_gradient(call);
    if (call->dsrc[0]) backward_src(call);
}

/* Those of 1x1, and of the image, are matrix products (kernels/pointwise.c). */
static bool is_pointwise(const mnas_node *node) {
    return node->kernel == 1 && node->stride == 1 && !node->bias && node->act == MNAS_ACT_NONE &&
           !node->pad_top && !node->pad_left && !node->pad_bottom && !node->pad_right;
}

static bool is_product(const mnas_node *node) {
    return is_pointwise(node) || (node->in[0] == 0 && !node->bias && node->act == MNAS_ACT_NONE);
}

const mnas_op mnas_op_conv = {
    .plugin = {"conv", "k x k convolution", NULL, 0},
    .n_in = 1,
    .backward_reads_src = true,
    .takes_norm_behind = is_product,
    .takes_norm_in_front = is_pointwise,
    .shape = shape,
    .declare = declare,
    .macs = macs,
    .forward = forward,
    .backward = backward,
};
