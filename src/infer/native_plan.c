/* native_plan.c - from an inference graph to the built-in engine's steps and the buffers they need.
 *
 * What is done in passing (not by_layer): a 1x1 expansion by the depthwise convolution behind it, an addition by the convolution in
 * front of it, squeeze-and-excitation's mean by the depthwise convolution in front, its scaling by the 1x1 convolution behind. Only
 * what has no other reader disappears so. No memory but the plan's own is touched here.
 */
#include "infer/native.h"

#include <math.h>

#include "base/error.h"
#include "base/round.h"
#include "model/act.h"
#include "ops/op.h"

enum { BUFFERS_A_STEP = 10, LARGE_MAP_BYTES = 256 << 10, BAND_BYTES = 128 << 10 };

typedef struct plan {
    mnas_native *net;
    const mnas_graph *graph;
    const mnas_weights *weights;
    bool by_layer, whole_layers; /* by_layer is also whole_layers */
    int *buffer;                 /* [n_nodes] of each node's output; NONE: not made, or made in passing */
    int *sums;                   /* [n_nodes] what a depthwise convolution adds up for a gate */
    bool *done;                  /* [n_nodes] in passing */
} plan;

/* ---------------------------------------------------------------------------------- buffers */

/* Of the step being made; it lives for this step alone until others touch it. */
static int add_buffer(const plan *p, size_t floats) {
    mnas_native *net = p->net;
    net->buffers[net->n_buffers] = (mnas_interval){floats * sizeof(float), net->n_steps, net->n_steps, 0};
    return net->n_buffers++;
}

static void touch(const plan *p, int buffer) {
    if (buffer != MNAS_NATIVE_NONE) p->net->buffers[buffer].last = p->net->n_steps;
}

static void keep_always(const mnas_native *net, int buffer) {
    net->buffers[buffer].first = 0;
    net->buffers[buffer].last = net->n_steps;
}

/* ---------------------------------------------------------------------------------- who reads what */

static const mnas_node *node_at(const plan *p, int i) {
    return &p->graph->nodes[i];
}

static mnas_shape in_shape(const plan *p, const mnas_node *node) {
    return node_at(p, node->in[0])->out;
}

/* The one node that reads i, or -1. */
static int only_reader(const plan *p, int i) {
    if (mnas_graph_n_consumers(p->graph, i) != 1) return -1;
    for (int j = i + 1; j < p->graph->n_nodes; j++)
        for (int k = 0; k < node_at(p, j)->n_in; k++)
            if (node_at(p, j)->in[k] == i) return j;
    return -1;
}

/* As it comes: [row, column, channel]. */
static bool reads_image(const plan *p, const mnas_node *node) {
    return node->op == &mnas_op_conv && p->graph->nodes[node->in[0]].op == &mnas_op_input;
}

static bool is_pointwise(const plan *p, int i) {
    const mnas_node *node = node_at(p, i);
    return node->op == &mnas_op_conv && node->kernel == 1 && node->stride == 1 && !reads_image(p, node);
}

static bool is_conv(const plan *p, int i) {
    return node_at(p, i)->op == &mnas_op_conv;
}

/* Whether convolution i is done, row by row, by the depthwise one behind it. A k x k one whose blocks go to several strips would
 * be fed its input as often. */
static bool is_front(const plan *p, int i) {
    const int reader = only_reader(p, i);
    if (p->whole_layers || !is_conv(p, i) || reader < 0 || node_at(p, reader)->op != &mnas_op_dwconv)
        return false;
    return is_pointwise(p, i) || mnas_native_blocks(p->net, node_at(p, i)->out.c) <= MNAS_TILE_MAX_BLOCKS;
}

/* Whether node i, a squeeze-and-excitation, only finds factors. */
static bool is_gate(const plan *p, int i) {
    const mnas_node *node = node_at(p, i);
    if (p->by_layer || node->op != &mnas_op_se) return false;
    const int source = node->in[0], reader = only_reader(p, i);
    return node_at(p, source)->op == &mnas_op_dwconv && only_reader(p, source) == i && reader >= 0 &&
           is_pointwise(p, reader) && !is_front(p, reader);
}

/* The 1x1 convolution that takes the rows of depthwise convolution i in bands, or -1: where the map does not stay in the L2 cache
 * beside what else is needed. */
