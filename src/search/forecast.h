/* forecast.h - what a search will take, before it takes it: the parts behind mnas_search_forecast.
 *
 *     forecast_sample.c   random networks of the space, and what they cost
 *     forecast_time.c     steps of a few of them, in processes of their own, as many side by side as the search will have
 *     forecast_fit.c      from those to the time of any network; whole searches played with such times
 *     forecast.c          all together, and memory and disk
 *
 * It has a random stream of its own and opens nothing for writing: a search is the same with and without it.
 */
#ifndef MNAS_SEARCH_FORECAST_H
#define MNAS_SEARCH_FORECAST_H

#include "base/rng.h"
#include "data/dataset.h"
#include "search/devices.h"
#include "search/memory_need.h"
#include "search/rungs.h"
#include "train/timing.h"

/* ---- networks ---- */

typedef struct mnas_sampled {
    mnas_model model;
    double macs, train_bytes, params;
    mnas_memory_need memory;
} mnas_sampled;

typedef struct mnas_sample_setup {
    const mnas_space *space;
    const mnas_dataset_info *data;
    const mnas_recipe *recipe;
    int64_t max_images;
} mnas_sample_setup;

/* At most n random networks of the space that can be built, by ascending multiply-adds; fewer where time runs out at
 * deadline_s, at least 8. *out is malloc'ed. */
int mnas_forecast_sample(mnas_sampled **out, size_t *n_found, size_t n, const mnas_sample_setup *setup,
                         double deadline_s);

/* ---- timed steps ---- */

/* start_s: all of the process that is no step and no evaluation. */
typedef struct mnas_timed {
    const mnas_sampled *network;
    double start_s;
    mnas_step_times times;
} mnas_timed;

/* Time the steps of timed[n].network side by side. A network that fails has times.n_steps 0; below 0 where all fail. */
typedef int mnas_forecast_timer(void *user, mnas_timed *timed, size_t n);

typedef struct mnas_forecast_processes {
    const char *data, *recipe;
    double epochs; /* NaN: the recipe's */
    int64_t max_images;
    int threads;
    double timeout_s; /* of one such call */
} mnas_forecast_processes;
int mnas_forecast_time_processes(void *processes, mnas_timed *timed, size_t n); /* a mnas_forecast_timer */
int mnas_forecast_worker(FILE *in, FILE *out); /* its child: `mnas worker steps` */

/* ---- from them to all networks ---- */

/* step_s = c0 + c1 macs + c2 train_bytes + c3 params, no coefficient below 0 */
typedef struct mnas_step_fit {
    double c[4];
    double error_frac;          /* root mean square, each network predicted from the others */
    double start_s, eval_ratio; /* means: of the start; of an evaluation's batch over a step */
} mnas_step_fit;

int mnas_forecast_fit(mnas_step_fit *out, const mnas_timed *timed, size_t n);
double mnas_forecast_step_s(const mnas_step_fit *fit, const mnas_sampled *network);

typedef struct mnas_played_search {
    const double *train_s; /* [n]: of a trial's process, one of which is drawn for each trial */
    size_t n;
    double measure_s, overhead_s;
    double trial_noise_frac, common_noise_frac; /* log standard deviations: of each trial, of all alike */
    int n_trials, jobs, delay;
    bool quiet; /* trainings pause while a latency is taken */
} mnas_played_search;
/* Seconds of whole searches: percentiles over some hundred played ones. */
mnas_range mnas_forecast_play(const mnas_played_search *search, mnas_rng *rng);
mnas_range mnas_forecast_range(const double *values,
                               size_t n); /* 10th, 50th, 90th percentile; NaN for n = 0 */

/* ---- all together ---- */

typedef struct mnas_forecast_setup {
    const mnas_search_options *options;
    mnas_sample_setup sample;
    const mnas_devices *devices;
    int threads, delay;
    mnas_rungs_plan rungs;
    const mnas_trial *rows; /* of a study to be resumed */
    size_t n_rows;
    double snapshot_bytes, proposals_per_snapshot; /* of the strategy; 0 where it keeps none */
    mnas_forecast_timer *timer;
    void *timer_user;
    int64_t (*free_bytes)(void); /* NULL: the machine's */
} mnas_forecast_setup;
int mnas_forecast_make(mnas_forecast *out, const mnas_forecast_setup *setup);

/* MNAS_ERR_MEMORY where no network of the space fits into a job's share. */
int mnas_forecast_check_memory(const mnas_sample_setup *setup, int jobs, int64_t free_bytes);

#endif
