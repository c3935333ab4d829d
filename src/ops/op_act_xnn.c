/* op_act_xnn.c - an activation on its own. */
#include "model/act.h"
#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_act(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const uint32_t in = b->value[n->in[0]];
    float min, max;
    uint32_t out;
    if (!mnas_act_clips(n->act)) {
        int rc = mnas_xnn_output(b, node);
        return rc < 0 ? rc : mnas_xnn_activate(b, node, in);
    }
    int rc = mnas_xnn_open_output(b, node, &min, &max, &out);
    if (rc < 0) return rc;
    return mnas_xnn_check(xnn_define_clamp(b->subgraph, min, max, in, out, 0), n);
}
