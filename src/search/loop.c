/* loop.c - see loop.h. How a trial runs is trial.c's business, what is known history.c's, what is made of outcomes
 * learner.c's.
 *
 * Invariant: what it decides (propose, wait, end) depends on outcomes that are seen, never on which job was
 * quicker; the one exception is the clock (max_minutes), which ends it at once. What was running then stays running in
 * the study, and is tried again by the next search.
 */
#include "search/loop.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "base/log.h"
#include "search/learner.h"
#include "search/progress.h"
#include "train/evaluate.h"

enum { POLL_MS = 100 };
static const double min_timeout_s = 600, timeout_factor = 20;

typedef enum { STEP_PROPOSE, STEP_WAIT, STEP_FINISHED, STEP_STOP, STEP_BUDGET } step;

typedef struct loop {
    const mnas_loop_setup *setup;
    mnas_learner learner;
    mnas_trial_context trial;
    mnas_measure_context measure;
    mnas_trial_run *runs; /* [jobs]; a slot is free where it has ENDED */
    mnas_job **jobs;      /* [jobs] for waiting */
    int n_jobs;
    double proposal_begun_s;
    mnas_progress progress;
} loop;

static bool is_active(const mnas_trial_run *run) {
    return run->phase != MNAS_RUN_ENDED || run->row.state != MNAS_TRIAL_RUNNING;
}

static int count_active(const loop *l) {
    int n = 0;
    for (int i = 0; i < l->n_jobs; i++) n += is_active(&l->runs[i]);
    return n;
}

static bool is_cancelled(const loop *l) {
    return l->setup->options->cancel && *l->setup->options->cancel;
}

static bool time_is_over(const loop *l) {
    const double limit = l->setup->options->max_minutes;
    return !isnan(limit) && mnas_clock_now_s() - l->setup->begun_s >= 60 * limit;
}

static void show(loop *l, const mnas_trial *finished, const mnas_trial_run *run, const char *phase) {
    mnas_progress_show(&l->progress, &l->learner.history, finished, run, phase, l->learner.n_updates);
}

/* ---- proposals ---- */

int mnas_loop_decode(const mnas_space *space, const mnas_dataset_info *data, const int *tokens,
                     mnas_model *out) {
    const int rc = mnas_space_decode(space, tokens, out);
    return rc < 0 ? rc : mnas_model_fit_dataset(out, data);
}

static int name_proposal(const void *user, const int *tokens, char **arch, char key[17]) {
    const mnas_loop_setup *setup = user;
    mnas_model model;
    const int rc = mnas_loop_decode(setup->space, setup->data, tokens, &model);
    return rc < 0 ? rc : mnas_learner_name_network(&model, arch, key);
}

static int propose(loop *l) {
    l->proposal_begun_s = mnas_clock_now_s();
    return mnas_learner_propose(&l->learner);
}

/* ---- running trials ---- */

static mnas_trial_run *free_slot(loop *l) {
    for (int i = 0; i < l->n_jobs; i++)
        if (!is_active(&l->runs[i])) return &l->runs[i];
    return NULL;
}

/* A copy of what was proposed; what an earlier attempt left is not part of it, but for the rungs that it came to. */
static int copy_row(mnas_trial *out, const mnas_trial *row) {
    if (row->rung >= 0) return mnas_trial_copy(out, row);
    const size_t bytes = (size_t)row->n_tokens * sizeof *row->tokens;
    *out = mnas_trial_empty();
    out->number = row->number;
    out->n_tokens = row->n_tokens;
    out->entropy_nats = row->entropy_nats;
    out->seed = row->seed;
    out->started_unix_ms = mnas_clock_unix_ms();
    memcpy(out->key, row->key, sizeof out->key);
    memcpy(out->origin, row->origin, sizeof out->origin);
    out->arch = strdup(row->arch);
    out->tokens = malloc(bytes);
    if (out->arch && out->tokens) {
        memcpy(out->tokens, row->tokens, bytes);
        return 0;
    }
    mnas_trial_clear(out);
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %d", row->number);
}

