/* op_dense_xnn.c - fully connected layer with bias. */
#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_dense(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    uint32_t filter, bias, out;
    float min, max;
    int rc;
    if ((rc = mnas_xnn_param(b, node, 0, &filter)) < 0) return rc;
    if ((rc = mnas_xnn_bias(b, node, 1, n->out.c, &bias)) < 0) return rc;
    if ((rc = mnas_xnn_open_output(b, node, &min, &max, &out)) < 0) return rc;
    rc = mnas_xnn_check(
        xnn_define_fully_connected(b->subgraph, min, max, b->value[n->in[0]], filter, bias, out, 0), n);
    return rc < 0 ? rc : mnas_xnn_activate(b, node, out);
}
