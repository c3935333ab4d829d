/* strategy.c - what all strategies share: the list, the clock of proposals and feedback, checks of tokens,
 * the random shadow, and the envelope of a saved state.
 *
 * The shadow: proposal p is uniform where fewer than shadow * (p + 1) of those before it were, so that at any moment the share
 * is kept to within one proposal. A class that draws uniformly by itself just then is let draw.
 *
 * Invariants: n_fed <= n_proposed; `pending` holds the tokens of the open proposals n_fed .. n_proposed - 1,
 * so that feedback for anything but the oldest of them is refused before a strategy sees it. How many may be
 * open is the caller's affair.
 *
 * A saved state: magic, version, hash of (class, common options, problem, seed), n_proposed, n_fed, open tokens, how many
 * proposals were uniform and whether the last one was, the shadow's random stream, the class's
 * own bytes with their length, the screening's where there is one, FNV-1a of all before. Words are 64-bit little-endian (blob.h). n_trials is not
 * in the hash: a strategy to which it matters checks what it made of it.
 */
#include "strategy/strategy.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "strategy/blob.h"
#include "strategy/screening.h"
#include "strategy/strategy_internal.h"

#define MNAS_STRATEGY(name) extern const mnas_strategy_class mnas_strategy_class_##name;
#include "strategy/strategies.def"
#undef MNAS_STRATEGY

static const mnas_plugin *const plugins[] = {
#define MNAS_STRATEGY(name) &mnas_strategy_class_##name.plugin,
#include "strategy/strategies.def"
#undef MNAS_STRATEGY
};

static const uint64_t STATE_MAGIC = 0x545354534153414eULL, STATE_VERSION = 2;
static const double MAX_REWARD = 1e100; /* its square is still a number */
enum { MAX_DECISIONS = 100000, MAX_DELAY = 100000 };

const char *const mnas_screen_names[] = {"auto", "none", "gp", NULL};

struct mnas_strategy {
    const mnas_strategy_class *class;
    void *self, *opts;
    mnas_problem problem;
    uint64_t seed;
    mnas_rng shadow;
    mnas_screening *screening; /* NULL: none */
    mnas_origin origin;        /* of the last proposal */
    uint64_t n_proposed, n_fed, n_uniform;
    int *pending; /* [room][n_decisions], the oldest first */
    size_t room;
};

const mnas_plugin *const *mnas_strategy_plugins(size_t *n) {
    *n = sizeof plugins / sizeof *plugins;
    return plugins;
}

void *mnas_strategy_self(mnas_strategy *strategy) {
    return strategy->self;
}

static int check_problem(const mnas_problem *p) {
    if (p->n_decisions < 1 || p->n_decisions > MAX_DECISIONS)
        return mnas_error_set(MNAS_ERR_ARG, "a problem of %d decisions; allowed: 1 to %d", p->n_decisions,
                              MAX_DECISIONS);
    if (p->delay < 1 || p->delay > MAX_DELAY)
        return mnas_error_set(MNAS_ERR_ARG, "delay is %d proposals; allowed: 1 to %d", p->delay, MAX_DELAY);
    if (p->n_trials < 1)
        return mnas_error_set(MNAS_ERR_ARG, "a search of %d trials; allowed: 1 or more", p->n_trials);
    for (int t = 0; t < p->n_decisions; t++)
        if (p->decisions[t].n_choices < 1)
            return mnas_error_set(MNAS_ERR_ARG, "decision %d (%s) has %d choices; allowed: 1 or more", t,
                                  p->decisions[t].name, p->decisions[t].n_choices);
    return 0;
}

static const mnas_strategy_options *common_options(const mnas_strategy *s) {
    return (const mnas_strategy_options *)((const char *)s->opts + s->class->common_at);
}

static bool is_screened(const mnas_strategy *s) {
    const int64_t screen = common_options(s)->screen;
    if (screen != MNAS_SCREEN_AUTO) return screen == MNAS_SCREEN_GP;
    if (s->problem.window_high_ms > 0) return !s->class->is_chance;
    return s->class->prefers_screening && s->class->prefers_screening(s->opts);
}

