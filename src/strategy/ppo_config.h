/* ppo_config.h - options of strategy `ppo` and the presets behind them. An option that is not given is the preset's. */
#ifndef MNAS_STRATEGY_PPO_CONFIG_H
#define MNAS_STRATEGY_PPO_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/strategy.h"

typedef struct mnas_ppo_opts { /* as parsed; unset fields are NaN or MNAS_OPT_UNSET */
    mnas_strategy_options common;
    int64_t preset, hidden, embedding, batch, epochs, normalize;
    double lr, clip, entropy, baseline_decay, grad_clip, temperature, init;
} mnas_ppo_opts;

extern const mnas_opt mnas_ppo_opt_table[];

typedef struct mnas_ppo_config { /* resolved */
    int64_t hidden, embedding;   /* LSTM units, inputs */
    int64_t batch, epochs;       /* proposals an update, Adam steps an update */
    double lr, clip, entropy;    /* Adam's; eps and beta of ppo_loss.h */
    double baseline_decay;       /* weight of the old baseline when a reward comes in */
    double grad_clip;            /* limit of the gradient's norm; 0: none */
    double temperature, init;    /* of the softmaxes; parameters start uniform in [-init, init] */
    bool normalize;              /* advantages over the running standard deviation of the rewards */
} mnas_ppo_config;

mnas_ppo_config mnas_ppo_config_resolve(const mnas_ppo_opts *opts, int n_trials);

#endif
