/* verdict.c - what stage two shows, as numbers: the chosen network against each family's curve, with intervals.
 *
 * Nothing is extrapolated. Where a bootstrap sample leaves the curve, the ratio at equal accuracy is known on one side only:
 * above the curve it is at least that to the most accurate network, below it at most that to the fastest one. The lower end
 * of the interval then counts the least it can be, the upper end the most: the interval grows, and never shrinks, by what
 * is not known. Not in the interval: that another training of the same network would have ended elsewhere.
 */
#include "search/verdict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/stats.h"
#include "search/curve.h"
#include "search/resample.h"

/* ---- finals ---- */

double mnas_verdict_accuracy(const mnas_final *final, bool test) {
    return test ? final->test_accuracy_frac : final->val_accuracy_frac;
}

bool mnas_verdict_is_point(const mnas_final *final, bool test) {
    return final->state == MNAS_TRIAL_COMPLETE && final->repeat == 0 && final->latency.median_ms > 0 &&
           isfinite(final->latency.median_ms) && isfinite(mnas_verdict_accuracy(final, test));
}

bool mnas_verdict_leads_family(const mnas_final *const *finals, int i) {
    for (int k = 0; k < i; k++)
        if (strcmp(finals[k]->family, finals[i]->family) == 0) return false;
    return true;
}

const mnas_final *mnas_verdict_chosen(const mnas_verdict *v, const mnas_final *const *finals, int n_finals) {
    for (int i = 0; i < n_finals; i++) {
        if (v->chosen >= 0 && finals[i]->number == v->chosen) return finals[i];
    }
    return NULL;
}

const mnas_comparison *mnas_verdict_find(const mnas_verdict *v, const char *family, const char *split) {
    for (int i = 0; i < v->n_comparisons; i++) {
        const mnas_comparison *c = &v->comparisons[i];
        if (strcmp(c->family, family) == 0 && strcmp(c->split, split) == 0) return c;
    }
    return NULL;
}

/* ---- one split ---- */

typedef struct estimate {
    int side;    /* of the curve: mnas_curve_side */
    bool beside; /* whether the curve has this latency */
    double family_ms, ratio, gain;
} estimate;

/* The networks that are compared with the chosen one as one curve. */
typedef struct group {
    mnas_comparison *result;
    int *members, n;       /* indices of networks */
    double *accuracy, *ms; /* [n], of one sample */
    size_t *front;
    double *ratio, *gain; /* [n_samples] */
    int *side;
} group;

typedef struct sheet {
    mnas_arena *arena;
    const mnas_final *const *finals;
    int n_finals, n_samples;
    bool test;
    const mnas_final **nets; /* [n]: the chosen one, then the points of all groups */
    mnas_resample_net *inputs;
    int n;
    group *groups;
    int n_groups;
} sheet;

static mnas_resample_net input_of(const mnas_final *f, bool test) {
    return (mnas_resample_net){.accuracy_frac = mnas_verdict_accuracy(f, test),
                               .ms = f->latency.median_ms,
                               .correct = test ? f->test_correct : f->val_correct,
                               .n_images = test ? f->n_test : f->n_val,
                               .pass_ms = f->pass_ms,
                               .n_passes = f->pass_ms ? f->n_passes : 0};
}

static int alloc_failed(void) {
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: comparing the networks of stage two");
}

static int collect_nets(sheet *s, const mnas_final *chosen) {
    s->nets = mnas_arena_alloc(s->arena, ((size_t)s->n_finals + 1) * sizeof *s->nets);
    s->inputs = mnas_arena_alloc(s->arena, ((size_t)s->n_finals + 1) * sizeof *s->inputs);
    if (!s->nets || !s->inputs) return alloc_failed();
    s->nets[s->n++] = chosen;
    for (int i = 0; i < s->n_finals; i++) {
        const mnas_final *f = s->finals[i];
        if (f->role != MNAS_FINAL_FOUND && mnas_verdict_is_point(f, s->test)) s->nets[s->n++] = f;
    }
    for (int i = 0; i < s->n; i++) s->inputs[i] = input_of(s->nets[i], s->test);
    return 0;
}

