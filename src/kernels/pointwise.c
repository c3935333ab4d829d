/* pointwise.c - 1x1 convolutions as matrix products over pieces of the pixels, with the batch-norms on both sides done
 * in passing (model/kernel.h). And a network's first convolution, whose windows become the rows of such a matrix piece
 * by piece (patches.h): it has few channels, and nobody wants the gradient of an image.
 *
 * A piece of the pixels is small against the second cache: the norm in front is applied to a copy of it there, the
 * product's result is summed, masked or taken through the norm behind before it leaves. So forward reads x and writes y
 * once, and backward reads x, y and dy and writes dx once, whatever stands around the convolution. The products are
 * oneDNN's, one thread each; each share of the pieces has its own scratch, sums and weight gradient, added in order.
 * Of bf16 tensors the products are bf16, too, the weights rounded for the purpose, and their gradient is float.
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"
#include "kernels/norm.h"
#include "kernels/patches.h"
#include "ops/onednn.h"
#include "ops/op.h"

enum { PIECE_FLOATS = 1 << 16, PIECE_STEP = 16, MIN_PIECE = 256, SUM_PART = 1 << 13 };

/* What a pass multiplies: y = x W^T, dx = dy W, dW = dy^T x, or += ; x [n, C], y [n, K], W [K, C]. */
typedef enum { FORWARD, INPUT, INPUT_ADD, WEIGHT, WEIGHT_ADD, N_PRODUCTS } product;

typedef struct pointwise {
    int n_shares;
    size_t pixels, c, k, piece; /* of the batch; input (or window) and output channels; pixels of a piece */
    bool windows;               /* the input of the products is gathered */
    mnas_patches patches;
    bool training;
    mnas_elem elem;
    mnas_onednn_product *bf16[2][N_PRODUCTS]; /* of a whole piece, of the last one; NULL for f32 */
    size_t product_bytes;                     /* scratch of any of them */
} pointwise;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->op->takes_norm_behind(node);
}

/* ---- creation ---- */

/* As many equal pieces in a share as are not too small: shares of one size, but for a few pixels. */
static size_t piece_of(const pointwise *p) {
    const size_t fit = PIECE_FLOATS / (p->c + p->k), wanted = fit < MIN_PIECE ? MIN_PIECE : fit;
    const size_t share = mnas_divide_up(p->pixels, (size_t)p->n_shares), n = share / wanted;
    return mnas_round_up(mnas_divide_up(share, n ? n : 1), PIECE_STEP);
}

static int create_product(pointwise *p, int last, product which, size_t n) {
    const int64_t m = (int64_t)n, c = (int64_t)p->c, k = (int64_t)p->k;
    mnas_onednn_product **out = &p->bf16[last][which];
    const mnas_elem elem = MNAS_ELEM_BF16;
    int rc;
    switch (which) {
    case FORWARD:
        rc = mnas_onednn_product_create(out, false, true, m, k, c, elem, false);
        break;
    case WEIGHT:
    case WEIGHT_ADD:
        rc = mnas_onednn_product_create(out, true, false, k, c, m, MNAS_ELEM_F32, which == WEIGHT_ADD);
        break;
    default:
        rc = mnas_onednn_product_create(out, false, false, m, c, k, elem, which == INPUT_ADD);
    }
    if (rc < 0) return rc;
    const size_t bytes = mnas_onednn_product_scratch_bytes(*out);
    if (bytes > p->product_bytes) p->product_bytes = bytes;
    return 0;
}

