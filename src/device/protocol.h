/* protocol.h - the rules of a measurement, as pure functions of the samples: when to go on, when to stop,
 * what to report.
 *
 * A round is one fresh process on the device. Rounds differ more than runs within one (page placement: the
 * same binary took 6 ms in some processes and 7.5 in others), so the rounds are the sample: the result is the
 * median of round medians, its interval comes from order statistics over rounds and assumes no distribution.
 *
 * Disturbed rounds (pushed off the core too often, or for too long) are set aside and replaced while the
 * limit of rounds allows. Outlying rounds are kept: dropping what does not fit would make the interval a lie.
 * Its level holds for a number of rounds fixed beforehand; stopping as soon as it is narrow costs some two
 * points of it (95.8 % stated, 93.4 % found, where rounds differ by 5 %).
 */
#ifndef MNAS_DEVICE_PROTOCOL_H
#define MNAS_DEVICE_PROTOCOL_H

#include <stdbool.h>

enum { MNAS_PROTOCOL_MAX_ROUNDS = 100 };

typedef struct mnas_run {
    double ms, cpu_ms; /* by the clock on the wall; of the timing thread on its core */
    bool preempted;    /* pushed off its core meanwhile: ms is the scheduler's, too */
    int turn;          /* of those in which network and sentinel alternate, 0.. */
} mnas_run;

typedef struct mnas_round {
    double median_ms, p10_ms; /* of the timed runs that count */
    int runs, n_preempted;    /* those that count; those preempted, set aside while enough others are there */
    int n_cpu_timed;          /* of `runs`: those that count with their CPU time */
    int warmup_runs;
    double timed_s;     /* how long the timed runs took together */
    int n_switches;     /* involuntary context switches meanwhile */
    double cpu_frac;    /* CPU time of the timing thread over timed_s */
    double sentinel_ms; /* median of the sentinel's runs, which took turns; NaN: there was none */
    double ratio;       /* of network to sentinel, median over the turns; NaN: there was none */
} mnas_round;

typedef struct mnas_protocol {
    int min_rounds, max_rounds; /* 1 <= min <= max <= MNAS_PROTOCOL_MAX_ROUNDS */
    double ci_frac;             /* wanted: half the interval over the median */
    double ci_level;            /* e.g. 0.95 */
    double max_switches_per_s;  /* a round with more is disturbed ... */
    double min_cpu_frac;        /* ... and one with less of its core, too */
} mnas_protocol;

typedef enum {
    MNAS_VERDICT_MORE,    /* measure another round */
    MNAS_VERDICT_DONE,    /* the interval is as narrow as wanted */
    MNAS_VERDICT_GIVE_UP, /* all rounds allowed are spent and it is not; the summary is still the best there
                             is */
} mnas_protocol_verdict;

typedef struct mnas_protocol_summary {
    double median_ms, ci_low_ms, ci_high_ms, ci_level; /* NaN while there is no round */
    double half_width_frac;                            /* half the interval over the median */
    double spread_frac; /* median absolute deviation of round medians over the median */
    int n_used;         /* rounds behind these figures */
    int n_disturbed;    /* of all rounds; used only where too few calm ones came */
    int n_cpu_timed;    /* of the used: rounds with runs that count with their CPU time */
} mnas_protocol_summary;

/* Fills median_ms, p10_ms, runs, n_preempted and n_cpu_timed from runs[n], n >= 1, sentinel_ms and ratio from the sentinel's
 * runs beside them (n_sentinel 0: none). With fewer than 5 runs that were not preempted all of them count, the preempted ones
 * with their CPU time: some per cent long, since they find their caches cold, where the clock on the wall may show three times
 * the truth. Only MNAS_ERR_MEMORY can happen. */
int mnas_protocol_reduce_runs(mnas_round *out, const mnas_run *runs, int n, const mnas_run *sentinel,
                              int n_sentinel);

bool mnas_protocol_disturbed(const mnas_protocol *protocol, const mnas_round *round);
mnas_protocol_verdict mnas_protocol_judge(mnas_protocol_summary *out, const mnas_protocol *protocol,
                                          const mnas_round *rounds, int n_rounds);

#endif
