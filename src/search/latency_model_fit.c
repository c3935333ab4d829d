/* latency_model_fit.c - rates and corrections from measured networks; see latency_model.h for what they are.
 *
 * All errors are relative: a row is divided by its network's latency, and by the noise of its measurement. What has to be
 * chosen (how smooth the correction is, how much of what is left is noise) is chosen by the leave-one-out error of the Gaussian
 * process, inside the networks given: whoever wants to know the error leaves networks out before (latency_model_check.c).
 */
#include "search/latency_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/linalg.h"

enum { F = MNAS_LM_FEATURES };

static const double ridge = 1e-3; /* of the mean square of a column */
static const double scales[] = {1, 2, 4, 8};
/* Noise over what the correction explains, root mean square of a network. */
static const double noises[] = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2};
enum { N_SCALES = sizeof scales / sizeof *scales, N_NOISES = sizeof noises / sizeof *noises };

typedef struct fit {
    mnas_arena *arena;
    int n;                     /* networks */
    const mnas_lm_sample **of; /* [n] */
    int **knot;                /* [n][net.n]: which of `layer` each of its layers is */
    int n_knots, n_kinds;
    mnas_lm_layer *layer; /* [n_knots] different ones, in order of kind */
    int *kind, *begin;    /* [n_knots]; [n_kinds + 1]: the knots of kind k are begin[k] .. begin[k+1]-1 */
    double *rate;         /* [n_kinds, F] */
    double *base_ms;      /* [n_knots] by the rates */
    double *left;         /* [n] share of its latency that the rates leave over */
    double *kernel;       /* [n_knots, n_knots], of one kind only; else 0 */
    double *reach; /* [n, n_knots] sum over a network's layers of base_ms times kernel, over its latency */
    double *covariance, *factor;        /* [n, n] */
    double *alpha, *diagonal, *scratch; /* [n] */
    double *weight;                     /* [n_knots] */
} fit;

static void *take(fit *f, size_t n, size_t bytes) {
    return mnas_arena_alloc(f->arena, (n ? n : 1) * bytes);
}

/* ---- the layers there are ---- */

static int compare_layers(const void *a, const void *b) {
    return memcmp(a, b, sizeof(mnas_lm_layer));
}

static int count_layers(const fit *f) {
    int n = 0;
    for (int i = 0; i < f->n; i++) n += f->of[i]->net.n;
    return n;
}

static int collect_knots(fit *f) {
    const int n_all = count_layers(f);
    f->layer = take(f, (size_t)n_all, sizeof *f->layer);
    f->kind = take(f, (size_t)n_all, sizeof *f->kind);
    f->begin = take(f, (size_t)n_all + 1, sizeof *f->begin);
    if (!f->layer || !f->kind || !f->begin) return MNAS_ERR_MEMORY;
    mnas_lm_layer *to = f->layer;
    for (int i = 0; i < f->n; to += f->of[i]->net.n, i++)
        memcpy(to, f->of[i]->net.layers, (size_t)f->of[i]->net.n * sizeof *to);
    qsort(f->layer, (size_t)n_all, sizeof *f->layer, compare_layers);
    for (int i = 0; i < n_all; i++) {
        const mnas_lm_layer layer = f->layer[i];
        if (f->n_knots > 0 && compare_layers(&f->layer[f->n_knots - 1], &layer) == 0) continue;
        if (f->n_knots == 0 || strcmp(f->layer[f->n_knots - 1].kind, layer.kind) != 0)
            f->begin[f->n_kinds++] = f->n_knots;
        f->kind[f->n_knots] = f->n_kinds - 1;
        f->layer[f->n_knots++] = layer;
    }
    f->begin[f->n_kinds] = f->n_knots;
    return 0;
}

static int find_knots(fit *f) {
    if (!(f->knot = take(f, (size_t)f->n, sizeof *f->knot))) return MNAS_ERR_MEMORY;
    for (int i = 0; i < f->n; i++) {
        const mnas_lm_net *net = &f->of[i]->net;
        if (!(f->knot[i] = take(f, (size_t)net->n, sizeof **f->knot))) return MNAS_ERR_MEMORY;
        for (int l = 0; l < net->n; l++) {
            const mnas_lm_layer *at =
                bsearch(&net->layers[l], f->layer, (size_t)f->n_knots, sizeof *f->layer, compare_layers);
            f->knot[i][l] = (int)(at - f->layer);
        }
    }
    return 0;
}

/* ---- rates ---- */

/* Row i: the features of its layers, summed by kind, over its latency. */
static void design_row(const fit *f, int i, double *row) {
    const mnas_lm_sample *s = f->of[i];
    memset(row, 0, (size_t)(f->n_kinds * F) * sizeof *row);
    for (int l = 0; l < s->net.n; l++) {
        double feature[F];
        mnas_lm_features(feature, &s->net.layers[l]);
        double *of_kind = &row[f->kind[f->knot[i][l]] * F];
        for (int c = 0; c < F; c++) of_kind[c] += feature[c] / s->ms;
    }
}

