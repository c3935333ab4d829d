/* protocol.c - judges rounds; it measures nothing, reads no clock and no file. */
#include "device/protocol.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"

enum { min_clean_runs = 5 };

/* What counts of runs[n], at ms[]. */
typedef struct counted {
    int n, n_preempted, n_cpu_timed;
} counted;

static counted count_runs(double *ms, const mnas_run *runs, int n) {
    int n_clean = 0;
    counted c = {0};
    for (int i = 0; i < n; i++) n_clean += !runs[i].preempted;
    const bool all = n_clean < min_clean_runs;
    for (int i = 0; i < n; i++)
        if (all || !runs[i].preempted) ms[c.n++] = runs[i].preempted ? runs[i].cpu_ms : runs[i].ms;
    c.n_preempted = n - n_clean;
    c.n_cpu_timed = all ? c.n_preempted : 0;
    return c;
}

/* Median of the calm runs of one turn; NaN where there are none. */
static double turn_median(const mnas_run *runs, int n, int turn, double *scratch) {
    size_t k = 0;
    for (int i = 0; i < n; i++)
        if (runs[i].turn == turn && !runs[i].preempted) scratch[k++] = runs[i].ms;
    return k ? mnas_stats_median(scratch, k) : NAN;
}

/* Turn by turn, so that what changes between turns falls out; ratios[] has room for each turn. */
static double turn_ratio(const mnas_run *runs, int n, const mnas_run *sentinel, int n_sentinel,
                         double *scratch, double *ratios) {
    size_t k = 0;
    for (int turn = 0; turn <= runs[n - 1].turn; turn++) {
        const double ratio =
            turn_median(runs, n, turn, scratch) / turn_median(sentinel, n_sentinel, turn, scratch);
        if (isfinite(ratio)) ratios[k++] = ratio;
    }
    return k ? mnas_stats_median(ratios, k) : NAN;
}

int mnas_protocol_reduce_runs(mnas_round *out, const mnas_run *runs, int n, const mnas_run *sentinel,
                              int n_sentinel) {
    assert(n >= 1);
    const size_t most = (size_t)(n > n_sentinel ? n : n_sentinel);
    double *ms = malloc(2 * most * sizeof *ms);
    if (!ms) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu runs", most);
    const counted c = count_runs(ms, runs, n);
    out->runs = c.n;
    out->n_preempted = c.n_preempted;
    out->n_cpu_timed = c.n_cpu_timed;
    out->median_ms = mnas_stats_median(ms, (size_t)c.n);
    out->p10_ms = mnas_stats_quantile(ms, (size_t)c.n, 0.1);
    out->sentinel_ms = out->ratio = NAN;
    if (n_sentinel > 0) {
        const counted s = count_runs(ms, sentinel, n_sentinel);
        out->sentinel_ms = mnas_stats_median(ms, (size_t)s.n);
        out->ratio = turn_ratio(runs, n, sentinel, n_sentinel, ms, ms + most);
        if (isnan(out->ratio)) out->ratio = out->median_ms / out->sentinel_ms;
    }
    free(ms);
    return 0;
}

bool mnas_protocol_disturbed(const mnas_protocol *protocol, const mnas_round *round) {
    /* one switch may fall into any round, however short */
    const double allowed = fmax(1, protocol->max_switches_per_s * round->timed_s);
    return round->n_switches > allowed || round->cpu_frac < protocol->min_cpu_frac;
}

static void summarise(mnas_protocol_summary *out, const double *x, int n, double level) {
    out->n_used = n;
    if (n == 0) {
        out->median_ms = out->ci_low_ms = out->ci_high_ms = out->ci_level = NAN;
        out->half_width_frac = out->spread_frac = NAN;
        return;
    }
    out->median_ms = mnas_stats_median(x, (size_t)n);
    mnas_stats_median_ci(x, (size_t)n, level, &out->ci_low_ms, &out->ci_high_ms, &out->ci_level);
    out->half_width_frac = (out->ci_high_ms - out->ci_low_ms) / 2 / out->median_ms;
    out->spread_frac = mnas_stats_mad(x, (size_t)n) / out->median_ms;
}

mnas_protocol_verdict mnas_protocol_judge(mnas_protocol_summary *out, const mnas_protocol *protocol,
                                          const mnas_round *rounds, int n_rounds) {
    assert(protocol->min_rounds >= 1 && protocol->max_rounds >= protocol->min_rounds);
    assert(n_rounds >= 0 && n_rounds <= MNAS_PROTOCOL_MAX_ROUNDS);
    double used[MNAS_PROTOCOL_MAX_ROUNDS];
    int n_calm = 0, n_used = 0;
    for (int i = 0; i < n_rounds; i++) n_calm += !mnas_protocol_disturbed(protocol, &rounds[i]);
    const bool enough = n_calm >= protocol->min_rounds, spent = n_rounds >= protocol->max_rounds;
    *out = (mnas_protocol_summary){.n_disturbed = n_rounds - n_calm};
    for (int i = 0; i < n_rounds; i++) {
        if (enough && mnas_protocol_disturbed(protocol, &rounds[i])) continue;
        used[n_used++] = rounds[i].median_ms;
        out->n_cpu_timed += rounds[i].n_cpu_timed > 0;
    }
    summarise(out, used, n_used, protocol->ci_level);
    if (enough && out->half_width_frac <= protocol->ci_frac) return MNAS_VERDICT_DONE;
    return spent ? MNAS_VERDICT_GIVE_UP : MNAS_VERDICT_MORE;
}
