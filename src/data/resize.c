/* resize.c - separable resampling with weights computed once for each axis. Knows no files and no formats.
 *
 * Invariants: the weights of an output pixel are positive and add up to 1, so that a constant stays that constant.
 */
#include "data/resize.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"

/* Output i = sum over k < n of weights[k] * input[first + k]. */
typedef struct taps {
    int first, n;
    float *weights;
} taps;

typedef struct axis {
    int n_in, n_out;
    taps *taps;     /* [n_out] */
    float *weights; /* of all */
} axis;

struct mnas_resize {
    axis y, x;
    int channels;
    float *sum; /* [in_width, channels]: an output row before its columns are taken together */
};

mnas_square mnas_resize_centre(int height, int width) {
    int side = height < width ? height : width;
    return (mnas_square){side, (height - side) / 2, (width - side) / 2};
}

/* [i s, (i+1) s) over unit pixels: each weighs what of it lies inside, over s. */
static void area_taps(taps *t, int i, double s, int n_in) {
    double from = i * s, to = from + s, total = 0;
    t->first = (int)from;
    int last = (int)ceil(to - 1e-9) - 1;
    if (last >= n_in) last = n_in - 1;
    t->n = last - t->first + 1;
    for (int k = 0; k < t->n; k++) {
        double low = fmax(from, t->first + k), high = fmin(to, t->first + k + 1);
        t->weights[k] = (float)(high - low);
        total += high - low;
    }
    for (int k = 0; k < t->n; k++) t->weights[k] = (float)(t->weights[k] / total);
}

/* The centre of output i lies at (i + 1/2) s, that of input j at j + 1/2. */
static void linear_taps(taps *t, int i, double s, int n_in) {
    double at = (i + 0.5) * s - 0.5;
    at = fmin(fmax(at, 0), n_in - 1);
    t->first = (int)at;
    t->n = t->first + 1 < n_in ? 2 : 1;
    double right = at - t->first;
    t->weights[0] = (float)(1 - (t->n == 2 ? right : 0));
    if (t->n == 2) t->weights[1] = (float)right;
}

static int axis_create(axis *a, int n_in, int n_out) {
    double s = (double)n_in / n_out;
    size_t most = s >= 1 ? (size_t)s + 3 : 2;
    a->n_in = n_in, a->n_out = n_out;
    a->taps = calloc((size_t)n_out, sizeof *a->taps);
    a->weights = malloc((size_t)n_out * most * sizeof *a->weights);
    if (!a->taps || !a->weights)
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory to resize from %d to %d pixels", n_in, n_out);
    for (int i = 0; i < n_out; i++) {
        a->taps[i].weights = a->weights + (size_t)i * most;
        (s >= 1 ? area_taps : linear_taps)(&a->taps[i], i, s, n_in);
    }
    return 0;
}

int mnas_resize_create(mnas_resize **out, int in_height, int in_width, int out_height, int out_width,
                       int channels) {
    assert(in_height > 0 && in_width > 0 && out_height > 0 && out_width > 0);
    assert(channels >= 1 && channels <= 4);
    *out = NULL;
    mnas_resize *r = calloc(1, sizeof *r);
    if (!r) return mnas_error_set(MNAS_ERR_MEMORY, "no memory to resize an image");
    r->channels = channels;
    int rc = axis_create(&r->y, in_height, out_height);
    if (rc == 0) rc = axis_create(&r->x, in_width, out_width);
    if (rc == 0 && !(r->sum = malloc((size_t)in_width * (size_t)channels * sizeof *r->sum)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory to resize rows of %d pixels", in_width);
    if (rc == 0)
        *out = r;
    else
        mnas_resize_destroy(r);
    return rc;
}

void mnas_resize_destroy(mnas_resize *resize) {
    if (!resize) return;
    free(resize->y.taps), free(resize->y.weights);
    free(resize->x.taps), free(resize->x.weights);
    free(resize->sum);
    free(resize);
}

/* sum[j] = sum over rows of weight * in[row, j]: the inner loop runs along the row and vectorises. */
static void add_rows(float *sum, size_t n, const taps *t, const uint8_t *in, size_t row_bytes) {
    for (size_t j = 0; j < n; j++) sum[j] = 0;
    for (int k = 0; k < t->n; k++) {
        const uint8_t *row = in + (size_t)(t->first + k) * row_bytes;
        float weight = t->weights[k];
        for (size_t j = 0; j < n; j++) sum[j] += weight * (float)row[j];
    }
}

static void add_columns(uint8_t *out, const float *sum, const axis *x, int channels) {
    for (int i = 0; i < x->n_out; i++)
        for (int c = 0; c < channels; c++) {
            const taps *t = &x->taps[i];
            float v = 0.5f;
            for (int k = 0; k < t->n; k++) v += t->weights[k] * sum[(t->first + k) * channels + c];
            *out++ = (uint8_t)(v > 255 ? 255 : v);
        }
}

void mnas_resize_apply(mnas_resize *r, uint8_t *out, const uint8_t *in, size_t in_row_bytes) {
    size_t n = (size_t)r->x.n_in * (size_t)r->channels;
    for (int i = 0; i < r->y.n_out; i++, out += r->x.n_out * r->channels) {
        add_rows(r->sum, n, &r->y.taps[i], in, in_row_bytes);
        add_columns(out, r->sum, &r->x, r->channels);
    }
}
