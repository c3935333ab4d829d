/* ask.c - see ask.h: what a session asks and is told. Which proposal comes next is the learner's business, what has been
 * told of it the user's.
 *
 * Invariants: each call is one transaction of the study, so that a process killed at any moment leaves a trial asked for or
 * not, told or not. Between calls the last proposal led to a trial of its own, or none was made: so the rows alone say which
 * proposals came before a result that is told without being asked for.
 */
#include "search/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "model/latency.h"

enum { UNSAVED_AT_MOST = 16, OPEN_SHOWN = 8 };

static bool is_open(const mnas_known *k) {
    return k->row.state == MNAS_TRIAL_RUNNING;
}

int mnas_ask_decode(const mnas_ask_session *s, const int *tokens, mnas_model *out) {
    return mnas_space_decode(s->space, tokens, out);
}

void mnas_ask_print_open(const mnas_ask_session *s, char *buf, size_t n) {
    const mnas_history *h = &s->learner.history;
    int shown = 0, found = 0;
    size_t used = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < h->n_known; i++) {
        if (!is_open(&h->known[i]) || found++ >= OPEN_SHOWN || used + 16 > n) continue;
        used += (size_t)snprintf(buf + used, n - used, "%s%d", shown++ ? ", " : "", h->known[i].row.number);
    }
    if (found > shown) snprintf(buf + used, n - used, " and %d more", found - shown);
    if (found == 0) snprintf(buf, n, "none");
}

/* ---- transactions ---- */

static int begin(mnas_ask_session *s) {
    if (s->broken)
        return mnas_error_set(MNAS_ERR_IO, "%s: an earlier call failed half-way; open it again", s->path);
    return mnas_store_begin(s->store);
}

static bool is_refusal(int rc) {
    return rc == MNAS_ERR_BUSY || rc == MNAS_ERR_EXHAUSTED;
}

/* A refusal (`rc`) has taken outcomes in all the same. */
static int end(mnas_ask_session *s, int rc) {
    const bool refused = is_refusal(rc);
    char why[1024];
    snprintf(why, sizeof why, "%s", mnas_error_message());
    int ended = rc == 0 || refused ? 0 : rc;
    if (ended == 0 && ++s->n_unsaved >= UNSAVED_AT_MOST && (ended = mnas_learner_save(&s->learner)) == 0)
        s->n_unsaved = 0;
    if (ended == 0) ended = mnas_store_commit(s->store);
    s->broken = ended < 0;
    if (ended < 0) mnas_store_rollback(s->store);
    return ended == 0 && refused ? mnas_error_set(rc, "%s", why) : ended;
}

int mnas_ask_save(mnas_ask_session *s) {
    int rc = mnas_store_begin(s->store);
    if (rc == 0) rc = mnas_learner_save(&s->learner);
    if (rc == 0) rc = mnas_store_commit(s->store);
    if (rc < 0) mnas_store_rollback(s->store);
    return rc;
}

/* Repeats that led to no trial leave no trace: they are proposed again with the next ask. */
static int take_back(mnas_ask_session *s, int rc) {
    char why[1024];
    snprintf(why, sizeof why, "%s", mnas_error_message());
    mnas_store_rollback(s->store);
    const int reloaded = mnas_ask_reload(s);
    s->broken = reloaded < 0;
    return reloaded < 0 ? reloaded : mnas_error_set(rc, "%s", why);
}

/* ---- asking ---- */

static int say_exhausted(const mnas_ask_session *s) {
    const mnas_history *h = &s->learner.history;
    if (h->repeats_in_row >= MNAS_MAX_REPEATS_IN_ROW)
        return mnas_error_set(
            MNAS_ERR_EXHAUSTED,
            "the last %d proposals were all known already, with %d of %d trials complete: the "
            "strategy has settled, or there is no more to choose",
            h->repeats_in_row, h->n_complete, s->trials);
    return mnas_error_set(MNAS_ERR_EXHAUSTED,
                          "%d trials failed, 3 for each of the %d wanted, and %d are complete", h->n_failed,
                          s->trials, h->n_complete);
}

static int say_wait(const mnas_ask_session *s, const char *why) {
    char open[160];
    mnas_ask_print_open(s, open, sizeof open);
    return mnas_error_set(
        MNAS_ERR_BUSY,
        "%s; open: %s. Tell their outcomes (`mnas tell %s TRIAL`; --failed TEXT where one is "
        "lost), or have one given out once more (`mnas ask %s --again TRIAL`)",
        why, open, s->path, s->path);
}

