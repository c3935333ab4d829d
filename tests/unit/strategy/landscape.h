/* landscape.h - a seeded synthetic table for the strategy tests: every decision and some pairs of decisions
 * have a worth, their sum is the reward, with noise. Over uniform random proposals the noiseless reward has
 * about mean 0.7 and standard deviation 0.05. No strategy sees anything of it but rewards. */
#ifndef MNAS_TESTS_LANDSCAPE_H
#define MNAS_TESTS_LANDSCAPE_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "strategy/strategy.h"

enum { LANDSCAPE_MAX_T = 64, LANDSCAPE_MAX_K = 8, LANDSCAPE_MAX_PAIRS = 64 };

typedef struct landscape {
    int n_decisions, n_pairs;
    mnas_decision decisions[LANDSCAPE_MAX_T];
    double single[LANDSCAPE_MAX_T][LANDSCAPE_MAX_K];
    int pair[LANDSCAPE_MAX_PAIRS][2];
    double joint[LANDSCAPE_MAX_PAIRS][LANDSCAPE_MAX_K][LANDSCAPE_MAX_K];
    double noise_sd; /* in units of the noiseless reward's standard deviation */
    mnas_rng noise;
} landscape;

static inline void landscape_make(landscape *l, int n_decisions, int n_choices, double noise_sd,
                                  uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 0, "landscape");
    memset(l, 0, sizeof *l);
    l->n_decisions = l->n_pairs = n_decisions;
    l->noise_sd = noise_sd;
    l->noise = mnas_rng_stream(seed, 0, "landscape-noise");
    for (int t = 0; t < n_decisions; t++) {
        snprintf(l->decisions[t].name, sizeof l->decisions[t].name, "d%d", t);
        l->decisions[t].n_choices = n_choices;
        for (int k = 0; k < n_choices; k++) l->single[t][k] = mnas_rng_normal(&rng);
    }
    for (int p = 0; p < l->n_pairs; p++) {
        l->pair[p][0] = (int)mnas_rng_below(&rng, (uint32_t)n_decisions);
        l->pair[p][1] = (int)mnas_rng_below(&rng, (uint32_t)n_decisions);
        for (int k = 0; k < n_choices; k++)
            for (int j = 0; j < n_choices; j++) l->joint[p][k][j] = 0.5 * mnas_rng_normal(&rng);
    }
}

/* Without noise. */
static inline double landscape_worth(const landscape *l, const int *tokens) {
    double sum = 0;
    for (int t = 0; t < l->n_decisions; t++) sum += l->single[t][tokens[t]];
    for (int p = 0; p < l->n_pairs; p++) sum += l->joint[p][tokens[l->pair[p][0]]][tokens[l->pair[p][1]]];
    return 0.7 + 0.05 * sum / sqrt(1.25 * l->n_decisions);
}

static inline double landscape_reward(landscape *l, const int *tokens) {
    return landscape_worth(l, tokens) + 0.05 * l->noise_sd * mnas_rng_normal(&l->noise);
}

#endif
