/* op_dense_onednn.c - the classifier as matrix products of oneDNN. */
#include "ops/onednn.h"
#include "ops/op.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    (void)node, (void)in, (void)batch, (void)training;
    *state = NULL;
    *scratch_bytes = 0;
    return 0;
}

/* dst[n, k] = sum_c src[n, c] weight[k, c] + bias[k] */
static int forward(void *state, const mnas_call *call) {
    (void)state;
    const int filters = call->node->filters;
    const int rc = mnas_onednn_matmul(false, true, call->batch, filters, call->in[0].c, call->src[0],
                                      call->param[0], false, call->dst);
    if (rc < 0 || !call->node->bias) return rc;
    for (int64_t n = 0; n < call->batch; n++)
        for (int64_t k = 0; k < filters; k++) call->dst[n * filters + k] += call->param[1][k];
    return 0;
}

static void backward_bias(const mnas_call *call) {
    const int64_t filters = call->node->filters;
    for (int64_t k = 0; k < filters; k++) call->dparam[1][k] = 0;
    for (int64_t n = 0; n < call->batch; n++)
        for (int64_t k = 0; k < filters; k++) call->dparam[1][k] += call->ddst[n * filters + k];
}

static int backward(void *state, const mnas_call *call) {
    (void)state;
    const int filters = call->node->filters, channels = call->in[0].c, batch = call->batch;
    const int rc = mnas_onednn_matmul(true, false, filters, channels, batch, call->ddst, call->src[0], false,
                                      call->dparam[0]);
    if (rc < 0) return rc;
    if (call->node->bias) backward_bias(call);
    if (!call->dsrc[0]) return 0;
    return mnas_onednn_matmul(false, false, batch, channels, filters, call->ddst, call->param[0], false,
                              call->dsrc[0]);
}

static void destroy(void *state) {
    (void)state;
}

const mnas_kernel mnas_onednn_op_dense = {"onednn gemm", supports, create, forward, backward, destroy, false};
