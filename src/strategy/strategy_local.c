/* strategy_local.c - local search, as in the tables' papers: White, Nolen, Savani, "Exploring the Loss Landscape in Neural
 * Architecture Search" (UAI 2021); Ottelander, Dushatskiy, Virgolin, Bosman, "Local Search is a Remarkably Strong Baseline for
 * Neural Architecture Search" (EMO 2021).
 *
 * From the best of some random networks, the centre, its neighbours (one decision changed) are tried in random order. The
 * first that is better (`move=first`) becomes the centre, or when all are known the best that is better (`move=best`). At a
 * local optimum all begins again with random networks.
 *
 * Neighbours known already cost nothing: their rewards count without a proposal. A failed network is no neighbour to move to.
 * With several trials at once a centre whose neighbours are all on their way is no optimum yet; proposals are random
 * meanwhile, and what comes late from an earlier centre is known, no more. Noise is not averaged away: what was lucky
 * stays the centre. What was observed without a proposal is a start like others, or the next centre where it is better than
 * the present one. Descriptors, and the order of ordinal choices, are not looked at.
 *
 * Invariants: `centre` is a complete network or -1 (random start); the state is a function of (problem, options, seed, outcomes).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/opts.h"
#include "base/rng.h"
#include "strategy/past.h"

enum { MAX_DRAWS = 16 };

typedef struct local_opts {
    mnas_strategy_options common;
    int64_t starts, move;
} local_opts;

enum { MOVE_FIRST, MOVE_BEST };
static const char *const moves[] = {"first", "best", NULL};

#define AT(field) offsetof(local_opts, field)
static const mnas_opt local_opt_table[] = {
    {"starts", MNAS_OPT_INT, AT(starts), NULL, 1, 10000, "networks",
     "drawn at random, of which the best is where a walk begins (default: trials / 10, 1 to 10)", NULL},
    {"move", MNAS_OPT_CHOICE, AT(move), "first", 0, 0, NULL,
     "to the first neighbour that is better, or to the best when all are known", moves},
    MNAS_STRATEGY_OPTS(local_opts),
    MNAS_OPT_END};
#undef AT

typedef struct local_search {
    size_t n_decisions;
    int64_t n_starts, move;
    mnas_rng rng;
    mnas_past past;       /* a proposal's tag: 0, or 1 + the centre whose neighbour it is */
    bool drew_neighbour;  /* in the last propose(), until it is committed */
    ptrdiff_t centre;     /* index among the answered, -1: none */
    ptrdiff_t best_start; /* of this walk's random networks, -1: none yet */
    uint64_t n_started;   /* of them, answered */
    uint64_t n_walks;     /* ended at an optimum */
    size_t n_neighbours;  /* of any network */
    uint32_t *order;      /* [n_neighbours] scratch */
    int *candidate;       /* [n_decisions] scratch */
} local_search;

/* ---- life ---- */

static void destroy(void *self) {
    local_search *s = self;
    mnas_past_destroy(&s->past);
    free(s->order);
    free(s->candidate);
}

static int create(void *self, const mnas_problem *problem, const void *opts, uint64_t seed) {
    local_search *s = self;
    const local_opts *o = opts;
    int64_t tenth = problem->n_trials / 10;
    s->n_decisions = (size_t)problem->n_decisions;
    s->n_starts = o->starts != MNAS_OPT_UNSET ? o->starts : tenth < 1 ? 1 : tenth > 10 ? 10 : tenth;
    s->move = o->move;
    s->rng = mnas_rng_stream(seed, 0, "local-search");
    mnas_past_init(&s->past, problem);
    s->centre = s->best_start = -1;
    for (size_t t = 0; t < s->n_decisions; t++)
        s->n_neighbours += (size_t)problem->decisions[t].n_choices - 1;
    s->order = calloc(s->n_neighbours + 1, sizeof *s->order);
    s->candidate = calloc(s->n_decisions, sizeof *s->candidate);
    if (s->order && s->candidate) return 0;
    destroy(s);
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %zu neighbours", s->n_neighbours);
}

/* ---- neighbours ---- */

static const int *tokens_of(const local_search *s, ptrdiff_t i) {
    return s->past.answered.tokens + (size_t)i * s->n_decisions;
}

static double reward_of(const local_search *s, ptrdiff_t i) {
    return s->past.answered.seen[i].reward;
}

