/* kernel.h - how any implementation of an operator is called in training: reference loops, oneDNN lowerings (ops/) and our own
 * kernels (kernels/) share this contract, which is why it stands below them all.
 *
 * All tensors are dense NHWC, 64-byte aligned, f32 unless node->elem says bf16: the pointers below are then to
 * uint16_t, and only kernels that say `bf16` are called so. Parameters are in the layouts of graph.h. backward() overwrites
 * dsrc[i] and dparam[i] (and adds only where call.adds says so); dsrc[i] is NULL where no gradient is wanted. dsrc[0] may be the very
 * buffer ddst where the operator says so (mnas_op.inplace_backward).
 */
#ifndef MNAS_MODEL_KERNEL_H
#define MNAS_MODEL_KERNEL_H

#include "base/bf16.h"
#include "model/graph.h"

/* A batch-norm with its activation that the operators on both sides of it do in passing, y = act((x - mean) scale + beta).
 *
 * by_producer: whoever writes x (call.norm_out) adds up `sums` of what it writes, and backward takes the gradient through
 *   the norm as it reads it: its ddst is the gradient of y, and dx = scale g - (x - mean) slope - offset.
 * by_consumer: whoever reads y (call.norm_in) finds x in src, and applies the norm as it reads; backward it writes
 *   g = dy act'(y) to dsrc and adds up `sums` of it. A gradient that is g already passes no activation again.
 *
 * The norm's own node runs between the two and has only the work of a few channels left. kernels/norm.h does the loops.
 *
 * Tables have `columns` = repeat x channels floats: several pixels in a row of the tensor make whole vectors of any number of
 * channels; the first `channels` of a table are the channels. sums [n_shares, 2, columns]: each share of the work overwrites
 * its own: forward sum x - shift and its square, backward sum g and g (x - mean). */
typedef struct mnas_norm {
    bool by_producer, by_consumer;
    mnas_elem elem; /* of the tensors around it */
    mnas_act act;
    float low, high; /* where the activation clips */
    size_t channels, repeat, columns;
    float *shift; /* moving mean: near x, so that the squares cost no digits */
    float *mean, *scale, *beta;
    float *slope, *offset; /* backward */
    int n_shares;
    double *sums;
    float *parts; /* [n_shares, 2, columns]: room for a block's sums before they are added to `sums` */
    void *memory; /* of all of the above */
} mnas_norm;

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
    void *saved;         /* mnas_op.saved_bytes, kept from forward to backward of the same step */
    void *scratch;       /* what create() asked for; contents do not survive a call */
    uint64_t seed;       /* of this step, for dropout */
    mnas_norm *norm;     /* bn: its own, where a neighbour does part of it; else NULL */
    mnas_norm *norm_out; /* the one behind this node, where by_producer; else NULL */
    mnas_norm *norm_in[MNAS_MAX_INPUTS]; /* the one in front of each input, where by_consumer; else NULL */
    bool adds; /* dsrc[0] += instead of =; only where ops/fusion.h says that the kernel can */
} mnas_call;

/* Element i of a tensor whose elements may be bf16. */
static inline const void *mnas_elem_at(mnas_elem elem, const void *tensor, size_t i) {
    return (const char *)tensor + i * mnas_elem_bytes(elem);
}
static inline void *mnas_elem_of(mnas_elem elem, void *tensor, size_t i) {
    return (char *)tensor + i * mnas_elem_bytes(elem);
}

static inline double mnas_elem_value(mnas_elem elem, const void *tensor, size_t i) {
    if (elem == MNAS_ELEM_BF16) return (double)mnas_bf16_to_float(((const uint16_t *)tensor)[i]);
    return (double)((const float *)tensor)[i];
}

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
    bool bf16; /* node->elem may be bf16 */
} mnas_kernel;

#endif
