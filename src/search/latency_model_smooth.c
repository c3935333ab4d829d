/* latency_model_smooth.c - the correction of a latency model: a smooth function of a layer's sizes, for each kind.
 *
 * Two Gaussian processes one behind the other, of the same kernel. The first learns from single layers, where they were timed, how
 * far each is from what the rates say; the second from whole networks what is left then. A sum of layers is a linear function of
 * the correction, so that the covariance of two networks is the sum over pairs of their layers.
 *
 * How smooth it is, and how much of what is left is noise, is chosen by the leave-one-out error of the second, inside the
 * networks given: whoever wants to know the error leaves networks out before (latency_model_check.c).
 */
#include "search/latency_model_fit.h"

#include <math.h>
#include <string.h>

#include "base/linalg.h"

static const double scales[] = {1, 2, 4, 8}; /* in doublings of a size */
/* Noise over what the correction explains, root mean square of a network. */
static const double noises[] = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2};
enum { N_SCALES = sizeof scales / sizeof *scales, N_NOISES = sizeof noises / sizeof *noises };
/* Of a single layer's time, variance over that of the correction: it was timed in other surroundings. */
static const double layer_noise = 0.1;
/* What a time may say of a layer at most, as share of the rates' time: beyond, the rates are wrong and not the layer. */
static const double least_share = -0.75, most_share = 3;

typedef struct smooth {
    mnas_lm_work *w;
    double *kernel;        /* [n_knots, n_knots], within a kind; else 0 */
    double *block, *right; /* [n_knots, n_knots], [n_knots]: one kind's system of single layers */
    int *timed;            /* [n_knots] */
    double *layer_weight;  /* [n_knots] of the first process */
    double *left;          /* [n] share of its latency that rates and single layers leave over */
    double *reach; /* [n, n_knots] sum over a network's layers of base_ms times kernel, over its latency */
    double *covariance, *factor;        /* [n, n] */
    double *alpha, *diagonal, *scratch; /* [n] */
} smooth;

/* exp(-|x_a - x_b|^2 / (2 scale^2)) within a kind */
static void fill_kernel(smooth *s, double scale) {
    const mnas_lm_work *w = s->w;
    for (int a = 0; a < w->n_knots; a++) {
        double x[MNAS_LM_DIMS], y[MNAS_LM_DIMS];
        mnas_lm_place(x, &w->layer[a]);
        for (int b = w->begin[w->kind[a]]; b < w->begin[w->kind[a] + 1]; b++) {
            mnas_lm_place(y, &w->layer[b]);
            s->kernel[(size_t)a * (size_t)w->n_knots + (size_t)b] =
                exp(-mnas_lm_distance2(x, y) / (2 * scale * scale));
        }
    }
}

/* ---- from single layers ---- */

/* (K + layer_noise I) weight = timed / base - 1, over the knots of kind k that were timed */
static void smooth_kind(smooth *s, int k) {
    const mnas_lm_work *w = s->w;
    size_t n = 0;
    for (int u = w->begin[k]; u < w->begin[k + 1]; u++) {
        s->layer_weight[u] = 0;
        if (!(w->timed_ms[u] > 0 && w->base_ms[u] > 0)) continue;
        s->right[n] = fmin(fmax(w->timed_ms[u] / w->base_ms[u] - 1, least_share), most_share);
        s->timed[n++] = u;
    }
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++)
            s->block[a * n + b] = s->kernel[(size_t)s->timed[a] * (size_t)w->n_knots + (size_t)s->timed[b]] +
                                  (a == b ? layer_noise : 0);
    if (n == 0 || !mnas_cholesky(s->block, n)) return;
    mnas_cholesky_solve(s->block, n, s->right);
    for (size_t a = 0; a < n; a++) s->layer_weight[s->timed[a]] = s->right[a];
}

/* base_ms (1 + correction so far) */
static double corrected_ms(const smooth *s, int u) {
    const mnas_lm_work *w = s->w;
    const int begin = w->begin[w->kind[u]], end = w->begin[w->kind[u] + 1];
    const double *row = &s->kernel[(size_t)u * (size_t)w->n_knots];
    return w->base_ms[u] * (1 + mnas_dot(&row[begin], &s->layer_weight[begin], (size_t)(end - begin)));
}

static void smooth_layers(smooth *s) {
    const mnas_lm_work *w = s->w;
    for (int k = 0; k < w->n_kinds; k++) smooth_kind(s, k);
    for (int u = 0; u < w->n_knots; u++) s->right[u] = corrected_ms(s, u);
    for (int i = 0; i < w->n; i++) {
        double sum = 0;
        for (int l = 0; l < w->of[i]->net.n; l++) sum += s->right[w->knot[i][l]];
        s->left[i] = 1 - sum / w->of[i]->ms;
    }
}

/* ---- from networks ---- */

/* reach[i, u] = sum_{l in i} base_l k(l, u) / ms_i */
static void fill_reach(smooth *s) {
    const mnas_lm_work *w = s->w;
    const size_t n_knots = (size_t)w->n_knots;
    memset(s->reach, 0, (size_t)w->n * n_knots * sizeof *s->reach);
    for (int i = 0; i < w->n; i++) {
        double *row = &s->reach[(size_t)i * n_knots];
        for (int l = 0; l < w->of[i]->net.n; l++) {
            const int a = w->knot[i][l], k = w->kind[a];
            const double share = w->base_ms[a] / w->of[i]->ms;
            for (int b = w->begin[k]; b < w->begin[k + 1]; b++)
                row[b] += share * s->kernel[(size_t)a * n_knots + (size_t)b];
        }
    }
}

