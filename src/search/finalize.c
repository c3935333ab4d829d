/* finalize.c - mnas_finalize: opens the study, fills in the options, and runs the steps of finalize.h one after the other.
 *
 * Invariant: the study is locked as long as it runs; no search changes it meanwhile. */
#include "search/ask.h"
#include "search/finalize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "search/devices.h"
#include "search/learner.h"
#include "search/machine.h"
#include "search/study.h"
#include "train/evaluate.h"

enum { MAX_TOP_K = 64, MAX_RATES = 9, MAX_REPEATS = 20, MAX_RACE = 100, MAX_JOBS = 64, MAX_THREADS = 1024 };

/* ---- options ---- */

static int check_range(const char *name, double value, double low, double high) {
    if (value >= low && value <= high) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "%s is %g; allowed: %g to %g", name, value, low, high);
}

static int check_options(const mnas_finalize_options *o) {
    int rc = check_range("top-k", o->top_k, 1, MAX_TOP_K);
    if (rc == 0) rc = check_range("random", o->n_random, -1, 1e6);
    if (rc == 0) rc = check_range("learning-rates", o->n_lr, 1, MAX_RATES);
    if (rc == 0) rc = check_range("race", o->n_race, 0, MAX_RACE);
    if (rc == 0) rc = check_range("repeats", o->n_repeats, 0, MAX_REPEATS);
    if (rc == 0) rc = check_range("passes", o->n_passes, 1, MNAS_MAX_PASSES);
    if (rc == 0) rc = check_range("jobs", o->jobs, 0, MAX_JOBS);
    if (rc == 0) rc = check_range("threads", o->threads, 0, MAX_THREADS);
    if (rc == 0 && !isnan(o->epochs)) rc = check_range("epochs", o->epochs, 1e-6, 1e5);
    if (rc == 0) rc = check_range("device-minutes", o->device_minutes, 0, 1e7);
    if (rc == 0 && !isnan(o->max_minutes)) rc = check_range("max-minutes", o->max_minutes, 1e-6, 1e7);
    return rc;
}

static int take_options(mnas_stage *s, const mnas_finalize_options *options,
                        const mnas_finalize_hooks *hooks) {
    mnas_finalize_options *o = &s->options;
    *o = *options;
    if (!o->study || !o->study[0]) return mnas_error_set(MNAS_ERR_ARG, "study is missing; it is required");
    if (!o->recipe || !o->recipe[0]) o->recipe = "final";
    if (!o->baselines || !o->baselines[0]) o->baselines = "auto";
    if (!o->output) o->output = "";
    if (hooks) s->hooks = *hooks;
    if (!s->hooks.runner) s->hooks.runner = &mnas_job_runner_process;
    if (!s->hooks.evaluate) s->hooks.evaluate = mnas_eval_correct;
    const int rc = check_options(o);
    return rc < 0 ? rc : mnas_recipe_open(&s->recipe, o->recipe);
}

static int fix_options(mnas_stage *s) {
    const mnas_finalize_options *o = &s->options;
    mnas_fixed_list *f = &s->fixed;
    int rc = mnas_fixed_add(f, "final_top_k", "top-k", "%d", o->top_k);
    if (rc == 0) rc = mnas_fixed_add(f, "final_recipe", "recipe", "%s", o->recipe);
    if (rc == 0) rc = mnas_fixed_add_number(f, "final_epochs", "epochs", o->epochs, "recipe");
    if (rc == 0) rc = mnas_fixed_add(f, "final_baselines", "baselines", "%s", o->baselines);
    if (rc == 0) rc = mnas_fixed_add(f, "final_random", "random", "%d", o->n_random);
    if (rc == 0) rc = mnas_fixed_add(f, "final_learning_rates", "learning-rates", "%d", o->n_lr);
    if (rc == 0) rc = mnas_fixed_add(f, "final_repeats", "repeats", "%d", o->n_repeats);
    if (rc == 0 && o->n_race > 0) rc = mnas_fixed_add(f, "final_race", "race", "%d", o->n_race);
    if (rc == 0) rc = mnas_fixed_add(f, "final_passes", "passes", "%d", o->n_passes);
    if (rc == 0) rc = mnas_fixed_add(f, "final_output", "output", "%s", o->output);
    return rc;
}

