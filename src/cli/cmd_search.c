/* cmd_search.c - `mnas search`: runs or resumes a study, shows its progress, and ends with the Pareto front.
 *
 * The search itself is mnas_search_run. A budget that is spent is a normal end, since it was asked for.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/finals_print.h"
#include "cli/forecast_print.h"
#include "cli/study_print.h"

typedef struct search_opts {
    mnas_cli_common common;
    char space[MNAS_OPT_STR], data[MNAS_OPT_STR], device[MNAS_OPT_STR], study[MNAS_OPT_STR];
    char reward[MNAS_OPT_STR], strategy[MNAS_OPT_STR], recipe[MNAS_OPT_STR], target_ms[MNAS_OPT_STR],
        screen[MNAS_OPT_STR];
    double screen_factor, window, epochs, max_minutes, device_minutes, trial_timeout_s;
    int64_t rungs, rung_factor, rung_keep, trials, max_images, max_trials, seed, jobs, threads, top_k;
    bool rungs_async, dry_run, no_forecast;
} search_opts;

#define AT(field) offsetof(search_opts, field)
static const mnas_opt options[] = {
    {"space", MNAS_OPT_STRING, AT(space), NULL, 0, 0, "SPACE",
     "required: search space, built-in or a file; `mnas space` lists them", NULL},
    {"data", MNAS_OPT_STRING, AT(data), NULL, 0, 0, "DATASET",
     "required: images to train on; `mnas datasets` lists them", NULL},
    {"study", MNAS_OPT_STRING, AT(study), NULL, 0, 0, "FILE",
     "required: where everything is kept; an existing one is resumed", NULL},
    {"device", MNAS_OPT_STRING, AT(device), "local", 0, 0, "DEVICE",
     "where latency is measured; `mnas devices` lists them; several: \"local + ssh:host=pi\"", NULL},
    {"target-ms", MNAS_OPT_STRING, AT(target_ms), "", 0, 0, "ms",
     "latency aimed at, one for each device: 0.5,12; for those without, or auto, the median of the first 10",
     NULL},
    {"screen", MNAS_OPT_STRING, AT(screen), "", 0, 0, "MODEL",
     "latency model of the first device (`mnas device-model fit`): what it expects to be far too slow is "
     "left out",
     NULL},
    {"screen-factor", MNAS_OPT_FLOAT, AT(screen_factor), "1.5", 1, 1e6, NULL,
     "far too slow: above so many times the target, the model's error allowed for", NULL},
    {"window", MNAS_OPT_FLOAT, AT(window), "0", 0, 0.9, "FRACTION",
     "hit the target: train only what takes (1 - FRACTION) x target-ms to target-ms, 0.02 for instance; the "
     "rest "
     "is measured and left; 0: off",
     NULL},
    {"trials", MNAS_OPT_INT, AT(trials), "100", 1, 1e6, "trials",
     "complete trials wanted; with rungs networks tried, those stopped early included, in whole brackets",
     NULL},
    {"rungs", MNAS_OPT_INT, AT(rungs), "0", 0, 6, "rungs",
     "end the training of networks that promise little: 2 trains all to 1/9, the best quarter to the end; 3 "
     "all to 1/9, the best third to 1/3, the best third of these to the end; weights are averaged "
     "(ema-decay=0.99) unless --recipe says otherwise; 0: none",
     NULL},
    {"rung-factor", MNAS_OPT_INT, AT(rung_factor), "0", 0, 27, NULL,
     "what goes on from a rung is trained so many times as long; 0: 9 with two rungs, 3 with more", NULL},
    {"rung-keep", MNAS_OPT_INT, AT(rung_keep), "0", 0, 27, NULL,
     "one in so many goes on from a rung; 0: --rung-factor, at most 4", NULL},
    {"rungs-async", MNAS_OPT_BOOL, AT(rungs_async), NULL, 0, 0, NULL,
     "decide at each rung at once and not in brackets: the result then depends on --jobs and on "
     "interruptions",
     NULL},
    {"seed", MNAS_OPT_INT, AT(seed), "1", 0, INFINITY, NULL, "of everything random", NULL},
    {"reward", MNAS_OPT_STRING, AT(reward), "", 0, 0, "REWARD",
     "accuracy and latency in one number; see below; soft unless given, with a window hard", NULL},
    {"strategy", MNAS_OPT_STRING, AT(strategy), "ppo", 0, 0, "STRATEGY", "who proposes networks; see below",
     NULL},
    {"recipe", MNAS_OPT_STRING, AT(recipe), "proxy", 0, 0, "RECIPE",
     "how a trial trains; `mnas train --help` explains them", NULL},
    {"epochs", MNAS_OPT_FLOAT, AT(epochs), NULL, 0.001, 100000, "epochs",
     "of each trial; the recipe's unless given", NULL},
    {"max-images", MNAS_OPT_INT, AT(max_images), "0", 0, INFINITY, "images",
     "train each trial on so many different ones; 0: all", NULL},
    {"max-minutes", MNAS_OPT_FLOAT, AT(max_minutes), NULL, 0.001, 1e7, "minutes",
     "stop after this time, whatever is running then; no limit unless given", NULL},
    {"device-minutes", MNAS_OPT_FLOAT, AT(device_minutes), "10", 0, 1e7, "minutes",
     "wait so long for a device that has gone away, then end; the same command goes on", NULL},
    {"max-trials", MNAS_OPT_INT, AT(max_trials), "0", 0, 1e6, "trials",
     "start no more than so many, failed ones and earlier ones of the study counted; 0: no limit", NULL},
    {"top-k", MNAS_OPT_INT, AT(top_k), "0", 0, 64, "networks",
     "then train so many of the best fully, as `mnas finalize` does, in the minutes that are left; 0: none",
     NULL},
    {"jobs", MNAS_OPT_INT, AT(jobs), "1", 1, 64, "trials", "trained side by side", NULL},
    {"threads", MNAS_OPT_INT, AT(threads), "0", 0, 1024, "threads",
     "of each; 0: cores divided by jobs; 1 is the fastest where other programs run", NULL},
    {"trial-timeout", MNAS_OPT_FLOAT, AT(trial_timeout_s), NULL, 0.1, 1e7, "seconds",
     "of a trial; unless given, 20 times the first one's, at least 600", NULL},
    {"dry-run", MNAS_OPT_BOOL, AT(dry_run), NULL, 0, 0, NULL,
     "only say what it will take: time, memory, disk; makes no study", NULL},
    {"no-forecast", MNAS_OPT_BOOL, AT(no_forecast), NULL, 0, 0, NULL, "begin without saying that", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

/* ---- progress ---- */

