/* layer.c - the layers a block is made of: conv, sep, mbconv, and their shortcuts; see layer.h.
 *
 * Names are timm's (blocks.B.L.conv_pw, bn1, conv_dw, ...), so that its weights fit without a table. Widths
 * the paper's notation declares (the block's i) decide expansion, squeeze width and residual; what really
 * arrives may differ (the stem of mnasnet-small), and shapes follow that.
 */
#include "blocks/layer.h"

#include <stdio.h>

#include "base/error.h"
#include "ops/op.h"

static mnas_node node_of(const mnas_builder *b, const mnas_op *op, const char *name) {
    mnas_node node = {.op = op, .n_in = op->n_in, .in = {b->at}, .block = b->block, .layer = b->layer};
    snprintf(node.name, sizeof node.name, "%s%s", b->prefix, name);
    return node;
}

static void append(mnas_builder *b, const mnas_node *node) {
    if (b->status < 0) return;
    int rc = mnas_op_append(b->graph, node);
    if (rc < 0)
        b->status = rc;
    else
        b->at = rc;
}

static mnas_shape shape_at(const mnas_builder *b, int node) {
    return b->graph->nodes[node].out;
}

static void set_window(const mnas_builder *b, mnas_node *node, int kernel, int stride) {
    mnas_pad rule = b->model->padding;
    mnas_shape in = shape_at(b, b->at);
    node->kernel = kernel;
    node->stride = stride;
    mnas_op_pad(rule, in.h, kernel, stride, &node->pad_top, &node->pad_bottom);
    mnas_op_pad(rule, in.w, kernel, stride, &node->pad_left, &node->pad_right);
}

void mnas_builder_input(mnas_builder *b) {
    mnas_node node = node_of(b, &mnas_op_input, "input");
    int side = b->model->input_size;
    node.out = (mnas_shape){side, side, b->model->input_channels};
    append(b, &node);
}

void mnas_builder_conv(mnas_builder *b, const char *name, int kernel, int stride, int filters) {
    if (b->status < 0) return;
    mnas_node node = node_of(b, &mnas_op_conv, name);
    set_window(b, &node, kernel, stride);
    node.filters = filters;
    append(b, &node);
}

static void dwconv(mnas_builder *b, const char *name, int kernel, int stride) {
    if (b->status < 0) return;
    mnas_node node = node_of(b, &mnas_op_dwconv, name);
    set_window(b, &node, kernel, stride);
    append(b, &node);
}

static void avgpool(mnas_builder *b, const char *name, int kernel, int stride) {
    if (b->status < 0) return;
    mnas_node node = node_of(b, &mnas_op_avgpool, name);
    set_window(b, &node, kernel, stride);
    append(b, &node);
}

void mnas_builder_bn(mnas_builder *b, const char *name, mnas_act act) {
    mnas_node node = node_of(b, &mnas_op_bn, name);
    node.act = act;
    node.epsilon = b->model->bn_epsilon;
    node.momentum = b->model->bn_momentum;
    node.unbiased = b->model->bn_unbiased;
    append(b, &node);
}

void mnas_builder_gap(mnas_builder *b) {
    mnas_node node = node_of(b, &mnas_op_gap, "global_pool");
    append(b, &node);
}

void mnas_builder_dropout(mnas_builder *b, double rate) {
    mnas_node node = node_of(b, &mnas_op_dropout, "dropout");
    node.rate = rate;
    append(b, &node);
}

void mnas_builder_dense(mnas_builder *b, const char *name, int n_out) {
    mnas_node node = node_of(b, &mnas_op_dense, name);
    node.filters = n_out;
    node.bias = true;
    append(b, &node);
}

/* One layer's numbers: a block's first layer has its stride and input width, later ones stride 1 and equal widths. */
typedef struct layer {
    const mnas_block *block;
    int in, out, stride; /* as declared */
    mnas_act act;        /* the block's, or the model's where it has none */
} layer;

static void squeeze_excite(mnas_builder *b, const layer *l) {
    if (!(l->block->se_ratio > 0)) return;
    mnas_node node = node_of(b, &mnas_op_se, "se");
    int width = (int)(l->block->se_ratio * l->in);
    node.filters = width > 1 ? width : 1;
    append(b, &node);
}

static void conv_layer(mnas_builder *b, const layer *l) {
    mnas_builder_conv(b, "conv", l->block->kernel, l->stride, l->out);
    mnas_builder_bn(b, "bn1", l->act);
    squeeze_excite(b, l);
}

/* MobileNetV1's layer; with a linear projection also MobileNetV2's first one, which is mbconv without expansion. */
static void separable_layer(mnas_builder *b, const layer *l, mnas_act project_act) {
    dwconv(b, "conv_dw", l->block->kernel, l->stride);
    mnas_builder_bn(b, "bn1", l->act);
    squeeze_excite(b, l);
    mnas_builder_conv(b, "conv_pw", 1, 1, l->out);
    mnas_builder_bn(b, "bn2", project_act);
}

static void mbconv_layer(mnas_builder *b, const layer *l) {
    mnas_builder_conv(b, "conv_pw", 1, 1, l->in * l->block->expand);
    mnas_builder_bn(b, "bn1", l->act);
    dwconv(b, "conv_dw", l->block->kernel, l->stride);
    mnas_builder_bn(b, "bn2", l->act);
    squeeze_excite(b, l);
    mnas_builder_conv(b, "conv_pwl", 1, 1, l->out);
    mnas_builder_bn(b, "bn3", MNAS_ACT_NONE);
}

static void body(mnas_builder *b, const layer *l) {
    switch (l->block->op) {
    case MNAS_OP_CONV:
        conv_layer(b, l);
        break;
    case MNAS_OP_SEP:
        separable_layer(b, l, l->act);
        break;
    case MNAS_OP_MBCONV:
        if (l->block->expand > 1)
            mbconv_layer(b, l);
        else
            separable_layer(b, l, MNAS_ACT_NONE);
    }
}

/* The node added to the layer's output, or -1. It is built in front of the body: the pooled map is smaller,
 * so less has to stay alive during the body. Leaves b->at on the layer's input. */
static int shortcut(mnas_builder *b, const layer *l) {
    int input = b->at, found = -1;
    mnas_skip_op skip = l->block->skip;
    if (skip == MNAS_SKIP_NONE || b->status < 0) return -1;
    if (skip == MNAS_SKIP_POOL && b->layer == 0) {
        avgpool(b, "skip_pool", 3, l->stride);
        if (shape_at(b, input).c != l->out) {
            mnas_builder_conv(b, "skip_conv", 1, 1, l->out);
            mnas_builder_bn(b, "skip_bn", MNAS_ACT_NONE);
        }
        found = b->at;
    } else if (l->stride == 1 && l->in == l->out) {
        found = input;
    }
    b->at = input;
    return found;
}

void mnas_layer_build(mnas_builder *b, const mnas_block *block) {
    bool first = b->layer == 0;
    layer l = {block, first ? block->in : block->out, block->out, first ? block->stride : 1,
               block->act ? block->act : b->model->act};
    int skip = shortcut(b, &l);
    body(b, &l);
    if (skip < 0) return;
    mnas_node node = node_of(b, &mnas_op_add, "add");
    node.in[1] = skip;
    append(b, &node);
}