static int compare_options(const mnas_stage *s) {
    const char *was;
    if (!mnas_stage_setting(s, "final_planned")) return 0;
    if (s->options.n_race == 0 && mnas_stage_setting(s, "final_race"))
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "stage two of %s was begun with --race %s; go on with mnas finalize and that",
                              s->options.study, mnas_stage_setting(s, "final_race"));
    const mnas_fixed *f = mnas_fixed_differing(&s->fixed, s->settings, s->n_settings, &was);
    if (!f) return 0;
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "--%s is \"%s\", but stage two of %s was begun with \"%s\"; give that", f->option,
                          f->value, s->options.study, was ? was : "");
}

/* ---- what the study says ---- */

static double stored_number(const mnas_stage *s, const char *before, const char *name) {
    char setting[64];
    snprintf(setting, sizeof setting, "%s%s", before, name);
    return mnas_stage_real(s, setting, NAN);
}

/* As stage two has stored it, or as the search did, whose settings have nothing before their names. */
static bool stored_reward(mnas_stage *s, const char *before) {
    char name[24];
    const double a = stored_number(s, before, "alpha"), b = stored_number(s, before, "beta");
    bool known = !isnan(a) && !isnan(b);
    double targets_ms[MNAS_MAX_DEVICES];
    for (int d = 0; d < s->n_devices; d++) {
        targets_ms[d] = stored_number(s, before, mnas_learner_target_name(d, name));
        known = known && targets_ms[d] > 0;
    }
    if (!known) return false;
    memcpy(s->reward.target_ms, targets_ms, sizeof(double) * (size_t)s->n_devices);
    s->reward.alpha = a;
    s->reward.beta = b;
    s->reward.w_auto = false;
    return true;
}

/* A search that was ended early has no calibrated reward: what it has must do. */
static int calibrate(mnas_stage *s) {
    mnas_trial *trials;
    size_t n, n_complete = 0;
    int rc = mnas_store_trials(s->store, &trials, &n);
    if (rc < 0) return rc;
    const size_t n_devices = (size_t)s->n_devices;
    double *points = calloc((1 + n_devices) * n + 1, sizeof *points);
    if (!points) rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu trials", n);
    for (size_t i = 0; i < n && points; i++) {
        if (trials[i].state != MNAS_TRIAL_COMPLETE) continue;
        points[n_complete] = trials[i].accuracy_frac;
        mnas_reward_latencies(points + n + n_complete++ * n_devices, s->n_devices, &trials[i].latency,
                              trials[i].others, trials[i].n_others);
    }
    if (rc == 0) rc = mnas_reward_calibrate(&s->reward, points, points + n, n_complete);
    free(points);
    mnas_trials_free(trials, n);
    return rc;
}

/* What was asked of the device: a number, or "auto". */
static double asked_target(const mnas_stage *s, int device) {
    const char *others = mnas_stage_setting(s, "other_targets");
    double ms = NAN;
    char *end;
    if (device == 0) return mnas_stage_real(s, "target_option", NAN);
    for (int d = 1; d < device && others; d++) others = strchr(others, ',') ? strchr(others, ',') + 1 : NULL;
    if (others) ms = strtod(others, &end);
    return others && end != others && ms > 0 ? ms : (double)NAN;
}

static int load_reward(mnas_stage *s) {
    double asked_ms[MNAS_MAX_DEVICES];
    mnas_device_specs specs;
    if (mnas_ask_is_told(s->settings, s->n_settings))
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "%s is a study of `mnas ask`: there are no images to train on; allowed: one of "
                              "`mnas search`",
                              s->options.study);
    const char *devices = mnas_stage_setting(s, "device");
    int rc = mnas_device_specs_split(&specs, devices ? devices : "local");
    if (rc < 0) return rc;
    s->n_devices = specs.n;
    mnas_device_specs_free(&specs);
    for (int d = 0; d < s->n_devices; d++) asked_ms[d] = asked_target(s, d);
    rc = mnas_reward_open(&s->reward, mnas_stage_setting(s, "reward"), asked_ms, s->n_devices);
    if (rc < 0 || stored_reward(s, "final_") || stored_reward(s, "")) return rc;
    return calibrate(s);
}

