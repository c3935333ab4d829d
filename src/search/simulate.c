/* simulate.c - mnas_simulate: every strategy with every seed, a run each, on all cores; then their curves.
 *
 * Invariants: a run is a function of (options, strategy, seed) alone, so the threads change nothing; what strategies are
 * tested against is the random search with the same seeds, which is run without being asked for where it has to be.
 */
#include "search/simulate.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"
#include "search/landscape.h"
#include "search/nas_table.h"
#include "search/parallel.h"
#include "search/simulate_curve.h"
#include "search/simulate_rungs.h"
#include "search/simulate_specs.h"

typedef struct outcome { /* of a run */
    mnas_sim_state state[MNAS_SIM_POINTS];
    int n_failed, n_repeats, n_looks;
    bool exhausted;
    int64_t n_proposals;
    double elapsed_s;
    mnas_sim_rungs_state rungs;
} outcome;

typedef struct simulating {
    mnas_simulate_options options;
    mnas_nas_table table;
    mnas_nas_nearest nearest;
    mnas_table_world table_world;
    mnas_landscape landscape;
    mnas_world world;
    mnas_reward reward;
    mnas_sim_setup setup;      /* without rungs, */
    mnas_sim_setup with_rungs; /* and with them */
    mnas_sim_scale scale;
    double window_best;   /* accuracy reported, a fraction */
    mnas_sim_specs specs; /* the last one is random's where it was not asked for */
    int n_asked, random;  /* specs asked for; which one is random search */
    int n_points, points[MNAS_SIM_POINTS];
    outcome *outcomes; /* [specs.n][seeds] */
    pthread_mutex_t mutex;
    int n_done;
} simulating;

static bool given(const char *text) {
    return text && text[0];
}

/* ---- what is searched ---- */

static int check_options(const mnas_simulate_options *o) {
    if (given(o->table) == given(o->landscape))
        return mnas_error_set(
            MNAS_ERR_ARG, "%s: a CSV file of trained networks to search, or to fit a landscape to",
            given(o->table) ? "--table and --landscape are both given" : "--table is missing");
    if (given(o->landscape) && o->rows_only)
        return mnas_error_set(MNAS_ERR_ARG, "--rows-only with --landscape, where every combination exists");
    if (o->finalists < 0 || o->finalists > 1000 || o->finalist_repeats < 0 || o->finalist_repeats > 1000)
        return mnas_error_set(MNAS_ERR_ARG, "finalists are %d, repeats %d; allowed: 0 to 1000", o->finalists,
                              o->finalist_repeats);
    if (o->trials < 1 || o->trials > 1000000)
        return mnas_error_set(MNAS_ERR_ARG, "trials is %d; allowed: 1 to 1000000", o->trials);
    if (o->seeds < 1 || o->seeds > 100000)
        return mnas_error_set(MNAS_ERR_ARG, "seeds is %d; allowed: 1 to 100000", o->seeds);
    if (o->jobs < 0 || o->jobs > 1024)
        return mnas_error_set(MNAS_ERR_ARG, "jobs is %d; allowed: 1 to 1024", o->jobs);
    if (o->threads < 0 || o->threads > 1024)
        return mnas_error_set(MNAS_ERR_ARG, "threads is %d; allowed: 0 (all cores) to 1024", o->threads);
    if (!(o->noise >= 0 && o->noise <= 100))
        return mnas_error_set(MNAS_ERR_ARG, "noise is %g; allowed: 0 to 100, in the unit of --accuracy",
                              o->noise);
    return 0;
}

