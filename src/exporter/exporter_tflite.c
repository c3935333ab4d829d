/* exporter_tflite.c - TensorFlow Lite: what each operator of an inference graph is there. NHWC and floats, as ours.
 *
 * TensorFlow Lite pads as SAME or not at all (VALID). Any other padding is a PAD (in front of a maximum PADV2 with the lowest float)
 * and then VALID; an average over pixels that exist is then corrected by a product with one number a pixel.
 */
#include <float.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "exporter/exporter.h"
#include "exporter/tflite_graph.h"
#include "model/act.h"
#include "ops/op.h"

typedef struct writer {
    mnas_tflite *file;
    const mnas_graph *graph;
    const mnas_weights *weights;
    int *tensor; /* [n_nodes] of what each node makes */
} writer;

static int input(const writer *w, const mnas_node *node, int k) {
    return w->tensor[node->in[k]];
}

static mnas_shape input_shape(const writer *w, const mnas_node *node) {
    return w->graph->nodes[node->in[0]].out;
}

static int inner(writer *w, const char *name, mnas_shape s) {
    return mnas_tflite_tensor(w->file, name, 4, (const int[]){1, s.h, s.w, s.c});
}

/* ---- constants ---- */

/* [A, B, k, k] as [A, k, k, B], which for a depthwise filter ([C, 1, k, k], taps last wanted first) is read as one image of
 * C channels: [1, k, k, C]. */
static void reorder(float *out, const float *in, int n_a, int n_b, int taps, bool depthwise) {
    for (int a = 0; a < n_a; a++)
        for (int b = 0; b < n_b; b++)
            for (int t = 0; t < taps; t++) {
                const float value = in[((size_t)a * (size_t)n_b + (size_t)b) * (size_t)taps + (size_t)t];
                if (depthwise)
                    out[(size_t)t * (size_t)n_a + (size_t)a] = value;
                else
                    out[((size_t)a * (size_t)taps + (size_t)t) * (size_t)n_b + (size_t)b] = value;
            }
}

static int constant(writer *w, const mnas_node *node, int k) {
    const mnas_param *p = &w->graph->params[node->params[k]];
    const float *values = mnas_weights_of(w->weights, p);
    if (p->n_dims < 4) return mnas_tflite_floats(w->file, p->name, p->n_dims, p->dims, values);
    const bool depthwise = p->role == MNAS_PARAM_DEPTHWISE;
    const int side = p->dims[2], out = depthwise ? 1 : p->dims[0], in = depthwise ? p->dims[0] : p->dims[1];
    float *ordered = mnas_tflite_room(w->file, p->size);
    if (!ordered) return 0;
    reorder(ordered, values, p->dims[0], p->dims[1], side * side, depthwise);
    return mnas_tflite_floats(w->file, p->name, 4, (const int[]){out, side, side, in}, ordered);
}

/* Parameter k, or zeros[n] where the node has none: not every reader of the format does without. */
static int bias(writer *w, const mnas_node *node, int k, int n) {
    if (node->bias) return constant(w, node, k);
    const float *zeros = mnas_tflite_room(w->file, (size_t)n);
    return zeros ? mnas_tflite_floats(w->file, node->name, 1, &n, zeros) : 0;
}

/* ---- padding ---- */

typedef struct padding {
    int tensor, mode; /* what the operator then reads, and MNAS_TFLITE_SAME or _VALID */
    bool counted;     /* there are padded pixels in it */
} padding;

static bool is_same(const mnas_node *node, mnas_shape in) {
    int top, bottom, left, right;
    mnas_op_pad(MNAS_PAD_SAME, in.h, node->kernel, node->stride, &top, &bottom);
    mnas_op_pad(MNAS_PAD_SAME, in.w, node->kernel, node->stride, &left, &right);
    return node->pad_top == top && node->pad_bottom == bottom && node->pad_left == left &&
           node->pad_right == right;
}

static padding pad(writer *w, const mnas_node *node, const float *fill) {
    const mnas_shape in = input_shape(w, node);
    const int from = input(w, node, 0);
    if (is_same(node, in)) return (padding){from, MNAS_TFLITE_SAME, false};
    if (!node->pad_top && !node->pad_bottom && !node->pad_left && !node->pad_right)
        return (padding){from, MNAS_TFLITE_VALID, false};
    const int32_t pads[8] = {0, 0, node->pad_top, node->pad_bottom, node->pad_left, node->pad_right, 0, 0};
    const int amounts = mnas_tflite_ints(w->file, node->name, 2, (const int[]){4, 2}, pads);
    const int padded = inner(
        w, node->name,
        (mnas_shape){in.h + node->pad_top + node->pad_bottom, in.w + node->pad_left + node->pad_right, in.c});
    if (fill) {
        const int value = mnas_tflite_floats(w->file, node->name, 1, (const int[]){1}, fill);
        mnas_tflite_op(w->file, MNAS_TFLITE_PADV2, (const int[]){from, amounts, value, -1}, padded, NULL);
    } else {
        mnas_tflite_op(w->file, MNAS_TFLITE_PAD, (const int[]){from, amounts, -1}, padded, NULL);
    }
    return (padding){padded, MNAS_TFLITE_VALID, true};
}