/* 0, or why there is no proposal now. */
static int may_propose(const mnas_ask_session *s) {
    const mnas_learner *l = &s->learner;
    const mnas_history *h = &l->history;
    int n_complete, n_unknown;
    char why[160];
    mnas_history_unseen(h, &n_complete, &n_unknown);
    n_complete += h->n_complete;
    if (n_complete >= s->trials)
        return mnas_error_set(MNAS_ERR_EXHAUSTED, "all %d trials are complete; with more --trials it goes on",
                              s->trials);
    if (mnas_history_in_vain(h) || mnas_history_failed_too_often(h, s->trials)) return say_exhausted(s);
    if (h->n_seen + l->delay <= h->n_proposals) {
        snprintf(why, sizeof why, "the next proposal rests on trial %d, which is not told yet (parallel %d)",
                 h->open[h->n_seen - h->n_fed].trial, l->delay);
        return say_wait(s, why);
    }
    if (n_complete + n_unknown < s->trials) return 0;
    snprintf(why, sizeof why, "all %d trials are complete or asked for", s->trials);
    return say_wait(s, why);
}

static int take_costs(mnas_trial *row, const mnas_model *model) {
    mnas_cost cost;
    const int rc = mnas_cost_compute(&cost, model, 1);
    if (rc < 0) return rc;
    row->params = cost.params;
    row->macs = cost.macs;
    mnas_cost_free(&cost);
    return 0;
}

static int finish(mnas_ask_session *s, mnas_known *known) {
    bool counted = true;
    known->row.finished_unix_ms = mnas_clock_unix_ms();
    const int rc = mnas_store_finish(s->store, &known->row, &counted);
    if (rc < 0 || counted) return rc;
    return mnas_error_set(MNAS_ERR_MISMATCH, "trial %d is no longer ours: the study is damaged",
                          known->row.number);
}

