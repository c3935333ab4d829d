/* simulate_run.c - see simulate.h. The rules are history.c's; here proposals get their outcomes. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "search/learner.h"
#include "search/simulate.h"

double mnas_sim_latency(const mnas_world *world, double second) {
    return world->more_is_better ? 1 / second : second;
}

/* Noise, and a landscape, may leave what accuracies can be; a reward is of these alone. */
double mnas_sim_value(const mnas_sim_setup *s, double accuracy_frac, double second) {
    if (!s->reward) return accuracy_frac;
    const double latency = mnas_sim_latency(s->world, second);
    return mnas_reward_value(s->reward, fmin(fmax(accuracy_frac, 0), 1), &latency);
}

bool mnas_sim_is_inside(const mnas_sim_setup *s, double second) {
    return !mnas_window_is_set(&s->window) ||
           mnas_window_holds(&s->window, mnas_sim_latency(s->world, second));
}

int mnas_sim_run_open(mnas_sim_run *out, const mnas_sim_setup *setup, const char *strategy, uint64_t seed,
                      mnas_sim_record *record) {
    const mnas_world *w = setup->world;
    const mnas_problem problem = {.n_decisions = w->n_decisions,
                                  .decisions = w->decisions,
                                  .n_trials = setup->trials,
                                  .delay = setup->delay,
                                  .n_descriptors = w->n_descriptors,
                                  .describe = w->describe,
                                  .project = w->project,
                                  .window_low_ms = setup->window.low_ms,
                                  .window_high_ms = setup->window.high_ms,
                                  .user = w->user};
    *out = (mnas_sim_run){.setup = setup, .seed = seed, .record = record};
    out->history.n_decisions = w->n_decisions;
    out->history.rungs.plan = setup->rungs;
    out->history.overlap = setup->delay > 1;
    record->seed = seed;
    out->tokens = calloc((size_t)w->n_decisions, sizeof *out->tokens);
    if (!out->tokens) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a simulated search");
    const int rc = mnas_strategy_open(&out->strategy, strategy, &problem, seed);
    if (rc < 0) mnas_sim_run_close(out);
    return rc;
}

void mnas_sim_run_close(mnas_sim_run *run) {
    mnas_strategy_close(run->strategy);
    mnas_history_free(&run->history);
    free(run->tokens);
    *run = (mnas_sim_run){0};
}

double mnas_sim_observe(const mnas_sim_setup *setup, uint64_t seed, uint64_t id, double accuracy_frac,
                        int n) {
    double sum = 0;
    if (setup->noise_frac <= 0) return accuracy_frac;
    mnas_rng rng = mnas_rng_stream(seed, id, "simulated-noise");
    for (int i = 0; i < n; i++) sum += mnas_rng_normal(&rng);
    return accuracy_frac + setup->noise_frac * sum / n;
}

/* The trial of a network that was not known. */
static void evaluate(mnas_sim_run *run, uint64_t id, const mnas_world_value *truth, mnas_trial *row) {
    const mnas_sim_setup *s = run->setup;
    mnas_sim_trial *t = &run->record->trials[run->record->n];
    t->id = id;
    t->truth = *truth;
    t->accuracy_frac = mnas_sim_observe(s, run->seed, id, truth->accuracy_frac, 1);
    t->observed = mnas_sim_value(s, t->accuracy_frac, truth->second);
    t->value = mnas_sim_value(s, truth->report_frac, truth->second);
    const size_t n = (size_t)s->world->n_decisions;
    if (run->record->tokens)
        memcpy(run->record->tokens + (size_t)run->record->n * n, run->tokens, n * sizeof *run->tokens);
    run->record->n++;
    row->state = MNAS_TRIAL_COMPLETE;
    row->accuracy_frac = t->accuracy_frac;
    row->reward = t->observed;
}

/* To its next rung. */
static int train_on(mnas_sim_run *run, mnas_trial *row) {
    const mnas_sim_setup *s = run->setup;
    const mnas_world *w = s->world;
    const int rung = row->rung + 1;
    mnas_world_value truth;
    uint64_t id;
    w->identify(w->user, row->tokens, &id);
    int rc = w->value(w->user, row->tokens, id, &truth);
    if (rc < 0) return rc;
    row->accuracy_frac = rung < s->rungs.n - 1 ? w->rung_frac[rung][id] : truth.accuracy_frac;
    rc = mnas_trial_add_rung(row, row->accuracy_frac);
    if (rc < 0) return rc;
    run->record->epochs += s->rung_epochs[rung] - (rung > 0 ? s->rung_epochs[rung - 1] : 0);
    if (rung == s->rungs.n - 1) evaluate(run, id, &truth, row);
    return mnas_history_came(&run->history, row->number);
}

static int go_on_with(mnas_sim_run *run, mnas_trial *row) {
    const bool has_begun = row->state == MNAS_TRIAL_RUNNING && row->rung >= 0;
    const mnas_rungs_state state = mnas_history_rung_state(&run->history, row->number);
    if (has_begun && state == MNAS_RUNGS_TRAINS) return train_on(run, row);
    if (!has_begun || state != MNAS_RUNGS_STOPPED) return 0;
    row->state = MNAS_TRIAL_PRUNED;
    snprintf(row->reason, sizeof row->reason, MNAS_PRUNED_RUNG);
    return 0;
}

