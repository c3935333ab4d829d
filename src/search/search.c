/* search.c - a search from its options: what they name is opened, compared with what the study was made with,
 * and given to the loop. It takes no step of the search itself.
 *
 * Invariants: a study file appears only after everything that it names could be opened; its settings never
 * change afterwards, but for `trials` and what is calibrated.
 */
#include "search/search.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "data/loader.h"
#include "model/space.h"
#include "search/ask.h"
#include "search/devices.h"
#include "search/fixed.h"
#include "search/forecast.h"
#include "search/layers.h"
#include "search/learner.h"
#include "search/loop.h"
#include "search/machine.h"
#include "train/evaluate.h"
#include "train/recipe.h"

enum { MAX_JOBS = 64 };
static const double pause_s = 1;

typedef struct search {
    mnas_search_options options; /* defaults filled in */
    const mnas_search_hooks *hooks;
    mnas_rungs_plan rungs;
    char rung_folder[1100], recipe_text[512];
    mnas_fixed_list fixed; /* the options that a study is made of */
    mnas_setting *stored;  /* of an existing study */
    size_t n_stored;
    mnas_store *store;
    mnas_space *space;
    mnas_dataset_info data;
    mnas_devices devices;
    int n_devices; /* named by the options */
    mnas_recipe recipe;
    mnas_reward reward;
    mnas_screen screen;
    mnas_window window;
    mnas_decision *decisions;
    mnas_strategy *strategy;
    int delay, n_trials, threads; /* of the study */
    double begun_s;
} search;

/* ---- options ---- */

static int require(const char *value, const char *name) {
    return value && value[0] ? 0 : mnas_error_set(MNAS_ERR_ARG, "a search needs --%s", name);
}

static int check_numbers(const mnas_search_options *o) {
    if (o->trials < 1 || o->trials > 10000000)
        return mnas_error_set(MNAS_ERR_ARG, "trials is %d; allowed: 1 to 10000000", o->trials);
    if (o->jobs < 1 || o->jobs > MAX_JOBS)
        return mnas_error_set(MNAS_ERR_ARG, "jobs is %d; allowed: 1 to %d", o->jobs, MAX_JOBS);
    if (o->threads < 0 || o->threads > 1024)
        return mnas_error_set(MNAS_ERR_ARG, "threads is %d; allowed: 0 (cores / jobs) to 1024", o->threads);
    if (o->max_images < 0)
        return mnas_error_set(MNAS_ERR_ARG, "max-images is %" PRId64 "; allowed: 0 (all) or more",
                              o->max_images);
    if (!isnan(o->epochs) && !(o->epochs > 0 && o->epochs <= 1e5))
        return mnas_error_set(MNAS_ERR_ARG, "epochs is %g; allowed: more than 0, at most 100000", o->epochs);
    if (!isnan(o->max_minutes) && !(o->max_minutes > 0))
        return mnas_error_set(MNAS_ERR_ARG, "max-minutes is %g; allowed: more than 0", o->max_minutes);
    if (o->max_trials < 0)
        return mnas_error_set(MNAS_ERR_ARG, "max-trials is %d; allowed: 0 (no limit) or more", o->max_trials);
    if (!(o->device_minutes >= 0))
        return mnas_error_set(MNAS_ERR_ARG, "device-minutes is %g; allowed: 0 or more", o->device_minutes);
    if (!isnan(o->trial_timeout_s) && !(o->trial_timeout_s > 0))
        return mnas_error_set(MNAS_ERR_ARG, "trial-timeout is %g s; allowed: more than 0",
                              o->trial_timeout_s);
    return 0;
}

/* Weights in the middle of a training jump about, and their average ranks networks far better (docs/rungs.md). Who asks for another one
 * gets it. */
static int average_weights(search *s) {
    mnas_search_options *o = &s->options;
    mnas_recipe recipe;
    int rc = mnas_recipe_open(&recipe, o->recipe);
    if (rc < 0 || recipe.ema_decay > 0 || strstr(o->recipe, "ema-decay=")) return rc;
    rc = mnas_str_format(s->recipe_text, sizeof s->recipe_text, "%s%sema-decay=0.99", o->recipe,
                         strchr(o->recipe, ':') ? "," : ":");
    o->recipe = s->recipe_text;
    return rc;
}

