/* exporter_onnx.c - ONNX: what each operator of an inference graph is there. NCHW, as ONNX has no other.
 *
 * Only operators that stand in the standard since opset 13 are used: swish is x * Sigmoid(x), hswish x * HardSigmoid(x), with ONNX's
 * HardSigmoid max(0, min(1, x / 6 + 1 / 2)); squeeze-and-excitation its six parts.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "exporter/exporter.h"
#include "exporter/onnx_graph.h"
#include "ops/op.h"

typedef struct onnx_opts {
    int64_t batch;
} onnx_opts;

enum { BATCH_ONE, BATCH_ANY };
static const char *const batches[] = {"1", "any", NULL};

static const mnas_opt options[] = {{"batch", MNAS_OPT_CHOICE, offsetof(onnx_opts, batch), "1", 0, 0, "images",
                                    "as many the network takes at once; any: the reader decides", batches},
                                   MNAS_OPT_END};

enum { NAME_BYTES = 96, NODES_OF_ONE = 8, CONSTANTS_OF_ONE = 4 };

typedef struct writer {
    mnas_onnx *onnx;
    const mnas_graph *graph;
    const mnas_weights *weights;
    bool has_bounds; /* the constants of relu6 are there */
} writer;

/* The name of what node i makes: its own, and for the two ends of the network what users look for. */
static const char *value_name(const writer *w, int i) {
    return i == 0 ? "image" : i == w->graph->n_nodes - 1 ? "logits" : w->graph->nodes[i].name;
}

static const char *input_name(const writer *w, const mnas_node *node, int k) {
    return value_name(w, node->in[k]);
}

static void node1(writer *w, const char *op, const char *output, const char *input) {
    mnas_onnx_node(w->onnx, op, output, (const char *const[]){input, NULL});
}

static void node2(writer *w, const char *op, const char *output, const char *a, const char *b) {
    mnas_onnx_node(w->onnx, op, output, (const char *const[]){a, b, NULL});
}

/* Parameter k as a constant under its own name. */
static const char *constant(writer *w, const mnas_node *node, int k) {
    const mnas_param *param = &w->graph->params[node->params[k]];
    int64_t dims[MNAS_ONNX_MAX_DIMS];
    for (int i = 0; i < param->n_dims; i++) dims[i] = param->dims[i];
    mnas_onnx_constant(w->onnx, param->name, mnas_weights_of(w->weights, param), param->n_dims, dims);
    return param->name;
}

/* x * gate(x), the gate being Sigmoid or HardSigmoid */
static void gated(writer *w, const char *gate, const char *output, const char *input) {
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.gate", output);
    node1(w, gate, name, input);
    if (strcmp(gate, "HardSigmoid") == 0) {
        mnas_onnx_attr_float(w->onnx, "alpha", 1.0F / 6);
        mnas_onnx_attr_float(w->onnx, "beta", 0.5F);
    }
    node2(w, "Mul", output, input, name);
}

/* min(max(x, 0), 6) */
static void clip(writer *w, const char *output, const char *input) {
    static const float zero = 0, six = 6;
    if (!w->has_bounds) {
        mnas_onnx_constant(w->onnx, "zero", &zero, 0, NULL);
        mnas_onnx_constant(w->onnx, "six", &six, 0, NULL);
        w->has_bounds = true;
    }
    mnas_onnx_node(w->onnx, "Clip", output, (const char *const[]){input, "zero", "six", NULL});
}

static void activate(writer *w, mnas_act act, const char *output, const char *input) {
    switch (act) {
    case MNAS_ACT_NONE:
        node1(w, "Identity", output, input);
        break;
    case MNAS_ACT_RELU:
        node1(w, "Relu", output, input);
        break;
    case MNAS_ACT_RELU6:
        clip(w, output, input);
        break;
    case MNAS_ACT_SWISH:
        gated(w, "Sigmoid", output, input);
        break;
    case MNAS_ACT_HSWISH:
        gated(w, "HardSigmoid", output, input);
        break;
    case MNAS_ACT_SIGMOID:
        node1(w, "Sigmoid", output, input);
        break;
    }
}

/* Attributes of what slides a window. */
static void window(writer *w, const mnas_node *node) {
    const int64_t k = node->kernel, s = node->stride;
    mnas_onnx_attr_ints(w->onnx, "kernel_shape", 2, (const int64_t[]){k, k});
    mnas_onnx_attr_ints(w->onnx, "strides", 2, (const int64_t[]){s, s});
    mnas_onnx_attr_ints(w->onnx, "pads", 4,
                        (const int64_t[]){node->pad_top, node->pad_left, node->pad_bottom, node->pad_right});
}

static void convolve(writer *w, const mnas_node *node, int groups, const char *output) {
    char linear[NAME_BYTES];
    const bool has_act = node->act != MNAS_ACT_NONE;
    snprintf(linear, sizeof linear, "%s%s", output, has_act ? ".linear" : "");
    const char *weight = constant(w, node, 0), *bias = node->bias ? constant(w, node, 1) : NULL;
    mnas_onnx_node(w->onnx, "Conv", linear,
                   (const char *const[]){input_name(w, node, 0), weight, bias, NULL});
    window(w, node);
    mnas_onnx_attr_int(w->onnx, "group", groups);
    if (has_act) activate(w, node->act, output, linear);
}

static void write_conv(writer *w, const mnas_node *node, const char *output) {
    convolve(w, node, 1, output);
}

static void write_dwconv(writer *w, const mnas_node *node, const char *output) {
    convolve(w, node, node->out.c, output);
}

static void write_act(writer *w, const mnas_node *node, const char *output) {
    activate(w, node->act, output, input_name(w, node, 0));
}

