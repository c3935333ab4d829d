/* landscape.c - see landscape.h. Fits are jobs of their own, side by side. */
#include "search/landscape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/stats.h"
#include "search/parallel.h"

/* ---- the world ---- */

static bool identify(void *user, const int *tokens, uint64_t *id) {
    const mnas_landscape *l = user;
    *id = mnas_hash_bytes(MNAS_HASH_INIT, tokens, (size_t)l->table->n_decisions * sizeof *tokens);
    return true;
}

static double residual(uint64_t id, const char *of) {
    mnas_rng rng = mnas_rng_stream(id, 0, of);
    return mnas_rng_normal(&rng);
}

static int value(void *user, const int *tokens, uint64_t id, mnas_world_value *out) {
    const mnas_landscape *l = user;
    double second = NAN;
    int rc = mnas_predictor_predict(l->accuracy, tokens, NULL, &out->accuracy_frac);
    out->accuracy_frac += l->residual_sd * residual(id, "landscape");
    out->report_frac = out->accuracy_frac;
    if (rc == 0 && l->report) {
        rc = mnas_predictor_predict(l->report, tokens, NULL, &out->report_frac);
        out->report_frac += l->report_residual_sd * residual(id, "landscape"); /* they err together */
    }
    if (rc == 0 && l->second) rc = mnas_predictor_predict(l->second, tokens, NULL, &second);
    out->second = exp(second);
    return rc;
}

static int describe(void *user, const int *tokens, double *out) {
    const mnas_landscape *l = user;
    int rc = 0;
    for (int i = 0; i < l->table->n_features && rc == 0; i++)
        rc = mnas_predictor_predict(l->features[i], tokens, NULL, &out[i]);
    return rc;
}

/* ---- fitting ---- */

typedef struct fit_job {
    mnas_predictor **out;
    const char *name;
    mnas_predictor_data data;
} fit_job;

enum { MAX_JOBS = 5 + MNAS_LANDSCAPE_FEATURES };

typedef struct fitting {
    mnas_landscape *self;
    fit_job jobs[MAX_JOBS];
    size_t n_jobs, n_part;
    mnas_predictor *part, *report_part; /* fitted to the first n_part rows of `order` */
    int *tokens;                        /* rows in a random order */
    uint32_t *order;
    double *targets; /* [4][n]: accuracy, report, log second, a scratch; then features [n_features][n] */
} fitting;

static int run_fit(void *user, size_t i) {
    const fit_job *job = &((fitting *)user)->jobs[i];
    return mnas_predictor_fit(job->out, job->name, &job->data);
}

static void plan(fitting *f, mnas_predictor **out, const char *name, const double *targets, size_t n) {
    const mnas_nas_table *t = f->self->table;
    f->jobs[f->n_jobs++] =
        (fit_job){out, name, {t->decisions, (size_t)t->n_decisions, 0, n, f->tokens, NULL, targets}};
}

static void gather(fitting *f) {
    const mnas_nas_table *t = f->self->table;
    const size_t n = t->n_rows, T = (size_t)t->n_decisions, F = (size_t)t->n_features;
    mnas_rng rng = mnas_rng_stream(0, 0, "landscape-part");
    for (size_t i = 0; i < n; i++) f->order[i] = (uint32_t)i;
    mnas_rng_shuffle(&rng, f->order, n);
    for (size_t i = 0; i < n; i++) {
        const size_t row = f->order[i];
        memcpy(f->tokens + i * T, t->tokens + row * T, T * sizeof *f->tokens);
        f->targets[i] = t->accuracy_frac[row];
        f->targets[n + i] = t->report_frac[row];
        f->targets[2 * n + i] = t->second ? log(t->second[row]) : 0;
        for (size_t k = 0; k < F; k++) f->targets[(4 + k) * n + i] = t->features[row * F + k];
    }
}