static int open_world(simulating *s) {
    const mnas_simulate_options *o = &s->options;
    const mnas_nas_columns columns = {.decisions = o->decisions,
                                      .accuracy = o->accuracy,
                                      .report = o->report,
                                      .latency = o->latency,
                                      .maximize = o->maximize,
                                      .features = o->features,
                                      .rungs = o->rungs};
    int rc = mnas_nas_table_read(&s->table, given(o->table) ? o->table : o->landscape, &columns);
    if (rc == 0 && given(o->landscape))
        return mnas_landscape_open(&s->world, &s->landscape, &s->table, given(o->maximize), o->threads);
    if (rc == 0 && o->rows_only) rc = mnas_nas_nearest_open(&s->nearest, &s->table);
    if (rc < 0) return rc;
    return mnas_table_world_open(&s->world, &s->table_world, &s->table, o->rows_only ? &s->nearest : NULL,
                                 given(o->maximize));
}

/* ---- the reward ---- */

static int check_target(const simulating *s) {
    const mnas_simulate_options *o = &s->options;
    const char *column = given(o->latency) ? o->latency : o->maximize;
    if (!s->world.second) {
        if (isnan(o->target) && !given(o->reward)) return 0;
        return mnas_error_set(
            MNAS_ERR_ARG,
            "--%s without --latency COLUMN or --maximize COLUMN: the reward is then the accuracy",
            isnan(o->target) ? "reward" : "target");
    }
    const size_t n = s->world.n_known;
    if (isnan(o->target))
        return mnas_error_set(
            MNAS_ERR_ARG, "--target is missing: of column %s, whose values are %g to %g, the median %g",
            column, mnas_stats_quantile(s->world.second, n, 0), mnas_stats_quantile(s->world.second, n, 1),
            mnas_stats_median(s->world.second, n));
    if (!(o->target > 0 && isfinite(o->target)))
        return mnas_error_set(MNAS_ERR_ARG, "--target is %g; allowed: more than 0, in the unit of %s",
                              o->target, column);
    return 0;
}

/* What a search would find out from its first trials (w=auto) is found out from the table's first rows. */
static int calibrate(simulating *s, int n_needed) {
    const mnas_world *w = &s->world;
    const size_t n = (size_t)n_needed < w->n_known ? (size_t)n_needed : w->n_known;
    double *latency = calloc(n, sizeof *latency);
    if (!latency) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a reward");
    for (size_t i = 0; i < n; i++) latency[i] = mnas_sim_latency(w, w->second[i]);
    const int rc = mnas_reward_calibrate(&s->reward, w->accuracy_frac, latency, n);
    free(latency);
    return rc;
}

static int open_reward(simulating *s) {
    const mnas_simulate_options *o = &s->options;
    int rc = check_target(s);
    if (rc < 0 || !s->world.second) return rc;
    const double target = mnas_sim_latency(&s->world, o->target);
    rc = mnas_reward_open(&s->reward,
                          given(o->reward)     ? o->reward
                          : o->window_frac > 0 ? "hard"
                                               : "soft",
                          &target, 1);
    if (rc < 0) return rc;
    const int n_needed = mnas_reward_n_needed(&s->reward);
    return n_needed > 0 ? calibrate(s, n_needed) : 0;
}

static void nearest_text(const mnas_world *w, double latency, char text[32]) {
    if (isnan(latency))
        snprintf(text, 32, "none");
    else
        snprintf(text, 32, "%g", mnas_sim_latency(w, latency));
}

