/* xnn_layers.c - a chain of XNNPACK runtimes, one a layer; see xnn_layers.h. It reads no clock.
 *
 * Invariant: layer i computes node i + 1 of the graph from the buffers of that node's inputs into the node's own.
 */
#include "ops/xnn_layers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { MAX_EXTERNAL = 3 };

typedef struct layer {
    char name[64];
    xnn_runtime_t runtime;
} layer;

struct mnas_xnn_layers {
    pthreadpool_t pool; /* NULL: the calling thread alone */
    mnas_arena *arena;  /* everything below but the runtimes, and constants */
    int n;
    layer *layer;  /* [n] */
    float **value; /* [n + 1] output of each node */
    size_t n_input, n_output;
};

static int alloc_chain(mnas_xnn_layers *net, const mnas_graph *graph, int n_threads) {
    if (!(net->arena = mnas_arena_create())) return MNAS_ERR_MEMORY;
    if (n_threads > 1 && !(net->pool = pthreadpool_create((size_t)n_threads)))
        return mnas_error_set(MNAS_ERR_LIBRARY, "pthreadpool: cannot start %d threads", n_threads);
    net->layer = mnas_arena_alloc(net->arena, (size_t)net->n * sizeof *net->layer);
    net->value = mnas_arena_alloc(net->arena, (size_t)graph->n_nodes * sizeof *net->value);
    if (!net->layer || !net->value) return MNAS_ERR_MEMORY;
    for (int i = 0; i < graph->n_nodes; i++)
        if (!(net->value[i] = mnas_xnn_floats(net->arena, mnas_shape_size(graph->nodes[i].out))))
            return MNAS_ERR_MEMORY;
    net->n_input = mnas_shape_size(graph->nodes[0].out);
    net->n_output = mnas_shape_size(graph->nodes[graph->n_nodes - 1].out);
    return 0;
}

/* Inputs, then the node: b->value is the only state of earlier layers, and they come from outside here. */
static int lower_layer(mnas_xnn_builder *b, int node) {
    static const uint32_t ids[MNAS_MAX_INPUTS] = {MNAS_XNN_INPUT_ID, MNAS_XNN_INPUT2_ID};
    const mnas_node *n = &b->graph->nodes[node];
    for (int k = 0; k < n->n_in; k++) {
        if (k > 0 && n->in[k] == n->in[0]) continue;
        const int rc = mnas_xnn_outside(b, n->in[k], ids[k]);
        if (rc < 0) return rc;
    }
    b->result = node;
    return mnas_xnn_lower_node(b, node);
}

static int start_layer(mnas_xnn_layers *net, const mnas_node *n, int node, xnn_subgraph_t subgraph) {
    layer *l = &net->layer[node - 1];
    struct xnn_external_value ends[MAX_EXTERNAL] = {{MNAS_XNN_OUTPUT_ID, net->value[node]},
                                                    {MNAS_XNN_INPUT_ID, net->value[n->in[0]]}};
    size_t n_ends = 2;
    if (n->n_in > 1 && n->in[1] != n->in[0])
        ends[n_ends++] = (struct xnn_external_value){MNAS_XNN_INPUT2_ID, net->value[n->in[1]]};
    snprintf(l->name, sizeof l->name, "%s", n->name);
    const int rc = mnas_xnn_check(xnn_create_runtime_v2(subgraph, net->pool, 0, &l->runtime), n);
    return rc < 0 ? rc : mnas_xnn_check(xnn_setup_runtime(l->runtime, n_ends, ends), n);
}

static int make_layer(mnas_xnn_layers *net, mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    assert(n->n_in >= 1);
    int rc = mnas_xnn_check(xnn_create_subgraph((uint32_t)n->n_in + 1, 0, &b->subgraph), n);
    if (rc < 0) return rc;
    if ((rc = lower_layer(b, node)) == 0) rc = start_layer(net, n, node, b->subgraph);
    xnn_delete_subgraph(b->subgraph);
    return rc;
}

int mnas_xnn_layers_create(mnas_xnn_layers **out, const mnas_graph *graph, const mnas_weights *weights,
                           int n_threads) {
    assert(graph->n_nodes >= 2 && n_threads >= 1);
    *out = NULL;
    mnas_xnn_builder b = {.graph = graph, .weights = weights};
    mnas_xnn_layers *net = calloc(1, sizeof *net);
    if (!net) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: XNNPACK layers");
    net->n = graph->n_nodes - 1;
    int rc = alloc_chain(net, graph, n_threads);
    if (rc < 0) goto out;
    b.arena = net->arena;
    if (!(b.value = mnas_arena_alloc(net->arena, (size_t)graph->n_nodes * sizeof *b.value))) {
        rc = MNAS_ERR_MEMORY;
        goto out;
    }
    rc = mnas_xnn_check(xnn_initialize(NULL), NULL);
    for (int i = 1; i < graph->n_nodes && rc == 0; i++) rc = make_layer(net, &b, i);
    if (rc < 0) goto out;
    *out = net;
    net = NULL;
out:
    mnas_xnn_layers_destroy(net);
    return rc;
}

int mnas_xnn_layers_count(const mnas_xnn_layers *net) {
    return net->n;
}

const char *mnas_xnn_layers_name(const mnas_xnn_layers *net, int i) {
    return net->layer[i].name;
}

int mnas_xnn_layers_invoke(mnas_xnn_layers *net, int i) {
    return mnas_xnn_check(xnn_invoke_runtime(net->layer[i].runtime), NULL);
}

float *mnas_xnn_layers_image(mnas_xnn_layers *net) {
    return net->value[0];
}

const float *mnas_xnn_layers_logits(const mnas_xnn_layers *net) {
    return net->value[net->n];
}

int mnas_xnn_layers_run(mnas_xnn_layers *net, const float *image, float *logits) {
    memcpy(net->value[0], image, net->n_input * sizeof *image);
    for (int i = 0; i < net->n; i++) {
        const int rc = mnas_xnn_layers_invoke(net, i);
        if (rc < 0) return rc;
    }
    memcpy(logits, net->value[net->n], net->n_output * sizeof *logits);
    return 0;
}

void mnas_xnn_layers_destroy(mnas_xnn_layers *net) {
    if (!net) return;
    for (int i = 0; net->layer && i < net->n; i++)
        if (net->layer[i].runtime) xnn_delete_runtime(net->layer[i].runtime);
    if (net->pool) pthreadpool_destroy(net->pool);
    mnas_arena_destroy(net->arena);
    free(net);
}
