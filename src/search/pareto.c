/* pareto.c - see pareto.h. One sort by (latencies, -accuracy, index) and one sweep: in that order a point can be beaten
 * by earlier ones alone, and is exactly when one of the front so far beats it. */
#include "search/pareto.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

typedef struct point {
    double accuracy;
    const double *latency; /* [n] */
    size_t n, index;
} point;

static int compare(const void *a, const void *b) {
    const point *x = a, *y = b;
    for (size_t d = 0; d < x->n; d++)
        if (x->latency[d] != y->latency[d]) return x->latency[d] < y->latency[d] ? -1 : 1;
    if (x->accuracy != y->accuracy) return x->accuracy > y->accuracy ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static bool beats(const point *x, const point *y) {
    if (x->accuracy < y->accuracy) return false;
    for (size_t d = 0; d < x->n; d++)
        if (x->latency[d] > y->latency[d]) return false;
    return true;
}

static bool is_finite(const point *p) {
    bool finite = isfinite(p->accuracy);
    for (size_t d = 0; d < p->n; d++) finite = finite && isfinite(p->latency[d]);
    return finite;
}

/* Moves the front to the beginning of points; returns how many. The last of the front is the likeliest to beat. */
static size_t sweep(point *points, size_t n) {
    size_t n_front = 0;
    qsort(points, n, sizeof *points, compare);
    for (size_t i = 0; i < n; i++) {
        size_t k = n_front;
        while (k > 0 && !beats(&points[k - 1], &points[i])) k--;
        if (k == 0) points[n_front++] = points[i];
    }
    return n_front;
}

int mnas_pareto_front_of(const double *accuracy_frac, const double *latency_ms, size_t n_devices, size_t n,
                         size_t *front, size_t *n_front) {
    point *points = calloc(n ? n : 1, sizeof *points);
    size_t n_points = 0;
    if (!points) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: front of %zu networks", n);
    for (size_t i = 0; i < n; i++) {
        points[n_points] = (point){accuracy_frac[i], latency_ms + i * n_devices, n_devices, i};
        n_points += is_finite(&points[n_points]);
    }
    *n_front = sweep(points, n_points);
    for (size_t i = 0; i < *n_front; i++) front[i] = points[i].index;
    free(points);
    return 0;
}

int mnas_pareto_front(const double *accuracy_frac, const double *latency_ms, size_t n, size_t *front,
                      size_t *n_front) {
    return mnas_pareto_front_of(accuracy_frac, latency_ms, 1, n, front, n_front);
}

/* The front ascends in both: each of its points adds a strip between the accuracy before it and its own. */
int mnas_pareto_hypervolume(double *out, const double *accuracy, const double *cost, size_t n,
                            double worst_accuracy, double worst_cost) {
    size_t *front = calloc(n ? n : 1, sizeof *front), n_front;
    double reached = worst_accuracy, area = 0;
    if (!front) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: front of %zu networks", n);
    const int rc = mnas_pareto_front(accuracy, cost, n, front, &n_front);
    for (size_t i = 0; i < n_front && rc == 0; i++) {
        const double above = accuracy[front[i]] - reached, below = worst_cost - cost[front[i]];
        if (!(above > 0 && below > 0)) continue;
        area += above * below;
        reached += above;
    }
    free(front);
    *out = area;
    return rc;
}

bool mnas_pareto_contains(const int *front, int n_front, int number) {
    for (int i = 0; i < n_front; i++)
        if (front[i] == number) return true;
    return false;
}