/* In the reward's terms. A window in which the table has nothing is told before anything is spent. */
static int open_window(simulating *s) {
    const mnas_simulate_options *o = &s->options;
    const mnas_world *w = &s->world;
    double below = NAN, above = NAN;
    s->window_best = NAN;
    if (o->window_frac > 0 && (!w->second || isnan(o->target)))
        return mnas_error_set(MNAS_ERR_ARG,
                              "--window needs --latency COLUMN or --maximize COLUMN, and --target");
    int rc = mnas_window_open(&s->setup.window, o->window_frac,
                              w->second ? mnas_sim_latency(w, o->target) : (double)NAN, 1);
    if (rc < 0 || !mnas_window_is_set(&s->setup.window)) return rc;
    for (size_t i = 0; i < w->n_known; i++) {
        const double latency = mnas_sim_latency(w, w->second[i]);
        if (latency < s->setup.window.low_ms) below = fmax(below, latency);
        if (latency > s->setup.window.high_ms) above = fmin(above, latency);
        if (mnas_sim_is_inside(&s->setup, w->second[i]))
            s->window_best = fmax(s->window_best, w->report_frac[i]);
    }
    if (!isnan(s->window_best)) return 0;
    char nearest[2][32];
    nearest_text(w, below, nearest[0]);
    nearest_text(w, above, nearest[1]);
    return mnas_error_set(
        MNAS_ERR_ARG,
        "no row lies in the window of %g below target %g; nearest: %s and %s; give another target or "
        "a wider --window",
        o->window_frac, o->target, nearest[0], nearest[1]);
}

/* What would make two searches differ by more than their rungs, or has no accuracies on the way. */
static int check_rungs(const simulating *s) {
    const mnas_simulate_options *o = &s->options;
    const char *other = given(o->landscape)  ? "--landscape"
                        : o->noise > 0       ? "--noise"
                        : o->finalists > 0   ? "--finalists"
                        : o->posterior       ? "--posterior"
                        : o->window_frac > 0 ? "--window"
                                             : NULL;
    if (other)
        return mnas_error_set(MNAS_ERR_ARG, "--rungs and %s are both given; allowed: one of them", other);
    if (s->world.second) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "--rungs needs --latency COLUMN or --maximize COLUMN: who goes on "
                                        "is decided by both objectives");
}

static int open_rungs(simulating *s) {
    const mnas_simulate_options *o = &s->options;
    s->with_rungs = s->setup;
    if (!given(o->rungs)) {
        if (!given(o->rung_epochs) && o->rung_factor == 0 && o->rung_keep == 0) return 0;
        return mnas_error_set(MNAS_ERR_ARG, "--rung-%s without --rungs COLUMN,...",
                              given(o->rung_epochs) ? "epochs"
                              : o->rung_factor      ? "factor"
                                                    : "keep");
    }
    const int n = s->table.n_rungs + 1;
    const mnas_rungs_plan plan = {n, o->rung_factor ? o->rung_factor : mnas_rungs_default_factor(n),
                                  o->rung_keep, false};
    const int rc = check_rungs(s);
    return rc < 0 ? rc : mnas_sim_rungs_open(&s->with_rungs, &plan, o->rung_epochs);
}

static int open_setup(simulating *s) {
    const mnas_simulate_options *o = &s->options;
    int rc = open_reward(s);
    s->setup = (mnas_sim_setup){.world = &s->world,
                                .reward = s->world.second ? &s->reward : NULL,
                                .noise_frac = o->noise / (s->table.is_percent ? 100 : 1),
                                .trials = o->trials,
                                .posterior = o->posterior,
                                .finalists = o->finalists,
                                .finalist_repeats = o->finalist_repeats ? o->finalist_repeats : 3,
                                .finalist_race = o->finalist_race,
                                .delay = o->jobs ? o->jobs : 1};
    s->n_points = mnas_sim_points(o->trials, s->points);
    if (rc == 0) rc = open_window(s);
    if (rc == 0) rc = open_rungs(s);
    return rc < 0 ? rc : mnas_sim_scale_of(&s->scale, &s->setup);
}

/* ---- the strategies ---- */

static int find_random(simulating *s) {
    s->n_asked = s->specs.n;
    for (s->random = 0; s->random < s->specs.n; s->random++) {
        const char *spec = s->specs.spec[s->random];
        if (strcmp(spec, "random") == 0 || strncmp(spec, "random:", 7) == 0) return 0;
    }
    s->specs.spec[s->specs.n] = strdup("random");
    if (!s->specs.spec[s->specs.n]) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a strategy");
    s->specs.n++;
    return 0;
}

