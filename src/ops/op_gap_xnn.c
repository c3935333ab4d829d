/* op_gap_xnn.c - mean over height and width. */
#include <math.h>

#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_gap(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const int rc = mnas_xnn_output(b, node);
    if (rc < 0) return rc;
    return mnas_xnn_check(xnn_define_global_average_pooling_2d(b->subgraph, -INFINITY, INFINITY,
                                                               b->value[n->in[0]], b->value[node], 0),
                          n);
}
