/* history.c - see history.h. It asks no strategy and runs no trial.
 *
 * Invariants: known[i].row.number == i; a trial is seen exactly when the proposal that made it is; n_open ==
 * n_proposals - n_fed.
 */
#include "search/history.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "search/reward.h"
#include "search/window.h"

static const double failures_per_trial = 3;

static int grow(void **items, size_t n, size_t *room, size_t bytes) {
    if (n < *room) return 0;
    const size_t wanted = *room ? 2 * *room : 64;
    void *grown = realloc(*items, wanted * bytes);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: history of %zu", wanted);
    *items = grown;
    *room = wanted;
    return 0;
}

/* ---- life ---- */

static int take_rows(mnas_history *h, mnas_trial *rows, size_t n) {
    h->known = calloc(n + 64, sizeof *h->known);
    if (!h->known) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: history of %zu", n);
    h->room_known = n + 64;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].number != (int)i || rows[i].n_tokens != h->n_decisions)
            return mnas_error_set(
                MNAS_ERR_FORMAT,
                "trial %d with %d tokens stands where trial %zu with %d should: the study is damaged",
                rows[i].number, rows[i].n_tokens, i, h->n_decisions);
        h->known[h->n_known++] = (mnas_known){.row = rows[i], .stored = true};
        rows[i] = mnas_trial_empty();
    }
    return 0;
}

int mnas_history_load(mnas_history *out, mnas_store *store, int n_decisions) {
    mnas_trial *rows;
    size_t n;
    *out = (mnas_history){.n_decisions = n_decisions};
    int rc = mnas_store_trials(store, &rows, &n);
    if (rc < 0) return rc;
    rc = take_rows(out, rows, n);
    mnas_trials_free(rows, n);
    if (rc < 0) mnas_history_free(out);
    return rc;
}

static void drop_open(mnas_history *h) {
    for (size_t i = 0; i < h->n_open; i++) free(h->open[i].tokens);
    h->n_open = 0;
}

void mnas_history_free(mnas_history *h) {
    for (size_t i = 0; i < h->n_known; i++) mnas_trial_clear(&h->known[i].row);
    drop_open(h);
    mnas_rungs_free(&h->rungs);
    free(h->open);
    free(h->known);
    *h = (mnas_history){0};
}

/* ---- proposing ---- */

int mnas_history_twin(const mnas_history *h, const char *key) {
    if (!key[0]) return -1; /* of a network that cannot be built */
    for (int i = h->n_trials - 1; i >= 0; i--) {
        const mnas_known *k = &h->known[i];
        const bool lasting = k->row.state == MNAS_TRIAL_COMPLETE || k->row.state == MNAS_TRIAL_PRUNED;
        if ((!k->seen || lasting) && strcmp(k->row.key, key) == 0) return i;
    }
    return -1;
}

static int check_stored(const mnas_history *h, const mnas_known *k, const mnas_candidate *c) {
    if (memcmp(k->row.tokens, c->tokens, (size_t)h->n_decisions * sizeof *c->tokens) == 0 &&
        strcmp(k->row.key, c->key) == 0 && strcmp(k->row.arch ? k->row.arch : "", c->arch) == 0 &&
        k->row.seed == c->seed)
        return 0;
    return mnas_error_set(
        MNAS_ERR_MISMATCH,
        "trial %d of the study is %s, but this mnas proposes %s there: the study was made by another "
        "version of mnas, continue it with that one",
        k->row.number, k->row.arch ? k->row.arch : "?", c->arch);
}

static int fill_row(const mnas_history *h, mnas_trial *row, const mnas_candidate *c) {
    const size_t bytes = (size_t)h->n_decisions * sizeof *c->tokens;
    *row = mnas_trial_empty();
    row->number = (int)h->n_known;
    row->arch = strdup(c->arch);
    row->tokens = malloc(bytes);
    if (!row->arch || !row->tokens) {
        mnas_trial_clear(row);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: trial %zu", h->n_known);
    }
    memcpy(row->tokens, c->tokens, bytes);
    row->n_tokens = h->n_decisions;
    memcpy(row->key, c->key, strlen(c->key) + 1);
    row->entropy_nats = c->entropy_nats;
    row->seed = c->seed;
    snprintf(row->origin, sizeof row->origin, "%s", c->origin);
    return 0;
}