/* ---- operators ---- */

static int fused(mnas_act act) {
    return act == MNAS_ACT_RELU    ? MNAS_TFLITE_RELU
           : act == MNAS_ACT_RELU6 ? MNAS_TFLITE_RELU6
                                   : MNAS_TFLITE_NONE;
}

static void multiply(writer *w, int a, int b, int out) {
    mnas_tflite_op(w->file, MNAS_TFLITE_MUL, (const int[]){a, b, -1}, out,
                   &(mnas_tflite_options){.act = MNAS_TFLITE_NONE});
}

static void unary(writer *w, mnas_tflite_kind kind, int in, int out) {
    mnas_tflite_op(w->file, kind, (const int[]){in, -1}, out, NULL);
}

static void activate(writer *w, const mnas_node *node, int in, int out) {
    int gate;
    switch (node->act) {
    case MNAS_ACT_RELU:
        unary(w, MNAS_TFLITE_OP_RELU, in, out);
        break;
    case MNAS_ACT_RELU6:
        unary(w, MNAS_TFLITE_OP_RELU6, in, out);
        break;
    case MNAS_ACT_HSWISH:
        unary(w, MNAS_TFLITE_HARD_SWISH, in, out);
        break;
    case MNAS_ACT_SIGMOID:
        unary(w, MNAS_TFLITE_LOGISTIC, in, out);
        break;
    case MNAS_ACT_SWISH:
        gate = inner(w, node->name, node->out);
        unary(w, MNAS_TFLITE_LOGISTIC, in, gate);
        multiply(w, in, gate, out);
        break;
    case MNAS_ACT_NONE:
        multiply(w, in, mnas_tflite_floats(w->file, node->name, 1, (const int[]){1}, (const float[]){1}),
                 out);
        break;
    }
}

static void convolve(writer *w, const mnas_node *node, mnas_tflite_kind kind, int out) {
    const padding p = pad(w, node, NULL);
    const bool clips = mnas_act_clips(node->act);
    const int linear = clips ? out : inner(w, node->name, node->out);
    mnas_tflite_op(
        w->file, kind, (const int[]){p.tensor, constant(w, node, 0), bias(w, node, 1, node->out.c), -1},
        linear, &(mnas_tflite_options){.padding = p.mode, .stride = node->stride, .act = fused(node->act)});
    if (!clips) activate(w, node, linear, out);
}

static void write_conv(writer *w, const mnas_node *node, int out) {
    convolve(w, node, MNAS_TFLITE_CONV, out);
}

static void write_dwconv(writer *w, const mnas_node *node, int out) {
    convolve(w, node, MNAS_TFLITE_DWCONV, out);
}

static void write_act(writer *w, const mnas_node *node, int out) {
    activate(w, node, input(w, node, 0), out);
}

static void write_add(writer *w, const mnas_node *node, int out) {
    mnas_tflite_op(w->file, MNAS_TFLITE_ADD, (const int[]){input(w, node, 0), input(w, node, 1), -1}, out,
                   &(mnas_tflite_options){.act = MNAS_TFLITE_NONE});
}

/* mean over h and w; the map stays of rank 4 */
static void mean(writer *w, const mnas_node *node, int in, int out) {
    const int axes = mnas_tflite_ints(w->file, node->name, 1, (const int[]){2}, (const int32_t[]){1, 2});
    mnas_tflite_op(w->file, MNAS_TFLITE_MEAN, (const int[]){in, axes, -1}, out, &(mnas_tflite_options){0});
}

static void pointwise(writer *w, const mnas_node *node, int k, int act, int in, int out) {
    mnas_tflite_op(w->file, MNAS_TFLITE_CONV,
                   (const int[]){in, constant(w, node, k), constant(w, node, k + 1), -1}, out,
                   &(mnas_tflite_options){.padding = MNAS_TFLITE_SAME, .stride = 1, .act = act});
}

/* x * sigmoid(W2 relu(W1 mean(x) + b1) + b2) */
static void write_se(writer *w, const mnas_node *node, int out) {
    const int x = input(w, node, 0), n = node->out.c;
    const int pooled = inner(w, node->name, (mnas_shape){1, 1, n});
    const int reduced = inner(w, node->name, (mnas_shape){1, 1, node->filters});
    const int expanded = inner(w, node->name, (mnas_shape){1, 1, n});
    const int scale = inner(w, node->name, (mnas_shape){1, 1, n});
    mean(w, node, x, pooled);
    pointwise(w, node, 0, MNAS_TFLITE_RELU, pooled, reduced);
    pointwise(w, node, 2, MNAS_TFLITE_NONE, reduced, expanded);
    unary(w, MNAS_TFLITE_LOGISTIC, expanded, scale);
    multiply(w, x, scale, out);
}

static void pool(writer *w, const mnas_node *node, mnas_tflite_kind kind, const padding *p, int out) {
    mnas_tflite_op(
        w->file, kind, (const int[]){p->tensor, -1}, out,
        &(mnas_tflite_options){.padding = p->mode, .stride = node->stride, .kernel = node->kernel});
}