/* A device that does not answer is all that one wants to know then. */
static void show_awaited(const mnas_search_progress *p) {
    char line[512], waited[32], limit[32];
    mnas_clock_duration(p->awaited_s, waited, sizeof waited);
    mnas_clock_duration(p->awaited_limit_s, limit, sizeof limit);
    snprintf(line, sizeof line, "trial %d awaits %s, %s%s%s: %s", p->number, p->awaited, waited,
             isfinite(p->awaited_limit_s) ? " of " : "", isfinite(p->awaited_limit_s) ? limit : "", p->why);
    mnas_cli_live(line);
}

/* Of the trials wanted: with rungs they are networks tried. */
static int n_done(const mnas_search_progress *p) {
    return p->n_complete + p->n_stopped;
}

static void show_live(const mnas_search_progress *p) {
    char line[400], best[MNAS_HUMAN_BYTES], elapsed[32], eta[32], part[64] = "", more[128] = "";
    mnas_human_reward(p->best_reward, best);
    mnas_clock_duration(p->elapsed_s, elapsed, sizeof elapsed);
    mnas_clock_duration(p->eta_s, eta, sizeof eta);
    if (isfinite(p->phase_frac)) snprintf(part, sizeof part, " %.0f %%", 100 * p->phase_frac);
    if (p->n_rungs > 0 && strcmp(p->phase, "training") == 0)
        snprintf(part + strlen(part), sizeof part - strlen(part), ", to rung %d of %d", p->rung + 1,
                 p->n_rungs);
    if (p->n_stopped > 0) snprintf(more, sizeof more, ", %d stopped at rungs", p->n_stopped);
    if (p->n_screened > 0)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", %d screened", p->n_screened);
    if (p->n_outside > 0)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", %d outside", p->n_outside);
    if (p->n_refused > 0)
        snprintf(more + strlen(more), sizeof more - strlen(more), ", %d refused", p->n_refused);
    snprintf(line, sizeof line, "trial %d %s%s | %d/%d %s, %d failed%s | best reward %s | %s, ETA %s",
             p->number, p->phase ? p->phase : "", part, n_done(p), p->n_wanted,
             p->n_rungs > 0 ? "tried" : "complete", p->n_failed, more, best, elapsed, eta);
    mnas_cli_live(line);
}

