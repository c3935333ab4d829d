/* screening.c - see screening.h: targets, candidates, and the choice among them.
 *
 * Targets are logs of regret, -log(best + margin - reward), which spread the best apart and press the rest together: to
 * tell good from very good is what the search needs, and a few hopeless networks must not use up the scale. A failed network
 * counts as a poor one. The choice is expected improvement (Mockus 1978) on what is believed of the best network, not on its
 * noisy reward.
 */
#include "strategy/screening.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"

static const int MEMBERS = 200;       /* of the surrogate, at most when it is fitted */
static const int START = 8;           /* complete networks before predictions are trusted, */
static const int START_DECISIONS = 3; /* and one more for so many decisions, */
static const int MIN_START = 4;       /* but never fewer than this */
static const int PARENTS = 10;        /* of the mutants */
static const int MUTANTS = 100;       /* candidates */
static const int DRAWS = 50;          /* of the strategy */
static const int UNIFORM = 20;
static const int CLIMBS = 100; /* mutants of the best candidate so far: in large spaces it is a way off */
static const int MAX_MUTATIONS = 3;
static const double MARGIN = 0.1;          /* of the distance from the median to the best */
static const double FAILED_QUANTILE = 0.1; /* of the targets: what a failed network counts as */
static const int SCATTERED = 400;          /* where a window is aimed at and no reward known, */
static const int UNIFORM_AIMED = 200;      /* and later: of the uniform ones few lie inside, */
static const int DRAWS_AIMED = 5;     /* of a strategy that was told little more than failures still fewer */
static const double LOOK_COST = 0.05; /* of measuring a latency, as a part of a training */
static const double MAX_ENUMERATED =
    1e6; /* encodings of a space that is looked through for the last new ones */

struct mnas_screening {
    const mnas_problem *problem;
    size_t n_decisions, n_descriptors;
    mnas_rng rng;
    mnas_observations seen;
    size_t n_complete, n_looks; /* evaluated; with a latency */
    mnas_surrogate reward;
    bool aims; /* only networks in a window can win */
    mnas_aim aim;
    double *values, *scratch; /* [seen.room]: targets of what was seen */
    size_t room;
    int *candidate;
    double *descriptors;
};

/* ---- life ---- */

int mnas_screening_create(mnas_screening **out, const mnas_problem *problem, uint64_t seed) {
    mnas_screening *s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a screening");
    s->problem = problem;
    s->n_decisions = (size_t)problem->n_decisions;
    s->n_descriptors = problem->describe ? (size_t)problem->n_descriptors : 0;
    s->rng = mnas_rng_stream(seed, 0, "screening");
    mnas_observations_init(&s->seen, s->n_decisions, s->n_descriptors);
    s->candidate = calloc(s->n_decisions, sizeof *s->candidate);
    s->descriptors = calloc(s->n_descriptors + 1, sizeof *s->descriptors);
    int rc =
        s->candidate && s->descriptors ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for a screening");
    if (rc == 0)
        rc = mnas_surrogate_create(&s->reward, problem->decisions, s->n_decisions, s->n_descriptors,
                                   (size_t)MEMBERS);
    s->aims = problem->window_high_ms > 0;
    if (rc == 0 && s->aims) rc = mnas_aim_create(&s->aim, problem, s->n_descriptors);
    if (rc == 0)
        *out = s;
    else
        mnas_screening_destroy(s);
    return rc;
}

void mnas_screening_destroy(mnas_screening *s) {
    if (!s) return;
    mnas_observations_destroy(&s->seen);
    mnas_surrogate_destroy(&s->reward);
    mnas_aim_destroy(&s->aim);
    free(s->values);
    free(s->candidate);
    free(s->descriptors);
    free(s);
}

/* ---- what was seen ---- */

/* What is no number tells nothing, and a state with it could not be loaded again. */
static int describe(mnas_screening *s, const int *tokens) {
    const int rc = s->n_descriptors ? s->problem->describe(s->problem->user, tokens, s->descriptors) : 0;
    for (size_t i = 0; i < s->n_descriptors; i++)
        if (!isfinite(s->descriptors[i])) s->descriptors[i] = 0;
    return rc;
}