static int plan_rungs(const mnas_search_options *o, mnas_rungs_plan *plan) {
    *plan = (mnas_rungs_plan){.n = o->rungs};
    if (o->rungs > 0) {
        const int factor = o->rung_factor ? o->rung_factor : mnas_rungs_default_factor(o->rungs);
        *plan = (mnas_rungs_plan){o->rungs, factor, o->rung_keep, o->rungs_async};
    }
    return mnas_rungs_check(plan);
}

/* Trials come in whole brackets. */
static int in_brackets(int trials, const mnas_rungs_plan *plan) {
    const int size = plan->n == 0 || plan->async ? 1 : mnas_rungs_bracket(plan);
    return (trials + size - 1) / size * size;
}

int mnas_search_n_trials(const mnas_search_options *options) {
    mnas_rungs_plan plan;
    const int rc = plan_rungs(options, &plan);
    return rc < 0 ? rc : in_brackets(options->trials, &plan);
}

static int take_rungs(search *s) {
    mnas_search_options *o = &s->options;
    const int rc = plan_rungs(o, &s->rungs);
    if (rc < 0 || s->rungs.n == 0) return rc;
    o->trials = in_brackets(o->trials, &s->rungs);
    const int rc_recipe = average_weights(s);
    return rc_recipe < 0 ? rc_recipe
                         : mnas_str_format(s->rung_folder, sizeof s->rung_folder, "%s.rungs", o->study);
}

static int take_options(search *s, const mnas_search_options *options) {
    mnas_search_options *o = &s->options;
    *o = *options;
    if (!o->reward || !o->reward[0]) o->reward = o->window_frac > 0 ? "hard" : "soft";
    if (!o->strategy) o->strategy = "ppo";
    if (!o->recipe) o->recipe = "proxy";
    if (o->jobs == 0) o->jobs = 1;
    int rc = require(o->space, "space");
    if (rc == 0) rc = require(o->data, "data");
    if (rc == 0) rc = require(o->device, "device");
    if (rc == 0) rc = require(o->study, "study");
    if (rc == 0) rc = check_numbers(o);
    return rc < 0 ? rc : take_rungs(s);
}

/* 0 stands for a target that is not given; further ones than there are devices are none. */
static int take_targets(search *s, double targets_ms[MNAS_MAX_DEVICES]) {
    mnas_device_specs specs;
    const double *others = s->options.other_targets_ms;
    const int rc = mnas_device_specs_split(&specs, s->options.device);
    if (rc < 0) return rc;
    s->n_devices = specs.n;
    mnas_device_specs_free(&specs);
    targets_ms[0] = s->options.target_ms;
    for (int d = 1; d < MNAS_MAX_DEVICES; d++) {
        targets_ms[d] = others[d - 1] == 0 ? (double)NAN : others[d - 1];
        if (d >= s->n_devices && others[d - 1] != 0)
            return mnas_error_set(MNAS_ERR_ARG,
                                  "a target of %g ms for device %d, and there are %d; allowed: one each",
                                  others[d - 1], d + 1, s->n_devices);
    }
    return 0;
}

static bool screens(const search *s) {
    return s->options.screen && s->options.screen[0];
}

static int open_cheap(search *s) {
    double targets_ms[MNAS_MAX_DEVICES];
    int rc = take_targets(s, targets_ms);
    if (rc == 0) rc = mnas_window_open(&s->window, s->options.window_frac, targets_ms[0], s->n_devices);
    if (rc == 0) rc = mnas_reward_open(&s->reward, s->options.reward, targets_ms, s->n_devices);
    if (rc == 0 && screens(s))
        rc = mnas_screen_open(&s->screen, s->options.screen, s->options.screen_factor, targets_ms[0]);
    if (rc == 0) mnas_screen_aim(&s->screen, &s->window);
    if (rc == 0) rc = mnas_recipe_open(&s->recipe, s->options.recipe);
    if (rc == 0) rc = mnas_space_open(&s->space, s->options.space);
    return rc;
}

