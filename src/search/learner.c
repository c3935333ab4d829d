/* learner.c - see learner.h. What is known of trials is history.c's, what is made of it the strategy's.
 *
 * Invariant: a snapshot holds the strategy and the history of the same moment, and is stored in the transaction of the
 * outcome that led to it.
 */
#include "search/learner.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/str.h"
#include "search/window.h"

/* ---- rewards ---- */

bool mnas_learner_is_calibrated(const mnas_learner *l) {
    return mnas_reward_n_needed(&l->reward) == 0;
}

static int set_number(mnas_store *store, const char *name, double value) {
    char text[32];
    if (isnan(value)) return 0;
    snprintf(text, sizeof text, "%.17g", value);
    return mnas_store_set(store, name, text);
}

const char *mnas_learner_target_name(int device, char buf[24]) {
    snprintf(buf, 24, device == 0 ? "target_ms" : "target_ms_%d", device + 1);
    return buf;
}

int mnas_learner_store_reward(mnas_store *store, const mnas_reward *reward) {
    char name[24];
    int rc = 0;
    for (int d = 0; d < reward->n_devices && rc == 0; d++)
        rc = set_number(store, mnas_learner_target_name(d, name), reward->target_ms[d]);
    if (rc == 0) rc = set_number(store, "alpha", reward->alpha);
    if (rc == 0) rc = set_number(store, "beta", reward->beta);
    return rc < 0 ? rc : set_number(store, "w", mnas_reward_exponent(reward));
}

double mnas_learner_reward(const mnas_learner *l, const mnas_trial *row) {
    double ms[MNAS_MAX_DEVICES];
    mnas_reward_latencies(ms, l->reward.n_devices, &row->latency, row->others, row->n_others);
    return mnas_reward_value(&l->reward, mnas_history_accuracy(&l->history, row), ms);
}

static void print_calibration(const mnas_learner *l, char *text, size_t n) {
    const mnas_reward *r = &l->reward;
    int used = snprintf(text, n, "target ");
    for (int d = 0; d < r->n_devices; d++)
        used += snprintf(text + used, n - (size_t)used, "%s%.6g ms", d ? ", " : "", r->target_ms[d]);
    snprintf(text + used, n - (size_t)used, ", alpha %.6g, beta %.6g from the first %d trials", r->alpha,
             r->beta, l->n_calibrate);
}

/* Within a transaction: the values once and for all, and the rewards of the trials that were waiting for them. */
static int store_calibration(mnas_learner *l) {
    char text[400];
    int rc = mnas_learner_store_reward(l->store, &l->reward);
    for (size_t i = 0; i < l->history.n_known && rc == 0; i++) {
        mnas_trial *row = &l->history.known[i].row;
        if (row->state != MNAS_TRIAL_COMPLETE || !isnan(row->reward)) continue;
        row->reward = mnas_learner_reward(l, row);
        rc = mnas_store_set_reward(l->store, row->number, row->reward);
    }
    if (rc < 0) return rc;
    print_calibration(l, text, sizeof text);
    mnas_log_info("reward calibrated: %s", text);
    return mnas_store_event(l->store, "calibrated", text);
}

int mnas_learner_calibrate(mnas_learner *l) {
    const size_t n = (size_t)l->n_calibrate;
    const int n_devices = l->reward.n_devices;
    double *points = calloc((1 + (size_t)n_devices) * n, sizeof *points);
    if (!points) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: calibration on %zu trials", n);
    const size_t found = mnas_history_first_complete(&l->history, n, n_devices, points, points + n);
    assert(found == n);
    int rc = mnas_reward_calibrate(&l->reward, points, points + n, found);
    free(points);
    return rc < 0 ? rc : store_calibration(l);
}

/* ---- feedback ---- */

static int take_probabilities(const mnas_learner *l, mnas_snapshot *s) {
    s->probabilities = calloc(l->n_choices, sizeof *s->probabilities);
    if (!s->probabilities)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu probabilities", l->n_choices);
    mnas_strategy_probabilities(l->strategy, s->probabilities);
    s->n_probabilities = l->n_choices;
    return 0;
}

