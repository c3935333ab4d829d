/* curve.c - see curve.h. */
#include "search/curve.h"

#include <assert.h>
#include <math.h>

#include "search/pareto.h"

int mnas_curve_fit(mnas_curve *out, const double *accuracy_frac, const double *ms, size_t n, size_t *room) {
    *out = (mnas_curve){.accuracy_frac = accuracy_frac, .ms = ms, .front = room};
    return mnas_pareto_front(accuracy_frac, ms, n, room, &out->n);
}

int mnas_curve_side(const mnas_curve *c, double accuracy_frac) {
    assert(c->n >= 1);
    if (accuracy_frac < c->accuracy_frac[c->front[0]]) return -1;
    return accuracy_frac > c->accuracy_frac[c->front[c->n - 1]];
}

/* The index k of the part front[k] .. front[k + 1] that holds `value`, where `of` ascends along the front; the curve has two
 * points or more, and `value` lies between its ends. */
static size_t part_of(const mnas_curve *c, const double *of, double value) {
    size_t k = 0;
    while (k + 2 < c->n && of[c->front[k + 1]] < value) k++;
    return k;
}

double mnas_curve_ms_at(const mnas_curve *c, double accuracy_frac) {
    int side = mnas_curve_side(c, accuracy_frac);
    if (side < 0 || c->n == 1) return c->ms[c->front[0]];
    if (side > 0) return c->ms[c->front[c->n - 1]];
    size_t k = part_of(c, c->accuracy_frac, accuracy_frac), a = c->front[k], b = c->front[k + 1];
    double share = (accuracy_frac - c->accuracy_frac[a]) / (c->accuracy_frac[b] - c->accuracy_frac[a]);
    return c->ms[a] * pow(c->ms[b] / c->ms[a], share);
}

double mnas_curve_accuracy_at(const mnas_curve *c, double ms) {
    assert(c->n >= 1);
    size_t first = c->front[0], last = c->front[c->n - 1];
    if (ms <= c->ms[first]) return c->accuracy_frac[first];
    if (ms >= c->ms[last]) return c->accuracy_frac[last];
    size_t k = part_of(c, c->ms, ms), a = c->front[k], b = c->front[k + 1];
    double share = log(ms / c->ms[a]) / log(c->ms[b] / c->ms[a]);
    return c->accuracy_frac[a] + share * (c->accuracy_frac[b] - c->accuracy_frac[a]);
}
