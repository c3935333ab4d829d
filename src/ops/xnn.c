/* xnn.c - from an inference graph to an XNNPACK runtime.
 *
 * It knows no operator: it walks the graph, looks each node's lowering up in xnn.def and holds what lowerings
 * share. It measures nothing. Values 0 and 1 of the subgraph are the image and the logits; both live in
 * buffers of our own with the XNN_EXTRA_BYTES that kernels may read beyond a tensor. Padding is always
 * explicit, never the library's SAME flag, so that the pads of the graph are the ones that run.
 */
#include "ops/xnn.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/act.h"
#include "ops/op.h"

enum { N_EXTERNAL = 2 };

struct mnas_xnn {
    xnn_runtime_t runtime;
    pthreadpool_t pool; /* NULL: the calling thread alone */
    mnas_arena *arena;  /* constants, input, output */
    float *input, *output;
    size_t n_input, n_output;
};

static const struct {
    const mnas_op *op;
    mnas_xnn_lower lower;
} lowerings[] = {
#define MNAS_XNN(name) {&mnas_op_##name, mnas_xnn_lower_##name},
#include "ops/xnn.def"
#undef MNAS_XNN
};

static const char *status_text(enum xnn_status status) {
    switch (status) {
    case xnn_status_success:
        return "success";
    case xnn_status_uninitialized:
        return "not initialised";
    case xnn_status_invalid_parameter:
        return "invalid parameter";
    case xnn_status_invalid_state:
        return "invalid state";
    case xnn_status_unsupported_parameter:
        return "unsupported parameter";
    case xnn_status_unsupported_hardware:
        return "unsupported hardware (SSE2 or NEON needed)";
    case xnn_status_out_of_memory:
        return "out of memory";
    }
    return "unknown status";
}

int mnas_xnn_check(enum xnn_status status, const mnas_node *node) {
    if (status == xnn_status_success) return 0;
    return mnas_error_set(status == xnn_status_out_of_memory ? MNAS_ERR_MEMORY : MNAS_ERR_LIBRARY,
                          "XNNPACK: %s%s%s%s: %s", node ? node->op->plugin.name : "runtime",
                          node ? " \"" : "", node ? node->name : "", node ? "\"" : "", status_text(status));
}

static int define_value(mnas_xnn_builder *b, int node, mnas_shape s, uint32_t external, uint32_t flags,
                        uint32_t *value) {
    const size_t dims[4] = {1, (size_t)s.h, (size_t)s.w, (size_t)s.c};
    return mnas_xnn_check(
        xnn_define_tensor_value(b->subgraph, xnn_datatype_fp32, 4, dims, NULL, external, flags, value),
        &b->graph->nodes[node]);
}

int mnas_xnn_inner(mnas_xnn_builder *b, int node, mnas_shape shape, uint32_t *value) {
    return define_value(b, node, shape, XNN_INVALID_VALUE_ID, 0, value);
}

int mnas_xnn_output(mnas_xnn_builder *b, int node) {
    const mnas_shape shape = b->graph->nodes[node].out;
    if (node == 0) return mnas_xnn_outside(b, node, MNAS_XNN_INPUT_ID);
    if (node == b->result)
        return define_value(b, node, shape, MNAS_XNN_OUTPUT_ID, XNN_VALUE_FLAG_EXTERNAL_OUTPUT,
                            &b->value[node]);
    return mnas_xnn_inner(b, node, shape, &b->value[node]);
}

int mnas_xnn_outside(mnas_xnn_builder *b, int node, uint32_t id) {
    return define_value(b, node, b->graph->nodes[node].out, id, XNN_VALUE_FLAG_EXTERNAL_INPUT,
                        &b->value[node]);
}

/* A constant of dims[n_dims]; `data` must come from b->arena. */
static int add_constant(mnas_xnn_builder *b, int node, size_t n_dims, const size_t *dims, const float *data,
                        uint32_t *value) {
    return mnas_xnn_check(xnn_define_tensor_value(b->subgraph, xnn_datatype_fp32, n_dims, dims, data,
                                                  XNN_INVALID_VALUE_ID, 0, value),
                          &b->graph->nodes[node]);
}

float *mnas_xnn_floats(mnas_arena *arena, size_t n) {
    return mnas_arena_alloc(arena, n * sizeof(float) + XNN_EXTRA_BYTES);
}

/* [O, C, taps] -> [O, taps, C]; a depthwise [C, 1, taps] is [1, C, taps] here. */
static void repack(float *dst, const float *src, size_t n_out, size_t n_in, size_t taps) {
    for (size_t o = 0; o < n_out; o++)
        for (size_t c = 0; c < n_in; c++)
            for (size_t t = 0; t < taps; t++) dst[(o * taps + t) * n_in + c] = src[(o * n_in + c) * taps + t];
}

