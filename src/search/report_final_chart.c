/* report_final_chart.c - stage two as a picture: accuracy against latency of the networks found, of random ones and of the
 * baselines with their curves, and where the chosen network's accuracy meets those.
 *
 * Bars are 95 %: upwards binomial, sideways the latency's interval. A repeat is no point; a network that another one of its
 * family beats is pale, and its family's curve passes above it.
 */
#include "search/report_final.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search/chart.h"
#include "search/curve.h"
#include "search/verdict.h"

enum { MAX_BOXES = 160 };

typedef struct box {
    double left, top, right, bottom;
} box;

typedef struct picture {
    mnas_chart c;
    const mnas_report_source *s;
    const mnas_report_facts *facts;
    bool test;
    const mnas_final *chosen; /* with this split's accuracy, or NULL */
    box boxes[MAX_BOXES];     /* taken by marks and labels */
    int n_boxes;
} picture;

static bool is_point(const picture *p, int i) {
    return mnas_verdict_is_point(p->s->finals[i], p->test);
}

static double percent_of(const picture *p, const mnas_final *f) {
    return 100 * mnas_verdict_accuracy(f, p->test);
}

static double half_bar(const picture *p, const mnas_final *f) {
    double share = mnas_verdict_accuracy(f, p->test);
    int n = p->test ? f->n_test : f->n_val;
    return n > 0 ? 196 * sqrt(share * (1 - share) / n) : 0;
}

static double x_of(const picture *p, const mnas_final *f) {
    return mnas_chart_at(&p->c.x, f->latency.median_ms);
}

static double y_of(const picture *p, double percent) {
    return fmin(p->c.bottom, fmax(p->c.top, mnas_chart_at(&p->c.y, percent)));
}

/* ---- axes ---- */

static void set_axes(picture *p, const double *percent, int n) {
    double fence = mnas_chart_lower_fence(percent, n), low = INFINITY, high = -INFINITY, fast = INFINITY,
           slow = 0;
    for (int i = 0; i < p->s->n_finals; i++) {
        if (!is_point(p, i)) continue;
        const mnas_final *f = p->s->finals[i];
        const mnas_latency *t = &f->latency;
        double y = percent_of(p, f), bar = half_bar(p, f);
        if (y >= fence) low = fmin(low, y - bar), high = fmax(high, y + bar);
        fast = fmin(fast, t->ci_low_ms > 0 ? fmin(t->ci_low_ms, t->median_ms) : t->median_ms);
        slow = fmax(slow, t->ci_high_ms > 0 ? fmax(t->ci_high_ms, t->median_ms) : t->median_ms);
    }
    mnas_chart_set_axis(&p->c.y, low, fmin(high, 100), 0.06, false, p->c.narrow ? 5 : 6);
    mnas_chart_set_axis(&p->c.x, fast, slow, 0.06, true, p->c.narrow ? 4 : 8);
}

/* ---- places for labels ---- */

static void take(picture *p, double left, double top, double width, double height) {
    if (p->n_boxes < MAX_BOXES) p->boxes[p->n_boxes++] = (box){left, top, left + width, top + height};
}

static bool is_free(const picture *p, const box *b) {
    if (b->left < p->c.left || b->right > p->c.right || b->top < p->c.top - 12 || b->bottom > p->c.bottom)
        return false;
    for (int i = 0; i < p->n_boxes; i++) {
        const box *o = &p->boxes[i];
        if (b->left < o->right && o->left < b->right && b->top < o->bottom && o->top < b->bottom)
            return false;
    }
    return true;
}

/* Beside (x, y), in the first of some places that is free; not at all where none is. The later ones are further off. */
enum { NEAR_PLACES = 6, ALL_PLACES = 12 };

