/* study.c - what a study holds, for reading: a picture of one moment, taken when it is opened. It never
 * writes, and a search may go on beside it. Only models are read later: a trial's model never changes. */
#include "search/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/model.h"
#include "search/ask.h"
#include "search/devices.h"
#include "search/finalize.h"
#include "search/pareto.h"
#include "search/reward.h"
#include "search/rung_summary.h"
#include "search/rungs.h"
#include "search/window.h"
#include "search/shadow.h"

struct mnas_study {
    mnas_store *store;
    mnas_trial *trials;
    mnas_setting *settings;
    mnas_snapshot *updates;
    mnas_final *finals;
    size_t n_trials, n_settings, n_updates, n_finals;
    mnas_device_specs devices;
    bool is_written; /* by another process */
    bool is_told;    /* its trials were run by somebody else, who measured what he wanted */
};

static bool possible(double value, double low, double high) {
    return isnan(value) || (value >= low && value <= high);
}

static bool possible_times(const mnas_trial *t) {
    static const int64_t latest = INT64_C(1) << 53;
    return t->started_unix_ms >= -1 && t->started_unix_ms <= latest && t->finished_unix_ms >= -1 &&
           t->finished_unix_ms <= latest;
}

/* On every device of the study, or on none. */
static bool possible_others(int n_devices, const mnas_latency *others, int n, bool known) {
    bool good = n == n_devices - 1 || (n == 0 && !known);
    for (int i = 0; i < n; i++) {
        const double ms = others[i].median_ms;
        good = good && possible(ms, 1e-9, 1e9) && !(known && isnan(ms));
    }
    return good;
}

/* They are there as they are counted, on each device alike. */
static bool possible_passes(const mnas_final *f) {
    return f->n_passes >= 0 && f->n_passes <= MNAS_MAX_PASSES && (f->n_passes == 0 || f->pass_ms) &&
           f->n_others_pass_ms == f->n_passes * f->n_others &&
           (f->n_others_pass_ms == 0 || f->others_pass_ms);
}

int mnas_study_check_final(const mnas_final *f, int n_devices) {
    if (possible(f->val_accuracy_frac, 0, 1) && possible(f->test_accuracy_frac, 0, 1) &&
        possible(f->val_balanced_frac, 0, 1) && possible(f->test_balanced_frac, 0, 1) &&
        possible(f->latency.median_ms, 1e-9, 1e9) &&
        possible_others(n_devices, f->others, f->n_others, f->n_passes > 0) && possible_passes(f))
        return 0;
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "final %d has accuracies %g and %g, latency %g ms after %d passes on %d devices: "
                          "the study is damaged",
                          f->number, f->val_accuracy_frac, f->test_accuracy_frac, f->latency.median_ms,
                          f->n_passes, 1 + f->n_others);
}

/* A damaged file may say anything; who reads a study counts on numbers that can be. */
static int check_numbers(const mnas_study *s) {
    for (size_t i = 0; i < s->n_trials; i++) {
        const mnas_trial *t = &s->trials[i];
        const double accuracy = t->accuracy_frac, latency = t->latency.median_ms;
        const bool known =
            t->state != MNAS_TRIAL_COMPLETE ||
            (s->is_told ? !(isnan(accuracy) && isnan(t->reward)) : !(isnan(accuracy) || isnan(latency)));
        if (!known ||
            !possible_others(s->devices.n, t->others, t->n_others, t->state == MNAS_TRIAL_COMPLETE) ||
            !possible(t->n_refused, 0, 1e6) || !possible(t->rung, -1, MNAS_MAX_RUNGS - 1) ||
            !possible(accuracy, 0, 1) || !possible(latency, 1e-9, 1e9) ||
            !possible(t->reward, -1e100, 1e100) || !possible_times(t))
            return mnas_error_set(
                MNAS_ERR_FORMAT,
                "trial %d is %s with accuracy %g, latency %g ms, reward %g: the study is damaged", t->number,
                mnas_trial_state_name(t->state), accuracy, latency, t->reward);
    }
    int rc = 0;
    for (size_t i = 0; i < s->n_finals && rc == 0; i++)
        rc = mnas_study_check_final(&s->finals[i], s->devices.n);
    return rc;
}

/* A study that was never begun has no setting, and counts as one of one device. */
static int split_devices(mnas_study *s) {
    const char *joined = mnas_study_setting(s, "device");
    return mnas_device_specs_split(&s->devices, joined && joined[0] ? joined : "local");
}