int mnas_xnn_param(mnas_xnn_builder *b, int node, int i, uint32_t *value) {
    const mnas_param *param = &b->graph->params[b->graph->nodes[node].params[i]];
    const float *src = mnas_weights_of(b->weights, param);
    float *dst = mnas_xnn_floats(b->arena, param->size);
    if (!dst) return MNAS_ERR_MEMORY;
    size_t d[4];
    for (int k = 0; k < param->n_dims; k++) d[k] = (size_t)param->dims[k];
    if (param->n_dims < 4) {
        memcpy(dst, src, param->size * sizeof *src);
        return add_constant(b, node, (size_t)param->n_dims, d, dst, value);
    }
    const bool depthwise = param->role == MNAS_PARAM_DEPTHWISE;
    const size_t n_out = depthwise ? 1 : d[0], n_in = depthwise ? d[0] : d[1];
    const size_t dims[4] = {n_out, d[2], d[3], n_in};
    repack(dst, src, n_out, n_in, d[2] * d[3]);
    return add_constant(b, node, 4, dims, dst, value);
}

int mnas_xnn_bias(mnas_xnn_builder *b, int node, int i, int n, uint32_t *value) {
    if (i < b->graph->nodes[node].n_params) return mnas_xnn_param(b, node, i, value);
    const size_t dim = (size_t)n;
    float *zeros = mnas_xnn_floats(b->arena, dim);
    if (!zeros) return MNAS_ERR_MEMORY;
    return add_constant(b, node, 1, &dim, zeros, value);
}

int mnas_xnn_open_output(mnas_xnn_builder *b, int node, float *min, float *max, uint32_t *out) {
    const mnas_node *n = &b->graph->nodes[node];
    const bool clips = mnas_act_clips(n->act);
    *min = n->act == MNAS_ACT_RELU || n->act == MNAS_ACT_RELU6 ? 0 : -INFINITY;
    *max = n->act == MNAS_ACT_RELU6 ? 6 : INFINITY;
    int rc = mnas_xnn_output(b, node);
    if (rc < 0) return rc;
    *out = b->value[node];
    return clips ? 0 : mnas_xnn_inner(b, node, n->out, out);
}

static int define_swish(mnas_xnn_builder *b, int node, uint32_t in) {
    const mnas_node *n = &b->graph->nodes[node];
    uint32_t gate;
    int rc = mnas_xnn_inner(b, node, n->out, &gate);
    if (rc < 0 || (rc = mnas_xnn_check(xnn_define_sigmoid(b->subgraph, in, gate, 0), n)) < 0) return rc;
    return mnas_xnn_check(xnn_define_multiply2(b->subgraph, -INFINITY, INFINITY, in, gate, b->value[node], 0),
                          n);
}

int mnas_xnn_activate(mnas_xnn_builder *b, int node, uint32_t in) {
    const mnas_node *n = &b->graph->nodes[node];
    switch (n->act) {
    case MNAS_ACT_SWISH:
        return define_swish(b, node, in);
    case MNAS_ACT_HSWISH:
        return mnas_xnn_check(xnn_define_hardswish(b->subgraph, in, b->value[node], 0), n);
    case MNAS_ACT_SIGMOID:
        return mnas_xnn_check(xnn_define_sigmoid(b->subgraph, in, b->value[node], 0), n);
    case MNAS_ACT_NONE:
    case MNAS_ACT_RELU:
    case MNAS_ACT_RELU6:
        break; /* fused */
    }
    return 0;
}

int mnas_xnn_subsample(mnas_xnn_builder *b, int node) {
    const mnas_node *n = &b->graph->nodes[node];
    const size_t c = (size_t)n->out.c, dims[4] = {1, 1, 1, c};
    const uint32_t s = (uint32_t)n->stride;
    uint32_t filter, bias;
    float *ones = mnas_xnn_floats(b->arena, c);
    int rc;
    if (!ones) return MNAS_ERR_MEMORY;
    for (size_t i = 0; i < c; i++) ones[i] = 1;
    if ((rc = add_constant(b, node, 4, dims, ones, &filter)) < 0) return rc;
    if ((rc = mnas_xnn_bias(b, node, 1, n->out.c, &bias)) < 0) return rc;
    if ((rc = mnas_xnn_output(b, node)) < 0) return rc;
    return mnas_xnn_check(xnn_define_depthwise_convolution_2d(b->subgraph, 0, 0, 0, 0, 1, 1, s, s, 1, 1, 1, c,
                                                              -INFINITY, INFINITY, b->value[n->in[0]], filter,
                                                              bias, b->value[node], 0),
                          n);
}