static void label(picture *p, double x, double y, int n_places, const char *words, const char *class) {
    static const struct {
        double dx, dy; /* of the baseline; dx < 0 ends there, 0 is centred */
    } places[ALL_PLACES] = {{-8, -7},  {8, 16}, {8, -7},  {-8, 16}, {0, -12}, {0, 22},
                            {-8, -24}, {8, 33}, {8, -24}, {-8, 33}, {0, -29}, {0, 39}};
    const double width = 7.3 * (double)strlen(words), height = 13;
    for (int i = 0; i < n_places; i++) {
        const double at = x + places[i].dx, baseline = y + places[i].dy;
        const double left = places[i].dx < 0 ? at - width : places[i].dx > 0 ? at : at - width / 2;
        box b = {left, baseline - 10, left + width, baseline - 10 + height};
        if (!is_free(p, &b)) continue;
        mnas_chart_text(&p->c, at, baseline,
                        places[i].dx < 0   ? "end"
                        : places[i].dx > 0 ? "start"
                                           : "middle",
                        class, words);
        take(p, b.left, b.top, width, height);
        return;
    }
}

/* ---- curves ---- */

static int collect_family(const picture *p, const char *family, double *accuracy, double *ms) {
    int n = 0;
    for (int i = 0; i < p->s->n_finals; i++) {
        if (!is_point(p, i) || strcmp(p->s->finals[i]->family, family) != 0) continue;
        accuracy[n] = percent_of(p, p->s->finals[i]);
        ms[n++] = p->s->finals[i]->latency.median_ms;
    }
    return n;
}

static void curve(picture *p, const mnas_final *first, double *room, size_t *front) {
    double *accuracy = room, *ms = room + p->s->n_finals;
    mnas_curve curve;
    int n = collect_family(p, first->family, accuracy, ms);
    if (n < 2 || mnas_curve_fit(&curve, accuracy, ms, (size_t)n, front) < 0 || curve.n < 2) return;
    mnas_str_appendf(p->c.out, "<path class=\"curve look%d\" d=\"", mnas_report_final_look(p->facts, first));
    for (size_t i = 0; i < curve.n; i++) {
        mnas_str_appendf(p->c.out, "%s%.1f %.1f", i ? "L" : "M", mnas_chart_at(&p->c.x, ms[front[i]]),
                         y_of(p, accuracy[front[i]]));
    }
    mnas_str_append(p->c.out, "\"/>\n");
}

static void curves(picture *p, double *room, size_t *front) {
    for (int i = 0; i < p->s->n_finals; i++) {
        if (p->s->finals[i]->role != MNAS_FINAL_FOUND && mnas_verdict_leads_family(p->s->finals, i))
            curve(p, p->s->finals[i], room, front);
    }
}

/* ---- points ---- */

static void bars(picture *p, const mnas_final *f, int look) {
    const mnas_latency *t = &f->latency;
    double x = x_of(p, f), y = percent_of(p, f), bar = half_bar(p, f);
    char class[24];
    snprintf(class, sizeof class, "bar look%d", look);
    if (y < p->c.y.low) return;
    mnas_chart_line(&p->c, x, y_of(p, y - bar), x, y_of(p, fmin(100, y + bar)), class);
    if (t->ci_low_ms > 0 && t->ci_high_ms > 0)
        mnas_chart_line(&p->c, mnas_chart_at(&p->c.x, t->ci_low_ms), y_of(p, y),
                        mnas_chart_at(&p->c.x, t->ci_high_ms), y_of(p, y), class);
}

/* Shapes tell families apart where colours cannot. */
static void mark(picture *p, const mnas_final *f, int look, double size, bool pale) {
    double x = x_of(p, f), y = percent_of(p, f), r = size;
    mnas_str *out = p->c.out;
    if (y < p->c.y.low) {
        mnas_str_appendf(out, "<path d=\"M%.1f %.1fh9l-4.5 8z\"", x - 4.5, p->c.bottom - 9);
    } else if (look == 0 || look > 4) {
        mnas_str_appendf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", x, y_of(p, y), r);
    } else if (look == 1) {
        mnas_str_appendf(out, "<path d=\"M%.1f %.1fl%.1f %.1fl-%.1f %.1fl-%.1f -%.1fz\"", x, y_of(p, y) - r,
                         r, r, r, r, r, r);
    } else if (look == 3) {
        mnas_str_appendf(out, "<path d=\"M%.1f %.1fl%.1f %.1fh-%.1fz\"", x, y_of(p, y) - r, r, 1.8 * r,
                         2 * r);
    } else {
        mnas_str_appendf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", x - 0.85 * r,
                         y_of(p, y) - 0.85 * r, 1.7 * r, 1.7 * r);
    }
    mnas_str_appendf(out, " class=\"mark look%d%s%s\" data-t=\"f%d\"/>\n", look, pale ? " pale" : "",
                     f == p->chosen ? " best" : "", f->number);
    take(p, x - r, y_of(p, y) - r, 2 * r, 2 * r);
}