/* Whoever is allowed to trains on; a result may allow it to others, once more for each rung. */
static int settle(mnas_sim_run *run) {
    mnas_history *h = &run->history;
    int rc = mnas_history_enter(h);
    for (int pass = 0; pass <= run->setup->rungs.n; pass++)
        for (size_t i = 0; i < h->n_open && rc == 0; i++)
            rc = go_on_with(run, &h->known[h->open[i].trial].row);
    return rc;
}

/* Its outcome is known at once, or what it comes to at the first rung. */
static int finish(mnas_sim_run *run, bool exists, uint64_t id) {
    const mnas_world *w = run->setup->world;
    mnas_trial *row = &run->history.known[run->history.n_trials - 1].row;
    mnas_world_value truth;
    row->state = MNAS_TRIAL_FAILED;
    if (!exists) return 0;
    const int rc = w->value(w->user, run->tokens, id, &truth);
    if (rc < 0) return rc;
    run->record->n_looks++;
    row->latency.median_ms = mnas_sim_latency(w, truth.second);
    if (mnas_sim_is_inside(run->setup, truth.second)) {
        run->record->n_begun++;
        row->state = MNAS_TRIAL_RUNNING;
        if (run->setup->rungs.n > 0) return train_on(run, row);
        evaluate(run, id, &truth, row);
        return 0;
    }
    row->state = MNAS_TRIAL_PRUNED;
    snprintf(row->reason, sizeof row->reason, MNAS_PRUNED_LATENCY);
    return 0;
}

static int propose(mnas_sim_run *run) {
    const mnas_world *w = run->setup->world;
    char key[17] = ""; /* stays so for what is no network */
    uint64_t id;
    int rc = mnas_strategy_propose(run->strategy, run->tokens);
    if (rc < 0) return rc;
    const bool exists = w->identify(w->user, run->tokens, &id);
    if (exists) snprintf(key, sizeof key, "%016" PRIx64, id);
    const mnas_candidate candidate = {.tokens = run->tokens, .arch = "", .key = key, .origin = ""};
    const int twin = mnas_history_twin(&run->history, key);
    rc = mnas_history_propose(&run->history, &candidate, twin);
    return rc < 0 || twin >= 0 ? rc : finish(run, exists, id);
}

/* One that was stopped is worth what it would have come to. */
static void give_reward(const mnas_sim_run *run, mnas_trial *row) {
    if (row->state == MNAS_TRIAL_COMPLETE || !mnas_history_has_accuracy(row)) return;
    const double latency_ms = row->latency.median_ms;
    row->reward = mnas_sim_value(run->setup, mnas_history_accuracy(&run->history, row),
                                 run->setup->world->more_is_better ? 1 / latency_ms : latency_ms);
}

static int feed(mnas_sim_run *run, const mnas_proposal *p) {
    mnas_trial *row = &run->history.known[p->trial].row;
    give_reward(run, row);
    const mnas_outcome outcome = mnas_learner_outcome(row, p->repeat);
    const int rc = mnas_strategy_feedback(run->strategy, p->tokens, &outcome);
    if (rc == 0) mnas_history_fed(&run->history);
    return rc;
}

static int take_in(mnas_sim_run *run) {
    const mnas_proposal *p;
    int rc = 0;
    mnas_history_see(&run->history, run->setup->delay);
    while (rc == 0 && (p = mnas_history_next_to_feed(&run->history))) rc = feed(run, p);
    return rc;
}

static void keep_counts(mnas_sim_run *run) {
    const mnas_history *h = &run->history;
    run->record->n_repeats = h->n_repeats;
    run->record->n_proposals = h->n_proposals;
    run->record->n_failed = h->n_trials - run->record->n_looks;
    run->record->exhausted = run->record->n_begun < run->setup->trials;
}

/* The last one may be smaller. */
static int end_brackets(mnas_sim_run *run) {
    int rc = mnas_history_close(&run->history);
    if (rc == 0) rc = settle(run);
    return rc < 0 ? rc : take_in(run);
}

int mnas_sim_run_step(mnas_sim_run *run) {
    const bool has_rungs = run->setup->rungs.n > 0;
    int rc = propose(run);
    if (rc == 0 && has_rungs) rc = settle(run);
    if (rc == 0) rc = take_in(run);
    if (rc == 0 && has_rungs && mnas_sim_run_is_over(run)) rc = end_brackets(run);
    keep_counts(run);
    return rc;
}

bool mnas_sim_run_is_over(const mnas_sim_run *run) {
    return run->record->n_begun >= run->setup->trials || mnas_history_in_vain(&run->history) ||
           mnas_history_failed_too_often(&run->history, run->setup->trials);
}

int mnas_sim_search(mnas_sim_record *record, const mnas_sim_setup *setup, const char *strategy,
                    uint64_t seed) {
    mnas_sim_run run;
    int rc = mnas_sim_run_open(&run, setup, strategy, seed, record);
    while (rc == 0 && !mnas_sim_run_is_over(&run)) rc = mnas_sim_run_step(&run);
    mnas_sim_run_close(&run);
    return rc;
}
