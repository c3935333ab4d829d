/* protocol.h - the rules of a measurement, as pure functions of the samples: when to go on, when to stop,
 * what to report.
 *
 * A round is one fresh process on the device. Rounds differ more than runs within one (page placement: the
 * same binary took 6 ms in some processes and 7.5 in others), so the rounds are the sample: the result is the
 * median of round medians, its interval comes from order statistics over rounds and assumes no distribution.
 *
 * Drift. In each round a fixed network, the sentinel, takes turns with the measured one. What it should take is known
 * (`reference_ms`), and a round's sample is then ratio * reference_ms: what slows both alike (clock, heat, neighbours on the
 * processor) falls out. It falls out for the better half: memory that others use slows a network twice as much as another. Slow
 * by more than max_drift_frac, a round is therefore disturbed.
 *
 * Disturbed rounds are set aside and replaced while the limit of rounds allows, by what was seen of the machine and whatever
 * they say. Outlying ones, by what they say: further than 5 deviations (of the median absolute deviation, times 1.4826) and 2 %
 * from the median of the calm ones, which must be 8 at least. More than a quarter of them are no outliers but a second state of
 * the machine, and all count: dropping what does not fit would make the interval a lie. All that is set aside is told.
 *
 * The interval's level holds for a number of rounds fixed beforehand. Stopping as soon as it is narrow costs some of it: with
 * 1 % wanted of 5 to 100 rounds 95.6 % are stated and 93 % found where rounds differ by 1.2 % (standard deviation), 95.8 % and
 * 91 % where by 2 %. From 4 % on many are refused, and those whose interval is narrow by chance hold less than it says: by 6 %
 * one of fifteen gets through, and a third of those misses.
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

/* NaN where unknown. */
typedef struct mnas_round {
    double median_ms, p10_ms; /* of the timed runs that count */
    int runs, n_preempted;    /* those that count; those preempted, set aside while enough others are there */
    int n_cpu_timed;          /* of `runs`: those that count with their CPU time */
    int warmup_runs;
    double timed_s;     /* how long the timed runs took together, the sentinel's among them */
    int n_switches;     /* involuntary context switches meanwhile */
    double cpu_frac;    /* CPU time of the timing thread over timed_s; unknown where others help it */
    double steal_frac;  /* of timed_s: the host of a virtual machine ran others */
    double freq_mhz;    /* of the core, at the end */
    double sentinel_ms; /* median of the sentinel's runs */
    double ratio;       /* of network to sentinel, median over the turns */
} mnas_round;

/* Why a round is disturbed. */
typedef enum mnas_cause {
    MNAS_CAUSE_SWITCHES, /* pushed off its core too often */
    MNAS_CAUSE_SHARE,    /* had too little of it */
    MNAS_CAUSE_STEAL,    /* the host of a virtual machine took it */
    MNAS_CAUSE_FREQ,     /* its clock was slower than in another round */
    MNAS_CAUSE_DRIFT,    /* the sentinel was too far from its reference */
    MNAS_N_CAUSES,
} mnas_cause;

typedef struct mnas_protocol {
    int min_rounds, max_rounds;                              /* 1 <= min <= max <= MNAS_PROTOCOL_MAX_ROUNDS */
    double ci_frac;                                          /* wanted: half the interval over the median */
    double ci_level;                                         /* e.g. 0.95 */
    double max_switches_per_s, min_cpu_frac, max_steal_frac; /* beyond which a round is disturbed */
    double min_freq_frac;                                    /* of the fastest round's clock */
    double reference_ms; /* of the sentinel; NaN: drift is not known, and samples are as the clock said */
    double max_drift_frac;
} mnas_protocol;

/* What the tool measures by; the caller fills in the rounds, the interval wanted and the reference. */
mnas_protocol mnas_protocol_standard(void);

typedef enum {
    MNAS_VERDICT_MORE, /* measure another round */
    MNAS_VERDICT_DONE, /* the interval is as narrow as wanted, from enough calm rounds */
    MNAS_VERDICT_GIVE_UP, /* it is not, and all rounds allowed are spent or not one of many was calm; the summary is still the
                             best there is */
} mnas_protocol_verdict;

typedef struct mnas_protocol_summary {
    double median_ms, ci_low_ms, ci_high_ms, ci_level; /* NaN while there is no round */
    double half_width_frac;                            /* half the interval over the median */
    double spread_frac;             /* median absolute deviation of the samples over their median */
    double raw_ms;                  /* median of the rounds' own medians: with the drift in it */
    double sentinel_ms, drift_frac; /* median over the rounds; how much slower than the reference */
    int n_used;                     /* rounds behind these figures */
    int n_disturbed, n_outlying;    /* of all rounds; used only where too few others came */
    int n_caused[MNAS_N_CAUSES];    /* of the disturbed; one round may have several */
    int n_cpu_timed;                /* of the used: rounds with runs that count with their CPU time */
} mnas_protocol_summary;

/* Fills median_ms, p10_ms, runs, n_preempted and n_cpu_timed from runs[n], n >= 1, sentinel_ms and ratio from the sentinel's
 * runs beside them (n_sentinel 0: none). With fewer than 5 runs that were not preempted all of them count, the preempted ones
 * with their CPU time: some per cent long, since they find their caches cold, where the clock on the wall may show three times
 * the truth. Only MNAS_ERR_MEMORY can happen. */
int mnas_protocol_reduce_runs(mnas_round *out, const mnas_run *runs, int n, const mnas_run *sentinel,
                              int n_sentinel);

/* Bit c is set where mnas_cause c disturbed the round; `best_mhz` is the fastest clock of all rounds (NaN: unknown). */
unsigned mnas_protocol_causes(const mnas_protocol *protocol, const mnas_round *round, double best_mhz);
mnas_protocol_verdict mnas_protocol_judge(mnas_protocol_summary *out, const mnas_protocol *protocol,
                                          const mnas_round *rounds, int n_rounds);

#endif
