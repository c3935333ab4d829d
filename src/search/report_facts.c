/* report_facts.c - what is known of a study, computed once, before anything is written. No HTML here.
 *
 * The comparison uses what one study holds: its first trials, proposed while the policy was near uniform,
 * stand for random search. It cannot see other seeds, and networks proposed again have no row of their own.
 */
#include "search/report.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/stats.h"
#include "search/ask.h"
#include "search/learner.h"
#include "search/rung_summary.h"
#include "search/window.h"

enum { MIN_TO_COMPARE = 12, MAX_EARLY = 100 };

const char *mnas_report_setting(const mnas_report_facts *facts, const char *name) {
    const char *value = facts->source->setting(facts->source->context, name);
    return value && value[0] ? value : NULL;
}

const char *mnas_report_device(const mnas_report_facts *facts, int device) {
    return facts->n_devices > 1 ? facts->source->devices[device] : "";
}

double mnas_report_latency_ms(const mnas_trial *trial, int device) {
    const mnas_latency *l = mnas_trial_latency_on(trial, device);
    return l ? l->median_ms : (double)NAN;
}

/* ---- statistics ---- */

static double shifted_p(const double *a, int na, const double *b, int nb, double shift, double *room) {
    for (int i = 0; i < nb; i++) room[i] = b[i] - shift;
    return mnas_stats_welch_p(room, (size_t)nb, a, (size_t)na);
}