static void plan_all(fitting *f) {
    mnas_landscape *l = f->self;
    const mnas_nas_table *t = l->table;
    const size_t n = t->n_rows;
    const bool own_report = t->report_frac != t->accuracy_frac;
    plan(f, &l->accuracy, "gp", f->targets, n);
    plan(f, &f->part, "gp", f->targets, f->n_part);
    if (own_report) plan(f, &l->report, "gp", f->targets + n, n);
    if (own_report) plan(f, &f->report_part, "gp", f->targets + n, f->n_part);
    if (t->second) plan(f, &l->second, "gp", f->targets + 2 * n, n);
    for (int k = 0; k < t->n_features; k++)
        plan(f, &l->features[k], "ridge", f->targets + (4 + (size_t)k) * n, n);
}

/* On the rows that the fit to a part has not seen. */
static int judge(const fitting *f, const mnas_predictor *part, const double *targets, double *sd,
                 double *tau) {
    const mnas_nas_table *t = f->self->table;
    const size_t n = t->n_rows - f->n_part;
    double *guess = f->targets + 3 * t->n_rows, *rest = calloc(n, sizeof *rest);
    int rc = rest ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: residuals of %zu networks", n);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const size_t at = f->n_part + i;
        rc = mnas_predictor_predict(part, f->tokens + at * (size_t)t->n_decisions, NULL, &guess[i]);
        rest[i] = targets[at] - guess[i];
    }
    if (rc == 0) *sd = mnas_stats_sd(rest, n);
    if (rc == 0 && tau) *tau = mnas_stats_kendall(guess, targets + f->n_part, n);
    free(rest);
    return rc;
}

static int fit_all(fitting *f, int n_threads) {
    mnas_landscape *l = f->self;
    gather(f);
    plan_all(f);
    int rc = mnas_parallel_run(n_threads, f->n_jobs, run_fit, f);
    if (rc == 0) rc = judge(f, f->part, f->targets, &l->residual_sd, &l->tau);
    if (rc == 0 && f->report_part)
        rc = judge(f, f->report_part, f->targets + l->table->n_rows, &l->report_residual_sd, NULL);
    return rc;
}

static int check_table(const mnas_nas_table *t) {
    if (t->n_rows < 20)
        return mnas_error_set(MNAS_ERR_ARG,
                              "--landscape: %zu networks are too few to fit; allowed: 20 or more", t->n_rows);
    if (t->n_features > MNAS_LANDSCAPE_FEATURES)
        return mnas_error_set(MNAS_ERR_ARG, "--landscape: %d features; allowed: at most %d", t->n_features,
                              MNAS_LANDSCAPE_FEATURES);
    return 0;
}

static int fit(mnas_landscape *l, int n_threads) {
    const mnas_nas_table *t = l->table;
    const size_t n = t->n_rows;
    fitting f = {.self = l, .n_part = n - n / 5};
    f.tokens = calloc(n * (size_t)t->n_decisions, sizeof *f.tokens);
    f.order = calloc(n, sizeof *f.order);
    f.targets = calloc((4 + (size_t)t->n_features) * n, sizeof *f.targets);
    const int rc = f.tokens && f.order && f.targets
                       ? fit_all(&f, n_threads)
                       : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: fit to %zu networks", n);
    mnas_predictor_free(f.part);
    mnas_predictor_free(f.report_part);
    free(f.tokens);
    free(f.order);
    free(f.targets);
    return rc;
}

int mnas_landscape_open(mnas_world *out, mnas_landscape *self, const mnas_nas_table *t, bool more_is_better,
                        int n_threads) {
    *self = (mnas_landscape){.table = t};
    *out = (mnas_world){.n_decisions = t->n_decisions,
                        .decisions = t->decisions,
                        .n_descriptors = t->n_features,
                        .describe = t->n_features ? describe : NULL,
                        .identify = identify,
                        .value = value,
                        .user = self,
                        .n_known = t->n_rows,
                        .accuracy_frac = t->accuracy_frac,
                        .report_frac = t->report_frac,
                        .second = t->second,
                        .more_is_better = more_is_better};
    const int rc = check_table(t);
    return rc < 0 ? rc : fit(self, n_threads);
}

void mnas_landscape_close(mnas_landscape *l) {
    mnas_predictor_free(l->accuracy);
    mnas_predictor_free(l->report);
    mnas_predictor_free(l->second);
    for (int i = 0; i < MNAS_LANDSCAPE_FEATURES; i++) mnas_predictor_free(l->features[i]);
    *l = (mnas_landscape){0};
}
