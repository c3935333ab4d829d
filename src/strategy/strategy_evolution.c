/* strategy_evolution.c - regularised (aging) evolution: Real, Aggarwal, Huang, Le, "Regularized Evolution for Image
 * Classifier Architecture Search", AAAI 2019, algorithm 1.
 *
 * A population of the P youngest networks. The first P proposals are random; from then on each is a child: S members are
 * drawn with replacement, the best of them is the parent, and one of its decisions becomes another choice. Each answer
 * enters, and beyond P the oldest dies, however good: what was only lucky is forgotten unless its children are good, too.
 *
 * Ours: a failed trial does not enter (its 0 is no quality, and it shall push nobody out), nor does a repeat, which would be a
 * second member of the same network; while nobody has entered, proposals stay random. A child that is known, alive or
 * not, is drawn again, and after some such draws in vain it changes in one decision more. There is no crossover, as there is
 * none in the paper. Descriptors are not looked at.
 *
 * What was observed without a proposal has no age: it joins a population that is not full, and takes the place of the worst in
 * one that is, where it is better. So of many results from elsewhere the best stay. As many random proposals are saved.
 *
 * Invariants: members stand oldest first; the state is a function of (problem, options, seed, outcomes).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/opts.h"
#include "base/rng.h"
#include "strategy/past.h"

enum { MAX_POPULATION = 10000, MAX_DRAWS = 100, DRAWS_PER_STEP = 16 };

typedef struct evolution_opts {
    mnas_strategy_options common;
    int64_t population, sample, mutations, step;
} evolution_opts;

enum { STEP_ANY, STEP_NEIGHBOUR };
static const char *const steps[] = {"any", "neighbour", NULL};

#define AT(field) offsetof(evolution_opts, field)
static const mnas_opt evolution_opt_table[] = {
    {"population", MNAS_OPT_INT, AT(population), NULL, 1, MAX_POPULATION, "networks",
     "that are alive, and proposals that are random at first (default: 2 sqrt(trials), 5 to 100)", NULL},
    {"sample", MNAS_OPT_INT, AT(sample), NULL, 1, MAX_POPULATION, "networks",
     "drawn, of which the best is the parent (default: the population, at most 25)", NULL},
    {"mutations", MNAS_OPT_INT, AT(mutations), NULL, 1, 100, "decisions",
     "changed in a child, at most (default: the paper's 1; 2 of over 16 under 200 trials)", NULL},
    {"step", MNAS_OPT_CHOICE, AT(step), "any", 0, 0, NULL,
     "what a decision with ordered values changes to: any other, or the next lower or higher", steps},
    MNAS_STRATEGY_OPTS(evolution_opts),
    MNAS_OPT_END};
#undef AT

typedef struct evolution {
    size_t n_decisions;
    const mnas_decision *decisions;
    int n_mutable; /* decisions that have another choice */
    int64_t population, sample, mutations, step;
    mnas_rng rng;
    uint64_t n_begun; /* proposed, or observed without */
    uint64_t n_entered;
    size_t n_members;
    int *tokens;     /* [population][n_decisions] */
    double *rewards; /* [population] */
    mnas_past past;
} evolution;

/* ---- life ---- */

static int64_t given(int64_t option, int64_t otherwise) {
    return option != MNAS_OPT_UNSET ? option : otherwise;
}