/* ---- what a study is made of ---- */

/* Of the devices after the first: "0.5,auto". */
static int fix_other_targets(search *s) {
    char text[MNAS_MAX_DEVICES * 34] = "", number[32];
    for (int d = 1; d < s->n_devices; d++) {
        const double target_ms = s->options.other_targets_ms[d - 1];
        mnas_str_from_f64(target_ms, number);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", d > 1 ? "," : "",
                 target_ms == 0 ? "auto" : number);
    }
    return s->n_devices == 1 ? 0 : mnas_fixed_add(&s->fixed, "other_targets", "target-ms", "%s", text);
}

static int fix_settings(search *s) {
    const mnas_search_options *o = &s->options;
    mnas_fixed_list *f = &s->fixed;
    char hash[MNAS_SPACE_HASH_BYTES];
    mnas_space_hash(s->space, hash);
    int rc = mnas_fixed_add(f, "space_hash", "space", "%s", hash);
    if (rc == 0) rc = mnas_fixed_add(f, "data", "data", "%s", o->data);
    if (rc == 0) rc = mnas_fixed_add(f, "device", "device", "%s", o->device);
    if (rc == 0) rc = mnas_fixed_add(f, "reward", "reward", "%s", o->reward);
    if (rc == 0) rc = mnas_fixed_add(f, "strategy", "strategy", "%s", o->strategy);
    if (rc == 0) rc = mnas_fixed_add(f, "recipe", "recipe", "%s", o->recipe);
    if (rc == 0) rc = mnas_fixed_add(f, "seed", "seed", "%" PRIu64, o->seed);
    if (rc == 0) rc = mnas_fixed_add_number(f, "target_option", "target-ms", o->target_ms, "auto");
    if (rc == 0) rc = fix_other_targets(s);
    if (rc == 0 && screens(s)) rc = mnas_fixed_add(f, "screen_model", "screen", "%s", s->screen.fixed);
    if (rc == 0 && mnas_window_is_set(&s->window))
        rc = mnas_fixed_add_number(f, "window", "window", o->window_frac, "none");
    if (rc == 0 && s->rungs.n > 0)
        rc = mnas_fixed_add(f, "rungs", s->rungs.async ? "rungs-async" : "rungs",
                            "%d of factor %d, brackets of %d%s", s->rungs.n, s->rungs.factor,
                            mnas_rungs_bracket(&s->rungs), s->rungs.async ? ", async" : "");
    if (rc == 0) rc = mnas_fixed_add(f, "max_images", "max-images", "%" PRId64, o->max_images);
    if (rc == 0) rc = mnas_fixed_add_number(f, "epochs", "epochs", o->epochs, "recipe");
    return rc;
}

/* A search of so many times the trials it was begun for is no longer what its strategy was set up for. */
static const int much_longer = 4;

static const char *stored(const search *s, const char *name) {
    return mnas_settings_get(s->stored, s->n_stored, name);
}

static int stored_int(const search *s, const char *name, int *value) {
    const char *text = stored(s, name);
    long long number;
    if (!text || !mnas_str_to_i64(text, &number) || number < 1 || number > INT32_MAX)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: its setting %s is \"%s\": the study is damaged",
                              s->options.study, name, text ? text : "");
    *value = (int)number;
    return 0;
}

static int mismatch(const search *s, const mnas_fixed *f, const char *was) {
    if (strcmp(f->name, "space_hash") == 0)
        return mnas_error_set(
            MNAS_ERR_MISMATCH,
            "--space is %s, but %s was made with another text of space %s; give that one, or another --study",
            s->options.space, s->options.study, stored(s, "space") ? stored(s, "space") : "?");
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "--%s is %s, but %s was made with %s; give that, or another --study", f->option,
                          f->value, s->options.study, was);
}

/* Options that a study has only where they were given. */
static int compare_absent(const search *s) {
    const char *name = !screens(s) && stored(s, "screen_model")                 ? "screen"
                       : !mnas_window_is_set(&s->window) && stored(s, "window") ? "window"
                       : s->rungs.n == 0 && stored(s, "rungs")                  ? "rungs"
                                                                                : NULL;
    if (!name) return 0;
    return mnas_error_set(MNAS_ERR_MISMATCH,
                          "%s was made with --%s %s, which is not given; give it, or another --study",
                          s->options.study, name, stored(s, name) ? stored(s, name) : "?");
}

