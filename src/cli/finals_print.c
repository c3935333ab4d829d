/* finals_print.c - see finals_print.h. Stage two itself is mnas_finalize. */
#include "cli/finals_print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/study_print.h"
#include "cli/table.h"

/* ---- progress ---- */

static const char *label(const mnas_final *f, char buf[96]) {
    snprintf(buf, 96, f->repeat ? "%s, repeat %d" : "%s", f->name, f->repeat);
    return buf;
}

static void show_live(const mnas_finalize_progress *p) {
    char part[16] = "", elapsed[32], eta[32];
    mnas_clock_duration(p->elapsed_s, elapsed, sizeof elapsed);
    mnas_clock_duration(p->eta_s, eta, sizeof eta);
    if (isfinite(p->phase_frac)) snprintf(part, sizeof part, " %.0f %%", 100 * p->phase_frac);
    mnas_log_live("%s %s%s | %d/%d networks | %s, ETA %s", p->phase, p->name ? p->name : "", part, p->n_done,
                  p->n_planned, elapsed, eta);
}

static void show_final(const mnas_finalize_progress *p) {
    const mnas_final *f = p->final;
    char name[96], accuracy[MNAS_HUMAN_BYTES], latency[MNAS_HUMAN_BYTES], time[32];
    label(f, name);
    if (f->state == MNAS_TRIAL_FAILED) {
        const char *error = f->error ? f->error : "";
        mnas_log_warn("%-24s failed: %s  %.*s", name, f->reason, (int)strcspn(error, "\n"), error);
    } else if (f->n_test > 0) {
        mnas_human_percent(f->test_accuracy_frac, accuracy);
        mnas_log_info("%-24s test accuracy %7s", name, accuracy);
    } else if (f->n_passes > 0) {
        mnas_human_ms(f->latency.median_ms, latency);
        mnas_log_info("%-24s latency %9s over %d passes", name, latency, f->n_passes);
    } else {
        mnas_human_percent(f->val_accuracy_frac, accuracy);
        mnas_clock_duration(f->train_s, time, sizeof time);
        mnas_log_info("%-24s accuracy %7s  trained for %s  (%d/%d)", name, accuracy, time, p->n_done,
                      p->n_planned);
    }
}

static void on_progress(void *user, const mnas_finalize_progress *p) {
    (void)user;
    if (p->final)
        show_final(p);
    else
        show_live(p);
}

/* ---- results ---- */

/* Standard error of an accuracy from n images: sqrt(p (1 - p) / n). */
static double binomial_frac(double p, int n) {
    return n > 0 ? sqrt(p * (1 - p) / n) : (double)NAN;
}

static void accuracy_cell(mnas_table *table, double accuracy_frac, int n) {
    if (n == 0 || isnan(accuracy_frac))
        mnas_table_cell(table, "-");
    else
        mnas_table_cell(table, "%.2f +- %.2f %%", 100 * accuracy_frac, 100 * binomial_frac(accuracy_frac, n));
}

/* With its interval on the first device; on the others alone. */
static void latency_cells(mnas_table *table, const mnas_final *f, int n_devices) {
    char low[MNAS_HUMAN_BYTES], high[MNAS_HUMAN_BYTES];
    mnas_table_ms(table, f->latency.median_ms);
    mnas_human_number(f->latency.ci_low_ms, low);
    mnas_human_number(f->latency.ci_high_ms, high);
    if (isnan(f->latency.median_ms))
        mnas_table_cell(table, "-");
    else
        mnas_table_cell(table, "%s to %s", low, high);
    for (int d = 0; d < n_devices - 1; d++)
        mnas_table_ms(table, d < f->n_others ? f->others[d].median_ms : (double)NAN);
}

/* What is behind the numbers of its columns is printed below the table. */
static void start_table(mnas_table *table, int n_devices) {
    char titles[400], others[160] = "";
    for (int d = 2; d <= n_devices; d++)
        snprintf(others + strlen(others), sizeof others - strlen(others), "latency %d|", d);
    snprintf(titles, sizeof titles,
             "<role|<network|size|parameters|multiply-adds|%s|<interval|%svalidation|test|rate|<",
             n_devices > 1 ? "latency 1" : "latency", others);
    mnas_table_start(table, titles);
}

static int print_table(const mnas_study *study) {
    mnas_table table;
    const int n_devices = mnas_study_n_devices(study);
    start_table(&table, n_devices);
    for (int i = 0; i < mnas_study_n_finals(study); i++) {
        const mnas_final *f = mnas_study_final(study, i);
        char name[96];
        mnas_table_cell(&table, "%s", mnas_final_role_name(f->role));
        mnas_table_cell(&table, "%s", label(f, name));
        mnas_table_cell(&table, "%d", f->input_size);
        mnas_table_count(&table, f->params);
        mnas_table_count(&table, f->macs);
        latency_cells(&table, f, n_devices);
        accuracy_cell(&table, f->val_accuracy_frac, f->n_val);
        accuracy_cell(&table, f->test_accuracy_frac, f->n_test);
        mnas_table_cell(&table, isnan(f->lr) ? "-" : "%.4g", f->lr);
        if (f->state == MNAS_TRIAL_FAILED)
            mnas_table_cell(&table, "failed: %s", f->reason);
        else
            mnas_table_cell(&table, "%s", f->chosen ? "chosen" : "");
    }
    int rc = mnas_table_print(&table);
    if (rc == 0) mnas_cli_print_devices(study);
    if (rc == 0) mnas_cli_print_landing(study);
    return rc;
}