static int64_t between(int64_t low, int64_t value, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* The paper's 100 and 25 are for 20000 trials, of which we have a hundredth: a random start must not eat the search. Found on
 * tables and landscapes at 100 and 500 trials (docs/strategies.md). */
static void set_sizes(evolution *s, const evolution_opts *opts, int n_decisions, int n_trials) {
    s->population = given(opts->population, between(5, (int64_t)(2 * sqrt(n_trials)), 100));
    s->sample = given(opts->sample, between(1, s->population, 25));
    s->mutations = given(opts->mutations, n_trials < 200 && n_decisions > 16 ? 2 : 1);
    s->step = opts->step;
}

static void destroy(void *self) {
    evolution *s = self;
    free(s->tokens);
    free(s->rewards);
    mnas_past_destroy(&s->past);
}

static int create(void *self, const mnas_problem *problem, const void *opts, uint64_t seed) {
    evolution *s = self;
    set_sizes(s, opts, problem->n_decisions, problem->n_trials);
    s->n_decisions = (size_t)problem->n_decisions;
    s->decisions = problem->decisions;
    for (size_t t = 0; t < s->n_decisions; t++) s->n_mutable += s->decisions[t].n_choices > 1;
    s->rng = mnas_rng_stream(seed, 0, "evolution");
    mnas_past_init(&s->past, problem);
    s->tokens = calloc((size_t)s->population * s->n_decisions, sizeof *s->tokens);
    s->rewards = calloc((size_t)s->population, sizeof *s->rewards);
    if (s->tokens && s->rewards) return 0;
    destroy(s);
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a population of %d networks", (int)s->population);
}

static int *member(const evolution *s, size_t i) {
    return s->tokens + i * s->n_decisions;
}

/* ---- proposing ---- */

static uint32_t below(evolution *s, size_t n) {
    return mnas_rng_below(&s->rng, (uint32_t)n);
}

static void draw_random(evolution *s, int *tokens) {
    for (size_t t = 0; t < s->n_decisions; t++) tokens[t] = (int)below(s, (size_t)s->decisions[t].n_choices);
}

static const int *tournament(evolution *s) {
    size_t best = below(s, s->n_members);
    for (int64_t i = 1; i < s->sample; i++) {
        size_t other = below(s, s->n_members);
        if (s->rewards[other] > s->rewards[best]) best = other;
    }
    return member(s, best);
}

/* The choice with the next value in direction `up`, or -1. Lists of options need not be sorted. */
static int neighbour(const mnas_decision *d, int from, bool up) {
    int found = -1;
    for (int k = 0; k < d->n_choices; k++) {
        bool beyond = up ? d->values[k] > d->values[from] : d->values[k] < d->values[from];
        if (!beyond) continue;
        if (found < 0 || (up ? d->values[k] < d->values[found] : d->values[k] > d->values[found])) found = k;
    }
    return found;
}

static int another_choice(evolution *s, const mnas_decision *d, int from) {
    if (s->step == STEP_NEIGHBOUR && d->ordinal && d->values) {
        bool up = below(s, 2) == 1;
        int k = neighbour(d, from, up);
        if (k < 0) k = neighbour(d, from, !up);
        if (k >= 0) return k;
    }
    int k = (int)below(s, (size_t)d->n_choices - 1);
    return k < from ? k : k + 1;
}

/* One decision that has another choice gets it. */
static void mutate(evolution *s, int *tokens) {
    size_t left = below(s, (size_t)s->n_mutable), t = 0;
    while (s->decisions[t].n_choices < 2 || left-- > 0) t++;
    tokens[t] = another_choice(s, &s->decisions[t], tokens[t]);
}

static bool uniform(const void *self) {
    const evolution *s = self;
    return s->n_begun < (uint64_t)s->population || s->n_members == 0 || s->n_mutable == 0;
}

static int propose(void *self, int *tokens) {
    evolution *s = self;
    if (uniform(s)) {
        draw_random(s, tokens);
        return 0;
    }
    for (int draw = 0; draw < MAX_DRAWS; draw++) {
        int64_t n = s->mutations + draw / DRAWS_PER_STEP;
        memcpy(tokens, tournament(s), s->n_decisions * sizeof *tokens);
        for (int64_t i = 0; i < n; i++) mutate(s, tokens);
        int known = mnas_past_knows(&s->past, tokens);
        if (known <= 0) return known;
    }
    return 0;
}

static int commit(void *self, const int *tokens, bool own) {
    evolution *s = self;
    (void)own;
    s->n_begun++;
    return mnas_past_propose(&s->past, tokens, 0);
}

/* ---- aging ---- */

/* The i-th member dies. */
static void drop(evolution *s, size_t i) {
    const size_t younger = --s->n_members - i;
    memmove(member(s, i), member(s, i + 1), younger * s->n_decisions * sizeof *s->tokens);
    memmove(s->rewards + i, s->rewards + i + 1, younger * sizeof *s->rewards);
}

/* Behind the youngest; there is room. */
static void enter(evolution *s, const int *tokens, double reward) {
    memcpy(member(s, s->n_members), tokens, s->n_decisions * sizeof *tokens);
    s->rewards[s->n_members++] = reward;
    s->n_entered++;
}

static bool is_full(const evolution *s) {
    return s->n_members == (size_t)s->population;
}

static int feedback(void *self, const int *tokens, const mnas_outcome *outcome) {
    evolution *s = self;
    int rc = mnas_past_answer(&s->past, outcome, NULL, NULL);
    if (rc < 0 || outcome->failed || outcome->repeat) return rc;
    if (is_full(s)) drop(s, 0);
    enter(s, tokens, outcome->reward);
    return 0;
}

static size_t worst(const evolution *s) {
    size_t at = 0;
    for (size_t i = 1; i < s->n_members; i++)
        if (s->rewards[i] < s->rewards[at]) at = i;
    return at;
}

static int observe(void *self, const int *tokens, const mnas_outcome *outcome) {
    evolution *s = self;
    size_t at;
    int rc = mnas_past_observe(&s->past, tokens, outcome, &at);
    if (rc < 0 || outcome->failed || outcome->repeat) return rc;
    s->n_begun++;
    if (is_full(s) && !(outcome->reward > s->rewards[worst(s)])) return 0;
    if (is_full(s)) drop(s, worst(s));
    enter(s, tokens, outcome->reward);
    return 0;
}

/* ---- looking ---- */

/* Shares of the choices among the living; uniform while there are none. */
static void probabilities(const void *self, double *probs) {
    const evolution *s = self;
    for (size_t t = 0; t < s->n_decisions; t++) {
        size_t n_choices = (size_t)s->decisions[t].n_choices;
        for (size_t k = 0; k < n_choices; k++) probs[k] = s->n_members ? 0 : 1 / (double)n_choices;
        for (size_t i = 0; i < s->n_members; i++) probs[member(s, i)[t]] += 1 / (double)s->n_members;
        probs += n_choices;
    }
}

/* Of the shares of one decision's choices. */
static double entropy(const evolution *s, size_t t) {
    double sum = 0;
    if (s->n_members == 0) return log(s->decisions[t].n_choices);
    for (int k = 0; k < s->decisions[t].n_choices; k++) {
        size_t n = 0;
        for (size_t i = 0; i < s->n_members; i++) n += member(s, i)[t] == k;
        double share = (double)n / (double)s->n_members;
        if (n > 0) sum -= share * log(share);
    }
    return sum;
}

/* An update is a generation: as many answers as the population has members. */
static void status(const void *self, mnas_strategy_status *out) {
    const evolution *s = self;
    double rewards = 0, entropies = 0;
    for (size_t i = 0; i < s->n_members; i++) rewards += s->rewards[i];
    for (size_t t = 0; t < s->n_decisions; t++) entropies += entropy(s, t);
    out->n_updates = (int)(s->n_entered / (uint64_t)s->population);
    out->entropy = entropies / (double)s->n_decisions;
    if (s->n_members) out->baseline = rewards / (double)s->n_members;
}

/* ---- saving ---- */

enum { N_SIZES = 4 };

static void sizes_of(const evolution *s, uint64_t out[N_SIZES]) {
    const int64_t sizes[N_SIZES] = {s->population, s->sample, s->mutations, s->step};
    for (int i = 0; i < N_SIZES; i++) out[i] = (uint64_t)sizes[i];
}

static int save(const void *self, mnas_str *out) {
    const evolution *s = self;
    uint64_t sizes[N_SIZES];
    sizes_of(s, sizes);
    for (int i = 0; i < N_SIZES; i++) mnas_blob_put_u64(out, sizes[i]);
    mnas_blob_put_rng(out, &s->rng);
    mnas_blob_put_u64(out, s->n_begun);
    mnas_blob_put_u64(out, s->n_entered);
    mnas_blob_put_u64(out, s->n_members);
    mnas_blob_put_ints(out, s->tokens, s->n_members * s->n_decisions);
    mnas_blob_put_f64s(out, s->rewards, s->n_members);
    mnas_past_save(&s->past, out);
    return mnas_str_ok(out) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the population's state");
}

static void load_members(evolution *s, mnas_blob_reader *in) {
    size_t n = (size_t)mnas_blob_get_max(in, (uint64_t)s->population);
    mnas_blob_get_ints(in, s->tokens, n * s->n_decisions);
    for (size_t i = 0; i < n * s->n_decisions; i++)
        if (s->tokens[i] < 0 || s->tokens[i] >= s->decisions[i % s->n_decisions].n_choices) in->bad = true;
    mnas_blob_get_f64s(in, s->rewards, n);
    s->n_members = n;
    if (s->n_entered < n) in->bad = true;
}

static int load(void *self, const char *bytes, size_t n) {
    evolution *s = self;
    mnas_blob_reader in = mnas_blob_reader_of(bytes, n);
    uint64_t sizes[N_SIZES];
    bool same = true;
    sizes_of(s, sizes);
    for (int i = 0; i < N_SIZES; i++) same &= mnas_blob_get_u64(&in) == sizes[i];
    if (!in.bad && !same)
        return mnas_error_set(MNAS_ERR_MISMATCH, "stored state belongs to an evolution of other options");
    mnas_blob_get_rng(&in, &s->rng);
    s->n_begun = mnas_blob_get_max(&in, INT64_MAX);
    s->n_entered = mnas_blob_get_max(&in, INT32_MAX);
    load_members(s, &in);
    int rc = mnas_past_load(&s->past, &in);
    if (rc < 0) return rc;
    return mnas_blob_done(&in)
               ? 0
               : mnas_error_set(MNAS_ERR_FORMAT, "stored state of the population is malformed");
}

const mnas_strategy_class mnas_strategy_class_evolution = {
    .plugin = {.name = "evolution",
               .help = "regularised evolution: children of the best of a sample, the oldest dies (AmoebaNet)",
               .opts = evolution_opt_table,
               .opts_bytes = sizeof(evolution_opts)},
    .common_at = offsetof(evolution_opts, common),
    .self_bytes = sizeof(evolution),
    .create = create,
    .propose = propose,
    .commit = commit,
    .uniform = uniform,
    .feedback = feedback,
    .observe = observe,
    .status = status,
    .probabilities = probabilities,
    .save = save,
    .load = load,
    .destroy = destroy,
};