static int claim(loop *l, mnas_trial_run *run, mnas_known *known) {
    mnas_trial row;
    mnas_model model;
    char *yaml = NULL;
    const double begun_s = known->stored ? mnas_clock_now_s() : l->proposal_begun_s;
    int rc = copy_row(&row, &known->row);
    if (rc < 0) return rc;
    rc = mnas_loop_decode(l->setup->space, l->setup->data, row.tokens, &model);
    if (rc == 0) rc = mnas_model_print(&model, &yaml);
    if (rc == 0 && !known->claimed) rc = mnas_store_claim(l->setup->store, &row, yaml, &row.attempt);
    free(yaml);
    if (rc < 0) {
        mnas_trial_clear(&row);
        return rc;
    }
    mnas_trial_begin(run, &row, &model, begun_s);
    known->stored = known->active = known->claimed = true;
    return 0;
}

/* Hear what trainings and measurings have to say. */
static int listen_to_runs(loop *l, int timeout_ms) {
    for (int i = 0; i < l->n_jobs; i++) l->jobs[i] = mnas_trial_job(&l->runs[i]);
    return l->trial.runner->wait(l->trial.runner->user, l->jobs, (size_t)l->n_jobs, timeout_ms);
}

static void for_all_runs(loop *l, void (*act)(mnas_trial_run *, const mnas_trial_context *)) {
    for (int i = 0; i < l->n_jobs; i++) act(&l->runs[i], &l->trial);
}

/* No training runs while a latency is taken, where the device is this machine. */
static int measure_run(loop *l, mnas_trial_run *run) {
    if (!mnas_measuring_needs_quiet(&run->measuring, &l->measure)) return mnas_trial_measure(run, &l->trial);
    int rc = listen_to_runs(l, 0); /* whether they have begun, or ended */
    if (rc < 0) return rc;
    for_all_runs(l, mnas_trial_pause);
    rc = mnas_trial_measure(run, &l->trial);
    for_all_runs(l, mnas_trial_resume);
    return rc;
}

static int64_t held_bytes(const loop *l) {
    int64_t bytes = 0;
    for (int i = 0; i < l->n_jobs; i++) bytes += mnas_trial_held_bytes(&l->runs[i]);
    return bytes;
}

/* What is due of its measuring; and its training, once it is measured. */
static int go_on_with(loop *l, mnas_trial_run *run) {
    int rc = 0;
    if (run->phase == MNAS_RUN_READY && mnas_measuring_is_due(&run->measuring)) {
        show(l, NULL, run, "measuring");
        rc = measure_run(l, run);
    }
    if (rc == 0 && run->phase == MNAS_RUN_MEASURED && !is_cancelled(l) && !time_is_over(l))
        rc = mnas_trial_train(run, &l->trial);
    return rc;
}

/* Up to the start of its measuring elsewhere, of its training, or its early end. */
static int start_run(loop *l, mnas_trial_run *run) {
    l->trial.held_bytes = held_bytes(l);
    const int rc = run->row.rung >= 0 ? mnas_trial_go_on(run, &l->trial) : mnas_trial_prepare(run, &l->trial);
    return rc < 0 ? rc : go_on_with(l, run);
}

/* Of one that nobody works on and that has no outcome: it is not waiting for the others of its bracket. */
static bool can_start(const loop *l, const mnas_known *known) {
    return mnas_history_rung_state(&l->learner.history, known->row.number) == MNAS_RUNGS_TRAINS;
}

/* Proposed trials without an outcome that nobody works on: a new one, one that goes on from a rung, or rows found running at
 * a resume. */
static int start_waiting(loop *l) {
    int rc = 0;
    for (size_t i = 0; i < l->learner.history.n_open && rc == 0; i++) {
        const mnas_proposal *p = &l->learner.history.open[i];
        mnas_known *known = &l->learner.history.known[p->trial];
        if (p->repeat || known->active || known->row.state != MNAS_TRIAL_RUNNING) continue;
        if (!can_start(l, known)) continue;
        mnas_trial_run *run = free_slot(l);
        if (!run) break;
        rc = claim(l, run, known);
        if (rc == 0) rc = start_run(l, run);
    }
    return rc;
}

