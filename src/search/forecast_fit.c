/* forecast_fit.c - see forecast.h. Arithmetic only: no clock, no process, no machine. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"
#include "search/forecast.h"

enum { N_TERMS = 4, N_PLAYED = 300, MAX_PLAYED_TRIALS = 1000 };

/* ---- the time of a step ---- */

/* In units of the same size, so that the equations are well conditioned. */
static void terms_of(const mnas_sampled *network, double x[N_TERMS]) {
    x[0] = 1;
    x[1] = network->macs / 1e7;
    x[2] = network->train_bytes / 1e7;
    x[3] = network->params / 1e6;
}

typedef struct pair {
    int a, b; /* terms; a == b: one alone */
} pair;

/* Least squares of relative errors over timed[n] without `left_out`: minimise sum (1 - (ca xa + cb xb) / y)^2. False where
 * a coefficient would be negative, or the two terms cannot be told apart. */
static bool solve(double c[N_TERMS], pair p, const mnas_timed *timed, size_t n, size_t left_out) {
    double aa = 0, ab = 0, bb = 0, a1 = 0, b1 = 0;
    memset(c, 0, N_TERMS * sizeof *c);
    for (size_t i = 0; i < n; i++) {
        double x[N_TERMS];
        if (i == left_out || timed[i].times.n_steps == 0) continue;
        terms_of(timed[i].network, x);
        const double a = x[p.a] / timed[i].times.step_s, b = x[p.b] / timed[i].times.step_s;
        aa += a * a, ab += a * b, bb += b * b, a1 += a, b1 += b;
    }
    if (!(aa > 0)) return false;
    c[p.a] = a1 / aa;
    if (p.a == p.b) return true;
    const double det = aa * bb - ab * ab;
    if (!(det > 1e-6 * aa * bb)) return false;
    c[p.a] = (a1 * bb - b1 * ab) / det;
    c[p.b] = (b1 * aa - a1 * ab) / det;
    return c[p.a] >= 0 && c[p.b] >= 0;
}

static double evaluate(const double c[N_TERMS], const mnas_sampled *network) {
    double x[N_TERMS], sum = 0;
    terms_of(network, x);
    for (int k = 0; k < N_TERMS; k++) sum += c[k] * x[k];
    return sum;
}

/* Root mean square of relative errors, each network predicted from all the others; INFINITY where that cannot be. */
static double error_of(pair p, const mnas_timed *timed, size_t n) {
    double sum = 0;
    size_t n_used = 0;
    for (size_t i = 0; i < n; i++) {
        double c[N_TERMS];
        if (timed[i].times.n_steps == 0) continue;
        if (!solve(c, p, timed, n, i)) return INFINITY;
        const double e = evaluate(c, timed[i].network) / timed[i].times.step_s - 1;
        sum += e * e;
        n_used++;
    }
    return n_used > 0 ? sqrt(sum / (double)n_used) : INFINITY;
}

static void fit_others(mnas_step_fit *out, const mnas_timed *timed, size_t n) {
    double start_s = 0, ratio = 0;
    int n_used = 0;
    for (size_t i = 0; i < n; i++) {
        if (timed[i].times.n_steps == 0) continue;
        start_s += timed[i].start_s;
        ratio += timed[i].times.eval_s / timed[i].times.step_s;
        n_used++;
    }
    out->start_s = start_s / n_used;
    out->eval_ratio = ratio / n_used;
}

/* Few networks bear few terms: the best of all pairs and single ones. With one network it is its time by multiply-adds. */
int mnas_forecast_fit(mnas_step_fit *out, const mnas_timed *timed, size_t n) {
    double best = INFINITY, c[N_TERMS];
    *out = (mnas_step_fit){.error_frac = NAN};
    if (!solve(out->c, (pair){1, 1}, timed, n, n))
        return mnas_error_set(MNAS_ERR_CHILD, "no network's steps could be timed");
    for (int a = 0; a < N_TERMS; a++)
        for (int b = a; b < N_TERMS; b++) {
            const pair p = {a, b};
            const double error = error_of(p, timed, n);
            if (error >= best || !solve(c, p, timed, n, n)) continue;
            memcpy(out->c, c, sizeof c);
            out->error_frac = best = error;
        }
    fit_others(out, timed, n);
    return 0;
}

double mnas_forecast_step_s(const mnas_step_fit *fit, const mnas_sampled *network) {
    return evaluate(fit->c, network);
}

/* ---- whole searches ---- */

mnas_range mnas_forecast_range(const double *values, size_t n) {
    if (n == 0) return (mnas_range){NAN, NAN, NAN};
    return (mnas_range){mnas_stats_quantile(values, n, 0.1), mnas_stats_quantile(values, n, 0.5),
                        mnas_stats_quantile(values, n, 0.9)};
}

static size_t earliest(const double *free_s, int n) {
    size_t first = 0;
    for (int i = 1; i < n; i++)
        if (free_s[i] < free_s[first]) first = (size_t)i;
    return first;
}

/* One search: trial i begins when a job is free and all trials up to i - delay have ended (loop.c). Where trainings pause for
 * measuring, that is time in which nothing else passes. done_s[n_trials] and free_s[jobs] are scratch. */
static double play_one(const mnas_played_search *s, int n_trials, double *done_s, double *free_s,
                       mnas_rng *rng) {
    const double common = exp(s->common_noise_frac * mnas_rng_normal(rng));
    double end_s = 0, seen_s = 0;
    for (int j = 0; j < s->jobs; j++) free_s[j] = 0;
    for (int i = 0; i < n_trials; i++) {
        const double drawn_s = s->train_s[mnas_rng_below(rng, (uint32_t)s->n)];
        const double trial_s = drawn_s * exp(s->trial_noise_frac * mnas_rng_normal(rng)) + s->overhead_s +
                               (s->quiet ? 0 : s->measure_s);
        if (i >= s->delay) seen_s = fmax(seen_s, done_s[i - s->delay]);
        const size_t j = earliest(free_s, s->jobs);
        done_s[i] = free_s[j] = fmax(free_s[j], seen_s) + trial_s;
        end_s = fmax(end_s, done_s[i]);
    }
    return common * (end_s + (s->quiet ? n_trials * s->measure_s : 0));
}

mnas_range mnas_forecast_play(const mnas_played_search *s, mnas_rng *rng) {
    /* a long search is that many short ones: its chance differences even out, what they have in common does not */
    const int n_trials = s->n_trials < MAX_PLAYED_TRIALS ? s->n_trials : MAX_PLAYED_TRIALS;
    double sums[N_PLAYED];
    double *scratch = calloc((size_t)n_trials + (size_t)s->jobs, sizeof *scratch);
    if (!scratch || s->n == 0) {
        free(scratch);
        return (mnas_range){NAN, NAN, NAN};
    }
    for (int i = 0; i < N_PLAYED; i++)
        sums[i] = play_one(s, n_trials, scratch, scratch + n_trials, rng) * s->n_trials / n_trials;
    free(scratch);
    return mnas_forecast_range(sums, N_PLAYED);
}
