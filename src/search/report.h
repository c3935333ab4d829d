/* report.h - the parts of the report: what is known of a study (report_facts.c), what that can show in words
 * (report_words.c), the charts (report_chart.c), the networks layer by layer (report_networks.c), the policy
 * (report_policy.c), tables and conditions (report_tables.c), failures (report_failures.c), style and script
 * (report_style.c). report_source.c reads a study for them.
 *
 * The parts see a mnas_report_source, not a study, so that tests can make one from rows of their own.
 */
#ifndef MNAS_SEARCH_REPORT_H
#define MNAS_SEARCH_REPORT_H

#include "base/str.h"
#include "mnas.h"
#include "search/shadow.h"

typedef struct mnas_report_entropy {
    int trial;      /* the policy when it had made so many proposals ... */
    double entropy; /* ... mean over decisions, in nats */
} mnas_report_entropy;

/* A network of the front, for its drawing. */
typedef struct mnas_report_network {
    mnas_model model;
    mnas_cost cost;         /* its layers */
    mnas_layer_time *times; /* of layers, by name; none where they were not taken */
    int n_times;
} mnas_report_network;

typedef struct mnas_report_source {
    const mnas_trial *const *trials; /* ordered by number */
    int n_trials;
    const int *front; /* numbers of trials, fastest first */
    int n_front;
    const char *const *devices; /* [n_devices] specs; 0: one, by the setting */
    int n_devices;
    const mnas_report_entropy *entropy;
    int n_entropy;
    double entropy_max;                                            /* of uniform choices; NaN where unknown */
    const char *(*setting)(const void *context, const char *name); /* NULL where it is not stored */
    const void *context;
    int64_t now_unix_ms;
    bool is_interrupted; /* trials are running by their rows, and nobody is at work */
    const mnas_final *const
        *finals; /* of stage two, in the order of the plan; verdict NULL where there was none */
    int n_finals;
    const mnas_verdict *verdict;
    const mnas_report_network *networks; /* [n_front], as front; NULL: no drawings */
    const mnas_decision *const *decisions;
    int n_decisions;
    const mnas_policy_point *policy; /* those with probabilities, in order */
    int n_policy;
    const char *csv_name, *json_name; /* files beside the page; NULL: not linked */
} mnas_report_source;

/* Whether the strategy's later proposals are better than its first, near-random ones. Complete trials only. */
typedef struct mnas_report_comparison {
    bool possible;                /* enough complete trials with rewards that differ */
    int n_early, n_late;          /* trials in either group */
    int early_last, late_first;   /* numbers of the trials that bound the groups */
    double early_mean, late_mean; /* rewards */
    double low, high;             /* 95 % interval (Welch) of late_mean - early_mean */
    int n_after, n_beat; /* trials after the early ones, and how many of them beat the best early one */
    double beat_p;       /* share of random searches in which at least so many do */
    double early_entropy, late_entropy; /* shares of entropy_max; NaN where unknown */
} mnas_report_comparison;

typedef struct mnas_report_facts {
    const mnas_report_source *source;
    const mnas_trial **done, **front; /* complete trials in order; the front, fastest first */
    int n_done, n_front;
    int n_failed, n_running, n_pruned;
    int n_devices;
    /* highest reward, highest accuracy, lowest latency; NULL where no trial has one */
    const mnas_trial *best, *accurate, *fastest;
    double target_ms[MNAS_MAX_DEVICES]; /* NaN where none */
    mnas_landing landing;               /* high_ms 0: no latency was asked for */
    mnas_rung rungs[MNAS_MAX_RUNGS_OF_STUDY];
    int n_rungs;                       /* 0: none */
    bool is_random;                    /* the strategy does not learn */
    bool is_told, is_plain;            /* somebody else trained and measured; and there were no networks */
    mnas_report_comparison comparison; /* not where the shadow can tell: that is chance itself */
    mnas_shadow shadow;
} mnas_report_facts;

int mnas_report_facts_collect(mnas_report_facts *out, const mnas_report_source *source);
void mnas_report_facts_free(mnas_report_facts *facts);
/* The spec of one of several devices, "" where there is one. */
const char *mnas_report_device(const mnas_report_facts *facts, int device);
double mnas_report_latency_ms(const mnas_trial *trial, int device); /* NaN where it has none there */
const char *mnas_report_setting(const mnas_report_facts *facts, const char *name); /* NULL or not empty */

/* 95 % interval of mean(b) - mean(a): all shifts that Welch's test does not reject at 5 %. na, nb >= 2. */
void mnas_report_welch_interval(const double *a, int na, const double *b, int nb, double *low, double *high);
/* Chance that at least n_beat of the last n_after of n exchangeable values exceed all the others before them. */
double mnas_report_beat_probability(int n_beat, int n_after, int n);

/* For HTML texts and attributes, whoever made the study. */
void mnas_report_escape(mnas_str *out, const char *text);
void mnas_report_escape_n(mnas_str *out, const char *text, size_t n);
void mnas_report_cell(mnas_str *out, const char *text); /* of a table */

bool mnas_report_has_shadow(const mnas_report_facts *facts); /* one that can tell */
void mnas_report_words(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_figures(const mnas_report_facts *facts, mnas_str *out); /* the row of key figures */
void mnas_report_front_table(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_networks(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_policy(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_failures(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_conditions(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_trial_table(const mnas_report_facts *facts, mnas_str *out);

void mnas_report_pareto_chart(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_reward_chart(const mnas_report_facts *facts, mnas_str *out);
void mnas_report_shadow_chart(const mnas_report_facts *facts, mnas_str *out); /* report_shadow.c */
void mnas_report_entropy_chart(const mnas_report_facts *facts, mnas_str *out);

void mnas_report_style(mnas_str *out);
void mnas_report_script(mnas_str *out);

/* What failed and pruned trials say: "nan", "timeout"; "unknown" where they say nothing. */
const char *mnas_report_reason(const mnas_trial *trial);

/* The whole page. */
int mnas_report_render(const mnas_report_source *source, mnas_str *out);

#endif
