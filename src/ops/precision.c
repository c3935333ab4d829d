/* precision.c - see precision.h. */
#include "ops/precision.h"

/* 0: nothing is pooled, and nothing becomes bf16. */
static int last_pooling(const mnas_graph *graph) {
    int i = graph->n_nodes - 1;
    while (i > 0 && graph->nodes[i].op != &mnas_op_gap) i--;
    return i;
}

void mnas_precision_set(mnas_graph *graph, mnas_elem elem) {
    const int last = last_pooling(graph);
    for (int i = 0; i < graph->n_nodes; i++)
        graph->nodes[i].elem = last > 0 && i <= last ? elem : MNAS_ELEM_F32;
}

mnas_elem mnas_precision_of_output(const mnas_node *node) {
    return node->op == &mnas_op_gap ? MNAS_ELEM_F32 : node->elem;
}