static void update_timeout(loop *l) {
    const double asked_s = l->setup->options->trial_timeout_s;
    l->trial.timeout_s = isnan(asked_s) ? INFINITY : asked_s;
    for (size_t i = 0; i < l->learner.history.n_known && isnan(asked_s); i++) {
        const mnas_trial *row = &l->learner.history.known[i].row;
        if (row->state != MNAS_TRIAL_COMPLETE) continue;
        l->trial.timeout_s = fmax(min_timeout_s, timeout_factor * row->train_s);
        return;
    }
}

/* Within a transaction: the outcome, or what it has come to at a rung. */
static int store_row(loop *l, const mnas_trial *row) {
    bool counted;
    int rc = mnas_store_finish(l->setup->store, row, &counted);
    if (rc < 0 || counted) return rc;
    rc = mnas_store_commit(l->setup->store);
    return rc < 0 ? rc
                  : mnas_error_set(MNAS_ERR_BUSY, "trial %d was taken over by another search on this study",
                                   row->number);
}

static bool is_stopped(const mnas_history *h, const mnas_trial *row) {
    return row->state == MNAS_TRIAL_RUNNING && mnas_history_rung_state(h, row->number) == MNAS_RUNGS_STOPPED;
}

/* Trials that wait at a rung and go no further. Within a transaction; *n says how many. */
static int stop_waiting(loop *l, int *n) {
    mnas_history *h = &l->learner.history;
    int rc = 0;
    for (size_t i = 0; i < h->n_open && rc == 0; i++) {
        mnas_trial *row = &h->known[h->open[i].trial].row;
        if (!is_stopped(h, row)) continue;
        row->state = MNAS_TRIAL_PRUNED;
        snprintf(row->reason, sizeof row->reason, MNAS_PRUNED_RUNG);
        row->finished_unix_ms = mnas_clock_unix_ms();
        rc = store_row(l, row);
        mnas_trial_forget_rungs(row, &l->trial, 0);
        ++*n;
    }
    return rc;
}

/* The row is the history's from here on. What is decided by it follows in the same transaction. */
static int hand_over(loop *l, mnas_trial_run *run, int *n_stopped) {
    mnas_known *known = &l->learner.history.known[run->row.number];
    mnas_trial_clear(&known->row);
    known->row = run->row;
    known->active = false;
    run->row = mnas_trial_empty();
    mnas_trial_release(run, &l->trial);
    int rc = mnas_history_enter(&l->learner.history);
    if (rc == 0) rc = mnas_history_came(&l->learner.history, known->row.number);
    if (rc == 0) rc = stop_waiting(l, n_stopped);
    return rc < 0 ? rc : mnas_learner_take_in(&l->learner);
}

static void show_stopped(loop *l, int64_t since_unix_ms) {
    const mnas_history *h = &l->learner.history;
    for (size_t i = 0; i < h->n_known; i++)
        if (mnas_trial_is_pruned_for(&h->known[i].row, MNAS_PRUNED_RUNG) &&
            h->known[i].row.finished_unix_ms >= since_unix_ms)
            show(l, &h->known[i].row, NULL, "done");
}

static int finish_run(loop *l, mnas_trial_run *run) {
    mnas_trial *row = &run->row;
    const mnas_known *known = &l->learner.history.known[row->number];
    const bool at_rung = run->phase == MNAS_RUN_AT_RUNG;
    const int64_t now_unix_ms = mnas_clock_unix_ms();
    int n_stopped = 0;
    if (row->state == MNAS_TRIAL_COMPLETE && mnas_learner_is_calibrated(&l->learner))
        row->reward = mnas_learner_reward(&l->learner, row);
    if (!at_rung) row->finished_unix_ms = now_unix_ms;
    row->overhead_s = mnas_trial_overhead_s(run);
    int rc = mnas_store_begin(l->setup->store);
    if (rc == 0) rc = store_row(l, row);
    if (rc < 0) return rc;
    rc = hand_over(l, run, &n_stopped);
    if (rc == 0) rc = mnas_store_commit(l->setup->store);
    if (rc < 0) return rc;
    mnas_trial_forget_rungs(&known->row, &l->trial, at_rung && known->row.state == MNAS_TRIAL_RUNNING);
    update_timeout(l);
    show(l, at_rung ? NULL : &known->row, NULL, at_rung ? "waiting" : "done");
    if (n_stopped > 0) show_stopped(l, now_unix_ms);
    return 0;
}

