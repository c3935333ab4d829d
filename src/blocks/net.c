/* net.c - a whole network from its model: input, stem, blocks, head; see net.h.
 *
 * Checks a model's numbers here, since a model may come from a program as well as from a file; what a layer
 * looks like is layer.c's business.
 */
#include "blocks/net.h"

#include <stdio.h>

#include "base/error.h"
#include "blocks/layer.h"
#include "model/model.h"
#include "ops/op.h"

static int in_range(const char *what, double value, double min, double max) {
    if (value >= min && value <= max) return 0;
    return mnas_error_set(MNAS_ERR_INVALID, "%s is %g; allowed: %g to %g", what, value, min, max);
}

static int check_block(const mnas_block *block) {
    int rc;
    if ((rc = in_range("repeats", block->repeats, 1, MNAS_MAX_REPEATS)) < 0) return rc;
    if ((rc = in_range("stride", block->stride, 1, 2)) < 0) return rc;
    if ((rc = in_range("expansion", block->expand, 1, MNAS_MAX_EXPAND)) < 0) return rc;
    if ((rc = in_range("input filters", block->in, 1, MNAS_MAX_FILTERS)) < 0) return rc;
    if ((rc = in_range("output filters", block->out, 1, MNAS_MAX_FILTERS)) < 0) return rc;
    if ((rc = in_range("squeeze ratio", block->se_ratio, 0, 1)) < 0) return rc;
    if (block->act > MNAS_ACT_HSWISH)
        return mnas_error_set(MNAS_ERR_INVALID,
                              "activation is %d; allowed: none (the model's), relu, relu6, swish, hswish",
                              (int)block->act);
    if (block->kernel != 3 && block->kernel != 5 && block->kernel != 7)
        return mnas_error_set(MNAS_ERR_INVALID, "kernel is %d; allowed: 3, 5, 7", block->kernel);
    return 0;
}

static int check_model(const mnas_model *model) {
    int rc;
    if ((rc = in_range("stem filters", model->stem_filters, 1, MNAS_MAX_FILTERS)) < 0) return rc;
    if ((rc = in_range("stem stride", model->stem_stride, 1, 2)) < 0) return rc;
    if ((rc = in_range("head filters", model->head_filters, 0, MNAS_MAX_FILTERS)) < 0) return rc;
    if ((rc = in_range("classes", model->classes, 1, MNAS_MAX_CLASSES)) < 0) return rc;
    if ((rc = in_range("input size in pixels", model->input_size, 1, MNAS_MAX_INPUT)) < 0) return rc;
    if ((rc = in_range("input channels", model->input_channels, 1, MNAS_MAX_CHANNELS)) < 0) return rc;
    if ((rc = in_range("number of blocks", model->n_blocks, 0, MNAS_MAX_BLOCKS)) < 0) return rc;
    for (int i = 0; i < model->n_blocks; i++)
        if ((rc = check_block(&model->blocks[i])) < 0) return mnas_error_context(rc, "block %d", i + 1);
    return 0;
}

static void build_blocks(mnas_builder *b) {
    for (b->block = 0; b->block < b->model->n_blocks; b->block++) {
        const mnas_block *block = &b->model->blocks[b->block];
        for (b->layer = 0; b->layer < block->repeats; b->layer++) {
            snprintf(b->prefix, sizeof b->prefix, "blocks.%d.%d.", b->block, b->layer);
            mnas_layer_build(b, block);
        }
    }
    b->prefix[0] = '\0';
    b->block = b->layer = -1;
}

static void build_net(mnas_builder *b) {
    const mnas_model *model = b->model;
    mnas_builder_input(b);
    mnas_builder_conv(b, "conv_stem", 3, model->stem_stride, model->stem_filters);
    mnas_builder_bn(b, "bn1", model->act);
    build_blocks(b);
    if (model->head_filters > 0) {
        mnas_builder_conv(b, "conv_head", 1, 1, model->head_filters);
        mnas_builder_bn(b, "bn2", model->act);
    }
    mnas_builder_gap(b);
    if (model->dropout != 0) mnas_builder_dropout(b, model->dropout);
    mnas_builder_dense(b, "classifier", model->classes);
}

int mnas_net_build(mnas_graph **out, const mnas_model *model) {
    mnas_graph *graph;
    int rc = check_model(model);
    if (rc < 0 || (rc = mnas_graph_create(&graph, model)) < 0) return rc;
    mnas_builder b = {.graph = graph, .model = model, .block = -1, .layer = -1};
    build_net(&b);
    if (b.status < 0) {
        mnas_graph_destroy(graph);
        return b.status;
    }
    *out = graph;
    return 0;
}