int mnas_xnn_lower_node(mnas_xnn_builder *b, int i) {
    const mnas_node *node = &b->graph->nodes[i];
    for (size_t k = 0; k < sizeof lowerings / sizeof *lowerings; k++)
        if (lowerings[k].op == node->op) return lowerings[k].lower(b, i);
    return mnas_error_set(MNAS_ERR_INVALID,
                          "operator %s of \"%s\" does not run on XNNPACK; give a folded inference graph",
                          node->op->plugin.name, node->name);
}

static int lower_graph(mnas_xnn *net, const mnas_graph *graph, const mnas_weights *weights,
                       xnn_subgraph_t subgraph) {
    mnas_xnn_builder b = {.subgraph = subgraph,
                          .graph = graph,
                          .weights = weights,
                          .arena = net->arena,
                          .result = graph->n_nodes - 1};
    b.value = mnas_arena_alloc(net->arena, (size_t)graph->n_nodes * sizeof *b.value);
    if (!b.value) return MNAS_ERR_MEMORY;
    for (int i = 0; i < graph->n_nodes; i++) {
        const int rc = mnas_xnn_lower_node(&b, i);
        if (rc < 0) return rc;
    }
    return 0;
}

static int alloc_ends(mnas_xnn *net, const mnas_graph *graph) {
    net->arena = mnas_arena_create();
    if (!net->arena) return MNAS_ERR_MEMORY;
    net->n_input = mnas_shape_size(graph->nodes[0].out);
    net->n_output = mnas_shape_size(graph->nodes[graph->n_nodes - 1].out);
    net->input = mnas_xnn_floats(net->arena, net->n_input);
    net->output = mnas_xnn_floats(net->arena, net->n_output);
    return net->input && net->output ? 0 : MNAS_ERR_MEMORY;
}

static int start_runtime(mnas_xnn *net, xnn_subgraph_t subgraph, int n_threads) {
    if (n_threads > 1 && !(net->pool = pthreadpool_create((size_t)n_threads)))
        return mnas_error_set(MNAS_ERR_LIBRARY, "pthreadpool: cannot start %d threads", n_threads);
    int rc = mnas_xnn_check(xnn_create_runtime_v2(subgraph, net->pool, 0, &net->runtime), NULL);
    if (rc < 0) return rc;
    const struct xnn_external_value ends[N_EXTERNAL] = {{MNAS_XNN_INPUT_ID, net->input},
                                                        {MNAS_XNN_OUTPUT_ID, net->output}};
    return mnas_xnn_check(xnn_setup_runtime(net->runtime, N_EXTERNAL, ends), NULL);
}

int mnas_xnn_create(mnas_xnn **out, const mnas_graph *graph, const mnas_weights *weights) {
    return mnas_xnn_create_threads(out, graph, weights, 1);
}

int mnas_xnn_create_threads(mnas_xnn **out, const mnas_graph *graph, const mnas_weights *weights,
                            int n_threads) {
    assert(graph->n_nodes >= 2 && n_threads >= 1);
    *out = NULL;
    xnn_subgraph_t subgraph = NULL;
    mnas_xnn *net = calloc(1, sizeof *net);
    if (!net) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: XNNPACK network");
    int rc = alloc_ends(net, graph);
    if (rc < 0) goto out;
    if ((rc = mnas_xnn_check(xnn_initialize(NULL), NULL)) < 0) goto out;
    if ((rc = mnas_xnn_check(xnn_create_subgraph(N_EXTERNAL, 0, &subgraph), NULL)) < 0) goto out;
    if ((rc = lower_graph(net, graph, weights, subgraph)) < 0) goto out;
    if ((rc = start_runtime(net, subgraph, n_threads)) < 0) goto out;
    *out = net;
    net = NULL;
out:
    if (subgraph) xnn_delete_subgraph(subgraph);
    mnas_xnn_destroy(net);
    return rc;
}

int mnas_xnn_run(mnas_xnn *net, const float *image, float *logits) {
    memcpy(net->input, image, net->n_input * sizeof *image);
    const int rc = mnas_xnn_invoke(net);
    if (rc == 0) memcpy(logits, net->output, net->n_output * sizeof *logits);
    return rc;
}

int mnas_xnn_invoke(mnas_xnn *net) {
    return mnas_xnn_check(xnn_invoke_runtime(net->runtime), NULL);
}

float *mnas_xnn_image(mnas_xnn *net) {
    return net->input;
}

const float *mnas_xnn_logits(const mnas_xnn *net) {
    return net->output;
}

void mnas_xnn_destroy(mnas_xnn *net) {
    if (!net) return;
    if (net->runtime) xnn_delete_runtime(net->runtime);
    if (net->pool) pthreadpool_destroy(net->pool);
    mnas_arena_destroy(net->arena);
    free(net);
}