/* family NULL: all baselines together. */
static int add_group(sheet *s, const char *family) {
    const size_t room = (size_t)s->n + 1, samples = (size_t)s->n_samples + 1;
    group *g = &s->groups[s->n_groups++];
    g->members = mnas_arena_alloc(s->arena, room * sizeof *g->members);
    g->accuracy = mnas_arena_alloc(s->arena, room * sizeof *g->accuracy);
    g->ms = mnas_arena_alloc(s->arena, room * sizeof *g->ms);
    g->front = mnas_arena_alloc(s->arena, room * sizeof *g->front);
    g->ratio = mnas_arena_alloc(s->arena, samples * sizeof *g->ratio);
    g->gain = mnas_arena_alloc(s->arena, samples * sizeof *g->gain);
    g->side = mnas_arena_alloc(s->arena, samples * sizeof *g->side);
    if (!g->members || !g->accuracy || !g->ms || !g->front || !g->ratio || !g->gain || !g->side)
        return alloc_failed();
    for (int i = 1; i < s->n; i++) {
        const mnas_final *f = s->nets[i];
        if (family ? strcmp(f->family, family) == 0 : f->role == MNAS_FINAL_BASELINE) g->members[g->n++] = i;
    }
    mnas_comparison *c = g->result;
    *c = (mnas_comparison){.n_points = g->n,
                           .kind = MNAS_COMPARE_NOT,
                           .family_ms = NAN,
                           .ratio = NAN,
                           .ratio_low = NAN,
                           .ratio_high = NAN,
                           .accuracy_gain_frac = NAN,
                           .gain_low_frac = NAN,
                           .gain_high_frac = NAN,
                           .faster_share = NAN};
    snprintf(c->family, sizeof c->family, "%s", family ? family : "baselines");
    snprintf(c->split, sizeof c->split, "%s", s->test ? "test" : "val");
    return 0;
}

/* results: [n_finals + 1] */
static int collect_groups(sheet *s, mnas_comparison *results) {
    int rc = 0, n_baselines = 0;
    s->groups = mnas_arena_alloc(s->arena, ((size_t)s->n_finals + 1) * sizeof *s->groups);
    if (!s->groups) return alloc_failed();
    for (int i = 0; rc == 0 && i < s->n_finals; i++) {
        if (s->finals[i]->role == MNAS_FINAL_FOUND || !mnas_verdict_leads_family(s->finals, i)) continue;
        n_baselines += s->finals[i]->role == MNAS_FINAL_BASELINE;
        s->groups[s->n_groups].result = &results[s->n_groups];
        rc = add_group(s, s->finals[i]->family);
    }
    if (rc < 0 || n_baselines < 2) return rc;
    s->groups[s->n_groups].result = &results[s->n_groups];
    return add_group(s, NULL);
}

/* The chosen network, number 0, against the curve of a group, as these accuracies and latencies have it. g->n >= 1. */
static int estimate_group(estimate *out, group *g, const double *accuracy, const double *ms) {
    mnas_curve curve;
    for (int i = 0; i < g->n; i++) {
        g->accuracy[i] = accuracy[g->members[i]];
        g->ms[i] = ms[g->members[i]];
    }
    int rc = mnas_curve_fit(&curve, g->accuracy, g->ms, (size_t)g->n, g->front);
    if (rc < 0) return rc;
    out->side = mnas_curve_side(&curve, accuracy[0]);
    out->beside = ms[0] >= g->ms[g->front[0]] && ms[0] <= g->ms[g->front[curve.n - 1]];
    out->family_ms = mnas_curve_ms_at(&curve, accuracy[0]);
    out->ratio = out->family_ms / ms[0];
    out->gain = accuracy[0] - mnas_curve_accuracy_at(&curve, ms[0]);
    return 0;
}

/* ---- the bootstrap ---- */

static int draw_samples(sheet *s, double *accuracy, double *ms) {
    mnas_resample *resample;
    estimate e;
    int rc = mnas_resample_open(&resample, s->inputs, s->n, s->test ? 1 : 0);
    for (int b = 0; rc == 0 && b < s->n_samples; b++) {
        mnas_resample_draw(resample, accuracy, ms);
        for (int i = 0; rc == 0 && i < s->n_groups; i++) {
            group *g = &s->groups[i];
            if (g->n == 0) continue;
            rc = estimate_group(&e, g, accuracy, ms);
            g->ratio[b] = e.ratio, g->gain[b] = e.gain, g->side[b] = e.side;
        }
    }
    mnas_resample_close(resample);
    return rc;
}