static int append_row(mnas_history *h, const mnas_candidate *c) {
    void *items = h->known;
    int rc = grow(&items, h->n_known, &h->room_known, sizeof *h->known);
    h->known = items;
    if (rc < 0) return rc;
    mnas_known k = {0};
    if ((rc = fill_row(h, &k.row, c)) == 0) h->known[h->n_known++] = k;
    return rc;
}

static int new_trial(mnas_history *h, const mnas_candidate *c) {
    const bool stored = (size_t)h->n_trials < h->n_known;
    const int rc = stored ? check_stored(h, &h->known[h->n_trials], c) : append_row(h, c);
    if (rc == 0) h->n_trials++;
    return rc;
}

static int push_open(mnas_history *h, const int *tokens, int trial, bool repeat) {
    const size_t bytes = (size_t)h->n_decisions * sizeof *tokens;
    void *items = h->open;
    int rc = grow(&items, h->n_open, &h->room_open, sizeof *h->open);
    h->open = items;
    if (rc < 0) return rc;
    int *copy = malloc(bytes);
    if (!copy) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a proposal");
    memcpy(copy, tokens, bytes);
    h->open[h->n_open++] = (mnas_proposal){copy, trial, repeat};
    return 0;
}

int mnas_history_propose(mnas_history *h, const mnas_candidate *candidate, int twin) {
    const bool repeat = twin >= 0;
    int rc = repeat ? 0 : new_trial(h, candidate);
    if (rc == 0) rc = push_open(h, candidate->tokens, repeat ? twin : h->n_trials - 1, repeat);
    if (rc < 0) return rc;
    h->n_proposals++;
    h->n_repeats += repeat;
    h->repeats_in_row = repeat ? h->repeats_in_row + 1 : 0;
    return 0;
}

/* ---- told without a proposal ---- */

static const char told_origin[] = "told";

bool mnas_history_is_told(const mnas_trial *row) {
    return strcmp(row->origin, told_origin) == 0;
}

int mnas_history_add_told(mnas_history *h, const mnas_candidate *candidate, int *number) {
    mnas_candidate told = *candidate;
    told.origin = told_origin;
    *number = (int)h->n_known;
    return append_row(h, &told);
}

bool mnas_history_enter_told(mnas_history *h) {
    const int before = h->n_trials;
    for (; (size_t)h->n_trials < h->n_known && mnas_history_is_told(&h->known[h->n_trials].row);
         h->n_trials++) {
        mnas_known *k = &h->known[h->n_trials];
        k->seen = true;
        h->n_told_complete += mnas_history_has_accuracy(&k->row);
    }
    return h->n_trials > before;
}

bool mnas_history_is_behind(const mnas_history *h) {
    for (size_t i = h->n_known; i > (size_t)h->n_trials; i--)
        if (!mnas_history_is_told(&h->known[i - 1].row)) return true;
    return false;
}

/* ---- the end ---- */

bool mnas_history_in_vain(const mnas_history *h) {
    return h->repeats_in_row >= MNAS_MAX_REPEATS_IN_ROW || h->left_in_row >= MNAS_MAX_REPEATS_IN_ROW;
}

bool mnas_history_failed_too_often(const mnas_history *h, int n_wanted) {
    return h->n_failed >= failures_per_trial * n_wanted;
}

/* ---- outcomes ---- */

static bool has_rungs(const mnas_history *h) {
    return h->rungs.plan.n > 0;
}

bool mnas_history_has_entered(const mnas_trial *row) {
    return row->state == MNAS_TRIAL_COMPLETE || row->rung >= 0 ||
           (row->state == MNAS_TRIAL_FAILED && isfinite(row->latency.median_ms));
}

bool mnas_history_has_accuracy(const mnas_trial *row) {
    return row->state == MNAS_TRIAL_COMPLETE || (row->state == MNAS_TRIAL_PRUNED && row->rung >= 0);
}

/* Where there are rungs, it is known long before its outcome. */
static bool is_sorted(const mnas_history *h, const mnas_trial *row) {
    return row->state != MNAS_TRIAL_RUNNING || (has_rungs(h) && row->rung >= 0);
}

static const mnas_proposal *proposal_at(const mnas_history *h, int64_t p) {
    return &h->open[p - h->n_fed];
}

