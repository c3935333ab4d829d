/* forecast.c - see forecast.h: from sampled networks and timed steps to minutes, memory and disk.
 *
 * What it cannot know: where the strategy will go. It takes the networks of the whole space as they come, which the first
 * trials of a search are and later ones are not.
 */
#include "search/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stats.h"
#include "data/loader.h"
#include "search/history.h"
#include "search/machine.h"

enum { N_SAMPLES = 200, N_TIMED = 4, MAX_TIMED = 16, MIN_ROWS = 3 };
/* What `mnas finalize` does unless told otherwise (docs/final.md): baselines; further seeds of two networks; three rates for
 * each of four families, a quarter of a training each; and latencies of all but those in passes. */
enum { N_BASELINES = 10, N_REPEATS = 2 * 2, N_TUNING = 3 * 4 / 4, N_PASSES = 5 };
static const double sample_budget_s = 1;
/* Between trials: proposing, storing, starting a process. */
static const double overhead_s = 0.05;
/* A machine is not as fast in the next hour as in this second: an allowance for that, not a measurement. */
static const double drift_frac = 0.06;
static const double row_bytes = 4096, study_bytes = 200e3;
static const double state_weights =
    5; /* of a training at a rung: weights, their average, the optimizer's two */

typedef struct work {
    const mnas_forecast_setup *setup;
    mnas_forecast *out;
    mnas_sampled *networks; /* by ascending multiply-adds */
    size_t n_networks;
    double *train_s, *measure_s; /* of trials: predicted for the networks, or found in the study's rows */
    size_t n_train;
    double measure_mean_s, start_s;
    double trial_noise_frac, common_noise_frac;
    mnas_step_fit fit;
    bool fitted;
    mnas_rng rng;
} work;

static int64_t share_bytes(const mnas_forecast_setup *s) {
    return mnas_memory_share(s->free_bytes ? s->free_bytes() : mnas_machine_shared_bytes(), s->options->jobs);
}

/* ---- times ---- */

/* Steps, batches of evaluation and evaluations of one training. */
typedef struct amount {
    double steps, eval_batches;
} amount;

static amount amount_of(const mnas_recipe *recipe, double epochs, int64_t n_images, int n_val) {
    const double n_epochs = isnan(epochs) ? recipe->epochs : epochs, batch = (double)recipe->batch;
    const double per_epoch = ceil((double)n_val / mnas_recipe_group(recipe)) + (double)recipe->recalibrate;
    return (amount){ceil(n_epochs * (double)n_images / batch), ceil(n_epochs - 1e-9) * per_epoch};
}

static int64_t n_images(const mnas_sample_setup *s) {
    return mnas_loader_n_images(s->max_images, s->data->n_train);
}

static double training_s(const mnas_step_fit *fit, const mnas_sampled *network, amount a) {
    const double step_s = mnas_forecast_step_s(fit, network);
    return fit->start_s + step_s * (a.steps + fit->eval_ratio * a.eval_batches);
}

/* Spread over the space's cost, the dearest tenth left out; each pass of `jobs` at a time is full. */
static size_t choose(mnas_timed *timed, const work *w) {
    const size_t jobs =
        (size_t)w->setup->options->jobs < MAX_TIMED ? (size_t)w->setup->options->jobs : MAX_TIMED;
    const size_t n = jobs >= N_TIMED ? jobs : (N_TIMED + jobs - 1) / jobs * jobs;
    for (size_t i = 0; i < n; i++) {
        const double share = 0.1 + 0.8 * (double)i / (double)(n - 1);
        timed[i] = (mnas_timed){.network = &w->networks[(size_t)(share * (double)(w->n_networks - 1))]};
    }
    return n;
}

static int time_networks(work *w, mnas_timed *timed, size_t n) {
    const size_t jobs = (size_t)w->setup->options->jobs < n ? (size_t)w->setup->options->jobs : n,
                 passes = n / jobs;
    /* a cheap and a dear one side by side, as chance puts them */
    for (size_t pass = 0; pass < passes; pass++) {
        mnas_timed side[MAX_TIMED];
        for (size_t j = 0; j < jobs; j++) side[j] = timed[pass + j * passes];
        const int rc = w->setup->timer(w->setup->timer_user, side, jobs);
        if (rc < 0 && (rc != MNAS_ERR_TIMEOUT || pass + 1 == passes)) return rc;
        for (size_t j = 0; j < jobs; j++) timed[pass + j * passes] = side[j];
    }
    return 0;
}

