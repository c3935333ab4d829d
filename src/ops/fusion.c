/* fusion.c - see fusion.h. */
#include "ops/fusion.h"

#include <stdlib.h>

#include "base/error.h"

/* The producer is the node just before, so that nothing runs between the two in either direction. */
static bool by_producer(const mnas_graph *graph, int bn) {
    const int from = graph->nodes[bn].in[0];
    const mnas_node *producer = &graph->nodes[from];
    return from == bn - 1 && mnas_graph_n_consumers(graph, from) == 1 && producer->op->takes_norm_behind &&
           producer->op->takes_norm_behind(producer);
}

/* The sum's gradient is its inputs' own, and only a norm without an activation leaves it so. */
static bool takes(const mnas_node *consumer, const mnas_node *bn) {
    if (consumer->op == &mnas_op_add && bn->act != MNAS_ACT_NONE) return false;
    return consumer->op->takes_norm_in_front && consumer->op->takes_norm_in_front(consumer);
}

static bool by_consumer(const mnas_graph *graph, int bn) {
    if (mnas_graph_n_consumers(graph, bn) != 1) return false;
    for (int i = bn + 1; i < graph->n_nodes; i++) {
        const mnas_node *consumer = &graph->nodes[i];
        for (int k = 0; k < consumer->n_in; k++)
            if (consumer->in[k] == bn) return takes(consumer, &graph->nodes[bn]);
    }
    return false;
}

int mnas_fusion_plan(mnas_fusion **out, const mnas_graph *graph) {
    mnas_fusion *fusion = calloc((size_t)graph->n_nodes, sizeof *fusion);
    if (!fusion) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: fusion of %d nodes", graph->n_nodes);
    for (int i = 1; i < graph->n_nodes; i++) {
        const mnas_node *node = &graph->nodes[i];
        if (node->op == &mnas_op_bn) {
            fusion[i].by_producer = by_producer(graph, i);
            fusion[i].by_consumer = by_consumer(graph, i);
        }
        fusion[i].adds = node->op == &mnas_op_conv && node->op->takes_norm_behind(node);
    }
    *out = fusion;
    return 0;
}