static int poll_run(loop *l, mnas_trial_run *run) {
    int rc = mnas_trial_job(run) ? mnas_trial_poll(run, &l->trial) : 0;
    if (rc == 0) rc = go_on_with(l, run);
    if (rc < 0) return rc;
    if (run->phase == MNAS_RUN_TRAINING) show(l, NULL, run, "training");
    if (run->phase == MNAS_RUN_MEASURING) show(l, NULL, run, "measuring");
    if (run->phase == MNAS_RUN_READY) show(l, NULL, run, "awaiting");
    return 0;
}

/* What trainings and measurings have to say since last time, waiting a moment for it. */
static int poll_runs(loop *l) {
    int rc = listen_to_runs(l, POLL_MS);
    for (int i = 0; i < l->n_jobs && rc == 0; i++)
        if (is_active(&l->runs[i]) && l->runs[i].phase != MNAS_RUN_ENDED) rc = poll_run(l, &l->runs[i]);
    return rc;
}

/* In the order of trials, so that a log reads the same. Returns how many, or a status. */
static int finish_ended(loop *l) {
    int n = 0;
    for (;;) {
        mnas_trial_run *first = NULL;
        for (int i = 0; i < l->n_jobs; i++) {
            mnas_trial_run *run = &l->runs[i];
            if (!is_active(run) || (run->phase != MNAS_RUN_ENDED && run->phase != MNAS_RUN_AT_RUNG)) continue;
            if (!first || run->row.number < first->row.number) first = run;
        }
        if (!first) return n;
        const int rc = finish_run(l, first);
        if (rc < 0) return rc;
        n++;
    }
}

/* ---- deciding ---- */

/* Rows that a resume finds are started already: they are replayed, and finished where they were running. */
static bool trials_are_spent(const loop *l) {
    const int limit = l->setup->options->max_trials;
    const mnas_history *h = &l->learner.history;
    return limit > 0 && (size_t)h->n_trials >= h->n_known && h->n_trials >= limit;
}

static bool has_rungs(const loop *l) {
    return l->trial.rungs.n > 0;
}

/* Trials so far. Tried are complete ones; with rungs those whose training has begun, which makes them members of a bracket. */
typedef struct tally {
    int n_tried, n_running;
    int n_unknown; /* of the running ones: they may or may not count as tried */
    int n_to_do;   /* of the running ones: they need a job */
} tally;

static tally count_trials(const loop *l) {
    const mnas_history *h = &l->learner.history;
    tally t = {0};
    for (int i = 0; i < h->n_trials; i++) {
        const mnas_trial *row = &h->known[i].row;
        const bool is_running = row->state == MNAS_TRIAL_RUNNING,
                   is_tried =
                       has_rungs(l) ? mnas_history_has_entered(row) : row->state == MNAS_TRIAL_COMPLETE;
        t.n_tried += is_tried;
        t.n_running += is_running;
        t.n_unknown += is_running && !is_tried;
        t.n_to_do += is_running && can_start(l, &h->known[i]);
    }
    return t;
}

static step decide(const loop *l) {
    const mnas_history *h = &l->learner.history;
    const int wanted = l->setup->options->trials;
    const tally t = count_trials(l);
    if (t.n_tried >= wanted && (!has_rungs(l) || t.n_running == 0)) return STEP_FINISHED;
    if (mnas_history_in_vain(h)) return has_rungs(l) && t.n_running > 0 ? STEP_WAIT : STEP_STOP;
    if (mnas_history_failed_too_often(h, wanted)) return STEP_STOP;
    if (trials_are_spent(l)) return t.n_to_do > 0 ? STEP_WAIT : STEP_BUDGET;
    if (mnas_history_awaits(h, l->setup->delay)) return STEP_WAIT;
    if (t.n_tried + t.n_unknown >= wanted) return STEP_WAIT;
    /* rows found running at a resume may wait for a job: what is proposed always finds one, so that no
     * snapshot counts a trial without a row */
    return t.n_to_do >= l->n_jobs ? STEP_WAIT : STEP_PROPOSE;
}

/* The last bracket is decided as it is, once it is known that nothing follows. */
static int close_rungs(loop *l) {
    mnas_history *h = &l->learner.history;
    const bool is_last = mnas_history_in_vain(h) && h->n_entered == h->n_trials && !h->rungs.closed;
    return has_rungs(l) && is_last ? mnas_history_close(h) : 0;
}

