/* simulate_rungs.h - what rungs save: the same strategy once with them, once training everything to the end, and how many epochs
 * each takes to the same hypervolume.
 *
 * Hypervolumes are of networks that were trained to the end, epochs those of all trainings, stopped ones counted.
 */
#ifndef MNAS_SEARCH_SIMULATE_RUNGS_H
#define MNAS_SEARCH_SIMULATE_RUNGS_H

#include "search/simulate_curve.h"

/* A world with accuracies on the way. `epochs` NULL or "": the plan's shares of one; else "1,3,9", one for each rung. */
int mnas_sim_rungs_open(mnas_sim_setup *setup, const mnas_rungs_plan *plan, const char *epochs);

/* One seed. Release with free(whole). */
typedef struct mnas_sim_rungs_state {
    double epochs, hypervolume;
    int n_begun, n_complete;
    double *whole; /* [trials + 1]: hypervolume after so many whole trainings */
} mnas_sim_rungs_state;

/* `whole` is the record of the run without rungs. */
int mnas_sim_rungs_run(mnas_sim_rungs_state *out, const mnas_sim_setup *setup, const char *strategy,
                       const mnas_sim_record *whole, const mnas_sim_scale *scale);
int mnas_sim_rungs_compare(mnas_simulated_rungs *out, const mnas_sim_rungs_state *states, int n_seeds,
                           const mnas_sim_setup *setup, const mnas_sim_scale *scale);

/* Kendall's tau between rung r and the end, over all networks of the world. */
double mnas_sim_rungs_tau(const mnas_sim_setup *setup, int rung);

#endif
