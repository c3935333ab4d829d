/* op_se_xnn.c - squeeze-and-excitation as five XNNPACK nodes: global pool, 1x1 + relu, 1x1, sigmoid, multiply. */
#include <math.h>

#include "ops/op.h"
#include "ops/xnn.h"

/* 1x1 convolution on a [1, 1, c] value with parameters first (weight) and first + 1 (bias). */
static int pointwise(mnas_xnn_builder *b, int node, int first, uint32_t in, int n_in, int n_out, float min,
                     uint32_t *out) {
    uint32_t filter, bias;
    int rc;
    if ((rc = mnas_xnn_param(b, node, first, &filter)) < 0) return rc;
    if ((rc = mnas_xnn_param(b, node, first + 1, &bias)) < 0) return rc;
    if ((rc = mnas_xnn_inner(b, node, (mnas_shape){1, 1, n_out}, out)) < 0) return rc;
    return mnas_xnn_check(xnn_define_convolution_2d(b->subgraph, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1,
                                                    (size_t)n_in, (size_t)n_out, min, INFINITY, in, filter,
                                                    bias, *out, 0),
                          &b->graph->nodes[node]);
}

/* scale = sigmoid(W2 relu(W1 mean_hw(x) + b1) + b2), [1, 1, c] */
static int lower_scale(mnas_xnn_builder *b, int node, uint32_t x, uint32_t *scale) {
    const mnas_node *n = &b->graph->nodes[node];
    const int c = n->out.c, r = n->filters;
    uint32_t pooled, reduced, expanded;
    int rc;
    if ((rc = mnas_xnn_inner(b, node, (mnas_shape){1, 1, c}, &pooled)) < 0) return rc;
    rc = mnas_xnn_check(xnn_define_global_average_pooling_2d(b->subgraph, -INFINITY, INFINITY, x, pooled, 0),
                        n);
    if (rc < 0) return rc;
    if ((rc = pointwise(b, node, 0, pooled, c, r, 0, &reduced)) < 0) return rc;
    if ((rc = pointwise(b, node, 2, reduced, r, c, -INFINITY, &expanded)) < 0) return rc;
    if ((rc = mnas_xnn_inner(b, node, (mnas_shape){1, 1, c}, scale)) < 0) return rc;
    return mnas_xnn_check(xnn_define_sigmoid(b->subgraph, expanded, *scale, 0), n);
}

int mnas_xnn_lower_se(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const uint32_t x = b->value[n->in[0]];
    uint32_t scale;
    int rc;
    if ((rc = lower_scale(b, node, x, &scale)) < 0) return rc;
    if ((rc = mnas_xnn_output(b, node)) < 0) return rc;
    return mnas_xnn_check(xnn_define_multiply2(b->subgraph, -INFINITY, INFINITY, x, scale, b->value[node], 0),
                          n);
}