static int put_snapshot(mnas_learner *l, const mnas_strategy_status *status) {
    mnas_snapshot s = {.n_updates = status->n_updates,
                       .n_proposals = l->history.n_proposals,
                       .n_trials = l->history.n_trials,
                       .entropy = status->entropy,
                       .entropy_max = status->entropy_max,
                       .baseline = status->baseline};
    mnas_str state = {0};
    int rc = mnas_history_print(&l->history, &s.loop);
    if (rc == 0) rc = mnas_strategy_save(l->strategy, &state);
    s.state = state.data, s.n_state = state.len;
    if (rc == 0) rc = take_probabilities(l, &s);
    if (rc == 0) rc = mnas_store_put_snapshot(l->store, &s);
    free(s.loop);
    free(s.probabilities);
    mnas_str_free(&state);
    return rc;
}

int mnas_learner_save(mnas_learner *l) {
    mnas_strategy_status status;
    if (!mnas_learner_is_calibrated(l)) return 0; /* what it has been told so far is nothing */
    mnas_strategy_get_status(l->strategy, &status);
    return put_snapshot(l, &status);
}

/* Where rewards are any numbers, 0 may be better than all of them. */
static double failed_reward(const mnas_learner *l, int trial) {
    double worst = INFINITY;
    for (int i = 0; i < trial && l->is_value; i++) {
        const mnas_known *k = &l->history.known[i];
        if (k->seen && k->row.state == MNAS_TRIAL_COMPLETE) worst = fmin(worst, k->row.reward);
    }
    return isfinite(worst) ? worst : 0;
}

/* Of one that was stopped at a rung: now, that all is known of its bracket. Within a transaction. */
static int give_reward(mnas_learner *l, mnas_trial *row) {
    if (row->state == MNAS_TRIAL_COMPLETE || !isnan(row->reward)) return 0;
    row->reward = mnas_learner_reward(l, row);
    return mnas_store_set_reward(l->store, row->number, row->reward);
}

int mnas_learner_reward_stopped(mnas_learner *l) {
    int rc = 0;
    for (size_t i = 0; i < l->history.n_known && rc == 0; i++) {
        mnas_trial *row = &l->history.known[i].row;
        if (mnas_history_has_accuracy(row)) rc = give_reward(l, row);
    }
    return rc;
}

mnas_outcome mnas_learner_outcome(const mnas_trial *row, bool repeat) {
    const bool has_reward = mnas_history_has_accuracy(row);
    return (mnas_outcome){.reward = has_reward ? row->reward : 0,
                          .failed = !has_reward,
                          .repeat = repeat,
                          .untried = mnas_trial_is_pruned_for(row, MNAS_PRUNED_SCREENED) ||
                                     mnas_trial_is_pruned_for(row, MNAS_PRUNED_LATENCY),
                          .latency_ms = row->latency.median_ms};
}

/* What the strategy is told of a trial. */
static int take_outcome(mnas_learner *l, int trial, bool repeat, mnas_outcome *out) {
    mnas_trial *row = &l->history.known[trial].row;
    const int rc = mnas_history_has_accuracy(row) ? give_reward(l, row) : 0;
    *out = mnas_learner_outcome(row, repeat);
    if (out->failed) out->reward = failed_reward(l, trial);
    return rc;
}

static int note_update(mnas_learner *l) {
    mnas_strategy_status status;
    mnas_strategy_get_status(l->strategy, &status);
    if (status.n_updates <= l->n_updates) return 0;
    l->n_updates = status.n_updates;
    return status.n_updates > l->n_stored_updates ? put_snapshot(l, &status) : 0;
}

static int feed(mnas_learner *l, const mnas_proposal *p) {
    mnas_outcome outcome;
    int rc = take_outcome(l, p->trial, p->repeat, &outcome);
    if (rc == 0) rc = mnas_strategy_feedback(l->strategy, p->tokens, &outcome);
    if (rc < 0) return rc;
    mnas_history_fed(&l->history);
    return note_update(l);
}

