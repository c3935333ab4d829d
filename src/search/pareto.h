/* pareto.h - which networks no other one beats: accuracy up, latency down, on one device or on each of several. */
#ifndef MNAS_SEARCH_PARETO_H
#define MNAS_SEARCH_PARETO_H

#include <stdbool.h>
#include <stddef.h>

/* Indices of the front into front[n], fastest first. A point with a number that is not finite is on no
 * front; of equal points the first counts. */
int mnas_pareto_front(const double *accuracy_frac, const double *latency_ms, size_t n, size_t *front,
                      size_t *n_front);
/* The same of latency_ms[n][n_devices]: no other point is as accurate and on every device as fast. Fastest on the first
 * device first. */
int mnas_pareto_front_of(const double *accuracy_frac, const double *latency_ms, size_t n_devices, size_t n,
                         size_t *front, size_t *n_front);
/* The area that a front dominates: of the points better than the reference in accuracy and in cost, a latency or the negative of
 * what is to be large, all that some point is as good as in both. In units of accuracy x cost; 0 where none is better. */
int mnas_pareto_hypervolume(double *out, const double *accuracy, const double *cost, size_t n,
                            double worst_accuracy, double worst_cost);
/* Whether a trial of this number is on a front, as mnas_study_front gives it. */
bool mnas_pareto_contains(const int *front, int n_front, int number);

#endif