/* The more there is to decide, the more is to be seen first; but no more than a fifth of the search. */
static bool knows_rewards(const mnas_screening *s) {
    const int wanted = START + (int)s->n_decisions / START_DECISIONS, most = s->problem->n_trials / 5;
    const int start = wanted < most ? wanted : most;
    return s->n_complete >= (size_t)(start > MIN_START ? start : MIN_START);
}

bool mnas_screening_is_ready(const mnas_screening *s) {
    return s->aims ? s->n_looks >= (size_t)START : knows_rewards(s);
}

static void count(mnas_screening *s) {
    s->n_complete = s->n_looks = 0;
    for (size_t i = 0; i < s->seen.n; i++) {
        s->n_complete += s->seen.seen[i].state == MNAS_SEEN_COMPLETE;
        s->n_looks += s->seen.seen[i].latency_ms > 0;
    }
}

int mnas_screening_tell(mnas_screening *s, const int *tokens, const mnas_outcome *outcome) {
    size_t index;
    int rc = describe(s, tokens);
    if (rc == 0) rc = mnas_observations_tell(&s->seen, tokens, s->descriptors, outcome, &index);
    if (rc == 0) count(s);
    return rc;
}

static int reserve_values(mnas_screening *s) {
    if (s->seen.room <= s->room) return 0;
    double *values = realloc(s->values, 2 * s->seen.room * sizeof *values);
    if (!values)
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the outcomes of %zu networks", s->seen.room);
    s->values = values;
    s->room = s->seen.room;
    s->scratch = values + s->room;
    return 0;
}

/* In units of the margin, so that no scale of rewards matters; all 0 where nothing tells them apart. */
static double log_regret(double reward, double best, double margin) {
    return margin > 0 ? -log1p((best - reward) / margin) : 0;
}

/* Of the complete ones, into scratch: how many. */
static size_t gather(mnas_screening *s, bool rewards) {
    size_t n = 0;
    for (size_t i = 0; i < s->seen.n; i++)
        if (s->seen.seen[i].state == MNAS_SEEN_COMPLETE)
            s->scratch[n++] = rewards ? s->seen.seen[i].reward : s->values[i];
    return n;
}

static int set_values(mnas_screening *s) {
    int rc = reserve_values(s);
    if (rc < 0 || s->n_complete == 0) return rc;
    const size_t n = gather(s, true);
    const double best = mnas_stats_quantile(s->scratch, n, 1),
                 median = mnas_stats_quantile(s->scratch, n, 0.5),
                 /* where more than half are as good as the best, the others are what it can be told from */
        level = median < best ? median : mnas_stats_quantile(s->scratch, n, 0);
    for (size_t i = 0; i < s->seen.n; i++)
        s->values[i] = s->seen.seen[i].state == MNAS_SEEN_COMPLETE
                           ? log_regret(s->seen.seen[i].reward, best, MARGIN * (best - level))
                           : (double)NAN;
    const double poor = mnas_stats_quantile(s->scratch, gather(s, false), FAILED_QUANTILE);
    for (size_t i = 0; i < s->seen.n; i++)
        if (s->seen.seen[i].state == MNAS_SEEN_FAILED) s->values[i] = poor;
    return 0;
}

static mnas_surrogate_list list_of(const mnas_screening *s) {
    return (mnas_surrogate_list){s->seen.n, s->seen.tokens, s->seen.descriptors, s->values, NULL};
}

/* ---- candidates ---- */

/* One choice in the making. */
typedef struct choice {
    mnas_screening *s;
    const int *open; /* [n_open, n_decisions] */
    size_t n_open;
    size_t parents[16]; /* places among the seen */
    size_t n_parents;
    double best;  /* believed of the best network */
    double score; /* of the best candidate so far */
    int *tokens;  /* which is this one */
    bool found;
} choice;

static int below(mnas_screening *s, int n) {
    return (int)mnas_rng_below(&s->rng, (uint32_t)n);
}

