/* window.c - see window.h. */
#include "search/window.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const double widest_frac = 0.9;

int mnas_window_open(mnas_window *out, double frac, double target_ms, int n_devices) {
    *out = (mnas_window){0};
    if (frac == 0) return 0;
    if (!(frac > 0 && frac <= widest_frac))
        return mnas_error_set(MNAS_ERR_ARG, "window is %g; allowed: 0 (none) to %g, a fraction of target-ms",
                              frac, widest_frac);
    if (n_devices != 1)
        return mnas_error_set(
            MNAS_ERR_ARG,
            "a window is of one device, and there are %d; search on the one whose latency is "
            "asked for",
            n_devices);
    if (isnan(target_ms))
        return mnas_error_set(MNAS_ERR_ARG,
                              "window needs a target-ms: the latency to hit must be known beforehand");
    *out = (mnas_window){(1 - frac) * target_ms, target_ms};
    return 0;
}

bool mnas_window_read(mnas_window *out, const char *frac, const char *target_ms) {
    double f = 0, target = 0;
    *out = (mnas_window){0};
    if (!frac || !target_ms || !mnas_str_to_f64(frac, &f) || !mnas_str_to_f64(target_ms, &target))
        return false;
    if (!(f > 0 && f <= widest_frac && target > 0)) return false;
    *out = (mnas_window){(1 - f) * target, target};
    return true;
}

bool mnas_window_is_set(const mnas_window *w) {
    return w->high_ms > 0;
}

bool mnas_window_holds(const mnas_window *w, double ms) {
    return ms >= w->low_ms && ms <= w->high_ms;
}

bool mnas_trial_is_pruned_for(const mnas_trial *trial, const char *reason) {
    return trial->state == MNAS_TRIAL_PRUNED && strcmp(trial->reason, reason) == 0;
}

/* ---- what came of it ---- */

void mnas_landing_begin(mnas_landing *out, const mnas_window *window) {
    *out = (mnas_landing){.low_ms = window->low_ms,
                          .high_ms = window->high_ms,
                          .best = -1,
                          .best_ms = NAN,
                          .best_reward = NAN,
                          .below_ms = NAN,
                          .above_ms = NAN,
                          .final = -1,
                          .final_ms = NAN};
}

static void count_latency(mnas_landing *l, double ms) {
    const mnas_window window = {l->low_ms, l->high_ms};
    l->n_measured++;
    if (mnas_window_holds(&window, ms))
        l->n_inside++;
    else if (ms < l->low_ms)
        l->below_ms = fmax(l->below_ms, ms); /* of NaN and a number it is the number */
    else
        l->above_ms = fmin(l->above_ms, ms);
}

void mnas_landing_count(mnas_landing *l, const mnas_trial *t) {
    if (isfinite(t->latency.median_ms)) count_latency(l, t->latency.median_ms);
    l->n_screened += mnas_trial_is_pruned_for(t, MNAS_PRUNED_SCREENED);
    if (t->state != MNAS_TRIAL_COMPLETE) return;
    l->n_trained++;
    if (l->best >= 0 && !(t->reward > l->best_reward)) return;
    l->best = t->number;
    l->best_ms = t->latency.median_ms;
    l->best_reward = t->reward;
}

void mnas_landing_count_final(mnas_landing *l, const mnas_final *final) {
    if (!final->chosen) return;
    l->final = final->number;
    l->final_ms = final->latency.median_ms;
}
