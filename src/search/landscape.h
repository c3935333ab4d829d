/* landscape.h - a space too large for any table, as a world: a function of the decisions, fitted to a part of its networks.
 *
 * Accuracy is what a Gaussian process of the decisions expects (predictor.h) plus a residual that belongs to the network, drawn by a
 * hash of its encoding with the deviation that such a fit has on networks it has not seen: so it is as rough as the part that was
 * trained. A second objective is fitted in logarithms, without residual; descriptors by ridge regression, since strategies
 * ask for many. Nobody knows the optimum.
 */
#ifndef MNAS_SEARCH_LANDSCAPE_H
#define MNAS_SEARCH_LANDSCAPE_H

#include "search/nas_table.h"
#include "search/predictor.h"
#include "search/world.h"

enum { MNAS_LANDSCAPE_FEATURES = 16 };

typedef struct mnas_landscape {
    const mnas_nas_table *table;                /* the caller's */
    mnas_predictor *accuracy, *report, *second; /* report NULL: accuracy's; second NULL: none */
    mnas_predictor *features[MNAS_LANDSCAPE_FEATURES];
    double residual_sd, report_residual_sd; /* fractions */
    double tau;                             /* of the fit to a part, on the others */
} mnas_landscape;

/* Takes n^3 for n rows. Close it also after a failure. */
int mnas_landscape_open(mnas_world *out, mnas_landscape *self, const mnas_nas_table *table,
                        bool more_is_better, int n_threads);
void mnas_landscape_close(mnas_landscape *self);

#endif