static bool is_known(const choice *c, const int *tokens) {
    const size_t T = c->s->n_decisions;
    if (mnas_observations_find(&c->s->seen, tokens) >= 0) return true;
    for (size_t i = 0; i < c->n_open; i++)
        if (memcmp(c->open + i * T, tokens, T * sizeof *tokens) == 0) return true;
    return false;
}

/* E max(0, f - best) for f normal. */
static double expected_improvement(double mean, double sd, double best) {
    if (!(sd > 0)) return fmax(0, mean - best);
    const double z = (mean - best) / sd;
    return sd * (z * erfc(-z / sqrt(2)) / 2 + exp(-z * z / 2) / sqrt(2 * acos(-1)));
}

/* With a window the improvement E for what it costs: whoever is proposed is looked at, and trained with probability P, so E P /
 * (LOOK_COST + P). Looks are cheap: where no guess of a latency is as sharp as the window is narrow, E decides, and not how
 * sure a guess is. At most E / (LOOK_COST + 1), so that few need a P. */
static int score(choice *c, const int *tokens, double *out) {
    mnas_screening *s = c->s;
    double mean, sd;
    int rc = describe(s, tokens);
    if (rc < 0) return rc;
    mnas_surrogate_predict(&s->reward, tokens, s->descriptors, &mean, &sd);
    const double e = *out = expected_improvement(mean, sd, c->best);
    if (!s->aims) return 0;
    *out = e / (LOOK_COST + 1);
    if (c->found && *out <= c->score) return 0;
    const double inside = mnas_aim_probability(&s->aim, tokens, s->descriptors);
    *out = e * inside / (LOOK_COST + inside);
    return 0;
}

static int project(const mnas_screening *s, int *tokens) {
    return s->problem->project ? s->problem->project(s->problem->user, tokens) : 0;
}

/* s->candidate, where it is the best so far. */
static void take(choice *c, double score) {
    if (c->found && !(score > c->score)) return;
    c->found = true;
    c->score = score;
    memcpy(c->tokens, c->s->candidate, c->s->n_decisions * sizeof *c->tokens);
}

/* s->candidate takes part. */
static int offer(choice *c) {
    mnas_screening *s = c->s;
    double value;
    int rc = project(s, s->candidate);
    if (rc < 0 || is_known(c, s->candidate)) return rc;
    rc = score(c, s->candidate, &value);
    if (rc == 0) take(c, value);
    return rc;
}

static void draw_uniform(mnas_screening *s, int *tokens) {
    for (size_t t = 0; t < s->n_decisions; t++) tokens[t] = below(s, s->problem->decisions[t].n_choices);
}

/* n decisions get another choice; one that has none is left alone. */
static void mutate(mnas_screening *s, int *tokens, int n) {
    while (n-- > 0) {
        const int t = below(s, (int)s->n_decisions), n_choices = s->problem->decisions[t].n_choices;
        if (n_choices < 2) continue;
        const int k = below(s, n_choices - 1);
        tokens[t] = k < tokens[t] ? k : k + 1;
    }
}

static void draw_mutant(choice *c, int *tokens) {
    mnas_screening *s = c->s;
    const size_t T = s->n_decisions, parent = c->parents[below(s, (int)c->n_parents)];
    memcpy(tokens, s->seen.tokens + parent * T, T * sizeof *tokens);
    mutate(s, tokens, 1 + below(s, MAX_MUTATIONS));
}

static int offer_mutants(choice *c) {
    mnas_screening *s = c->s;
    int rc = 0;
    for (int i = 0; i < MUTANTS && rc == 0 && c->n_parents > 0; i++) {
        draw_mutant(c, s->candidate);
        rc = offer(c);
    }
    for (int i = 0; i < CLIMBS && rc == 0 && c->found; i++) {
        memcpy(s->candidate, c->tokens, s->n_decisions * sizeof *c->tokens);
        mutate(s, s->candidate, 1 + below(s, MAX_MUTATIONS));
        rc = offer(c);
    }
    return rc;
}