static int create_products(pointwise *p) {
    const size_t lengths[2] = {p->piece, p->pixels % p->piece};
    for (int last = 0; last < 2; last++) {
        for (product which = FORWARD; lengths[last] > 0 && which < (p->training ? N_PRODUCTS : INPUT);
             which++) {
            const int rc = create_product(p, last, which, lengths[last]);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static void destroy(void *state) {
    pointwise *p = state;
    for (int i = 0; p && i < 2 * N_PRODUCTS; i++)
        mnas_onednn_product_destroy(p->bf16[i / N_PRODUCTS][i % N_PRODUCTS]);
    free(p);
}

/* Scratch: the weights as the products want them, where that is not as they are; then of each share the normed piece, the gradient piece, the weight gradient and what
 * the products want; each part on a cache line of its own. */
static size_t align_up(size_t bytes) {
    return mnas_round_up(bytes, 64);
}
static size_t arranged_bytes(const pointwise *p) {
    return p->windows ? align_up(p->c * p->k * sizeof(float)) : 0;
}
static size_t weight_bytes(const pointwise *p) {
    return arranged_bytes(p) + (p->elem == MNAS_ELEM_BF16 ? align_up(p->c * p->k * sizeof(uint16_t)) : 0);
}
static size_t input_bytes(const pointwise *p) {
    return align_up(p->piece * p->c * mnas_elem_bytes(p->elem)) + MNAS_PATCHES_SLACK;
}
static size_t gradient_bytes(const pointwise *p) {
    return p->training ? align_up(p->piece * p->k * mnas_elem_bytes(p->elem)) : 0;
}
static size_t dweight_bytes(const pointwise *p) {
    return p->training ? align_up(p->c * p->k * sizeof(float)) : 0;
}
static size_t share_bytes(const pointwise *p) {
    return input_bytes(p) + gradient_bytes(p) + dweight_bytes(p) + p->product_bytes;
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    pointwise *p = malloc(sizeof *p);
    if (!p) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *p = (pointwise){.n_shares = omp_get_max_threads(),
                     .pixels = (size_t)batch * (size_t)node->out.h * (size_t)node->out.w,
                     .c = (size_t)in[0].c,
                     .k = (size_t)node->out.c,
                     .windows = node->kernel > 1 || node->stride > 1,
                     .training = training,
                     .elem = node->elem};
    if (p->windows) {
        p->patches = mnas_patches_of(node, in[0], batch);
        p->c = p->patches.columns;
    }
    p->piece = piece_of(p);
    const int rc = p->elem == MNAS_ELEM_BF16 ? create_products(p) : 0;
    if (rc < 0) {
        destroy(p);
        return rc;
    }
    *scratch_bytes = weight_bytes(p) + (size_t)p->n_shares * share_bytes(p);
    *state = p;
    return 0;
}

/* ---- a share of the pieces ---- */

typedef struct share {
    const pointwise *p;
    const mnas_call *call;
    int index;
    const void *weight; /* of the tensors' elements */
    void *normed, *gradient, *product_scratch;
    float *dweight;
} share;

static share share_of(const pointwise *p, const mnas_call *call, int index) {
    char *at = (char *)call->scratch + weight_bytes(p) + (size_t)index * share_bytes(p);
    share s = {.p = p, .call = call, .index = index, .weight = call->param[0], .normed = at};
    if (p->windows) s.weight = call->scratch;
    if (p->elem == MNAS_ELEM_BF16) s.weight = (char *)call->scratch + arranged_bytes(p);
    s.gradient = at += input_bytes(p);
    s.dweight = (float *)(void *)(at += gradient_bytes(p));
    s.product_scratch = at + dweight_bytes(p);
    return s;
}

/* Shares are whole pieces but for the last one's end. The first has one at least. */
static size_t share_begin(const pointwise *p, int index) {
    const size_t n_pieces = mnas_divide_up(p->pixels, p->piece);
    const size_t first = mnas_divide_up(n_pieces * (size_t)index, (size_t)p->n_shares) * p->piece;
    return first < p->pixels ? first : p->pixels;
}

static int multiply(const share *s, product which, size_t n, const void *a, const void *b, void *result) {
    const pointwise *p = s->p;
    const int64_t m = (int64_t)n, c = (int64_t)p->c, k = (int64_t)p->k;
    if (p->elem == MNAS_ELEM_BF16)
        return mnas_onednn_product_run(p->bf16[n != p->piece][which], a, b, result, s->product_scratch);
    switch (which) {
    case FORWARD:
        return mnas_onednn_matmul(false, true, m, k, c, a, b, false, result);
    case WEIGHT:
    case WEIGHT_ADD:
        return mnas_onednn_matmul(true, false, k, c, m, a, b, which == WEIGHT_ADD, result);
    default:
        return mnas_onednn_matmul(false, false, m, c, k, a, b, which == INPUT_ADD, result);
    }
}

/* The input of n pixels as the convolution sees it. */
static const void *input_of(const share *s, size_t first, size_t n) {
    if (s->p->windows) {
        mnas_patches_gather(&s->p->patches, s->call->src[0], first, n, s->normed);
        return s->normed;
    }
    const void *x = mnas_elem_at(s->p->elem, s->call->src[0], first * s->p->c);
    if (!s->call->norm_in[0]) return x;
    mnas_norm_apply(s->call->norm_in[0], x, n, s->normed);
    return s->normed;
}

static int forward_piece(const share *s, size_t first, size_t n, bool begins) {
    (void)begins;
    void *y = mnas_elem_of(s->p->elem, s->call->dst, first * s->p->k);
    const int rc = multiply(s, FORWARD, n, input_of(s, first, n), s->weight, y);
    if (s->call->norm_out && s->call->training) mnas_norm_add_sums(s->call->norm_out, y, n, s->index);
    return rc;
}

/* The gradient of n pixels of y. Where dsrc is the very place of ddst (a sum of the input and what a norm makes of y) it is
 * a copy, since there is a norm then. */
static const void *gradient_of(const share *s, size_t first, size_t n) {
    const size_t at = first * s->p->k;
    const void *dy = mnas_elem_at(s->p->elem, s->call->ddst, at);
    if (!s->call->norm_out) return dy;
    mnas_norm_gradient(s->call->norm_out, mnas_elem_at(s->p->elem, s->call->dst, at), dy, n, s->gradient);
    return s->gradient;
}

/* Of the input; in front of a norm, what is then left of it. */
static int backward_input(const share *s, const void *dy, size_t first, size_t n) {
    const size_t at = first * s->p->c;
    void *dx = mnas_elem_of(s->p->elem, s->call->dsrc[0], at);
    const int rc = multiply(s, s->call->adds ? INPUT_ADD : INPUT, n, dy, s->weight, dx);
    if (s->call->norm_in[0])
        mnas_norm_add_gradient_sums(s->call->norm_in[0], mnas_elem_at(s->p->elem, s->call->src[0], at), dx, n,
                                    dx, s->index);
    return rc;
}

static int backward_piece(const share *s, size_t first, size_t n, bool begins) {
    const void *dy = gradient_of(s, first, n), *x = input_of(s, first, n);
    const int rc = multiply(s, begins ? WEIGHT : WEIGHT_ADD, n, dy, x, s->dweight);
    return rc < 0 || s->p->windows || !s->call->dsrc[0] ? rc : backward_input(s, dy, first, n);
}

/* begins: it is the share's first. */
typedef int piece_fn(const share *s, size_t first, size_t n, bool begins);

/* From the last piece to the first where `back`: what was written last is still in a cache. */
static int run_share(const share *s, piece_fn *fn, bool back) {
    if (s->p->windows) memset(s->normed, 0, input_bytes(s->p));
    const size_t begin = share_begin(s->p, s->index), end = share_begin(s->p, s->index + 1),
                 piece = s->p->piece;
    const size_t n_pieces = mnas_divide_up(end - begin, piece);
    int rc = 0;
    for (size_t i = 0; i < n_pieces && rc == 0; i++) {
        const size_t first = begin + (back ? n_pieces - 1 - i : i) * piece;
        rc = fn(s, first, end - first < piece ? end - first : piece, i == 0);
    }
    return rc;
}

static void arrange_weights(const pointwise *p, const mnas_call *call) {
    const float *weight = call->param[0];
    if (p->windows) {
        mnas_patches_arrange(&p->patches, weight, call->scratch);
        weight = call->scratch;
    }
    if (p->elem == MNAS_ELEM_BF16)
        mnas_isa_of(p->elem)->narrow(weight, p->c * p->k, (char *)call->scratch + arranged_bytes(p));
}

/* What went wrong in a share first. An error's message is its thread's own, and the caller's thread may be another. */
typedef struct failure {
    int rc;
    char message[512];
} failure;

static void keep_failure(failure *f, int rc) {
    if (rc == 0) return;
#pragma omp critical(mnas_pointwise_failure)
    if (f->rc == 0) {
        f->rc = rc;
        snprintf(f->message, sizeof f->message, "%s", mnas_error_message());
    }
}

/* `summed`: the norm whose sums the pieces add up, or NULL. */
static int run_shares(const pointwise *p, const mnas_call *call, const mnas_norm *summed, piece_fn *fn,
                      bool back) {
    failure f = {0};
    arrange_weights(p, call);
#pragma omp parallel for schedule(static) num_threads(p->n_shares)
    for (int i = 0; i < p->n_shares; i++) {
        const share s = share_of(p, call, i);
        if (summed) mnas_norm_clear(summed, i);
        keep_failure(&f, run_share(&s, fn, back));
    }
    return f.rc == 0 ? 0 : mnas_error_set(f.rc, "%s", f.message);
}

static int forward(void *state, const mnas_call *call) {
    return run_shares(state, call, call->training ? call->norm_out : NULL, forward_piece, false);
}

/* Shares without a piece have none. */
static void add_weight_gradients(const pointwise *p, const mnas_call *call) {
    const size_t n = p->c * p->k, n_parts = mnas_divide_up(n, SUM_PART);
    float *sum = share_of(p, call, 0).dweight, *result = p->windows ? sum : call->dparam[0];
#pragma omp parallel for schedule(static) num_threads(p->n_shares) if (n_parts > 1)
    for (size_t part = 0; part < n_parts; part++) {
        const size_t at = part * SUM_PART, length = n - at < SUM_PART ? n - at : SUM_PART;
        if (result != sum) memcpy(result + at, sum + at, length * sizeof *sum);
        for (int i = 1; i < p->n_shares; i++)
            if (share_begin(p, i) < share_begin(p, i + 1))
                mnas_isa_get()->add(result + at, share_of(p, call, i).dweight + at, length, result + at);
    }
    if (p->windows) mnas_patches_restore(&p->patches, sum, call->dparam[0]);
}

static int backward(void *state, const mnas_call *call) {
    const int rc = run_shares(state, call, call->norm_in[0], backward_piece, true);
    if (rc == 0) add_weight_gradients(state, call);
    return rc;
}

const mnas_kernel mnas_kernel_pointwise = {"pointwise", supports, create, forward, backward, destroy, true};