/* The i-th neighbour of `from`: counted decision by decision, over the choices that it has not. */
static void neighbour(const local_search *s, const int *from, size_t i, int *out) {
    size_t t = 0;
    for (; i >= (size_t)s->past.problem.decisions[t].n_choices - 1; t++)
        i -= (size_t)s->past.problem.decisions[t].n_choices - 1;
    memcpy(out, from, s->n_decisions * sizeof *out);
    out[t] = (int)i < from[t] ? (int)i : (int)i + 1;
}

/* A neighbour of the centre that is not known, in the order of s->order: 1 and its tokens, 0: all are known; or a status. */
static int unknown_neighbour(const local_search *s, int *tokens) {
    for (size_t i = 0; i < s->n_neighbours; i++) {
        neighbour(s, tokens_of(s, s->centre), s->order[i], tokens);
        int known = mnas_past_knows(&s->past, tokens);
        if (known <= 0) return known < 0 ? known : 1;
    }
    return 0;
}

static void sort_order(local_search *s) {
    for (size_t i = 0; i < s->n_neighbours; i++) s->order[i] = (uint32_t)i;
}

/* The best complete neighbour among the known that is better than the centre, or -1. */
static ptrdiff_t better_neighbour(local_search *s) {
    ptrdiff_t best = s->centre;
    for (size_t i = 0; i < s->n_neighbours; i++) {
        neighbour(s, tokens_of(s, s->centre), i, s->candidate);
        ptrdiff_t at = mnas_observations_find(&s->past.answered, s->candidate);
        if (at < 0 || s->past.answered.seen[at].state != MNAS_SEEN_COMPLETE) continue;
        if (reward_of(s, at) > reward_of(s, best)) best = at;
    }
    return best == s->centre ? -1 : best;
}

/* ---- proposing ---- */

static int draw_random(local_search *s, int *tokens) {
    int known = 1;
    for (int draw = 0; known > 0 && draw < MAX_DRAWS; draw++) {
        for (size_t t = 0; t < s->n_decisions; t++)
            tokens[t] = (int)mnas_rng_below(&s->rng, (uint32_t)s->past.problem.decisions[t].n_choices);
        known = mnas_past_knows(&s->past, tokens);
    }
    return known < 0 ? known : 0;
}

static bool uniform(const void *self) {
    return ((const local_search *)self)->centre < 0;
}

static int propose(void *self, int *tokens) {
    local_search *s = self;
    s->drew_neighbour = false;
    if (s->centre < 0) return draw_random(s, tokens);
    sort_order(s);
    mnas_rng_shuffle(&s->rng, s->order, s->n_neighbours);
    int found = unknown_neighbour(s, tokens);
    s->drew_neighbour = found > 0;
    return found < 0 ? found : found > 0 ? 0 : draw_random(s, tokens);
}

/* A drawn neighbour is one wherever projection took it. */
static int commit(void *self, const int *tokens, bool own) {
    local_search *s = self;
    return mnas_past_propose(&s->past, tokens, own && s->drew_neighbour ? (int)s->centre + 1 : 0);
}

/* ---- walking ---- */

static void start_over(local_search *s) {
    s->centre = s->best_start = -1;
    s->n_started = 0;
    s->n_walks++;
}

static void take_start(local_search *s, ptrdiff_t answered) {
    if (s->best_start < 0 || reward_of(s, answered) > reward_of(s, s->best_start)) s->best_start = answered;
    if (++s->n_started >= (uint64_t)s->n_starts) s->centre = s->best_start;
}

static bool neighbours_are_open(const local_search *s) {
    for (size_t i = 0; i < s->past.n_open; i++)
        if (s->past.open_tag[i] == (int)s->centre + 1) return true;
    return false;
}

/* 1: every neighbour of the centre is answered; 0: not yet; or a status. */
static int all_answered(local_search *s) {
    if (neighbours_are_open(s)) return 0;
    sort_order(s);
    int found = unknown_neighbour(s, s->candidate);
    return found < 0 ? found : !found;
}

/* Over what is known, as far as it leads. */
static int walk(local_search *s) {
    while (s->centre >= 0) {
        int done = all_answered(s);
        if (done < 0) return done;
        ptrdiff_t next = s->move == MOVE_FIRST || done ? better_neighbour(s) : -1;
        if (next < 0 && !done) return 0;
        if (next < 0)
            start_over(s);
        else
            s->centre = next;
    }
    return 0;
}

