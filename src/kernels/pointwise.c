/* pointwise.c - 1x1 convolutions as matrix products over pieces of the pixels, with the batch-norms on both sides done
 * in passing (model/kernel.h).
 *
 * A piece of the pixels is small against the second cache: the norm in front is applied to a copy of it there, the
 * product's result is summed, masked or taken through the norm behind before it leaves. So forward reads x and writes y
 * once, and backward reads x, y and dy and writes dx once, whatever stands around the convolution. The products are
 * oneDNN's, one thread each; each share of the pieces has its own scratch, sums and weight gradient, added in order.
 */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernels/norm.h"
#include "ops/onednn.h"

enum { PIECE_FLOATS = 1 << 16, PIECE_STEP = 64, MIN_PIECE = 256 };

typedef struct pointwise {
    int n_shares;
    size_t pixels, c, k, piece; /* of the batch; input and output channels; pixels of a piece */
    bool training;
} pointwise;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->kernel == 1 && node->stride == 1 && !node->bias && node->act == MNAS_ACT_NONE &&
           !node->pad_top && !node->pad_left && !node->pad_bottom && !node->pad_right;
}

/* Floats of a share's scratch: the normed piece, the gradient piece, the weight gradient. */
static size_t share_floats(const pointwise *p) {
    return p->piece * p->c + (p->training ? p->piece * p->k + (p->c * p->k + 15) / 16 * 16 : 0);
}

static size_t piece_of(const pointwise *p) {
    const size_t wanted = PIECE_FLOATS / (p->c + p->k) / PIECE_STEP * PIECE_STEP;
    const size_t share = (p->pixels / (size_t)p->n_shares + PIECE_STEP - 1) / PIECE_STEP * PIECE_STEP;
    const size_t piece = wanted < MIN_PIECE ? MIN_PIECE : wanted;
    return piece < share ? piece : share;
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    pointwise *p = malloc(sizeof *p);
    if (!p) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *p = (pointwise){.n_shares = omp_get_max_threads(),
                     .pixels = (size_t)batch * (size_t)in[0].h * (size_t)in[0].w,
                     .c = (size_t)in[0].c,
                     .k = (size_t)node->out.c,
                     .training = training};
    p->piece = piece_of(p);
    *scratch_bytes = (size_t)p->n_shares * share_floats(p) * sizeof(float);
    *state = p;
    return 0;
}

/* ---- a share of the pieces ---- */

typedef struct share {
    const pointwise *p;
    const mnas_call *call;
    int index;
    float *normed, *gradient, *dweight;
} share;

static share share_of(const pointwise *p, const mnas_call *call, int index) {
    float *scratch = (float *)call->scratch + (size_t)index * share_floats(p);
    return (share){.p = p,
                   .call = call,
                   .index = index,
                   .normed = scratch,
                   .gradient = scratch + p->piece * p->c,
                   .dweight = scratch + p->piece * (p->c + p->k)};
}

/* Shares are whole pieces but for the last one's end. */
static size_t share_begin(const pointwise *p, int index) {
    const size_t n_pieces = (p->pixels + p->piece - 1) / p->piece;
    const size_t first = n_pieces * (size_t)index / (size_t)p->n_shares * p->piece;
    return first < p->pixels ? first : p->pixels;
}

/* The input of n pixels as the convolution sees it. */
static const float *input_of(const share *s, size_t first, size_t n) {
    const float *x = s->call->src[0] + first * s->p->c;
    if (!s->call->norm_in[0]) return x;
    mnas_norm_apply(s->call->norm_in[0], x, n, s->normed);
    return s->normed;
}

/* y = x W^T, x [n, C], W [K, C] */
static int forward_piece(const share *s, size_t first, size_t n) {
    const pointwise *p = s->p;
    float *y = s->call->dst + first * p->k;
    const int rc = mnas_onednn_matmul(false, true, (int64_t)n, (int64_t)p->k, (int64_t)p->c,
                                      input_of(s, first, n), s->call->param[0], false, y);
    if (s->call->norm_out && s->call->training) mnas_norm_add_sums(s->call->norm_out, y, n, s->index);
    return rc;
}