static int compare_settings(search *s) {
    const char *was;
    if (mnas_ask_is_told(s->stored, s->n_stored))
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "%s is a study of `mnas ask`, whose trials somebody else runs; give another "
                              "--study",
                              s->options.study);
    int rc = compare_absent(s); /* first: the reward's default depends on the window */
    if (rc < 0) return rc;
    const mnas_fixed *f = mnas_fixed_differing(&s->fixed, s->stored, s->n_stored, &was);
    if (f) return mismatch(s, f, was ? was : "nothing");
    rc = stored_int(s, "delay", &s->delay);
    if (rc == 0) rc = stored_int(s, "n_trials", &s->n_trials);
    if (rc == 0) rc = stored_int(s, "threads", &s->threads);
    if (rc < 0) return rc;
    if (s->options.jobs > s->delay)
        return mnas_error_set(MNAS_ERR_MISMATCH,
                              "--jobs is %d, but %s was made for at most %d side by side, on which its "
                              "proposals depend; allowed: 1 to %d",
                              s->options.jobs, s->options.study, s->delay, s->delay);
    return 0;
}

static int open_existing(search *s, mnas_store_mode mode) {
    int rc = mnas_learner_check_study(s->options.study);
    if (rc == 0) rc = mnas_store_open(&s->store, s->options.study, mode);
    if (rc == 0) rc = mnas_store_settings(s->store, &s->stored, &s->n_stored);
    if (rc < 0 || s->n_stored == 0) return rc; /* killed between making the file and its first transaction */
    return compare_settings(s);
}

/* ---- opening what is named ---- */

/* A folder of photos may have grown since: trials on other images are not to be compared. */
static int compare_data(const search *s) {
    const struct {
        const char *name, *what;
        int64_t value;
    } numbers[] = {{"n_train", "training images", s->data.n_train},
                   {"n_val", "validation images", s->data.n_val},
                   {"classes", "classes", s->data.classes}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *text = stored(s, numbers[i].name);
        long long was;
        if (text && mnas_str_to_i64(text, &was) && was != numbers[i].value)
            return mnas_error_set(MNAS_ERR_MISMATCH,
                                  "%s has %" PRId64
                                  " %s now, but %lld when %s was begun; put the images back "
                                  "as they were, or begin another --study",
                                  s->options.data, numbers[i].value, numbers[i].what, was, s->options.study);
    }
    return 0;
}

static int read_data(search *s) {
    mnas_dataset *dataset;
    int rc = mnas_dataset_open(&dataset, s->options.data, 0); /* never the test split */
    if (rc < 0) return rc;
    s->data = dataset->info;
    mnas_dataset_close(dataset);
    if ((rc = compare_data(s)) < 0) return rc;
    mnas_model reference;
    rc = mnas_space_reference(s->space, &reference);
    if (rc == 0) rc = mnas_model_fit_dataset(&reference, &s->data);
    if (rc < 0) return rc; /* before there is a study of it */
    if (screens(s) && (rc = mnas_screen_check(&s->screen, &reference)) < 0) return rc;
    rc = mnas_recipe_check_images(&s->recipe, mnas_loader_n_images(s->options.max_images, s->data.n_train));
    return rc < 0 ? mnas_error_context(rc, "recipe %s", s->options.recipe) : 0;
}

/* What describes every network and, where a model guesses it, log latency. */
static int describe(void *user, const int *tokens, double *out) {
    const search *s = user;
    mnas_model model;
    mnas_latency_guess guess = {.ms = 1};
    int rc = mnas_loop_decode(s->space, &s->data, tokens, &model);
    if (rc == 0) rc = mnas_learner_describe_network(&model, out);
    if (rc < 0 || !screens(s)) return rc;
    rc = mnas_latency_model_predict(&guess, s->screen.model, &model);
    out[MNAS_NETWORK_DESCRIPTORS] = rc == 0 ? log(guess.ms) : 0;
    return rc == MNAS_ERR_INVALID ? 0 : rc;
}

