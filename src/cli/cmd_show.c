/* cmd_show.c - `mnas show`: all trials of a study, or everything about one of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "cli/cli.h"
#include "cli/study_print.h"
#include "cli/table.h"
#include "cli/told_print.h"

typedef struct show_opts {
    mnas_cli_common common;
    bool csv;
} show_opts;

static const mnas_opt options[] = {{"csv", MNAS_OPT_BOOL, offsetof(show_opts, csv), NULL, 0, 0, NULL,
                                    "print the trials as comma-separated values, a row each", NULL},
                                   MNAS_CLI_JSON,
                                   MNAS_CLI_HELP,
                                   MNAS_OPT_END};

static void mention_finals(const mnas_study *study) {
    int n = mnas_study_n_finals(study), n_complete = 0;
    const char *chosen = "none yet";
    for (int i = 0; i < n; i++) {
        const mnas_final *f = mnas_study_final(study, i);
        n_complete += f->state == MNAS_TRIAL_COMPLETE;
        if (f->chosen) chosen = f->name;
    }
    if (n > 0) printf("\nstage two: %d of %d networks complete; chosen: %s\n", n_complete, n, chosen);
}

static int mention_shadow(const mnas_study *study) {
    mnas_shadow shadow;
    const int rc = mnas_study_shadow(&shadow, study);
    if (rc == 0 && shadow.words[0]) printf("\n%s\n", shadow.words);
    return rc;
}

static const char *outcome_of(const mnas_study *study, const mnas_trial *t, char buf[64]) {
    if (mnas_study_interrupted(study, t)) return "interrupted";
    return mnas_study_is_told(study) && t->state == MNAS_TRIAL_RUNNING ? "open"
                                                                       : mnas_cli_trial_outcome(t, buf);
}

static int print_all(const mnas_study *study) {
    if (mnas_study_is_told(study)) return mnas_cli_print_told(study, NULL, 0);
    mnas_table table;
    char titles[256], latencies[128];
    mnas_cli_latency_titles(study, latencies, sizeof latencies);
    snprintf(titles, sizeof titles, "trial|<state|accuracy|%s|reward|parameters|multiply-adds|training",
             latencies);
    mnas_table_start(&table, titles);
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        char outcome[64], time[32];
        mnas_clock_duration(t->train_s, time, sizeof time);
        mnas_table_cell(&table, "%d", t->number);
        mnas_table_cell(&table, "%s", outcome_of(study, t, outcome));
        mnas_table_percent(&table, t->accuracy_frac);
        mnas_cli_latency_cells(study, t, &table);
        mnas_table_decimals(&table, mnas_cli_reward(t), 4);
        mnas_table_count(&table, t->params);
        mnas_table_count(&table, t->macs);
        mnas_table_cell(&table, "%s", time);
    }
    int rc = mnas_table_print(&table);
    if (rc < 0) return rc;
    mnas_cli_print_devices(study);
    mnas_cli_print_landing(study);
    mnas_cli_print_rungs(study);
    mention_finals(study);
    return mention_shadow(study);
}

/* A block string a line: "             r1_k3_s11_..." */
static void print_blocks(const char *name, const char *arch) {
    while (arch && *arch) {
        size_t n = strcspn(arch, " ");
        printf("%-13s %.*s\n", name, (int)n, arch);
        arch += n + strspn(arch + n, " ");
        name = "";
    }
}

/* Nothing where it is unknown. */
static void print_count(int n, const char *what) {
    if (n >= 0) printf(", %d %s%s", n, what, n == 1 ? "" : "s");
}

static void print_latency(const mnas_latency *l) {
    char median[MNAS_HUMAN_BYTES], low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    if (!l || isnan(l->median_ms)) {
        printf("%-13s -\n", "latency");
        return;
    }
    mnas_human_ms(l->median_ms, median);
    mnas_human_number(l->ci_low_ms, low);
    mnas_human_ms(l->ci_high_ms, high);
    printf("%-13s %s", "latency", median);
    if (!mnas_latency_is_measured(l)) printf(" (not measured)");
    if (isfinite(l->ci_low_ms) && isfinite(l->ci_high_ms)) printf(" (%s to %s)", low, high);
    print_count(l->rounds, "round");
    print_count(l->runs, "run");
    print_count(l->threads, "thread");
    printf("%s%s\n", l->engine[0] ? ", " : "", l->engine);
}

static void print_latencies(const mnas_study *study, const mnas_trial *t) {
    const int n = mnas_study_n_devices(study);
    for (int d = 0; d < n; d++) {
        print_latency(mnas_trial_latency_on(t, d));
        if (n > 1) printf("%-13s   on %s\n", "", mnas_study_device(study, d));
    }
    if (t->n_refused > 0)
        printf("%-13s %d measurement%s refused as too unsteady before\n", "", t->n_refused,
               t->n_refused == 1 ? "" : "s");
    if (isfinite(t->predicted_ms)) {
        char predicted[MNAS_HUMAN_BYTES];
        mnas_human_ms(t->predicted_ms, predicted);
        printf("%-13s %s", "predicted", predicted);
        if (isfinite(t->predicted_error_frac)) printf(", +- %.1f %%", 100 * t->predicted_error_frac);
        puts(", by the latency model, not measured");
    }
}

