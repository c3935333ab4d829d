/* op_avgpool.c - k x k average over the pixels that exist: padding is not counted. */
#include "ops/reference.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    node->out.c = in[0].c;
    return mnas_ref_window_shape(node, in[0]);
}

typedef struct window {
    int y0, y1, x0, x1; /* pixels [y0, y1) x [x0, x1) */
    double share;       /* 1 / their number */
} window;

static window window_at(const mnas_call *call, int oy, int ox) {
    const mnas_node *node = call->node;
    int top = oy * node->stride - node->pad_top, left = ox * node->stride - node->pad_left;
    int bottom = top + node->kernel, right = left + node->kernel;
    mnas_shape in = call->in[0];
    window w = {top > 0 ? top : 0, bottom < in.h ? bottom : in.h, left > 0 ? left : 0,
                right < in.w ? right : in.w, 0};
    w.share = 1.0 / ((w.y1 - w.y0) * (w.x1 - w.x0));
    return w;
}

static double window_sum(const mnas_call *call, const window *w, int n, int c) {
    double sum = 0;
    for (int y = w->y0; y < w->y1; y++)
        for (int x = w->x0; x < w->x1; x++)
            sum += (double)call->src[0][mnas_ref_at(call->in[0], n, y, x) + c];
    return sum;
}

static void forward(const mnas_call *call) {
    mnas_shape out = call->node->out;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++) {
                window w = window_at(call, oy, ox);
                float *dst = call->dst + mnas_ref_at(out, n, oy, ox);
                for (int c = 0; c < out.c; c++) dst[c] = (float)(window_sum(call, &w, n, c) * w.share);
            }
}

static void scatter(const mnas_call *call, const window *w, int n, const float *ddst) {
    for (int y = w->y0; y < w->y1; y++)
        for (int x = w->x0; x < w->x1; x++) {
            float *dsrc = call->dsrc[0] + mnas_ref_at(call->in[0], n, y, x);
            for (int c = 0; c < call->in[0].c; c++) dsrc[c] += (float)((double)ddst[c] * w->share);
        }
}

static void backward(const mnas_call *call) {
    if (!call->dsrc[0]) return;
    mnas_shape out = call->node->out;
    for (int64_t i = 0; i < mnas_ref_size(call->in[0], call->batch); i++) call->dsrc[0][i] = 0;
    for (int n = 0; n < call->batch; n++)
        for (int oy = 0; oy < out.h; oy++)
            for (int ox = 0; ox < out.w; ox++) {
                window w = window_at(call, oy, ox);
                scatter(call, &w, n, call->ddst + mnas_ref_at(out, n, oy, ox));
            }
}

const mnas_op mnas_op_avgpool = {
    .plugin = {"avgpool", "k x k average pooling, padding not counted", NULL, 0},
    .n_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
