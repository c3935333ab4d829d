/* norm.c - batch-norm's passes over a piece of a tensor; see norm.h.
 *
 * The pixels that fill whole rows of `columns` go through the leaf loops (isa.h), the few behind them one by one in
 * plain C. Sums are float over BLOCK_ROWS rows and double across them.
 */
#include "kernels/norm.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/act.h"

enum { ROW_LANES = 4, BLOCK_ROWS = 64, N_TABLES = 6 };

static size_t gcd(size_t a, size_t b) {
    return b ? gcd(b, a % b) : a;
}

/* Pixels in a row, so that it is whole vectors and ROW_LANES of them at least. */
static size_t repeat_of(size_t channels) {
    const size_t lanes = mnas_isa_get()->lanes;
    size_t repeat = lanes / gcd(lanes, channels);
    while (repeat * channels < ROW_LANES * lanes) repeat *= 2;
    return repeat;
}

int mnas_norm_open(mnas_norm *out, const mnas_node *bn, int channels) {
    const mnas_act act = bn->act;
    const bool clips = act == MNAS_ACT_RELU || act == MNAS_ACT_RELU6;
    *out = (mnas_norm){.elem = bn->elem,
                       .act = act,
                       .low = clips ? 0.0f : -INFINITY,
                       .high = act == MNAS_ACT_RELU6 ? 6.0f : INFINITY,
                       .channels = (size_t)channels,
                       .repeat = repeat_of((size_t)channels),
                       .n_shares = omp_get_max_threads()};
    const size_t columns = out->columns = out->repeat * out->channels;
    const size_t sums = 2 * columns * (size_t)out->n_shares;
    out->memory = calloc(1, sums * (sizeof(double) + sizeof(float)) + N_TABLES * columns * sizeof(float));
    if (!out->memory)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: tables of batch-norm %s", bn->name);
    out->sums = out->memory;
    float **tables[N_TABLES] = {&out->shift, &out->mean, &out->scale, &out->beta, &out->slope, &out->offset};
    out->parts = (float *)(out->sums + sums);
    for (size_t i = 0; i < N_TABLES; i++) *tables[i] = out->parts + sums + i * columns;
    return 0;
}

void mnas_norm_close(mnas_norm *norm) {
    free(norm->memory);
    *norm = (mnas_norm){0};
}

void mnas_norm_clear(const mnas_norm *norm, int share) {
    memset(mnas_norm_share(norm, share), 0, 2 * norm->columns * sizeof(double));
}

double *mnas_norm_total(const mnas_norm *norm) {
    const size_t columns = norm->columns, channels = norm->channels;
    double *sum = norm->sums;
    for (int t = 1; t < norm->n_shares; t++)
        for (size_t j = 0; j < 2 * columns; j++) sum[j] += mnas_norm_share(norm, t)[j];
    for (size_t k = 0; k < 2; k++)
        for (size_t c = 0; c < channels; c++) {
            double all = 0;
            for (size_t r = 0; r < norm->repeat; r++) all += sum[k * columns + r * channels + c];
            sum[k * channels + c] = all; /* never ahead of what is still to be read */
        }
    return sum;
}

void mnas_norm_set(const mnas_norm *norm, float *table, size_t c, double value) {
    for (size_t r = 0; r < norm->repeat; r++) table[r * norm->channels + c] = (float)value;
}

/* ---- one element, for the pixels that fill no row; j is its column ---- */

static void write_at(const mnas_norm *norm, void *tensor, size_t i, double value) {
    if (norm->elem == MNAS_ELEM_BF16)
        ((uint16_t *)tensor)[i] = mnas_bf16_of((float)value);
    else
        ((float *)tensor)[i] = (float)value;
}

static double value_at(const mnas_norm *norm, double x, size_t j) {
    return (x - (double)norm->mean[j]) * (double)norm->scale[j] + (double)norm->beta[j];
}

static double gradient_at(const mnas_norm *norm, double x, double dy, size_t j) {
    return dy * mnas_act_slope(norm->act, value_at(norm, x, j));
}

/* First float behind the whole rows of n pixels. */
static size_t tail(const mnas_norm *norm, size_t n) {
    return n / norm->repeat * norm->columns;
}

/* ---- sums, block by block ---- */

typedef struct piece {
    const mnas_norm *norm;
    const void *x, *dy;
    void *g;
    float *part; /* [2, columns]: of one block */
    double *total;
} piece;

static piece piece_of(const mnas_norm *norm, const void *x, int share) {
    return (piece){.norm = norm,
                   .x = x,
                   .part = norm->parts + 2 * norm->columns * (size_t)share,
                   .total = mnas_norm_share(norm, share)};
}