/* With rungs failures behind a bracket that does not fill are never seen, and so never counted. */
static bool is_left_out(const mnas_history *h, const mnas_trial *row) {
    return mnas_trial_is_pruned_for(row, MNAS_PRUNED_SCREENED) ||
           mnas_trial_is_pruned_for(row, MNAS_PRUNED_LATENCY) ||
           (has_rungs(h) && row->state == MNAS_TRIAL_FAILED && !mnas_history_has_entered(row));
}

/* What `delay` or more proposals back is a member. */
static void sort(mnas_history *h, int delay) {
    for (; h->n_sorted + delay <= h->n_proposals; h->n_sorted++) {
        const mnas_proposal *p = proposal_at(h, h->n_sorted);
        const mnas_trial *row = &h->known[p->trial].row;
        if (p->repeat) continue;
        if (!is_sorted(h, row)) return;
        h->n_sorted_members += mnas_history_has_entered(row);
        h->left_in_row = is_left_out(h, row) ? h->left_in_row + 1 : 0;
    }
}

/* It is time to see a member: its bracket, or the one behind it, is full. */
static bool is_time(const mnas_history *h, int member) {
    const int size = mnas_rungs_bracket(&h->rungs.plan);
    if (h->rungs.closed || h->rungs.plan.async) return true;
    return h->n_sorted_members >= (member / size + 1 + h->overlap) * size;
}

static bool is_known(const mnas_history *h, const mnas_known *k) {
    if (k->row.state == MNAS_TRIAL_RUNNING) return false;
    if (!has_rungs(h) || !mnas_history_has_entered(&k->row)) return true;
    return k->member && mnas_rungs_is_settled(&h->rungs, k->member - 1);
}

static void count_seen(mnas_history *h, mnas_known *k) {
    const bool has_accuracy = mnas_history_has_accuracy(&k->row);
    k->seen = true;
    h->n_complete += has_accuracy;
    h->n_failed += k->row.state == MNAS_TRIAL_FAILED;
    h->n_screened += mnas_trial_is_pruned_for(&k->row, MNAS_PRUNED_SCREENED);
    h->n_outside += mnas_trial_is_pruned_for(&k->row, MNAS_PRUNED_LATENCY);
}

void mnas_history_see(mnas_history *h, int delay) {
    sort(h, delay);
    for (; h->n_seen < h->n_sorted; h->n_seen++) {
        const mnas_proposal *p = proposal_at(h, h->n_seen);
        mnas_known *k = &h->known[p->trial];
        if (!is_known(h, k) || (k->member && !is_time(h, k->member - 1))) return;
        if (!p->repeat) count_seen(h, k);
    }
}

bool mnas_history_awaits(const mnas_history *h, int delay) {
    if (h->n_sorted + delay <= h->n_proposals) return true;
    if (h->n_seen == h->n_sorted) return false;
    const mnas_known *k = &h->known[proposal_at(h, h->n_seen)->trial];
    return !k->member || is_time(h, k->member - 1);
}

/* ---- rungs ---- */

/* The results that its row has and the book does not. Returns how many, or a status. */
static int write_results(mnas_history *h, const mnas_known *k) {
    const int m = k->member - 1;
    int n = 0;
    for (; h->rungs.members[m].state == MNAS_RUNGS_TRAINS; n++) {
        const int rung = h->rungs.members[m].n_results;
        int rc;
        if (rung < k->row.n_rungs)
            rc = mnas_rungs_result(&h->rungs, m, k->row.rung_accuracy_frac[rung]);
        else if (k->row.state == MNAS_TRIAL_FAILED)
            rc = mnas_rungs_fail(&h->rungs, m);
        else
            break;
        if (rc < 0) return rc;
    }
    return n;
}

/* Rows of a study have all their results at once: those behind a decision are due when that has fallen. */
static int write_once(mnas_history *h) {
    const int n_open = 3 * mnas_rungs_bracket(&h->rungs.plan); /* a replay enters them one by one */
    int n = 0;
    /* what is seen is settled, unless it is being entered again; of the others there may be many more than in a bracket */
    for (int i = h->n_trials - 1, n_members = 0; i >= 0 && (n_members < n_open || !h->known[i].seen); i--) {
        if (!h->known[i].member) continue;
        const int rc = write_results(h, &h->known[i]);
        if (rc < 0) return rc;
        n += rc, n_members++;
    }
    return n;
}

