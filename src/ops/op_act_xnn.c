/* op_act_xnn.c - an activation on its own. */
#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_act(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const uint32_t in = b->value[n->in[0]];
    float min, max;
    int rc = mnas_xnn_output(b, node);
    if (rc < 0) return rc;
    if (n->act == MNAS_ACT_SIGMOID)
        return mnas_xnn_check(xnn_define_sigmoid(b->subgraph, in, b->value[node], 0), n);
    if ((rc = mnas_xnn_bounds(n, &min, &max)) < 0) return rc;
    return mnas_xnn_check(xnn_define_clamp(b->subgraph, min, max, in, b->value[node], 0), n);
}
