/* protocol.c - judges rounds; it measures nothing, reads no clock and no file. */
#include "device/protocol.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"

enum { min_clean_runs = 5 };

/* 1.4826 x MAD estimates the standard deviation of a normal sample; below this share of the median rounds
 * count as equal. */
static const double mad_to_sd = 1.4826, outlier_sds = 3.5, equal_frac = 0.005;

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

static int count_outliers(const double *x, int n, double median, double mad) {
    const double limit = fmax(outlier_sds * mad_to_sd * mad, equal_frac * median);
    int n_outliers = 0;
    for (int i = 0; i < n; i++) n_outliers += fabs(x[i] - median) > limit;
    return n_outliers;
}

static void summarise(mnas_protocol_summary *out, const double *x, int n, double level) {
    out->n_used = n;
    if (n == 0) {
        out->median_ms = out->ci_low_ms = out->ci_high_ms = out->ci_level = NAN;
        out->half_width_frac = out->spread_frac = NAN;
        return;
    }
    const double mad = mnas_stats_mad(x, (size_t)n);
    out->median_ms = mnas_stats_median(x, (size_t)n);
    mnas_stats_median_ci(x, (size_t)n, level, &out->ci_low_ms, &out->ci_high_ms, &out->ci_level);
    out->half_width_frac = (out->ci_high_ms - out->ci_low_ms) / 2 / out->median_ms;
    out->spread_frac = mad / out->median_ms;
    out->n_outliers = count_outliers(x, n, out->median_ms, mad);
}

mnas_verdict mnas_protocol_judge(mnas_protocol_summary *out, const mnas_protocol *protocol,
                                 const mnas_round *rounds, int n_rounds) {
    assert(protocol->min_rounds >= 1 && protocol->max_rounds >= protocol->min_rounds);
    assert(n_rounds >= 0 && n_rounds <= MNAS_PROTOCOL_MAX_ROUNDS);
    double calm[MNAS_PROTOCOL_MAX_ROUNDS], all[MNAS_PROTOCOL_MAX_ROUNDS];
    int n_calm = 0;
    for (int i = 0; i < n_rounds; i++) {
        all[i] = rounds[i].median_ms;
        if (!mnas_protocol_disturbed(protocol, &rounds[i])) calm[n_calm++] = rounds[i].median_ms;
    }
    const bool enough = n_calm >= protocol->min_rounds, spent = n_rounds >= protocol->max_rounds;
    *out = (mnas_protocol_summary){.n_disturbed = n_rounds - n_calm,
                                   .disturbed_used = !enough && n_calm < n_rounds};
    summarise(out, enough ? calm : all, enough ? n_calm : n_rounds, protocol->ci_level);
    if (enough && out->half_width_frac <= protocol->ci_frac) return MNAS_VERDICT_DONE;
    return spent ? MNAS_VERDICT_GIVE_UP : MNAS_VERDICT_MORE;
}