static int feedback(void *self, const int *tokens, const mnas_outcome *outcome) {
    local_search *s = self;
    size_t at;
    int tag;
    (void)tokens;
    int rc = mnas_past_answer(&s->past, outcome, &at, &tag);
    if (rc < 0) return rc;
    if (!outcome->failed) {
        if (s->centre < 0)
            take_start(s, (ptrdiff_t)at);
        else if (tag == (int)s->centre + 1 && s->move == MOVE_FIRST &&
                 reward_of(s, (ptrdiff_t)at) > reward_of(s, s->centre))
            s->centre = (ptrdiff_t)at; /* projected ones are no neighbours by their tokens */
    }
    return walk(s);
}

static int observe(void *self, const int *tokens, const mnas_outcome *outcome) {
    local_search *s = self;
    size_t at;
    int rc = mnas_past_observe(&s->past, tokens, outcome, &at);
    if (rc < 0) return rc;
    if (!outcome->failed && s->centre < 0)
        take_start(s, (ptrdiff_t)at);
    else if (!outcome->failed && reward_of(s, (ptrdiff_t)at) > reward_of(s, s->centre))
        s->centre = (ptrdiff_t)at;
    return walk(s);
}

/* ---- looking and saving ---- */

/* An update is a walk that has ended. */
static void status(const void *self, mnas_strategy_status *out) {
    const local_search *s = self;
    out->n_updates = (int)s->n_walks;
    if (s->centre >= 0) out->baseline = reward_of(s, s->centre);
}

static int save(const void *self, mnas_str *out) {
    const local_search *s = self;
    mnas_blob_put_u64(out, (uint64_t)s->n_starts);
    mnas_blob_put_u64(out, (uint64_t)s->move);
    mnas_blob_put_rng(out, &s->rng);
    mnas_blob_put_u64(out, (uint64_t)(s->centre + 1));
    mnas_blob_put_u64(out, (uint64_t)(s->best_start + 1));
    mnas_blob_put_u64(out, s->n_started);
    mnas_blob_put_u64(out, s->n_walks);
    mnas_past_save(&s->past, out);
    return mnas_str_ok(out) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the local search's state");
}

/* An index that save() wrote 1 larger. */
static bool is_complete(const local_search *s, ptrdiff_t i) {
    return i < 0 || ((size_t)i < s->past.answered.n && s->past.answered.seen[i].state == MNAS_SEEN_COMPLETE);
}

static int load(void *self, const char *bytes, size_t n) {
    local_search *s = self;
    mnas_blob_reader in = mnas_blob_reader_of(bytes, n);
    bool same = mnas_blob_get_u64(&in) == (uint64_t)s->n_starts;
    same &= mnas_blob_get_u64(&in) == (uint64_t)s->move;
    if (!in.bad && !same)
        return mnas_error_set(MNAS_ERR_MISMATCH, "stored state belongs to a local search of other options");
    mnas_blob_get_rng(&in, &s->rng);
    s->centre = (ptrdiff_t)mnas_blob_get_max(&in, INT32_MAX) - 1;
    s->best_start = (ptrdiff_t)mnas_blob_get_max(&in, INT32_MAX) - 1;
    s->n_started = mnas_blob_get_max(&in, INT32_MAX);
    s->n_walks = mnas_blob_get_max(&in, INT32_MAX);
    int rc = mnas_past_load(&s->past, &in);
    if (rc < 0) return rc;
    if (mnas_blob_done(&in) && is_complete(s, s->centre) && is_complete(s, s->best_start)) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "stored state of the local search is malformed");
}

const mnas_strategy_class mnas_strategy_class_local = {
    .plugin = {.name = "local",
               .help = "local search: to a better neighbour, and from a local optimum to a random start",
               .opts = local_opt_table,
               .opts_bytes = sizeof(local_opts)},
    .common_at = offsetof(local_opts, common),
    .self_bytes = sizeof(local_search),
    .create = create,
    .propose = propose,
    .commit = commit,
    .uniform = uniform,
    .feedback = feedback,
    .observe = observe,
    .status = status,
    .save = save,
    .load = load,
    .destroy = destroy,
};
