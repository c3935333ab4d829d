/* protocol.c - judges rounds; it measures nothing, reads no clock and no file. */
#include "device/protocol.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"

enum { min_clean_runs = 5, min_rounds_with_outliers = 8 };
static const double outlying_deviations = 5, outlying_frac = 0.02;
static const double normal_mad = 1.4826; /* a normal distribution's standard deviation over its MAD */

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

mnas_protocol mnas_protocol_standard(void) {
    return (mnas_protocol){
        .ci_level = 0.95,
        /* less time off the core than that moves a round's median by less than rounds differ */
        .max_switches_per_s = 50,
        .min_cpu_frac = 0.97,
        .max_steal_frac = 0.03,
        .min_freq_frac = 0.9,
        .reference_ms = NAN,
        .max_drift_frac = 0.06,
    };
}

static unsigned bit(mnas_cause cause, bool is) {
    return is ? 1U << cause : 0;
}

/* What is unknown compares false. */
unsigned mnas_protocol_causes(const mnas_protocol *p, const mnas_round *round, double best_mhz) {
    /* one switch may fall into any round, however short */
    const double switches = fmax(1, p->max_switches_per_s * round->timed_s);
    const double drift_frac = fabs(round->sentinel_ms / p->reference_ms - 1);
    return bit(MNAS_CAUSE_SWITCHES, round->n_switches > switches) |
           bit(MNAS_CAUSE_SHARE, round->cpu_frac < p->min_cpu_frac) |
           bit(MNAS_CAUSE_STEAL, round->steal_frac > p->max_steal_frac) |
           bit(MNAS_CAUSE_FREQ, round->freq_mhz < p->min_freq_frac * best_mhz) |
           bit(MNAS_CAUSE_DRIFT, drift_frac > p->max_drift_frac);
}

static double sample_of(const mnas_protocol *p, const mnas_round *round) {
    const double rescaled = round->ratio * p->reference_ms;
    return isnan(rescaled) ? round->median_ms : rescaled;
}

/* Counts disturbances in *out; calm[i] tells who had none. */
static int find_calm(mnas_protocol_summary *out, bool *calm, const mnas_protocol *p, const mnas_round *rounds,
                     int n) {
    double best_mhz = NAN;
    int n_calm = 0;
    for (int i = 0; i < n; i++) best_mhz = fmax(best_mhz, rounds[i].freq_mhz);
    for (int i = 0; i < n; i++) {
        const unsigned causes = mnas_protocol_causes(p, &rounds[i], best_mhz);
        for (unsigned c = 0; c < MNAS_N_CAUSES; c++) out->n_caused[c] += (causes & 1U << c) != 0;
        calm[i] = causes == 0;
        n_calm += calm[i];
    }
    out->n_disturbed = n - n_calm;
    return n_calm;
}

/* Those of the calm ones that lie far from their median are calm no more; returns how many. */
static int find_outlying(bool *calm, const mnas_protocol *p, const mnas_round *rounds, int n, int n_calm) {
    double x[MNAS_PROTOCOL_MAX_ROUNDS];
    bool outlying[MNAS_PROTOCOL_MAX_ROUNDS] = {false};
    int k = 0, n_outlying = 0;
    if (n_calm < min_rounds_with_outliers) return 0;
    for (int i = 0; i < n; i++)
        if (calm[i]) x[k++] = sample_of(p, &rounds[i]);
    const double median = mnas_stats_median(x, (size_t)k), mad = mnas_stats_mad(x, (size_t)k),
                 limit = fmax(outlying_deviations * normal_mad * mad, outlying_frac * median);
    for (int i = 0; i < n; i++) {
        outlying[i] = calm[i] && fabs(sample_of(p, &rounds[i]) - median) > limit;
        n_outlying += outlying[i];
    }
    if (n_outlying > n_calm / 4) return 0;
    for (int i = 0; i < n; i++) calm[i] = calm[i] && !outlying[i];
    return n_outlying;
}

static void summarise(mnas_protocol_summary *out, const double *x, const double *raw, const double *sentinel,
                      int n, const mnas_protocol *p) {
    out->n_used = n;
    out->median_ms = out->ci_low_ms = out->ci_high_ms = out->ci_level = NAN;
    out->half_width_frac = out->spread_frac = out->raw_ms = out->sentinel_ms = out->drift_frac = NAN;
    if (n == 0) return;
    out->median_ms = mnas_stats_median(x, (size_t)n);
    mnas_stats_median_ci(x, (size_t)n, p->ci_level, &out->ci_low_ms, &out->ci_high_ms, &out->ci_level);
    out->half_width_frac = (out->ci_high_ms - out->ci_low_ms) / 2 / out->median_ms;
    out->spread_frac = mnas_stats_mad(x, (size_t)n) / out->median_ms;
    out->raw_ms = mnas_stats_median(raw, (size_t)n);
    out->sentinel_ms = mnas_stats_median(sentinel, (size_t)n);
    out->drift_frac = out->sentinel_ms / p->reference_ms - 1;
}

mnas_protocol_verdict mnas_protocol_judge(mnas_protocol_summary *out, const mnas_protocol *p,
                                          const mnas_round *rounds, int n_rounds) {
    assert(p->min_rounds >= 1 && p->max_rounds >= p->min_rounds);
    assert(n_rounds >= 0 && n_rounds <= MNAS_PROTOCOL_MAX_ROUNDS);
    double x[MNAS_PROTOCOL_MAX_ROUNDS], raw[MNAS_PROTOCOL_MAX_ROUNDS], sentinel[MNAS_PROTOCOL_MAX_ROUNDS];
    bool good[MNAS_PROTOCOL_MAX_ROUNDS];
    int n_used = 0;
    *out = (mnas_protocol_summary){0};
    const int n_calm = find_calm(out, good, p, rounds, n_rounds);
    out->n_outlying = find_outlying(good, p, rounds, n_rounds, n_calm);
    const bool enough = n_calm - out->n_outlying >= p->min_rounds;
    for (int i = 0; i < n_rounds; i++) {
        if (enough && !good[i]) continue;
        x[n_used] = sample_of(p, &rounds[i]);
        raw[n_used] = rounds[i].median_ms;
        sentinel[n_used++] = rounds[i].sentinel_ms;
        out->n_cpu_timed += rounds[i].n_cpu_timed > 0;
    }
    summarise(out, x, raw, sentinel, n_used, p);
    if (enough && out->half_width_frac <= p->ci_frac) return MNAS_VERDICT_DONE;
    const bool hopeless = n_calm == 0 && n_rounds >= 2 * p->min_rounds;
    return hopeless || n_rounds >= p->max_rounds ? MNAS_VERDICT_GIVE_UP : MNAS_VERDICT_MORE;
}
