/* ridge.h - ridge regression on the choices of each decision and on descriptors: the plain prediction that a better one
 * must beat.
 *
 * Inputs: an indicator of each choice, and descriptors scaled to mean 0 and deviation 1. Its penalty is the one of a grid with
 * the least generalised cross-validation error (Golub, Heath & Wahba 1979) on the networks it is fitted to, and on nothing else.
 */
#ifndef MNAS_SEARCH_RIDGE_H
#define MNAS_SEARCH_RIDGE_H

#include "mnas.h"

typedef struct mnas_ridge {
    const mnas_decision *decisions; /* the caller's */
    size_t n_decisions, n_descriptors, n_inputs;
    double *weights;        /* [n_inputs]: of choices, decision by decision, then of descriptors */
    double *center, *scale; /* [n_descriptors] */
    double mean;            /* of the targets */
} mnas_ridge;

/* tokens[n, n_decisions], descriptors[n, n_descriptors], targets[n]; n >= 2. Free it also after a failure. */
int mnas_ridge_fit(mnas_ridge *out, const mnas_decision *decisions, size_t n_decisions, size_t n_descriptors,
                   const int *tokens, const double *descriptors, const double *targets, size_t n);
double mnas_ridge_predict(const mnas_ridge *ridge, const int *tokens, const double *descriptors);
void mnas_ridge_free(mnas_ridge *ridge);

#endif
