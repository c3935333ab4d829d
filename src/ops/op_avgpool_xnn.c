/* op_avgpool_xnn.c - average pooling; XNNPACK, as our definition, leaves padded pixels out of the average (tested). */
#include <math.h>

#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_avgpool(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const uint32_t k = (uint32_t)n->kernel, s = (uint32_t)n->stride;
    if (n->kernel == 1) return mnas_xnn_subsample(b, node);
    const int rc = mnas_xnn_output(b, node);
    if (rc < 0) return rc;
    return mnas_xnn_check(xnn_define_average_pooling_2d(b->subgraph, (uint32_t)n->pad_top,
                                                        (uint32_t)n->pad_right, (uint32_t)n->pad_bottom,
                                                        (uint32_t)n->pad_left, k, k, s, s, -INFINITY,
                                                        INFINITY, b->value[n->in[0]], b->value[node], 0),
                          n);
}