static int convolution_behind(const plan *p, int i) {
    const int reader = only_reader(p, i);
    if (p->whole_layers || reader < 0 || !is_pointwise(p, reader) || is_front(p, reader)) return -1;
    return mnas_native_map_floats(p->net, node_at(p, i)->out) * sizeof(float) > LARGE_MAP_BYTES ? reader : -1;
}

/* The addition that convolution i does, too, or -1. The other term has to be there already. */
static int addition_of(const plan *p, int i) {
    const int reader = only_reader(p, i);
    if (p->by_layer || reader < 0 || node_at(p, reader)->op != &mnas_op_add) return -1;
    const mnas_node *add = node_at(p, reader);
    const int other = add->in[add->in[0] == i ? 1 : 0];
    return other < i && p->buffer[other] != MNAS_NATIVE_NONE ? reader : -1;
}

/* ---------------------------------------------------------------------------------- weights */

static void set_act(mnas_native_product *product, mnas_act act) {
    const bool clips = mnas_act_clips(act);
    product->act = clips ? MNAS_ACT_NONE : act;
    product->low = clips && act != MNAS_ACT_NONE ? 0 : -INFINITY;
    product->high = act == MNAS_ACT_RELU6 ? 6 : INFINITY;
}

static const float *values_of(const plan *p, const mnas_node *node, int i) {
    if (i >= node->n_params) return NULL;
    return mnas_weights_of(p->weights, &p->graph->params[node->params[i]]);
}

/* The order in which tiles read a row [c, k, k]: of the image [tap, channel], else [block, tap, lane]. */
static void set_order(int *order, int channels, int block, int n_taps) {
    for (int first = 0; first < channels; first += block)
        for (int tap = 0; tap < n_taps; tap++)
            for (int c = first; c < channels && c < first + block; c++) *order++ = c * n_taps + tap;
}

/* Room among the weights; rows of the cache begin with a product. */
static size_t add_weights(const plan *p, size_t floats) {
    const size_t at = p->net->n_weights;
    p->net->n_weights += mnas_round_up(floats, MNAS_TILE_LINE_FLOATS);
    return at;
}

/* n_outputs x n_inputs with parameter `first` of the node and the bias behind it. */
static void set_product(const plan *p, mnas_native_product *product, const mnas_node *node, int first,
                        int n_outputs, int n_inputs) {
    const size_t columns = (size_t)mnas_native_blocks(p->net, n_outputs) * p->net->tile->lanes;
    product->n_inputs = n_inputs;
    product->n_outputs = n_outputs;
    product->n_blocks = mnas_native_blocks(p->net, n_outputs);
    product->from = values_of(p, node, first);
    product->from_bias = values_of(p, node, first + 1);
    product->bias = add_weights(p, columns);
    product->weight = add_weights(p, (size_t)n_inputs * columns);
}

/* The same for tiles, of [channels, taps] inputs. */
static int set_tiles(const plan *p, mnas_native_product *product, const mnas_node *node, int first,
                     int n_outputs, int channels, int n_taps, int block) {
    int *order = mnas_arena_alloc(p->net->arena, (size_t)(channels * n_taps) * sizeof *order);
    if (!order) return MNAS_ERR_MEMORY;
    set_order(order, channels, block, n_taps);
    set_product(p, product, node, first, n_outputs, channels * n_taps);
    product->order = order;
    return 0;
}

/* ---------------------------------------------------------------------------------- steps */

static int add_segments(const plan *p, mnas_native_step *step, int n) {
    step->n_segments = n;
    step->segments = mnas_arena_alloc(p->net->arena, (size_t)n * sizeof *step->segments);
    return step->segments ? 0 : MNAS_ERR_MEMORY;
}

/* Of a 1x1 convolution over maps of so many pixels: a block each, or all in one where the map is one pixel. */
static int point_segments(const plan *p, mnas_native_step *step, int pixels) {
    const int lanes = (int)p->net->tile->lanes, channels = step->in.c;
    const int length = pixels == 1 ? channels : lanes, n = (channels + length - 1) / length;
    const int rc = add_segments(p, step, n);
    for (int i = 0; rc == 0 && i < n; i++) {
        const int left = channels - i * length;
        step->segments[i] = (mnas_tile_segment){(ptrdiff_t)i * pixels * lanes, left < length ? left : length};
    }
    return rc;
}