static double spread_of(const mnas_timed *timed, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += timed[i].times.spread_frac / sqrt(fmax(1, timed[i].times.n_steps));
    return sum / (double)n;
}

/* A device that fails here may do better in the search, or will be heard there. */
static void time_measuring(work *w) {
    mnas_latency latency;
    const double begun_s = mnas_clock_now_s();
    const mnas_devices *devices = w->setup->devices;
    for (int d = 0; d < devices->n; d++)
        if (mnas_device_measure(devices->list[d], &w->networks[w->n_networks / 2].model, &latency) < 0)
            mnas_log_debug("forecast: %s", mnas_error_message());
    w->measure_mean_s = mnas_clock_now_s() - begun_s;
}

static int forecast_times(work *w) {
    mnas_timed timed[MAX_TIMED];
    const mnas_forecast_setup *s = w->setup;
    const size_t n = choose(timed, w);
    int rc = time_networks(w, timed, n);
    if (rc == 0) rc = mnas_forecast_fit(&w->fit, timed, n);
    if (rc < 0) return rc;
    w->fitted = true;
    for (size_t i = 0; i < n; i++) w->out->n_timed += timed[i].times.n_steps > 0;
    amount a = amount_of(s->sample.recipe, s->options->epochs, n_images(&s->sample), s->sample.data->n_val);
    a.steps *= w->out->trained_share;
    a.eval_batches *= w->out->trained_share;
    w->n_train = w->n_networks;
    for (size_t i = 0; i < w->n_train; i++) w->train_s[i] = training_s(&w->fit, &w->networks[i], a);
    time_measuring(w);
    for (size_t i = 0; i < w->n_train; i++) w->measure_s[i] = w->measure_mean_s;
    const double error = isfinite(w->fit.error_frac) ? w->fit.error_frac : 0.3;
    w->trial_noise_frac = error;
    w->common_noise_frac =
        hypot(drift_frac, hypot(error, spread_of(timed, n)) / sqrt((double)w->out->n_timed));
    return 0;
}

/* The study's own trials are the best forecast. */
static size_t take_rows(work *w) {
    size_t n = 0;
    for (size_t i = 0; i < w->setup->n_rows; i++) {
        const mnas_trial *row = &w->setup->rows[i];
        if (!mnas_history_has_accuracy(row) || isnan(row->train_s) || isnan(row->measure_s)) continue;
        w->train_s[n] = row->train_s + (isnan(row->overhead_s) ? 0 : row->overhead_s);
        w->measure_s[n++] = row->measure_s;
    }
    if (n < MIN_ROWS) return 0;
    w->n_train = n;
    w->measure_mean_s = mnas_stats_mean(w->measure_s, n);
    w->common_noise_frac =
        hypot(drift_frac, mnas_stats_sd(w->train_s, n) / mnas_stats_mean(w->train_s, n) / sqrt((double)n));
    return n;
}

static int trials_left(const mnas_forecast_setup *s) {
    int n_complete = 0, n_running = 0;
    for (size_t i = 0; i < s->n_rows; i++) {
        n_complete += mnas_history_has_accuracy(&s->rows[i]);
        n_running += s->rows[i].state == MNAS_TRIAL_RUNNING;
    }
    int left = s->options->trials - n_complete;
    const int may_start = s->options->max_trials - (int)s->n_rows + n_running;
    if (s->options->max_trials > 0 && may_start < left) left = may_start;
    return left > 0 ? left : 0;
}

static mnas_range scaled(mnas_range r, double factor) {
    return (mnas_range){r.low * factor, r.mid * factor, r.high * factor};
}

static mnas_played_search search_of(const work *w, int n_trials) {
    const mnas_forecast_setup *s = w->setup;
    return (mnas_played_search){.train_s = w->train_s,
                                .n = w->n_train,
                                .measure_s = w->measure_mean_s,
                                .overhead_s = w->fitted ? overhead_s : 0, /* rows have it in their times */
                                .trial_noise_frac = w->trial_noise_frac,
                                .common_noise_frac = w->common_noise_frac,
                                .n_trials = n_trials,
                                .jobs = s->options->jobs,
                                .delay = s->delay,
                                .quiet = mnas_devices_need_quiet(s->devices)};
}