/* rate = arg min sum_i (1 - row_i . rate)^2 / noise_i^2 + ridge * n * sum_c mean_square_c rate_c^2,  rate >= 0 */
static int fit_rates(fit *f) {
    const size_t n = (size_t)(f->n_kinds * F);
    double *gram = take(f, n * n, sizeof *gram), *right = take(f, n, sizeof *right);
    double *row = take(f, n, sizeof *row);
    if (!gram || !right || !row || !(f->rate = take(f, n, sizeof *f->rate))) return MNAS_ERR_MEMORY;
    for (int i = 0; i < f->n; i++) {
        const double share = 1 / (f->of[i]->noise * f->of[i]->noise);
        design_row(f, i, row);
        for (size_t a = 0; a < n; a++) {
            right[a] += share * row[a];
            for (size_t b = 0; row[a] > 0 && b < n; b++) gram[a * n + b] += share * row[a] * row[b];
        }
    }
    for (size_t a = 0; a < n; a++) {
        gram[a * n + a] *= 1 + ridge;
        if (gram[a * n + a] <= 0) gram[a * n + a] = 1; /* a feature that this kind has not */
    }
    mnas_nonnegative_solve(f->rate, gram, right, n);
    return 0;
}

static int apply_rates(fit *f) {
    f->base_ms = take(f, (size_t)f->n_knots, sizeof *f->base_ms);
    f->left = take(f, (size_t)f->n, sizeof *f->left);
    if (!f->base_ms || !f->left) return MNAS_ERR_MEMORY;
    for (int u = 0; u < f->n_knots; u++) {
        double feature[F];
        mnas_lm_features(feature, &f->layer[u]);
        f->base_ms[u] = mnas_dot(feature, &f->rate[f->kind[u] * F], F);
    }
    for (int i = 0; i < f->n; i++) {
        double sum = 0;
        for (int l = 0; l < f->of[i]->net.n; l++) sum += f->base_ms[f->knot[i][l]];
        f->left[i] = 1 - sum / f->of[i]->ms;
    }
    return 0;
}

/* ---- the correction ---- */

/* exp(-|x_a - x_b|^2 / (2 scale^2)) within a kind */
static void fill_kernel(fit *f, double scale) {
    const size_t n = (size_t)f->n_knots;
    for (int a = 0; a < f->n_knots; a++) {
        double x[MNAS_LM_DIMS], y[MNAS_LM_DIMS];
        mnas_lm_place(x, &f->layer[a]);
        for (int b = f->begin[f->kind[a]]; b < f->begin[f->kind[a] + 1]; b++) {
            double sum = 0;
            mnas_lm_place(y, &f->layer[b]);
            for (int d = 0; d < MNAS_LM_DIMS; d++) sum += (x[d] - y[d]) * (x[d] - y[d]);
            f->kernel[(size_t)a * n + (size_t)b] = exp(-sum / (2 * scale * scale));
        }
    }
}

/* reach[i, u] = sum_{l in i} base_l k(l, u) / ms_i;   covariance[i, j] = sum_{l in j} base_l reach[i, l] / ms_j */
static void fill_covariance(fit *f) {
    const size_t n = (size_t)f->n, n_knots = (size_t)f->n_knots;
    memset(f->reach, 0, n * n_knots * sizeof *f->reach);
    for (size_t i = 0; i < n; i++) {
        for (int l = 0; l < f->of[i]->net.n; l++) {
            const int a = f->knot[i][l], k = f->kind[a];
            const double share = f->base_ms[a] / f->of[i]->ms;
            for (int b = f->begin[k]; b < f->begin[k + 1]; b++)
                f->reach[i * n_knots + (size_t)b] += share * f->kernel[(size_t)a * n_knots + (size_t)b];
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < f->of[j]->net.n; l++)
                sum += f->base_ms[f->knot[j][l]] * f->reach[i * n_knots + (size_t)f->knot[j][l]];
            f->covariance[i * n + j] = sum / f->of[j]->ms;
        }
    }
}

/* alpha = (covariance + mean variance * noise^2 * diag)^-1 left */
static bool solve(fit *f, double noise) {
    const size_t n = (size_t)f->n;
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += f->covariance[i * n + i] / (double)n;
    memcpy(f->factor, f->covariance, n * n * sizeof *f->factor);
    for (size_t i = 0; i < n; i++) {
        const double sd = noise * f->of[i]->noise;
        f->factor[i * n + i] += mean * sd * sd + 1e-12;
    }
    if (!mnas_cholesky(f->factor, n)) return false;
    memcpy(f->alpha, f->left, n * sizeof *f->alpha);
    mnas_cholesky_solve(f->factor, n, f->alpha);
    return true;
}

/* Mean |error| of each network guessed from the others: alpha_i / (inverse)_ii (Rasmussen & Williams 5.12). */
static double leave_one_out(fit *f) {
    double sum = 0, all = 0;
    mnas_cholesky_inverse_diagonal(f->factor, (size_t)f->n, f->diagonal, f->scratch);
    for (int i = 0; i < f->n; i++) {
        sum += fabs(f->alpha[i] / f->diagonal[i]) / f->of[i]->noise;
        all += 1 / f->of[i]->noise;
    }
    return sum / all;
}

