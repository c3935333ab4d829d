/* reward.c - the rewards as pure functions, and what is calibrated for them. It reads no study and no device.
 *
 * Invariant: a calibrated reward never changes: the rewards of one study can be compared with each other.
 */
#include "search/reward.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"
#include "base/str.h"
#include "search/pareto.h"

enum { N_TARGET = 10, MIN_FRONT = 3 };
/* A steeper exponent than the paper's hard limit's neighbourhood, or none at all, is noise of a front of few points. */
static const double steepest_w = -0.5, flattest_w = -0.005;

/* ---- MnasNet's ---- */

/* ACC(m) * [LAT(m) / T]^w, w = alpha if LAT(m) <= T, beta otherwise (paper equations 2 and 3) */
static double product(const mnas_reward *r, double accuracy_frac, double latency_ms) {
    const double w = latency_ms <= r->target_ms ? r->alpha : r->beta;
    return accuracy_frac * pow(latency_ms / r->target_ms, w);
}

typedef struct soft_opts {
    char w[MNAS_OPT_STR];
    int64_t n;
} soft_opts;

static const mnas_opt soft_options[] = {
    {"w", MNAS_OPT_STRING, offsetof(soft_opts, w), "-0.07", 0, 0, NULL,
     "exponent on both sides of the target, -1 to 0; auto: from the first trials, minus the slope of their "
     "front",
     NULL},
    {"calibrate", MNAS_OPT_INT, offsetof(soft_opts, n), "15", 3, 10000, "trials",
     "complete ones from which w=auto is found; they are proposed without feedback", NULL},
    MNAS_OPT_END};

static int configure_soft(mnas_reward *reward, const void *opts) {
    const soft_opts *o = opts;
    double w = 0;
    reward->w_auto = strcmp(o->w, "auto") == 0;
    reward->n_calibrate = reward->w_auto ? (int)o->n : 0;
    if (!reward->w_auto && (!mnas_str_to_f64(o->w, &w) || w < -1 || w > 0))
        return mnas_error_set(MNAS_ERR_ARG, "reward soft: w is \"%s\"; allowed: -1 to 0, or auto", o->w);
    reward->alpha = reward->beta = reward->w_auto ? NAN : w;
    return 0;
}

static int configure_hard(mnas_reward *reward, const void *opts) {
    (void)opts;
    reward->alpha = 0;
    reward->beta = -1;
    return 0;
}

typedef struct power_opts {
    double alpha, beta;
} power_opts;

static const mnas_opt power_options[] = {{"alpha", MNAS_OPT_FLOAT, offsetof(power_opts, alpha), "-0.07", -10,
                                          0, NULL, "exponent at or below the target", NULL},
                                         {"beta", MNAS_OPT_FLOAT, offsetof(power_opts, beta), "-0.07", -10, 0,
                                          NULL, "exponent above the target", NULL},
                                         MNAS_OPT_END};

static int configure_mnas(mnas_reward *reward, const void *opts) {
    const power_opts *o = opts;
    reward->alpha = o->alpha;
    reward->beta = o->beta;
    return 0;
}

/* ---- the absolute reward ---- */

/* ACC + b * |LAT / T - 1|: being too fast costs as much as being too slow */
static double absolute(const mnas_reward *r, double accuracy_frac, double latency_ms) {
    return accuracy_frac + r->beta * fabs(latency_ms / r->target_ms - 1);
}

typedef struct abs_opts {
    double b;
} abs_opts;

static const mnas_opt abs_options[] = {{"b", MNAS_OPT_FLOAT, offsetof(abs_opts, b), "-0.07", -10, 0, NULL,
                                        "accuracy for being away from the target by its whole", NULL},
                                       MNAS_OPT_END};

static int configure_abs(mnas_reward *reward, const void *opts) {
    reward->alpha = reward->beta = ((const abs_opts *)opts)->b;
    return 0;
}

/* ---- the list ---- */

static const mnas_reward_class mnas_reward_class_soft = {
    {"soft", "ACC x (LAT/T)^w, the paper's default", soft_options, sizeof(soft_opts)},
    configure_soft,
    product};
static const mnas_reward_class mnas_reward_class_hard = {
    {"hard", "ACC up to the target, ACC x T/LAT above it", NULL, 0}, configure_hard, product};
static const mnas_reward_class mnas_reward_class_mnas = {
    {"mnas", "ACC x (LAT/T)^alpha up to the target, ^beta above it", power_options, sizeof(power_opts)},
    configure_mnas,
    product};
