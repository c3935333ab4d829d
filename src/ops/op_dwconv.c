/* op_dwconv.c - depthwise convolution: every channel has its own k x k filter, explicit pads.
 *
 * src [N, H, W, C], weight [C, 1, k, k], dst [N, OH, OW, C]. In inference graphs it has a bias [C] and an
 * activation; training graphs leave both to batch-norm, so backward takes no activation.
 */
#include "ops/reference.h"

#include <assert.h>

static int shape(mnas_node *node, const mnas_shape *in) {
    node->out.c = in[0].c;
    return mnas_ref_window_shape(node, in[0]);
}

static int declare(mnas_graph *graph, const mnas_shape *in) {
    const mnas_node *node = &graph->nodes[graph->n_nodes - 1];
    bool bias = node->bias;
    int rc = mnas_graph_add_param(graph, MNAS_PARAM_DEPTHWISE, "weight", 4,
                                  (int[]){in[0].c, 1, node->kernel, node->kernel});
    if (rc < 0 || !bias) return rc;
    return mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "bias", 1, &in[0].c);
}

static int64_t macs(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return (int64_t)mnas_shape_size(node->out) * node->kernel * node->kernel;
}

/* weight[c, 0, ky, kx] */
static int64_t tap(const mnas_call *call, int c, int ky, int kx) {
    int side = call->node->kernel;
    return ((int64_t)c * side + ky) * side + kx;
}

/* sum over ky, kx of src[n, oy s + ky - pad, ox s + kx - pad, c] weight[c, 0, ky, kx] */
static double window_dot(const mnas_call *call, int n, int oy, int ox, int c) {
    const mnas_node *node = call->node;
    double sum = 0;
    for (int ky = 0; ky < node->kernel; ky++)
        for (int kx = 0; kx < node->kernel; kx++) {
            int y = oy * node->stride + ky - node->pad_top, x = ox * node->stride + kx - node->pad_left;
            if (!mnas_ref_inside(call->in[0], y, x)) continue;
            sum += (double)call->src[0][mnas_ref_at(call->in[0], n, y, x) + c] *
                   (double)call->param[0][tap(call, c, ky, kx)];
        }
    return sum;
}

static void forward(const mnas_call *call) {
    const mnas_node *node = call->node;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < node->out.h; oy++)
            for (int ox = 0; ox < node->out.w; ox++) {
                float *dst = call->dst + mnas_ref_at(node->out, n, oy, ox);
                for (int c = 0; c < node->out.c; c++) {
                    double bias = node->bias ? (double)call->param[1][c] : 0;
                    dst[c] = (float)mnas_act_value(node->act, window_dot(call, n, oy, ox, c) + bias);
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
            sum += (double)call->ddst[mnas_ref_at(node->out, n, oy, ox) + c] *
                   (double)call->param[0][tap(call, c, ky, kx)];
        }
    return sum;
}

/* dweight[c, 0, ky, kx] = sum over n, oy, ox of ddst[n, oy, ox, c] src[n, y, x, c] */
static double weight_gradient(const mnas_call *call, int c, int ky, int kx) {
    const mnas_node *node = call->node;
    double sum = 0;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < node->out.h; oy++)
            for (int ox = 0; ox < node->out.w; ox++) {
                int y = oy * node->stride + ky - node->pad_top, x = ox * node->stride + kx - node->pad_left;
                if (!mnas_ref_inside(call->in[0], y, x)) continue;
                sum += (double)call->ddst[mnas_ref_at(node->out, n, oy, ox) + c] *
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
    for (int c = 0; c < node->out.c; c++)
        for (int ky = 0; ky < node->kernel; ky++)
            for (int kx = 0; kx < node->kernel; kx++)
                call->dparam[0][tap(call, c, ky, kx)] = (float)weight_gradient(call, c, ky, kx);
    if (node->bias) mnas_ref_bias_gradient(call);
    if (call->dsrc[0]) backward_src(call);
}

/* kernels/dwconv.c */
static bool takes_norms(const mnas_node *node) {
    return node->kernel <= 7 && node->stride <= 7 && !node->bias && node->act == MNAS_ACT_NONE;
}

const mnas_op mnas_op_dwconv = {
    .plugin = {"dwconv", "depthwise k x k convolution", NULL, 0},
    .n_in = 1,
    .backward_reads_src = true,
    .takes_norm_behind = takes_norms,
    .takes_norm_in_front = takes_norms,
    .shape = shape,
    .declare = declare,
    .macs = macs,
    .forward = forward,
    .backward = backward,
};