static void show_complete(const mnas_search_progress *p) {
    const mnas_trial *t = p->trial;
    char accuracy[MNAS_HUMAN_BYTES], latency[MNAS_CLI_LATENCIES], macs[MNAS_HUMAN_BYTES],
        reward[MNAS_HUMAN_BYTES], best[MNAS_HUMAN_BYTES], eta[32];
    mnas_human_reward(t->reward, reward);
    mnas_human_reward(p->best_reward, best);
    mnas_human_percent(t->accuracy_frac, accuracy);
    mnas_cli_latencies(t, latency);
    mnas_human_count(t->macs, macs);
    mnas_clock_duration(p->eta_s, eta, sizeof eta);
    mnas_log_info(
        "trial %3d  reward %6s  accuracy %7s  latency %9s  %6s multiply-adds  (%d/%d, best %s, ETA %s)",
        t->number, reward, accuracy, latency, macs, n_done(p), p->n_wanted, best, eta);
}

static void show_failed(const mnas_trial *t) {
    char outcome[64];
    const char *error = t->error ? t->error : "";
    mnas_log_warn("trial %3d  %s%s%.*s", t->number, mnas_cli_trial_outcome(t, outcome), error[0] ? "  " : "",
                  (int)strcspn(error, "\n"), error);
}

static void show_stopped(const mnas_search_progress *p) {
    const mnas_trial *t = p->trial;
    char accuracy[MNAS_HUMAN_BYTES], ms[MNAS_HUMAN_BYTES];
    mnas_human_percent(t->accuracy_frac, accuracy);
    mnas_human_ms(t->latency.median_ms, ms);
    mnas_log_info("trial %3d  stopped at rung %d of %d: accuracy %s, latency %s  (%d stopped)", t->number,
                  t->rung + 1, p->n_rungs, accuracy, ms, p->n_stopped);
}

static void show_pruned(const mnas_search_progress *p) {
    const mnas_trial *t = p->trial;
    char ms[MNAS_HUMAN_BYTES];
    if (strcmp(t->reason, "latency") == 0) {
        mnas_human_ms(t->latency.median_ms, ms);
        mnas_log_info("trial %3d  takes %s, outside the window: not trained  (%d outside)", t->number, ms,
                      p->n_outside);
        return;
    }
    mnas_human_ms(t->predicted_ms, ms);
    mnas_log_info("trial %3d  screened: expected to take %s  (%d screened)", t->number, ms, p->n_screened);
}

static void on_progress(void *user, const mnas_search_progress *p) {
    (void)user;
    if (!p->trial && p->awaited) {
        show_awaited(p);
    } else if (!p->trial) {
        show_live(p);
    } else if (p->trial->state == MNAS_TRIAL_COMPLETE) {
        show_complete(p);
    } else if (p->trial->state == MNAS_TRIAL_PRUNED && p->trial->rung >= 0) {
        show_stopped(p);
    } else if (p->trial->state == MNAS_TRIAL_PRUNED) {
        show_pruned(p);
    } else {
        show_failed(p->trial);
    }
}

/* ---- the end ---- */

static int print_front(const search_opts *o) {
    mnas_study *study;
    int rc = mnas_study_open(&study, o->study);
    if (rc < 0) return rc;
    rc = mnas_cli_print_front(study, o->common.json);
    mnas_study_close(study);
    return rc;
}

