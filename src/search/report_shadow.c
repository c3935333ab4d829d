/* report_shadow.c - the report's drawing of the strategy's networks beside the random ones: every complete network as a point
 * over its reward, with the quartiles and the median of each group. The words are shadow.c's.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "search/chart.h"
#include "search/report.h"

enum { N_ROWS = 3 };

/* Networks of one kind; of the strategy's, its first or its last half. */
typedef struct row {
    const char *label;
    const mnas_trial **trials;
    double *rewards;
    int n;
} row;

static void take(row *r, const mnas_trial *t) {
    r->trials[r->n] = t;
    r->rewards[r->n++] = t->reward;
}

/* The halves are those of the comparison, which counts failures among them. */
static void fill(row rows[N_ROWS], const mnas_report_facts *f) {
    const int early = f->shadow.strategy.n - f->shadow.late.n;
    int n_strategy = 0;
    for (int i = 0; i < f->source->n_trials; i++) {
        const mnas_trial *t = f->source->trials[i];
        const mnas_shadow_kind kind = mnas_shadow_kind_of(t);
        const int at = kind == MNAS_KIND_RANDOM ? 2 : n_strategy < early ? 1 : 0;
        n_strategy += kind == MNAS_KIND_STRATEGY;
        if (kind != MNAS_KIND_NEITHER && t->state == MNAS_TRIAL_COMPLETE) take(&rows[at], t);
    }
}

static bool open_rows(row rows[N_ROWS], const mnas_report_facts *f) {
    static const char *const labels[] = {"strategy, last half", "strategy, first half", "random"};
    bool whole = true;
    for (int i = 0; i < N_ROWS; i++) {
        rows[i] = (row){.label = labels[i],
                        .trials = malloc(((size_t)f->n_done + 1) * sizeof *rows[i].trials),
                        .rewards = malloc(((size_t)f->n_done + 1) * sizeof *rows[i].rewards)};
        whole = whole && rows[i].trials && rows[i].rewards;
    }
    if (whole) fill(rows, f);
    return whole;
}

static void close_rows(row rows[N_ROWS]) {
    for (int i = 0; i < N_ROWS; i++) {
        free(rows[i].trials);
        free(rows[i].rewards);
    }
}

/* ---- drawing ---- */

static void reward_axis(mnas_chart *c, const mnas_report_facts *f) {
    double low = INFINITY, high = -INFINITY;
    double *rewards = malloc(((size_t)f->n_done + 1) * sizeof *rewards);
    int n = 0;
    for (int i = 0; rewards && i < f->n_done; i++)
        if (mnas_shadow_kind_of(f->done[i]) != MNAS_KIND_NEITHER) rewards[n++] = f->done[i]->reward;
    for (int i = 0; i < n; i++) high = fmax(high, rewards[i]);
    if (n > 0) low = mnas_chart_lower_fence(rewards, n);
    if (!rewards) c->out->failed = true;
    mnas_chart_set_axis(&c->x, n > 0 ? low : 0, n > 0 ? high : 1, 0.04, false, c->narrow ? 4 : 8);
    free(rewards);
}

/* Points of a row are spread over its height by a fixed pattern, so that equal rewards can be told apart. */
static void points(mnas_chart *c, const row *r, double middle, double half, bool random) {
    for (int i = 0; i < r->n; i++) {
        const double spread = fmod(0.5 + 0.61803398875 * i, 1) - 0.5, y = middle + 2 * half * 0.72 * spread;
        if (r->rewards[i] < c->x.low) continue;
        mnas_str_appendf(c->out,
                         "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\" data-t=\"%d\" "
                         "fill-opacity=\"0.6\"/>\n",
                         mnas_chart_at(&c->x, r->rewards[i]), y, r->n > 200 ? 3.0 : 4.0,
                         random ? "chance" : "dot", r->trials[i]->number);
    }
}

static void box(mnas_chart *c, const row *r, double middle, double half) {
    const size_t n = (size_t)r->n;
    const double q1 = fmax(mnas_stats_quantile(r->rewards, n, 0.25), c->x.low),
                 q2 = mnas_stats_median(r->rewards, n), q3 = mnas_stats_quantile(r->rewards, n, 0.75);
    if (q3 <= c->x.low) return;
    const double x1 = mnas_chart_at(&c->x, q1), x2 = mnas_chart_at(&c->x, q3), x = mnas_chart_at(&c->x, q2);
    mnas_str_appendf(c->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"half\"/>\n",
                     x1, middle - half, x2 - x1, 2 * half);
    if (q2 < c->x.low) return;
    mnas_chart_line(c, x, middle - half, x, middle + half, "middle");
}

static void draw_row(mnas_chart *c, const row *r, double middle, double half, bool random) {
    char label[80];
    const double median = r->n > 0 ? mnas_stats_median(r->rewards, (size_t)r->n) : (double)NAN;
    snprintf(label, sizeof label, r->n > 0 ? "%s (%d): median %.4f" : "%s (%d)", r->label, r->n, median);
    mnas_chart_text(c, c->left, middle - half - 5, "start", "note halo", label);
    if (r->n == 0) return;
    box(c, r, middle, half);
    points(c, r, middle, half, random);
}

static void shadow_chart(const mnas_report_facts *f, const row rows[N_ROWS], mnas_str *out, bool narrow) {
    mnas_chart c;
    mnas_chart_begin(&c, out, narrow, 300, "rewards of the strategy's networks and of random ones");
    c.left = narrow ? 14 : 20, c.top = 6, c.x.start = c.left;
    reward_axis(&c, f);
    mnas_chart_frame(&c, "reward", "");
    const double height = (c.bottom - c.top) / N_ROWS;
    for (int i = 0; i < N_ROWS; i++)
        draw_row(&c, &rows[i], c.top + (i + 0.5) * height + 9, height / 2 - 14, i == N_ROWS - 1);
    mnas_chart_end(&c);
}

void mnas_report_shadow_chart(const mnas_report_facts *f, mnas_str *out) {
    row rows[N_ROWS];
    if (!mnas_report_has_shadow(f)) return;
    if (open_rows(rows, f)) {
        mnas_str_append(out, "<section>\n<h2>The strategy beside chance</h2>\n");
        shadow_chart(f, rows, out, false);
        shadow_chart(f, rows, out, true);
        mnas_str_append(out, "<p class=\"keys\">\n");
        mnas_chart_key(out, "dot", "circle cx=\"11\" cy=\"6\" r=\"4.5\" fill-opacity=\"0.7\"",
                       "a network the strategy proposed");
        mnas_chart_key(out, "chance", "circle cx=\"11\" cy=\"6\" r=\"4.5\" fill-opacity=\"0.7\"",
                       "one that was drawn uniformly beside it");
        mnas_chart_key(out, "half", "rect x=\"1\" y=\"1\" width=\"20\" height=\"10\"",
                       "half of the complete networks; the line is their median");
        mnas_str_append(out, "</p>\n</section>\n");
    } else {
        out->failed = true;
    }
    close_rows(rows);
}
