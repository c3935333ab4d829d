/* op_add_xnn.c - sum of two tensors of one shape. */
#include <math.h>

#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_add(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const int rc = mnas_xnn_output(b, node);
    if (rc < 0) return rc;
    return mnas_xnn_check(xnn_define_add2(b->subgraph, -INFINITY, INFINITY, b->value[n->in[0]],
                                          b->value[n->in[1]], b->value[node], 0),
                          n);
}
