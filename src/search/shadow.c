/* shadow.c - see shadow.h: values to rank, two tests, and the words. */
#include "search/shadow.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"
#include "base/str.h"

enum { MIN_EACH = 5 };
static const double level = 0.025;

const char *mnas_shadow_verdict_name(mnas_shadow_verdict verdict) {
    static const char *const names[] = {"none", "few", "not", "worse", "beat", "beat_late"};
    return names[verdict];
}

/* ---- what counts, and as what ---- */

/* Worse than every reward there can be, the earlier the stop. */
static double stopped_value(int rung) {
    return -1e300 / (2 + rung);
}

static bool is_pruned_by(const mnas_trial *t, const char *reason) {
    return t->state == MNAS_TRIAL_PRUNED && strcmp(t->reason, reason) == 0;
}

mnas_shadow_kind mnas_shadow_kind_of(const mnas_trial *t) {
    const bool counts = (t->state == MNAS_TRIAL_COMPLETE && isfinite(t->reward)) || is_pruned_by(t, "rung") ||
                        (t->state == MNAS_TRIAL_FAILED && strcmp(t->reason, "device") != 0);
    if (counts && strcmp(t->origin, "strategy") == 0) return MNAS_KIND_STRATEGY;
    return counts && strcmp(t->origin, "random") == 0 ? MNAS_KIND_RANDOM : MNAS_KIND_NEITHER;
}

static double value_of(const mnas_trial *t) {
    if (t->state == MNAS_TRIAL_COMPLETE) return t->reward;
    return t->state == MNAS_TRIAL_PRUNED ? stopped_value(t->rung) : -INFINITY;
}

/* ---- groups ---- */

typedef struct group {
    const mnas_trial **trials;
    double *values; /* as they are ranked */
    size_t n;
} group;

static bool group_open(group *g, const mnas_trial *const *trials, int n, mnas_shadow_kind kind) {
    *g = (group){malloc(((size_t)n + 1) * sizeof *g->trials), malloc(((size_t)n + 1) * sizeof *g->values), 0};
    if (!g->trials || !g->values) return false;
    for (int i = 0; i < n; i++) {
        if (mnas_shadow_kind_of(trials[i]) != kind) continue;
        g->trials[g->n] = trials[i];
        g->values[g->n++] = value_of(trials[i]);
    }
    return true;
}

static void group_free(group *g) {
    free(g->trials);
    free(g->values);
}