/* covariance[i, j] = sum_{l in j} base_l reach[i, l] / ms_j */
static void fill_covariance(smooth *s) {
    const mnas_lm_work *w = s->w;
    const size_t n = (size_t)w->n;
    fill_reach(s);
    for (size_t i = 0; i < n; i++) {
        const double *reach = &s->reach[i * (size_t)w->n_knots];
        for (size_t j = 0; j <= i; j++) {
            double sum = 0;
            for (int l = 0; l < w->of[j]->net.n; l++) sum += w->base_ms[w->knot[j][l]] * reach[w->knot[j][l]];
            s->covariance[i * n + j] = sum / w->of[j]->ms;
        }
    }
}

/* alpha = (covariance + mean variance * noise^2 * diag)^-1 left */
static bool solve(smooth *s, double noise) {
    const size_t n = (size_t)s->w->n;
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += s->covariance[i * n + i] / (double)n;
    memcpy(s->factor, s->covariance, n * n * sizeof *s->factor);
    for (size_t i = 0; i < n; i++) {
        const double sd = noise * s->w->of[i]->noise;
        s->factor[i * n + i] += mean * sd * sd + 1e-12;
    }
    if (!mnas_cholesky(s->factor, n)) return false;
    memcpy(s->alpha, s->left, n * sizeof *s->alpha);
    mnas_cholesky_solve(s->factor, n, s->alpha);
    return true;
}

/* Mean |error| of each network guessed from the others: alpha_i / (inverse)_ii (Rasmussen & Williams 5.12). */
static double leave_one_out(smooth *s) {
    const mnas_lm_work *w = s->w;
    double sum = 0, all = 0;
    mnas_cholesky_inverse_diagonal(s->factor, (size_t)w->n, s->diagonal, s->scratch);
    for (int i = 0; i < w->n; i++) {
        sum += fabs(s->alpha[i] / s->diagonal[i]) / w->of[i]->noise;
        all += 1 / w->of[i]->noise;
    }
    return sum / all;
}

static void prepare(smooth *s, double scale) {
    fill_kernel(s, scale);
    smooth_layers(s);
    fill_covariance(s);
}

static void choose(smooth *s, double *scale, double *noise) {
    double best = INFINITY;
    for (int i = 0; i < N_SCALES; i++) {
        prepare(s, scales[i]);
        for (int k = 0; k < N_NOISES; k++) {
            const double error = solve(s, noises[k]) ? leave_one_out(s) : INFINITY;
            if (!(error < best)) continue;
            best = error;
            *scale = scales[i];
            *noise = noises[k];
        }
    }
}

static bool alloc(smooth *s, mnas_lm_work *w) {
    const size_t n = (size_t)w->n, n_knots = (size_t)w->n_knots;
    s->kernel = mnas_lm_take(w, n_knots * n_knots, sizeof *s->kernel);
    s->block = mnas_lm_take(w, n_knots * n_knots, sizeof *s->block);
    s->right = mnas_lm_take(w, n_knots, sizeof *s->right);
    s->timed = mnas_lm_take(w, n_knots, sizeof *s->timed);
    s->layer_weight = mnas_lm_take(w, n_knots, sizeof *s->layer_weight);
    s->left = mnas_lm_take(w, n, sizeof *s->left);
    s->reach = mnas_lm_take(w, n * n_knots, sizeof *s->reach);
    s->covariance = mnas_lm_take(w, n * n, sizeof *s->covariance);
    s->factor = mnas_lm_take(w, n * n, sizeof *s->factor);
    s->alpha = mnas_lm_take(w, n, sizeof *s->alpha);
    s->diagonal = mnas_lm_take(w, n, sizeof *s->diagonal);
    s->scratch = mnas_lm_take(w, n, sizeof *s->scratch);
    w->weight = mnas_lm_take(w, n_knots, sizeof *w->weight);
    return s->kernel && s->block && s->right && s->timed && s->layer_weight && s->left && s->reach &&
           s->covariance && s->factor && s->alpha && s->diagonal && s->scratch && w->weight;
}

/* left(i) = sum_u reach[i, u] weight_u with weight_u = base_u sum_{j: u in j} alpha_j / ms_j */
int mnas_lm_smooth(mnas_lm_work *w, double *scale) {
    smooth s = {.w = w};
    double noise = noises[N_NOISES - 1];
    if (!alloc(&s, w)) return MNAS_ERR_MEMORY;
    *scale = scales[N_SCALES - 1];
    choose(&s, scale, &noise);
    prepare(&s, *scale);
    memcpy(w->weight, s.layer_weight, (size_t)w->n_knots * sizeof *w->weight);
    if (!solve(&s, noise)) return 0; /* single layers alone */
    for (int j = 0; j < w->n; j++)
        for (int l = 0; l < w->of[j]->net.n; l++) {
            const int u = w->knot[j][l];
            w->weight[u] += w->base_ms[u] * s.alpha[j] / w->of[j]->ms;
        }
    return 0;
}
