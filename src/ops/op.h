/* op.h - an operator owns all that is known about it: shape rule, parameters, cost, memory needs, reference loops.
 *
 * One operator is one file op_NAME.c with a const record mnas_op_NAME, and one line in ops.def. Its lowerings stand beside it:
 * op_NAME_onednn.c (listed in onednn.def), op_NAME_xnn.c (listed in xnn.def). The reference loops are the definition of the
 * operator: every lowering and kernel is compared with them, and they are compared with finite differences.
 *
 * The operators: input conv dwconv bn act add se maxpool avgpool gap dropout dense.
 *   conv     params weight [K,C,k,k] (bias [K], act in inference graphs)   k x k, stride, explicit pads
 *   dwconv   params weight [C,1,k,k] (bias, act in inference graphs)       depthwise
 *   bn       params gamma beta mean var; then act (all but sigmoid)        saved: batch mean and 1/std, 2 C floats
 *   act      relu, relu6, swish, hswish, sigmoid
 *   add      two inputs of one shape
 *   se       params conv_reduce.weight [R,C,1,1] .bias [R] conv_expand.weight [C,R,1,1] .bias [C]
 *            y = x * sigmoid(W2 relu(W1 mean_hw(x) + b1) + b2)             saved: pooled, reduced, scale per image
 *   maxpool, avgpool  k x k, stride; padding is not counted in the average
 *   gap      mean over h, w -> [1, 1, C]
 *   dropout  inverted: kept values times 1 / (1 - rate); mask a function of (seed, element) alone
 *   dense    params weight [K,C] bias [K]; input [1,1,C]
 * Loss (softmax cross-entropy with label smoothing) is no node: ops/loss.h.
 */
#ifndef MNAS_OPS_OP_H
#define MNAS_OPS_OP_H

#include "base/registry.h"
#include "model/kernel.h"

typedef struct mnas_op {
    mnas_plugin plugin; /* name and help */
    int n_in;
    bool backward_reads_src; /* so src stays alive until then */
    bool backward_reads_dst;
    bool inplace_backward; /* dsrc[0] may be ddst */
    /* Whether the node's kernel can do a batch-norm behind it, or in front of an input, in passing (model/kernel.h:
     * mnas_norm). NULL: it cannot. */
    bool (*takes_norm_behind)(const mnas_node *node);
    bool (*takes_norm_in_front)(const mnas_node *node);
    /* Sets node->out from the inputs; MNAS_ERR_INVALID with shapes in the message. */
    int (*shape)(mnas_node *node, const mnas_shape *in);
    /* Declares the parameters of the graph's last node. NULL: none. */
    int (*declare)(mnas_graph *graph, const mnas_shape *in);
    /* Multiply-adds of one image. NULL: 0 by convention (bn, act, add, pools). */
    int64_t (*macs)(const mnas_node *node, const mnas_shape *in);
    /* Kept from forward to backward, for a whole batch. NULL: 0. */
    size_t (*saved_bytes)(const mnas_node *node, const mnas_shape *in, int batch);
    /* Reference loops in plain C, single thread, no scratch. backward NULL for input. */
    void (*forward)(const mnas_call *call);
    void (*backward)(const mnas_call *call);
} mnas_op;

#define MNAS_OP(name) extern const mnas_op mnas_op_##name;
#include "ops/ops.def"
#undef MNAS_OP

/* A predicate of nodes for the record of an operator: true. */
bool mnas_op_always(const mnas_node *node);

/* All operators in the order of ops.def. */
const mnas_op *const *mnas_op_list(size_t *n);
const mnas_op *mnas_op_find(const char *name);

/* Append a node: checks inputs, infers the shape, declares parameters. Returns its index or a status. */
int mnas_op_append(mnas_graph *graph, const mnas_node *node);

/* Pads and output size of a window along one side. 'SAME': out = ceil(in / stride), the odd pixel behind (TensorFlow);
 * symmetric: kernel / 2 on both sides (PyTorch). */
void mnas_op_pad(mnas_pad rule, int in, int kernel, int stride, int *before, int *behind);

/* A fast implementation of the node from the lists of lowerings (onednn.def), or NULL: the reference loops. */
const mnas_kernel *mnas_op_onednn(const mnas_node *node, const mnas_shape *in);
/* The reference loops behind the same contract (state is NULL). */
extern const mnas_kernel mnas_op_reference;

#endif
