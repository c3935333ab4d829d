/* simulate.h - one search of a world without any training, and what is kept of it.
 *
 * It drives a strategy by the rules of a real search (history.h): its delay, its bounds on repeats and failures, repeats that
 * cost nothing, failed trials. A trial ends the moment it is proposed. Observed accuracy = true accuracy + noise, the
 * noise a function of (seed, network): who asks again hears the same, and so does another strategy with that seed.
 *
 * With rungs a training goes from one to the next as its bracket allows (rungs.h): accuracies on the way are the world's.
 *
 * A run is a small machine: mnas_sim_run_step() proposes once, mnas_sim_run_is_over() says when it ends; the record
 * is complete after every step.
 */
#ifndef MNAS_SEARCH_SIMULATE_H
#define MNAS_SEARCH_SIMULATE_H

#include "search/history.h"
#include "search/reward.h"
#include "search/window.h"
#include "search/world.h"
#include "strategy/strategy.h"

typedef struct mnas_sim_setup { /* of all runs */
    const mnas_world *world;
    const mnas_reward *reward; /* NULL: the reward is the accuracy */
    mnas_window window;        /* in the reward's terms: of a throughput its inverse */
    double noise_frac;
    int trials, delay;
    int finalists, finalist_repeats; /* 0: none */
    bool finalist_race;
    bool posterior;                     /* what is believed best is asked for, too: tokens are kept */
    mnas_rungs_plan rungs;              /* all 0: every training goes to the end */
    double rung_epochs[MNAS_MAX_RUNGS]; /* that trainings have had at each rung; the last: whole ones */
} mnas_sim_setup;

/* A network that was evaluated. */
typedef struct mnas_sim_trial {
    uint64_t id;
    mnas_world_value truth;
    double accuracy_frac; /* observed */
    double observed,
        value; /* the reward of what was observed; of the truth, on what is reported. Fractions */
} mnas_sim_trial;

typedef struct mnas_sim_record {
    uint64_t seed;
    int *tokens;            /* [n][n_decisions], or NULL: not kept */
    mnas_sim_trial *trials; /* [n], in the order of evaluation; room for all wanted */
    int n, n_failed, n_repeats;
    int n_looks; /* networks whose second objective was looked at: those evaluated, and those outside the window */
    int64_t n_proposals;
    bool exhausted; /* it ended before its last trial */
    int n_begun;    /* trainings; with rungs most are stopped before their end, and are none of `trials` */
    double epochs;  /* that all of them had, with rungs */
} mnas_sim_record;

typedef struct mnas_sim_run {
    const mnas_sim_setup *setup;
    uint64_t seed;
    mnas_strategy *strategy;
    mnas_history history;
    mnas_sim_record *record;
    int *tokens;
} mnas_sim_run;

/* Value of an accuracy and a second objective; `second` in its column's unit. */
double mnas_sim_value(const mnas_sim_setup *setup, double accuracy_frac, double second);
/* Whether a network may be evaluated: it lies in the window, where there is one. */
bool mnas_sim_is_inside(const mnas_sim_setup *setup, double second);
/* What the second objective is to a reward: a latency as it is, of a throughput its inverse. */
double mnas_sim_latency(const mnas_world *world, double second);

/* What `n` evaluations of a network show on average, the first among them. */
double mnas_sim_observe(const mnas_sim_setup *setup, uint64_t seed, uint64_t id, double accuracy_frac, int n);

/* A whole run. record->trials must have room for setup->trials. */
int mnas_sim_search(mnas_sim_record *record, const mnas_sim_setup *setup, const char *strategy,
                    uint64_t seed);

int mnas_sim_run_open(mnas_sim_run *out, const mnas_sim_setup *setup, const char *strategy, uint64_t seed,
                      mnas_sim_record *record);
int mnas_sim_run_step(mnas_sim_run *run);
bool mnas_sim_run_is_over(const mnas_sim_run *run);
void mnas_sim_run_close(mnas_sim_run *run);

#endif
