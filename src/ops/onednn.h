/* onednn.h - the one place that knows oneDNN: one prepared pass of a convolution, and a matrix product.
 *
 * The lowerings (op_NAME_onednn.c) see these few functions and no oneDNN type: that 2.6 and 3.x have different C
 * APIs is onednn.c's business alone. Tensors are dense NHWC f32; weights are [K, C, k, k] as everywhere and are
 * reordered inside, per call, into the layout that the library's fastest implementation wants. A prepared pass
 * holds no buffer: weights' copies and the library's scratchpad live in the `scratch` handed to run().
 */
#ifndef MNAS_OPS_ONEDNN_H
#define MNAS_OPS_ONEDNN_H

#include "model/graph.h"

typedef enum {
    MNAS_ONEDNN_FORWARD,         /* src, weight -> dst */
    MNAS_ONEDNN_BACKWARD_DATA,   /* dst's gradient, weight -> src's gradient */
    MNAS_ONEDNN_BACKWARD_WEIGHT, /* src, dst's gradient -> weight's gradient */
} mnas_onednn_pass;

typedef struct mnas_onednn_conv mnas_onednn_conv;

/* A k x k convolution of `node` over `batch` images of shape `in`; no bias, no activation. MNAS_ERR_LIBRARY
 * when oneDNN has no implementation. */
int mnas_onednn_conv_create(mnas_onednn_conv **out, mnas_onednn_pass pass, const mnas_node *node,
                            mnas_shape in, int batch);
void mnas_onednn_conv_destroy(mnas_onednn_conv *conv); /* NULL is allowed */
size_t mnas_onednn_conv_scratch_bytes(const mnas_onednn_conv *conv);
/* src, weight, dst stand for the tensor or its gradient, as the pass says; the pass's result is written, the
 * others read. */
int mnas_onednn_conv_run(mnas_onednn_conv *conv, float *src, float *weight, float *dst, void *scratch);

/* Row-major c[m, n] = op(a) op(b), or c += where `add`; op(a) is [m, k], op(b) is [k, n]; transposed means stored
 * the other way round. Rows are dense. Inside a parallel region it runs on the calling thread alone. */
int mnas_onednn_matmul(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                       const float *b, bool add, float *c);

/* The same of bf16, accumulated in f32; c is of `result`. Prepared, since it has an implementation for each shape; any
 * number of threads may run one at once, each with a scratch of its own. MNAS_ERR_LIBRARY where oneDNN has none. */
typedef struct mnas_onednn_product mnas_onednn_product;

int mnas_onednn_product_create(mnas_onednn_product **out, bool transpose_a, bool transpose_b, int64_t m,
                               int64_t n, int64_t k, mnas_elem result, bool add);
void mnas_onednn_product_destroy(mnas_onednn_product *product); /* NULL is allowed */
size_t mnas_onednn_product_scratch_bytes(const mnas_onednn_product *product);
int mnas_onednn_product_run(const mnas_onednn_product *product, const uint16_t *a, const uint16_t *b, void *c,
                            void *scratch);

/* Of the library that runs, e.g. "3.7.2". */
const char *mnas_onednn_version(void);

#endif
