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

/* ACC(m) * [LAT(m) / T]^w, w = alpha if LAT(m) <= T, beta otherwise (paper equations 2 and 3); a factor for each device */
static double product(const mnas_reward *r, double accuracy_frac, const double *latency_ms) {
    double value = accuracy_frac;
    for (int d = 0; d < r->n_devices; d++) {
        const double w = latency_ms[d] <= r->target_ms[d] ? r->alpha : r->beta;
        value *= pow(latency_ms[d] / r->target_ms[d], w);
    }
    return value;
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

/* ACC + b * |LAT / T - 1|, mean over devices: being too fast costs as much as being too slow */
static double absolute(const mnas_reward *r, double accuracy_frac, const double *latency_ms) {
    double sum = 0;
    for (int d = 0; d < r->n_devices; d++) sum += fabs(latency_ms[d] / r->target_ms[d] - 1);
    return accuracy_frac + r->beta * (sum / r->n_devices);
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

int mnas_reward_open(mnas_reward *out, const char *spec, const double *target_ms, int n_devices) {
    const mnas_plugin *found;
    void *opts;
    assert(n_devices >= 1 && n_devices <= MNAS_MAX_DEVICES);
    *out = (mnas_reward){.n_devices = n_devices, .n_target = N_TARGET};
    for (int d = 0; d < n_devices; d++) {
        out->target_ms[d] = target_ms[d];
        if (!isnan(target_ms[d]) && !(target_ms[d] > 0 && target_ms[d] <= 1e9))
            return mnas_error_set(MNAS_ERR_ARG, "target is %g ms; allowed: more than 0, at most 1e9",
                                  target_ms[d]);
    }
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

void mnas_reward_latencies(double *ms, int n_devices, const mnas_latency *first, const mnas_latency *others,
                           int n_others) {
    ms[0] = first->median_ms;
    for (int d = 1; d < n_devices; d++) ms[d] = d <= n_others ? others[d - 1].median_ms : (double)NAN;
}

double mnas_reward_value(const mnas_reward *reward, double accuracy_frac, const double *latency_ms) {
    assert(isfinite(accuracy_frac) && accuracy_frac >= 0 && accuracy_frac <= 1);
    for (int d = 0; d < reward->n_devices; d++) assert(isfinite(latency_ms[d]) && latency_ms[d] > 0);
    assert(mnas_reward_n_needed(reward) == 0);
    return reward->class->value(reward, accuracy_frac, latency_ms);
}

/* ---- calibration ---- */

static bool lacks_target(const mnas_reward *reward) {
    bool lacks = false;
    for (int d = 0; d < reward->n_devices; d++) lacks = lacks || isnan(reward->target_ms[d]);
    return lacks;
}

int mnas_reward_n_needed(const mnas_reward *reward) {
    const int for_target = lacks_target(reward) ? reward->n_target : 0;
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

/* A target that was not given: the median of the first latencies on device d. `room` holds n. */
static void find_target(mnas_reward *r, int d, const double *latency_ms, size_t n, double *room) {
    const size_t n_target = n < (size_t)r->n_target ? n : (size_t)r->n_target;
    if (!isnan(r->target_ms[d])) return;
    for (size_t i = 0; i < n_target; i++) room[i] = latency_ms[i * (size_t)r->n_devices + (size_t)d];
    r->target_ms[d] = mnas_stats_median(room, n_target);
}

/* prod_d LAT_d, which stands for one latency: targets would only shift its logarithm, and a slope does not see that. */
static void combine(const mnas_reward *r, const double *latency_ms, size_t n, double *combined) {
    for (size_t i = 0; i < n; i++) {
        combined[i] = latency_ms[i * (size_t)r->n_devices];
        for (int d = 1; d < r->n_devices; d++)
            combined[i] *= latency_ms[i * (size_t)r->n_devices + (size_t)d];
    }
}

int mnas_reward_calibrate(mnas_reward *reward, const double *accuracy_frac, const double *latency_ms,
                          size_t n) {
    assert(n >= 1);
    double *room = calloc(n, sizeof *room), w = 0;
    if (!room) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: calibration on %zu trials", n);
    for (int d = 0; d < reward->n_devices; d++) find_target(reward, d, latency_ms, n, room);
    combine(reward, latency_ms, n, room);
    const int rc = reward->w_auto ? find_w(&w, accuracy_frac, room, n) : 0;
    free(room);
    if (rc < 0 || !reward->w_auto) return rc;
    reward->alpha = reward->beta = w;
    reward->w_auto = false;
    return 0;
}