static int self_create(void **out, const mnas_strategy *s) {
    void *self = calloc(1, s->class->self_bytes);
    if (!self) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for strategy %s", s->class->plugin.name);
    int rc = s->class->create(self, &s->problem, s->opts, s->seed);
    if (rc < 0) {
        free(self); /* create left nothing behind */
        return rc;
    }
    *out = self;
    return 0;
}

static void self_destroy(const mnas_strategy_class *class, void *self) {
    if (self && class->destroy) class->destroy(self);
    free(self);
}

int mnas_strategy_open(mnas_strategy **out, const char *spec, const mnas_problem *problem, uint64_t seed) {
    const mnas_plugin *found = NULL;
    mnas_strategy *s = NULL;
    int rc = check_problem(problem);
    if (rc < 0) return rc;
    s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for strategy %s", spec);
    s->problem = *problem;
    s->seed = seed;
    s->shadow = mnas_rng_stream(seed, 0, "shadow");
    rc = mnas_registry_open(plugins, sizeof plugins / sizeof *plugins, "strategy", spec, &found, &s->opts);
    if (rc < 0) goto out;
    s->class = (const mnas_strategy_class *)found; /* plugin is the first member */
    rc = self_create(&s->self, s);
    if (rc == 0 && is_screened(s)) rc = mnas_screening_create(&s->screening, &s->problem, seed);
    if (rc < 0) goto out;
    *out = s;
    s = NULL;
out:
    mnas_strategy_close(s);
    return rc;
}

void mnas_strategy_close(mnas_strategy *s) {
    if (!s) return;
    if (s->class) self_destroy(s->class, s->self);
    mnas_screening_destroy(s->screening);
    free(s->pending);
    free(s->opts);
    free(s);
}

/* Tokens of the i-th open proposal. */
static int *pending_at(const mnas_strategy *s, size_t i) {
    return s->pending + i * (size_t)s->problem.n_decisions;
}

static int reserve_pending(mnas_strategy *s, size_t n) {
    if (n <= s->room) return 0;
    size_t room = n > 2 * s->room ? n : 2 * s->room;
    int *pending = realloc(s->pending, room * (size_t)s->problem.n_decisions * sizeof *pending);
    if (!pending) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %zu open proposals", room);
    s->pending = pending;
    s->room = room;
    return 0;
}

static bool tokens_valid(const mnas_problem *p, const int *tokens) {
    for (int t = 0; t < p->n_decisions; t++)
        if (tokens[t] < 0 || tokens[t] >= p->decisions[t].n_choices) return false;
    return true;
}

static void draw_uniform(mnas_strategy *s, int *tokens) {
    for (int t = 0; t < s->problem.n_decisions; t++)
        tokens[t] = (int)mnas_rng_below(&s->shadow, (uint32_t)s->problem.decisions[t].n_choices);
}

static bool shadow_is_due(const mnas_strategy *s) {
    return (double)s->n_uniform < common_options(s)->shadow * (double)(s->n_proposed + 1);
}

static int draw_own(void *user, int *tokens) {
    const mnas_strategy *s = user;
    return s->class->propose(s->self, tokens);
}

/* A screening wants to see uniform ones first; a class without it may begin so by itself. */
static bool starts_uniformly(const mnas_strategy *s) {
    if (s->screening) return !mnas_screening_is_ready(s->screening);
    return s->class->uniform && s->class->uniform(s->self);
}

/* The next proposal, and whose idea it is. */
static int draw(mnas_strategy *s, int *tokens, bool *own) {
    const bool start = starts_uniformly(s);
    s->origin = start || shadow_is_due(s) ? MNAS_ORIGIN_RANDOM : MNAS_ORIGIN_STRATEGY;
    *own = !s->screening && (start || s->origin == MNAS_ORIGIN_STRATEGY);
    if (*own) return s->class->propose(s->self, tokens);
    if (s->origin == MNAS_ORIGIN_STRATEGY)
        return mnas_screening_propose(s->screening, draw_own, s, s->pending,
                                      (size_t)(s->n_proposed - s->n_fed), tokens);
    draw_uniform(s, tokens);
    return 0;
}

