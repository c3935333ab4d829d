/* op_maxpool.c - k x k maximum; padding never wins.
 *
 * saved: for each output element the int32 index (y W + x) of the pixel it came from, the first one among
 * equals. It may be NULL where no backward follows.
 */
#include "ops/reference.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    node->out.c = in[0].c;
    return mnas_ref_window_shape(node, in[0]);
}

static size_t saved_bytes(const mnas_node *node, const mnas_shape *in, int batch) {
    (void)in;
    return (size_t)batch * mnas_shape_size(node->out) * sizeof(int32_t);
}

/* Pixel index of the maximum of channel c in the window at (oy, ox). */
static int32_t argmax(const mnas_call *call, int n, int oy, int ox, int c) {
    const mnas_node *node = call->node;
    mnas_shape in = call->in[0];
    const float *image = call->src[0] + mnas_ref_at(in, n, 0, 0) + c;
    int32_t best = -1;
    for (int ky = 0; ky < node->kernel; ky++)
        for (int kx = 0; kx < node->kernel; kx++) {
            int y = oy * node->stride + ky - node->pad_top, x = ox * node->stride + kx - node->pad_left;
            if (!mnas_ref_inside(in, y, x)) continue;
            int32_t at = y * in.w + x;
            if (best < 0 || image[(int64_t)at * in.c] > image[(int64_t)best * in.c]) best = at;
        }
    return best;
}

static void forward(const mnas_call *call) {
    mnas_shape in = call->in[0], out = call->node->out;
    int32_t *saved = call->saved;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++) {
                    int64_t at = mnas_ref_at(out, n, oy, ox) + c;
                    int32_t pixel = argmax(call, n, oy, ox, c);
                    call->dst[at] = call->src[0][mnas_ref_at(in, n, 0, 0) + (int64_t)pixel * in.c + c];
                    if (saved) saved[at] = pixel;
                }
}

static void backward(const mnas_call *call) {
    if (!call->dsrc[0]) return;
    mnas_shape in = call->in[0], out = call->node->out;
    const int32_t *saved = call->saved;
    for (int64_t i = 0; i < mnas_ref_size(in, call->batch); i++) call->dsrc[0][i] = 0;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++)
                for (int c = 0; c < out.c; c++) {
                    int64_t at = mnas_ref_at(out, n, oy, ox) + c;
                    call->dsrc[0][mnas_ref_at(in, n, 0, 0) + (int64_t)saved[at] * in.c + c] += call->ddst[at];
                }
}

const mnas_op mnas_op_maxpool = {
    .plugin = {"maxpool", "k x k maximum pooling", NULL, 0},
    .n_in = 1,
    .shape = shape,
    .saved_bytes = saved_bytes,
    .forward = forward,
    .backward = backward,
};
