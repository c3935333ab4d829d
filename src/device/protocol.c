/* protocol.c - judges rounds; it measures nothing, reads no clock and no file. */
#include "device/protocol.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"

enum { min_clean_runs = 5 };

int mnas_protocol_reduce_runs(mnas_round *out, const mnas_run *runs, int n) {
    assert(n >= 1);
    double *ms = malloc((size_t)n * sizeof *ms);
    if (!ms) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d runs", n);
    int n_clean = 0;
    for (int i = 0; i < n; i++) n_clean += !runs[i].preempted;
    const bool all = n_clean < min_clean_runs;
    out->runs = 0;
    for (int i = 0; i < n; i++)
        if (all || !runs[i].preempted) ms[out->runs++] = runs[i].preempted ? runs[i].cpu_ms : runs[i].ms;
    out->n_preempted = n - n_clean;
    out->n_cpu_timed = all ? out->n_preempted : 0;
    out->median_ms = mnas_stats_median(ms, (size_t)out->runs);
    out->p10_ms = mnas_stats_quantile(ms, (size_t)out->runs, 0.1);
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