/* A wrong word is told before anything is spent. */
static int try_strategies(const simulating *s) {
    int rc = 0;
    for (int i = 0; i < s->specs.n && rc == 0; i++) {
        mnas_sim_record record = {0};
        mnas_sim_run run;
        rc = mnas_sim_run_open(&run, &s->setup, s->specs.spec[i], 0, &record);
        if (rc == 0) mnas_sim_run_close(&run);
    }
    return rc;
}

static int open_strategies(simulating *s) {
    int rc = mnas_sim_specs_split(&s->specs, given(s->options.strategies) ? s->options.strategies
                                                                          : "ppo,evolution,local,random");
    if (rc == 0) rc = find_random(s);
    if (rc == 0) rc = try_strategies(s);
    if (rc < 0) return rc;
    s->outcomes = calloc((size_t)s->specs.n * (size_t)s->options.seeds, sizeof *s->outcomes);
    return s->outcomes
               ? 0
               : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d runs", s->specs.n * s->options.seeds);
}

/* ---- runs ---- */

static void tell_progress(simulating *s) {
    pthread_mutex_lock(&s->mutex);
    s->n_done++;
    if (s->options.progress) s->options.progress(s->options.user, s->n_done, s->specs.n * s->options.seeds);
    pthread_mutex_unlock(&s->mutex);
}

static int keep_outcome(const simulating *s, const mnas_sim_record *r, outcome *out) {
    int rc = 0;
    out->n_failed = r->n_failed;
    out->n_repeats = r->n_repeats;
    out->n_looks = r->n_looks;
    out->exhausted = r->exhausted;
    out->n_proposals = r->n_proposals;
    for (int i = 0; i < s->n_points && rc == 0; i++)
        rc = mnas_sim_state_of(&out->state[i], r, s->points[i], &s->setup, &s->scale);
    return rc;
}

/* Seeds outside, strategies inside: what is done so far is comparable. */
static int run_job(void *user, size_t i) {
    simulating *s = user;
    const size_t spec = i % (size_t)s->specs.n, seed = i / (size_t)s->specs.n;
    outcome *out = &s->outcomes[spec * (size_t)s->options.seeds + seed];
    if (mnas_parallel_is_cancelled(s->options.cancel))
        return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
    mnas_sim_record record = {.trials = calloc((size_t)s->options.trials, sizeof *record.trials)};
    if (s->setup.posterior)
        record.tokens =
            calloc((size_t)s->options.trials, (size_t)s->world.n_decisions * sizeof *record.tokens);
    if (!record.trials || (s->setup.posterior && !record.tokens)) {
        free(record.trials);
        free(record.tokens);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d trials", s->options.trials);
    }
    const double begun_s = mnas_clock_now_s();
    int rc = mnas_sim_search(&record, &s->setup, s->specs.spec[spec], s->options.first_seed + seed);
    out->elapsed_s = mnas_clock_now_s() - begun_s;
    if (rc == 0) rc = keep_outcome(s, &record, out);
    if (rc == 0 && s->with_rungs.rungs.n > 0)
        rc = mnas_sim_rungs_run(&out->rungs, &s->with_rungs, s->specs.spec[spec], &record, &s->scale);
    free(record.trials);
    free(record.tokens);
    if (rc == 0) tell_progress(s);
    return rc;
}

/* ---- results ---- */

static void states_at(const simulating *s, int spec, int point, mnas_sim_state *states) {
    for (int i = 0; i < s->options.seeds; i++)
        states[i] = s->outcomes[(size_t)spec * (size_t)s->options.seeds + (size_t)i].state[point];
}

static int fill_curve(const simulating *s, int spec, mnas_simulated_point *curve) {
    const size_t n = (size_t)s->options.seeds;
    mnas_sim_state *states = calloc(2 * n, sizeof *states);
    int rc = states ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a curve");
    for (int i = 0; i < s->n_points && rc == 0; i++) {
        states_at(s, spec, i, states);
        states_at(s, s->random, i, states + n);
        rc = mnas_sim_point_of(&curve[i], s->points[i], states, spec == s->random ? NULL : states + n,
                               s->options.seeds, &s->scale);
    }
    free(states);
    return rc;
}