/* Room for the last rows of n_blocks of the input, and one of zeros for each block. */
static void add_ring(const plan *p, mnas_native_step *step, int n_blocks) {
    const int used = step->left + step->in.w, seen = (step->out.w - 1) * step->stride + step->kernel;
    const size_t pixel = step->from_image ? (size_t)step->in.c : p->net->tile->lanes;
    step->ring_rows = step->kernel;
    step->ring_columns = used > seen ? used : seen;
    step->ring =
        add_buffer(p, (size_t)n_blocks * (size_t)(step->ring_rows + 1) * (size_t)step->ring_columns * pixel);
}

static int make_window(const plan *p, mnas_native_step *step, const mnas_node *node) {
    const mnas_shape in = step->in;
    const int n_taps = node->kernel * node->kernel, lanes = (int)p->net->tile->lanes;
    const int n_blocks = step->from_image ? 1 : mnas_native_blocks(p->net, in.c);
    step->run = mnas_native_run_window;
    add_ring(p, step, n_blocks);
    const int rc = add_segments(p, step, step->from_image ? node->kernel : n_blocks * n_taps);
    if (rc < 0) return rc;
    return set_tiles(p, &step->product, node, 0, node->filters, in.c, n_taps,
                     step->from_image ? in.c : lanes);
}

static int make_pointwise(const plan *p, mnas_native_step *step, const mnas_node *node, int source_pixels) {
    step->run = mnas_native_run_pointwise;
    const int rc = point_segments(p, step, source_pixels);
    if (rc < 0) return rc;
    return set_tiles(p, &step->product, node, 0, node->filters, step->in.c, 1, step->in.c);
}

/* What follows a convolution at once: its activation, and an addition, whose node the step then stands for. */
static void set_end(const plan *p, mnas_native_step *step, int i) {
    const int addition = addition_of(p, i);
    const bool dense = node_at(p, i)->op == &mnas_op_dense;
    set_act(&step->product, dense ? MNAS_ACT_NONE : node_at(p, i)->act);
    if (addition < 0) return;
    const mnas_node *add = node_at(p, addition);
    step->src2 = p->buffer[add->in[add->in[0] == i ? 1 : 0]];
    step->node = addition;
    p->done[addition] = true;
    touch(p, step->src2);
}

/* Also a dense layer, which is a 1x1 convolution of one pixel. source_pixels: of a block of the source. */
static int make_conv(const plan *p, mnas_native_step *step, const mnas_node *node, int i, int source_pixels) {
    const bool dense = node->op == &mnas_op_dense;
    if (is_gate(p, node->in[0])) {
        step->src = p->buffer[node_at(p, node->in[0])->in[0]];
        step->factors = p->buffer[node->in[0]];
    }
    const int rc = dense || is_pointwise(p, i) ? make_pointwise(p, step, node, source_pixels)
                                               : make_window(p, step, node);
    if (rc == 0) set_end(p, step, i);
    return rc;
}

static mnas_native_step step_of(const plan *p, int i) {
    const mnas_node *node = node_at(p, i);
    return (mnas_native_step){
        .source_node = i,
        .node = i,
        .in = in_shape(p, node),
        .out = node->out,
        .kernel = node->kernel,
        .stride = node->stride,
        .top = node->pad_top,
        .left = node->pad_left,
        .from_image = reads_image(p, node),
        .act = node->act,
        .src = reads_image(p, node) ? p->net->image : p->buffer[node->in[0]],
        .src2 = node->n_in > 1 ? p->buffer[node->in[1]] : MNAS_NATIVE_NONE,
        .dst = MNAS_NATIVE_NONE,
        .sums = MNAS_NATIVE_NONE,
        .factors = MNAS_NATIVE_NONE,
        .ring = MNAS_NATIVE_NONE,
    };
}

/* The step of convolution i as a part of a depthwise one. */
static int make_part(const plan *p, mnas_native_step **part, int i, int source_pixels) {
    mnas_native_step *step = *part = mnas_arena_alloc(p->net->arena, sizeof *step);
    if (!step) return MNAS_ERR_MEMORY;
    *step = step_of(p, i);
    return make_conv(p, step, node_at(p, i), i, source_pixels);
}