static int count_complete(mnas_stage *s) {
    mnas_trial *trials;
    size_t n;
    const int rc = mnas_store_trials(s->store, &trials, &n);
    if (rc < 0) return rc;
    s->n_complete = 0;
    for (size_t i = 0; i < n; i++) s->n_complete += trials[i].state == MNAS_TRIAL_COMPLETE;
    mnas_trials_free(trials, n);
    return 0;
}

static int open_study(mnas_stage *s) {
    if (!mnas_file_exists(s->options.study)) /* opening for writing would make it */
        return mnas_error_set(MNAS_ERR_MISSING, "%s: no such study", s->options.study);
    int rc = mnas_store_open(&s->store, s->options.study, MNAS_STORE_WRITE);
    if (rc == 0) rc = mnas_stage_load(s);
    if (rc == 0) rc = count_complete(s);
    if (rc == 0 && (s->n_complete == 0 || !mnas_stage_setting(s, "data")))
        return mnas_error_set(MNAS_ERR_ARG,
                              "%s has no complete trial yet; stage two begins with the best of them",
                              s->options.study);
    if (rc == 0) rc = load_reward(s);
    for (size_t i = 0; i < s->n_finals && rc == 0; i++)
        rc = mnas_study_check_final(&s->finals[i], s->n_devices);
    return rc;
}

static int read_data(mnas_stage *s) {
    mnas_dataset *dataset;
    int rc = mnas_dataset_open(&dataset, mnas_stage_setting(s, "data"), 0); /* not the test split */
    if (rc < 0) return rc;
    s->data = dataset->info;
    mnas_dataset_close(dataset);
    rc = mnas_recipe_check_images(&s->recipe, s->data.n_train);
    return rc < 0 ? mnas_error_context(rc, "recipe %s", s->options.recipe) : 0;
}

static int make_output(mnas_stage *s) {
    int rc = s->options.output[0] ? mnas_str_format(s->output, sizeof s->output, "%s", s->options.output)
                                  : mnas_stage_beside(s, ".final", s->output, sizeof s->output);
    return rc < 0 ? rc : mnas_file_mkdirs(s->output);
}

/* Unless asked otherwise, as the trials were trained; a damaged study may say anything. */
static void choose_jobs(mnas_stage *s) {
    mnas_finalize_options *o = &s->options;
    int jobs = mnas_stage_int(s, "jobs", 1);
    if (jobs < 1 || jobs > MAX_JOBS) jobs = 1;
    if (o->jobs == 0) o->jobs = jobs;
    if (o->threads == 0 && o->jobs == jobs) o->threads = mnas_stage_int(s, "threads", 0);
    if (o->threads < 1 || o->threads > MAX_THREADS) o->threads = mnas_machine_threads_each(o->jobs);
}

/* ---- the run ---- */

static int run_steps(mnas_stage *s) {
    static int (*const steps[])(mnas_stage *) = {mnas_stage_plan,   mnas_stage_search_random, mnas_stage_tune,
                                                 mnas_stage_train,  mnas_stage_measure,       mnas_stage_race,
                                                 mnas_stage_choose, mnas_stage_train, /* the repeats */
                                                 mnas_stage_test};
    int rc = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && rc == 0; i++) rc = steps[i](s);
    return rc;
}

static void close_all(mnas_stage *s) {
    mnas_finals_free(s->finals, s->n_finals);
    mnas_settings_free(s->settings, s->n_settings);
    mnas_fixed_free(&s->fixed);
    mnas_store_close(s->store);
}

int mnas_finalize_with(const mnas_finalize_options *options, const mnas_finalize_hooks *hooks) {
    mnas_stage s = {.begun_s = mnas_clock_now_s()};
    int rc;
    if ((rc = take_options(&s, options, hooks)) < 0) goto out;
    if ((rc = fix_options(&s)) < 0) goto out;
    if ((rc = open_study(&s)) < 0) goto out;
    if ((rc = compare_options(&s)) < 0) goto out;
    if ((rc = read_data(&s)) < 0) goto out;
    if ((rc = make_output(&s)) < 0) goto out;
    choose_jobs(&s);
    rc = mnas_store_event(s.store, "finalize", s.options.command_line ? s.options.command_line : "");
    if (rc < 0) goto out;
    rc = run_steps(&s);
    mnas_store_note_end(s.store, rc, "finalized", "finalize stopped");
out:
    close_all(&s);
    return rc;
}

int mnas_finalize(const mnas_finalize_options *options) {
    return mnas_finalize_with(options, NULL);
}
