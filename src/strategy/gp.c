/* gp.c - see gp.h: the kernel, the factor that grows, and predictions. */
#include "strategy/gp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"
#include "strategy/gp_internal.h"

/* ---- life ---- */

/* How many choices have a smaller value. */
static double rank_of(const mnas_decision *d, int k) {
    int rank = 0;
    for (int j = 0; j < d->n_choices; j++) rank += d->values[j] < d->values[k];
    return rank;
}

static void fill_distances(mnas_gp *gp, size_t t, const mnas_decision *d) {
    const double scale = d->n_choices > 1 ? 1.0 / (d->n_choices - 1) : 0;
    double *out = gp->distance + gp->table_at[t];
    for (int a = 0; a < d->n_choices; a++)
        for (int b = 0; b < d->n_choices; b++)
            *out++ = d->ordinal && d->values ? pow((rank_of(d, a) - rank_of(d, b)) * scale, 2) : a != b;
}

int mnas_gp_create(mnas_gp *gp, const mnas_decision *decisions, size_t n_decisions, size_t n_descriptors) {
    size_t n_entries = 0;
    *gp = (mnas_gp){.n_decisions = n_decisions,
                    .n_descriptors = n_descriptors,
                    .n_settings = MNAS_GP_SHARED + n_decisions};
    gp->n_choices = calloc(2 * n_decisions, sizeof *gp->n_choices);
    gp->table_at = gp->n_choices ? gp->n_choices + n_decisions : NULL;
    for (size_t t = 0; t < n_decisions && gp->n_choices; t++) {
        gp->n_choices[t] = (size_t)decisions[t].n_choices;
        gp->table_at[t] = n_entries;
        n_entries += gp->n_choices[t] * gp->n_choices[t];
    }
    gp->distance = calloc(n_entries + 1, sizeof *gp->distance);
    gp->table = calloc(n_entries + 1, sizeof *gp->table);
    gp->settings = calloc(gp->n_settings, sizeof *gp->settings);
    if (!gp->n_choices || !gp->distance || !gp->table || !gp->settings) {
        mnas_gp_destroy(gp);
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a prediction over %zu decisions", n_decisions);
    }
    for (size_t t = 0; t < n_decisions; t++) fill_distances(gp, t, &decisions[t]);
    for (size_t i = 0; i < gp->n_settings; i++) gp->settings[i] = mnas_gp_prior_mean(gp, i);
    mnas_gp_set_settings(gp, gp->settings);
    return 0;
}

void mnas_gp_destroy(mnas_gp *gp) {
    free(gp->n_choices);
    free(gp->distance);
    free(gp->table);
    free(gp->settings);
    free(gp->tokens);
    free(gp->descriptors);
    free(gp->factor);
    free(gp->weights);
    free(gp->row);
    *gp = (mnas_gp){0};
}

/* ---- kernel ---- */

void mnas_gp_set_settings(mnas_gp *gp, const double *settings) {
    const double T = (double)gp->n_decisions;
    if (settings != gp->settings) memcpy(gp->settings, settings, gp->n_settings * sizeof *settings);
    for (size_t t = 0; t < gp->n_decisions; t++) {
        const double w = exp(gp->settings[MNAS_GP_SHARED + t]);
        const size_t n = gp->n_choices[t], at = gp->table_at[t];
        for (size_t i = 0; i < n * n; i++)
            gp->table[at + i] =
                (mnas_gp_pair){w * gp->distance[at + i], ((i % n == i / n) - 1 / (double)n) / T};
    }
    gp->n = 0;
}

double mnas_gp_distance(const mnas_gp *gp, size_t t, int a, int b) {
    return gp->distance[gp->table_at[t] + (size_t)a * gp->n_choices[t] + (size_t)b];
}

mnas_gp_pair mnas_gp_compare(const mnas_gp *gp, const int *a, const int *b) {
    mnas_gp_pair sum = {0, 0};
    for (size_t t = 0; t < gp->n_decisions; t++) {
        const mnas_gp_pair *p = &gp->table[gp->table_at[t] + (size_t)a[t] * gp->n_choices[t] + (size_t)b[t]];
        sum.distance += p->distance;
        sum.same += p->same;
    }
    return sum;
}

static double squared_distance(const double *u, const double *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (u[i] - v[i]) * (u[i] - v[i]);
    return sum;
}

mnas_gp_terms mnas_gp_terms_of(const mnas_gp *gp, mnas_gp_pair sums, const double *u, const double *v) {
    const double *s = gp->settings;
    const size_t D = gp->n_descriptors;
    mnas_gp_terms out = {.near = exp(s[MNAS_GP_A] - sums.distance), .linear = exp(s[MNAS_GP_B]) * sums.same};
    if (D == 0) return out;
    out.descriptors_distance = squared_distance(u, v, D) / 2 * exp(-2 * s[MNAS_GP_L]);
    out.descriptors_near = exp(s[MNAS_GP_C] - out.descriptors_distance);
    out.descriptors_linear = exp(s[MNAS_GP_E]) * mnas_dot(u, v, D) / (double)D;
    return out;
}