static int open_strategy(search *s) {
    const int n = mnas_space_n_decisions(s->space);
    s->decisions = calloc((size_t)n, sizeof *s->decisions);
    if (!s->decisions) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d decisions", n);
    for (int i = 0; i < n; i++) s->decisions[i] = *mnas_space_decision(s->space, i);
    const mnas_problem problem = {.n_decisions = n,
                                  .decisions = s->decisions,
                                  .n_trials = s->n_trials,
                                  .delay = s->delay,
                                  .n_descriptors = MNAS_NETWORK_DESCRIPTORS + screens(s),
                                  .describe = describe,
                                  .window_low_ms = s->window.low_ms,
                                  .window_high_ms = s->window.high_ms,
                                  .user = s};
    return mnas_strategy_open(&s->strategy, s->options.strategy, &problem, s->options.seed);
}

static int open_all(search *s) {
    int rc = read_data(s);
    if (rc == 0) rc = mnas_devices_open(&s->devices, s->options.device);
    return rc < 0 ? rc : open_strategy(s);
}

/* ---- the study's first transaction ---- */

static int store_names(search *s) {
    int rc = mnas_fixed_store_making(s->store, s->options.space, s->space);
    if (rc == 0 && screens(s)) rc = mnas_store_set(s->store, "screen", s->options.screen);
    return rc < 0 ? rc : mnas_store_set(s->store, "data_spec", s->data.spec);
}

static int store_numbers(search *s) {
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"delay", s->delay},        {"n_trials", s->n_trials},
                   {"threads", s->threads},    {"n_train", s->data.n_train},
                   {"n_val", s->data.n_val},   {"classes", s->data.classes},
                   {"batch", s->recipe.batch}, {"n_decisions", mnas_space_n_decisions(s->space)}};
    int rc = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && rc == 0; i++)
        rc = mnas_store_set_int(s->store, numbers[i].name, numbers[i].value);
    return rc;
}

/* Nobody else may have made it while the data were being read. */
static int open_new(search *s) {
    if (s->store) return 0;
    int rc = mnas_store_open(&s->store, s->options.study, MNAS_STORE_WRITE);
    if (rc == 0) rc = mnas_store_settings(s->store, &s->stored, &s->n_stored);
    if (rc < 0 || s->n_stored == 0) return rc;
    return mnas_error_set(MNAS_ERR_BUSY, "%s was made by another search just now; start again to continue it",
                          s->options.study);
}

static int create_study(search *s) {
    int rc = open_new(s);
    if (rc == 0) rc = mnas_store_begin(s->store);
    if (rc == 0) rc = mnas_fixed_store(&s->fixed, s->store);
    if (rc == 0) rc = store_names(s);
    if (rc == 0) rc = store_numbers(s);
    if (rc == 0) rc = mnas_learner_store_reward(s->store, &s->reward);
    return rc < 0 ? rc : mnas_store_commit(s->store);
}

/* Every start of the search, the first one and each resume. */
static int note_start(search *s) {
    if (s->n_stored > 0 && s->options.trials > much_longer * s->n_trials)
        mnas_log_warn(
            "%s was begun for %d trials, and the strategy's settings stay those of so few; for a long search "
            "begin another --study (to try one out, --max-trials ends it early)",
            s->options.study, s->n_trials);
    int rc = mnas_store_set_int(s->store, "trials", s->options.trials);
    if (rc == 0 && s->options.command_line) /* the last one made the study what it is */
        rc = mnas_store_set(s->store, "command_line", s->options.command_line);
    if (rc == 0) rc = mnas_store_set_int(s->store, "jobs", s->options.jobs);
    if (rc < 0) return rc;
    return mnas_store_event(s->store, s->n_stored ? "resume" : "start",
                            s->options.command_line ? s->options.command_line : "");
}

/* ---- running ---- */

