/* report_chart.c - the charts of a search: accuracy over latency, reward and entropy over trials.
 *
 * Points carry the number of their trial (data-t), which the script looks up in the table of trials. Values far
 * below the rest (a network at chance) are drawn on the lower edge as triangles, so that they do not flatten
 * everything else.
 */
#include <math.h>
#include <stdlib.h>

#include "base/stats.h"
#include "search/chart.h"
#include "search/pareto.h"
#include "search/report.h"

enum { MEDIAN_WINDOW = 9 };

/* ---- points ---- */

static void dot(mnas_chart *c, double x, double y, double radius, const char *class, int trial,
                double opacity) {
    mnas_str_appendf(
        c->out,
        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\" data-t=\"%d\" fill-opacity=\"%.2f\"/>\n", x,
        y, radius, class, trial, opacity);
}

/* A triangle that points down: the value lies below the chart. */
static void below_mark(mnas_chart *c, double x, int trial) {
    mnas_str_appendf(c->out, "<path d=\"M%.1f %.1fh9l-4.5 8z\" class=\"below\" data-t=\"%d\"/>\n", x - 4.5,
                     c->bottom - 9, trial);
}

static void cross(mnas_chart *c, double x, int trial) {
    mnas_str_appendf(c->out, "<path d=\"M%.1f %.1fl7 7m0 -7l-7 7\" class=\"cross\" data-t=\"%d\"/>\n",
                     x - 3.5, c->bottom - 10, trial);
}

static double later_is_stronger(const mnas_report_facts *f, const mnas_trial *t) {
    int last = f->done[f->n_done - 1]->number;
    return last > 0 ? 0.25 + 0.65 * t->number / last : 0.9;
}

/* A value of each complete trial, in order; free() it. NULL when memory is out. */
static double *values_of(const mnas_report_facts *f, double (*get)(const mnas_trial *)) {
    double *values = malloc(((size_t)f->n_done + 1) * sizeof *values);
    for (int i = 0; values && i < f->n_done; i++) values[i] = get(f->done[i]);
    return values;
}

static void range_of(const double *values, int n, double *low, double *high) {
    *low = INFINITY, *high = -INFINITY;
    for (int i = 0; i < n; i++) *low = fmin(*low, values[i]), *high = fmax(*high, values[i]);
}

/* ---- accuracy over latency ---- */

static double accuracy_of(const mnas_trial *t) {
    return 100 * t->accuracy_frac;
}
static double reward_of(const mnas_trial *t) {
    return t->reward;
}

/* The chart of one device. Its stair is the front of that device alone; on several devices the front of all has more points. */
typedef struct view {
    const mnas_report_facts *f;
    int device;
    double target_ms;
    double *accuracy, *latency; /* of the complete trials */
    size_t *stair, n_stair;     /* indices of those, fastest first */
} view;

static void view_free(view *v) {
    free(v->accuracy);
    free(v->latency);
    free(v->stair);
}

static bool view_open(view *v, const mnas_report_facts *f, int device) {
    const size_t n = (size_t)f->n_done;
    *v = (view){.f = f, .device = device, .target_ms = f->target_ms[device]};
    v->accuracy = values_of(f, accuracy_of);
    v->latency = malloc((n + 1) * sizeof *v->latency);
    v->stair = malloc((n + 1) * sizeof *v->stair);
    if (!v->accuracy || !v->latency || !v->stair) return false;
    for (size_t i = 0; i < n; i++) v->latency[i] = mnas_report_latency_ms(f->done[i], device);
    return mnas_pareto_front(v->accuracy, v->latency, n, v->stair, &v->n_stair) == 0;
}

static double latency_of(const view *v, const mnas_trial *t) {
    return mnas_report_latency_ms(t, v->device);
}