static int offer_draws(choice *c, mnas_screening_draw *draw, void *user) {
    mnas_screening *s = c->s;
    int rc = 0;
    for (int i = 0; i < (s->aims ? DRAWS_AIMED : DRAWS) && rc == 0; i++) {
        rc = draw(user, s->candidate);
        if (rc == 0) rc = offer(c);
    }
    for (int i = 0; i < (s->aims ? UNIFORM_AIMED : UNIFORM) && rc == 0; i++) {
        draw_uniform(s, s->candidate);
        rc = offer(c);
    }
    return rc;
}

/* The next encoding, as an odometer counts. */
static void count_on(const mnas_screening *s, int *tokens) {
    for (size_t t = 0; t < s->n_decisions; t++) {
        if (++tokens[t] < s->problem->decisions[t].n_choices) return;
        tokens[t] = 0;
    }
}

/* Where everything near is known: the first new one, from anywhere on; a known one where there is no other, or none
 * to be found in a large space. */
static int look_through(choice *c) {
    mnas_screening *s = c->s;
    double n_encodings = 1;
    for (size_t t = 0; t < s->n_decisions; t++) n_encodings *= s->problem->decisions[t].n_choices;
    draw_uniform(s, c->tokens);
    memcpy(s->candidate, c->tokens, s->n_decisions * sizeof *s->candidate);
    int rc = project(s, c->tokens);
    const double n = fmin(n_encodings, (double)(s->seen.n + c->n_open) + 1);
    for (double i = 0; i < n && n_encodings <= MAX_ENUMERATED && rc == 0 && is_known(c, c->tokens); i++) {
        count_on(s, s->candidate);
        memcpy(c->tokens, s->candidate, s->n_decisions * sizeof *s->candidate);
        rc = project(s, c->tokens);
    }
    return rc;
}

/* ---- the choice ---- */

/* Place `index` with value `value` among the parents, best first. */
static void insert_parent(choice *c, double *values, size_t index, double value) {
    size_t at = c->n_parents;
    while (at > 0 && values[at - 1] < value) at--;
    if (at == (size_t)PARENTS) return;
    if (c->n_parents < (size_t)PARENTS) c->n_parents++;
    memmove(values + at + 1, values + at, (c->n_parents - at - 1) * sizeof *values);
    memmove(c->parents + at + 1, c->parents + at, (c->n_parents - at - 1) * sizeof *c->parents);
    values[at] = value;
    c->parents[at] = index;
}

static void choose_parents(choice *c) {
    const mnas_screening *s = c->s;
    double values[16];
    for (size_t i = 0; i < s->reward.n_members; i++) {
        const size_t index = s->reward.members[i];
        if (s->seen.seen[index].state == MNAS_SEEN_COMPLETE)
            insert_parent(c, values, index, mnas_surrogate_posterior(&s->reward, i));
    }
    c->best = c->n_parents ? values[0]
                           : 0; /* none: of many failed ones, complete ones may all have been left out */
}

/* Those whose latency came nearest to the window. */
static void choose_nearest(choice *c) {
    const mnas_screening *s = c->s;
    double values[16];
    for (size_t i = 0; i < s->seen.n; i++)
        if (s->seen.seen[i].latency_ms > 0)
            insert_parent(c, values, i, -mnas_aim_distance(&s->aim, s->seen.seen[i].latency_ms));
}

/* While little is known but latencies: spread over what lies in the window, half of it uniformly; but a window where next to nothing
 * lies is reached in steps. The largest u^(1/w) is a draw with weights w (Efraimidis and Spirakis 2006). */
static int offer_scattered(choice *c) {
    mnas_screening *s = c->s;
    int rc = 0;
    choose_nearest(c);
    for (int i = 0; i < SCATTERED && rc == 0; i++) {
        if (i % 2)
            draw_mutant(c, s->candidate);
        else
            draw_uniform(s, s->candidate);
        rc = project(s, s->candidate);
        const double u = mnas_rng_uniform(&s->rng);
        if (rc < 0 || is_known(c, s->candidate) || (rc = describe(s, s->candidate)) < 0) continue;
        const double inside = mnas_aim_probability(&s->aim, s->candidate, s->descriptors);
        take(c, inside > 0 ? log(u) / inside : -INFINITY);
    }
    return rc;
}

