/* xnn.h - the one wrapper of XNNPACK: from an inference graph to something that runs on a CPU, batch 1.
 *
 * Each operator's lowering (op_NAME_xnn.c, listed in xnn.def) adds its XNNPACK nodes to the subgraph. Only
 * inference graphs (blocks/fold.h) are taken: no batch-norm.
 */
#ifndef MNAS_OPS_XNN_H
#define MNAS_OPS_XNN_H

#include <xnnpack.h>

#include "base/arena.h"
#include "model/weights.h"

/* State while building: what a lowering may use. */
typedef struct mnas_xnn_builder {
    xnn_subgraph_t subgraph;
    const mnas_graph *graph;
    const mnas_weights *weights;
    uint32_t *value;   /* [n_nodes] XNNPACK value id of each node's output; a lowering sets its own */
    int result;        /* the node whose output leaves the subgraph */
    mnas_arena *arena; /* repacked weights; lives as long as the runtime */
} mnas_xnn_builder;

typedef int (*mnas_xnn_lower)(mnas_xnn_builder *b, int node);

#define MNAS_XNN(name) int mnas_xnn_lower_##name(mnas_xnn_builder *b, int node);
#include "ops/xnn.def"
#undef MNAS_XNN

/* What lowerings share. All return 0 or a status. */
/* 0, or MNAS_ERR_LIBRARY naming the node and the library's status. */
int mnas_xnn_check(enum xnn_status status, const mnas_node *node);
/* An inner value of shape [1, h, w, c]. */
int mnas_xnn_inner(mnas_xnn_builder *b, int node, mnas_shape shape, uint32_t *value);
/* The value of the node's output, kept in b->value[node]; leaves the subgraph where it is b->result. */
int mnas_xnn_output(mnas_xnn_builder *b, int node);
/* Parameter i of the node as a constant in XNNPACK's order: [O,C,k,k] as [O,k,k,C], [C,1,k,k] as [1,k,k,C]. */
int mnas_xnn_param(mnas_xnn_builder *b, int node, int i, uint32_t *value);
/* Bias: parameter i, or zeros[n] when the node has none. */
int mnas_xnn_bias(mnas_xnn_builder *b, int node, int i, int n, uint32_t *value);
/* Where an operator with an activation writes. One that clips is fused as bounds, and *out is the node's own output. For
 * the others the bounds are infinite and *out is an inner value: mnas_xnn_activate, called when the operator stands, puts
 * the activation between it and the output. */
int mnas_xnn_open_output(mnas_xnn_builder *b, int node, float *min, float *max, uint32_t *out);
int mnas_xnn_activate(mnas_xnn_builder *b, int node, uint32_t in);

/* A pool of one pixel, which XNNPACK's pools refuse: a depthwise 1x1 convolution by ones. Defines the output, too. */
int mnas_xnn_subsample(mnas_xnn_builder *b, int node);

/* What makes a runtime (xnn.c, xnn_layers.c). Value ids of what comes from outside: */
enum { MNAS_XNN_INPUT_ID = 0, MNAS_XNN_OUTPUT_ID = 1, MNAS_XNN_INPUT2_ID = 2 };
int mnas_xnn_lower_node(mnas_xnn_builder *b, int node);
/* The node's output comes from outside, as value `id`. */
int mnas_xnn_outside(mnas_xnn_builder *b, int node, uint32_t id);
/* Zeros that kernels may read a little beyond; NULL: no memory. */
float *mnas_xnn_floats(mnas_arena *arena, size_t n);

typedef struct mnas_xnn mnas_xnn;

/* Copies what it needs of graph and weights. */
int mnas_xnn_create(mnas_xnn **out, const mnas_graph *inference_graph, const mnas_weights *weights);
/* The same on a pool of n_threads (1: no pool). */
int mnas_xnn_create_threads(mnas_xnn **out, const mnas_graph *inference_graph, const mnas_weights *weights,
                            int n_threads);
/* image [h, w, c] -> logits [classes]. */
int mnas_xnn_run(mnas_xnn *net, const float *image, float *logits);
/* Once more on the image of the last run (zeros before any), nothing copied: this is what is timed. */
int mnas_xnn_invoke(mnas_xnn *net);
/* Its own buffers: the image that the next run reads, the logits of the last one. */
float *mnas_xnn_image(mnas_xnn *net);
const float *mnas_xnn_logits(const mnas_xnn *net);
void mnas_xnn_destroy(mnas_xnn *net);

#endif