static group last_half(const group *g) {
    const size_t skip = g->n / 2;
    return (group){g->trials + skip, g->values + skip, g->n - skip};
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean of the largest of m drawn from n without replacement: the i-th smallest is it in C(i - 1, m - 1) of C(n, m) ways. What
 * is no reward counts as the least one. */
static double mean_best(double *sorted, size_t n, size_t m) {
    double ways = (double)m / (double)n, sum = 0; /* of the largest; then i by i downwards */
    qsort(sorted, n, sizeof *sorted, ascending);
    size_t first = 0;
    while (first < n && sorted[first] < -1e200) first++;
    if (first == n) return NAN;
    for (size_t i = n; i >= m && i > 1; i--) {
        sum += ways * sorted[i - 1 < first ? first : i - 1];
        ways *= (double)(i - m) / (double)(i - 1);
    }
    if (m == 1) sum += ways * sorted[first];
    return sum;
}

static int summarise(mnas_shadow_group *out, const group *g) {
    *out = (mnas_shadow_group){.n = (int)g->n, .median = NAN, .best = NAN, .best_trial = -1};
    double *rewards = malloc((g->n + 1) * sizeof *rewards);
    if (!rewards) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: rewards of %zu trials", g->n);
    for (size_t i = 0; i < g->n; i++) {
        const mnas_trial *t = g->trials[i];
        out->n_failed += t->state == MNAS_TRIAL_FAILED;
        if (t->state != MNAS_TRIAL_COMPLETE) continue;
        rewards[out->n_complete++] = t->reward;
        if (!(out->best >= t->reward)) out->best = t->reward, out->best_trial = t->number;
    }
    if (out->n_complete > 0) out->median = mnas_stats_median(rewards, (size_t)out->n_complete);
    free(rewards);
    return 0;
}

/* ---- the verdict ---- */

static mnas_shadow_verdict judge(const mnas_shadow *s, double p_less, double late_p_less) {
    if (s->random.n == 0 || s->strategy.n == 0) return MNAS_SHADOW_NONE;
    if (s->random.n < MIN_EACH || s->strategy.n < MIN_EACH) return MNAS_SHADOW_FEW;
    if (s->p <= level) return MNAS_SHADOW_BEAT;
    if (s->late_p <= level) return MNAS_SHADOW_BEAT_LATE;
    return fmin(p_less, late_p_less) <= level ? MNAS_SHADOW_WORSE : MNAS_SHADOW_NOT;
}

static int test(mnas_shadow *s, const group *strategy, const group *random) {
    const group late = last_half(strategy);
    const mnas_rank_test all = mnas_stats_mann_whitney(strategy->values, strategy->n, random->values,
                                                       random->n),
                         later = mnas_stats_mann_whitney(late.values, late.n, random->values, random->n);
    const double na = (double)strategy->n, nb = (double)random->n;
    s->share = all.share, s->p = all.p_greater, s->exact = all.exact;
    s->late_share = later.share, s->late_p = later.p_greater;
    s->least_share =
        na > 0 && nb > 0 ? fmin(1, 0.5 + 1.96 * sqrt((na + nb + 1) / (12 * na * nb))) : (double)NAN;
    int rc = summarise(&s->strategy, strategy);
    if (rc == 0) rc = summarise(&s->late, &late);
    if (rc == 0) rc = summarise(&s->random, random);
    s->verdict = judge(s, all.p_less, later.p_less);
    return rc;
}

/* ---- words ---- */

static const char *p_text(double p, char buf[24]) {
    snprintf(buf, 24, p < 1e-4 ? "p < 0.0001" : p < 0.01 ? "p = %.4f" : "p = %.2f", p);
    return buf;
}

static void headline(mnas_str *w, const mnas_shadow *s) {
    static const char *const lines[] = {
        [MNAS_SHADOW_NOT] = "In this study the strategy is not shown to be better than random search.",
        [MNAS_SHADOW_WORSE] = "In this study the strategy was worse than random search.",
        [MNAS_SHADOW_BEAT] = "In this study the strategy beat random search.",
        [MNAS_SHADOW_BEAT_LATE] = "In the last half of this study the strategy beat random search; over all "
                                  "of it that is not shown."};
    mnas_str_appendf(w, "%s", lines[s->verdict]);
}

static void group_words(mnas_str *w, const mnas_shadow_group *g, const char *what) {
    mnas_str_appendf(w, "%d %s have a median reward of %.4f and a best one of %.4f (trial %d)", g->n, what,
                     g->median, g->best, g->best_trial);
    if (g->n_failed > 0) mnas_str_appendf(w, ", %d failed", g->n_failed);
}

static void say_shares(mnas_str *w, const mnas_shadow *s) {
    char p[24], late_p[24];
    mnas_str_appendf(w,
                     " A network of the strategy beats a random one with probability %.2f (%s, Mann and "
                     "Whitney, one-sided); one "
                     "of its last half with %.2f (%s).",
                     s->share, p_text(s->p, p), s->late_share, p_text(s->late_p, late_p));
    if (s->verdict == MNAS_SHADOW_NOT)
        mnas_str_appendf(w, " With so few, a probability below %.2f could not be told from one half.",
                         s->least_share);
}

static void say(mnas_str *w, const mnas_shadow *s) {
    if (s->verdict == MNAS_SHADOW_NONE) return;
    if (s->verdict == MNAS_SHADOW_FEW) {
        mnas_str_appendf(w,
                         "%d network%s of the strategy and %d random one%s are too few to tell whether the "
                         "strategy beats random "
                         "search: 5 of each are the least.",
                         s->strategy.n, s->strategy.n == 1 ? "" : "s", s->random.n,
                         s->random.n == 1 ? "" : "s");
        return;
    }
    headline(w, s);
    mnas_str_appendf(w, " ");
    group_words(w, &s->strategy, "networks of the strategy");
    mnas_str_appendf(w, "; ");
    group_words(w, &s->random, "uniform random ones");
    mnas_str_appendf(w, ".");
    if (isfinite(s->fair_best) && s->strategy.n > s->random.n)
        mnas_str_appendf(w, " The best of %d of the strategy's is %.4f on average.", s->random.n,
                         s->fair_best);
    say_shares(w, s);
}

int mnas_shadow_compare(mnas_shadow *out, const mnas_trial *const *trials, int n) {
    group strategy, random = {0};
    mnas_str words = {0};
    *out = (mnas_shadow){.share = NAN, .p = NAN, .late_share = NAN, .late_p = NAN, .fair_best = NAN};
    const bool whole = group_open(&strategy, trials, n, MNAS_KIND_STRATEGY) &&
                       group_open(&random, trials, n, MNAS_KIND_RANDOM);
    int rc = whole ? test(out, &strategy, &random)
                   : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: comparing %d trials with chance", n);
    if (rc == 0 && random.n > 0 && strategy.n >= random.n)
        out->fair_best = mean_best(strategy.values, strategy.n, random.n); /* sorts: last */
    if (rc == 0) {
        say(&words, out);
        snprintf(out->words, sizeof out->words, "%s", words.data ? words.data : "");
        rc =
            mnas_str_ok(&words) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a comparison in words");
        mnas_str_free(&words);
    }
    group_free(&strategy);
    group_free(&random);
    return rc;
}