static void fill_counts(const simulating *s, int spec, mnas_simulated *out) {
    const double n = s->options.seeds;
    double elapsed_s = 0, n_proposals = 0;
    for (int i = 0; i < s->options.seeds; i++) {
        const outcome *o = &s->outcomes[(size_t)spec * (size_t)s->options.seeds + (size_t)i];
        out->n_exhausted += o->exhausted;
        out->failed_mean += o->n_failed / n;
        out->repeats_mean += o->n_repeats / n;
        out->looks_mean += o->n_looks / n;
        elapsed_s += o->elapsed_s;
        n_proposals += (double)o->n_proposals;
    }
    out->proposal_ms = 1000 * elapsed_s / n_proposals;
}

/* How near the chosen networks come to the best of the window, which of a landscape nobody knows. */
static void fill_landing(const simulating *s, int spec, mnas_simulated *out) {
    int n = 0;
    double sum = 0;
    const bool is_known = s->world.is_complete;
    out->in_window_share = out->gap_mean = out->gap_worst = NAN;
    if (!mnas_window_is_set(&s->setup.window)) return;
    for (int i = 0; i < s->options.seeds; i++) {
        const outcome *o = &s->outcomes[(size_t)spec * (size_t)s->options.seeds + (size_t)i];
        const double gap = 100 * (s->window_best - o->state[s->n_points - 1].chosen_accuracy);
        if (isnan(gap)) continue;
        n++;
        sum += gap;
        if (is_known) out->gap_worst = fmax(out->gap_worst, gap);
    }
    out->in_window_share = (double)n / s->options.seeds;
    if (is_known) out->gap_mean = sum / n;
}

static int fill_rungs(const simulating *s, int spec, mnas_simulated_rungs *out) {
    const int n = s->options.seeds;
    if (s->with_rungs.rungs.n == 0) return 0;
    mnas_sim_rungs_state *states = calloc((size_t)n, sizeof *states);
    if (!states) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d seeds", n);
    for (int i = 0; i < n; i++) states[i] = s->outcomes[(size_t)spec * (size_t)n + (size_t)i].rungs;
    const int rc = mnas_sim_rungs_compare(out, states, n, &s->with_rungs, &s->scale);
    free(states);
    return rc;
}

static int fill_strategy(const simulating *s, int spec, mnas_simulated *out) {
    out->name = strdup(s->specs.spec[spec]);
    out->curve = calloc((size_t)s->n_points, sizeof *out->curve);
    out->n_curve = s->n_points;
    if (!out->name || !out->curve) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a curve");
    fill_counts(s, spec, out);
    fill_landing(s, spec, out);
    const int rc = fill_rungs(s, spec, &out->rungs);
    return rc < 0 ? rc : fill_curve(s, spec, out->curve);
}

static double best_found(const simulating *s) {
    double best = NAN;
    for (size_t i = 0; i < (size_t)s->n_asked * (size_t)s->options.seeds; i++)
        best = fmax(best, s->outcomes[i].state[s->n_points - 1].best);
    return 100 * best;
}

