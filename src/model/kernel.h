/* kernel.h - how any implementation of an operator is called in training: reference loops, oneDNN lowerings (ops/) and our own
 * kernels (kernels/) share this contract, which is why it stands below them all.
 *
 * All tensors are dense NHWC f32, 64-byte aligned. Parameters are in the layouts of graph.h. backward() overwrites
 * dsrc[i] and dparam[i] (it never accumulates); dsrc[i] is NULL where no gradient is wanted. dsrc[0] may be the very
 * buffer ddst where the operator says so (mnas_op.inplace_backward).
 */
#ifndef MNAS_MODEL_KERNEL_H
#define MNAS_MODEL_KERNEL_H

#include "model/graph.h"

typedef struct mnas_call {
    const mnas_node *node;
    mnas_shape in[MNAS_MAX_INPUTS]; /* shapes of the inputs */
    int batch;                      /* N */
    bool training; /* batch statistics and dropout on; false: moving statistics, dropout off */
    const float *src[MNAS_MAX_INPUTS];
    float *dst;
    float *param[MNAS_MAX_NODE_PARAMS]; /* forward in training updates bn's moving statistics here */
    const float *ddst;
    float *dsrc[MNAS_MAX_INPUTS];
    float *dparam[MNAS_MAX_NODE_PARAMS]; /* untouched for bn's moving statistics */
    void *saved;   /* mnas_op.saved_bytes, kept from forward to backward of the same step */
    void *scratch; /* what create() asked for; contents do not survive a call */
    uint64_t seed; /* of this step, for dropout */
} mnas_call;

/* A prepared implementation of one node at one batch size. */
typedef struct mnas_kernel {
    const char *name; /* "onednn", "depthwise avx512", ... */
    /* Whether this implementation can run the node. */
    bool (*supports)(const mnas_node *node, const mnas_shape *in);
    /* *state is freed by destroy. training false: only forward with training = false will be called. */
    int (*create)(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes);
    int (*forward)(void *state, const mnas_call *call);
    int (*backward)(void *state, const mnas_call *call);
    void (*destroy)(void *state);
} mnas_kernel;

#endif