static int fail(mnas_ask_session *s, mnas_known *known, const char *reason, const char *text) {
    mnas_trial *row = &known->row;
    if (!(row->error = strdup(text)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %d", row->number);
    row->state = MNAS_TRIAL_FAILED;
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    return finish(s, known);
}

/* A row of the study; a network that cannot be built has failed at once. */
static int give_out(mnas_ask_session *s, mnas_known *known) {
    mnas_model model;
    char *yaml = NULL, why[512];
    int rc = 0, costs = 0;
    known->row.started_unix_ms = mnas_clock_unix_ms();
    if (s->space) {
        rc = mnas_ask_decode(s, known->row.tokens, &model);
        if (rc == 0) rc = mnas_model_print(&model, &yaml);
        if (rc == 0 && (costs = take_costs(&known->row, &model)) < 0)
            snprintf(why, sizeof why, "%s", mnas_error_message());
    }
    if (rc == 0) rc = mnas_store_claim(s->store, &known->row, yaml, &known->row.attempt);
    known->stored = rc == 0;
    free(yaml);
    if (rc < 0 || costs == 0) return rc;
    return costs == MNAS_ERR_INVALID ? fail(s, known, "invalid", why) : mnas_error_set(costs, "%s", why);
}

/* Until there is one that is new and can be built. */
static int propose(mnas_ask_session *s, mnas_known **out) {
    mnas_history *h = &s->learner.history;
    for (;;) {
        int rc = mnas_learner_take_in(&s->learner);
        if (rc == 0) rc = may_propose(s);
        if (rc == 0) rc = mnas_learner_enter_told(&s->learner);
        if (rc == 0) rc = mnas_learner_propose(&s->learner);
        if (rc < 0) return rc;
        if (h->repeats_in_row > 0) continue;
        *out = &h->known[h->n_trials - 1];
        rc = give_out(s, *out);
        if (rc < 0 || is_open(*out)) return rc;
    }
}

int mnas_ask(mnas_ask_session *s, const mnas_trial **trial) {
    mnas_known *known = NULL;
    int rc = begin(s);
    *trial = NULL;
    if (rc < 0) return rc;
    rc = propose(s, &known);
    rc = is_refusal(rc) && s->learner.history.repeats_in_row > 0 ? take_back(s, rc) : end(s, rc);
    if (rc == 0) *trial = &known->row;
    return rc;
}

static int find(mnas_ask_session *s, int number, mnas_known **out) {
    mnas_history *h = &s->learner.history;
    char open[160];
    if (number >= 0 && (size_t)number < h->n_known) {
        *out = &h->known[number];
        return 0;
    }
    mnas_ask_print_open(s, open, sizeof open);
    return mnas_error_set(MNAS_ERR_ARG, "trial %d was never asked for; open: %s", number, open);
}

int mnas_ask_again(mnas_ask_session *s, int number, const mnas_trial **trial) {
    mnas_known *known = NULL;
    int rc = find(s, number, &known);
    *trial = NULL;
    if (rc == 0 && !is_open(known))
        rc = mnas_error_set(MNAS_ERR_ARG, "trial %d is %s; allowed: an open one", number,
                            mnas_trial_state_name(known->row.state));
    if (rc == 0) rc = begin(s);
    if (rc < 0) return rc;
    known->row.started_unix_ms = mnas_clock_unix_ms();
    rc = end(s, mnas_store_claim(s->store, &known->row, NULL, &known->row.attempt));
    if (rc == 0) *trial = &known->row;
    return rc;
}

/* ---- telling ---- */

static bool is_told(double number) {
    return !isnan(number) && number != 0;
}

static int check_latency(const mnas_ask_session *s, double ms) {
    if (!is_told(ms) && s->needs_latency)
        return mnas_error_set(MNAS_ERR_ARG,
                              "no latency, which the reward of %s needs; give --latency-ms, or --failed TEXT",
                              s->path);
    if (is_told(ms) && !(ms >= 1e-9 && ms <= 1e9))
        return mnas_error_set(MNAS_ERR_ARG, "latency is %g ms; allowed: more than 0, at most 1e9", ms);
    return 0;
}

static int check_accuracy(const mnas_ask_session *s, const mnas_told *told) {
    const double accuracy = told->accuracy_frac;
    if (is_told(told->value))
        return mnas_error_set(MNAS_ERR_ARG, "%s is told accuracies, not a value; give --accuracy", s->path);
    if (isnan(accuracy))
        return mnas_error_set(
            MNAS_ERR_ARG, "no accuracy; give --accuracy, from 0 to 1, or --failed TEXT where there is none");
    if (accuracy > 1 && accuracy <= 100)
        return mnas_error_set(MNAS_ERR_ARG, "accuracy is %g; per cent? allowed: 0 to 1, so %g", accuracy,
                              accuracy / 100);
    if (!(accuracy >= 0 && accuracy <= 1))
        return mnas_error_set(MNAS_ERR_ARG, "accuracy is %g; allowed: 0 to 1", accuracy);
    return 0;
}

static int check_value(const mnas_ask_session *s, const mnas_told *told) {
    if (is_told(told->accuracy_frac))
        return mnas_error_set(MNAS_ERR_ARG, "%s is told a value to %s, no accuracy; give --value", s->path,
                              mnas_objective_names[s->objective]);
    if (isnan(told->value))
        return mnas_error_set(MNAS_ERR_ARG, "no value; give --value, or --failed TEXT where there is none");
    if (!(fabs(told->value) <= MNAS_LARGEST_VALUE))
        return mnas_error_set(MNAS_ERR_ARG, "value is %g; allowed: -%g to %g", told->value,
                              MNAS_LARGEST_VALUE, MNAS_LARGEST_VALUE);
    return 0;
}

static int check_told(const mnas_ask_session *s, const mnas_told *told) {
    if (told->failed) {
        if (!told->failed[0])
            return mnas_error_set(MNAS_ERR_ARG, "failed for no reason; allowed: a text that is not empty");
        if (is_told(told->accuracy_frac) || is_told(told->value) || is_told(told->latency_ms))
            return mnas_error_set(MNAS_ERR_ARG, "a failed trial has no accuracy, latency or value");
        return 0;
    }
    const int rc = s->learner.is_value ? check_value(s, told) : check_accuracy(s, told);
    return rc < 0 ? rc : check_latency(s, told->latency_ms);
}

static double signed_value(const mnas_ask_session *s, double value) {
    return s->objective == MNAS_OBJECTIVE_MINIMIZE ? 0 - value : value; /* not -0 */
}

static bool equal(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

/* Told before: the same once more is no mistake. */
static int check_same(const mnas_ask_session *s, const mnas_trial *row, const mnas_told *told) {
    const double latency_ms = is_told(told->latency_ms) ? told->latency_ms : (double)NAN;
    if (row->state == MNAS_TRIAL_FAILED && told->failed) return 0;
    const bool objective = s->learner.is_value ? row->reward == signed_value(s, told->value)
                                               : row->accuracy_frac == told->accuracy_frac;
    if (row->state == MNAS_TRIAL_COMPLETE && !told->failed && objective &&
        equal(row->latency.median_ms, latency_ms))
        return 0;
    return mnas_error_set(
        MNAS_ERR_MISMATCH,
        "trial %d is %s already, with another outcome, on which later proposals rest; what was "
        "told does not change",
        row->number, mnas_trial_state_name(row->state));
}

static void fill_outcome(const mnas_ask_session *s, mnas_trial *row, const mnas_told *told) {
    row->state = MNAS_TRIAL_COMPLETE;
    if (is_told(told->latency_ms)) {
        row->latency.median_ms = told->latency_ms;
        snprintf(row->latency.device, sizeof row->latency.device, "%s", MNAS_TOLD);
    }
    if (s->learner.is_value) {
        row->reward = signed_value(s, told->value);
        return;
    }
    row->accuracy_frac = told->accuracy_frac;
    if (mnas_learner_is_calibrated(&s->learner)) row->reward = mnas_learner_reward(&s->learner, row);
}

static int take(mnas_ask_session *s, mnas_known *known, const mnas_told *told) {
    int rc;
    if (told->failed) {
        rc = fail(s, known, MNAS_TOLD, told->failed);
    } else {
        fill_outcome(s, &known->row, told);
        rc = finish(s, known);
    }
    return rc < 0 ? rc : mnas_learner_take_in(&s->learner);
}

int mnas_tell(mnas_ask_session *s, int number, const mnas_told *told) {
    mnas_known *known = NULL;
    int rc = find(s, number, &known);
    if (rc == 0) rc = check_told(s, told);
    if (rc < 0) return rc;
    if (!is_open(known)) return check_same(s, &known->row, told);
    rc = begin(s);
    return rc < 0 ? rc : end(s, take(s, known, told));
}

/* ---- telling what was not asked ---- */

static int check_tokens(const mnas_ask_session *s, const int *tokens) {
    for (int i = 0; i < s->learner.n_decisions; i++)
        if (tokens[i] < 0 || tokens[i] >= s->decisions[i].n_choices)
            return mnas_error_set(MNAS_ERR_ARG, "token %d (%s) is %d; allowed: 0 to %d", i,
                                  s->decisions[i].name, tokens[i], s->decisions[i].n_choices - 1);
    return 0;
}

/* What cannot be built has no accuracy, and nobody can have trained it. */
static int check_buildable(const mnas_ask_session *s, const int *tokens) {
    mnas_model model;
    mnas_trial row = mnas_trial_empty();
    if (!s->space) return 0;
    const int rc = mnas_ask_decode(s, tokens, &model);
    return rc < 0 ? rc : take_costs(&row, &model);
}

/* The last row of the same network: twins under other tokens are the same. NULL: none. */
static int find_known(mnas_ask_session *s, const int *tokens, mnas_known **out) {
    const mnas_history *h = &s->learner.history;
    char key[17], *arch = NULL;
    const int rc = s->learner.name(s->learner.user, tokens, &arch, key);
    *out = NULL;
    for (size_t i = h->n_known; rc == 0 && i > 0 && !*out; i--)
        if (strcmp(h->known[i - 1].row.key, key) == 0) *out = &h->known[i - 1];
    free(arch);
    return rc;
}

static int check_twin(const mnas_ask_session *s, const mnas_known *twin, const mnas_told *told) {
    if (!is_open(twin)) return check_same(s, &twin->row, told);
    return mnas_error_set(
        MNAS_ERR_MISMATCH,
        "this is what trial %d asks for, which is open; tell its outcome as that of trial %d",
        twin->row.number, twin->row.number);
}

static int add_told(mnas_ask_session *s, const int *tokens, const mnas_told *told, int *number) {
    int rc = mnas_learner_add_told(&s->learner, tokens, number);
    if (rc < 0) return rc;
    mnas_known *known = &s->learner.history.known[*number];
    rc = give_out(s, known);
    return rc < 0 ? rc : take(s, known, told);
}

int mnas_tell_unasked(mnas_ask_session *s, const int *tokens, const mnas_told *told, int *number) {
    mnas_known *twin = NULL;
    *number = -1;
    int rc = check_tokens(s, tokens);
    if (rc == 0) rc = check_told(s, told);
    if (rc == 0) rc = check_buildable(s, tokens);
    if (rc == 0) rc = find_known(s, tokens, &twin);
    if (rc < 0) return rc;
    /* one that failed may be tried again, as it may be proposed again */
    if (twin && (twin->row.state != MNAS_TRIAL_FAILED || told->failed)) {
        *number = twin->row.number;
        return check_twin(s, twin, told);
    }
    rc = begin(s);
    return rc < 0 ? rc : end(s, add_told(s, tokens, told, number));
}

/* ---- looking ---- */

int mnas_ask_n_trials(const mnas_ask_session *s) {
    return (int)s->learner.history.n_known;
}

const mnas_trial *mnas_ask_trial(const mnas_ask_session *s, int number) {
    return number >= 0 && number < mnas_ask_n_trials(s) ? &s->learner.history.known[number].row : NULL;
}

int mnas_ask_n_decisions(const mnas_ask_session *s) {
    return s->learner.n_decisions;
}

const mnas_decision *mnas_ask_decision(const mnas_ask_session *s, int i) {
    return i >= 0 && i < s->learner.n_decisions ? &s->decisions[i] : NULL;
}

int mnas_ask_model(const mnas_ask_session *s, int number, mnas_model *out) {
    const mnas_trial *row = mnas_ask_trial(s, number);
    if (!row) return mnas_error_set(MNAS_ERR_ARG, "trial %d was never asked for", number);
    if (!s->space) return mnas_error_set(MNAS_ERR_MISSING, "%s has decisions, no networks", s->path);
    return mnas_ask_decode(s, row->tokens, out);
}
