/* bn.c - batch-norm and its activation: statistics and application forward, reductions and application backward.
 *
 * The tensor is a matrix [pixels, C]. Several pixels are taken as one row, so that a row is a multiple of the
 * vector width and at least ROW_LANES vectors long whatever C is; coefficients are repeated accordingly, and
 * the sums of a row's repetitions are added at the end. Pixels left over are done one by one in plain C.
 *
 * Statistics are sums of differences from the first pixel, so that a large mean costs no digits; float over
 * blocks of BLOCK_ROWS rows, double across blocks. Sums are per share of the rows (one a thread) and added in order.
 */
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernels/isa.h"
#include "model/act.h"
#include "model/kernel.h"

enum { ROW_LANES = 4, BLOCK_ROWS = 64, N_TABLES = 5, SMALL_WORK = 1 << 14, STREAM_BYTES = 24 << 20 };

typedef struct bn {
    const mnas_isa *isa;
    int n_threads;
    size_t channels, repeat, columns; /* columns = repeat * channels */
    size_t pixels, rows;              /* rows = pixels / repeat */
    bool stream;                      /* the result is too large to be found in a cache by whoever reads it */
} bn;

static size_t gcd(size_t a, size_t b) {
    return b ? gcd(b, a % b) : a;
}

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->act != MNAS_ACT_SIGMOID;
}

/* Scratch: N_TABLES coefficient rows of floats, then per thread two rows of doubles and two of floats. */
static size_t thread_bytes(const bn *b) {
    return 2 * b->columns * (sizeof(double) + sizeof(float));
}
static size_t table_bytes(const bn *b) {
    return N_TABLES * b->columns * sizeof(float);
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    (void)training;
    bn *b = malloc(sizeof *b);
    if (!b) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    b->isa = mnas_isa_get();
    b->n_threads = omp_get_max_threads();
    b->channels = (size_t)in[0].c;
    b->repeat = b->isa->lanes / gcd(b->isa->lanes, b->channels);
    while (b->repeat * b->channels < ROW_LANES * b->isa->lanes) b->repeat *= 2;
    b->columns = b->repeat * b->channels;
    b->pixels = (size_t)batch * (size_t)in[0].h * (size_t)in[0].w;
    b->rows = b->pixels / b->repeat;
    b->stream = b->pixels * b->channels * sizeof(float) > STREAM_BYTES;
    *scratch_bytes = table_bytes(b) + (size_t)b->n_threads * thread_bytes(b);
    *state = b;
    return 0;
}

/* -------------------------------------------------------------------------------------- pieces of the work */

/* Everything a pass needs; x, dy and the result are whole tensors. */
typedef struct pass {
    const bn *b;
    const float *x, *dy;
    float *result;
    mnas_bn_columns coef;
    char *scratch;
} pass;

static float *table(const pass *p, int i) {
    return (float *)p->scratch + (size_t)i * p->b->columns;
}

static double *totals(const pass *p, int thread) {
    return (double *)(p->scratch + table_bytes(p->b) + (size_t)thread * thread_bytes(p->b));
}

static void fill(const pass *p, int i, size_t c, double value) {
    for (size_t r = 0; r < p->b->repeat; r++) table(p, i)[r * p->b->channels + c] = (float)value;
}

typedef void rows_fn(const pass *p, size_t begin, size_t n, float *part);

static void statistics_rows(const pass *p, size_t begin, size_t n, float *part) {
    p->b->isa->bn_sums(p->x + begin * p->b->columns, p->coef.mean, n, p->b->columns, part,
                       part + p->b->columns);
}

static void gradient_rows(const pass *p, size_t begin, size_t n, float *part) {
    const size_t at = begin * p->b->columns;
    p->b->isa->bn_gradient_sums(p->x + at, p->dy + at, &p->coef, n, p->b->columns, part,
                                part + p->b->columns);
}

/* First row of a thread's share. */
static size_t share_begin(const bn *b, int thread) {
    return b->rows * (size_t)thread / (size_t)b->n_threads;
}

