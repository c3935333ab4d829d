/* ppo_config.h - options of strategy `ppo` and the presets behind them. An option that is not given is the preset's. */
#ifndef MNAS_STRATEGY_PPO_CONFIG_H
#define MNAS_STRATEGY_PPO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/strategy.h"

typedef struct mnas_ppo_opts { /* as parsed; unset fields are NaN or MNAS_OPT_UNSET */
    mnas_strategy_options common;
    int64_t preset, policy, hidden, embedding, start, batch, epochs, normalize, best, fresh;
    double lr, clip, entropy, replay, baseline_decay, grad_clip, temperature, init;
} mnas_ppo_opts;

extern const mnas_opt mnas_ppo_opt_table[];

typedef enum { MNAS_PPO_RAW, MNAS_PPO_RUNNING, MNAS_PPO_BATCH } mnas_ppo_advantage;

typedef struct mnas_ppo_config { /* resolved */
    int64_t hidden, embedding;   /* LSTM units, inputs; 0, 0: independent softmaxes */
    int64_t start;               /* proposals that are uniform at first */
    int64_t batch, epochs;       /* proposals an update, Adam steps an update */
    double lr, clip, entropy;    /* Adam's; eps and beta of ppo_loss.h */
    int64_t best;                /* networks whose likelihood each step raises, too */
    double replay;               /* weight of that; 0: none */
    double baseline_decay;       /* weight of the old baseline when a reward comes in */
    double grad_clip;            /* limit of the gradient's norm; 0: none */
    double temperature, init;    /* of the softmaxes; parameters start uniform in [-init, init] */
    mnas_ppo_advantage
        advantage; /* reward less the running mean; that over the running deviation; or both of the batch */
    bool fresh;    /* known networks are not proposed again while others are found */
} mnas_ppo_config;

bool mnas_ppo_is_paper(const mnas_ppo_opts *opts); /* preset=paper */
mnas_ppo_config mnas_ppo_config_resolve(const mnas_ppo_opts *opts, int n_trials);

#endif
