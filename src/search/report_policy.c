/* report_policy.c - the policy over time: of each decision the probabilities of its choices, a small chart each,
 * blocks as rows.
 *
 * Choices that have an order are stacked in it, smallest below. What a chart ends at stands below it in per
 * cent, so that nothing need be read off the colours.
 */
#include <math.h>
#include <string.h>

#include "search/report.h"

enum { MAX_CHOICES = 64, MAX_COLUMNS = 48, N_COLOURS = 6 };

typedef struct decision_view {
    const mnas_decision *decision;
    int n, order[MAX_CHOICES]; /* choices as they are stacked, from below */
    size_t offset;             /* of its probabilities among all */
} decision_view;

static decision_view view_of(const mnas_decision *d, size_t offset) {
    decision_view v = {.decision = d, .offset = offset};
    v.n = d->n_choices < MAX_CHOICES ? d->n_choices : MAX_CHOICES;
    for (int i = 0; i < v.n; i++) {
        int at = i;
        for (; d->ordinal && at > 0 && d->values[v.order[at - 1]] > d->values[i]; at--)
            v.order[at] = v.order[at - 1];
        v.order[at] = i;
    }
    return v;
}

static double share(const decision_view *v, const mnas_policy_point *p, int k) {
    const double probability = p->probabilities[v->offset + (size_t)v->order[k]];
    return probability > 0 ? fmin(probability, 1) : 0; /* a damaged study may hold anything */
}

static int likeliest(const decision_view *v, const mnas_policy_point *p) {
    int best = 0;
    for (int k = 1; k < v->n; k++)
        if (share(v, p, k) > share(v, p, best)) best = k;
    return best;
}

/* Ordered choices have shades of one colour, spread over all of them; named ones a colour each. */
static int colour(const decision_view *v, int k) {
    if (!v->decision->ordinal) return k % N_COLOURS;
    return v->n > 1 ? k * (N_COLOURS - 1) / (v->n - 1) : 0;
}

/* ---- one chart, 100 x 100 stretched to its place ---- */

typedef struct timeline {
    const mnas_policy_point *points;
    int n, columns; /* points; how many of them are drawn */
} timeline;

static const mnas_policy_point *column(const timeline *t, int i) {
    return &t->points[t->columns > 1 ? (int)((int64_t)i * (t->n - 1) / (t->columns - 1)) : t->n - 1];
}

static double column_x(const timeline *t, int i) {
    const double first = (double)t->points[0].n_proposals, last = (double)t->points[t->n - 1].n_proposals;
    return last > first ? 100 * ((double)column(t, i)->n_proposals - first) / (last - first) : 0;
}

/* What choices 0..k have together. Drawn from the top one down, each covers the lower part of the one before. */
static void area(mnas_str *out, const timeline *t, const decision_view *v, int k) {
    mnas_str_appendf(out, "<path class=\"%c%d\" d=\"M0 ", v->decision->ordinal ? 'o' : 'n', colour(v, k));
    if (k == v->n - 1) {
        mnas_str_append(out, "0H100V100H0z\"/>");
        return;
    }
    for (int i = 0; i < t->columns; i++) {
        double sum = 0;
        for (int j = 0; j <= k; j++) sum += share(v, column(t, i), j);
        if (i > 0) mnas_str_appendf(out, "L%.4g ", column_x(t, i));
        mnas_str_appendf(out, "%.0f", fmax(0, 100 * (1 - sum)));
    }
    mnas_str_append(out, "H100V100H0z\"/>");
}

