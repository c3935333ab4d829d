/* rung_summary.c - see rung_summary.h. */
#include "search/rung_summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"
#include "search/rungs.h"

_Static_assert((int)MNAS_MAX_RUNGS_OF_STUDY == (int)MNAS_MAX_RUNGS, "mnas.h repeats it");

/* Of those that went to the end: of the others nobody knows. values[2 n]. */
static void compare_with_end(mnas_rung *out, int rung, int last, const mnas_trial *const *trials, int n,
                             double *values) {
    double *at_rung = values, *at_end = values + n;
    for (int i = 0; i < n; i++) {
        const mnas_trial *t = trials[i];
        if (t->state != MNAS_TRIAL_COMPLETE || t->n_rungs <= last) continue;
        at_rung[out->n_compared] = t->rung_accuracy_frac[rung];
        at_end[out->n_compared++] = t->rung_accuracy_frac[last];
    }
    const size_t n_compared = (size_t)out->n_compared;
    out->tau = rung < last && n_compared >= 3 ? mnas_stats_kendall(at_rung, at_end, n_compared) : (double)NAN;
}

static void count(mnas_rung *out, int rung, const mnas_trial *const *trials, int n) {
    for (int i = 0; i < n; i++) {
        out->n_reached += trials[i]->n_rungs > rung;
        out->n_stopped += trials[i]->state == MNAS_TRIAL_PRUNED && trials[i]->n_rungs == rung + 1;
    }
}

int mnas_rung_summary(mnas_rung out[MNAS_MAX_RUNGS_OF_STUDY], const char *setting,
                      const mnas_trial *const *trials, int n) {
    mnas_rungs_plan plan = {.keep = 2}; /* how many went on is seen in the trials */
    if (!setting || sscanf(setting, "%d of factor %d", &plan.n, &plan.factor) != 2 || plan.n < 2 ||
        mnas_rungs_check(&plan) < 0)
        return 0;
    double *values = malloc((2 * (size_t)n + 1) * sizeof *values);
    if (!values) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: rungs of %d trials", n);
    for (int r = 0; r < plan.n; r++) {
        out[r] = (mnas_rung){.share = mnas_rungs_share(&plan, r)};
        count(&out[r], r, trials, n);
        compare_with_end(&out[r], r, plan.n - 1, trials, n, values);
    }
    free(values);
    return plan.n;
}