/* What has been decided of trials that wait, where no result has done so: at a resume, and at the end. */
static int settle(loop *l) {
    const mnas_history *h = &l->learner.history;
    int n = 0, rc = close_rungs(l);
    for (size_t i = 0; i < h->n_open; i++) n += is_stopped(h, &h->known[h->open[i].trial].row);
    if (rc < 0 || n == 0) return rc;
    rc = mnas_store_begin(l->setup->store);
    if (rc == 0) rc = stop_waiting(l, &n);
    return rc < 0 ? rc : mnas_store_commit(l->setup->store);
}

/* The nearest that was measured, so that one knows which way to go. */
static int say_nothing_in_window(const loop *l) {
    const mnas_history *h = &l->learner.history;
    char below[MNAS_HUMAN_BYTES], above[MNAS_HUMAN_BYTES];
    mnas_landing landing;
    mnas_landing_begin(&landing, l->setup->trial.window);
    for (size_t i = 0; i < h->n_known; i++) mnas_landing_count(&landing, &h->known[i].row);
    mnas_human_ms(landing.below_ms, below);
    mnas_human_ms(landing.above_ms, above);
    return mnas_error_set(
        MNAS_ERR_EXHAUSTED,
        "the last %d candidates all missed the window of %.6g to %.6g ms, with %d of %d trials complete "
        "(%d measured, %d screened; nearest: %s below, %s above): give a wider --window or a target nearer "
        "to "
        "those, a space with more networks there, or a latency model to aim by (--screen), in another "
        "--study",
        h->left_in_row, landing.low_ms, landing.high_ms, h->n_complete, l->setup->options->trials,
        landing.n_measured, landing.n_screened, below, above);
}

static int say_all_known(const loop *l) {
    const mnas_history *h = &l->learner.history;
    char left_out[80] = "";
    if (h->n_outside > 0)
        snprintf(left_out, sizeof left_out, " and %d outside the window", h->n_screened + h->n_outside);
    else if (h->n_screened > 0)
        snprintf(left_out, sizeof left_out, " and %d screened as too slow", h->n_screened);
    return mnas_error_set(
        MNAS_ERR_EXHAUSTED,
        "the last %d proposals were all of known networks, with %d of %d trials complete%s: the strategy "
        "has settled, or the space has no more; ask for fewer --trials, use a larger space, or "
        "--strategy random",
        h->repeats_in_row, h->n_complete, l->setup->options->trials, left_out);
}

static int say_why_stopped(const loop *l) {
    const mnas_history *h = &l->learner.history;
    if (h->repeats_in_row >= MNAS_MAX_REPEATS_IN_ROW) return say_all_known(l);
    if (h->left_in_row >= MNAS_MAX_REPEATS_IN_ROW && l->setup->trial.window) return say_nothing_in_window(l);
    if (h->left_in_row >= MNAS_MAX_REPEATS_IN_ROW && h->n_screened == 0)
        return mnas_error_set(MNAS_ERR_EXHAUSTED,
                              "the last %d candidates all failed before their training, with %d of %d trials "
                              "complete; see their reasons with `mnas show`",
                              h->left_in_row, h->n_complete, l->setup->options->trials);
    if (h->left_in_row >= MNAS_MAX_REPEATS_IN_ROW)
        return mnas_error_set(
            MNAS_ERR_EXHAUSTED,
            "the last %d candidates were all screened as too slow, with %d of %d trials complete: give a "
            "larger --target-ms or --screen-factor, or a faster space, in another --study",
            h->left_in_row, h->n_complete, l->setup->options->trials);
    return mnas_error_set(MNAS_ERR_EXHAUSTED,
                          "%d trials failed, 3 for each of the %d wanted, and %d are complete; see their "
                          "reasons with `mnas show`",
                          h->n_failed, l->setup->options->trials, h->n_complete);
}

static mnas_trial_run *given_up(const loop *l) {
    for (int i = 0; i < l->n_jobs; i++)
        if (mnas_trial_is_given_up(&l->runs[i])) return &l->runs[i];
    return NULL;
}