static void pareto_axes(mnas_chart *c, const view *v) {
    const mnas_report_facts *f = v->f;
    const double *accuracy = v->accuracy, *latency = v->latency;
    double low, high, x_low, x_high;
    range_of(accuracy, f->n_done, &low, &high);
    low = mnas_chart_lower_fence(accuracy, f->n_done);
    for (int i = 0; i < f->n_front; i++) low = fmin(low, accuracy_of(f->front[i]));
    range_of(latency, f->n_done, &x_low, &x_high);
    if (v->target_ms > x_low / 2 && v->target_ms < x_high * 2) {
        x_low = fmin(x_low, v->target_ms), x_high = fmax(x_high, v->target_ms);
    }
    mnas_chart_set_axis(&c->y, low, high, 0.08, false, c->narrow ? 5 : 6);
    mnas_chart_set_axis(&c->x, x_low, x_high, 0.07, x_high > 3 * x_low, c->narrow ? 4 : 8);
}

/* Whether words of this width at the top, beginning at x, would touch a point or the number beside it. */
static bool is_free(const mnas_chart *c, const view *v, double x, double width) {
    if (x < c->left || x + width > c->right) return false;
    for (int i = 0; i < v->f->n_done; i++) {
        double px = mnas_chart_at(&c->x, v->latency[i]), py = mnas_chart_at(&c->y, v->accuracy[i]);
        if (px > x - 8 && px < x + width + 30 && py < c->top + 36) return false;
    }
    return true;
}

/* The latencies that were asked for, as far as they are on the chart. */
static void window_band(mnas_chart *c, const view *v) {
    const mnas_landing *l = &v->f->landing;
    if (!(l->high_ms > 0 && l->high_ms >= c->x.low && l->low_ms <= c->x.high)) return;
    const double left = mnas_chart_at(&c->x, fmax(l->low_ms, c->x.low)),
                 right = mnas_chart_at(&c->x, fmin(l->high_ms, c->x.high));
    mnas_str_appendf(c->out,
                     "<rect class=\"window\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", left,
                     c->top, right - left, c->bottom - c->top);
}

/* Labelled at the top, on the side that is free; above the front there is nothing else. */
static void target_line(mnas_chart *c, const view *v) {
    if (!(v->target_ms >= c->x.low && v->target_ms <= c->x.high)) return;
    char label[64];
    double x = mnas_chart_at(&c->x, v->target_ms),
           width = 7.0 * snprintf(label, sizeof label, "target %.3g ms", v->target_ms);
    bool to_left = is_free(c, v, x - 6 - width, width), to_right = !to_left && is_free(c, v, x + 6, width);
    double y = to_left || to_right ? c->top + 10 : c->bottom - 8;
    to_left = to_left || (!to_right && x > (c->left + c->right) / 2);
    mnas_chart_line(c, x, c->top, x, c->bottom, "target");
    mnas_chart_text(c, to_left ? x - 6 : x + 6, y, to_left ? "end" : "start", "note halo", label);
}

/* A stair: between two networks of the front the faster one is the best there is. */
static void front_line(mnas_chart *c, const view *v) {
    mnas_str_append(c->out, "<path class=\"front-line\" d=\"");
    for (size_t i = 0; i < v->n_stair; i++) {
        double x = mnas_chart_at(&c->x, v->latency[v->stair[i]]),
               y = mnas_chart_at(&c->y, v->accuracy[v->stair[i]]);
        mnas_str_appendf(c->out, i ? "H%.1fV%.1f" : "M%.1f %.1f", x, y);
    }
    mnas_str_appendf(c->out, "H%.1f\"/>\n", c->right);
}

/* The interval of the latency, and the trial's number where no other label is near: above and left of the
 * front is free. */
static void front_points(mnas_chart *c, const view *v) {
    double label_x = -INFINITY, label_y = INFINITY;
    for (int i = 0; i < v->f->n_front; i++) {
        const mnas_trial *t = v->f->front[i];
        const mnas_latency *l = mnas_trial_latency_on(t, v->device);
        double x = mnas_chart_at(&c->x, latency_of(v, t)), y = mnas_chart_at(&c->y, accuracy_of(t));
        if (!l || !isfinite(x)) continue;
        double low = fmax(l->ci_low_ms, c->x.low), high = fmin(l->ci_high_ms, c->x.high);
        if (isfinite(low) && isfinite(high))
            mnas_chart_line(c, mnas_chart_at(&c->x, low), y, mnas_chart_at(&c->x, high), y, "interval");
        dot(c, x, y, 5.5, "front", t->number, 1);
        if (x - label_x < 24 && label_y - y < 14) continue;
        char number[16];
        snprintf(number, sizeof number, "%d", t->number);
        mnas_chart_text(c, x - 7, y - 7, "end", "note halo", number);
        label_x = x, label_y = y;
    }
}

