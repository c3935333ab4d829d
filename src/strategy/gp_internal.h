/* gp_internal.h - the kernel, shared by gp.c and gp_settings.c. */
#ifndef MNAS_STRATEGY_GP_INTERNAL_H
#define MNAS_STRATEGY_GP_INTERNAL_H

#include "strategy/gp.h"

/* What stands against the diagonal's rounding. */
#define MNAS_GP_JITTER 1e-6

/* The four terms apart; k is their sum. */
typedef struct mnas_gp_terms {
    double near, linear, descriptors_near, descriptors_linear, descriptors_distance;
} mnas_gp_terms;

/* Sums over decisions of the table's entries. */
mnas_gp_pair mnas_gp_compare(const mnas_gp *gp, const int *a, const int *b);
mnas_gp_terms mnas_gp_terms_of(const mnas_gp *gp, mnas_gp_pair sums, const double *u, const double *v);
static inline double mnas_gp_sum(mnas_gp_terms t) {
    return t.near + t.linear + t.descriptors_near + t.descriptors_linear;
}
/* Of the log of setting i, which is also where a search begins. */
double mnas_gp_prior_mean(const mnas_gp *gp, size_t i);
double mnas_gp_distance(const mnas_gp *gp, size_t t, int a, int b); /* d_t */

#endif