static void write_add(writer *w, const mnas_node *node, const char *output) {
    node2(w, "Add", output, input_name(w, node, 0), input_name(w, node, 1));
}

static void pointwise(writer *w, const mnas_node *node, int k, const char *output, const char *input) {
    const char *weight = constant(w, node, k), *bias = constant(w, node, k + 1);
    mnas_onnx_node(w->onnx, "Conv", output, (const char *const[]){input, weight, bias, NULL});
}

/* x * sigmoid(W2 relu(W1 mean(x) + b1) + b2) */
static void write_se(writer *w, const mnas_node *node, const char *output) {
    enum { POOLED, REDUCED, RELU, EXPANDED, SCALE, N_PARTS };
    static const char *const parts[N_PARTS] = {"pooled", "reduced", "relu", "expanded", "scale"};
    char name[N_PARTS][NAME_BYTES];
    for (int i = 0; i < N_PARTS; i++) snprintf(name[i], NAME_BYTES, "%s.%s", output, parts[i]);
    const char *input = input_name(w, node, 0);
    node1(w, "GlobalAveragePool", name[POOLED], input);
    pointwise(w, node, 0, name[REDUCED], name[POOLED]);
    node1(w, "Relu", name[RELU], name[REDUCED]);
    pointwise(w, node, 2, name[EXPANDED], name[RELU]);
    node1(w, "Sigmoid", name[SCALE], name[EXPANDED]);
    node2(w, "Mul", output, input, name[SCALE]);
}

static void write_maxpool(writer *w, const mnas_node *node, const char *output) {
    node1(w, "MaxPool", output, input_name(w, node, 0));
    window(w, node);
}

static void write_avgpool(writer *w, const mnas_node *node, const char *output) {
    node1(w, "AveragePool", output, input_name(w, node, 0));
    window(w, node);
    mnas_onnx_attr_int(w->onnx, "count_include_pad", 0);
}

static void write_gap(writer *w, const mnas_node *node, const char *output) {
    node1(w, "GlobalAveragePool", output, input_name(w, node, 0));
}

static void write_dense(writer *w, const mnas_node *node, const char *output) {
    char flat[NAME_BYTES];
    snprintf(flat, sizeof flat, "%s.flat", output);
    node1(w, "Flatten", flat, input_name(w, node, 0));
    mnas_onnx_attr_int(w->onnx, "axis", 1);
    const char *weight = constant(w, node, 0), *bias = node->bias ? constant(w, node, 1) : NULL;
    mnas_onnx_node(w->onnx, "Gemm", output, (const char *const[]){flat, weight, bias, NULL});
    mnas_onnx_attr_int(w->onnx, "transB", 1);
}

static const struct {
    const mnas_op *op;
    void (*write)(writer *w, const mnas_node *node, const char *output);
} lowerings[] = {
    {&mnas_op_conv, write_conv},       {&mnas_op_dwconv, write_dwconv}, {&mnas_op_act, write_act},
    {&mnas_op_add, write_add},         {&mnas_op_se, write_se},         {&mnas_op_maxpool, write_maxpool},
    {&mnas_op_avgpool, write_avgpool}, {&mnas_op_gap, write_gap},       {&mnas_op_dense, write_dense},
};

static int write_node(writer *w, int i) {
    const mnas_node *node = &w->graph->nodes[i];
    for (size_t k = 0; k < sizeof lowerings / sizeof *lowerings; k++) {
        if (lowerings[k].op != node->op) continue;
        lowerings[k].write(w, node, value_name(w, i));
        return 0;
    }
    return mnas_error_set(MNAS_ERR_INVALID, "%s: %s is nothing that ONNX files of ours hold", node->name,
                          node->op->plugin.name);
}

static int write_graph(writer *w, int64_t batch) {
    const mnas_graph *graph = w->graph;
    const mnas_shape in = graph->nodes[0].out, out = graph->nodes[graph->n_nodes - 1].out;
    mnas_onnx_input(w->onnx, "image", 4, (const int64_t[]){batch, in.c, in.h, in.w});
    mnas_onnx_output(w->onnx, "logits", 2, (const int64_t[]){batch, out.c});
    int rc = 0;
    for (int i = 1; i < graph->n_nodes && rc == 0; i++) rc = write_node(w, i);
    return rc;
}

static int print(mnas_str *out, const void *opts, const mnas_export_job *job) {
    const bool any = ((const onnx_opts *)opts)->batch == BATCH_ANY;
    const mnas_shape in = job->graph->nodes[0].out;
    char layout[64];
    mnas_export_facts facts;
    writer w = {.graph = job->graph, .weights = job->weights};
    snprintf(layout, sizeof layout, "%s x %d x %d x %d", any ? "batch" : "1", in.c, in.h, in.w);
    int rc = mnas_export_facts_of(&facts, job, layout);
    if (rc < 0) goto out;
    const int n = job->graph->n_nodes;
    rc = mnas_onnx_create(&w.onnx, job->graph->model.name, NODES_OF_ONE * n, CONSTANTS_OF_ONE * n + 2);
    if (rc < 0) goto out;
    for (int i = 0; i < facts.n; i++) mnas_onnx_fact(w.onnx, facts.name[i], facts.text[i].data);
    mnas_onnx_describe(w.onnx, facts.summary.data);
    if ((rc = write_graph(&w, any ? 0 : 1)) < 0) goto out;
    rc = mnas_onnx_print(out, w.onnx);
out:
    mnas_onnx_destroy(w.onnx);
    mnas_export_facts_free(&facts);
    return rc;
}

const mnas_exporter_class mnas_exporter_class_onnx = {
    .plugin = {"onnx", "ONNX, opset 13, images as NCHW", options, sizeof(onnx_opts)},
    .extension = ".onnx",
    .print = print,
};