static int make_front(const plan *p, mnas_native_step *step, int i) {
    const mnas_shape in = in_shape(p, node_at(p, i));
    const int rc = make_part(p, &step->front, i, in.h * in.w);
    if (rc == 0) touch(p, step->front->src);
    return rc;
}

static int make_behind(const plan *p, mnas_native_step *step, int i) {
    const size_t row_bytes = mnas_native_map_floats(p->net, step->out) / (size_t)step->out.h * sizeof(float);
    step->band_rows = row_bytes < BAND_BYTES ? (int)(BAND_BYTES / row_bytes) : 1;
    if (step->band_rows > step->out.h) step->band_rows = step->out.h;
    const int rc = make_part(p, &step->behind, i, step->band_rows * step->out.w);
    p->done[i] = true;
    step->node = rc == 0 ? step->behind->node : i;
    return rc;
}

static int make_depthwise(const plan *p, mnas_native_step *step, const mnas_node *node, int i) {
    const int n_blocks = mnas_native_blocks(p->net, step->in.c), behind = convolution_behind(p, i);
    const int few = n_blocks < MNAS_TILE_MAX_BLOCKS ? n_blocks : MNAS_TILE_MAX_BLOCKS;
    if (node->kernel > MNAS_DW_MAX_KERNEL)
        return mnas_error_set(MNAS_ERR_INVALID, "layer %s: a depthwise kernel of %d; allowed here: 1 to %d",
                              node->name, node->kernel, MNAS_DW_MAX_KERNEL);
    step->run = mnas_native_run_depthwise;
    step->band_rows = step->out.h;
    int rc = is_front(p, node->in[0]) ? make_front(p, step, node->in[0]) : 0;
    if (rc < 0) return rc;
    set_product(p, &step->product, node, 0, step->in.c, node->kernel * node->kernel);
    set_act(&step->product, node->act);
    add_ring(p, step, behind >= 0 ? n_blocks : few);
    const int reader = only_reader(p, i);
    if (reader >= 0 && is_gate(p, reader))
        step->sums = p->sums[i] = add_buffer(p, (size_t)n_blocks * p->net->tile->lanes);
    return behind >= 0 ? make_behind(p, step, behind) : 0;
}

/* The depthwise convolution in front has added up the sums of a gate. */
static int make_se(const plan *p, mnas_native_step *step, const mnas_node *node, int i) {
    const int channels = step->in.c;
    const size_t columns = (size_t)mnas_native_blocks(p->net, channels) * p->net->tile->lanes;
    step->run = mnas_native_run_se;
    step->factors = add_buffer(p, columns);
    step->ring = add_buffer(p, (size_t)mnas_native_blocks(p->net, node->filters) * p->net->tile->lanes);
    if (is_gate(p, i)) {
        step->src = MNAS_NATIVE_NONE;
        step->sums = p->sums[node->in[0]];
    } else {
        step->sums = add_buffer(p, columns);
    }
    int rc = set_tiles(p, &step->product, node, 0, node->filters, channels, 1, channels);
    if (rc == 0) rc = set_tiles(p, &step->second, node, 2, channels, node->filters, 1, node->filters);
    set_act(&step->product, MNAS_ACT_RELU);
    set_act(&step->second, MNAS_ACT_SIGMOID);
    return rc;
}

static int make_step(const plan *p, mnas_native_step *step, const mnas_node *node, int i) {
    if (node->op == &mnas_op_conv || node->op == &mnas_op_dense)
        return make_conv(p, step, node, i, step->in.h * step->in.w);
    if (node->op == &mnas_op_dwconv) return make_depthwise(p, step, node, i);
    if (node->op == &mnas_op_se) return make_se(p, step, node, i);
    if (node->op == &mnas_op_gap)
        step->run = mnas_native_run_gap;
    else if (node->op == &mnas_op_avgpool)
        step->run = mnas_native_run_avgpool;
    else if (node->op == &mnas_op_maxpool)
        step->run = mnas_native_run_maxpool;
    else if (node->op == &mnas_op_add)
        step->run = mnas_native_run_add;
    else if (node->op == &mnas_op_act)
        step->run = mnas_native_run_act;
    else
        return mnas_error_set(MNAS_ERR_INVALID, "layer %s: operator %s is none of an inference graph",
                              node->name, node->op->plugin.name);
    return 0;
}

