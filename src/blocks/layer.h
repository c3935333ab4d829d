/* layer.h - what the network is put together from: named pieces appended one behind the other, and a block's layer.
 *
 * The builder carries the running node, so that a piece reads as in the paper: expand, depthwise, excite,
 * project. Errors stick: after the first failure the pieces do nothing, and the status is looked at once, at the end.
 */
#ifndef MNAS_BLOCKS_LAYER_H
#define MNAS_BLOCKS_LAYER_H

#include "model/graph.h"

typedef struct mnas_builder {
    mnas_graph *graph;
    const mnas_model *model;
    char prefix[24];  /* of node names: "" or "blocks.2.0." */
    int block, layer; /* or -1 */
    int at;           /* the node built last: the next one's input */
    int status;
} mnas_builder;

void mnas_builder_input(mnas_builder *b);
void mnas_builder_conv(mnas_builder *b, const char *name, int kernel, int stride, int filters);
void mnas_builder_bn(mnas_builder *b, const char *name, mnas_act act);
void mnas_builder_gap(mnas_builder *b);
void mnas_builder_dropout(mnas_builder *b, double rate);
void mnas_builder_dense(mnas_builder *b, const char *name, int n_out);

/* Layer 0..repeats-1 of the block; b->prefix, b->block and b->layer are set by the caller. */
void mnas_layer_build(mnas_builder *b, const mnas_block *block);

#endif