int mnas_study_open(mnas_study **out, const char *path) {
    *out = NULL;
    mnas_study *s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: study %s", path);
    /* asked before the rows are read and after: a search may end or begin in between */
    s->is_written = mnas_store_is_written(path);
    int rc = mnas_store_open(&s->store, path, MNAS_STORE_READ);
    if (rc == 0) rc = mnas_store_settings(s->store, &s->settings, &s->n_settings);
    if (rc == 0) rc = mnas_store_trials(s->store, &s->trials, &s->n_trials);
    if (rc == 0) rc = mnas_store_updates(s->store, &s->updates, &s->n_updates);
    if (rc == 0) rc = mnas_store_finals(s->store, &s->finals, &s->n_finals);
    if (rc == 0) rc = split_devices(s);
    s->is_told = rc == 0 && mnas_ask_is_told(s->settings, s->n_settings);
    if (rc == 0) rc = check_numbers(s);
    s->is_written = s->is_written || mnas_store_is_written(path);
    if (rc < 0)
        mnas_study_close(s);
    else
        *out = s;
    return rc;
}

void mnas_study_close(mnas_study *study) {
    if (!study) return;
    mnas_finals_free(study->finals, study->n_finals);
    mnas_snapshots_free(study->updates, study->n_updates);
    mnas_trials_free(study->trials, study->n_trials);
    mnas_settings_free(study->settings, study->n_settings);
    mnas_store_close(study->store);
    mnas_device_specs_free(&study->devices);
    free(study);
}

int mnas_study_n_trials(const mnas_study *study) {
    return (int)study->n_trials;
}

const mnas_trial *mnas_study_trial(const mnas_study *study, int i) {
    return i >= 0 && (size_t)i < study->n_trials ? &study->trials[i] : NULL;
}

bool mnas_study_interrupted(const mnas_study *study, const mnas_trial *trial) {
    return trial->state == MNAS_TRIAL_RUNNING && !study->is_written && !study->is_told;
}

bool mnas_study_is_told(const mnas_study *study) {
    return study->is_told;
}

double mnas_study_value(const mnas_study *study, const mnas_trial *trial) {
    const char *objective = mnas_study_setting(study, "objective");
    if (!objective || !study->is_told || strcmp(objective, "accuracy") == 0) return NAN;
    return strcmp(objective, "minimize") == 0 ? 0 - trial->reward : trial->reward;
}

const char *mnas_study_setting(const mnas_study *study, const char *name) {
    return mnas_settings_get(study->settings, study->n_settings, name);
}

int mnas_study_n_devices(const mnas_study *study) {
    return study->devices.n;
}

const char *mnas_study_device(const mnas_study *study, int device) {
    return device >= 0 && device < study->devices.n ? study->devices.list[device] : NULL;
}

static const mnas_trial **pointers(const mnas_study *study) {
    const mnas_trial **trials = malloc((study->n_trials + 1) * sizeof *trials);
    if (!trials) mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu trials", study->n_trials);
    for (size_t i = 0; trials && i < study->n_trials; i++) trials[i] = &study->trials[i];
    return trials;
}

int mnas_study_shadow(mnas_shadow *out, const mnas_study *study) {
    const mnas_trial **trials = pointers(study);
    const int rc = trials ? mnas_shadow_compare(out, trials, (int)study->n_trials) : MNAS_ERR_MEMORY;
    free(trials);
    return rc;
}

int mnas_study_rungs(const mnas_study *study, mnas_rung out[MNAS_MAX_RUNGS_OF_STUDY]) {
    const mnas_trial **trials = pointers(study);
    const int n =
        trials ? mnas_rung_summary(out, mnas_study_setting(study, "rungs"), trials, (int)study->n_trials)
               : MNAS_ERR_MEMORY;
    free(trials);
    return n;
}

const mnas_latency *mnas_trial_latency_on(const mnas_trial *trial, int device) {
    if (device == 0) return &trial->latency;
    return device > 0 && device <= trial->n_others ? &trial->others[device - 1] : NULL;
}

const mnas_snapshot *mnas_study_updates(const mnas_study *study, size_t *n) {
    *n = study->n_updates;
    return study->updates;
}