/* All that have entered, before a snapshot is taken: a snapshot knows nothing of what is still to be observed. */
static int observe_told(mnas_learner *l) {
    int n = 0, rc = 0;
    for (; l->n_observed < l->history.n_trials && rc == 0; l->n_observed++) {
        const mnas_trial *row = &l->history.known[l->n_observed].row;
        mnas_outcome outcome;
        if (!mnas_history_is_told(row)) continue;
        rc = take_outcome(l, l->n_observed, false, &outcome);
        if (rc == 0) rc = mnas_strategy_observe(l->strategy, row->tokens, &outcome);
        n++;
    }
    return rc == 0 && n > 0 ? note_update(l) : rc;
}

static bool can_calibrate(const mnas_learner *l) {
    return l->history.n_complete + l->history.n_told_complete >= l->n_calibrate;
}

int mnas_learner_take_in(mnas_learner *l) {
    const mnas_proposal *p;
    int rc = mnas_history_enter(&l->history);
    mnas_history_see(&l->history, l->delay);
    if (rc == 0 && !mnas_learner_is_calibrated(l) && can_calibrate(l)) rc = mnas_learner_calibrate(l);
    if (rc == 0 && mnas_learner_is_calibrated(l)) rc = observe_told(l);
    while (rc == 0 && mnas_learner_is_calibrated(l) && (p = mnas_history_next_to_feed(&l->history)))
        rc = feed(l, p);
    return rc;
}

int mnas_learner_advance(mnas_learner *l) {
    int rc = mnas_history_enter(&l->history);
    if (rc < 0) return rc;
    mnas_history_see(&l->history, l->delay);
    const bool due =
        mnas_learner_is_calibrated(l) ? mnas_history_next_to_feed(&l->history) != NULL : can_calibrate(l);
    if (!due) return 0;
    rc = mnas_store_begin(l->store);
    if (rc == 0) rc = mnas_learner_take_in(l);
    return rc < 0 ? rc : mnas_store_commit(l->store);
}

/* ---- proposals ---- */

/* The same number for the same trial of the same study; below 2^63, as files like it. */
static uint64_t trial_seed(uint64_t study_seed, int number) {
    mnas_rng rng = mnas_rng_stream(study_seed, (uint64_t)number, "trial");
    return mnas_rng_u64(&rng) >> 1;
}

int mnas_learner_name_network(const mnas_model *model, char **arch, char key[17]) {
    int rc = mnas_model_arch(model, arch);
    if (rc < 0) return rc;
    rc = mnas_model_key(model, key);
    if (rc != MNAS_ERR_INVALID) return rc;
    key[0] = '\0'; /* becomes a trial that fails */
    return 0;
}

int mnas_learner_describe_network(const mnas_model *model, double out[MNAS_NETWORK_DESCRIPTORS]) {
    mnas_cost cost;
    const int rc = mnas_cost_compute(&cost, model, 1);
    out[0] = out[1] = 0;
    if (rc < 0) return rc == MNAS_ERR_INVALID ? 0 : rc;
    out[0] = log((double)cost.macs);
    out[1] = log((double)cost.params);
    mnas_cost_free(&cost);
    return 0;
}

static const char *const origin_names[] = {
    [MNAS_ORIGIN_STRATEGY] = "strategy", [MNAS_ORIGIN_RANDOM] = "random"};

static int add_proposal(mnas_learner *l, const int *tokens) {
    mnas_strategy_status status;
    char key[17] = "", *arch = NULL;
    int rc = l->name(l->user, tokens, &arch, key);
    mnas_strategy_get_status(l->strategy, &status);
    const mnas_candidate candidate = {tokens,
                                      arch,
                                      key,
                                      status.entropy,
                                      trial_seed(l->seed, l->history.n_trials),
                                      origin_names[mnas_strategy_origin(l->strategy)]};
    if (rc == 0) rc = mnas_history_propose(&l->history, &candidate, mnas_history_twin(&l->history, key));
    free(arch);
    return rc;
}

int mnas_learner_add_told(mnas_learner *l, const int *tokens, int *number) {
    char key[17] = "", *arch = NULL;
    int rc = l->name(l->user, tokens, &arch, key);
    const mnas_candidate candidate = {.tokens = tokens,
                                      .arch = arch,
                                      .key = key,
                                      .entropy_nats = NAN,
                                      .seed = trial_seed(l->seed, (int)l->history.n_known)};
    if (rc == 0) rc = mnas_history_add_told(&l->history, &candidate, number);
    free(arch);
    return rc;
}