enum { NO_SIDE = 2 };

/* The samples' ratios, with `value` for those on `side` of the curve. */
static const double *bound_ratios(const group *g, int n, int side, double value, double *room) {
    for (int b = 0; b < n; b++) room[b] = g->side[b] == side ? value : g->ratio[b];
    return room;
}

/* A ratio to an end of the curve is a number in every sample; one at equal accuracy is bounded from one side in some. */
static void set_ratio_interval(mnas_comparison *c, const group *g, int n, double *room) {
    const bool equal = c->kind == MNAS_COMPARE_WITHIN;
    const double *least = bound_ratios(g, n, equal ? -1 : NO_SIDE, 0, room);
    int n_faster = 0;
    for (int b = 0; b < n; b++) n_faster += least[b] > 1;
    c->faster_share = (double)n_faster / n;
    c->ratio_low = mnas_stats_quantile(least, (size_t)n, 0.025);
    const double *most = bound_ratios(g, n, equal ? 1 : NO_SIDE, INFINITY, room);
    c->ratio_high = mnas_stats_quantile(most, (size_t)n, 0.975);
}

static mnas_compare_kind kind_of(const group *g, const estimate *e) {
    if (g->n < 2) return MNAS_COMPARE_NOT;
    return e->side < 0 ? MNAS_COMPARE_BELOW : e->side > 0 ? MNAS_COMPARE_ABOVE : MNAS_COMPARE_WITHIN;
}

static void set_result(group *g, const estimate *e, int n_samples, double *room) {
    mnas_comparison *c = g->result;
    c->kind = kind_of(g, e);
    c->family_ms = e->family_ms, c->ratio = e->ratio;
    if (n_samples > 0) set_ratio_interval(c, g, n_samples, room);
    if (g->n >= 2 && !e->beside) return;
    c->accuracy_gain_frac = e->gain;
    if (n_samples < 1) return;
    c->gain_low_frac = mnas_stats_quantile(g->gain, (size_t)n_samples, 0.025);
    c->gain_high_frac = mnas_stats_quantile(g->gain, (size_t)n_samples, 0.975);
}

static int compare_groups(sheet *s) {
    double *accuracy = mnas_arena_alloc(s->arena, (size_t)s->n * sizeof *accuracy);
    double *ms = mnas_arena_alloc(s->arena, (size_t)s->n * sizeof *ms);
    double *room = mnas_arena_alloc(s->arena, ((size_t)s->n_samples + 1) * sizeof *room);
    if (!accuracy || !ms || !room) return alloc_failed();
    int rc = draw_samples(s, accuracy, ms);
    for (int i = 0; i < s->n; i++) accuracy[i] = s->inputs[i].accuracy_frac, ms[i] = s->inputs[i].ms;
    for (int i = 0; rc == 0 && i < s->n_groups; i++) {
        group *g = &s->groups[i];
        estimate e;
        mnas_comparison *c = g->result;
        c->accuracy_frac = accuracy[0], c->found_ms = ms[0];
        if (g->n == 0) continue;
        rc = estimate_group(&e, g, accuracy, ms);
        if (rc == 0) set_result(g, &e, s->n_samples, room);
    }
    return rc;
}

static int compare_split(mnas_verdict *v, const mnas_final *const *finals, int n_finals, int n_samples,
                         const mnas_final *chosen, bool test) {
    sheet s = {.finals = finals, .n_finals = n_finals, .n_samples = n_samples, .test = test};
    if (!mnas_verdict_is_point(chosen, test)) return 0;
    if (!(s.arena = mnas_arena_create())) return MNAS_ERR_MEMORY;
    int rc = collect_nets(&s, chosen);
    if (rc == 0) rc = collect_groups(&s, v->comparisons + v->n_comparisons);
    if (rc == 0) rc = compare_groups(&s);
    if (rc == 0) v->n_comparisons += s.n_groups;
    mnas_arena_destroy(s.arena);
    return rc;
}

/* ---- noise ---- */