static void chart(mnas_str *out, const timeline *t, const decision_view *v) {
    mnas_str_append(out,
                    "<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
    mnas_report_escape(out, v->decision->name);
    mnas_str_append(out, "\">");
    for (int k = v->n - 1; k >= 0; k--) area(out, t, v, k);
    mnas_str_append(out, "</svg>");
}

/* ---- one decision ---- */

static void choices(mnas_str *out, const decision_view *v, const mnas_policy_point *end) {
    const int best = likeliest(v, end);
    mnas_str_append(out, "<p>");
    for (int k = 0; k < v->n; k++) {
        mnas_str_appendf(out, "<span%s><i class=\"%c%d\"></i>", k == best ? " class=\"best\"" : "",
                         v->decision->ordinal ? 'o' : 'n', colour(v, k));
        mnas_report_escape(out, v->decision->choices[v->order[k]]);
        mnas_str_appendf(out, "<b>%.0f&#160;%%</b></span> ", 100 * share(v, end, k));
    }
    mnas_str_append(out, "</p>");
}

static void cell(mnas_str *out, const timeline *t, const decision_view *v) {
    const char *dot = strrchr(v->decision->name, '.');
    mnas_str_append(out, "<div><h4>");
    mnas_report_escape(out, dot ? dot + 1 : v->decision->name);
    mnas_str_append(out, "</h4>");
    chart(out, t, v);
    choices(out, v, &t->points[t->n - 1]);
    mnas_str_append(out, "</div>\n");
}

/* "block3" of "block3.kernel" */
static size_t group_length(const mnas_decision *d) {
    const char *dot = strrchr(d->name, '.');
    return dot ? (size_t)(dot - d->name) : 0;
}

static bool same_group(const mnas_decision *a, const mnas_decision *b) {
    const size_t n = group_length(a);
    return n == group_length(b) && strncmp(a->name, b->name, n) == 0;
}

static void rows(mnas_str *out, const mnas_report_source *s, const timeline *t) {
    size_t offset = 0;
    for (int i = 0; i < s->n_decisions; i++) {
        const mnas_decision *d = s->decisions[i];
        const decision_view v = view_of(d, offset);
        if (i == 0 || !same_group(d, s->decisions[i - 1])) {
            mnas_str_append(out, i ? "</div>\n<h3>" : "<h3>");
            mnas_report_escape_n(out, d->name, group_length(d));
            mnas_str_append(out, "</h3>\n<div class=\"row\">\n");
        }
        cell(out, t, &v);
        offset += (size_t)d->n_choices;
    }
    mnas_str_append(out, "</div>\n");
}

/* ---- the section ---- */

/* How far it got, in a sentence. */
static void summary(mnas_str *out, const mnas_report_source *s, const mnas_policy_point *end) {
    size_t offset = 0;
    int n_decided = 0;
    double most = 0;
    char name[160] = "";
    for (int i = 0; i < s->n_decisions; i++) {
        const decision_view v = view_of(s->decisions[i], offset);
        const int best = likeliest(&v, end);
        const double p = share(&v, end, best);
        n_decided += p >= 0.8;
        if (p * v.n > most) { /* against chance, or two choices would always win */
            most = p * v.n;
            snprintf(name, sizeof name, "%s = %s (%.0f\xC2\xA0%%)", v.decision->name,
                     v.decision->choices[v.order[best]], 100 * p);
        }
        offset += (size_t)s->decisions[i]->n_choices;
    }
    mnas_str_appendf(out,
                     "<p>In the end one choice has 80&#160;%% or more in %d of %d decisions; farthest from "
                     "chance is ",
                     n_decided, s->n_decisions);
    mnas_report_escape(out, name);
    mnas_str_append(out, ".</p>\n");
}

void mnas_report_policy(const mnas_report_facts *f, mnas_str *out) {
    const mnas_report_source *s = f->source;
    if (s->n_policy == 0 || s->n_decisions == 0 || f->is_random) return;
    const timeline t = {s->policy, s->n_policy, s->n_policy < MAX_COLUMNS ? s->n_policy : MAX_COLUMNS};
    const long long first = s->policy[0].n_proposals, last = s->policy[s->n_policy - 1].n_proposals;
    mnas_str_append(out, "<section class=\"policy\">\n<h2>What the strategy has come to prefer</h2>\n");
    summary(out, s, &s->policy[s->n_policy - 1]);
    rows(out, s, &t);
    mnas_str_appendf(
        out,
        "<p class=\"small after\">Probability of each choice, from the strategy's first update (after "
        "%lld proposals) on the left to its last (after %lld) on the right; below what it is "
        "at the end, the likeliest choice in bold. Later decisions of a network depend on earlier "
        "ones: these are means over them.</p>\n</section>\n",
        first, last);
}
