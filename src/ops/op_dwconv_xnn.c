/* op_dwconv_xnn.c - depthwise convolution with bias and activation, as one XNNPACK node.
 *
 * XNNPACK of February 2022 has depthwise kernels of up to 25 taps: 7x7 runs as a grouped convolution, right but slow.
 */
#include "ops/op.h"
#include "ops/xnn.h"

int mnas_xnn_lower_dwconv(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const uint32_t k = (uint32_t)n->kernel, s = (uint32_t)n->stride;
    uint32_t filter, bias, out;
    float min, max;
    int rc;
    if ((rc = mnas_xnn_param(b, node, 0, &filter)) < 0) return rc;
    if ((rc = mnas_xnn_bias(b, node, 1, n->out.c, &bias)) < 0) return rc;
    if ((rc = mnas_xnn_open_output(b, node, &min, &max, &out)) < 0) return rc;
    rc = mnas_xnn_check(xnn_define_depthwise_convolution_2d(
                            b->subgraph, (uint32_t)n->pad_top, (uint32_t)n->pad_right,
                            (uint32_t)n->pad_bottom, (uint32_t)n->pad_left, k, k, s, s, 1, 1, 1,
                            (size_t)n->out.c, min, max, b->value[n->in[0]], filter, bias, out, 0),
                        n);
    return rc < 0 ? rc : mnas_xnn_activate(b, node, out);
}