static int believe_open(choice *c) {
    int rc = 0;
    for (size_t i = 0; i < c->n_open && rc == 0; i++) {
        const int *tokens = c->open + i * c->s->n_decisions;
        rc = describe(c->s, tokens);
        if (rc == 0) rc = mnas_surrogate_believe(&c->s->reward, tokens, c->s->descriptors);
    }
    return rc;
}

static int choose_by_reward(choice *c, mnas_screening_draw *draw, void *user) {
    mnas_screening *s = c->s;
    int rc = set_values(s);
    const mnas_surrogate_list list = list_of(s);
    if (rc == 0) rc = mnas_surrogate_update(&s->reward, &list);
    if (rc < 0) return rc;
    choose_parents(c);
    rc = believe_open(c);
    if (rc == 0) rc = offer_draws(c, draw, user);
    if (rc == 0) rc = offer_mutants(c);
    mnas_surrogate_release(&s->reward);
    return rc;
}

int mnas_screening_propose(mnas_screening *s, mnas_screening_draw *draw, void *user, const int *open,
                           size_t n_open, int *tokens) {
    choice c = {.s = s, .open = open, .n_open = n_open, .tokens = tokens};
    int rc = s->aims ? mnas_aim_update(&s->aim, &s->seen) : 0;
    if (rc == 0) rc = knows_rewards(s) ? choose_by_reward(&c, draw, user) : offer_scattered(&c);
    return rc == 0 && !c.found ? look_through(&c) : rc;
}

/* ---- saving ---- */

int mnas_screening_save(const mnas_screening *s, mnas_str *out) {
    mnas_blob_put_rng(out, &s->rng);
    mnas_observations_save(&s->seen, out);
    mnas_surrogate_save(&s->reward, out);
    if (s->aims) mnas_aim_save(&s->aim, out);
    return 0;
}

int mnas_screening_load(mnas_screening *s, mnas_blob_reader *in) {
    mnas_blob_get_rng(in, &s->rng);
    int rc = mnas_observations_load(&s->seen, in, s->problem->decisions);
    if (rc < 0 || in->bad) return rc;
    count(s);
    rc = set_values(s);
    const mnas_surrogate_list list = list_of(s);
    if (rc == 0) rc = mnas_surrogate_load(&s->reward, in, &list);
    return rc == 0 && s->aims && !in->bad ? mnas_aim_load(&s->aim, in, &s->seen) : rc;
}

/* ---- the best ---- */

static int too_few(const mnas_screening *s) {
    return mnas_error_set(MNAS_ERR_MISSING, "%zu networks are too few to predict from", s->n_complete);
}

static int best_of(mnas_screening *s, int *tokens) {
    choice c = {.s = s};
    int rc = set_values(s);
    const mnas_surrogate_list list = list_of(s);
    if (rc == 0) rc = mnas_surrogate_update(&s->reward, &list);
    if (rc < 0) return rc;
    choose_parents(&c);
    if (c.n_parents == 0) return too_few(s);
    memcpy(tokens, s->seen.tokens + c.parents[0] * s->n_decisions, s->n_decisions * sizeof *tokens);
    return 0;
}

/* On a copy: when the settings are fitted anew is part of the state. */
int mnas_screening_best(const mnas_screening *s, int *tokens) {
    if (!knows_rewards(s)) return too_few(s);
    mnas_screening *copy = NULL;
    mnas_str bytes = {0};
    int rc = mnas_screening_save(s, &bytes);
    if (rc == 0 && !mnas_str_ok(&bytes)) rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory for a screening");
    if (rc == 0) rc = mnas_screening_create(&copy, s->problem, 0);
    if (rc == 0) {
        mnas_blob_reader in = mnas_blob_reader_of(bytes.data, bytes.len);
        rc = mnas_screening_load(copy, &in);
    }
    if (rc == 0) rc = best_of(copy, tokens);
    mnas_screening_destroy(copy);
    mnas_str_free(&bytes);
    return rc;
}
