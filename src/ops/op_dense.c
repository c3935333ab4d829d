/* op_dense.c - the classifier: src [N, C], weight [K, C], bias [K] where the node has one, dst [N, K]. */
#include "ops/reference.h"

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    if (in[0].h != 1 || in[0].w != 1)
        return mnas_error_set(MNAS_ERR_INVALID, "dense needs a 1x1 map; its input is %dx%dx%d", in[0].h,
                              in[0].w, in[0].c);
    if (node->filters < 1)
        return mnas_error_set(MNAS_ERR_INVALID, "dense has %d outputs; allowed: 1 or more", node->filters);
    node->out = (mnas_shape){1, 1, node->filters};
    return 0;
}

static int declare(mnas_graph *graph, const mnas_shape *in) {
    const mnas_node *node = &graph->nodes[graph->n_nodes - 1];
    int filters = node->filters;
    bool bias = node->bias;
    int rc = mnas_graph_add_param(graph, MNAS_PARAM_DENSE, "weight", 2, (int[]){filters, in[0].c});
    if (rc < 0 || !bias) return rc;
    return mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "bias", 1, &filters);
}

static int64_t macs(const mnas_node *node, const mnas_shape *in) {
    return (int64_t)node->filters * in[0].c;
}

static void forward(const mnas_call *call) {
    int64_t channels = call->in[0].c, filters = call->node->filters;
    for (int64_t n = 0; n < call->batch; n++)
        for (int64_t k = 0; k < filters; k++) {
            double sum = call->node->bias ? (double)call->param[1][k] : 0;
            for (int64_t c = 0; c < channels; c++)
                sum += (double)call->src[0][n * channels + c] * (double)call->param[0][k * channels + c];
            call->dst[n * filters + k] = (float)sum;
        }
}

/* dweight = ddst^T src, dbias = column sums of ddst */
static void backward_params(const mnas_call *call) {
    int64_t channels = call->in[0].c, filters = call->node->filters;
    for (int64_t k = 0; k < filters; k++) {
        double bias = 0;
        for (int64_t n = 0; n < call->batch; n++) bias += (double)call->ddst[n * filters + k];
        if (call->node->bias) call->dparam[1][k] = (float)bias;
        for (int64_t c = 0; c < channels; c++) {
            double sum = 0;
            for (int64_t n = 0; n < call->batch; n++)
                sum += (double)call->ddst[n * filters + k] * (double)call->src[0][n * channels + c];
            call->dparam[0][k * channels + c] = (float)sum;
        }
    }
}

/* dsrc = ddst weight */
static void backward(const mnas_call *call) {
    int64_t channels = call->in[0].c, filters = call->node->filters;
    backward_params(call);
    if (!call->dsrc[0]) return;
    for (int64_t n = 0; n < call->batch; n++)
        for (int64_t c = 0; c < channels; c++) {
            double sum = 0;
            for (int64_t k = 0; k < filters; k++)
                sum += (double)call->ddst[n * filters + k] * (double)call->param[0][k * channels + c];
            call->dsrc[0][n * channels + c] = (float)sum;
        }
}

const mnas_op mnas_op_dense = {
    .plugin = {"dense", "matrix product with bias: the classifier", NULL, 0},
    .n_in = 1,
    .backward_reads_src = true,
    .shape = shape,
    .declare = declare,
    .macs = macs,
    .forward = forward,
    .backward = backward,
};
