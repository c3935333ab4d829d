/* surrogate.c - see surrogate.h. */
#include "strategy/surrogate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"

static const int FIRST_STEPS = 50, STEPS = 15; /* of a search for settings */
static const int SEARCHED = 200;               /* networks that take part in it, */
static const int SEARCHED_ALL = 600;           /* where all networks take part in the prediction */
static const double MAX_SETTING = 9;           /* of a stored one, a log */
static const double MAX_DESCRIPTOR = 10;       /* of a scaled one, which may be no number */
static const double GROWTH = 1.25;             /* from one fit to the next */

/* ---- life ---- */

int mnas_surrogate_create(mnas_surrogate *s, const mnas_decision *decisions, size_t n_decisions,
                          size_t n_descriptors, size_t limit) {
    *s = (mnas_surrogate){.limit = limit ? limit : SIZE_MAX, .sd = 1};
    s->center = calloc(3 * n_descriptors + 1, sizeof *s->center);
    if (!s->center) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a prediction");
    s->scale = s->center + n_descriptors;
    s->scaled = s->scale + n_descriptors;
    for (size_t d = 0; d < n_descriptors; d++) s->scale[d] = 1;
    int rc = mnas_gp_create(&s->gp, decisions, n_decisions, n_descriptors);
    if (rc < 0) mnas_surrogate_destroy(s);
    return rc;
}

void mnas_surrogate_destroy(mnas_surrogate *s) {
    mnas_gp_destroy(&s->gp);
    free(s->center);
    free(s->members);
    free(s->targets);
    *s = (mnas_surrogate){0};
}

static int reserve(mnas_surrogate *s, size_t n) {
    if (n <= s->room) return 0;
    const size_t room = n > 2 * s->room ? n : 2 * s->room;
    size_t *members = realloc(s->members, room * sizeof *members);
    if (members) s->members = members;
    double *targets = realloc(s->targets, room * sizeof *targets);
    if (targets) s->targets = targets;
    if (!members || !targets) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %zu networks", room);
    s->room = room;
    return 0;
}

/* ---- members ---- */

static const double *scale_descriptors(mnas_surrogate *s, const double *descriptors) {
    for (size_t d = 0; d < s->gp.n_descriptors; d++)
        s->scaled[d] =
            fmin(fmax((descriptors[d] - s->center[d]) / s->scale[d], -MAX_DESCRIPTOR), MAX_DESCRIPTOR);
    return s->scaled;
}

/* Some members side by side, as the process wants them. */
typedef struct batch {
    size_t n;
    int *tokens;
    double *descriptors, *targets;
} batch;

static void batch_free(batch *b) {
    free(b->tokens);
    free(b->descriptors);
}

/* n of the members, evenly spread. */
static int batch_create(batch *b, mnas_surrogate *s, const mnas_surrogate_list *list, size_t n) {
    const size_t T = s->gp.n_decisions, D = s->gp.n_descriptors;
    *b = (batch){.n = n};
    b->tokens = malloc(n * T * sizeof *b->tokens + 1);
    b->descriptors = malloc(n * (D + 1) * sizeof *b->descriptors + 1);
    if (!b->tokens || !b->descriptors) {
        batch_free(b);
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a prediction from %zu networks", n);
    }
    b->targets = b->descriptors + n * D;
    for (size_t i = 0; i < n; i++) {
        const size_t member = i * s->n_members / n, index = s->members[member];
        memcpy(b->tokens + i * T, list->tokens + index * T, T * sizeof *b->tokens);
        if (D)
            memcpy(b->descriptors + i * D, scale_descriptors(s, list->descriptors + index * D),
                   D * sizeof *b->descriptors);
        b->targets[i] = s->targets[member];
    }
    return 0;
}

static int add_member(mnas_surrogate *s, const mnas_surrogate_list *list, size_t index) {
    const size_t D = s->gp.n_descriptors;
    int rc = reserve(s, s->n_members + 1);
    if (rc == 0)
        rc = mnas_gp_add(&s->gp, list->tokens + index * s->gp.n_decisions,
                         D ? scale_descriptors(s, list->descriptors + index * D) : NULL, 1);
    if (rc == 0) s->members[s->n_members++] = index;
    return rc;
}

static double rank_of(const mnas_surrogate_list *list, size_t i) {
    return list->ranks ? list->ranks[i] : list->values[i];
}