static void choose(fit *f, double *scale, double *noise) {
    double best = INFINITY;
    for (int s = 0; s < N_SCALES; s++) {
        fill_kernel(f, scales[s]);
        fill_covariance(f);
        for (int k = 0; k < N_NOISES; k++) {
            const double error = solve(f, noises[k]) ? leave_one_out(f) : INFINITY;
            if (!(error < best)) continue;
            best = error;
            *scale = scales[s];
            *noise = noises[k];
        }
    }
}

static int alloc_correction(fit *f) {
    const size_t n = (size_t)f->n, n_knots = (size_t)f->n_knots;
    f->kernel = take(f, n_knots * n_knots, sizeof *f->kernel);
    f->reach = take(f, n * n_knots, sizeof *f->reach);
    f->covariance = take(f, n * n, sizeof *f->covariance);
    f->factor = take(f, n * n, sizeof *f->factor);
    f->alpha = take(f, n, sizeof *f->alpha);
    f->diagonal = take(f, n, sizeof *f->diagonal);
    f->scratch = take(f, n, sizeof *f->scratch);
    f->weight = take(f, n_knots, sizeof *f->weight);
    return f->kernel && f->reach && f->covariance && f->factor && f->alpha && f->diagonal && f->scratch &&
                   f->weight
               ? 0
               : MNAS_ERR_MEMORY;
}

/* left(i) = sum_u reach[i, u] weight_u with weight_u = base_u sum_{j: u in j} alpha_j / ms_j */
static int fit_correction(fit *f, double *scale) {
    double noise = noises[N_NOISES - 1];
    int rc = alloc_correction(f);
    if (rc < 0) return rc;
    *scale = scales[N_SCALES - 1];
    choose(f, scale, &noise);
    fill_kernel(f, *scale);
    fill_covariance(f);
    if (!solve(f, noise)) return 0; /* rates alone */
    for (int j = 0; j < f->n; j++)
        for (int l = 0; l < f->of[j]->net.n; l++) {
            const int u = f->knot[j][l];
            f->weight[u] += f->base_ms[u] * f->alpha[j] / f->of[j]->ms;
        }
    return 0;
}

/* ---- the model ---- */

static int fill_kind(mnas_lm_kind *out, const fit *f, int k) {
    const int n = f->begin[k + 1] - f->begin[k];
    memcpy(out->name, f->layer[f->begin[k]].kind, sizeof out->name);
    memcpy(out->rate, &f->rate[k * F], sizeof out->rate);
    if (!(out->knots = calloc((size_t)n, sizeof *out->knots)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d layers of a latency model", n);
    out->n_knots = n;
    for (int u = 0; u < n; u++) {
        mnas_lm_knot *knot = &out->knots[u];
        knot->layer = f->layer[f->begin[k] + u];
        knot->weight = f->weight[f->begin[k] + u];
        mnas_lm_place(knot->place, &knot->layer);
    }
    return 0;
}

static void find_ranges(mnas_latency_model *model, const fit *f) {
    double ms = 0, mmacs = 0;
    for (int u = 0; u < f->n_knots; u++) {
        const mnas_lm_layer *l = &f->layer[u];
        const int width = l->in_c > l->out_c ? l->in_c : l->out_c;
        if (l->in_size > model->largest_map) model->largest_map = l->in_size;
        if (width > model->largest_width) model->largest_width = width;
    }
    for (int i = 0; i < f->n; i++) {
        ms += f->of[i]->ms;
        mmacs += (double)f->of[i]->net.macs / 1e6;
    }
    model->ms_per_mmacs = mmacs > 0 ? ms / mmacs : 0;
}

static int make_model(mnas_latency_model **out, const fit *f, double scale) {
    mnas_latency_model *model = calloc(1, sizeof *model);
    if (model) model->kinds = calloc((size_t)f->n_kinds, sizeof *model->kinds);
    if (!model || !model->kinds) {
        free(model);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latency model");
    }
    model->n_kinds = f->n_kinds;
    model->scale = scale;
    find_ranges(model, f);
    int rc = 0;
    for (int k = 0; k < f->n_kinds && rc == 0; k++) rc = fill_kind(&model->kinds[k], f, k);
    if (rc == 0)
        *out = model;
    else
        mnas_latency_model_free(model);
    return rc;
}

int mnas_lm_fit(mnas_latency_model **out, const mnas_lm_sample *samples, const int *index, int n) {
    double scale;
    fit f = {.arena = mnas_arena_create(), .n = n};
    *out = NULL;
    if (!f.arena || !(f.of = take(&f, (size_t)n, sizeof *f.of))) {
        mnas_arena_destroy(f.arena);
        return MNAS_ERR_MEMORY;
    }
    for (int i = 0; i < n; i++) f.of[i] = &samples[index[i]];
    int rc = collect_knots(&f);
    if (rc == 0) rc = find_knots(&f);
    if (rc == 0) rc = fit_rates(&f);
    if (rc == 0) rc = apply_rates(&f);
    if (rc == 0) rc = fit_correction(&f, &scale);
    if (rc == 0) rc = make_model(out, &f, scale);
    mnas_arena_destroy(f.arena);
    return rc;
}
