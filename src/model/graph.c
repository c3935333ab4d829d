/* graph.c - the graph's storage: nodes in execution order and the table of their parameters.
 *
 * Knows nothing of operators: shapes and what parameters a node has come from the operator that appends it
 * (ops/op.h). Invariants: every input of a node stands before it; parameter names are unique; parameter
 * offsets are multiples of PARAM_ALIGN_FLOATS, so that each tensor is 64-byte aligned in an aligned slab.
 */
#include "model/graph.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"

#define PARAM_ALIGN_FLOATS 16
#define MAX_PARAM_FLOATS   ((size_t)INT32_MAX) /* operators index them with int */

int mnas_graph_create(mnas_graph **out, const mnas_model *model) {
    mnas_graph *graph = calloc(1, sizeof *graph);
    if (!graph) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory for a graph");
    graph->model = *model;
    *out = graph;
    return 0;
}

void mnas_graph_destroy(mnas_graph *graph) {
    if (!graph) return;
    free(graph->nodes);
    free(graph->params);
    free(graph);
}

/* Make room for one more item: capacities are the powers of two, so a full array is one whose length is such
 * a power. */
static int grow(void **items, int n, size_t item_bytes) {
    if (n & (n - 1)) return 0;
    size_t capacity = n ? 2 * (size_t)n : 1;
    void *grown = realloc(*items, capacity * item_bytes);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a graph of %d items cannot grow", n);
    *items = grown;
    return 0;
}

int mnas_graph_add_node(mnas_graph *graph, const mnas_node *node) {
    assert(node->n_in >= 0 && node->n_in <= MNAS_MAX_INPUTS);
    for (int i = 0; i < node->n_in; i++) assert(node->in[i] >= 0 && node->in[i] < graph->n_nodes);
    mnas_node copy = *node; /* `node` may stand in the array that grows */
    copy.n_params = 0;
    void *nodes = graph->nodes;
    int rc = grow(&nodes, graph->n_nodes, sizeof *graph->nodes);
    if (rc < 0) return rc;
    graph->nodes = nodes;
    graph->nodes[graph->n_nodes] = copy;
    return graph->n_nodes++;
}

static int count_floats(size_t *size, const char *name, int n_dims, const int *dims) {
    *size = 1;
    for (int i = 0; i < n_dims; i++) {
        assert(dims[i] > 0);
        if (*size > MAX_PARAM_FLOATS / (size_t)dims[i])
            return mnas_error_set(MNAS_ERR_INVALID, "parameter %s has over 2^31 - 1 elements", name);
        *size *= (size_t)dims[i];
    }
    return 0;
}

int mnas_graph_add_param(mnas_graph *graph, mnas_param_role role, const char *suffix, int n_dims,
                         const int *dims) {
    assert(graph->n_nodes > 0 && n_dims >= 1 && n_dims <= 4);
    mnas_node *node = &graph->nodes[graph->n_nodes - 1];
    assert(node->n_params < MNAS_MAX_NODE_PARAMS);
    mnas_param param = {.role = role, .n_dims = n_dims};
    param.trainable = role != MNAS_PARAM_MEAN && role != MNAS_PARAM_VAR;
    int length = snprintf(param.name, sizeof param.name, "%s.%s", node->name, suffix);
    if (length >= (int)sizeof param.name)
        return mnas_error_set(MNAS_ERR_INVALID, "parameter name %s.%s is too long; allowed: %zu bytes",
                              node->name, suffix, sizeof param.name - 1);
    assert(mnas_graph_find_param(graph, param.name) < 0);
    int rc = count_floats(&param.size, param.name, n_dims, dims);
    if (rc < 0) return rc;
    memcpy(param.dims, dims, (size_t)n_dims * sizeof *dims);
    param.offset = graph->weight_floats;
    void *params = graph->params;
    if ((rc = grow(&params, graph->n_params, sizeof *graph->params)) < 0) return rc;
    graph->params = params;
    graph->params[graph->n_params] = param;
    node->params[node->n_params++] = graph->n_params++;
    graph->weight_floats += mnas_round_up(param.size, PARAM_ALIGN_FLOATS);
    return 0;
}

int mnas_graph_find_node(const mnas_graph *graph, const char *name) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (strcmp(graph->nodes[i].name, name) == 0) return i;
    return -1;
}

int mnas_graph_find_param(const mnas_graph *graph, const char *name) {
    for (int i = 0; i < graph->n_params; i++)
        if (strcmp(graph->params[i].name, name) == 0) return i;
    return -1;
}

int mnas_graph_in_shapes(const mnas_graph *graph, const mnas_node *node, mnas_shape in[MNAS_MAX_INPUTS]) {
    for (int i = 0; i < node->n_in; i++) in[i] = graph->nodes[node->in[i]].out;
    return node->n_in;
}

int mnas_graph_n_consumers(const mnas_graph *graph, int i) {
    int n = 0;
    for (int j = i + 1; j < graph->n_nodes; j++)
        for (int k = 0; k < graph->nodes[j].n_in; k++) n += graph->nodes[j].in[k] == i;
    return n;
}