static void write_maxpool(writer *w, const mnas_node *node, int out) {
    static const float lowest = -FLT_MAX;
    const padding p = pad(w, node, &lowest);
    pool(w, node, MNAS_TFLITE_MAX_POOL, &p, out);
}

/* How many of the window's k pixels along one side exist. */
static int n_inside(int out, int stride, int before, int kernel, int in) {
    const int first = out * stride - before, last = first + kernel;
    return (last < in ? last : in) - (first > 0 ? first : 0);
}

/* k k / (pixels of the window that exist), [1, h, w, 1] */
static int corrections(writer *w, const mnas_node *node) {
    const mnas_shape in = input_shape(w, node), out = node->out;
    float *values = mnas_tflite_room(w->file, (size_t)out.h * (size_t)out.w);
    if (!values) return 0;
    for (int y = 0; y < out.h; y++)
        for (int x = 0; x < out.w; x++) {
            const int n = n_inside(y, node->stride, node->pad_top, node->kernel, in.h) *
                          n_inside(x, node->stride, node->pad_left, node->kernel, in.w);
            values[y * out.w + x] = (float)((double)(node->kernel * node->kernel) / n);
        }
    return mnas_tflite_floats(w->file, node->name, 4, (const int[]){1, out.h, out.w, 1}, values);
}

static void write_avgpool(writer *w, const mnas_node *node, int out) {
    const padding p = pad(w, node, NULL);
    const int sum = p.counted ? inner(w, node->name, node->out) : out;
    pool(w, node, MNAS_TFLITE_AVERAGE_POOL, &p, sum);
    if (p.counted) multiply(w, sum, corrections(w, node), out);
}

static void write_gap(writer *w, const mnas_node *node, int out) {
    mean(w, node, input(w, node, 0), out);
}

static void write_dense(writer *w, const mnas_node *node, int out) {
    mnas_tflite_op(
        w->file, MNAS_TFLITE_FULLY_CONNECTED,
        (const int[]){input(w, node, 0), constant(w, node, 0), bias(w, node, 1, node->filters), -1}, out,
        &(mnas_tflite_options){.act = MNAS_TFLITE_NONE});
}

static const struct {
    const mnas_op *op;
    void (*write)(writer *w, const mnas_node *node, int out);
} lowerings[] = {
    {&mnas_op_conv, write_conv},       {&mnas_op_dwconv, write_dwconv}, {&mnas_op_act, write_act},
    {&mnas_op_add, write_add},         {&mnas_op_se, write_se},         {&mnas_op_maxpool, write_maxpool},
    {&mnas_op_avgpool, write_avgpool}, {&mnas_op_gap, write_gap},       {&mnas_op_dense, write_dense},
};

static int output_tensor(writer *w, int i) {
    const mnas_node *node = &w->graph->nodes[i];
    if (i < w->graph->n_nodes - 1) return inner(w, node->name, node->out);
    return mnas_tflite_tensor(w->file, "logits", 2, (const int[]){1, node->out.c});
}

static int write_node(writer *w, int i) {
    const mnas_node *node = &w->graph->nodes[i];
    for (size_t k = 0; k < sizeof lowerings / sizeof *lowerings; k++) {
        if (lowerings[k].op != node->op) continue;
        w->tensor[i] = output_tensor(w, i);
        lowerings[k].write(w, node, w->tensor[i]);
        return 0;
    }
    return mnas_error_set(MNAS_ERR_INVALID, "%s: %s is nothing that TensorFlow Lite files of ours hold",
                          node->name, node->op->plugin.name);
}

static int write_graph(writer *w) {
    w->tensor = calloc((size_t)w->graph->n_nodes, sizeof *w->tensor);
    if (!w->tensor) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: TensorFlow Lite model");
    w->tensor[0] = inner(w, "image", w->graph->nodes[0].out);
    int rc = 0;
    for (int i = 1; i < w->graph->n_nodes && rc == 0; i++) rc = write_node(w, i);
    if (rc == 0) mnas_tflite_ends(w->file, w->tensor[0], w->tensor[w->graph->n_nodes - 1]);
    free(w->tensor);
    return rc;
}

static int print(mnas_str *out, const void *opts, const mnas_export_job *job) {
    (void)opts;
    const mnas_shape in = job->graph->nodes[0].out;
    char layout[64];
    mnas_export_facts facts;
    writer w = {.graph = job->graph, .weights = job->weights};
    snprintf(layout, sizeof layout, "1 x %d x %d x %d", in.h, in.w, in.c);
    int rc = mnas_export_facts_of(&facts, job, layout);
    if (rc == 0) rc = mnas_tflite_create(&w.file, job->graph->model.name);
    if (rc == 0) rc = write_graph(&w);
    if (rc == 0) rc = mnas_tflite_print(out, w.file, &facts);
    mnas_tflite_destroy(w.file);
    mnas_export_facts_free(&facts);
    return rc;
}

const mnas_exporter_class mnas_exporter_class_tflite = {
    .plugin = {"tflite", "TensorFlow Lite, also called LiteRT; images as NHWC, one at a time", NULL, 0},
    .extension = ".tflite",
    .print = print,
};
