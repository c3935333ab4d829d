/* reward.h - one number for accuracy and latency: MnasNet's product (paper equations 2 and 3) and the
 * absolute reward of TuNAS. Specs: `soft`, `soft:w=-0.02`, `soft:w=auto`, `hard`, `mnas:alpha=0,beta=-0.5`,
 * `abs:b=-0.07`.
 *
 * On several devices d with targets T_d it is the product over devices, ACC x prod_d (LAT_d / T_d)^w_d; of `abs`, whose terms
 * are added, ACC + b x mean_d |LAT_d / T_d - 1|.
 *
 * What is not given has to be found out first: targets (medians of the first latencies) and, with w=auto,
 * the exponent. Until mnas_reward_calibrate has been called such a reward has no value.
 */
#ifndef MNAS_SEARCH_REWARD_H
#define MNAS_SEARCH_REWARD_H

#include "base/registry.h"
#include "mnas.h"

typedef struct mnas_reward mnas_reward;

typedef struct mnas_reward_class {
    mnas_plugin plugin; /* first: registry.h */
    /* Fill alpha, beta, w_auto, n_calibrate from the options. */
    int (*configure)(mnas_reward *reward, const void *opts);
    double (*value)(const mnas_reward *reward, double accuracy_frac, const double *latency_ms);
} mnas_reward_class;

struct mnas_reward {
    const mnas_reward_class *class;
    double alpha, beta; /* exponents at or below, above the target; `abs`: beta is its factor b */
    int n_devices;
    double target_ms[MNAS_MAX_DEVICES]; /* NaN: to be calibrated */
    bool w_auto;                        /* alpha and beta are to be calibrated */
    int n_target;                       /* complete trials needed for the target: 10 */
    int n_calibrate;                    /* and for the exponent */
};

/* target_ms[n_devices], NaN: the median of the first latencies there. Errors are MNAS_ERR_ARG. */
int mnas_reward_open(mnas_reward *out, const char *spec, const double *target_ms, int n_devices);
/* Complete trials needed before it has values; 0: none. */
int mnas_reward_n_needed(const mnas_reward *reward);
/* From the first mnas_reward_n_needed() complete trials (fewer are taken as they are, at least 1), in their order;
 * latency_ms[n][n_devices]. */
int mnas_reward_calibrate(mnas_reward *reward, const double *accuracy_frac, const double *latency_ms,
                          size_t n);
/* The exponent where both sides of the target have the same one; NaN where they differ, where it is not
 * calibrated yet, and for a reward without an exponent. */
double mnas_reward_exponent(const mnas_reward *reward);
/* All finite, latency_ms[n_devices] positive. */
double mnas_reward_value(const mnas_reward *reward, double accuracy_frac, const double *latency_ms);
/* Medians on n_devices devices into ms, NaN for those that are not there. */
void mnas_reward_latencies(double *ms, int n_devices, const mnas_latency *first, const mnas_latency *others,
                           int n_others);

const mnas_plugin *const *mnas_reward_plugins(size_t *n);

#endif