static void pareto_points(mnas_chart *c, const view *v) {
    const mnas_report_facts *f = v->f;
    for (int i = 0; i < f->n_done; i++) {
        const mnas_trial *t = f->done[i];
        double x = mnas_chart_at(&c->x, v->latency[i]);
        if (accuracy_of(t) < c->y.low) {
            below_mark(c, x, t->number);
        } else {
            dot(c, x, mnas_chart_at(&c->y, accuracy_of(t)), f->n_done > 200 ? 3.5 : 4.5, "dot", t->number,
                later_is_stronger(f, t));
        }
    }
}

static void pareto_chart(const mnas_report_facts *f, int device, mnas_str *out, bool narrow) {
    mnas_chart c;
    view v;
    if (!view_open(&v, f, device)) {
        out->failed = true;
    } else {
        mnas_chart_begin(&c, out, narrow, device == 0 ? 440 : 320,
                         "validation accuracy over latency, all complete trials");
        pareto_axes(&c, &v);
        mnas_chart_frame(&c, c.x.log ? "latency, ms (logarithmic)" : "latency, ms", "validation accuracy, %");
        window_band(&c, &v);
        front_line(&c, &v);
        pareto_points(&c, &v);
        front_points(&c, &v);
        target_line(&c, &v);
        mnas_chart_end(&c);
    }
    view_free(&v);
}

/* One device after the other, the first one large. */
static void pareto_charts(const mnas_report_facts *f, mnas_str *out) {
    for (int d = 0; d < f->n_devices; d++) {
        if (f->n_devices > 1) {
            mnas_str_append(out, "<h3>");
            mnas_report_escape(out, mnas_report_device(f, d));
            mnas_str_append(out, "</h3>\n");
        }
        pareto_chart(f, d, out, false);
        pareto_chart(f, d, out, true);
    }
}

static bool any_below(const mnas_report_facts *f) {
    double *accuracy = values_of(f, accuracy_of), low = 0;
    if (accuracy) low = mnas_chart_lower_fence(accuracy, f->n_done);
    bool any = false;
    for (int i = 0; accuracy && i < f->n_done; i++) any = any || accuracy[i] < low;
    free(accuracy);
    return any;
}

void mnas_report_pareto_chart(const mnas_report_facts *f, mnas_str *out) {
    if (!f->accurate || !f->fastest) return;
    mnas_str_append(out, "<section>\n<h2>Accuracy against latency</h2>\n");
    pareto_charts(f, out);
    mnas_str_append(out, "<p class=\"keys\">\n");
    mnas_chart_key(out, "front", "circle cx=\"11\" cy=\"6\" r=\"5\"",
                   f->n_devices > 1
                       ? "Pareto front of all devices together, with the trial's number and the "
                         "interval of its latency; the line is the front of the one device"
                       : "Pareto front, with the trial's number and the interval of its latency");
    mnas_chart_key(out, "dot", "circle cx=\"11\" cy=\"6\" r=\"4.5\" fill-opacity=\"0.7\"",
                   "other complete trials, later ones stronger");
    if (any_below(f)) mnas_chart_key(out, "below", "path d=\"M6.5 2h9l-4.5 8z\"", "accuracy below the chart");
    mnas_str_append(out, "</p>\n</section>\n");
}

/* ---- reward over trials ---- */

static int last_number(const mnas_report_facts *f) {
    return f->source->n_trials > 0 ? f->source->trials[f->source->n_trials - 1]->number : 0;
}

static void trial_axis(mnas_chart *c, const mnas_report_facts *f) {
    double last = fmax(1, last_number(f));
    mnas_chart_set_axis(&c->x, 0, last, 0.015, false, c->narrow ? 5 : 10);
    if (c->x.decimals > 0) { /* there is no half trial */
        c->x.n_ticks = 0, c->x.decimals = 0;
        for (int i = 0; i <= last && i < MNAS_CHART_MAX_TICKS; i++) c->x.ticks[c->x.n_ticks++] = i;
    }
}

