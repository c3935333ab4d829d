/* loop.h - the search itself: propose, try, learn, until enough trials are complete.
 *
 * It is a deterministic function of (options, outcomes of trials): a resume runs the very same loop, in which
 * outcomes that the study has already come from its rows. The last snapshot lets it skip what lies before.
 */
#ifndef MNAS_SEARCH_LOOP_H
#define MNAS_SEARCH_LOOP_H

#include "data/dataset.h"
#include "search/reward.h"
#include "search/trial.h"
#include "strategy/strategy.h"

typedef struct mnas_loop_setup {
    const mnas_search_options *options; /* trials, jobs, seed, limits, progress, cancel */
    mnas_store *store;
    const mnas_space *space;
    const mnas_dataset_info *data;
    mnas_strategy *strategy; /* fresh */
    mnas_reward reward;      /* as opened from the options */
    int delay;               /* of the study */
    int n_calibrate; /* complete trials before the reward is calibrated; 0: it has its values already */
    double begun_s;  /* of the command, on the monotonic clock: max_minutes count from there */
    mnas_trial_context trial;     /* timeout_s, held_bytes and measure are set by the loop */
    mnas_measure_context measure; /* has_worked and, where it has, probe by what the study holds */
} mnas_loop_setup;

int mnas_loop_run(const mnas_loop_setup *setup);

/* The network that a space's tokens mean on this data. */
int mnas_loop_decode(const mnas_space *space, const mnas_dataset_info *data, const int *tokens,
                     mnas_model *out);

#endif