/* The gradient of n pixels of y. */
static const float *gradient_of(const share *s, size_t first, size_t n) {
    const size_t at = first * s->p->k;
    if (!s->call->norm_out) return s->call->ddst + at;
    mnas_norm_gradient(s->call->norm_out, s->call->dst + at, s->call->ddst + at, n, s->gradient);
    return s->gradient;
}

/* dx = dy W; in front of a norm, its part of what is then left of the gradient */
static int backward_input(const share *s, const float *dy, size_t first, size_t n) {
    const pointwise *p = s->p;
    float *dx = s->call->dsrc[0] + first * p->c;
    const int rc = mnas_onednn_matmul(false, false, (int64_t)n, (int64_t)p->c, (int64_t)p->k, dy,
                                      s->call->param[0], s->call->adds, dx);
    if (s->call->norm_in[0])
        mnas_norm_add_gradient_sums(s->call->norm_in[0], s->call->src[0] + first * p->c, dx, n, dx, s->index);
    return rc;
}

/* dW = sum over pieces of dy^T x */
static int backward_piece(const share *s, size_t first, size_t n) {
    const pointwise *p = s->p;
    const float *dy = gradient_of(s, first, n), *x = input_of(s, first, n);
    const int rc =
        mnas_onednn_matmul(true, false, (int64_t)p->k, (int64_t)p->c, (int64_t)n, dy, x, true, s->dweight);
    return rc < 0 || !s->call->dsrc[0] ? rc : backward_input(s, dy, first, n);
}

typedef int piece_fn(const share *s, size_t first, size_t n);

/* From the last piece to the first where `back`: what was written last is still in a cache. */
static int run_share(const share *s, piece_fn *fn, bool back) {
    const size_t begin = share_begin(s->p, s->index), end = share_begin(s->p, s->index + 1),
                 piece = s->p->piece;
    const size_t n_pieces = (end - begin + piece - 1) / piece;
    int rc = 0;
    for (size_t i = 0; i < n_pieces && rc == 0; i++) {
        const size_t first = begin + (back ? n_pieces - 1 - i : i) * piece;
        rc = fn(s, first, end - first < piece ? end - first : piece);
    }
    return rc;
}

static int forward(void *state, const mnas_call *call) {
    const pointwise *p = state;
    int rc = 0;
#pragma omp parallel for schedule(static) num_threads(p->n_shares) reduction(min : rc)
    for (int i = 0; i < p->n_shares; i++) {
        const share s = share_of(p, call, i);
        if (call->norm_out && call->training) mnas_norm_clear(call->norm_out, i);
        rc = run_share(&s, forward_piece, false);
    }
    return rc;
}

static void add_weight_gradients(const pointwise *p, const mnas_call *call) {
    const size_t n = p->c * p->k;
    memcpy(call->dparam[0], share_of(p, call, 0).dweight, n * sizeof(float));
    for (int i = 1; i < p->n_shares; i++)
        mnas_isa_get()->add(call->dparam[0], share_of(p, call, i).dweight, n, call->dparam[0]);
}

static int backward(void *state, const mnas_call *call) {
    const pointwise *p = state;
    int rc = 0;
#pragma omp parallel for schedule(static) num_threads(p->n_shares) reduction(min : rc)
    for (int i = 0; i < p->n_shares; i++) {
        const share s = share_of(p, call, i);
        memset(s.dweight, 0, p->c * p->k * sizeof(float));
        if (call->norm_in[0]) mnas_norm_clear(call->norm_in[0], i);
        rc = run_share(&s, backward_piece, true);
    }
    add_weight_gradients(p, call);
    return rc;
}

const mnas_kernel mnas_kernel_pointwise = {"pointwise", supports, create, forward,
                                           backward,    free,     true,   false};