static bool is_same_network(const mnas_final *a, const mnas_final *b) {
    return a->role == b->role && a->trial == b->trial && a->input_size == b->input_size &&
           strcmp(a->family, b->family) == 0 && strcmp(a->name, b->name) == 0;
}

static bool has_accuracy(const mnas_final *f) {
    return f->state == MNAS_TRIAL_COMPLETE && isfinite(f->val_accuracy_frac);
}

/* Pooled over networks with several runs: the square root of sum (x - mean)^2 / sum (n - 1). */
static void pool_seeds(mnas_verdict *v, const mnas_final *const *finals, int n_finals) {
    double squares = 0;
    int free_runs = 0;
    for (int i = 0; i < n_finals; i++) {
        double sum = 0, sum2 = 0, n = 0, first = finals[i]->val_accuracy_frac;
        bool seen = !has_accuracy(finals[i]);
        for (int k = 0; !seen && k < n_finals; k++) {
            if (!has_accuracy(finals[k]) || !is_same_network(finals[i], finals[k])) continue;
            double d = finals[k]->val_accuracy_frac - first;
            seen = k < i;
            sum += d, sum2 += d * d, n += 1;
        }
        if (seen || n < 2) continue;
        squares += sum2 - sum * sum / n;
        free_runs += (int)n - 1;
        v->n_seed_runs += (int)n;
    }
    if (free_runs > 0) v->seed_sd_frac = sqrt(fmax(0, squares) / free_runs);
}

static double binomial(double p, int n) {
    return n > 0 ? sqrt(p * (1 - p) / n) : (double)NAN;
}

/* ---- the verdict ---- */

static int write_words(mnas_verdict *v, const mnas_final *const *finals, int n_finals) {
    mnas_verdict_writer *const parts[] = {mnas_verdict_headline, mnas_verdict_details, mnas_verdict_method};
    mnas_str words = {0};
    for (int i = 0; i < 3; i++) {
        const size_t before = words.len;
        mnas_str_append(&words, before > 0 ? " " : "");
        parts[i](v, finals, n_finals, &words);
        if (before > 0 && words.len == before + 1) words.data[--words.len] = '\0'; /* it had nothing to say */
    }
    if (!mnas_str_ok(&words)) {
        mnas_str_free(&words);
        return alloc_failed();
    }
    v->words = words.data;
    return 0;
}

int mnas_verdict_compute(mnas_verdict *out, const mnas_final *const *finals, int n_finals, int n_samples) {
    const mnas_final *chosen = NULL;
    int rc = 0;
    *out = (mnas_verdict){
        .chosen = -1, .seed_sd_frac = NAN, .binomial_val_frac = NAN, .binomial_test_frac = NAN};
    for (int i = 0; i < n_finals; i++) {
        if (finals[i]->chosen && finals[i]->repeat == 0) chosen = finals[i];
    }
    pool_seeds(out, finals, n_finals);
    if (!(out->comparisons = calloc(2 * (size_t)n_finals + 2, sizeof *out->comparisons)))
        return alloc_failed();
    if (chosen) {
        out->chosen = chosen->number;
        out->binomial_val_frac = binomial(chosen->val_accuracy_frac, chosen->n_val);
        out->binomial_test_frac = binomial(chosen->test_accuracy_frac, chosen->n_test);
        rc = compare_split(out, finals, n_finals, n_samples, chosen, false);
        if (rc == 0) rc = compare_split(out, finals, n_finals, n_samples, chosen, true);
    }
    if (rc == 0) rc = write_words(out, finals, n_finals);
    if (rc < 0) mnas_verdict_free(out);
    return rc;
}

void mnas_verdict_free(mnas_verdict *verdict) {
    free(verdict->comparisons);
    free(verdict->words);
    *verdict = (mnas_verdict){.chosen = -1};
}

int mnas_study_verdict(const mnas_study *study, mnas_verdict *out) {
    const int n = mnas_study_n_finals(study);
    const mnas_final **finals = malloc(((size_t)n + 1) * sizeof *finals);
    if (!finals) return alloc_failed();
    for (int i = 0; i < n; i++) finals[i] = mnas_study_final(study, i);
    int rc = mnas_verdict_compute(out, finals, n, MNAS_VERDICT_SAMPLES);
    free(finals);
    return rc;
}
