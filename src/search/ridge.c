/* ridge.c - see ridge.h. Normal equations: with at most a few hundred inputs they are small, however many networks there are. */
#include "search/ridge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"
#include "base/stats.h"

typedef struct fitting {
    const int *tokens;
    const double *descriptors, *targets;
    size_t n, p;
    double *gram, *factor;         /* [p, p] X^T X; that of X^T X + lambda I */
    double *right, *x;             /* [p] X^T y; one network's inputs */
    double *w, *diagonal, *column; /* [p] */
} fitting;

static size_t count_choices(const mnas_decision *decisions, size_t n) {
    size_t sum = 0;
    for (size_t t = 0; t < n; t++) sum += (size_t)decisions[t].n_choices;
    return sum;
}

static void scale_descriptors(mnas_ridge *r, const double *descriptors, size_t n) {
    const size_t d = r->n_descriptors;
    for (size_t k = 0; k < d; k++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) sum += descriptors[i * d + k];
        r->center[k] = sum / (double)n;
        for (size_t i = 0; i < n; i++) squares += pow(descriptors[i * d + k] - r->center[k], 2);
        r->scale[k] = squares > 0 ? sqrt((double)n / squares) : 0;
    }
}

static void inputs_of(const mnas_ridge *r, const int *tokens, const double *descriptors, double *x) {
    size_t at = 0;
    memset(x, 0, r->n_inputs * sizeof *x);
    for (size_t t = 0; t < r->n_decisions; t++) {
        x[at + (size_t)tokens[t]] = 1;
        at += (size_t)r->decisions[t].n_choices;
    }
    for (size_t k = 0; k < r->n_descriptors; k++) x[at + k] = (descriptors[k] - r->center[k]) * r->scale[k];
}

static void add_up(const mnas_ridge *r, fitting *f) {
    for (size_t i = 0; i < f->n; i++) {
        inputs_of(r, f->tokens + i * r->n_decisions, f->descriptors + i * r->n_descriptors, f->x);
        const double y = f->targets[i] - r->mean;
        for (size_t a = 0; a < f->p; a++) {
            if (f->x[a] == 0) continue;
            f->right[a] += f->x[a] * y;
            for (size_t b = 0; b <= a; b++) f->gram[a * f->p + b] += f->x[a] * f->x[b];
        }
    }
}

/* w for this penalty; false where the system cannot be solved. */
static bool solve(fitting *f, double lambda) {
    memcpy(f->factor, f->gram, f->p * f->p * sizeof *f->factor);
    memcpy(f->w, f->right, f->p * sizeof *f->w);
    for (size_t a = 0; a < f->p; a++) f->factor[a * f->p + a] += lambda;
    if (!mnas_cholesky(f->factor, f->p)) return false;
    mnas_cholesky_solve(f->factor, f->p, f->w);
    return true;
}

/* n RSS / (n - tr H)^2, with tr H = p - lambda tr (X^T X + lambda I)^-1 */
static double cross_validation(const mnas_ridge *r, fitting *f, double lambda) {
    double rss = 0, trace = 0;
    if (!solve(f, lambda)) return INFINITY;
    for (size_t i = 0; i < f->n; i++) {
        inputs_of(r, f->tokens + i * r->n_decisions, f->descriptors + i * r->n_descriptors, f->x);
        rss += pow(f->targets[i] - r->mean - mnas_dot(f->x, f->w, f->p), 2);
    }
    mnas_cholesky_inverse_diagonal(f->factor, f->p, f->diagonal, f->column);
    for (size_t a = 0; a < f->p; a++) trace += f->diagonal[a];
    const double left = (double)f->n - ((double)f->p - lambda * trace);
    return left > 0 ? (double)f->n * rss / (left * left) : INFINITY;
}

static int choose_penalty(mnas_ridge *r, fitting *f) {
    double least = INFINITY, best = 1;
    for (double lambda = 1e-2; lambda < 2e3; lambda *= sqrt(10)) {
        const double error = cross_validation(r, f, lambda);
        if (error < least) least = error, best = lambda;
    }
    if (!solve(f, best))
        return mnas_error_set(MNAS_ERR_LIBRARY, "ridge regression on %zu networks has no solution", f->n);
    memcpy(r->weights, f->w, f->p * sizeof *r->weights);
    return 0;
}

int mnas_ridge_fit(mnas_ridge *out, const mnas_decision *decisions, size_t n_decisions, size_t n_descriptors,
                   const int *tokens, const double *descriptors, const double *targets, size_t n) {
    const size_t p = count_choices(decisions, n_decisions) + n_descriptors;
    double *room = calloc(2 * p * p + 5 * p, sizeof *room);
    fitting f = {.tokens = tokens, .descriptors = descriptors, .targets = targets, .n = n, .p = p};
    *out = (mnas_ridge){
        .decisions = decisions, .n_decisions = n_decisions, .n_descriptors = n_descriptors, .n_inputs = p};
    out->weights = calloc(p + 2 * n_descriptors, sizeof *out->weights);
    if (!room || !out->weights) {
        free(room);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: regression on %zu inputs", p);
    }
    out->center = out->weights + p, out->scale = out->center + n_descriptors;
    f.gram = room, f.factor = room + p * p, f.right = room + 2 * p * p;
    f.x = f.right + p, f.w = f.x + p, f.diagonal = f.w + p, f.column = f.diagonal + p;
    out->mean = mnas_stats_mean(targets, n);
    scale_descriptors(out, descriptors, n);
    add_up(out, &f);
    const int rc = choose_penalty(out, &f);
    free(room);
    return rc;
}

double mnas_ridge_predict(const mnas_ridge *r, const int *tokens, const double *descriptors) {
    double sum = r->mean;
    size_t at = 0;
    for (size_t t = 0; t < r->n_decisions; t++) {
        sum += r->weights[at + (size_t)tokens[t]];
        at += (size_t)r->decisions[t].n_choices;
    }
    for (size_t k = 0; k < r->n_descriptors; k++)
        sum += r->weights[at + k] * (descriptors[k] - r->center[k]) * r->scale[k];
    return sum;
}

void mnas_ridge_free(mnas_ridge *r) {
    free(r->weights);
    *r = (mnas_ridge){0};
}