static void print_times(const mnas_trial *t) {
    char started[32], train[32], measure[32];
    mnas_clock_iso8601(t->started_unix_ms, started);
    mnas_clock_duration(t->train_s, train, sizeof train);
    mnas_clock_duration(t->measure_s, measure, sizeof measure);
    printf("%-13s %s, attempt %d, seed %llu\n", "started", started, t->attempt, (unsigned long long)t->seed);
    printf("%-13s training %s, measuring %s", "times", train, measure);
    if (isfinite(t->overhead_s)) printf(", the rest %.3f s", t->overhead_s);
    putchar('\n');
}

static void print_origin(const mnas_trial *t) {
    const bool random = strcmp(t->origin, "random") == 0, told = strcmp(t->origin, "told") == 0;
    if (t->origin[0])
        printf("%-13s %s\n", "proposed by",
               random ? "chance, to compare with"
               : told ? "nobody: told without being asked for"
                      : t->origin);
}

static void print_one(const mnas_study *study, const mnas_trial *t) {
    char outcome[64], text[MNAS_HUMAN_BYTES];
    printf("%-13s %d, %s\n", "trial", t->number, outcome_of(study, t, outcome));
    print_blocks("network", t->arch);
    mnas_human_percent(t->accuracy_frac, text);
    printf("%-13s %s", "accuracy", text);
    if (t->n_epochs > 1) {
        fputs(" (by epoch:", stdout);
        for (int i = 0; i < t->n_epochs; i++) printf(" %.2f", 100 * t->epoch_accuracy_frac[i]);
        putchar(')');
    }
    putchar('\n');
    print_latencies(study, t);
    if (isfinite(mnas_cli_reward(t))) printf("%-13s %.6f\n", "reward", t->reward);
    mnas_human_exact(t->params, text);
    printf("%-13s %s\n", "parameters", text);
    mnas_human_exact(t->macs, text);
    printf("%-13s %s\n", "multiply-adds", text);
    if (t->n_images >= 0) printf("%-13s %lld seen in training\n", "images", (long long)t->n_images);
    if (t->rung >= 0) printf("%-13s %d, where its training ended\n", "rung", t->rung + 1);
    print_origin(t);
    print_times(t);
    if (t->error && t->error[0]) printf("\n%s\n", t->error);
}

/* Of a trial that somebody else ran: what he told. */
static void print_told(const mnas_study *study, const mnas_trial *t) {
    char outcome[64], text[MNAS_HUMAN_BYTES], started[32];
    const bool networks = mnas_study_setting(study, "space") != NULL;
    const double value = mnas_study_value(study, t);
    printf("%-13s %d, %s\n", "trial", t->number, outcome_of(study, t, outcome));
    print_blocks(networks ? "network" : "decisions", t->arch);
    mnas_human_percent(t->accuracy_frac, text);
    if (isfinite(t->accuracy_frac)) printf("%-13s %s\n", "accuracy", text);
    if (isfinite(value)) printf("%-13s %.10g\n", "value", value);
    if (isfinite(t->latency.median_ms)) print_latency(&t->latency);
    if (isfinite(t->reward) && isnan(value)) printf("%-13s %.6f\n", "reward", t->reward);
    mnas_human_exact(t->params, text);
    if (networks) printf("%-13s %s\n", "parameters", text);
    mnas_human_exact(t->macs, text);
    if (networks) printf("%-13s %s\n", "multiply-adds", text);
    mnas_clock_iso8601(t->started_unix_ms, started);
    print_origin(t);
    printf("%-13s %s, attempt %d, seed %llu\n", strcmp(t->origin, "told") == 0 ? "told" : "asked", started,
           t->attempt, (unsigned long long)t->seed);
    if (t->error && t->error[0]) printf("\n%s\n", t->error);
}

/* The trial that the word names; all of them without a word, and *trial is NULL then. */
static int find(const mnas_trial **trial, const mnas_study *study, const char *word) {
    int number, rc;
    *trial = NULL;
    if (!word) return 0;
    if ((rc = mnas_cli_parse_word(&number, "TRIAL", word, 0)) < 0) return rc;
    if ((*trial = mnas_cli_find_trial(study, number))) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "trial %d is not in this study; it has %d trials", number,
                          mnas_study_n_trials(study));
}

static int print(const show_opts *o, const mnas_study *study, const mnas_trial *trial) {
    if (o->common.json || o->csv)
        return mnas_study_export(study, trial ? trial->number : -1,
                                 o->csv ? MNAS_EXPORT_CSV : MNAS_EXPORT_JSON, stdout);
    if (!trial) return print_all(study);
    (mnas_study_is_told(study) ? print_told : print_one)(study, trial);
    return 0;
}

static int run(const void *opts, int n_words, char **words) {
    const show_opts *o = opts;
    const mnas_trial *trial;
    mnas_study *study;
    if (o->csv && o->common.json)
        return mnas_error_set(MNAS_ERR_ARG, "--csv and --json are two ways to print the same; give one");
    int rc = mnas_study_open(&study, words[0]);
    if (rc < 0) return rc;
    if ((rc = find(&trial, study, n_words == 2 ? words[1] : NULL)) == 0) rc = print(o, study, trial);
    mnas_study_close(study);
    return rc;
}

const mnas_cli_command mnas_command_show = {
    .name = "show",
    .words = "STUDY [TRIAL]",
    .min_words = 1,
    .max_words = 2,
    .summary = "the trials of a study, or everything about one of them",
    .about = "List every trial of a study with its state, or show one trial in full: its network, "
             "accuracies, latency and conditions, times, and what a failed one said. A study may be read "
             "while its search runs.",
    .example = "mnas show demo.db 17",
    .opts = options,
    .opts_bytes = sizeof(show_opts),
    .run = run};