static size_t count_usable(const mnas_surrogate_list *list, size_t from) {
    size_t n = 0;
    for (size_t i = from; i < list->n; i++) n += isnan(list->values[i]) ? 0 : 1;
    return n;
}

/* The value above which are the best half of the limit; all networks take part where there are no more than that. */
static int find_threshold(const mnas_surrogate *s, const mnas_surrogate_list *list, size_t n_usable,
                          double *out) {
    *out = -HUGE_VAL;
    if (n_usable <= s->limit) return 0;
    double *usable = malloc(n_usable * sizeof *usable);
    if (!usable) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %zu networks", n_usable);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (!isnan(list->values[i])) usable[n++] = rank_of(list, i);
    *out = mnas_stats_quantile(usable, n, 1 - (double)(s->limit / 2) / (double)n);
    free(usable);
    return 0;
}

/* The best half of the limit, and of the others every so many, the newest among them; in the order of the list. */
static int choose_members(mnas_surrogate *s, const mnas_surrogate_list *list, size_t n_usable) {
    double threshold;
    size_t n_good = 0, n_seen = 0;
    int rc = reserve(s, n_usable < s->limit ? n_usable : s->limit);
    if (rc == 0) rc = find_threshold(s, list, n_usable, &threshold);
    if (rc < 0) return rc;
    for (size_t i = 0; i < list->n; i++) n_good += rank_of(list, i) > threshold;
    const size_t n_rest = n_usable - n_good, n_spread = s->limit - n_good;
    s->n_members = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (isnan(list->values[i])) continue;
        bool chosen = rank_of(list, i) > threshold;
        if (!chosen) {
            n_seen++;
            chosen = n_rest <= n_spread || n_seen * n_spread / n_rest > (n_seen - 1) * n_spread / n_rest;
        }
        if (chosen) s->members[s->n_members++] = i;
    }
    return 0;
}

/* Of the members. */
static void set_scaling(mnas_surrogate *s, const mnas_surrogate_list *list) {
    const size_t D = s->gp.n_descriptors;
    for (size_t d = 0; d < D; d++) {
        double sum = 0, squares = 0;
        const double n = (double)s->n_members;
        for (size_t i = 0; i < s->n_members; i++) sum += list->descriptors[s->members[i] * D + d] / n;
        for (size_t i = 0; i < s->n_members; i++)
            squares += pow(list->descriptors[s->members[i] * D + d] - sum, 2) / n;
        s->center[d] = sum;
        s->scale[d] = squares > 0 ? sqrt(squares) : 1;
    }
}

static void set_targets(mnas_surrogate *s, const double *values) {
    for (size_t i = 0; i < s->n_members; i++) s->targets[i] = values[s->members[i]];
    s->mean = s->n_members ? mnas_stats_mean(s->targets, s->n_members) : 0;
    s->sd = s->n_members > 1 ? mnas_stats_sd(s->targets, s->n_members) : 0;
    if (!(s->sd > 0)) s->sd = 1;
    for (size_t i = 0; i < s->n_members; i++) s->targets[i] = (s->targets[i] - s->mean) / s->sd;
}

/* ---- fitting ---- */

/* On some of the members: each step costs the cube of their number. */
static int search_settings(mnas_surrogate *s, const mnas_surrogate_list *list) {
    const size_t max = (size_t)(s->limit == SIZE_MAX ? SEARCHED_ALL : SEARCHED);
    batch b;
    int rc = batch_create(&b, s, list, s->n_members < max ? s->n_members : max);
    if (rc < 0) return rc;
    rc = mnas_gp_search_settings(&s->gp, b.tokens, b.descriptors, b.targets, b.n,
                                 s->n_usable_at_fit ? STEPS : FIRST_STEPS);
    batch_free(&b);
    return rc;
}

/* All members anew, under the present settings. */
static int rebuild(mnas_surrogate *s, const mnas_surrogate_list *list) {
    batch b;
    int rc = batch_create(&b, s, list, s->n_members);
    if (rc < 0) return rc;
    mnas_gp_truncate(&s->gp, 0);
    rc = mnas_gp_add(&s->gp, b.tokens, b.descriptors, b.n);
    batch_free(&b);
    return rc;
}

static int fit(mnas_surrogate *s, const mnas_surrogate_list *list, size_t n_usable) {
    int rc = choose_members(s, list, n_usable);
    if (rc < 0) return rc;
    set_scaling(s, list);
    set_targets(s, list->values);
    rc = search_settings(s, list);
    if (rc == 0) rc = rebuild(s, list);
    s->n_usable_at_fit = n_usable;
    return rc;
}

