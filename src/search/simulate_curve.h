/* simulate_curve.h - what runs come to: per run its state after 10, 20, 50, 100, ... networks, and over runs the curve of a
 * strategy. It searches nothing.
 */
#ifndef MNAS_SEARCH_SIMULATE_CURVE_H
#define MNAS_SEARCH_SIMULATE_CURVE_H

#include "search/simulate.h"

/* Where curves have their points: 10, 20, 50, 100, ... below `trials`, and `trials`. Returns how many, at most MNAS_SIM_POINTS. */
enum { MNAS_SIM_POINTS = 32 };
int mnas_sim_points(int trials, int n[MNAS_SIM_POINTS]);

/* The state of a run after its first n networks; fractions, NaN while there is none. */
typedef struct mnas_sim_state {
    bool reached;
    double best, chosen; /* values */
    double chosen_accuracy, chosen_second;
    double finalist;    /* NaN without finalists */
    double posterior;   /* NaN where it is not asked for */
    double hypervolume; /* NaN without a second objective */
} mnas_sim_state;

/* What a world's best are worth, and where hypervolumes begin. Fractions. */
typedef struct mnas_sim_scale {
    double optimum, second_best; /* NaN where nobody knows */
    double worst_accuracy, worst_second;
    double hypervolume_all;
    double mean, sd; /* value of the known */
    size_t n;        /* of those, in the window where there is one */
} mnas_sim_scale;

int mnas_sim_scale_of(mnas_sim_scale *out, const mnas_sim_setup *setup);
int mnas_sim_state_of(mnas_sim_state *out, const mnas_sim_record *record, int n, const mnas_sim_setup *setup,
                      const mnas_sim_scale *scale);
/* Of the run's first n networks; the world has a second objective. */
int mnas_sim_hypervolume(double *out, const mnas_sim_record *record, int n, const mnas_world *world,
                         const mnas_sim_scale *scale);
/* Value of the finalist that wins after n evaluations, the finalists' among them; left alone where these are too few. */
int mnas_sim_choose_finalist(double *value, const mnas_sim_record *record, int n,
                             const mnas_sim_setup *setup);
/* Value of the network with the best posterior mean among the first n_trials >= 1, whose tokens the record has. */
int mnas_sim_choose_posterior(double *value, const mnas_sim_record *record, int n_trials,
                              const mnas_sim_setup *setup);
/* states[n_seeds] of a strategy and of the random search with the same seeds (NULL: no test), after n networks. */
int mnas_sim_point_of(mnas_simulated_point *out, int n, const mnas_sim_state *states,
                      const mnas_sim_state *random, int n_seeds, const mnas_sim_scale *scale);

#endif