static int write_all(mnas_history *h) {
    int rc;
    while ((rc = write_once(h)) > 0) {
    }
    return rc;
}

/* Over all devices: the geometric mean. */
static double latency_of(const mnas_trial *row) {
    double sum = log(row->latency.median_ms);
    for (int i = 0; i < row->n_others; i++) sum += log(row->others[i].median_ms);
    return exp(sum / (1 + row->n_others));
}

int mnas_history_enter(mnas_history *h) {
    for (; has_rungs(h) && h->n_entered < h->n_trials; h->n_entered++) {
        mnas_known *k = &h->known[h->n_entered];
        if (!is_sorted(h, &k->row)) return 0;
        if (!mnas_history_has_entered(&k->row)) continue;
        const int member = mnas_rungs_add(&h->rungs, latency_of(&k->row));
        if (member < 0) return member;
        k->member = member + 1;
        const int rc = mnas_history_came(h, k->row.number);
        if (rc < 0) return rc;
    }
    return 0;
}

int mnas_history_came(mnas_history *h, int trial) {
    return h->known[trial].member ? write_all(h) : 0; /* else as soon as its place is known */
}

int mnas_history_close(mnas_history *h) {
    const int rc = mnas_rungs_close(&h->rungs);
    return rc < 0 ? rc : write_all(h);
}

mnas_rungs_state mnas_history_rung_state(const mnas_history *h, int trial) {
    const mnas_known *k = &h->known[trial];
    if (k->row.rung < 0) return MNAS_RUNGS_TRAINS;
    return k->member ? h->rungs.members[k->member - 1].state : MNAS_RUNGS_WAITS;
}

double mnas_history_accuracy(const mnas_history *h, const mnas_trial *row) {
    const int member = h->known[row->number].member;
    if (row->state == MNAS_TRIAL_COMPLETE || !member) return row->accuracy_frac;
    return mnas_rungs_expected(&h->rungs, member - 1);
}

const mnas_proposal *mnas_history_next_to_feed(const mnas_history *h) {
    return h->n_fed < h->n_seen ? &h->open[0] : NULL;
}

void mnas_history_fed(mnas_history *h) {
    assert(h->n_fed < h->n_seen);
    free(h->open[0].tokens);
    memmove(h->open, h->open + 1, --h->n_open * sizeof *h->open);
    h->n_fed++;
}

void mnas_history_unseen(const mnas_history *h, int *n_complete, int *n_unknown) {
    *n_complete = *n_unknown = 0;
    for (size_t i = (size_t)(h->n_seen - h->n_fed); i < h->n_open; i++) {
        if (h->open[i].repeat) continue;
        const mnas_trial *row = &h->known[h->open[i].trial].row;
        *n_complete += mnas_history_has_accuracy(row);
        *n_unknown += row->state == MNAS_TRIAL_RUNNING;
    }
}

size_t mnas_history_first_complete(const mnas_history *h, size_t n, int n_devices, double *accuracy_frac,
                                   double *latency_ms) {
    size_t found = 0;
    for (int i = 0; i < h->n_trials && found < n; i++) {
        const mnas_trial *row = &h->known[i].row;
        if (!mnas_history_has_accuracy(row)) continue;
        if (h->n_told_complete > 0 && !h->known[i].seen) continue; /* told ones make up the number already */
        accuracy_frac[found] = mnas_history_accuracy(h, row);
        mnas_reward_latencies(latency_ms + found++ * (size_t)n_devices, n_devices, &row->latency, row->others,
                              row->n_others);
    }
    return found;
}

/* ---- as text ---- */

static json_t *print_open(const mnas_history *h) {
    json_t *list = json_array();
    for (size_t i = 0; i < h->n_open && list; i++) {
        json_t *tokens = json_array();
        for (int t = 0; t < h->n_decisions && tokens; t++)
            json_array_append_new(tokens, json_integer(h->open[i].tokens[t]));
        json_array_append_new(list, json_pack("{s:i, s:b, s:o}", "trial", h->open[i].trial, "repeat",
                                              (int)h->open[i].repeat, "tokens", tokens));
    }
    return list;
}

