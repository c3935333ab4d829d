/* pareto.c - see pareto.h. One sort by (latency, -accuracy, index) and one sweep: a point is on the front
 * exactly when it is more accurate than everything faster. */
#include "search/pareto.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

typedef struct point {
    double accuracy, latency;
    size_t index;
} point;

static int compare(const void *a, const void *b) {
    const point *x = a, *y = b;
    if (x->latency != y->latency) return x->latency < y->latency ? -1 : 1;
    if (x->accuracy != y->accuracy) return x->accuracy > y->accuracy ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static size_t sweep(point *points, size_t n, size_t *front) {
    size_t n_front = 0;
    double best = -INFINITY;
    qsort(points, n, sizeof *points, compare);
    for (size_t i = 0; i < n; i++) {
        if (points[i].accuracy <= best) continue;
        best = points[i].accuracy;
        front[n_front++] = points[i].index;
    }
    return n_front;
}

int mnas_pareto_front(const double *accuracy_frac, const double *latency_ms, size_t n, size_t *front,
                      size_t *n_front) {
    point *points = calloc(n ? n : 1, sizeof *points);
    size_t n_points = 0;
    if (!points) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: front of %zu networks", n);
    for (size_t i = 0; i < n; i++)
        if (isfinite(accuracy_frac[i]) && isfinite(latency_ms[i]))
            points[n_points++] = (point){accuracy_frac[i], latency_ms[i], i};
    *n_front = sweep(points, n_points, front);
    free(points);
    return 0;
}

bool mnas_pareto_contains(const int *front, int n_front, int number) {
    for (int i = 0; i < n_front; i++)
        if (front[i] == number) return true;
    return false;
}