static void sum_share(const pass *p, rows_fn *fn, int thread) {
    const bn *b = p->b;
    double *total = totals(p, thread);
    float *part = (float *)(total + 2 * b->columns);
    const size_t begin = share_begin(b, thread), end = share_begin(b, thread + 1);
    memset(total, 0, 2 * b->columns * sizeof *total);
    for (size_t i = begin; i < end; i += BLOCK_ROWS) {
        fn(p, i, end - i < BLOCK_ROWS ? end - i : BLOCK_ROWS, part);
        b->isa->accumulate(part, 2 * b->columns, total);
    }
}

/* Both sums of every channel over the whole rows; the result is in the first 2 C of thread 0's totals. */
static double *sum_rows(const pass *p, rows_fn *fn) {
    const bn *b = p->b;
    const bool parallel = b->pixels * b->channels > SMALL_WORK;
#pragma omp parallel for schedule(static) num_threads(b->n_threads) if (parallel)
    for (int t = 0; t < b->n_threads; t++) sum_share(p, fn, t);
    double *sum = totals(p, 0);
    for (int t = 1; t < b->n_threads; t++)
        for (size_t j = 0; j < 2 * b->columns; j++) sum[j] += totals(p, t)[j];
    for (size_t k = 0; k < 2; k++)
        for (size_t c = 0; c < b->channels; c++) {
            double all = 0;
            for (size_t r = 0; r < b->repeat; r++) all += sum[k * b->columns + r * b->channels + c];
            sum[k * b->channels + c] = all; /* never ahead of what is still to be read */
        }
    return sum;
}

typedef void apply_fn(const pass *p, size_t begin, size_t n);

static void forward_rows(const pass *p, size_t begin, size_t n) {
    const size_t at = begin * p->b->columns;
    const mnas_isa *isa = p->b->isa;
    (p->b->stream ? isa->bn_apply_stream : isa->bn_apply)(p->x + at, &p->coef, n, p->b->columns,
                                                          p->result + at);
}

static void backward_rows(const pass *p, size_t begin, size_t n) {
    const size_t at = begin * p->b->columns;
    p->b->isa->bn_gradient(p->x + at, p->dy + at, &p->coef, n, p->b->columns, p->result + at);
}

/* From the last block to the first: what the sums read last, and what the next operator reads first, is still
 * in the cache. */
static void apply_rows(const pass *p, apply_fn *fn) {
    const bn *b = p->b;
    const bool parallel = b->pixels * b->channels > SMALL_WORK;
#pragma omp parallel for schedule(static) num_threads(b->n_threads) if (parallel)
    for (int t = 0; t < b->n_threads; t++) {
        const size_t begin = share_begin(b, t);
        for (size_t end = share_begin(b, t + 1); end > begin;) {
            const size_t n = end - begin < BLOCK_ROWS ? end - begin : BLOCK_ROWS;
            end -= n;
            fn(p, end, n);
        }
    }
}

/* First element of the pixels that fill no row. */
static size_t tail(const bn *b) {
    return b->rows * b->columns;
}

/* ------------------------------------------------------------------------------------------------- forward */

static mnas_bn_columns coefficients(const pass *p, mnas_act act) {
    return (mnas_bn_columns){.mean = table(p, 0),
                             .scale = table(p, 1),
                             .beta = table(p, 2),
                             .slope = table(p, 3),
                             .offset = table(p, 4),
                             .act = act,
                             .low = act == MNAS_ACT_NONE ? -INFINITY : 0.0f,
                             .high = act == MNAS_ACT_RELU6 ? 6.0f : INFINITY};
}

/* Batch mean and biased variance of channel c, from the sums of differences from the first pixel. */
static void update_moving(const mnas_call *call, size_t c, double n, double mean, double var) {
    const double keep = call->node->momentum;
    if (call->node->unbiased && n > 1) var *= n / (n - 1);
    call->param[2][c] = (float)(keep * (double)call->param[2][c] + (1 - keep) * mean);
    call->param[3][c] = (float)(keep * (double)call->param[3][c] + (1 - keep) * var);
}

static void batch_statistics(const pass *p, const mnas_call *call) {
    const bn *b = p->b;
    const size_t channels = b->channels;
    for (size_t c = 0; c < channels; c++) fill(p, 0, c, (double)p->x[c]);
    double *sum = sum_rows(p, statistics_rows);
    for (size_t i = tail(b); i < b->pixels * channels; i++) {
        const double d = (double)p->x[i] - (double)p->x[i % channels];
        sum[i % channels] += d;
        sum[channels + i % channels] += d * d;
    }
    float *saved = call->saved;
    const double n = (double)b->pixels;
    for (size_t c = 0; c < channels; c++) {
        const double d = sum[c] / n, spread = sum[channels + c] / n - d * d, var = spread > 0 ? spread : 0;
        const double mean = (double)p->x[c] + d;
        saved[c] = (float)mean;
        saved[channels + c] = (float)(1 / sqrt(var + call->node->epsilon));
        update_moving(call, c, n, mean, var);
    }
}