static bool is_beaten(const picture *p, const mnas_final *f) {
    for (int i = 0; i < p->s->n_finals; i++) {
        const mnas_final *o = p->s->finals[i];
        if (o == f || !is_point(p, i) || strcmp(o->family, f->family) != 0) continue;
        if (o->latency.median_ms <= f->latency.median_ms && percent_of(p, o) > percent_of(p, f)) return true;
    }
    return false;
}

static void points(picture *p) {
    for (int i = 0; i < p->s->n_finals; i++) {
        if (is_point(p, i)) bars(p, p->s->finals[i], mnas_report_final_look(p->facts, p->s->finals[i]));
    }
    for (int i = 0; i < p->s->n_finals; i++) {
        const mnas_final *f = p->s->finals[i];
        if (is_point(p, i) && f != p->chosen)
            mark(p, f, mnas_report_final_look(p->facts, f), 5,
                 f->role != MNAS_FINAL_FOUND && is_beaten(p, f));
    }
    if (p->chosen) mark(p, p->chosen, 0, 7.5, false);
}

/* The last word of "trial 12", what follows the @ of "mobilenet-v2@0.35/28". */
static const char *short_name(const mnas_final *f) {
    const char *at = strrchr(f->name, '@'), *blank = strrchr(f->name, ' ');
    return at ? at + 1 : blank ? blank + 1 : f->name;
}

static void labels(picture *p) {
    char best[80];
    if (p->chosen) {
        snprintf(best, sizeof best, "best: %s", p->chosen->name);
        label(p, x_of(p, p->chosen) - 3, y_of(p, percent_of(p, p->chosen)) - 4, ALL_PLACES, best,
              "best-name halo");
    }
    for (int i = 0; i < p->s->n_finals; i++) {
        const mnas_final *f = p->s->finals[i];
        if (!is_point(p, i) || f == p->chosen || percent_of(p, f) < p->c.y.low) continue;
        if (p->c.narrow && f->role != MNAS_FINAL_FOUND) continue;
        label(p, x_of(p, f), y_of(p, percent_of(p, f)), NEAR_PLACES, short_name(f), "point-name halo");
    }
}

/* ---- the comparison ---- */

/* From the chosen network along its accuracy to a family's curve, or to above or below the end of it. */
static void equal_line(picture *p, const mnas_comparison *k, int look) {
    double x1 = x_of(p, p->chosen), x2 = mnas_chart_at(&p->c.x, k->family_ms),
           y = y_of(p, percent_of(p, p->chosen));
    char words[96], class[40];
    mnas_chart_line(&p->c, x1, y, x2, y, "equal");
    if (k->kind != MNAS_COMPARE_WITHIN) {
        for (int i = 0; i < p->s->n_finals; i++) {
            const mnas_final *f = p->s->finals[i];
            if (is_point(p, i) && strcmp(f->family, k->family) == 0 &&
                fabs(f->latency.median_ms - k->family_ms) < 1e-12)
                mnas_chart_line(&p->c, x2, y, x2, y_of(p, percent_of(p, f)), "equal drop");
        }
    }
    snprintf(class, sizeof class, "crossing look%d", look);
    mnas_str_appendf(p->c.out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"%s\"/>\n", x2, y, class);
    snprintf(words, sizeof words, p->c.narrow ? "%.2f×" : "%.2f× %s", k->ratio,
             mnas_verdict_family_name(k->family));
    take(p, fmin(x1, x2), y - 1, fabs(x2 - x1), 2);
    take(p, x2 - 4, y - 4, 8, 8);
    snprintf(class, sizeof class, "ratio look%d halo", look);
    label(p, x2, y, ALL_PLACES, words, class);
}