/* The two groups the first lines of the report compare, with their means. */
static void compared_groups(mnas_chart *c, const mnas_report_facts *f) {
    const mnas_report_comparison *k = &f->comparison;
    if (!k->possible || f->is_random) return;
    const double from[] = {f->done[0]->number, k->late_first},
                 to[] = {k->early_last, f->done[f->n_done - 1]->number};
    const double means[] = {k->early_mean, k->late_mean};
    for (int i = 0; i < 2; i++) {
        double x1 = mnas_chart_at(&c->x, from[i] - 0.4), x2 = mnas_chart_at(&c->x, to[i] + 0.4);
        char label[64];
        if (c->narrow) {
            snprintf(label, sizeof label, "mean %.4f", means[i]);
        } else {
            snprintf(label, sizeof label, "%s %d: mean %.4f", i ? "last" : "first",
                     i ? k->n_late : k->n_early, means[i]);
        }
        mnas_str_appendf(c->out,
                         "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"band\"/>\n", x1,
                         c->top, x2 - x1, c->bottom - c->top);
        if (means[i] >= c->y.low)
            mnas_chart_line(c, x1, mnas_chart_at(&c->y, means[i]), x2, mnas_chart_at(&c->y, means[i]),
                            "mean");
        mnas_chart_text(c, (x1 + x2) / 2, c->top + 15, "middle", "note halo", label);
    }
}

static void median_line(mnas_chart *c, const mnas_report_facts *f, const double *rewards) {
    const char *verb = "M";
    mnas_str_append(c->out, "<path class=\"median\" d=\"");
    for (int i = 0; i < f->n_done; i++) {
        int half = MEDIAN_WINDOW / 2, from = i > half ? i - half : 0,
            to = i + half < f->n_done ? i + half : f->n_done - 1;
        double median = mnas_stats_median(rewards + from, (size_t)(to - from + 1));
        mnas_str_appendf(c->out, "%s%.1f %.1f", verb, mnas_chart_at(&c->x, f->done[i]->number),
                         fmin(mnas_chart_at(&c->y, median), c->bottom));
        verb = "L";
    }
    mnas_str_append(c->out, "\"/>\n");
}

static void reward_points(mnas_chart *c, const mnas_report_facts *f) {
    for (int i = 0; i < f->source->n_trials; i++) {
        const mnas_trial *t = f->source->trials[i];
        double x = mnas_chart_at(&c->x, t->number);
        if (t->state == MNAS_TRIAL_FAILED) cross(c, x, t->number);
        if (t->state != MNAS_TRIAL_COMPLETE || !isfinite(t->reward)) continue;
        if (t->reward < c->y.low) {
            below_mark(c, x, t->number);
        } else {
            dot(c, x, mnas_chart_at(&c->y, t->reward),
                t == f->best      ? 5.5
                : f->n_done > 200 ? 3
                                  : 4,
                t == f->best ? "front" : "dot", t->number, t == f->best ? 1 : 0.6);
        }
    }
}

static void reward_chart(const mnas_report_facts *f, mnas_str *out, bool narrow) {
    mnas_chart c;
    double *rewards = values_of(f, reward_of), low, high;
    if (!rewards) {
        out->failed = true;
        return;
    }
    mnas_chart_begin(&c, out, narrow, 340, "reward over trials");
    range_of(rewards, f->n_done, &low, &high);
    low = mnas_chart_lower_fence(rewards, f->n_done);
    mnas_chart_set_axis(&c.y, low - 0.06 * (high - low), high + 0.12 * (high - low), 0.02, false,
                        narrow ? 4 : 5);
    trial_axis(&c, f);
    mnas_chart_frame(&c, "trial", "reward");
    compared_groups(&c, f);
    median_line(&c, f, rewards);
    reward_points(&c, f);
    mnas_chart_end(&c);
    free(rewards);
}

static bool has_rewards(const mnas_report_facts *f) {
    for (int i = 0; i < f->n_done; i++) {
        if (!isfinite(f->done[i]->reward)) return false; /* the reward is not calibrated yet */
    }
    return f->n_done > 0;
}