/* Threads change the order of sums, and so the bits of an accuracy: a study keeps those of its start. */
static void choose_threads(search *s) {
    const int asked = s->options.threads ? s->options.threads : mnas_machine_threads_each(s->options.jobs);
    if (s->n_stored == 0) {
        s->threads = asked;
    } else if (s->options.threads && s->options.threads != s->threads) {
        mnas_log_warn("the study was made with %d threads a training; with %d the same network may end a "
                      "little different",
                      s->threads, s->options.threads);
        s->threads = s->options.threads;
    }
}

static const mnas_job_runner *runner_of(const search *s) {
    return s->hooks && s->hooks->runner ? s->hooks->runner : &mnas_job_runner_process;
}

static void choose_new(search *s) {
    if (s->n_stored > 0) return;
    s->delay = s->hooks && s->hooks->delay > 0 ? s->hooks->delay : s->options.jobs;
    s->n_trials = s->options.trials;
}

/* The reference network stands for one that is known to work until there is one. */
static int measure_context(const search *s, mnas_measure_context *out) {
    const bool given = s->hooks && s->hooks->pause_s > 0;
    *out = (mnas_measure_context){.devices = &s->devices,
                                  .runner = runner_of(s),
                                  .wait_s = 60 * s->options.device_minutes,
                                  .pause_s = given ? s->hooks->pause_s : pause_s};
    const int rc = mnas_space_reference(s->space, &out->probe);
    return rc < 0 ? rc : mnas_model_fit_dataset(&out->probe, &s->data);
}

static int run(search *s) {
    mnas_measure_context measure;
    const int rc = measure_context(s, &measure);
    if (rc < 0) return rc;
    const int n_needed = mnas_reward_n_needed(&s->reward);
    const mnas_loop_setup setup = {.options = &s->options,
                                   .store = s->store,
                                   .space = s->space,
                                   .data = &s->data,
                                   .strategy = s->strategy,
                                   .reward = s->reward,
                                   .delay = s->delay,
                                   /* a study of few trials has no more to calibrate on */
                                   .n_calibrate = n_needed < s->n_trials ? n_needed : s->n_trials,
                                   .begun_s = s->begun_s,
                                   .measure = measure,
                                   .trial = {.data = s->options.data,
                                             .recipe = s->options.recipe,
                                             .epochs = s->options.epochs,
                                             .max_images = s->options.max_images,
                                             .threads = s->threads,
                                             .batch = mnas_recipe_group(&s->recipe),
                                             .jobs = s->options.jobs,
                                             .training = &s->recipe,
                                             .images = &s->data,
                                             .free_bytes = s->hooks ? s->hooks->free_bytes : NULL,
                                             .screen = screens(s) ? &s->screen : NULL,
                                             .rungs = s->rungs,
                                             .rung_folder = s->rung_folder,
                                             .window = mnas_window_is_set(&s->window) ? &s->window : NULL,
                                             .runner = runner_of(s)}};
    return mnas_loop_run(&setup);
}

static void close_all(search *s) {
    mnas_strategy_close(s->strategy);
    mnas_devices_close(&s->devices);
    mnas_screen_close(&s->screen);
    mnas_space_close(s->space);
    mnas_settings_free(s->stored, s->n_stored);
    mnas_store_close(s->store);
    free(s->decisions);
    mnas_fixed_free(&s->fixed);
}

/* What a search and its forecast begin with. The study is not made here. */
static int open_search(search *s, const mnas_search_options *options, mnas_store_mode mode) {
    int rc = take_options(s, options);
    if (rc == 0) rc = open_cheap(s);
    if (rc == 0) rc = fix_settings(s);
    if (rc == 0 && mnas_file_exists(options->study)) rc = open_existing(s, mode);
    if (rc < 0) return rc;
    choose_new(s);
    choose_threads(s);
    return open_all(s);
}

static mnas_sample_setup sample_setup(const search *s) {
    return (mnas_sample_setup){s->space, &s->data, &s->recipe, s->options.max_images};
}

static int check_memory(const search *s) {
    const mnas_sample_setup sample = sample_setup(s);
    const bool injected = s->hooks && s->hooks->free_bytes;
    return mnas_forecast_check_memory(&sample, s->options.jobs,
                                      injected ? s->hooks->free_bytes() : mnas_machine_shared_bytes());
}