int mnas_learner_enter_told(mnas_learner *l) {
    return mnas_history_enter_told(&l->history) ? mnas_learner_take_in(l) : 0;
}

int mnas_learner_propose(mnas_learner *l) {
    int *tokens = calloc((size_t)l->n_decisions, sizeof *tokens);
    if (!tokens) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a proposal");
    int rc = mnas_strategy_propose(l->strategy, tokens);
    if (rc == 0) rc = add_proposal(l, tokens);
    free(tokens);
    return rc;
}

/* ---- studies of an earlier mnas ---- */

static int from_earlier(const char *path) {
    return mnas_error_set(
        MNAS_ERR_FORMAT,
        "%s was begun with another version of mnas, and its strategy cannot be gone on with by this one; "
        "nothing was changed. show, report, export and finalize work on it; to search on, begin "
        "another study, or go on with the mnas that made it",
        path);
}

/* Who proposed a trial is kept for as long as strategies propose as they do now. */
static int check_origins(mnas_store *store, const char *path) {
    mnas_trial *trials;
    size_t n;
    const int rc = mnas_store_trials(store, &trials, &n);
    if (rc < 0) return rc;
    const bool earlier = n > 0 && !trials[0].origin[0];
    mnas_trials_free(trials, n);
    return earlier ? from_earlier(path) : 0;
}

/* What cannot be read is left to the opening, which says more about it. */
int mnas_learner_check_study(const char *path) {
    mnas_store *store;
    mnas_snapshot s;
    if (mnas_store_open(&store, path, MNAS_STORE_READ) < 0) return 0;
    int rc = check_origins(store, path);
    if (rc == 0 && mnas_store_last_snapshot(store, &s) == 0) {
        if (s.n_updates >= 0 && mnas_strategy_check_version(s.state, s.n_state) < 0) rc = from_earlier(path);
        mnas_snapshot_clear(&s);
    }
    mnas_store_close(store);
    return rc;
}

/* ---- life ---- */

/* Of every device. */
static bool read_targets(mnas_reward *r, const mnas_setting *settings, size_t n) {
    char name[24];
    for (int d = 0; d < r->n_devices; d++) {
        const char *target = mnas_settings_get(settings, n, mnas_learner_target_name(d, name));
        if (!target || !mnas_str_to_f64(target, &r->target_ms[d])) return false;
    }
    return true;
}

/* A study that was calibrated has its values in its settings; they are found again with the replay, unless it
 * begins after that: then they are needed at once. */
static int restore_reward(mnas_learner *l) {
    mnas_setting *settings;
    size_t n;
    int rc = mnas_store_settings(l->store, &settings, &n);
    if (rc < 0) return rc;
    const char *alpha = mnas_settings_get(settings, n, "alpha"),
               *beta = mnas_settings_get(settings, n, "beta");
    mnas_reward *r = &l->reward;
    if (!alpha || !beta || !read_targets(r, settings, n) || !mnas_str_to_f64(alpha, &r->alpha) ||
        !mnas_str_to_f64(beta, &r->beta))
        rc = mnas_error_set(MNAS_ERR_FORMAT,
                            "the study has a controller's state but no calibrated reward: it is damaged");
    r->w_auto = false;
    mnas_settings_free(settings, n);
    return rc;
}

static int restore_snapshot(mnas_learner *l) {
    mnas_snapshot s;
    int rc = mnas_store_last_snapshot(l->store, &s);
    if (rc < 0 || s.n_updates < 0) return rc;
    rc = mnas_strategy_load(l->strategy, s.state, s.n_state);
    if (rc == 0) rc = mnas_history_restore(&l->history, s.loop);
    if (rc == 0) rc = restore_reward(l);
    l->n_updates = l->n_stored_updates = s.n_updates;
    l->n_observed = l->history.n_trials;
    mnas_snapshot_clear(&s);
    return rc;
}

int mnas_learner_open(mnas_learner *l) {
    const int rc = mnas_history_load(&l->history, l->store, l->n_decisions);
    l->history.rungs.plan = l->rungs;
    l->history.overlap = l->overlap;
    return rc < 0 ? rc : restore_snapshot(l);
}

void mnas_learner_close(mnas_learner *l) {
    mnas_history_free(&l->history);
}
