/* chart.h - the drawing of the report's charts as SVG: what they share, and nothing of what they show.
 *
 * A chart is begun, given its axes, framed, drawn into and ended. Each is drawn twice, for wide and narrow screens, so that
 * its text keeps a readable size; the style shows one of them. Colours come from the style, by class.
 */
#ifndef MNAS_SEARCH_CHART_H
#define MNAS_SEARCH_CHART_H

#include "base/str.h"

enum { MNAS_CHART_MAX_TICKS = 16 };

typedef struct mnas_chart_axis {
    double low, high; /* values at its ends */
    bool log;
    double start, end; /* pixels of its ends */
    int n_ticks, decimals;
    double ticks[MNAS_CHART_MAX_TICKS];
} mnas_chart_axis;

typedef struct mnas_chart {
    mnas_str *out;
    bool narrow;
    double width, height, left, right, top, bottom; /* pixels; the last four bound the plot */
    mnas_chart_axis x, y;
} mnas_chart;

void mnas_chart_begin(mnas_chart *c, mnas_str *out, bool narrow, double height, const char *label);
/* Around low..high with `room` of its length free on either side. */
void mnas_chart_set_axis(mnas_chart_axis *a, double low, double high, double room, bool log_scale,
                         int wanted);
void mnas_chart_frame(mnas_chart *c, const char *x_label, const char *y_label);
void mnas_chart_end(mnas_chart *c);

/* Where a chart of these values begins: the smallest, unless it lies far below the others. n >= 1. */
double mnas_chart_lower_fence(const double *values, int n);
double mnas_chart_at(const mnas_chart_axis *a, double value); /* pixels */
/* `anchor` is SVG's: start, middle or end. The words are escaped. */
void mnas_chart_text(mnas_chart *c, double x, double y, const char *anchor, const char *class,
                     const char *words);
void mnas_chart_line(mnas_chart *c, double x1, double y1, double x2, double y2, const char *class);

/* What a mark means, below the chart; `shape` is an SVG element without its brackets. */
void mnas_chart_key(mnas_str *out, const char *class, const char *shape, const char *words);

#endif
