/* predict.c - mnas_predict: how well an accuracy is guessed from those of other networks. A table is split at random, a predictor fitted to
 * one part, and Kendall's tau of guess and truth taken on the rest.
 *
 * Invariants: a split is a function of (seed, size) alone, so that two predictors see the same; what is tested on is never
 * seen in fitting.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/stats.h"
#include "search/nas_table.h"
#include "search/parallel.h"
#include "search/predictor.h"

typedef struct predicting {
    const mnas_predict_options *options;
    mnas_nas_table table;
    double *tau, *fit_s; /* [n_train][seeds] */
} predicting;

/* ---- one split ---- */

typedef struct split {
    uint32_t *order; /* [n_rows]: the first n_train are fitted to */
    size_t n_train, n_test;
    int *tokens;
    double *descriptors, *targets; /* of those */
    double *truth, *guess;         /* [n_test] */
} split;

static void split_free(split *s) {
    free(s->order);
    free(s->tokens);
    free(s->descriptors);
    free(s->targets);
    free(s->truth);
}

static int split_open(split *s, const mnas_nas_table *t, size_t n_train, uint64_t seed) {
    const size_t T = (size_t)t->n_decisions, D = (size_t)t->n_features;
    *s = (split){.n_train = n_train, .n_test = t->n_rows - n_train};
    s->order = calloc(t->n_rows, sizeof *s->order);
    s->tokens = calloc(n_train * T, sizeof *s->tokens);
    s->descriptors = calloc(n_train * D + 1, sizeof *s->descriptors);
    s->targets = calloc(n_train, sizeof *s->targets);
    s->truth = calloc(2 * s->n_test, sizeof *s->truth);
    if (!s->order || !s->tokens || !s->descriptors || !s->targets || !s->truth) {
        split_free(s);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a split of %zu networks", t->n_rows);
    }
    s->guess = s->truth + s->n_test;
    mnas_rng rng = mnas_rng_stream(seed, n_train, "predictor-split");
    for (size_t i = 0; i < t->n_rows; i++) s->order[i] = (uint32_t)i;
    mnas_rng_shuffle(&rng, s->order, t->n_rows);
    return 0;
}

static void take_training(split *s, const mnas_nas_table *t) {
    const size_t T = (size_t)t->n_decisions, D = (size_t)t->n_features;
    for (size_t i = 0; i < s->n_train; i++) {
        const size_t row = s->order[i];
        memcpy(s->tokens + i * T, t->tokens + row * T, T * sizeof *s->tokens);
        if (D) memcpy(s->descriptors + i * D, t->features + row * D, D * sizeof *s->descriptors);
        s->targets[i] = t->accuracy_frac[row];
    }
}

static int guess_rest(split *s, const mnas_nas_table *t, const mnas_predictor *p) {
    int rc = 0;
    for (size_t i = 0; i < s->n_test && rc == 0; i++) {
        const size_t row = s->order[s->n_train + i];
        rc = mnas_predictor_predict(p, t->tokens + row * (size_t)t->n_decisions,
                                    t->n_features ? t->features + row * (size_t)t->n_features : NULL,
                                    &s->guess[i]);
        s->truth[i] = t->report_frac[row];
    }
    return rc;
}

static int tau_of(double *tau, double *fit_s, const predicting *p, size_t n_train, uint64_t seed) {
    const mnas_nas_table *t = &p->table;
    mnas_predictor *predictor = NULL;
    split s;
    int rc = split_open(&s, t, n_train, seed);
    if (rc < 0) return rc;
    take_training(&s, t);
    const mnas_predictor_data data = {
        t->decisions, (size_t)t->n_decisions, (size_t)t->n_features, n_train, s.tokens, s.descriptors,
        s.targets};
    const double begun_s = mnas_clock_now_s();
    rc = mnas_predictor_fit(&predictor, p->options->predictor, &data);
    *fit_s = mnas_clock_now_s() - begun_s;
    if (rc == 0) rc = guess_rest(&s, t, predictor);
    if (rc == 0) *tau = mnas_stats_kendall(s.guess, s.truth, s.n_test);
    mnas_predictor_free(predictor);
    split_free(&s);
    return rc;
}

/* ---- all of them ---- */

static int split_job(void *user, size_t i) {
    predicting *p = user;
    const mnas_predict_options *o = p->options;
    const size_t size = i / (size_t)o->seeds, seed = i % (size_t)o->seeds;
    if (mnas_parallel_is_cancelled(o->cancel)) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    return tau_of(&p->tau[i], &p->fit_s[i], p, (size_t)o->train[size], o->first_seed + seed);
}

static int check_options(const mnas_predict_options *o) {
    if (!o->table || !o->table[0])
        return mnas_error_set(MNAS_ERR_ARG, "--table is missing: a CSV file of trained networks");
    if (o->n_train < 1)
        return mnas_error_set(MNAS_ERR_ARG, "--train is missing: networks to fit to, such as 100,1000");
    if (o->seeds < 1 || o->seeds > 100000)
        return mnas_error_set(MNAS_ERR_ARG, "seeds is %d; allowed: 1 to 100000", o->seeds);
    return mnas_predictor_check_name(o->predictor);
}

static int check_sizes(const predicting *p) {
    for (int i = 0; i < p->options->n_train; i++) {
        const int n = p->options->train[i];
        if (n < 2 || (size_t)n + 2 > p->table.n_rows)
            return mnas_error_set(MNAS_ERR_ARG,
                                  "--train %d; allowed: 2 to %zu, as the table has %zu networks", n,
                                  p->table.n_rows - 2, p->table.n_rows);
    }
    return 0;
}

static int open_table(predicting *p) {
    const mnas_predict_options *o = p->options;
    const mnas_nas_columns columns = {
        .decisions = o->decisions, .accuracy = o->accuracy, .report = o->report, .features = o->features};
    const int rc = mnas_nas_table_read(&p->table, o->table, &columns);
    return rc < 0 ? rc : check_sizes(p);
}

static void fill_results(mnas_prediction *out, const predicting *p) {
    const mnas_predict_options *o = p->options;
    const size_t n = (size_t)o->seeds;
    for (int i = 0; i < o->n_train; i++) {
        const double *tau = p->tau + (size_t)i * n;
        out[i] = (mnas_prediction){.train = o->train[i],
                                   .n_test = (int)p->table.n_rows - o->train[i],
                                   .tau_mean = mnas_stats_mean(tau, n),
                                   .tau_sd = mnas_stats_sd(tau, n),
                                   .fit_s = mnas_stats_mean(p->fit_s + (size_t)i * n, n)};
    }
}

int mnas_predict(mnas_prediction *out, const mnas_predict_options *options) {
    predicting p = {.options = options};
    int rc = check_options(options);
    if (rc < 0) return rc;
    const size_t n = (size_t)options->n_train * (size_t)options->seeds;
    p.tau = calloc(2 * n, sizeof *p.tau);
    p.fit_s = p.tau + n;
    rc = p.tau ? open_table(&p) : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu splits", n);
    if (rc == 0) rc = mnas_parallel_run(options->threads, n, split_job, &p);
    if (rc == 0) fill_results(out, &p);
    mnas_nas_table_free(&p.table);
    free(p.tau);
    return rc;
}