/* The class is shown what it is going to be told about. Room for the drawn tokens is behind the open proposals. */
static int project_and_commit(mnas_strategy *s, int *tokens, bool own) {
    size_t n_open = (size_t)(s->n_proposed - s->n_fed),
           bytes = (size_t)s->problem.n_decisions * sizeof *tokens;
    int rc = 0;
    memcpy(pending_at(s, n_open), tokens, bytes);
    if (s->problem.project && (rc = s->problem.project(s->problem.user, tokens)) < 0) return rc;
    assert(tokens_valid(&s->problem, tokens));
    own &= memcmp(pending_at(s, n_open), tokens, bytes) == 0;
    memcpy(pending_at(s, n_open), tokens, bytes);
    return s->class->commit ? s->class->commit(s->self, tokens, own) : 0;
}

int mnas_strategy_propose(mnas_strategy *s, int *tokens) {
    bool own;
    int rc = reserve_pending(s, (size_t)(s->n_proposed - s->n_fed) + 1);
    if (rc == 0) rc = draw(s, tokens, &own);
    if (rc == 0) rc = project_and_commit(s, tokens, own);
    if (rc < 0) return rc;
    s->n_uniform += s->origin == MNAS_ORIGIN_RANDOM;
    s->n_proposed++;
    return 0;
}

mnas_origin mnas_strategy_origin(const mnas_strategy *s) {
    return s->origin;
}

/* How a class takes in an outcome. */
typedef int take_in(void *self, const int *tokens, const mnas_outcome *outcome);

static int learn(mnas_strategy *s, take_in *take, const int *tokens, const mnas_outcome *outcome) {
    if (!(fabs(outcome->reward) <= MAX_REWARD)) /* NaN too */
        return mnas_error_set(MNAS_ERR_ARG, "reward after %" PRIu64 " outcomes is %g; allowed: -%g to %g",
                              s->n_fed, outcome->reward, MAX_REWARD, MAX_REWARD);
    mnas_outcome told = *outcome;
    told.failed |= told.untried;
    const int rc = take ? take(s->self, tokens, &told) : 0;
    return rc == 0 && s->screening ? mnas_screening_tell(s->screening, tokens, outcome) : rc;
}

int mnas_strategy_feedback(mnas_strategy *s, const int *tokens, const mnas_outcome *outcome) {
    if (s->n_fed == s->n_proposed)
        return mnas_error_set(MNAS_ERR_ARG,
                              "feedback without an open proposal (%" PRIu64 " made, all answered)",
                              s->n_proposed);
    size_t n_open = (size_t)(s->n_proposed - s->n_fed), T = (size_t)s->problem.n_decisions;
    for (size_t t = 0; t < T; t++)
        if (tokens[t] != s->pending[t])
            return mnas_error_set(MNAS_ERR_ARG,
                                  "feedback is due for proposal %" PRIu64 ", whose token %zu is %d, not %d",
                                  s->n_fed, t, s->pending[t], tokens[t]);
    int rc = learn(s, s->class->feedback, tokens, outcome);
    if (rc < 0) return rc;
    s->n_fed++;
    memmove(s->pending, s->pending + T, (n_open - 1) * T * sizeof *s->pending);
    return 0;
}

int mnas_strategy_observe(mnas_strategy *s, const int *tokens, const mnas_outcome *outcome) {
    if (tokens_valid(&s->problem, tokens)) return learn(s, s->class->observe, tokens, outcome);
    return mnas_error_set(MNAS_ERR_ARG, "an outcome of tokens that are no choices of their decisions");
}

int mnas_strategy_best(const mnas_strategy *s, int *tokens) {
    if (s->screening) return mnas_screening_best(s->screening, tokens);
    return mnas_error_set(MNAS_ERR_MISSING, "strategy %s predicts nothing here: screen=gp does",
                          s->class->plugin.name);
}