static int forward(void *state, const mnas_call *call) {
    const bn *b = state;
    pass p = {.b = b, .x = call->src[0], .result = call->dst, .scratch = call->scratch};
    p.coef = coefficients(&p, call->node->act);
    if (call->training) batch_statistics(&p, call);
    const float *saved = call->saved;
    for (size_t c = 0; c < b->channels; c++) {
        const double rstd = call->training ? (double)saved[b->channels + c]
                                           : 1 / sqrt((double)call->param[3][c] + call->node->epsilon);
        fill(&p, 0, c, (double)(call->training ? saved[c] : call->param[2][c]));
        fill(&p, 1, c, (double)call->param[0][c] * rstd);
        fill(&p, 2, c, (double)call->param[1][c]);
    }
    apply_rows(&p, forward_rows);
    for (size_t i = tail(b); i < b->pixels * b->channels; i++) {
        const size_t c = i % b->channels;
        const float y = (p.x[i] - p.coef.mean[c]) * p.coef.scale[c] + p.coef.beta[c];
        p.result[i] = (float)mnas_act_value(p.coef.act, (double)y);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ backward */

/* dy times the activation's slope. */
static double gradient_at(const pass *p, size_t i) {
    const size_t c = i % p->b->channels;
    const float y = (p->x[i] - p->coef.mean[c]) * p->coef.scale[c] + p->coef.beta[c];
    return (double)p->dy[i] * mnas_act_slope(p->coef.act, (double)y);
}

/* dgamma and dbeta, and from them slope and offset of dx = scale g - (x - mean) slope - offset (bn's own
 * formula, with slope = scale rstd dgamma / n, offset = scale dbeta / n). */
static void parameter_gradients(const pass *p, const mnas_call *call) {
    const bn *b = p->b;
    const float *saved = call->saved;
    double *sum = sum_rows(p, gradient_rows);
    for (size_t i = tail(b); i < b->pixels * b->channels; i++) {
        const size_t c = i % b->channels;
        sum[c] += gradient_at(p, i);
        sum[b->channels + c] += gradient_at(p, i) * (double)(p->x[i] - p->coef.mean[c]);
    }
    for (size_t c = 0; c < b->channels; c++) {
        const double rstd = (double)saved[b->channels + c], scale = (double)call->param[0][c] * rstd;
        const double dgamma = sum[b->channels + c] * rstd, dbeta = sum[c], n = (double)b->pixels;
        call->dparam[0][c] = (float)dgamma;
        call->dparam[1][c] = (float)dbeta;
        fill(p, 3, c, scale * rstd * dgamma / n);
        fill(p, 4, c, scale * dbeta / n);
    }
}

static int backward(void *state, const mnas_call *call) {
    const bn *b = state;
    const float *saved = call->saved;
    pass p = {.b = b, .x = call->src[0], .dy = call->ddst, .result = call->dsrc[0], .scratch = call->scratch};
    p.coef = coefficients(&p, call->node->act);
    for (size_t c = 0; c < b->channels; c++) {
        fill(&p, 0, c, (double)saved[c]);
        fill(&p, 1, c, (double)call->param[0][c] * (double)saved[b->channels + c]);
        fill(&p, 2, c, (double)call->param[1][c]);
    }
    parameter_gradients(&p, call);
    if (!p.result) return 0;
    apply_rows(&p, backward_rows);
    for (size_t i = tail(b); i < b->pixels * b->channels; i++) {
        const size_t c = i % b->channels;
        const double d = (double)(p.x[i] - p.coef.mean[c]);
        p.result[i] = (float)((double)p.coef.scale[c] * gradient_at(&p, i) - d * (double)p.coef.slope[c] -
                              (double)p.coef.offset[c]);
    }
    return 0;
}

const mnas_kernel mnas_kernel_bn = {"batch-norm", supports, create, forward, backward, free};
