/* curve.h - accuracy against latency of a family of networks, as a curve: its front, joined by lines that are straight in
 * the logarithm of latency.
 *
 * A network that another one of its family beats is no point of it, so that no family looks worse than its own best.
 * There is no extrapolation: outside, the nearest end is given, and the caller asks for the side.
 */
#ifndef MNAS_SEARCH_CURVE_H
#define MNAS_SEARCH_CURVE_H

#include <stddef.h>

typedef struct mnas_curve {
    const double *accuracy_frac, *ms; /* of all networks; the caller's */
    size_t *front; /* indices, fastest first: both numbers ascend strictly; the caller's room */
    size_t n;      /* on the front */
} mnas_curve;

/* Sets *out on accuracy_frac[n] and ms[n], with room[n] for the front. Numbers that are not finite are no point. */
int mnas_curve_fit(mnas_curve *out, const double *accuracy_frac, const double *ms, size_t n, size_t *room);

/* -1: less accurate than its fastest network; 1: more accurate than every one; 0: the curve reaches it. n >= 1. */
int mnas_curve_side(const mnas_curve *c, double accuracy_frac);
double mnas_curve_ms_at(const mnas_curve *c, double accuracy_frac);
double mnas_curve_accuracy_at(const mnas_curve *c, double ms);

#endif