/* Where a device is given up, those that wait for it are, too. */
static int count_busy(const loop *l) {
    int n = 0;
    for (int i = 0; i < l->n_jobs; i++)
        n += is_active(&l->runs[i]) && !(l->runs[i].phase == MNAS_RUN_READY && given_up(l));
    return n;
}

/* What is running is let run to its end. */
static int drain(loop *l) {
    int rc = 0;
    while (rc >= 0 && count_busy(l) > 0 && !is_cancelled(l) && !time_is_over(l)) {
        rc = poll_runs(l);
        if (rc == 0) rc = finish_ended(l);
    }
    return rc < 0 ? rc : 0;
}

/* Those not seen yet included. */
static int count_complete(const loop *l) {
    int n_complete, n_unknown;
    mnas_history_unseen(&l->learner.history, &n_complete, &n_unknown);
    return l->learner.history.n_complete + n_complete;
}

static int say_cancelled(void) {
    return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted; the same command continues");
}

static int say_time_is_over(const loop *l) {
    return mnas_error_set(MNAS_ERR_TIMEOUT, "time is up with %d of %d trials complete", count_complete(l),
                          l->setup->options->trials);
}

static int say_trials_are_spent(const loop *l) {
    return mnas_error_set(MNAS_ERR_TIMEOUT,
                          "all %d trials of max-trials are spent with %d of %d trials complete",
                          l->setup->options->max_trials, count_complete(l), l->setup->options->trials);
}

static int say_given_up(const loop *l) {
    const mnas_trial_run *run = given_up(l);
    char name[32];
    snprintf(name, sizeof name, "trial %d", run->row.number);
    return mnas_measuring_say(&run->measuring, &l->measure, name);
}

/* The trials to calibrate on may be complete and not seen. Where a search was asked for fewer than those, its
 * rewards are left to the one that goes on: a calibrated reward never changes. */
static int finish_search(loop *l) {
    int n_complete, n_unknown;
    const bool is_calibrated = mnas_learner_is_calibrated(&l->learner);
    if (count_complete(l) == 0) /* with rungs: what failed was tried, too */
        return mnas_error_set(MNAS_ERR_EXHAUSTED,
                              "all %d networks that were tried failed; see their reasons with `mnas show`",
                              l->learner.history.n_failed);
    if (is_calibrated && !has_rungs(l)) return 0;
    mnas_history_unseen(&l->learner.history, &n_complete, &n_unknown);
    n_complete += l->learner.history.n_complete;
    if (!is_calibrated && (n_unknown > 0 || n_complete < l->setup->n_calibrate)) {
        mnas_log_warn("no rewards yet: the reward is calibrated on the first %d complete trials of this "
                      "study, and %d are there",
                      l->setup->n_calibrate, n_complete);
        return 0;
    }
    int rc = mnas_store_begin(l->setup->store);
    if (rc == 0 && !is_calibrated) rc = mnas_learner_calibrate(&l->learner);
    if (rc == 0) rc = mnas_learner_reward_stopped(&l->learner);
    return rc < 0 ? rc : mnas_store_commit(l->setup->store);
}

/* For a reason that `say` tells, unless what was still running made the search complete, or was not let run. */
static int stop(loop *l, int (*say)(const loop *)) {
    const int rc = drain(l);
    if (rc < 0) return rc;
    if (given_up(l) && !is_cancelled(l)) return say_given_up(l);
    if (count_active(l) > 0) return is_cancelled(l) ? say_cancelled() : say_time_is_over(l);
    return decide(l) == STEP_FINISHED ? finish_search(l) : say(l);
}

static int go_on(loop *l) {
    for (;;) {
        int rc = mnas_learner_advance(&l->learner);
        if (rc == 0) rc = settle(l);
        if (rc < 0) return rc;
        if (is_cancelled(l)) return say_cancelled();
        const step next = decide(l);
        if (next == STEP_FINISHED) return finish_search(l);
        if (next == STEP_STOP) return stop(l, say_why_stopped);
        if (next == STEP_BUDGET) return stop(l, say_trials_are_spent);
        if (given_up(l)) return stop(l, say_given_up);
        if (time_is_over(l)) return say_time_is_over(l);
        if (next == STEP_PROPOSE && (rc = propose(l)) < 0) return rc;
        if ((rc = start_waiting(l)) == MNAS_ERR_CANCELLED && time_is_over(l)) return say_time_is_over(l);
        if (rc < 0) return rc;
        if ((rc = finish_ended(l)) < 0) return rc;
        if (rc > 0 || next == STEP_PROPOSE) continue;
        if ((rc = poll_runs(l)) < 0) return rc;
        if ((rc = finish_ended(l)) < 0) return rc;
    }
}

