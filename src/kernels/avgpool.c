/* avgpool.c - average pooling over the pixels that exist: a depthwise correlation with ones (dw.c), and a
 * division by each window's number of pixels, behind it forward, in front of it backward.
 */
#include <stdlib.h>

#include "base/error.h"
#include "kernels/dw.h"

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->kernel <= MNAS_DW_MAX_KERNEL && node->stride <= MNAS_DW_MAX_KERNEL;
}

/* Scratch: the correlation's, then the divided gradient. */
static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    mnas_dw *dw = malloc(sizeof *dw);
    if (!dw) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *dw = mnas_dw_of(node, in[0], batch);
    const size_t gradient = training ? (size_t)batch * mnas_shape_size(node->out) : 0;
    *scratch_bytes = (mnas_dw_scratch_floats(dw, training) + gradient) * sizeof(float);
    *state = dw;
    return 0;
}

/* Pixels of [0, size) in the window of output `at`. */
static int overlap(int at, int kernel, int stride, int pad, int size) {
    const int begin = at * stride - pad, end = begin + kernel;
    return (end < size ? end : size) - (begin > 0 ? begin : 0);
}

/* to = from / number of pixels of the window; may be in place */
static void divide(const mnas_dw *dw, const float *from, float *to) {
    const size_t channels = (size_t)dw->out.c;
#pragma omp parallel for collapse(2) schedule(static) num_threads(dw->n_threads)
    for (int n = 0; n < dw->batch; n++)
        for (int y = 0; y < dw->out.h; y++) {
            const int rows = overlap(y, dw->kernel, dw->stride, dw->pad_top, dw->in.h);
            for (int x = 0; x < dw->out.w; x++) {
                const float share =
                    1.0f / (float)(rows * overlap(x, dw->kernel, dw->stride, dw->pad_left, dw->in.w));
                const size_t at =
                    (((size_t)n * (size_t)dw->out.h + (size_t)y) * (size_t)dw->out.w + (size_t)x) * channels;
                for (size_t c = 0; c < channels; c++) to[at + c] = from[at + c] * share;
            }
        }
}

static mnas_call correlation(const mnas_call *call) {
    mnas_call ones = *call;
    ones.param[0] = ones.dparam[0] = NULL;
    return ones;
}

static int forward(void *state, const mnas_call *call) {
    const mnas_call ones = correlation(call);
    mnas_dw_forward(state, &ones);
    divide(state, call->dst, call->dst);
    return 0;
}

static int backward(void *state, const mnas_call *call) {
    if (!call->dsrc[0]) return 0;
    float *divided = (float *)call->scratch + mnas_dw_scratch_floats(state, true);
    divide(state, call->ddst, divided);
    mnas_call ones = correlation(call);
    ones.ddst = divided;
    mnas_dw_backward(state, &ones);
    return 0;
}

const mnas_kernel mnas_kernel_avgpool = {"average", supports, create, forward, backward, free, false};
