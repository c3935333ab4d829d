/* predictor.h - from networks whose accuracy is known to that of any other: the same question to several ways of answering it.
 *
 * `gp`: the Gaussian process that screens proposals (strategy/surrogate.h). `ridge`: the plain baseline (ridge.h). Settings
 * come from the networks it is fitted to alone. Threads may share a fitted one.
 */
#ifndef MNAS_SEARCH_PREDICTOR_H
#define MNAS_SEARCH_PREDICTOR_H

#include "mnas.h"

typedef struct mnas_predictor mnas_predictor;

typedef struct mnas_predictor_data {
    const mnas_decision *decisions; /* outlive the predictor */
    size_t n_decisions, n_descriptors, n;
    const int *tokens;         /* [n, n_decisions] */
    const double *descriptors; /* [n, n_descriptors] */
    const double *targets;     /* [n] */
} mnas_predictor_data;

/* name: "gp", "ridge"; MNAS_ERR_ARG names those there are. */
int mnas_predictor_fit(mnas_predictor **out, const char *name, const mnas_predictor_data *data);
int mnas_predictor_predict(const mnas_predictor *predictor, const int *tokens, const double *descriptors,
                           double *mean);
void mnas_predictor_free(mnas_predictor *predictor); /* NULL is allowed */
int mnas_predictor_check_name(const char *name);

#endif