static json_t *others_json(const mnas_final *f) {
    json_t *list = json_array();
    for (int d = 0; d < f->n_others; d++) json_array_append_new(list, mnas_json_latency(&f->others[d]));
    return list;
}

static json_t *final_json(const mnas_final *f) {
    json_t *object = json_pack("{s:i, s:s, s:s, s:s, s:o, s:i, s:i, s:o, s:I, s:s, s:o, s:o}", "final",
                               f->number, "role", mnas_final_role_name(f->role), "family", f->family, "name",
                               f->name, "trial", mnas_json_integer(f->trial), "repeat", f->repeat,
                               "input_size", f->input_size, "lr", mnas_json_number(f->lr), "seed",
                               (json_int_t)f->seed, "state", mnas_trial_state_name(f->state), "reason",
                               mnas_json_text(f->reason), "error", mnas_json_text(f->error));
    json_t *more = json_pack(
        "{s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "val_accuracy_frac",
        mnas_json_number(f->val_accuracy_frac), "val_balanced_frac", mnas_json_number(f->val_balanced_frac),
        "test_accuracy_frac", mnas_json_number(f->test_accuracy_frac), "test_balanced_frac",
        mnas_json_number(f->test_balanced_frac), "n_val", f->n_val, "n_test", f->n_test, "latency",
        mnas_json_latency(&f->latency), "pass_ms", mnas_json_numbers(f->pass_ms, f->n_passes), "params",
        mnas_json_integer(f->params), "macs", mnas_json_integer(f->macs), "train_s",
        mnas_json_number(f->train_s), "weights", mnas_json_text(f->weights), "chosen", f->chosen,
        "other_latencies", others_json(f));
    if (object && more) json_object_update(object, more);
    json_decref(more);
    return object;
}

static json_t *comparison_json(const mnas_comparison *c) {
    static const char *const kinds[] = {"within", "above", "below", "not"};
    return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "family", c->family,
                     "split", c->split, "kind", kinds[c->kind], "n_points", c->n_points, "family_ms",
                     mnas_json_number(c->family_ms), "found_ms", mnas_json_number(c->found_ms), "ratio",
                     mnas_json_number(c->ratio), "ratio_low", mnas_json_number(c->ratio_low), "ratio_high",
                     mnas_json_number(c->ratio_high), "accuracy_gain_frac",
                     mnas_json_number(c->accuracy_gain_frac), "gain_low_frac",
                     mnas_json_number(c->gain_low_frac), "gain_high_frac",
                     mnas_json_number(c->gain_high_frac), "faster_share", mnas_json_number(c->faster_share));
}

static json_t *verdict_json(const mnas_verdict *v) {
    json_t *list = json_array();
    for (int i = 0; i < v->n_comparisons; i++)
        json_array_append_new(list, comparison_json(&v->comparisons[i]));
    return json_pack("{s:o, s:o, s:o, s:i, s:o, s:o, s:o}", "chosen", mnas_json_integer(v->chosen),
                     "comparisons", list, "seed_sd_frac", mnas_json_number(v->seed_sd_frac), "n_seed_runs",
                     v->n_seed_runs, "binomial_val_frac", mnas_json_number(v->binomial_val_frac),
                     "binomial_test_frac", mnas_json_number(v->binomial_test_frac), "words",
                     mnas_json_text(v->words));
}

static int print_json(const mnas_study *study, const mnas_verdict *verdict) {
    json_t *list = json_array();
    for (int i = 0; i < mnas_study_n_finals(study); i++)
        json_array_append_new(list, final_json(mnas_study_final(study, i)));
    return mnas_json_print(json_pack("{s:o, s:o}", "finals", list, "verdict", verdict_json(verdict)));
}

int mnas_cli_print_finals(const mnas_study *study, bool json) {
    mnas_verdict verdict;
    int rc = mnas_study_verdict(study, &verdict);
    if (rc < 0) return rc;
    rc = json ? print_json(study, &verdict) : print_table(study);
    if (rc == 0 && !json && verdict.words && verdict.words[0]) printf("\n%s\n", verdict.words);
    mnas_verdict_free(&verdict);
    return rc;
}

/* ---- the run ---- */

static int print_study(const char *path, bool json) {
    mnas_study *study;
    int rc = mnas_study_open(&study, path);
    if (rc < 0) return rc;
    rc = mnas_cli_print_finals(study, json);
    mnas_study_close(study);
    return rc;
}

int mnas_cli_finalize(mnas_finalize_options *options, bool json) {
    options->progress = on_progress;
    options->command_line = mnas_cli_command_line();
    options->cancel = mnas_cli_cancel_flag();
    const int rc = mnas_finalize(options);
    mnas_log_live("%s", "");
    if (rc == MNAS_ERR_CANCELLED)
        return mnas_error_set(rc, "interrupted; nothing finished is lost. The same command goes on:\n  %s",
                              mnas_cli_command_line());
    if (rc == MNAS_ERR_TIMEOUT && isfinite(options->max_minutes))
        mnas_log_info("%s; with more minutes the same command goes on", mnas_error_message());
    else if (rc < 0)
        return rc;
    return print_study(options->study, json);
}