void mnas_strategy_get_status(const mnas_strategy *s, mnas_strategy_status *out) {
    double sum = 0;
    for (int t = 0; t < s->problem.n_decisions; t++) sum += log(s->problem.decisions[t].n_choices);
    *out = (mnas_strategy_status){.entropy = NAN, .baseline = NAN};
    if (s->class->status) s->class->status(s->self, out);
    out->entropy_max = sum / s->problem.n_decisions;
}

void mnas_strategy_probabilities(const mnas_strategy *s, double *probs) {
    if (s->class->probabilities) {
        s->class->probabilities(s->self, probs);
        return;
    }
    for (int t = 0; t < s->problem.n_decisions; t++)
        for (int k = 0; k < s->problem.decisions[t].n_choices; k++)
            *probs++ = 1.0 / s->problem.decisions[t].n_choices;
}

/* ---- saved states ---- */

static uint64_t signature(const mnas_strategy *s) {
    uint64_t numbers[] = {(uint64_t)s->problem.n_decisions, (uint64_t)s->problem.delay, s->seed};
    const char *name = s->class->plugin.name;
    uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, name, strlen(name));
    hash = mnas_hash_bytes(hash, numbers, sizeof numbers);
    hash = mnas_hash_bytes(hash, &common_options(s)->screen, sizeof common_options(s)->screen);
    hash = mnas_hash_bytes(hash, &common_options(s)->shadow, sizeof common_options(s)->shadow);
    for (int t = 0; t < s->problem.n_decisions; t++) {
        int32_t n = s->problem.decisions[t].n_choices;
        hash = mnas_hash_bytes(hash, &n, sizeof n);
    }
    return hash;
}

int mnas_strategy_save(const mnas_strategy *s, mnas_str *out) {
    mnas_str own = {0};
    size_t start = out->len;
    int rc = s->class->save(s->self, &own);
    if (rc < 0) goto out;
    mnas_blob_put_u64(out, STATE_MAGIC);
    mnas_blob_put_u64(out, STATE_VERSION);
    mnas_blob_put_u64(out, signature(s));
    mnas_blob_put_u64(out, s->n_proposed);
    mnas_blob_put_u64(out, s->n_fed);
    mnas_blob_put_ints(out, s->pending, (size_t)(s->n_proposed - s->n_fed) * (size_t)s->problem.n_decisions);
    mnas_blob_put_u64(out, s->n_uniform);
    mnas_blob_put_u64(out, s->origin);
    mnas_blob_put_rng(out, &s->shadow);
    mnas_blob_put_u64(out, own.len);
    mnas_str_append_n(out, own.data ? own.data : "", own.len);
    if (s->screening) mnas_screening_save(s->screening, out);
    if (mnas_str_ok(out))
        mnas_blob_put_u64(out, mnas_hash_bytes(MNAS_HASH_INIT, out->data + start, out->len - start));
    if (!mnas_str_ok(out) || !mnas_str_ok(&own))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for the state of strategy %s", s->class->plugin.name);
out:
    mnas_str_free(&own);
    return rc;
}

static int broken(const mnas_strategy *s, const char *what) {
    return mnas_error_set(MNAS_ERR_FORMAT, "stored state of strategy %s: %s", s->class->plugin.name, what);
}

static int other_version(uint64_t version) {
    if (version == STATE_VERSION) return 0;
    return mnas_error_set(
        MNAS_ERR_FORMAT,
        "stored state of a strategy has version %" PRIu64 "; known: %" PRIu64
        ": another version of mnas made it, which this one cannot continue; begin another --study",
        version, STATE_VERSION);
}

/* What is damaged is left to the loading. */
int mnas_strategy_check_version(const char *bytes, size_t n) {
    mnas_blob_reader head = mnas_blob_reader_of(bytes, n);
    const bool ours = mnas_blob_get_u64(&head) == STATE_MAGIC;
    const uint64_t version = mnas_blob_get_u64(&head);
    return ours && !head.bad ? other_version(version) : 0;
}

