/* surrogate.h - a Gaussian process (gp.h) kept up with a growing list of networks: it scales what goes in and comes out,
 * chooses its settings anew as the list grows, and limits how many networks take part, so that a prediction stays cheap.
 *
 * Between two fits a new network is a row more of the factor. A fit comes when the list has grown by a quarter, or the members to a
 * quarter above their limit; it takes all networks up to a limit, then half of that, the best (or what the list ranks highest), and an
 * even spread of the others.
 *
 * Invariant: state is settings, scaling and members in their order, to which the factor is bound to the bit (gp.h).
 */
#ifndef MNAS_STRATEGY_SURROGATE_H
#define MNAS_STRATEGY_SURROGATE_H

#include "strategy/blob.h"
#include "strategy/gp.h"

typedef struct mnas_surrogate {
    mnas_gp gp;
    size_t limit;           /* networks that take part */
    double *center, *scale; /* of descriptors */
    double *scaled;         /* [n_descriptors] scratch */
    size_t *members;        /* [n_members] places in the list, in the process's order */
    double *targets;        /* [n_members] standardised */
    size_t n_members, room;
    size_t n_looked_at;     /* of the list */
    size_t n_usable_at_fit; /* 0: never fitted */
    double mean, sd;        /* of the members' values */
} mnas_surrogate;

/* The list: tokens[n, n_decisions], descriptors[n, n_descriptors], and a value each, larger is better; NaN: takes no part. */
typedef struct mnas_surrogate_list {
    size_t n;
    const int *tokens;
    const double *descriptors, *values;
    const double *ranks; /* which of them matter most, larger is more; NULL: the values */
} mnas_surrogate_list;

/* limit 0: all networks take part. */
int mnas_surrogate_create(mnas_surrogate *s, const mnas_decision *decisions, size_t n_decisions,
                          size_t n_descriptors, size_t limit);
void mnas_surrogate_destroy(mnas_surrogate *s); /* a zeroed one is allowed */

/* `list` is the earlier one, longer or as long; values may have changed. */
int mnas_surrogate_update(mnas_surrogate *s, const mnas_surrogate_list *list);
/* In units of the values; sd NULL: not asked for. */
void mnas_surrogate_predict(mnas_surrogate *s, const int *tokens, const double *descriptors, double *mean,
                            double *sd);
/* Of member i, what is believed of it now: the noise is taken out. */
double mnas_surrogate_posterior(const mnas_surrogate *s, size_t i);

/* Networks whose value is not known yet, believed to be as predicted: less is then to be learnt beside them. Until release. */
int mnas_surrogate_believe(mnas_surrogate *s, const int *tokens, const double *descriptors);
void mnas_surrogate_release(mnas_surrogate *s);

void mnas_surrogate_save(const mnas_surrogate *s, mnas_str *out);
/* Into a fresh one. The list as it was. */
int mnas_surrogate_load(mnas_surrogate *s, mnas_blob_reader *in, const mnas_surrogate_list *list);

#endif