static void fill_facts(const simulating *s, mnas_simulation *out) {
    const mnas_nas_table *t = &s->table;
    out->trials = s->options.trials;
    out->seeds = s->options.seeds;
    out->first_seed = s->options.first_seed;
    out->n_rows = t->n_rows;
    out->n_missing = t->missing.n;
    out->n_duplicates = t->duplicates.n;
    memcpy(out->missing_lines, t->missing.words, sizeof out->missing_lines);
    memcpy(out->duplicate_lines, t->duplicates.words, sizeof out->duplicate_lines);
    out->n_decisions = t->n_decisions;
    out->log10_combinations = t->log10_combinations;
    out->is_percent = t->is_percent;
    out->report_is_percent = t->report_is_percent;
    out->is_landscape = given(s->options.landscape);
    out->residual_sd = out->is_landscape ? 100 * s->landscape.residual_sd : (double)NAN;
    out->fit_tau = out->is_landscape ? s->landscape.tau : (double)NAN;
    out->optimum = 100 * s->scale.optimum;
    out->second_best = 100 * s->scale.second_best;
    out->best_found = best_found(s);
    out->n_in_window = s->scale.n;
    out->window_best = 100 * s->window_best;
    out->window_low = out->window_high = NAN;
    if (mnas_window_is_set(&s->setup.window)) {
        out->window_low = mnas_sim_latency(&s->world, s->setup.window.low_ms);
        out->window_high = mnas_sim_latency(&s->world, s->setup.window.high_ms);
    }
    out->n_rungs = s->with_rungs.rungs.n;
    memcpy(out->rung_epochs, s->with_rungs.rung_epochs, sizeof out->rung_epochs);
    for (int r = 0; r < out->n_rungs - 1; r++) out->rung_tau[r] = mnas_sim_rungs_tau(&s->with_rungs, r);
    out->row_mean = 100 * s->scale.mean;
    out->row_sd = 100 * s->scale.sd;
    out->reference_accuracy = 100 * s->scale.worst_accuracy;
    out->reference_second = s->scale.worst_second;
    out->hypervolume_all = 100 * s->scale.hypervolume_all;
}

static int fill_results(const simulating *s, mnas_simulation *out) {
    int rc = 0;
    fill_facts(s, out);
    out->strategies = calloc((size_t)s->n_asked, sizeof *out->strategies);
    if (!out->strategies) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: curves");
    out->n_strategies = s->n_asked;
    for (int i = 0; i < s->n_asked && rc == 0; i++) rc = fill_strategy(s, i, &out->strategies[i]);
    return rc;
}

static void close_all(simulating *s) {
    for (size_t i = 0; s->outcomes && i < (size_t)s->specs.n * (size_t)s->options.seeds; i++)
        free(s->outcomes[i].rungs.whole);
    free(s->outcomes);
    mnas_sim_specs_free(&s->specs);
    mnas_landscape_close(&s->landscape);
    mnas_table_world_close(&s->table_world);
    mnas_nas_nearest_close(&s->nearest);
    mnas_nas_table_free(&s->table);
    pthread_mutex_destroy(&s->mutex);
}

static int simulate(simulating *s) {
    int rc = check_options(&s->options);
    if (rc == 0) rc = open_world(s);
    if (rc == 0) rc = open_setup(s);
    if (rc == 0) rc = open_strategies(s);
    if (rc < 0) return rc;
    return mnas_parallel_run(s->options.threads, (size_t)s->specs.n * (size_t)s->options.seeds, run_job, s);
}

int mnas_simulate(mnas_simulation **out, const mnas_simulate_options *options) {
    const double begun_s = mnas_clock_now_s();
    simulating *s = calloc(1, sizeof *s);
    mnas_simulation *result = calloc(1, sizeof *result);
    int rc = s && result ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a simulation");
    if (s) pthread_mutex_init(&s->mutex, NULL), s->options = *options;
    if (rc == 0) rc = simulate(s);
    if (rc == 0) rc = fill_results(s, result);
    if (rc == 0) result->elapsed_s = mnas_clock_now_s() - begun_s;
    if (s) close_all(s);
    free(s);
    if (rc == 0)
        *out = result;
    else
        mnas_simulation_free(result);
    return rc;
}

void mnas_simulation_free(mnas_simulation *simulation) {
    if (!simulation) return;
    for (int i = 0; i < simulation->n_strategies; i++) {
        free(simulation->strategies[i].name);
        free(simulation->strategies[i].curve);
    }
    free(simulation->strategies);
    free(simulation);
}
