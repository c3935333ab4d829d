/* bn.c - batch-norm and its activation: statistics and application forward, reductions and application backward.
 *
 * What a neighbour does in passing (model/kernel.h: by_producer, by_consumer) is left out here; between two
 * neighbours that do all of it, the work of a few channels remains. The tensor is a matrix [pixels, C], cut into one
 * share of the pixels a thread and blocks of a share (norm.c has the loops).
 */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/round.h"
#include "kernels/norm.h"

enum { BLOCK_BYTES = 1 << 14, SMALL_WORK = 1 << 14, STREAM_BYTES = 24 << 20 };

typedef struct bn {
    mnas_norm own; /* where no neighbour shares the work */
    size_t pixels, block;
    bool parallel;
    bool stream; /* the result is too large to be found in a cache by whoever reads it */
} bn;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->act != MNAS_ACT_SIGMOID;
}

static void destroy(void *state) {
    if (state) mnas_norm_close(&((bn *)state)->own);
    free(state);
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    (void)training;
    bn *b = calloc(1, sizeof *b);
    if (!b) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    const int rc = mnas_norm_open(&b->own, node, in[0].c);
    if (rc < 0) {
        free(b);
        return rc;
    }
    const size_t row_bytes = b->own.columns * sizeof(float);
    b->pixels = (size_t)batch * (size_t)in[0].h * (size_t)in[0].w;
    b->block = b->own.repeat * (row_bytes < BLOCK_BYTES ? BLOCK_BYTES / row_bytes : 1);
    b->parallel = b->pixels * b->own.channels > SMALL_WORK;
    b->stream = b->pixels * b->own.channels * mnas_elem_bytes(node->elem) > STREAM_BYTES;
    *scratch_bytes = 0;
    *state = b;
    return 0;
}

/* -------------------------------------------------------------------------------------- pieces of the work */

/* Everything a pass needs; x, dy and the result are whole tensors. */
typedef struct pass {
    const bn *b;
    const mnas_norm *norm;
    const void *x, *dy;
    void *result;
} pass;

static const void *at_elem(const pass *p, const void *tensor, size_t i) {
    return mnas_elem_at(p->norm->elem, tensor, i);
}
static void *result_at(const pass *p, size_t i) {
    return mnas_elem_of(p->norm->elem, p->result, i);
}

static pass pass_of(bn *b, const mnas_call *call) {
    return (pass){.b = b,
                  .norm = call->norm ? call->norm : &b->own,
                  .x = call->src[0],
                  .dy = call->ddst,
                  .result = call->dst};
}

/* First pixel of a share: shares are whole blocks. */
static size_t share_begin(const pass *p, int share) {
    const size_t n_blocks = mnas_divide_up(p->b->pixels, p->b->block);
    const size_t first = n_blocks * (size_t)share / (size_t)p->norm->n_shares * p->b->block;
    return first < p->b->pixels ? first : p->b->pixels;
}

/* The work on n pixels from float `at` on. */
typedef void block_fn(const pass *p, size_t at, size_t n, int share);

static void statistics_block(const pass *p, size_t at, size_t n, int share) {
    mnas_norm_add_sums(p->norm, at_elem(p, p->x, at), n, share);
}

static void gradient_sums_block(const pass *p, size_t at, size_t n, int share) {
    mnas_norm_add_gradient_sums(p->norm, at_elem(p, p->x, at), at_elem(p, p->dy, at), n, NULL, share);
}

static void apply_block(const pass *p, size_t at, size_t n, int share) {
    (void)share;
    (p->b->stream ? mnas_norm_apply_stream : mnas_norm_apply)(p->norm, at_elem(p, p->x, at), n,
                                                              result_at(p, at));
}

static void gradient_block(const pass *p, size_t at, size_t n, int share) {
    (void)share;
    mnas_norm_gradient(p->norm, at_elem(p, p->x, at), at_elem(p, p->dy, at), n, result_at(p, at));
}

static void sum_share(const pass *p, block_fn *fn, int share) {
    const size_t end = share_begin(p, share + 1), channels = p->norm->channels;
    mnas_norm_clear(p->norm, share);
    for (size_t i = share_begin(p, share); i < end; i += p->b->block)
        fn(p, i * channels, end - i < p->b->block ? end - i : p->b->block, share);
}

static void sum_pixels(const pass *p, block_fn *fn) {
#pragma omp parallel for schedule(static) num_threads(p->norm->n_shares) if (p->b->parallel)
    for (int t = 0; t < p->norm->n_shares; t++) sum_share(p, fn, t);
}