/* The frame around everything: first what kind of bytes these are, so that the message fits. */
static int check_frame(const mnas_strategy *s, const char *bytes, size_t n) {
    mnas_blob_reader head = mnas_blob_reader_of(bytes, n);
    if (mnas_blob_get_u64(&head) != STATE_MAGIC) return broken(s, "not a strategy's state");
    uint64_t version = mnas_blob_get_u64(&head), stored_for = mnas_blob_get_u64(&head);
    if (head.bad || n % 8) return broken(s, "cut short");
    mnas_blob_reader tail = mnas_blob_reader_of(bytes + n - 8, 8);
    if (mnas_blob_get_u64(&tail) != mnas_hash_bytes(MNAS_HASH_INIT, bytes, n - 8))
        return broken(s, "checksum is wrong, the bytes were cut or changed");
    if (other_version(version) < 0) return MNAS_ERR_FORMAT;
    if (stored_for != signature(s))
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "stored state belongs to another strategy, space, delay or seed than this %s",
                              s->class->plugin.name);
    return 0;
}

/* Into `fresh`, a second instance: the old one stays as it was unless all is good. */
static int load_into(mnas_strategy *fresh, const char *bytes, size_t n) {
    mnas_blob_reader in = mnas_blob_reader_of(bytes, n - 8);
    for (int i = 0; i < 3; i++) mnas_blob_get_u64(&in);
    fresh->n_proposed = mnas_blob_get_max(&in, INT64_MAX);
    fresh->n_fed = mnas_blob_get_max(&in, fresh->n_proposed);
    size_t T = (size_t)fresh->problem.n_decisions, left = (size_t)(in.end - in.at);
    uint64_t n_open = fresh->n_proposed - fresh->n_fed;
    if (in.bad || n_open > left / (8 * T)) return broken(fresh, "more open proposals than bytes");
    int rc = reserve_pending(fresh, (size_t)n_open);
    if (rc < 0) return rc;
    mnas_blob_get_ints(&in, fresh->pending, (size_t)n_open * T);
    for (size_t i = 0; i < n_open; i++)
        if (!tokens_valid(&fresh->problem, pending_at(fresh, i))) return broken(fresh, "token out of range");
    fresh->n_uniform = mnas_blob_get_max(&in, fresh->n_proposed);
    fresh->origin = (mnas_origin)mnas_blob_get_max(&in, MNAS_ORIGIN_RANDOM);
    mnas_blob_get_rng(&in, &fresh->shadow);
    uint64_t own_bytes = mnas_blob_get_u64(&in);
    if (in.bad || own_bytes > (uint64_t)(in.end - in.at)) return broken(fresh, "wrong length");
    rc = fresh->class->load(fresh->self, (const char *)in.at, (size_t)own_bytes);
    in.at += own_bytes;
    if (rc == 0 && fresh->screening) rc = mnas_screening_load(fresh->screening, &in);
    return rc == 0 && !mnas_blob_done(&in) ? broken(fresh, "wrong length") : rc;
}

int mnas_strategy_load(mnas_strategy *s, const char *bytes, size_t n) {
    mnas_strategy fresh = *s;
    fresh.self = fresh.pending = NULL;
    fresh.screening = NULL;
    fresh.room = 0;
    int rc = check_frame(s, bytes, n);
    if (rc < 0) return rc;
    rc = self_create(&fresh.self, s);
    if (rc == 0 && s->screening) rc = mnas_screening_create(&fresh.screening, &s->problem, s->seed);
    if (rc < 0) goto out;
    rc = load_into(&fresh, bytes, n);
    if (rc < 0) goto out;
    mnas_strategy old = *s;
    *s = fresh;
    fresh = old; /* now what is to be released */
out:
    self_destroy(s->class, fresh.self);
    mnas_screening_destroy(fresh.screening);
    free(fresh.pending);
    return rc;
}
