/* aim.h - where the window of asked latencies lies: a second Gaussian process, of the log latencies that were looked at, says how
 * likely a network is to fall inside (the constraint of Gardner et al., Bayesian Optimization with Inequality Constraints, 2014).
 *
 * It chooses nothing. It learns from measured latencies alone, of networks trained or not. Its state is a function of the
 * observations and of when it was asked to look at them.
 */
#ifndef MNAS_STRATEGY_AIM_H
#define MNAS_STRATEGY_AIM_H

#include "strategy/observations.h"
#include "strategy/surrogate.h"

typedef struct mnas_aim {
    double low, high; /* logs of the window's ends */
    size_t n_looks;
    mnas_surrogate latency;
    double *values; /* [room] -log latency of the observations; NaN: not measured */
    double *ranks;  /* [room] minus the distance from the window: of many looks the nearest count */
    size_t room;
} mnas_aim;

/* Of a problem with a window. */
int mnas_aim_create(mnas_aim *aim, const mnas_problem *problem, size_t n_descriptors);
void mnas_aim_destroy(mnas_aim *aim); /* a zeroed one is allowed */

/* Look at what is known by now. */
int mnas_aim_update(mnas_aim *aim, const mnas_observations *seen);
/* Does it know enough? After an update. */
bool mnas_aim_is_ready(const mnas_aim *aim);
/* That a measurement of this network lies in the window. */
double mnas_aim_probability(mnas_aim *aim, const int *tokens, const double *descriptors);

/* From the middle of the window, as a log. */
double mnas_aim_distance(const mnas_aim *aim, double latency_ms);

void mnas_aim_save(const mnas_aim *aim, mnas_str *out);
int mnas_aim_load(mnas_aim *aim, mnas_blob_reader *in, const mnas_observations *seen); /* into a fresh one */

#endif
