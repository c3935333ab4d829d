/* graph.h - the one graph in the middle: what the trainer, the latency runner and the cost model all walk.
 *
 * A graph is a list of nodes in execution order; node 0 is the input, the last node is the result (logits). Each node makes
 * one tensor of shape [batch, h, w, c] (NHWC, f32) and names its producers by index. A node's operator is a pointer to its
 * record (ops/op.h); this layer never looks inside. The graph holds no weights, only the table of parameters
 * (names, shapes, places): model/weights.h holds values.
 *
 * A training graph keeps batch-norm as nodes. An inference graph (blocks/fold.h) is the same IR with batch-norm folded:
 * convolutions then have a bias and an activation.
 */
#ifndef MNAS_MODEL_GRAPH_H
#define MNAS_MODEL_GRAPH_H

#include "mnas.h"

struct mnas_op;

typedef struct mnas_shape {
    int h, w, c;
} mnas_shape;

static inline size_t mnas_shape_size(mnas_shape s) {
    return (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

enum { MNAS_MAX_INPUTS = 2, MNAS_MAX_NODE_PARAMS = 4 };

/* What a tensor holds. Arithmetic is in float all the same; bf16 halves what moves through memory. */
typedef enum { MNAS_ELEM_F32, MNAS_ELEM_BF16 } mnas_elem;

static inline size_t mnas_elem_bytes(mnas_elem elem) {
    return elem == MNAS_ELEM_BF16 ? 2 : 4;
}

typedef struct mnas_node {
    const struct mnas_op *op;
    char name[64]; /* timm's module name: "conv_stem", "blocks.2.0.conv_dw", "blocks.2.0.bn2", "classifier" */
    int n_in, in[MNAS_MAX_INPUTS];
    mnas_shape out;
    mnas_elem
        elem; /* of the tensors it reads; so its output has that of the nodes that read it (ops/precision.h) */
    int kernel, stride; /* conv, dwconv, pools */
    /* of dwconv, conv, pools; set from the model's padding by the builder */
    int pad_top, pad_left, pad_bottom, pad_right;
    int filters;                                /* conv, dense: output width; se: reduced width */
    bool bias;                                  /* conv, dwconv: has one (inference graphs); dense: has one */
    mnas_act act;                               /* bn, act; conv, dwconv of inference graphs */
    double epsilon, momentum;                   /* bn; momentum: share of the old moving statistics kept */
    bool unbiased;                              /* bn: moving variance times n/(n-1) */
    double rate;                                /* dropout: share dropped */
    int n_params, params[MNAS_MAX_NODE_PARAMS]; /* indices into graph->params, order fixed by the operator */
    int block, layer;                           /* of the model, or -1 */
} mnas_node;

/* What a parameter is decides its initialisation (train/init.c), its decay and its layout. All layouts are timm's:
 * CONV [out, in, k, k]; DEPTHWISE [c, 1, k, k]; DENSE [out, in]; the rest [c]. */
typedef enum {
    MNAS_PARAM_CONV,
    MNAS_PARAM_DEPTHWISE,
    MNAS_PARAM_DENSE,
    MNAS_PARAM_BIAS,
    MNAS_PARAM_GAMMA,
    MNAS_PARAM_BETA,
    MNAS_PARAM_MEAN,
    MNAS_PARAM_VAR,
} mnas_param_role;

typedef struct mnas_param {
    char name[80]; /* tensor name: "<module>.weight", ".bias", ".running_mean", ".running_var" */
    mnas_param_role role;
    bool trainable; /* all but MEAN and VAR */
    int n_dims, dims[4];
    size_t size;   /* floats */
    size_t offset; /* in floats, into a weights slab; a multiple of 16 */
} mnas_param;

typedef struct mnas_graph {
    int n_nodes, n_params;
    mnas_node *nodes;
    mnas_param *params;
    size_t weight_floats; /* slab size, padding included */
    mnas_model model;     /* what it was built from */
} mnas_graph;

int mnas_graph_create(mnas_graph **out, const mnas_model *model);
void mnas_graph_destroy(mnas_graph *graph);
/* Append a copy, without its parameters (n_params becomes 0); returns its index or a negative status. */
int mnas_graph_add_node(mnas_graph *graph, const mnas_node *node);
/* Append a parameter to the last node; name is "<node name>.<suffix>". dims[n_dims]. Returns 0 or a status. */
int mnas_graph_add_param(mnas_graph *graph, mnas_param_role role, const char *suffix, int n_dims,
                         const int *dims);
int mnas_graph_find_node(const mnas_graph *graph, const char *name); /* index or -1 */
int mnas_graph_find_param(const mnas_graph *graph, const char *name);
/* Input shapes of a node into in[2]; returns n_in. */
int mnas_graph_in_shapes(const mnas_graph *graph, const mnas_node *node, mnas_shape in[MNAS_MAX_INPUTS]);
/* How often nodes read node i: an add of i and i reads it twice. */
int mnas_graph_n_consumers(const mnas_graph *graph, int i);

#endif