static void play(work *w) {
    const mnas_played_search search = search_of(w, w->out->n_trials);
    w->out->minutes = scaled(mnas_forecast_play(&search, &w->rng), 1.0 / 60);
    w->out->latency_s = mnas_forecast_range(w->measure_s, w->n_train);
    for (size_t i = 0; i < w->n_train; i++) w->measure_s[i] += w->train_s[i] + search.overhead_s;
    w->out->trial_s = mnas_forecast_range(w->measure_s, w->n_train);
}

/* How many trainings stage two has, whole ones of all images. */
static int n_final_trainings(const mnas_search_options *o) {
    return o->top_k > 0 ? 2 * o->top_k + N_BASELINES + N_REPEATS
                        : 0; /* as many random networks as found ones */
}

/* Stage two: a random search as long as this one, then the trainings with the recipe `final`. Networks are taken for those of
 * the space, and an image's time for the same at any batch. */
static void forecast_final(work *w) {
    const mnas_forecast_setup *s = w->setup;
    mnas_recipe final;
    double each_s[N_SAMPLES];
    if (s->options->top_k <= 0 || !w->fitted) return;
    if (mnas_recipe_open(&final, "final") < 0) return;
    amount a = amount_of(&final, NAN, s->sample.data->n_train, s->sample.data->n_val);
    const double batches = (double) final.batch / (double)s->sample.recipe->batch;
    a.steps *= batches;
    a.eval_batches *= (double)mnas_recipe_group(&final) / mnas_recipe_group(s->sample.recipe);
    for (size_t i = 0; i < w->n_networks; i++) each_s[i] = training_s(&w->fit, &w->networks[i], a);
    const int n = n_final_trainings(s->options) + N_TUNING,
              n_measured = N_PASSES * (2 * s->options->top_k + N_BASELINES);
    const mnas_played_search trainings = {.train_s = each_s,
                                          .n = w->n_networks,
                                          .measure_s = w->measure_mean_s * n_measured / n,
                                          .common_noise_frac = 0.25, /* what is trained is not yet known */
                                          .n_trials = n,
                                          .jobs = s->options->jobs,
                                          .delay = n,
                                          .quiet = true};
    const mnas_played_search random = search_of(w, s->options->trials);
    const mnas_range a_s = mnas_forecast_play(&random, &w->rng),
                     b_s = mnas_forecast_play(&trainings, &w->rng);
    w->out->final_minutes =
        scaled((mnas_range){a_s.low + b_s.low, a_s.mid + b_s.mid, a_s.high + b_s.high}, 1.0 / 60);
}

/* ---- memory and disk ---- */

static void forecast_memory(work *w) {
    double bytes[N_SAMPLES];
    size_t n_large = 0;
    const int64_t share = share_bytes(w->setup);
    for (size_t i = 0; i < w->n_networks; i++) {
        const mnas_memory_need *need = &w->networks[i].memory;
        bytes[i] = (double)(need->private_bytes + need->mapped_bytes);
        n_large += need->private_bytes > share;
    }
    w->out->peak_bytes = mnas_forecast_range(bytes, w->n_networks);
    w->out->free_bytes = share == INT64_MAX ? INFINITY : (double)share;
    w->out->too_large_frac = (double)n_large / (double)w->n_networks;
}

/* Of the folder that the study will stand in. */
static double free_disk(const char *path) {
    char folder[1024] = ".";
    struct statvfs fs;
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) < sizeof folder)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (statvfs(folder, &fs) < 0) return NAN;
    return (double)fs.f_bavail * (double)fs.f_frsize;
}

/* Networks whose trainings wait at a rung at once, at most: of three brackets (docs/rungs.md), or whatever has not gone on. */
static double n_waiting_at_rungs(const work *w) {
    const mnas_rungs_plan *plan = &w->setup->rungs;
    const int n_trials = w->setup->options->trials, n_open = 3 * mnas_rungs_bracket(plan);
    if (plan->n < 2) return 0;
    return plan->async || n_open > n_trials ? n_trials : n_open;
}