/* From the last block to the first: what the sums read last, and what the next operator reads first, is still
 * in the cache. */
static void map_pixels(const pass *p, block_fn *fn) {
#pragma omp parallel for schedule(static) num_threads(p->norm->n_shares) if (p->b->parallel)
    for (int t = 0; t < p->norm->n_shares; t++) {
        const size_t begin = share_begin(p, t), end = share_begin(p, t + 1);
        for (size_t n_blocks = mnas_divide_up(end - begin, p->b->block); n_blocks-- > 0;) {
            const size_t first = begin + n_blocks * p->b->block, left = end - first;
            fn(p, first * p->norm->channels, left < p->b->block ? left : p->b->block, t);
        }
    }
}

/* ------------------------------------------------------------------------------------------------- forward */

static void update_moving(const mnas_call *call, size_t c, double n, double mean, double var) {
    const double keep = call->node->momentum;
    if (call->node->unbiased && n > 1) var *= n / (n - 1);
    call->param[2][c] = (float)(keep * (double)call->param[2][c] + (1 - keep) * mean);
    call->param[3][c] = (float)(keep * (double)call->param[3][c] + (1 - keep) * var);
}

/* Batch mean and biased variance, from the sums of differences from the shift. */
static void batch_statistics(const pass *p, const mnas_call *call) {
    const mnas_norm *norm = p->norm;
    const double *sum = mnas_norm_total(norm), n = (double)p->b->pixels;
    float *saved = call->saved;
    for (size_t c = 0; c < norm->channels; c++) {
        const double d = sum[c] / n, spread = sum[norm->channels + c] / n - d * d,
                     var = spread > 0 || isnan(spread) ? spread : 0;
        const double mean = (double)norm->shift[c] + d;
        saved[c] = (float)mean;
        saved[norm->channels + c] = (float)(1 / sqrt(var + call->node->epsilon));
        update_moving(call, c, n, mean, var);
    }
}

static void set_coefficients(const pass *p, const mnas_call *call) {
    const mnas_norm *norm = p->norm;
    const float *saved = call->saved;
    for (size_t c = 0; c < norm->channels; c++) {
        const double rstd = call->training ? (double)saved[norm->channels + c]
                                           : 1 / sqrt((double)call->param[3][c] + call->node->epsilon);
        mnas_norm_set(norm, norm->mean, c, (double)(call->training ? saved[c] : call->param[2][c]));
        mnas_norm_set(norm, norm->scale, c, (double)call->param[0][c] * rstd);
        mnas_norm_set(norm, norm->beta, c, (double)call->param[1][c]);
    }
}

static int forward(void *state, const mnas_call *call) {
    const pass p = pass_of(state, call);
    if (call->training) {
        /* The first pixel is as near to all others as the moving mean, or nearer. */
        if (!p.norm->by_producer) {
            for (size_t c = 0; c < p.norm->channels; c++)
                mnas_norm_set(p.norm, p.norm->shift, c, mnas_elem_value(p.norm->elem, p.x, c));
            sum_pixels(&p, statistics_block);
        }
        batch_statistics(&p, call);
    }
    set_coefficients(&p, call);
    if (!p.norm->by_consumer) map_pixels(&p, apply_block);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ backward */

/* dgamma and dbeta, and from them what takes a gradient through the norm. */
static void parameter_gradients(const pass *p, const mnas_call *call) {
    const mnas_norm *norm = p->norm;
    const double *sum = mnas_norm_total(norm), n = (double)p->b->pixels;
    const float *saved = call->saved;
    for (size_t c = 0; c < norm->channels; c++) {
        const double rstd = (double)saved[norm->channels + c], scale = (double)call->param[0][c] * rstd;
        const double dgamma = sum[norm->channels + c] * rstd, dbeta = sum[c];
        call->dparam[0][c] = (float)dgamma;
        call->dparam[1][c] = (float)dbeta;
        mnas_norm_set(norm, norm->slope, c, scale * rstd * dgamma / n);
        mnas_norm_set(norm, norm->offset, c, scale * dbeta / n);
    }
}

static int backward(void *state, const mnas_call *call) {
    pass p = pass_of(state, call);
    if (!p.norm->by_consumer) sum_pixels(&p, gradient_sums_block);
    parameter_gradients(&p, call);
    p.result = call->dsrc[0];
    if (!p.norm->by_producer && p.result) map_pixels(&p, gradient_block);
    return 0;
}

const mnas_kernel mnas_kernel_bn = {"batch-norm", supports, create, forward, backward, destroy, true};