static double budget_minutes(const search *s) {
    return isnan(s->options.max_minutes) ? (double)INFINITY : s->options.max_minutes;
}

int mnas_search_run_with(const mnas_search_options *options, const mnas_search_hooks *hooks) {
    search s = {.hooks = hooks, .begun_s = mnas_clock_now_s()};
    int rc;
    if ((rc = open_search(&s, options, MNAS_STORE_WRITE)) < 0) goto out;
    if (s.n_stored == 0 && (rc = check_memory(&s)) < 0) goto out;
    if (s.n_stored == 0 && (rc = create_study(&s)) < 0) goto out;
    if ((rc = note_start(&s)) < 0) goto out;
    mnas_devices_limit(&s.devices, s.begun_s + 60 * budget_minutes(&s), options->cancel);
    rc = run(&s);
    mnas_store_note_end(s.store, rc, "finished", "stopped");
    if (rc == 0)
        mnas_search_time_layers(s.store, options->study, s.devices.list[0],
                                s.begun_s + 60 * budget_minutes(&s), options->cancel);
out:
    close_all(&s);
    return rc;
}

int mnas_search_run(const mnas_search_options *options) {
    return mnas_search_run_with(options, NULL);
}

/* ---- forecasting ---- */

/* What the strategy keeps at each of its updates, found by playing it outcomes: it is ours, not the search's. */
static int play_strategy(search *s, mnas_forecast_setup *setup) {
    enum { MAX_PROPOSALS = 64 };
    int *tokens = calloc((size_t)mnas_space_n_decisions(s->space) + 1, sizeof *tokens);
    mnas_strategy_status status = {0};
    mnas_str state = {0};
    int n = 0, rc = tokens ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a proposal");
    while (rc == 0 && status.n_updates < 1 && n < MAX_PROPOSALS) {
        const mnas_outcome outcome = {.reward = 0.5 + 0.01 * n++};
        rc = mnas_strategy_propose(s->strategy, tokens);
        if (rc == 0) rc = mnas_strategy_feedback(s->strategy, tokens, &outcome);
        mnas_strategy_get_status(s->strategy, &status);
    }
    if (rc == 0 && status.n_updates > 0) rc = mnas_strategy_save(s->strategy, &state);
    setup->snapshot_bytes = (double)state.len;
    setup->proposals_per_snapshot = status.n_updates > 0 ? (double)n / status.n_updates : 0;
    mnas_str_free(&state);
    free(tokens);
    return rc;
}

int mnas_search_forecast(mnas_forecast *out, const mnas_search_options *options) {
    search s = {.begun_s = mnas_clock_now_s()};
    mnas_trial *rows = NULL;
    size_t n_rows = 0;
    int rc = open_search(&s, options, MNAS_STORE_READ);
    if (rc == 0 && s.store) rc = mnas_store_trials(s.store, &rows, &n_rows);
    mnas_forecast_processes processes = {.data = s.options.data,
                                         .recipe = s.options.recipe,
                                         .epochs = s.options.epochs,
                                         .max_images = s.options.max_images,
                                         .threads = s.threads,
                                         .timeout_s = 20};
    if (s.options.max_minutes < 1) processes.timeout_s *= s.options.max_minutes; /* false for NaN */
    mnas_forecast_setup setup = {.options = &s.options,
                                 .sample = sample_setup(&s),
                                 .devices = &s.devices,
                                 .threads = s.threads,
                                 .delay = s.delay,
                                 .rungs = s.rungs,
                                 .rows = rows,
                                 .n_rows = n_rows,
                                 .timer = mnas_forecast_time_processes,
                                 .timer_user = &processes};
    mnas_devices_limit(&s.devices, s.begun_s + 60 * budget_minutes(&s), s.options.cancel);
    if (rc == 0) rc = play_strategy(&s, &setup);
    if (rc == 0) rc = mnas_forecast_make(out, &setup);
    if (rc == 0) out->elapsed_s = mnas_clock_now_s() - s.begun_s;
    mnas_trials_free(rows, n_rows);
    close_all(&s);
    return rc;
}