static void forecast_disk(work *w) {
    const mnas_forecast_setup *s = w->setup;
    double weights[N_SAMPLES], each = row_bytes;
    for (size_t i = 0; i < w->n_networks; i++) weights[i] = w->networks[i].params * sizeof(float);
    if (s->proposals_per_snapshot > 0) each += s->snapshot_bytes / s->proposals_per_snapshot;
    const int n_weights = n_final_trainings(s->options), n_random = n_weights > 0 ? s->options->trials : 0;
    const double study = study_bytes + each * w->out->n_trials + row_bytes * n_random;
    const mnas_range one = mnas_forecast_range(weights, w->n_networks);
    const double n_waiting = state_weights * n_waiting_at_rungs(w), n_low = n_weights + n_waiting / 3,
                 n_high = n_weights + n_waiting;
    /* up to a fifth of the proposals repeat known networks: updates of the strategy, but no trials */
    w->out->disk_bytes = (mnas_range){study + n_low * one.low, 1.05 * study + n_high * one.mid,
                                      1.25 * study + n_high * one.high};
    w->out->free_disk_bytes = free_disk(s->options->study);
    w->out->cache_bytes = (double)s->sample.data->cache_bytes;
}

/* ---- all together ---- */

static int make(work *w) {
    const mnas_forecast_setup *s = w->setup;
    const double deadline_s = mnas_clock_now_s() + sample_budget_s;
    const size_t room = s->n_rows > N_SAMPLES ? s->n_rows : N_SAMPLES;
    w->out->n_trials = trials_left(s);
    w->out->trained_share = mnas_rungs_cost(&s->rungs);
    w->train_s = calloc(room, sizeof *w->train_s);
    w->measure_s = calloc(room, sizeof *w->measure_s);
    if (!w->train_s || !w->measure_s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a forecast");
    int rc = mnas_forecast_sample(&w->networks, &w->n_networks, N_SAMPLES, &s->sample, deadline_s);
    if (rc < 0) return rc;
    forecast_memory(w);
    forecast_disk(w);
    if (w->out->n_trials == 0) return 0;
    if (take_rows(w) == 0 && (rc = forecast_times(w)) < 0) return rc;
    play(w);
    forecast_final(w);
    return 0;
}

int mnas_forecast_make(mnas_forecast *out, const mnas_forecast_setup *setup) {
    const mnas_range unknown = {NAN, NAN, NAN};
    work w = {.setup = setup, .out = out, .rng = mnas_rng_stream(0, 1, "forecast")};
    const double begun_s = mnas_clock_now_s();
    *out = (mnas_forecast){.trial_s = unknown,
                           .latency_s = unknown,
                           .minutes = unknown,
                           .final_minutes = unknown,
                           .peak_bytes = unknown,
                           .disk_bytes = unknown,
                           .free_disk_bytes = NAN,
                           .cache_bytes = NAN};
    const int rc = make(&w);
    free(w.networks);
    free(w.train_s);
    free(w.measure_s);
    out->elapsed_s = mnas_clock_now_s() - begun_s;
    return rc;
}

int mnas_forecast_check_memory(const mnas_sample_setup *setup, int jobs, int64_t free_bytes) {
    mnas_sampled *networks;
    size_t n;
    int rc = mnas_forecast_sample(&networks, &n, N_SAMPLES, setup, mnas_clock_now_s() + 0.2);
    if (rc < 0) return rc == MNAS_ERR_INVALID ? 0 : rc;
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < n; i++)
        if (networks[i].memory.private_bytes < least) least = networks[i].memory.private_bytes;
    free(networks);
    const int64_t share = mnas_memory_share(free_bytes, jobs);
    if (n == 0 || least <= share) return 0;
    return mnas_error_set(
        MNAS_ERR_MEMORY,
        "of %zu networks of the space even the smallest needs %lld MiB to train at batch %d, and "
        "%lld MiB are free for each of %d jobs; use fewer --jobs, a smaller batch "
        "(--recipe proxy:batch=16), smaller images, or a smaller space",
        n, (long long)(least >> 20), mnas_recipe_group(setup->recipe), (long long)(share >> 20), jobs);
}