void mnas_report_reward_chart(const mnas_report_facts *f, mnas_str *out) {
    if (!has_rewards(f)) return;
    mnas_str_append(out, "<section>\n<h2>Reward over trials</h2>\n");
    reward_chart(f, out, false);
    reward_chart(f, out, true);
    mnas_str_append(out, "<p class=\"keys\">\n");
    mnas_chart_key(out, "dot", "circle cx=\"11\" cy=\"6\" r=\"4.5\" fill-opacity=\"0.7\"",
                   "a complete trial");
    mnas_chart_key(out, "front", "circle cx=\"11\" cy=\"6\" r=\"5\"", "the best");
    mnas_chart_key(out, "median", "path d=\"M1 6h20\"", "running median of 9");
    if (f->comparison.possible && !f->is_random)
        mnas_chart_key(out, "mean", "path d=\"M1 6h20\"", "means of the first and last third");
    if (f->n_failed > 0) mnas_chart_key(out, "cross", "path d=\"M7.500 2.500l7 7m0 -7l-7 7\"", "failed");
    mnas_str_append(out, "</p>\n</section>\n");
}

/* ---- entropy over trials ---- */

static void entropy_line(mnas_chart *c, const mnas_report_source *s) {
    mnas_str_append(c->out, "<path class=\"median\" d=\"");
    for (int i = 0; i < s->n_entropy; i++) {
        mnas_str_appendf(c->out, "%s%.1f %.1f", i ? "L" : "M", mnas_chart_at(&c->x, s->entropy[i].trial),
                         mnas_chart_at(&c->y, s->entropy[i].entropy));
    }
    mnas_str_append(c->out, "\"/>\n");
}

static void entropy_chart(const mnas_report_facts *f, mnas_str *out, bool narrow) {
    const mnas_report_source *s = f->source;
    bool has_max = isfinite(s->entropy_max);
    double low = s->entropy[0].entropy, high = low;
    for (int i = 1; i < s->n_entropy; i++) {
        low = fmin(low, s->entropy[i].entropy), high = fmax(high, s->entropy[i].entropy);
    }
    if (has_max) high = fmax(high, s->entropy_max);
    low = fmin(low, high * 0.98); /* a change of a per mille must not look like a collapse */
    mnas_chart c;
    mnas_chart_begin(&c, out, narrow, 260, "entropy of the policy over trials");
    mnas_chart_set_axis(&c.y, low, high, 0.1, false, narrow ? 3 : 4);
    trial_axis(&c, f);
    mnas_chart_frame(&c, "trial", "entropy, nats a decision");
    if (has_max) {
        mnas_chart_line(&c, c.left, mnas_chart_at(&c.y, s->entropy_max), c.right,
                        mnas_chart_at(&c.y, s->entropy_max), "target");
        mnas_chart_text(&c, c.right - 4, mnas_chart_at(&c.y, s->entropy_max) + 15, "end", "note halo",
                        "uniform choices");
    }
    entropy_line(&c, s);
    for (int i = 0; i < s->n_entropy && s->n_entropy <= 60; i++) {
        mnas_str_appendf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" class=\"knot\"/>\n",
                         mnas_chart_at(&c.x, s->entropy[i].trial),
                         mnas_chart_at(&c.y, s->entropy[i].entropy));
    }
    mnas_chart_end(&c);
}

void mnas_report_entropy_chart(const mnas_report_facts *f, mnas_str *out) {
    mnas_str_append(out, "<section>\n<h2>Entropy of the policy over trials</h2>\n");
    if (f->source->n_entropy < 1) {
        mnas_str_append(
            out, f->is_random
                     ? "<p class=\"small\">Random search has no policy: its choices stay uniform.</p>\n"
                     : "<p class=\"small\">The controller has not been updated yet.</p>\n");
    } else {
        entropy_chart(f, out, false);
        entropy_chart(f, out, true);
        mnas_str_append(
            out,
            "<p class=\"small\">How undecided the controller is, mean over its decisions: it falls as the "
            "controller commits itself, and cannot rise above that of uniform choices.</p>\n");
    }
    mnas_str_append(out, "</section>\n");
}