typedef void block_fn(const piece *p, size_t at, size_t rows);

static void statistics_block(const piece *p, size_t at, size_t rows) {
    const mnas_norm *norm = p->norm;
    mnas_isa_of(norm->elem)
        ->bn_sums(mnas_elem_at(norm->elem, p->x, at), norm->shift, rows, norm->columns, p->part,
                  p->part + norm->columns);
}

static void gradient_block(const piece *p, size_t at, size_t rows) {
    const mnas_norm *norm = p->norm;
    mnas_isa_of(norm->elem)
        ->bn_gradient_sums(mnas_elem_at(norm->elem, p->x, at), mnas_elem_at(norm->elem, p->dy, at), norm,
                           rows, norm->columns, p->part, p->part + norm->columns,
                           p->g ? mnas_elem_of(norm->elem, p->g, at) : NULL);
}

static void sum_blocks(const piece *p, size_t n, block_fn *fn) {
    const size_t rows = n / p->norm->repeat, columns = p->norm->columns;
    for (size_t i = 0; i < rows; i += BLOCK_ROWS) {
        fn(p, i * columns, rows - i < BLOCK_ROWS ? rows - i : BLOCK_ROWS);
        mnas_isa_get()->accumulate(p->part, 2 * columns, p->total);
    }
}

void mnas_norm_add_sums(const mnas_norm *norm, const void *x, size_t n, int share) {
    const piece p = piece_of(norm, x, share);
    sum_blocks(&p, n, statistics_block);
    const size_t first = tail(norm, n);
    for (size_t i = first; i < n * norm->channels; i++) {
        const size_t j = i - first;
        const double d = mnas_elem_value(norm->elem, x, i) - (double)norm->shift[j];
        p.total[j] += d;
        p.total[norm->columns + j] += d * d;
    }
}

void mnas_norm_add_gradient_sums(const mnas_norm *norm, const void *x, const void *dy, size_t n, void *g,
                                 int share) {
    piece p = piece_of(norm, x, share);
    p.dy = dy;
    p.g = g;
    sum_blocks(&p, n, gradient_block);
    const size_t first = tail(norm, n);
    for (size_t i = first; i < n * norm->channels; i++) {
        const size_t j = i - first;
        const double passed =
            gradient_at(norm, mnas_elem_value(norm->elem, x, i), mnas_elem_value(norm->elem, dy, i), j);
        p.total[j] += passed;
        p.total[norm->columns + j] += passed * (mnas_elem_value(norm->elem, x, i) - (double)norm->mean[j]);
        if (g) write_at(norm, g, i, passed);
    }
}

/* ---- element by element ---- */

static void apply_tail(const mnas_norm *norm, const void *x, size_t n, void *y) {
    const size_t first = tail(norm, n);
    for (size_t i = first; i < n * norm->channels; i++)
        write_at(norm, y, i,
                 mnas_act_value(norm->act, value_at(norm, mnas_elem_value(norm->elem, x, i), i - first)));
}

void mnas_norm_apply(const mnas_norm *norm, const void *x, size_t n, void *y) {
    mnas_isa_of(norm->elem)->bn_apply(x, norm, n / norm->repeat, norm->columns, y);
    apply_tail(norm, x, n, y);
}

void mnas_norm_apply_stream(const mnas_norm *norm, const void *x, size_t n, void *y) {
    mnas_isa_of(norm->elem)->bn_apply_stream(x, norm, n / norm->repeat, norm->columns, y);
    apply_tail(norm, x, n, y);
}

/* With slope = scale rstd dgamma / n and offset = scale dbeta / n this is batch-norm's own formula. */
void mnas_norm_gradient(const mnas_norm *norm, const void *x, const void *dy, size_t n, void *dx) {
    const mnas_act act = norm->by_consumer ? MNAS_ACT_NONE : norm->act;
    mnas_isa_of(norm->elem)->bn_gradient(x, dy, norm, act, n / norm->repeat, norm->columns, dx);
    const size_t first = tail(norm, n);
    for (size_t i = first; i < n * norm->channels; i++) {
        const size_t j = i - first;
        const double g = norm->by_consumer ? mnas_elem_value(norm->elem, dy, i)
                                           : gradient_at(norm, mnas_elem_value(norm->elem, x, i),
                                                         mnas_elem_value(norm->elem, dy, i), j);
        const double d = mnas_elem_value(norm->elem, x, i) - (double)norm->mean[j];
        write_at(norm, dx, i,
                 (double)norm->scale[j] * g - d * (double)norm->slope[j] - (double)norm->offset[j]);
    }
}