/* A gate's output are its factors; a band's output is that of the convolution behind. */
static void set_output(const plan *p, mnas_native_step *step, bool gate) {
    const int output =
        gate ? step->factors : add_buffer(p, mnas_native_map_floats(p->net, node_at(p, step->node)->out));
    p->buffer[step->node] = output;
    if (gate) return;
    if (step->behind)
        step->behind->dst = output;
    else
        step->dst = output;
}

static int add_step(const plan *p, int i) {
    mnas_native *net = p->net;
    mnas_native_step *step = &net->steps[net->n_steps];
    *step = step_of(p, i);
    const int rc = make_step(p, step, node_at(p, i), i);
    if (rc < 0) return rc;
    set_output(p, step, is_gate(p, i));
    if (step->behind)
        step->dst = add_buffer(p, mnas_native_map_floats(p->net, step->out) / (size_t)step->out.h *
                                      (size_t)step->band_rows);
    const int used[] = {step->src, step->src2, step->sums, step->factors};
    for (int k = 0; k < 4; k++) touch(p, used[k]);
    net->n_steps++;
    return 0;
}

/* Weights stay, as do the image and the logits: a network is run again and again. */
static void keep_lasting(const plan *p) {
    mnas_native *net = p->net;
    net->weights = add_buffer(p, net->n_weights);
    keep_always(net, net->weights);
    keep_always(net, net->image);
    keep_always(net, net->logits);
}

/* A map of node i between [row, column, channel] and blocks; returns the buffer of the copy. */
static int add_copy(const plan *p, int i, int src, bool to_blocks) {
    mnas_native *net = p->net;
    const mnas_shape shape = node_at(p, i)->out;
    const int dst = add_buffer(p, to_blocks ? mnas_native_map_floats(p->net, shape) : mnas_shape_size(shape));
    net->steps[net->n_steps] = (mnas_native_step){
        .run = to_blocks ? mnas_native_run_to_blocks : mnas_native_run_from_blocks,
        .node = i,
        .in = shape,
        .out = shape,
        .src = src,
        .dst = dst,
    };
    touch(p, src);
    net->n_steps++;
    return dst;
}

static bool image_needs_blocks(const plan *p) {
    for (int i = 1; i < p->graph->n_nodes; i++)
        for (int k = 0; k < node_at(p, i)->n_in; k++)
            if (node_at(p, i)->in[k] == 0 && !reads_image(p, node_at(p, i))) return true;
    return false;
}

static int make_plan(plan *p) {
    mnas_native *net = p->net;
    const int n = p->graph->n_nodes;
    const mnas_shape out = node_at(p, n - 1)->out;
    for (int i = 0; i < n; i++) p->buffer[i] = MNAS_NATIVE_NONE;
    net->image = add_buffer(p, mnas_shape_size(node_at(p, 0)->out));
    if (image_needs_blocks(p)) p->buffer[0] = add_copy(p, 0, net->image, true);
    for (int i = 1; i < n; i++) {
        const int rc = p->done[i] || is_front(p, i) ? 0 : add_step(p, i);
        if (rc < 0) return rc;
    }
    net->logits = p->buffer[n - 1];
    if (out.h * out.w > 1) net->logits = add_copy(p, n - 1, net->logits, false);
    keep_lasting(p);
    return mnas_placement_assign(net->buffers, net->n_buffers, &net->slab_bytes);
}

int mnas_native_plan(mnas_native *net, const mnas_infer_job *job) {
    const size_t n = (size_t)job->graph->n_nodes + 2; /* and the two copies */
    plan p = {.net = net,
              .graph = job->graph,
              .weights = job->weights,
              .by_layer = job->by_layer,
              .whole_layers = job->by_layer || net->whole_layers};
    p.buffer = mnas_arena_alloc(net->arena, n * sizeof *p.buffer);
    p.sums = mnas_arena_alloc(net->arena, n * sizeof *p.sums);
    p.done = mnas_arena_alloc(net->arena, n * sizeof *p.done);
    net->steps = mnas_arena_alloc(net->arena, n * sizeof *net->steps);
    net->buffers = mnas_arena_alloc(net->arena, n * BUFFERS_A_STEP * sizeof *net->buffers);
    if (!p.buffer || !p.sums || !p.done || !net->steps || !net->buffers) return MNAS_ERR_MEMORY;
    return make_plan(&p);
}
