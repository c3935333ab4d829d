/* study_print.c - see study_print.h. */
#include "cli/study_print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/told_print.h"

const mnas_trial *mnas_cli_find_trial(const mnas_study *study, int number) {
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *trial = mnas_study_trial(study, i);
        if (trial->number == number) return trial;
    }
    return NULL;
}

const char *mnas_cli_trial_outcome(const mnas_trial *trial, char buf[64]) {
    snprintf(buf, 64, "%s%s%s", mnas_trial_state_name(trial->state), trial->reason[0] ? ": " : "",
             trial->reason);
    return buf;
}

const char *mnas_cli_latencies(const mnas_trial *trial, char buf[MNAS_CLI_LATENCIES]) {
    char *at = buf;
    const mnas_latency *l;
    for (int d = 0; (l = mnas_trial_latency_on(trial, d)); d++) {
        if (d > 0) at += sprintf(at, " + ");
        mnas_human_ms(l->median_ms, at);
        at += strlen(at);
    }
    return buf;
}

static json_t *latencies_json(const mnas_trial *t) {
    json_t *list = json_array();
    const mnas_latency *l;
    for (int d = 0; (l = mnas_trial_latency_on(t, d)); d++)
        json_array_append_new(list, mnas_json_number(l->median_ms));
    return list;
}

static json_t *devices_json(const mnas_study *study) {
    json_t *list = json_array();
    for (int d = 0; d < mnas_study_n_devices(study); d++)
        json_array_append_new(list, mnas_json_text(mnas_study_device(study, d)));
    return list;
}

void mnas_cli_latency_titles(const mnas_study *study, char *buf, size_t n) {
    const int n_devices = mnas_study_n_devices(study);
    int used = snprintf(buf, n, n_devices == 1 ? "latency" : "latency 1");
    for (int d = 1; d < n_devices; d++) used += snprintf(buf + used, n - (size_t)used, "|latency %d", d + 1);
}

void mnas_cli_latency_cells(const mnas_study *study, const mnas_trial *trial, mnas_table *table) {
    for (int d = 0; d < mnas_study_n_devices(study); d++) {
        const mnas_latency *l = mnas_trial_latency_on(trial, d);
        mnas_table_ms(table, l ? l->median_ms : (double)NAN);
    }
}

void mnas_cli_print_devices(const mnas_study *study) {
    const int n = mnas_study_n_devices(study);
    for (int d = 0; n > 1 && d < n; d++)
        printf("%slatency %d: %s\n", d ? "" : "\n", d + 1, mnas_study_device(study, d));
}

/* ---- the window ---- */

static void print_handed_over(const mnas_study *study, const mnas_landing *l) {
    char accuracy[MNAS_HUMAN_BYTES], below[MNAS_HUMAN_BYTES], above[MNAS_HUMAN_BYTES];
    const mnas_trial *best = l->best >= 0 ? mnas_cli_find_trial(study, l->best) : NULL;
    if (best) {
        mnas_human_percent(best->accuracy_frac, accuracy);
        printf("handed over: trial %d, %s at %.4g ms, %.1f %% of the target\n", best->number, accuracy,
               l->best_ms, 100 * l->best_ms / l->high_ms);
        return;
    }
    mnas_human_ms(l->below_ms, below);
    mnas_human_ms(l->above_ms, above);
    printf("nothing trained in it yet; nearest outside: %s below, %s above\n", below, above);
}

void mnas_cli_print_landing(const mnas_study *study) {
    mnas_landing l;
    if (!mnas_study_landing(study, &l)) return;
    printf("\nwindow %.6g to %.6g ms: %d network%s measured, %d inside, %d trained", l.low_ms, l.high_ms,
           l.n_measured, l.n_measured == 1 ? "" : "s", l.n_inside, l.n_trained);
    if (l.n_screened > 0) printf("; %d more screened unmeasured", l.n_screened);
    putchar('\n');
    print_handed_over(study, &l);
    if (isfinite(l.final_ms))
        printf("stage two measured final %d, its choice, again: %.4g ms, %s\n", l.final, l.final_ms,
               l.final_ms >= l.low_ms && l.final_ms <= l.high_ms ? "inside" : "outside the window");
}

static json_t *landing_json(const mnas_study *study) {
    mnas_landing l;
    if (!mnas_study_landing(study, &l)) return json_null();
    return json_pack("{s:o, s:o, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "low_ms",
                     mnas_json_number(l.low_ms), "high_ms", mnas_json_number(l.high_ms), "n_screened",
                     l.n_screened, "n_measured", l.n_measured, "n_inside", l.n_inside, "n_trained",
                     l.n_trained, "trial", l.best >= 0 ? json_integer(l.best) : json_null(), "latency_ms",
                     mnas_json_number(l.best_ms), "below_ms", mnas_json_number(l.below_ms), "above_ms",
                     mnas_json_number(l.above_ms), "final_ms", mnas_json_number(l.final_ms));
}

