/* gp_settings.c - the settings of a Gaussian process from its data: the largest posterior, found by Rprop (Riedmiller & Braun
 * 1993: the sign of a slope, and a step for each setting), which needs no scale of the slopes and no line search.
 *
 * Everything is done on logs. The prior is wide and keeps what the data say nothing about where it began. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"
#include "strategy/gp_internal.h"

static const double PRIOR_SD_W = 2; /* of log w_t */
static const double PRIOR_W = 0.15; /* of sqrt(n_decisions) w_t: smooth, until the data say otherwise */
static const double LOWEST = -9, HIGHEST = 4; /* of a log */

static double prior_sd(size_t i) {
    return i < MNAS_GP_L ? 1.5 : i == MNAS_GP_L ? 1 : PRIOR_SD_W;
}

double mnas_gp_prior_mean(const mnas_gp *gp, size_t i) {
    static const double shares[MNAS_GP_SHARED] = {[MNAS_GP_A] = 0.5, [MNAS_GP_B] = 0.5, [MNAS_GP_C] = 0.3,
                                                  [MNAS_GP_E] = 0.3, [MNAS_GP_N] = 0.1, [MNAS_GP_L] = 1};
    return log(i < MNAS_GP_SHARED ? shares[i] : PRIOR_W / sqrt((double)gp->n_decisions));
}

static bool is_searched(const mnas_gp *gp, size_t i) {
    if (gp->n_descriptors == 0 && (i == MNAS_GP_C || i == MNAS_GP_E || i == MNAS_GP_L)) return false;
    return i < MNAS_GP_SHARED || gp->n_choices[i - MNAS_GP_SHARED] > 1;
}

/* What a search needs besides the process, for n points. */
typedef struct workspace {
    size_t n;
    const int *tokens;
    const double *descriptors, *targets;
    double *kernel;  /* packed: K, then its factor, then W = (K^-1 - a a^T) / 2 (Rasmussen & Williams, 5.9) */
    double *inverse; /* packed */
    double *columns, *a;
} workspace;

static void workspace_free(workspace *w) {
    free(w->kernel);
    free(w->inverse);
    free(w->columns);
    free(w->a);
}

static int workspace_create(workspace *w) {
    w->kernel = malloc(mnas_packed_row(w->n) * sizeof(double) + 8);
    w->inverse = malloc(mnas_packed_row(w->n) * sizeof(double) + 8);
    w->columns = malloc(w->n * w->n * sizeof(double) + 8);
    w->a = malloc(w->n * sizeof(double) + 8);
    if (w->kernel && w->inverse && w->columns && w->a) return 0;
    workspace_free(w);
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory to fit a prediction to %zu networks", w->n);
}

static mnas_gp_terms terms_at(const mnas_gp *gp, const workspace *w, size_t i, size_t j) {
    const size_t T = gp->n_decisions, D = gp->n_descriptors;
    return mnas_gp_terms_of(gp, mnas_gp_compare(gp, w->tokens + i * T, w->tokens + j * T),
                            w->descriptors + i * D, w->descriptors + j * D);
}

/* 1/2 y^T K^-1 y + sum log L_ii; leaves the factor in `kernel` and a = K^-1 y. */
static double data_term(const mnas_gp *gp, workspace *w) {
    double value = 0;
    for (size_t i = 0; i < w->n; i++) {
        for (size_t j = 0; j <= i; j++)
            w->kernel[mnas_packed_row(i) + j] = mnas_gp_sum(terms_at(gp, w, i, j));
        w->kernel[mnas_packed_row(i) + i] += exp(gp->settings[MNAS_GP_N]) + MNAS_GP_JITTER;
    }
    if (!mnas_packed_cholesky(w->kernel, 0, w->n)) return HUGE_VAL;
    memcpy(w->a, w->targets, w->n * sizeof *w->a);
    mnas_packed_forward(w->kernel, w->n, w->a);
    value = mnas_dot(w->a, w->a, w->n) / 2;
    mnas_packed_backward(w->kernel, w->n, w->a);
    for (size_t i = 0; i < w->n; i++) value += log(w->kernel[mnas_packed_row(i) + i]);
    return value;
}

