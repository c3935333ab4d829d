/* timing.c - see timing.h. It trains nothing to an end and keeps no weights. */
#include "train/timing.h"

#include <math.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/stats.h"
#include "train/evaluate.h"
#include "train/threads.h"
#include "train/trainer.h"

enum { MIN_STEPS = 2, MAX_STEPS = 400, EVAL_BATCHES = 3 };
static const double budget_s = 0.6;

typedef struct bench {
    mnas_recipe recipe;
    mnas_dataset *dataset;
    mnas_loader *train, *val;
    mnas_trainer trainer;
} bench;

static int open_bench(bench *b, mnas_model *model, const mnas_train_options *options) {
    int rc = mnas_recipe_open_for(&b->recipe, options);
    if (rc < 0) return rc;
    mnas_threads_use(options->threads);
    if ((rc = mnas_dataset_open(&b->dataset, options->data, 0)) < 0) return rc;
    if ((rc = mnas_model_fit_dataset(model, &b->dataset->info)) < 0) return rc;
    mnas_loader_options train = mnas_recipe_loading(&b->recipe, model, options->seed),
                        eval = mnas_evaluate_loading(model, train.batch);
    train.max_images = options->max_images;
    eval.max_images = (int64_t)EVAL_BATCHES * eval.batch;
    if ((rc = mnas_loader_create(&b->train, b->dataset, MNAS_SPLIT_TRAIN, &train)) < 0) return rc;
    if ((rc = mnas_loader_create(&b->val, b->dataset, MNAS_SPLIT_VAL, &eval)) < 0) return rc;
    /* the schedule does not matter to the clock */
    return mnas_trainer_open(&b->trainer, model, &b->recipe, 1000, options->seed, MNAS_ENGINE_FAST);
}

/* A large batch is many passes and one update, which is little beside them: a pass stands for its share. */
static int run_pass(bench *b, double *seconds) {
    mnas_batch batch;
    mnas_loss loss;
    const double begun_s = mnas_clock_now_s();
    int rc = mnas_loader_next(b->train, &batch);
    if (rc == 0) rc = mnas_trainer_pass(&b->trainer, batch.images, batch.labels, &loss);
    *seconds = mnas_clock_now_s() - begun_s;
    return rc;
}

/* Timing is to cost a part of what it speaks of: at most a tenth of the training's steps. */
static int most_steps(const bench *b) {
    const double tenth = 0.1 * b->recipe.epochs * mnas_loader_n_batches(b->train);
    return tenth < MIN_STEPS ? MIN_STEPS : tenth < MAX_STEPS ? (int)tenth : MAX_STEPS;
}

static int time_training(bench *b, mnas_step_times *out, int max_steps) {
    double pass_s[MAX_STEPS], first_s, sum_s = 0;
    int n = 0;
    int rc = run_pass(b, &first_s); /* maps memory and makes code: part of the start */
    while (rc == 0 && n < max_steps && (n < MIN_STEPS || sum_s < budget_s)) {
        if ((rc = run_pass(b, &pass_s[n])) < 0) break;
        sum_s += pass_s[n++];
    }
    if (rc < 0) return rc;
    /* the mean is what adds up; the median would leave out what disturbs every training */
    out->step_s = sum_s / n * b->trainer.n_passes;
    out->spread_frac = mnas_stats_mad(pass_s, (size_t)n) / mnas_stats_median(pass_s, (size_t)n);
    out->n_steps = n;
    out->timed_s = sum_s;
    return 0;
}

static int time_evaluation(bench *b, mnas_step_times *out, int classes) {
    mnas_eval_result result;
    const double begun_s = mnas_clock_now_s();
    int rc =
        mnas_evaluate(&result, NULL, b->trainer.engine, mnas_trainer_result(&b->trainer), b->val, classes);
    const double seconds = mnas_clock_now_s() - begun_s;
    out->eval_s = seconds / mnas_loader_n_batches(b->val);
    out->timed_s += seconds;
    return rc;
}

int mnas_train_time_steps(mnas_step_times *out, mnas_model *model, const mnas_train_options *options) {
    bench b = {0};
    *out = (mnas_step_times){0};
    int rc = open_bench(&b, model, options);
    if (rc == 0) rc = time_training(&b, out, most_steps(&b));
    if (rc == 0) rc = time_evaluation(&b, out, model->classes);
    out->peak_rss_bytes = mnas_proc_own_peak_rss_bytes();
    mnas_trainer_close(&b.trainer);
    mnas_loader_destroy(b.val);
    mnas_loader_destroy(b.train);
    mnas_dataset_close(b.dataset);
    return rc;
}