/* ---- setting up ---- */

/* A complete trial has a latency on each device; the last one shows that they have worked. */
static int check_rows(loop *l) {
    const mnas_trial *last = NULL;
    for (size_t i = 0; i < l->learner.history.n_known; i++) {
        const mnas_trial *row = &l->learner.history.known[i].row;
        if (row->rung >= (has_rungs(l) ? l->trial.rungs.n : 0) || row->n_rungs != row->rung + 1)
            return mnas_error_set(MNAS_ERR_FORMAT,
                                  "trial %d has come to rung %d of %d, with %d accuracies: it is damaged",
                                  row->number, row->rung + 1, l->trial.rungs.n, row->n_rungs);
        if (row->state != MNAS_TRIAL_COMPLETE) continue;
        last = row;
        if (row->n_others + 1 != l->learner.reward.n_devices)
            return mnas_error_set(MNAS_ERR_FORMAT,
                                  "trial %d has latencies on %d devices, the study has %d: it is damaged",
                                  row->number, row->n_others + 1, l->learner.reward.n_devices);
    }
    l->measure.has_worked = last != NULL;
    return last ? mnas_loop_decode(l->setup->space, l->setup->data, last->tokens, &l->measure.probe) : 0;
}

/* A search that was killed between a trial's end and the removal of its states at rungs leaves them. */
static void forget_rungs(const loop *l) {
    for (size_t i = 0; i < l->learner.history.n_known; i++) {
        const mnas_trial *row = &l->learner.history.known[i].row;
        mnas_trial_forget_rungs(row, &l->trial, row->state == MNAS_TRIAL_RUNNING);
    }
}

static int set_up(loop *l) {
    const mnas_loop_setup *setup = l->setup;
    l->n_jobs = setup->options->jobs > 1 ? setup->options->jobs : 1;
    l->runs = calloc((size_t)l->n_jobs, sizeof *l->runs);
    l->jobs = calloc((size_t)l->n_jobs, sizeof *l->jobs);
    if (!l->runs || !l->jobs) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d jobs", l->n_jobs);
    for (int i = 0; i < l->n_jobs; i++) l->runs[i] = (mnas_trial_run){.phase = MNAS_RUN_ENDED};
    int rc = mnas_learner_open(&l->learner);
    if (rc == 0) rc = check_rows(l);
    if (rc < 0) return rc;
    forget_rungs(l);
    update_timeout(l);
    mnas_progress_open(&l->progress, setup->options, &l->measure);
    return 0;
}

static mnas_learner learner_of(const mnas_loop_setup *setup) {
    mnas_learner l = {.store = setup->store,
                      .strategy = setup->strategy,
                      .reward = setup->reward,
                      .delay = setup->delay,
                      .n_calibrate = setup->n_calibrate,
                      .seed = setup->options->seed,
                      .rungs = setup->trial.rungs,
                      .overlap = setup->delay > 1,
                      .n_decisions = mnas_space_n_decisions(setup->space),
                      .name = name_proposal,
                      .user = setup};
    for (int i = 0; i < l.n_decisions; i++)
        l.n_choices += (size_t)mnas_space_decision(setup->space, i)->n_choices;
    return l;
}

int mnas_loop_run(const mnas_loop_setup *setup) {
    loop l = {.setup = setup, .learner = learner_of(setup), .trial = setup->trial, .measure = setup->measure};
    l.trial.measure = &l.measure;
    int rc = set_up(&l);
    if (rc == 0) rc = go_on(&l);
    for (int i = 0; i < l.n_jobs && l.runs; i++) mnas_trial_release(&l.runs[i], &l.trial);
    mnas_learner_close(&l.learner);
    if (has_rungs(&l)) rmdir(l.trial.rung_folder); /* where it is empty: nothing waits */
    free(l.runs);
    free(l.jobs);
    return rc;
}
