/* strategy_ppo.h - the controller's state, shown to this layer's tests; nobody else includes it. */
#ifndef MNAS_STRATEGY_STRATEGY_PPO_H
#define MNAS_STRATEGY_STRATEGY_PPO_H

#include "base/rng.h"
#include "strategy/adam.h"
#include "strategy/past.h"
#include "strategy/policy.h"
#include "strategy/ppo_config.h"

/* Sequences with what PPO must remember of them. */
typedef struct mnas_ppo_memory {
    size_t n;
    size_t room;
    int *tokens;       /* [room][T] */
    double *log_probs; /* [room][T], of the policy that proposed them */
    double *rewards;   /* [room] */
    int *failed;       /* [room] 1: the trial failed, its reward is 0 */
} mnas_ppo_memory;

typedef struct mnas_ppo {
    mnas_ppo_config config;
    size_t n_decisions;
    const mnas_decision *decisions;
    uint64_t seed;
    mnas_policy policy;
    mnas_adam adam;
    mnas_rng rng;          /* of the sampling */
    mnas_ppo_memory open;  /* proposed, not yet answered; oldest first; rewards and failed unused */
    mnas_ppo_memory batch; /* answered since the last update */
    mnas_past past;        /* kept where config.fresh or config.replay asks for it */
    int *best_tokens;      /* [config.best][T] scratch */
    size_t *best;          /* [config.best] scratch */
    uint64_t n_begun;      /* proposed, or observed without */
    double *grad, *advantages;
    int *marginal_tokens;    /* scratch */
    double baseline, spread; /* moving averages: of the reward; of its squared distance from the baseline */
    uint64_t n_averaged;     /* rewards in them */
    double entropy; /* of the present policy, mean over decisions, nats: along the last update's batch, or
                     * before any along the last proposal */
    uint64_t n_updates;
    double advantage_sign; /* 1; tests set -1 to see that learning is what makes the rewards rise */
} mnas_ppo;

#endif