/* d value / d log setting = sum_ij W_ij dK_ij / d log setting; a pair off the diagonal stands for two. */
static void add_slopes(const mnas_gp *gp, const workspace *w, size_t i, size_t j, double *gradient) {
    const size_t T = gp->n_decisions;
    const mnas_gp_terms k = terms_at(gp, w, i, j);
    const double weight = (w->inverse[mnas_packed_row(i) + j] - w->a[i] * w->a[j]) / 2 * (i == j ? 1 : 2);
    gradient[MNAS_GP_A] += weight * k.near;
    gradient[MNAS_GP_B] += weight * k.linear;
    gradient[MNAS_GP_C] += weight * k.descriptors_near;
    gradient[MNAS_GP_E] += weight * k.descriptors_linear;
    gradient[MNAS_GP_L] += weight * k.descriptors_near * 2 * k.descriptors_distance;
    if (i == j) {
        gradient[MNAS_GP_N] += weight * exp(gp->settings[MNAS_GP_N]);
        return;
    }
    const int *a = w->tokens + i * T, *b = w->tokens + j * T;
    for (size_t t = 0; t < T; t++)
        gradient[MNAS_GP_SHARED + t] -=
            weight * k.near *
            gp->table[gp->table_at[t] + (size_t)a[t] * gp->n_choices[t] + (size_t)b[t]].distance;
}

static double value_at(mnas_gp *gp, workspace *w, double *gradient) {
    double value = data_term(gp, w);
    if (gradient) memset(gradient, 0, gp->n_settings * sizeof *gradient);
    if (gradient && isfinite(value)) {
        mnas_packed_inverse(w->kernel, w->n, w->inverse, w->columns);
        for (size_t i = 0; i < w->n; i++)
            for (size_t j = 0; j <= i; j++) add_slopes(gp, w, i, j, gradient);
    }
    for (size_t i = 0; i < gp->n_settings; i++) {
        const double z = (gp->settings[i] - mnas_gp_prior_mean(gp, i)) / prior_sd(i);
        value += z * z / 2;
        if (gradient) gradient[i] = is_searched(gp, i) ? gradient[i] + z / prior_sd(i) : 0;
    }
    return value;
}

int mnas_gp_likelihood(mnas_gp *gp, const double *settings, const int *tokens, const double *descriptors,
                       const double *targets, size_t n, double *value, double *gradient) {
    workspace w = {.n = n, .tokens = tokens, .descriptors = descriptors, .targets = targets};
    int rc = workspace_create(&w);
    if (rc < 0) return rc;
    mnas_gp_set_settings(gp, settings);
    *value = value_at(gp, &w, gradient);
    workspace_free(&w);
    return 0;
}

/* ---- Rprop ---- */

typedef struct rprop {
    double *at, *best, *step, *slope, *last;
    double best_value;
} rprop;

static void take_step(rprop *r, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const double turn = r->slope[i] * r->last[i];
        if (turn > 0) r->step[i] = fmin(r->step[i] * 1.3, 0.7);
        if (turn < 0) r->step[i] = fmax(r->step[i] * 0.5, 1e-3), r->slope[i] = 0;
        r->last[i] = r->slope[i];
        if (r->slope[i] != 0) r->at[i] += r->slope[i] > 0 ? -r->step[i] : r->step[i];
        r->at[i] = fmin(fmax(r->at[i], LOWEST), HIGHEST);
    }
}

static void search(mnas_gp *gp, workspace *w, rprop *r, int n_steps) {
    memcpy(r->at, gp->settings, gp->n_settings * sizeof *r->at);
    memcpy(r->best, r->at, gp->n_settings * sizeof *r->at);
    for (size_t i = 0; i < gp->n_settings; i++) r->step[i] = 0.1;
    r->best_value = HUGE_VAL;
    for (int k = 0; k < n_steps; k++) {
        mnas_gp_set_settings(gp, r->at);
        const double value = value_at(gp, w, r->slope);
        if (value < r->best_value) {
            r->best_value = value;
            memcpy(r->best, r->at, gp->n_settings * sizeof *r->at);
        }
        take_step(r, gp->n_settings);
    }
    mnas_gp_set_settings(gp, r->best);
}

int mnas_gp_search_settings(mnas_gp *gp, const int *tokens, const double *descriptors, const double *targets,
                            size_t n, int n_steps) {
    workspace w = {.n = n, .tokens = tokens, .descriptors = descriptors, .targets = targets};
    const size_t P = gp->n_settings;
    double *numbers = calloc(5 * P, sizeof *numbers);
    if (!numbers) return mnas_error_set(MNAS_ERR_MEMORY, "no memory to fit %zu settings", P);
    int rc = workspace_create(&w);
    if (rc == 0) {
        rprop r = {numbers, numbers + P, numbers + 2 * P, numbers + 3 * P, numbers + 4 * P, 0};
        search(gp, &w, &r, n_steps);
        workspace_free(&w);
    }
    free(numbers);
    return rc;
}
