/* gp.h - Gaussian process regression over proposals: from tokens, descriptors and targets of some networks to mean and deviation
 * of the target of any other (Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1).
 *
 * The kernel of proposals a and b with descriptors u and v:
 *     k = A exp(-sum_t w_t d_t(a_t, b_t))  +  B / T sum_t ([a_t = b_t] - 1 / n_t)     decisions: together, and each for itself
 *       + C exp(-|u - v|^2 / 2 l^2)        +  E / D u.v                               descriptors: nearby, and linear
 *       + N [a is b]                                                                   noise
 * d_t is the squared distance of ranks, scaled to 0 .. 1, for a decision whose choices have an order, else 0 for equal choices
 * and 1 for different ones. The settings (logs of A, B, C, E, N, l and every w_t) maximise the likelihood of the targets
 * times a wide prior (gp_settings.c).
 *
 * Targets and descriptors should have about mean 0 and deviation 1: scaling is the caller's (surrogate.h), and so is which
 * networks take part. Nothing here is random. Invariant: the factor of n points is, to the bit, a function of settings, points
 * and their order, whether they came one by one or at once; so a stored process is its settings and its points.
 */
#ifndef MNAS_STRATEGY_GP_H
#define MNAS_STRATEGY_GP_H

#include "mnas.h"

/* Settings that all problems have; behind them one w_t for each decision. */
enum { MNAS_GP_A, MNAS_GP_B, MNAS_GP_C, MNAS_GP_E, MNAS_GP_N, MNAS_GP_L, MNAS_GP_SHARED };

typedef struct mnas_gp_pair {
    double distance, same; /* w_t d_t, and what the linear term adds */
} mnas_gp_pair;

typedef struct mnas_gp {
    size_t n_decisions, n_descriptors, n_settings;
    size_t *n_choices, *table_at; /* where decision t's [n_t, n_t] entries begin */
    double *distance;             /* d_t */
    mnas_gp_pair *table;          /* under the present settings */
    double *settings;             /* [n_settings], logs */
    size_t n, room;
    int *tokens;         /* [n, n_decisions] */
    double *descriptors; /* [n, n_descriptors] */
    double *factor;      /* packed, linalg.h */
    double *weights;     /* K^-1 targets, of the last mnas_gp_set_targets */
    double *row;         /* [room] scratch */
} mnas_gp;

int mnas_gp_create(mnas_gp *gp, const mnas_decision *decisions, size_t n_decisions, size_t n_descriptors);
void mnas_gp_destroy(mnas_gp *gp); /* a zeroed one is allowed */

/* Of the same problem and another length of memory: all points leave. */
void mnas_gp_set_settings(mnas_gp *gp, const double *settings);
/* Settings of the largest posterior for these points, from the present ones; all points leave. Costs n^3 for each step. */
int mnas_gp_search_settings(mnas_gp *gp, const int *tokens, const double *descriptors, const double *targets,
                            size_t n, int n_steps);
/* -log likelihood - log prior (but for constants) of the settings given, and its gradient where asked for. */
int mnas_gp_likelihood(mnas_gp *gp, const double *settings, const int *tokens, const double *descriptors,
                       const double *targets, size_t n, double *value, double *gradient);

/* n more points; targets follow. O(n_points^2) each. */
int mnas_gp_add(mnas_gp *gp, const int *tokens, const double *descriptors, size_t n);
void mnas_gp_truncate(mnas_gp *gp, size_t n); /* drops the last ones */
void mnas_gp_set_targets(mnas_gp *gp, const double *targets);

double mnas_gp_noise(const mnas_gp *gp); /* on the diagonal */
/* sd NULL: not asked for. Without noise. A process without points knows its prior. */
void mnas_gp_predict(mnas_gp *gp, const int *tokens, const double *descriptors, double *mean, double *sd);

#endif