int mnas_surrogate_update(mnas_surrogate *s, const mnas_surrogate_list *list) {
    const size_t n_usable = count_usable(list, 0);
    int rc = 0;
    if (n_usable == 0) return 0;
    const size_t n_new = count_usable(list, s->n_looked_at);
    if ((double)n_usable >= GROWTH * (double)s->n_usable_at_fit ||
        (double)(s->n_members + n_new) > GROWTH * (double)s->limit) {
        rc = fit(s, list, n_usable);
    } else {
        for (size_t i = s->n_looked_at; i < list->n && rc == 0; i++)
            if (!isnan(list->values[i])) rc = add_member(s, list, i);
    }
    if (rc < 0) return rc;
    s->n_looked_at = list->n;
    set_targets(s, list->values);
    mnas_gp_set_targets(&s->gp, s->targets);
    return 0;
}

/* ---- looking ---- */

void mnas_surrogate_predict(mnas_surrogate *s, const int *tokens, const double *descriptors, double *mean,
                            double *sd) {
    mnas_gp_predict(&s->gp, tokens, scale_descriptors(s, descriptors), mean, sd);
    *mean = s->mean + s->sd * *mean;
    if (sd) *sd *= s->sd;
}

/* K w = y - (N + jitter) w, for w = (K + N + jitter)^-1 y */
double mnas_surrogate_posterior(const mnas_surrogate *s, size_t i) {
    return s->mean + s->sd * (s->targets[i] - mnas_gp_noise(&s->gp) * s->gp.weights[i]);
}

/* The factor alone grows: with its own prediction as target a network gets the weight 0, and no prediction of a mean changes. */
int mnas_surrogate_believe(mnas_surrogate *s, const int *tokens, const double *descriptors) {
    int rc = mnas_gp_add(&s->gp, tokens, scale_descriptors(s, descriptors), 1);
    if (rc == 0) s->gp.weights[s->gp.n - 1] = 0;
    return rc;
}

void mnas_surrogate_release(mnas_surrogate *s) {
    mnas_gp_truncate(&s->gp, s->n_members);
}

/* ---- saving ---- */

void mnas_surrogate_save(const mnas_surrogate *s, mnas_str *out) {
    mnas_blob_put_u64(out, s->n_looked_at);
    mnas_blob_put_u64(out, s->n_usable_at_fit);
    mnas_blob_put_f64s(out, s->gp.settings, s->gp.n_settings);
    mnas_blob_put_f64s(out, s->center, 2 * s->gp.n_descriptors);
    mnas_blob_put_u64(out, s->n_members);
    for (size_t i = 0; i < s->n_members; i++) mnas_blob_put_u64(out, s->members[i]);
}

static void load_members(mnas_surrogate *s, mnas_blob_reader *in, const mnas_surrogate_list *list) {
    for (size_t i = 0; i < s->n_members; i++) {
        s->members[i] = (size_t)mnas_blob_get_max(in, list->n - 1);
        if (isnan(list->values[s->members[i]])) in->bad = true;
    }
}

int mnas_surrogate_load(mnas_surrogate *s, mnas_blob_reader *in, const mnas_surrogate_list *list) {
    s->n_looked_at = (size_t)mnas_blob_get_max(in, list->n);
    s->n_usable_at_fit = (size_t)mnas_blob_get_max(in, list->n);
    mnas_blob_get_f64s(in, s->gp.settings, s->gp.n_settings);
    mnas_blob_get_f64s(in, s->center, 2 * s->gp.n_descriptors);
    for (size_t d = 0; d < s->gp.n_descriptors; d++)
        if (!(s->scale[d] > 0)) in->bad = true;
    for (size_t i = 0; i < s->gp.n_settings; i++)
        if (!(fabs(s->gp.settings[i]) <= MAX_SETTING)) in->bad = true;
    const size_t n = (size_t)mnas_blob_get_max(in, list->n);
    int rc = in->bad ? 0 : reserve(s, n);
    if (rc < 0 || in->bad || n == 0) return rc;
    s->n_members = n;
    load_members(s, in, list);
    if (in->bad) return 0;
    mnas_gp_set_settings(&s->gp, s->gp.settings);
    rc = rebuild(s, list);
    if (rc < 0) return rc;
    set_targets(s, list->values);
    mnas_gp_set_targets(&s->gp, s->targets);
    return 0;
}