/* Accuracies and latencies[n_devices] of complete trials, NaN for all others. */
static void take_points(const mnas_study *study, int n_devices, double *accuracy, double *latency) {
    for (size_t i = 0; i < study->n_trials; i++) {
        const mnas_trial *t = &study->trials[i];
        accuracy[i] = t->state == MNAS_TRIAL_COMPLETE ? t->accuracy_frac : (double)NAN;
        mnas_reward_latencies(latency + i * (size_t)n_devices, n_devices, &t->latency, t->others,
                              t->n_others);
    }
}

/* Values in place of accuracies; where no latency was told, all are alike, and the front is the best trial. */
static void complete_told(const mnas_study *study, double *accuracy, double *latency) {
    bool any = false;
    for (size_t i = 0; i < study->n_trials; i++) {
        const mnas_trial *t = &study->trials[i];
        any = any || isfinite(latency[i]);
        if (t->state == MNAS_TRIAL_COMPLETE && isnan(t->accuracy_frac)) accuracy[i] = t->reward;
    }
    for (size_t i = 0; i < study->n_trials && !any; i++) latency[i] = 0;
}

int mnas_study_front(const mnas_study *study, int **front, int *n_front) {
    const size_t n = study->n_trials, n_devices = (size_t)study->devices.n;
    double *points = calloc((1 + n_devices) * n + 1, sizeof *points);
    size_t *index = calloc(n + 1, sizeof *index), found = 0;
    int *numbers = calloc(n + 1, sizeof *numbers), rc = 0;
    *front = NULL;
    *n_front = 0;
    if (!points || !index || !numbers) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: front of %zu trials", n);
        goto out;
    }
    take_points(study, study->devices.n, points, points + n);
    if (study->is_told && n_devices == 1) complete_told(study, points, points + n);
    if ((rc = mnas_pareto_front_of(points, points + n, n_devices, n, index, &found)) < 0) goto out;
    for (size_t i = 0; i < found; i++) numbers[i] = study->trials[index[i]].number;
    *front = numbers;
    *n_front = (int)found;
    numbers = NULL;
out:
    free(numbers);
    free(index);
    free(points);
    return rc;
}

/* Takes the text over. */
static int parse_model(mnas_model *out, char *yaml, const char *what, int number) {
    char name[64];
    snprintf(name, sizeof name, "%s %d", what, number);
    const int rc = mnas_model_parse(out, yaml, strlen(yaml), name);
    free(yaml);
    return rc;
}

int mnas_study_model(const mnas_study *study, int trial, mnas_model *out) {
    char *yaml;
    const int rc = mnas_store_model(study->store, trial, &yaml);
    return rc < 0 ? rc : parse_model(out, yaml, "trial", trial);
}

bool mnas_study_landing(const mnas_study *study, mnas_landing *out) {
    mnas_window window;
    const bool asked = mnas_window_read(&window, mnas_study_setting(study, "window"),
                                        mnas_study_setting(study, "target_ms"));
    mnas_landing_begin(out, &window);
    for (size_t i = 0; asked && i < study->n_trials; i++) mnas_landing_count(out, &study->trials[i]);
    for (size_t i = 0; asked && i < study->n_finals; i++) mnas_landing_count_final(out, &study->finals[i]);
    return asked;
}

/* ---- stage two ---- */

int mnas_study_n_finals(const mnas_study *study) {
    return (int)study->n_finals;
}

const mnas_final *mnas_study_final(const mnas_study *study, int i) {
    return i >= 0 && (size_t)i < study->n_finals ? &study->finals[i] : NULL;
}

int mnas_study_final_model(const mnas_study *study, int number, mnas_model *out) {
    char *yaml;
    const int rc = mnas_store_final_model(study->store, number, &yaml);
    return rc < 0 ? rc : parse_model(out, yaml, "final", number);
}

/* ---- what was stored beside ---- */

int mnas_study_layers(const mnas_study *study, int trial, mnas_layer_time **layers, int *n) {
    return mnas_store_layers(study->store, trial, layers, n);
}

int mnas_study_n_policy_points(const mnas_study *study) {
    return (int)study->n_updates;
}

mnas_policy_point mnas_study_policy_point(const mnas_study *study, int i) {
    if (i < 0 || (size_t)i >= study->n_updates) return (mnas_policy_point){0};
    return (mnas_policy_point){study->updates[i].n_proposals, study->updates[i].probabilities};
}