static void equal_lines(picture *p) {
    for (int i = 0; p->chosen && p->s->verdict && i < p->s->n_finals; i++) {
        const mnas_final *f = p->s->finals[i];
        if (f->role != MNAS_FINAL_BASELINE || !mnas_verdict_leads_family(p->s->finals, i)) continue;
        const mnas_comparison *k = mnas_verdict_find(p->s->verdict, f->family, p->test ? "test" : "val");
        if (k && k->kind != MNAS_COMPARE_NOT) equal_line(p, k, mnas_report_final_look(p->facts, f));
    }
}

/* ---- the chart ---- */

static void draw(const mnas_report_facts *f, bool test, bool narrow, double *room, size_t *front,
                 mnas_str *out) {
    picture p = {.s = f->source, .facts = f, .test = test};
    int n = 0;
    for (int i = 0; i < p.s->n_finals; i++) {
        if (!is_point(&p, i)) continue;
        room[n++] = percent_of(&p, p.s->finals[i]);
        if (p.s->finals[i]->chosen) p.chosen = p.s->finals[i];
    }
    if (n == 0) return;
    mnas_chart_begin(&p.c, out, narrow, 440, "accuracy over latency of the fully trained networks");
    set_axes(&p, room, n);
    mnas_chart_frame(&p.c, p.c.x.log ? "latency, ms (logarithmic)" : "latency, ms",
                     test ? "test accuracy, %" : "validation accuracy, %");
    curves(&p, room, front);
    points(&p);
    equal_lines(&p);
    labels(&p);
    mnas_chart_end(&p.c);
}

static void keys(const mnas_report_facts *f, mnas_str *out) {
    static const char *const shapes[MNAS_REPORT_LOOKS] = {"circle cx=\"11\" cy=\"6\" r=\"5\"",
                                                          "path d=\"M11 1l5 5l-5 5l-5 -5z\"",
                                                          "rect x=\"6.5\" y=\"1.5\" width=\"9\" height=\"9\"",
                                                          "path d=\"M11 1l5 9h-10z\"",
                                                          "rect x=\"6.5\" y=\"1.5\" width=\"9\" height=\"9\"",
                                                          "circle cx=\"11\" cy=\"6\" r=\"5\"",
                                                          "circle cx=\"11\" cy=\"6\" r=\"5\""};
    mnas_str_append(out, "<p class=\"keys\">\n");
    for (int i = 0; i < f->source->n_finals; i++) {
        const mnas_final *final = f->source->finals[i];
        if (!mnas_verdict_leads_family(f->source->finals, i)) continue;
        int look = mnas_report_final_look(f, final);
        char class[24];
        snprintf(class, sizeof class, "mark look%d", look);
        mnas_str name = {0};
        mnas_report_escape(&name,
                           look == 0 ? "found by the search" : mnas_verdict_family_name(final->family));
        if (final->role == MNAS_FINAL_BASELINE) mnas_str_append(&name, ", with its curve");
        mnas_chart_key(out, class, shapes[look], mnas_str_ok(&name) ? name.data : "");
        mnas_str_free(&name);
    }
    mnas_str_append(
        out,
        "<span>Bars: 95&#160;%, binomial and of the latency. Pale: beaten by its own family.</span>\n</p>\n");
}

void mnas_report_final_chart(const mnas_report_facts *f, bool test, mnas_str *out) {
    const size_t n = (size_t)f->source->n_finals + 1;
    double *room = malloc(2 * n * sizeof *room);
    size_t *front = malloc(n * sizeof *front);
    if (!room || !front) {
        out->failed = true;
    } else {
        draw(f, test, false, room, front, out);
        draw(f, test, true, room, front, out);
        keys(f, out);
    }
    free(room);
    free(front);
}
