/* op_dropout_xnn.c - nothing happens at inference: a copy. Folded graphs have none. */
#include <math.h>

#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_dropout(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const int rc = mnas_xnn_output(b, node);
    if (rc < 0) return rc;
    return mnas_xnn_check(
        xnn_define_clamp(b->subgraph, -INFINITY, INFINITY, b->value[n->in[0]], b->value[node], 0), n);
}
