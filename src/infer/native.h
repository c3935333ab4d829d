/* native.h - the inference engine of our own: a graph as a list of steps over one slab of memory.
 *
 * native_plan.c makes the steps and says which buffers they need from when to when; native_pack.c puts the weights into the order in
 * which tiles read them (kernels/tile.h); native_run.c runs a step. Buffers are numbers until the slab is laid out.
 *
 * Feature maps are [block, row, column, lanes], the channels that a last block lacks are zeros in all of them. The image alone is
 * [row, column, channel], as is a result that is a map; what else than a convolution reads the image reads a copy in blocks.
 */
#ifndef MNAS_INFER_NATIVE_H
#define MNAS_INFER_NATIVE_H

#include "base/arena.h"
#include "infer/engine.h"
#include "kernels/tile.h"
#include "ops/placement.h"

enum { MNAS_NATIVE_NONE = -1 };

/* A matrix of weights for tiles, with what follows the product. Of a depthwise convolution: [block, tap, lanes], n_inputs taps. */
typedef struct mnas_native_product {
    int n_inputs, n_outputs, n_blocks; /* n_inputs: multiply-adds of one output; n_outputs 0: no product */
    size_t weight, bias;               /* floats from the begin of all weights */
    const float *from, *from_bias;     /* [n_outputs, n_inputs] in the graph's order; bias may be NULL */
    const int *order; /* [n_inputs] where in a row of `from` the tiles' next weight stands; NULL: taps */
    mnas_act act;     /* NONE where low and high are all of it */
    float low, high;
} mnas_native_product;

typedef struct mnas_native_step mnas_native_step;
typedef struct mnas_native mnas_native;

struct mnas_native_step {
    int (*run)(const mnas_native *net, const mnas_native_step *step); /* 0 or a status */
    int source_node; /* of the graph, that it was made from */
    int node;        /* whose output it makes */
    mnas_shape in, out;
    int kernel, stride, top, left;
    bool from_image;
    mnas_native_product product, second; /* second: of se alone */
    mnas_act act;                        /* of an activation that stands alone */
    /* Of a depthwise convolution: what makes the rows it reads (NULL: they are in src), what takes its rows, band_rows at a
     * time (NULL: they are all wanted). */
    mnas_native_step *front, *behind;
    int band_rows;
    void *library; /* of an engine that has another implementation of `run` */
    /* Buffers, or NONE. */
    int src, src2, dst;
    int sums;    /* dwconv adds up what it writes, se reads it: [block, lanes] */
    int factors; /* se writes them, the convolution behind it applies them */
    int ring;    /* the last rows of the input, with their padding; se: between its products */
    int ring_rows, ring_columns;
    mnas_tile_segment *segments; /* of a convolution; room for them where they change from row to row */
    int n_segments;
};

struct mnas_native {
    const mnas_tile_isa *tile;
    const mnas_isa *isa;
    mnas_arena *arena;
    bool whole_layers; /* no row of a layer is begun before the one in front of it ends */
    mnas_native_step *steps;
    int n_steps;
    mnas_interval *buffers;
    int n_buffers;
    int image, logits, weights; /* buffers */
    size_t n_weights; /* floats, in the order of the steps: what is read next lies behind what is read now */
    char *slab;
    size_t slab_bytes;
};

static inline float *mnas_native_at(const mnas_native *net, int buffer) {
    return (float *)(void *)(net->slab + net->buffers[buffer].offset);
}

static inline float *mnas_native_weights(const mnas_native *net, size_t at) {
    return mnas_native_at(net, net->weights) + at;
}

static inline int mnas_native_blocks(const mnas_native *net, int channels) {
    return (channels + (int)net->tile->lanes - 1) / (int)net->tile->lanes;
}

/* Blocks that the next tile takes when so many are left: as many as go, but no single one is left over. */
static inline int mnas_native_group(int blocks_left) {
    return blocks_left == 3 || blocks_left > 4 ? 3 : blocks_left == 1 ? 1 : 2;
}

/* Steps and slab, without weights. */
int mnas_native_create(mnas_native **out, const mnas_infer_job *job, bool whole_layers);
/* As in mnas_infer_class. */
float *mnas_native_input(void *net);
const float *mnas_native_output(void *net);
int mnas_native_invoke(void *net);
int mnas_native_n_layers(void *net);
int mnas_native_layer_node(void *net, int i);
int mnas_native_invoke_layer(void *net, int i);
void mnas_native_destroy(void *net);

/* Fills steps and buffers of an empty net (tile, isa, arena set). */
int mnas_native_plan(mnas_native *net, const mnas_infer_job *job);
/* All weights into the slab. */
void mnas_native_pack(const mnas_native *net);

size_t mnas_native_map_floats(const mnas_native *net, mnas_shape shape);
/* What squeeze-and-excitation found is applied to the map that a convolution reads, where it is that one's part. */
void mnas_native_scale_source(const mnas_native *net, const mnas_native_step *step);

int mnas_native_run_pointwise(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_window(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_depthwise(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_se(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_gap(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_avgpool(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_maxpool(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_add(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_act(const mnas_native *net, const mnas_native_step *step);
/* Between [row, column, channel] and blocks. */
int mnas_native_run_to_blocks(const mnas_native *net, const mnas_native_step *step);
int mnas_native_run_from_blocks(const mnas_native *net, const mnas_native_step *step);

#endif