static const mnas_reward_class mnas_reward_class_abs = {
    {"abs", "ACC + b |LAT/T - 1|, lands near the target", abs_options, sizeof(abs_opts)},
    configure_abs,
    absolute};

static const mnas_plugin *const plugins[] = {
#define X(name) &mnas_reward_class_##name.plugin,
#include "search/rewards.def"
#undef X
};

const mnas_plugin *const *mnas_reward_plugins(size_t *n) {
    *n = sizeof plugins / sizeof *plugins;
    return plugins;
}

int mnas_reward_open(mnas_reward *out, const char *spec, double target_ms) {
    const mnas_plugin *found;
    void *opts;
    *out = (mnas_reward){.target_ms = target_ms, .n_target = N_TARGET};
    if (!isnan(target_ms) && !(target_ms > 0 && target_ms <= 1e9))
        return mnas_error_set(MNAS_ERR_ARG, "target is %g ms; allowed: more than 0, at most 1e9", target_ms);
    int rc = mnas_registry_open(plugins, sizeof plugins / sizeof *plugins, "reward", spec, &found, &opts);
    if (rc < 0) return rc;
    out->class = (const mnas_reward_class *)found; /* plugin is the first member */
    rc = out->class->configure(out, opts);
    free(opts);
    return rc;
}

double mnas_reward_exponent(const mnas_reward *reward) {
    return reward->class->value == product && reward->alpha == reward->beta ? reward->alpha : (double)NAN;
}

double mnas_reward_value(const mnas_reward *reward, double accuracy_frac, double latency_ms) {
    assert(isfinite(accuracy_frac) && accuracy_frac >= 0 && accuracy_frac <= 1);
    assert(isfinite(latency_ms) && latency_ms > 0);
    assert(mnas_reward_n_needed(reward) == 0);
    return reward->class->value(reward, accuracy_frac, latency_ms);
}

/* ---- calibration ---- */

int mnas_reward_n_needed(const mnas_reward *reward) {
    const int for_target = isnan(reward->target_ms) ? reward->n_target : 0;
    const int for_w = reward->w_auto ? reward->n_calibrate : 0;
    return for_target > for_w ? for_target : for_w;
}

/* Logarithms of the points in `pick`; without an accuracy there is none. Returns how many. */
static size_t take_logs(const double *accuracy, const double *latency, const size_t *pick, size_t n,
                        double *log_acc, double *log_lat) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(accuracy[pick[i]] > 0)) continue;
        log_acc[m] = log(accuracy[pick[i]]);
        log_lat[m++] = log(latency[pick[i]]);
    }
    return m;
}

static double clamp_w(double w) {
    const double clamped = w < steepest_w ? steepest_w : w > flattest_w ? flattest_w : w;
    if (clamped != w)
        mnas_log_warn("w=auto gives %.4f, which no trade-off of accuracy for latency explains; taking %g", w,
                      clamped);
    return clamped;
}

/* Minus the slope of log accuracy over log latency: along the front all rewards are then alike, and neither
 * end of it is preferred. */
static int find_w(double *w, const double *accuracy, const double *latency, size_t n) {
    size_t *pick = calloc(n, sizeof *pick), n_pick = 0;
    double *logs = calloc(2 * n, sizeof *logs);
    int rc = pick && logs ? mnas_pareto_front(accuracy, latency, n, pick, &n_pick)
                          : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: calibration on %zu trials", n);
    if (rc < 0) goto out;
    if (n_pick < MIN_FRONT) {
        mnas_log_warn("w=auto: the first %zu trials have a front of %zu points; using all of them", n,
                      n_pick);
        for (n_pick = 0; n_pick < n; n_pick++) pick[n_pick] = n_pick;
    }
    const size_t m = take_logs(accuracy, latency, pick, n_pick, logs, logs + n);
    *w = clamp_w(m >= 2 ? -mnas_stats_slope(logs + n, logs, m) : 0);
out:
    free(logs);
    free(pick);
    return rc;
}

int mnas_reward_calibrate(mnas_reward *reward, const double *accuracy_frac, const double *latency_ms,
                          size_t n) {
    assert(n >= 1);
    if (isnan(reward->target_ms)) {
        const size_t n_target = n < (size_t)reward->n_target ? n : (size_t)reward->n_target;
        reward->target_ms = mnas_stats_median(latency_ms, n_target);
    }
    if (!reward->w_auto) return 0;
    double w = 0;
    const int rc = find_w(&w, accuracy_frac, latency_ms, n);
    if (rc < 0) return rc;
    reward->alpha = reward->beta = w;
    reward->w_auto = false;
    return 0;
}