int mnas_history_print(const mnas_history *h, char **text) {
    json_t *object = json_pack(
        "{s:I, s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "n_proposals",
        (json_int_t)h->n_proposals, "n_seen", (json_int_t)h->n_seen, "n_sorted", (json_int_t)h->n_sorted,
        "n_fed", (json_int_t)h->n_fed, "n_trials", h->n_trials, "n_complete", h->n_complete, "n_failed",
        h->n_failed, "n_repeats", h->n_repeats, "repeats_in_row", h->repeats_in_row, "n_screened",
        h->n_screened, "n_outside", h->n_outside, "screened_in_row", h->left_in_row, "open", print_open(h));
    *text = object ? mnas_json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return *text ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: state of the search");
}

static int damaged(const char *what) {
    return mnas_error_set(MNAS_ERR_FORMAT, "stored state of the search: %s: the study is damaged", what);
}

static int restore_open(mnas_history *h, const json_t *list) {
    int *tokens = calloc((size_t)h->n_decisions, sizeof *tokens), rc = 0;
    size_t i;
    const json_t *item;
    if (!tokens) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a proposal");
    json_array_foreach(list, i, item) {
        const json_t *values = json_object_get(item, "tokens");
        const json_int_t trial = json_integer_value(json_object_get(item, "trial"));
        if (json_array_size(values) != (size_t)h->n_decisions || trial < 0 || trial >= h->n_trials) {
            rc = damaged("a proposal");
            break;
        }
        for (int t = 0; t < h->n_decisions; t++)
            tokens[t] = (int)json_integer_value(json_array_get(values, (size_t)t));
        if ((rc = push_open(h, tokens, (int)trial, json_is_true(json_object_get(item, "repeat")))) < 0) break;
    }
    free(tokens);
    return rc;
}

static void mark_seen(mnas_history *h) {
    for (int i = 0; i < h->n_trials; i++) h->known[i].seen = true;
    for (size_t i = (size_t)(h->n_seen - h->n_fed); i < h->n_open; i++)
        if (!h->open[i].repeat) h->known[h->open[i].trial].seen = false;
}

/* Those of trials before the first that was not sorted. */
static void count_members(mnas_history *h) {
    int n = h->n_trials;
    for (int64_t p = h->n_sorted; p < h->n_proposals; p++) n -= !proposal_at(h, p)->repeat;
    for (int i = 0; i < n; i++) h->n_sorted_members += mnas_history_has_entered(&h->known[i].row);
}

static int restore(mnas_history *h, json_t *object) {
    json_int_t n_proposals, n_seen, n_fed, n_sorted = -1;
    json_t *open;
    json_error_t error;
    if (json_unpack_ex(object, &error, 0, "{s:I, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s?i, s?i, s?i, s?I, s:o}",
                       "n_proposals", &n_proposals, "n_seen", &n_seen, "n_fed", &n_fed, "n_trials",
                       &h->n_trials, "n_complete", &h->n_complete, "n_failed", &h->n_failed, "n_repeats",
                       &h->n_repeats, "repeats_in_row", &h->repeats_in_row, "n_screened", &h->n_screened,
                       "n_outside", &h->n_outside, "screened_in_row", &h->left_in_row, "n_sorted", &n_sorted,
                       "open", &open) < 0)
        return damaged(error.text);
    h->n_proposals = n_proposals, h->n_seen = n_seen, h->n_fed = n_fed;
    h->n_sorted = n_sorted < 0 ? n_seen : n_sorted;
    if (n_fed < 0 || n_fed > n_seen || n_seen > h->n_sorted || h->n_sorted > n_proposals ||
        n_proposals > INT32_MAX || h->n_repeats < 0 || h->n_repeats > n_proposals ||
        (json_int_t)json_array_size(open) != n_proposals - n_fed)
        return damaged("counts contradict each other");
    if (h->n_trials < 0 || (size_t)h->n_trials > h->n_known) return damaged("trials are missing");
    int rc = restore_open(h, open);
    if (rc < 0) return rc;
    mark_seen(h);
    count_members(h);
    return mnas_history_enter(h);
}

int mnas_history_restore(mnas_history *h, const char *text) {
    json_error_t error;
    assert(h->n_proposals == 0);
    json_t *object = json_loads(text, 0, &error);
    if (!object) return damaged(error.text);
    const int rc = restore(h, object);
    json_decref(object);
    return rc;
}