/* ---- before it begins ---- */

/* The time that it takes counts. A search of less than half a minute is over before a forecast of it is worth having; one
 * that is refused says so itself. */
static void show_forecast(mnas_search_options *s) {
    mnas_forecast forecast;
    const double begun_s = mnas_clock_now_s();
    if (s->max_minutes < 0.5) return; /* false for NaN */
    int rc = mnas_search_forecast(&forecast, s);
    if (rc < 0)
        mnas_log_debug("no forecast: %s", mnas_error_message());
    else if (forecast.n_trials > 0)
        mnas_cli_log_forecast(&forecast, s->max_minutes);
    s->max_minutes = s->max_minutes - (mnas_clock_now_s() - begun_s) / 60;
    if (s->max_minutes <= 0) s->max_minutes = 1e-6; /* false for NaN */
}

static int dry_run(const mnas_search_options *s, bool json) {
    mnas_forecast forecast;
    int rc = mnas_search_forecast(&forecast, s);
    return rc < 0 ? rc : mnas_cli_print_forecast(&forecast, s->max_minutes, json);
}

/* ---- stage two ---- */

/* With the options of `mnas finalize` that nothing was said about, in the minutes that are left. */
static int finalize(const search_opts *o, double left_minutes) {
    mnas_finalize_options f = {.study = o->study,
                               .top_k = (int)o->top_k,
                               .epochs = NAN,
                               .n_random = -1,
                               .n_lr = 3,
                               .n_repeats = 2,
                               .n_passes = 5,
                               .device_minutes = o->device_minutes,
                               .jobs = (int)o->jobs,
                               .threads = (int)o->threads,
                               .max_minutes = left_minutes};
    int rc = o->common.json ? 0 : print_front(o);
    if (rc == 0 && !o->common.json) putchar('\n');
    return rc < 0 ? rc : mnas_cli_finalize(&f, o->common.json);
}

static int end(const search_opts *o, double left_minutes) {
    if (o->top_k == 0) return print_front(o);
    if (!(left_minutes <= 0)) return finalize(o, left_minutes); /* NaN: no limit */
    mnas_log_info("no minutes are left for the final trainings of --top-k %lld; the same command goes on",
                  (long long)o->top_k);
    return print_front(o);
}

/* What a search that did not reach its number of trials still shows; the first failure is the one to tell. Trials that are
 * spent are no reason against stage two; minutes are, which are the whole command's. */
static int end_early(const search_opts *o, int rc, double left_minutes) {
    char why[1024];
    snprintf(why, sizeof why, "%s", mnas_error_message());
    if (rc == MNAS_ERR_CANCELLED) {
        return mnas_error_set(rc, "interrupted; nothing finished is lost. The same command goes on:\n  %s",
                              mnas_cli_command_line());
    }
    bool is_spent = rc == MNAS_ERR_TIMEOUT && (isfinite(o->max_minutes) || o->max_trials > 0);
    if (rc != MNAS_ERR_EXHAUSTED && !is_spent) return rc;
    if (is_spent) mnas_log_info("%s; with more the same command goes on", why);
    const int printed = is_spent ? end(o, left_minutes) : print_front(o);
    return is_spent ? printed : mnas_error_set(rc, "%s", why);
}

/* "0.5,12": one for each device, auto for those that are to be found. */
static int parse_targets(mnas_search_options *s, const char *text) {
    int d = 0;
    s->target_ms = NAN;
    for (const char *at = text; *at; d++) {
        const size_t n = strcspn(at, ",");
        char one[32];
        double ms = 0;
        snprintf(one, sizeof one, "%.*s", (int)n, at);
        const bool found = strcmp(one, "auto") == 0;
        if (d == MNAS_MAX_DEVICES || n >= sizeof one ||
            (!found && (!mnas_str_to_f64(one, &ms) || !(ms >= 0.001 && ms <= 1e6))))
            return mnas_error_set(
                MNAS_ERR_ARG,
                "target-ms is \"%s\"; allowed: 0.001 to 1e6 ms or auto for each device, separated by commas",
                text);
        if (d > 0) s->other_targets_ms[d - 1] = ms;
        if (d == 0 && !found) s->target_ms = ms;
        at += n + (at[n] == ',');
    }
    return 0;
}

