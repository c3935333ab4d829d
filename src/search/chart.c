/* chart.c - see chart.h: axes with round ticks, the frame around a plot, and the few marks that charts share. */
#include "search/chart.h"

#include <math.h>

#include "base/stats.h"
#include "search/report.h"

/* ---- axes ---- */

double mnas_chart_at(const mnas_chart_axis *a, double value) {
    double share =
        a->log ? log(value / a->low) / log(a->high / a->low) : (value - a->low) / (a->high - a->low);
    return a->start + share * (a->end - a->start);
}

/* Outside is more than three quartile ranges below the lower quartile. */
double mnas_chart_lower_fence(const double *values, int n) {
    double q1 = mnas_stats_quantile(values, (size_t)n, 0.25),
           q3 = mnas_stats_quantile(values, (size_t)n, 0.75);
    double fence = q1 - 3 * (q3 - q1), low = INFINITY;
    for (int i = 0; i < n; i++) {
        if (values[i] >= fence) low = fmin(low, values[i]);
    }
    return low;
}

/* 1, 2 or 5 times a power of ten, at least `step` */
static double round_step(double step) {
    double power = pow(10, floor(log10(step)));
    double lead = step / power;
    return power * (lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10);
}

static int decimals_of(double step) {
    int n = (int)ceil(-log10(step) - 1e-9);
    return n > 0 ? n : 0;
}

static void linear_ticks(mnas_chart_axis *a, int wanted) {
    double step = round_step((a->high - a->low) / wanted);
    a->decimals = decimals_of(step);
    a->n_ticks = 0;
    for (double k = ceil(a->low / step - 1e-9);
         k * step <= a->high + step * 1e-6 && a->n_ticks < MNAS_CHART_MAX_TICKS; k++) {
        a->ticks[a->n_ticks++] = k * step + 0.0; /* -0 becomes 0 */
    }
}

static void log_ticks_at(mnas_chart_axis *a, const double *leads, int n_leads) {
    a->n_ticks = 0;
    for (double power = pow(10, floor(log10(a->low))); power <= a->high; power *= 10) {
        for (int i = 0; i < n_leads; i++) {
            double v = power * leads[i];
            if (v >= a->low && v <= a->high && a->n_ticks < MNAS_CHART_MAX_TICKS) a->ticks[a->n_ticks++] = v;
        }
    }
}

/* 1, 2, 5 of each decade; the powers alone where the range is wide, more where it is narrow. */
static void log_ticks(mnas_chart_axis *a) {
    static const double leads[] = {1, 2, 5}, more[] = {1, 1.5, 2, 3, 4, 5, 7};
    log_ticks_at(a, leads, a->high / a->low > 1e4 ? 1 : 3);
    if (a->n_ticks < 3) log_ticks_at(a, more, 7);
}

void mnas_chart_set_axis(mnas_chart_axis *a, double low, double high, double room, bool log_scale,
                         int wanted) {
    if (!(high > low)) {
        double pad = low != 0 ? fabs(low) * 0.05 : 1;
        low -= pad, high += pad;
    }
    a->log = log_scale && low > 0;
    if (a->log) {
        double factor = pow(high / low, room);
        a->low = low / factor, a->high = high * factor;
        log_ticks(a);
        if (a->n_ticks >= 3) return;
        a->log = false; /* so narrow a range looks the same */
    }
    double pad = (high - low) * room;
    a->low = low - pad, a->high = high + pad;
    linear_ticks(a, wanted);
}

static void tick_label(const mnas_chart_axis *a, double value, char buf[32]) {
    if (a->log) {
        snprintf(buf, 32, "%.6g", value);
    } else {
        snprintf(buf, 32, "%.*f", a->decimals, value);
    }
}

/* ---- the frame ---- */

void mnas_chart_text(mnas_chart *c, double x, double y, const char *anchor, const char *class,
                     const char *words) {
    mnas_str_appendf(c->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
                     class);
    mnas_report_escape(c->out, words);
    mnas_str_append(c->out, "</text>\n");
}

void mnas_chart_line(mnas_chart *c, double x1, double y1, double x2, double y2, const char *class) {
    mnas_str_appendf(c->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1,
                     x2, y2, class);
}

void mnas_chart_begin(mnas_chart *c, mnas_str *out, bool narrow, double height, const char *label) {
    *c = (mnas_chart){.out = out, .narrow = narrow, .width = narrow ? 400 : 800};
    c->height = narrow ? fmin(height, 300) : height;
    c->left = 60, c->right = c->width - 14, c->top = 28, c->bottom = c->height - 46;
    c->x.start = c->left, c->x.end = c->right, c->y.start = c->bottom, c->y.end = c->top;
    mnas_str_appendf(out, "<svg class=\"%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n",
                     narrow ? "narrow" : "wide", c->width, c->height, label);
}

void mnas_chart_frame(mnas_chart *c, const char *x_label, const char *y_label) {
    char label[32];
    for (int i = 0; i < c->y.n_ticks; i++) {
        double y = mnas_chart_at(&c->y, c->y.ticks[i]);
        tick_label(&c->y, c->y.ticks[i], label);
        mnas_chart_line(c, c->left, y, c->right, y, "grid");
        mnas_chart_text(c, c->left - 8, y + 4, "end", "tick", label);
    }
    for (int i = 0; i < c->x.n_ticks; i++) {
        double x = mnas_chart_at(&c->x, c->x.ticks[i]);
        tick_label(&c->x, c->x.ticks[i], label);
        mnas_chart_line(c, x, c->bottom, x, c->bottom + 5, "axis");
        mnas_chart_text(c, x, c->bottom + 19, "middle", "tick", label);
    }
    mnas_chart_line(c, c->left, c->bottom, c->right, c->bottom, "axis");
    mnas_chart_text(c, (c->left + c->right) / 2, c->height - 8, "middle", "name", x_label);
    mnas_chart_text(c, 4, 14, "start", "name", y_label);
}

void mnas_chart_end(mnas_chart *c) {
    mnas_str_append(c->out, "</svg>\n");
}

void mnas_chart_key(mnas_str *out, const char *class, const char *shape, const char *words) {
    mnas_str_appendf(out,
                     "<span><svg class=\"key\" viewBox=\"0 0 22 12\"><%s class=\"%s\"/></svg>%s</span>\n",
                     shape, class, words);
}