/* ---- rungs ---- */

void mnas_cli_print_rungs(const mnas_study *study) {
    mnas_rung rungs[MNAS_MAX_RUNGS_OF_STUDY];
    const int n = mnas_study_rungs(study, rungs);
    for (int r = 0; r < n - 1; r++) {
        printf("%srung %d of %d, at %.3g of a training: %d came to it, %d ended there", r ? "" : "\n", r + 1,
               n, rungs[r].share, rungs[r].n_reached, rungs[r].n_stopped);
        if (!isnan(rungs[r].tau))
            printf("; Kendall's tau with the end %.2f, of %d that went there", rungs[r].tau,
                   rungs[r].n_compared);
        putchar('\n');
    }
}

static json_t *rungs_json(const mnas_study *study) {
    mnas_rung rungs[MNAS_MAX_RUNGS_OF_STUDY];
    const int n = mnas_study_rungs(study, rungs);
    json_t *list = json_array();
    for (int r = 0; r < n; r++)
        json_array_append_new(
            list, json_pack("{s:o, s:i, s:i, s:i, s:o}", "share", mnas_json_number(rungs[r].share),
                            "n_reached", rungs[r].n_reached, "n_stopped", rungs[r].n_stopped, "n_compared",
                            rungs[r].n_compared, "tau", mnas_json_number(rungs[r].tau)));
    return list;
}

double mnas_cli_reward(const mnas_trial *t) {
    return t->state == MNAS_TRIAL_PRUNED && isnan(t->accuracy_frac) ? (double)NAN : t->reward;
}

/* ---- the front ---- */

static int front_json(const mnas_study *study, const int *front, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const mnas_trial *t = mnas_cli_find_trial(study, front[i]);
        json_array_append_new(
            list, json_pack("{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "trial", t->number, "arch",
                            t->arch, "accuracy_frac", mnas_json_number(t->accuracy_frac), "latency_ms",
                            mnas_json_number(t->latency.median_ms), "reward", mnas_json_number(t->reward),
                            "params", mnas_json_integer(t->params), "macs", mnas_json_integer(t->macs),
                            "ci_low_ms", mnas_json_number(t->latency.ci_low_ms), "ci_high_ms",
                            mnas_json_number(t->latency.ci_high_ms), "latencies_ms", latencies_json(t)));
    }
    return mnas_json_print(json_pack("{s:o, s:o, s:o, s:o}", "devices", devices_json(study), "front", list,
                                     "window", landing_json(study), "rungs", rungs_json(study)));
}

static int front_text(const mnas_study *study, const int *front, int n) {
    if (mnas_study_is_told(study)) return mnas_cli_print_told(study, front, n);
    mnas_table table;
    char titles[256], latencies[128];
    mnas_cli_latency_titles(study, latencies, sizeof latencies);
    snprintf(titles, sizeof titles, "trial|accuracy|%s|reward|parameters|multiply-adds", latencies);
    mnas_table_start(&table, titles);
    for (int i = 0; i < n; i++) {
        const mnas_trial *t = mnas_cli_find_trial(study, front[i]);
        mnas_table_cell(&table, "%d", t->number);
        mnas_table_percent(&table, t->accuracy_frac);
        mnas_cli_latency_cells(study, t, &table);
        mnas_table_decimals(&table, t->reward, 4);
        mnas_table_count(&table, t->params);
        mnas_table_count(&table, t->macs);
    }
    int rc = mnas_table_print(&table);
    if (rc < 0) return rc;
    mnas_cli_print_devices(study);
    putchar('\n'); /* block strings are too long for a column */
    for (int i = 0; i < n; i++) printf("%5d  %s\n", front[i], mnas_cli_find_trial(study, front[i])->arch);
    mnas_cli_print_landing(study);
    mnas_cli_print_rungs(study);
    return 0;
}

int mnas_cli_print_front(const mnas_study *study, bool json) {
    int *front, n;
    int rc = mnas_study_front(study, &front, &n);
    if (rc < 0) return rc;
    if (json) {
        rc = front_json(study, front, n);
    } else if (n > 0) {
        rc = front_text(study, front, n);
    } else {
        puts("no complete trial yet");
        mnas_cli_print_landing(study);
    }
    free(front);
    return rc;
}