/* The shift on the way from `inside` (not rejected) to `outside` (rejected) where p falls below 5 %. */
static double edge(const double *a, int na, const double *b, int nb, double inside, double outside,
                   double *room) {
    for (int i = 0; i < 200; i++) {
        double middle = (inside + outside) / 2;
        if (shifted_p(a, na, b, nb, middle, room) > 0.05) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    return inside;
}

void mnas_report_welch_interval(const double *a, int na, const double *b, int nb, double *low, double *high) {
    double difference = mnas_stats_mean(b, (size_t)nb) - mnas_stats_mean(a, (size_t)na);
    double sa = mnas_stats_sd(a, (size_t)na), sb = mnas_stats_sd(b, (size_t)nb);
    double error = sqrt(sa * sa / na + sb * sb / nb);
    double *room = malloc((size_t)nb * sizeof *room);
    *low = *high = difference;
    if (!room) {
        *low = *high = NAN;
    } else if (error > 0) {
        /* with two values a group t's 97.5 % point is 12.7 errors at most */
        *low = edge(a, na, b, nb, difference, difference - 20 * error, room);
        *high = edge(a, na, b, nb, difference, difference + 20 * error, room);
    }
    free(room);
}

double mnas_report_beat_probability(int n_beat, int n_after, int n) {
    double p = 1; /* the best n_beat of all n are all among the last n_after */
    for (int i = 0; i < n_beat; i++) p *= (double)(n_after - i) / (n - i);
    return p;
}

/* ---- the comparison ---- */

/* Mean entropy of the policy over trials first..last, as a share of uniform choices'. */
static double entropy_share(const mnas_report_source *s, int first, int last) {
    double sum = 0;
    int n = 0, k = -1;
    for (int trial = first; trial <= last; trial++) {
        while (k + 1 < s->n_entropy && s->entropy[k + 1].trial <= trial) k++;
        if (k < 0) continue;
        sum += s->entropy[k].entropy;
        n++;
    }
    return n > 0 && s->entropy_max > 0 ? sum / n / s->entropy_max : (double)NAN;
}

static void compare_best(mnas_report_comparison *c, const double *rewards, int n) {
    double best = rewards[0];
    for (int i = 1; i < c->n_early; i++) best = fmax(best, rewards[i]);
    c->n_after = n - c->n_early;
    for (int i = c->n_early; i < n; i++) c->n_beat += rewards[i] > best;
    c->beat_p = mnas_report_beat_probability(c->n_beat, c->n_after, n);
}

bool mnas_report_has_shadow(const mnas_report_facts *f) {
    return f->shadow.verdict >= MNAS_SHADOW_NOT;
}

static int compare(mnas_report_facts *f) {
    mnas_report_comparison *c = &f->comparison;
    int n = f->n_done;
    if (n < MIN_TO_COMPARE || mnas_report_has_shadow(f)) return 0;
    double *rewards = malloc((size_t)n * sizeof *rewards);
    if (!rewards) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: rewards of %d trials", n);
    bool all = true;
    for (int i = 0; i < n; i++) {
        rewards[i] = f->done[i]->reward;
        all = all && isfinite(rewards[i]);
    }
    c->n_early = c->n_late = n / 3 < MAX_EARLY ? n / 3 : MAX_EARLY;
    const double *late = rewards + n - c->n_late;
    if (all) {
        c->possible = true;
        c->early_mean = mnas_stats_mean(rewards, (size_t)c->n_early);
        c->late_mean = mnas_stats_mean(late, (size_t)c->n_late);
        mnas_report_welch_interval(rewards, c->n_early, late, c->n_late, &c->low, &c->high);
        compare_best(c, rewards, n);
        c->early_last = f->done[c->n_early - 1]->number;
        c->late_first = f->done[n - c->n_late]->number;
        c->early_entropy = entropy_share(f->source, f->done[0]->number, c->early_last);
        c->late_entropy = entropy_share(f->source, c->late_first, f->done[n - 1]->number);
    }
    free(rewards);
    return 0;
}

/* ---- counting ---- */

static void count(mnas_report_facts *f, const mnas_trial *t) {
    switch (t->state) {
    case MNAS_TRIAL_COMPLETE:
        f->done[f->n_done++] = t;
        break;
    case MNAS_TRIAL_FAILED:
        f->n_failed++;
        break;
    case MNAS_TRIAL_PRUNED:
        f->n_pruned++;
        break;
    case MNAS_TRIAL_RUNNING:
        f->n_running++;
        break;
    }
}

static void note_best(mnas_report_facts *f, const mnas_trial *t) {
    if (isfinite(t->reward) && (!f->best || t->reward > f->best->reward)) f->best = t;
    const double accuracy = t->accuracy_frac, ms = t->latency.median_ms;
    if (isfinite(accuracy) && (!f->accurate || accuracy > f->accurate->accuracy_frac)) f->accurate = t;
    if (isfinite(ms) && (!f->fastest || ms < f->fastest->latency.median_ms)) f->fastest = t;
}

static void find_front(mnas_report_facts *f) {
    for (int i = 0; i < f->source->n_front; i++) {
        for (int k = 0; k < f->n_done; k++) {
            if (f->done[k]->number == f->source->front[i]) f->front[f->n_front++] = f->done[k];
        }
    }
}

static void read_targets(mnas_report_facts *f) {
    char name[24];
    for (int d = 0; d < MNAS_MAX_DEVICES; d++) {
        const char *text = mnas_report_setting(f, mnas_learner_target_name(d, name));
        if (!text || !mnas_str_to_f64(text, &f->target_ms[d])) f->target_ms[d] = NAN;
    }
}

static void read_landing(mnas_report_facts *f) {
    mnas_window window;
    mnas_window_read(&window, mnas_report_setting(f, "window"), mnas_report_setting(f, "target_ms"));
    mnas_landing_begin(&f->landing, &window);
    for (int i = 0; i < f->source->n_trials; i++) mnas_landing_count(&f->landing, f->source->trials[i]);
    for (int i = 0; i < f->source->n_finals; i++) mnas_landing_count_final(&f->landing, f->source->finals[i]);
}

int mnas_report_facts_collect(mnas_report_facts *f, const mnas_report_source *source) {
    *f = (mnas_report_facts){.source = source, .n_devices = source->n_devices > 1 ? source->n_devices : 1};
    f->comparison.early_entropy = f->comparison.late_entropy = NAN;
    f->done = calloc((size_t)source->n_trials + 1, sizeof *f->done);
    f->front = calloc((size_t)source->n_front + 1, sizeof *f->front);
    if (!f->done || !f->front) {
        mnas_report_facts_free(f);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a report of %d trials", source->n_trials);
    }
    for (int i = 0; i < source->n_trials; i++) count(f, source->trials[i]);
    for (int i = 0; i < f->n_done; i++) note_best(f, f->done[i]);
    find_front(f);
    const char *strategy = mnas_report_setting(f, "strategy");
    read_targets(f);
    read_landing(f);
    const char *data = mnas_report_setting(f, "data");
    f->is_told = data && strcmp(data, MNAS_TOLD) == 0;
    f->is_plain = f->is_told && !mnas_report_setting(f, "space");
    f->is_random = strategy && strncmp(strategy, "random", 6) == 0;
    int rc = f->n_rungs =
        mnas_rung_summary(f->rungs, mnas_report_setting(f, "rungs"), source->trials, source->n_trials);
    if (rc >= 0) rc = mnas_shadow_compare(&f->shadow, source->trials, source->n_trials);
    if (rc == 0) rc = compare(f);
    if (rc < 0) mnas_report_facts_free(f);
    return rc;
}

void mnas_report_facts_free(mnas_report_facts *f) {
    free(f->done);
    free(f->front);
    f->done = f->front = NULL;
}