/* The same with what does not depend on the points taken out of the loop: k of a point against the first n. */
static void kernel_row(const mnas_gp *gp, const int *tokens, const double *u, size_t n, double *out) {
    const double *s = gp->settings;
    const size_t T = gp->n_decisions, D = gp->n_descriptors;
    const double b = exp(s[MNAS_GP_B]), scale = exp(-2 * s[MNAS_GP_L]) / 2,
                 e = D ? exp(s[MNAS_GP_E]) / (double)D : 0;
    for (size_t i = 0; i < n; i++) {
        const mnas_gp_pair sums = mnas_gp_compare(gp, tokens, gp->tokens + i * T);
        out[i] = exp(s[MNAS_GP_A] - sums.distance) + b * sums.same;
    }
    for (size_t i = 0; i < n && D; i++) {
        const double *v = gp->descriptors + i * D;
        out[i] += exp(s[MNAS_GP_C] - squared_distance(u, v, D) * scale) + e * mnas_dot(u, v, D);
    }
}

static double kernel_self(const mnas_gp *gp, const int *tokens, const double *u) {
    return mnas_gp_sum(mnas_gp_terms_of(gp, mnas_gp_compare(gp, tokens, tokens), u, u));
}

/* ---- points ---- */

static int reserve(mnas_gp *gp, size_t n) {
    if (n <= gp->room) return 0;
    const size_t room = n > gp->room + gp->room / 2 ? n : gp->room + gp->room / 2;
    int *tokens = realloc(gp->tokens, room * gp->n_decisions * sizeof *tokens);
    if (tokens) gp->tokens = tokens;
    double *descriptors = realloc(gp->descriptors, room * (gp->n_descriptors + 1) * sizeof *descriptors);
    if (descriptors) gp->descriptors = descriptors;
    double *factor = realloc(gp->factor, mnas_packed_row(room) * sizeof *factor);
    if (factor) gp->factor = factor;
    double *weights = realloc(gp->weights, room * sizeof *weights);
    if (weights) gp->weights = weights;
    double *row = realloc(gp->row, room * sizeof *row);
    if (row) gp->row = row;
    if (!tokens || !descriptors || !factor || !weights || !row)
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a prediction from %zu networks", room);
    gp->room = room;
    return 0;
}

int mnas_gp_add(mnas_gp *gp, const int *tokens, const double *descriptors, size_t n) {
    const size_t T = gp->n_decisions, D = gp->n_descriptors, before = gp->n;
    int rc = reserve(gp, before + n);
    if (rc < 0) return rc;
    memcpy(gp->tokens + before * T, tokens, n * T * sizeof *tokens);
    if (D) memcpy(gp->descriptors + before * D, descriptors, n * D * sizeof *descriptors);
    for (size_t i = before; i < before + n; i++) {
        double *row = gp->factor + mnas_packed_row(i);
        kernel_row(gp, gp->tokens + i * T, gp->descriptors + i * D, i + 1, row);
        row[i] += mnas_gp_noise(gp);
    }
    if (!mnas_packed_cholesky(gp->factor, before, before + n))
        return mnas_error_set(MNAS_ERR_LIBRARY, "the kernel of %zu networks is not positive definite",
                              before + n);
    gp->n = before + n;
    return 0;
}

double mnas_gp_noise(const mnas_gp *gp) {
    return exp(gp->settings[MNAS_GP_N]) + MNAS_GP_JITTER;
}

void mnas_gp_truncate(mnas_gp *gp, size_t n) {
    if (n < gp->n) gp->n = n;
}

void mnas_gp_set_targets(mnas_gp *gp, const double *targets) {
    if (gp->n == 0) return;
    memcpy(gp->weights, targets, gp->n * sizeof *targets);
    mnas_packed_forward(gp->factor, gp->n, gp->weights);
    mnas_packed_backward(gp->factor, gp->n, gp->weights);
}

void mnas_gp_predict(mnas_gp *gp, const int *tokens, const double *descriptors, double *mean, double *sd) {
    kernel_row(gp, tokens, descriptors, gp->n, gp->row);
    *mean = gp->n ? mnas_dot(gp->row, gp->weights, gp->n) : 0;
    if (!sd) return;
    if (gp->n) mnas_packed_forward(gp->factor, gp->n, gp->row);
    const double known = gp->n ? mnas_dot(gp->row, gp->row, gp->n) : 0;
    *sd = sqrt(fmax(0, kernel_self(gp, tokens, descriptors) - known));
}
