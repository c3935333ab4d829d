/* reference.h - what the reference loops of all operators share: places in an NHWC tensor, windows; and activations.
 *
 * Only for op_*.c. Nothing here is fast, and nothing here knows a library.
 */
#ifndef MNAS_OPS_REFERENCE_H
#define MNAS_OPS_REFERENCE_H

#include <stdint.h>

#include "model/act.h"
#include "ops/op.h"

/* Where pixel (y, x) of image n starts in a tensor [N, h, w, c]. */
static inline int64_t mnas_ref_at(mnas_shape s, int n, int y, int x) {
    return (((int64_t)n * s.h + y) * s.w + x) * s.c;
}

/* Elements of the whole batch. */
static inline int64_t mnas_ref_size(mnas_shape s, int batch) {
    return (int64_t)batch * (int64_t)mnas_shape_size(s);
}

static inline bool mnas_ref_inside(mnas_shape s, int y, int x) {
    return y >= 0 && y < s.h && x >= 0 && x < s.w;
}

/* The output whose window covers input coordinate `i` with its tap `tap`; false where there is none. */
static inline bool mnas_ref_output_of(int *out, int i, int tap, int pad_before, int stride, int n_out) {
    int at = i + pad_before - tap;
    *out = at / stride;
    return at >= 0 && at % stride == 0 && *out < n_out;
}

/* Output side lengths of a window operator from its kernel, stride and pads; sets node->out.h and .w. */
int mnas_ref_window_shape(mnas_node *node, mnas_shape in);

/* dbias[c] = sum over n, y, x of ddst[n, y, x, c]; the bias is parameter 1. */
void mnas_ref_bias_gradient(const mnas_call *call);

#endif
