/* cost.c - one node's line of the cost table; see cost.h. Multiply-adds come from the operator's own rule. */
#include "ops/cost.h"

#include <stdio.h>

void mnas_cost_of_node(mnas_layer_cost *out, const mnas_graph *graph, int node) {
    const mnas_node *n = &graph->nodes[node];
    mnas_shape in[MNAS_MAX_INPUTS] = {{0}};
    mnas_graph_in_shapes(graph, n, in);
    *out = (mnas_layer_cost){
        .op = n->op->plugin.name,
        .in_h = in[0].h,
        .in_w = in[0].w,
        .in_c = in[0].c,
        .out_h = n->out.h,
        .out_w = n->out.w,
        .out_c = n->out.c,
        .kernel = n->kernel,
        .stride = n->stride,
        .macs = n->op->macs ? n->op->macs(n, in) : 0,
        .out_bytes = (int64_t)(mnas_shape_size(n->out) * sizeof(float)),
    };
    snprintf(out->name, sizeof out->name, "%s", n->name);
    for (int k = 0; k < n->n_params; k++) {
        const mnas_param *param = &graph->params[n->params[k]];
        if (param->trainable) out->params += (int64_t)param->size;
    }
}