/* What they mean for the search is said before it begins. */
static int check_rungs(const search_opts *o, const mnas_search_options *s) {
    if (o->rungs == 0 && (o->rungs_async || o->rung_factor || o->rung_keep))
        return mnas_error_set(MNAS_ERR_ARG, "%s is nothing without --rungs",
                              o->rungs_async   ? "--rungs-async"
                              : o->rung_factor ? "--rung-factor"
                                               : "--rung-keep");
    const int n_trials = mnas_search_n_trials(s);
    if (n_trials < 0 || o->rungs == 0) return n_trials < 0 ? n_trials : 0;
    if (o->rungs_async)
        mnas_log_warn(
            "--rungs-async decides in the order in which trainings end: another number of --jobs, or an "
            "interruption, gives another table of trials");
    if (n_trials > o->trials)
        mnas_log_warn(
            "--rungs %d tries networks in whole brackets: %d of them, where --trials is %d; a smaller "
            "--rungs or --rung-keep has smaller brackets",
            (int)o->rungs, n_trials, (int)o->trials);
    return 0;
}

static int run(const void *opts, int n_words, char **words) {
    const search_opts *o = opts;
    const double begun_s = mnas_clock_now_s();
    (void)n_words, (void)words;
    mnas_search_options s = {.space = o->space,
                             .data = o->data,
                             .device = o->device,
                             .study = o->study,
                             .reward = o->reward,
                             .strategy = o->strategy,
                             .recipe = o->recipe,
                             .trials = (int)o->trials,
                             .rungs = (int)o->rungs,
                             .rung_factor = (int)o->rung_factor,
                             .rung_keep = (int)o->rung_keep,
                             .rungs_async = o->rungs_async,
                             .max_images = o->max_images,
                             .epochs = o->epochs,
                             .seed = (uint64_t)o->seed,
                             .max_minutes = o->max_minutes,
                             .device_minutes = o->device_minutes,
                             .screen = o->screen,
                             .screen_factor = o->screen_factor,
                             .window_frac = o->window,
                             .max_trials = (int)o->max_trials,
                             .top_k = (int)o->top_k,
                             .jobs = (int)o->jobs,
                             .threads = (int)o->threads,
                             .trial_timeout_s = o->trial_timeout_s,
                             .command_line = mnas_cli_command_line(),
                             .progress = on_progress,
                             .cancel = mnas_cli_cancel_flag()};
    int rc = parse_targets(&s, o->target_ms);
    if (rc < 0) return rc;
    if ((rc = check_rungs(o, &s)) < 0) return rc;
    if (o->dry_run) return dry_run(&s, o->common.json);
    if (!o->no_forecast) show_forecast(&s);
    rc = mnas_search_run(&s);
    mnas_log_live("%s", "");
    const double left_minutes = o->max_minutes - (mnas_clock_now_s() - begun_s) / 60;
    return rc < 0 ? end_early(o, rc, left_minutes) : end(o, left_minutes);
}

static const char *const plugins[] = {"reward", "strategy", NULL};
const mnas_cli_command mnas_command_search = {
    .name = "search",
    .words = "",
    .summary = "search networks: propose, train, measure, learn; resumes a study",
    .about = "Sample networks from a space, train each on the dataset, measure each on the device or "
             "devices, and let "
             "the strategy learn from accuracy and latency, until the wanted number of trials is complete. "
             "Begins with a forecast of time, memory and disk; ends with the Pareto front. Everything is "
             "kept in the study: the same command resumes an interrupted search and loses nothing that was "
             "finished.",
    .example =
        "mnas search --space mnasnet-28 --data fashion-mnist --target-ms 0.2 --trials 44 --study demo.db",
    .opts = options,
    .opts_bytes = sizeof(search_opts),
    .plugins = plugins,
    .run = run};
