/* train.c - mnas_train of the public interface: a dataset, a network and a recipe to trained weights.
 *
 * It decides what a training run is (how many steps, when to evaluate, what to save); train/trainer.h does the steps,
 * run_keep.c keeps them, run_tell.c tells of them. It never opens the test split. Invariant: *result describes the weights that
 * were saved.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/proc.h"
#include "train/evaluate.h"
#include "train/run.h"
#include "train/threads.h"

typedef mnas_run run;

/* ---- setting up ---- */

/* Before an hour of training, not behind it. */
static int check_output(const char *path) {
    mnas_file_writer probe;
    if (!path) return 0;
    int rc = mnas_file_writer_open(&probe, path);
    if (rc == 0) mnas_file_writer_abort(&probe);
    return rc;
}

/* The number of the last step of epoch 1, 2, ...: at least so many images have then been seen as the epoch has. */
static int last_step(const run *r, int epoch) {
    double epochs = epoch < r->n_epochs ? epoch : r->recipe.epochs;
    return (int)ceil(epochs * (double)r->n_images / (double)r->recipe.batch - 1e-9);
}

static int open_loaders(run *r) {
    const mnas_loader_options eval = mnas_evaluate_loading(r->model, mnas_recipe_group(&r->recipe));
    mnas_loader_options train = mnas_recipe_loading(&r->recipe, r->model, r->options->seed);
    r->n_images = mnas_loader_n_images(r->options->max_images, r->dataset->split[MNAS_SPLIT_TRAIN].n);
    train.max_images = r->n_images;
    int rc = mnas_recipe_check_images(&r->recipe, r->n_images);
    if (rc == 0) rc = mnas_loader_create(&r->train, r->dataset, MNAS_SPLIT_TRAIN, &train);
    return rc < 0 ? rc : mnas_loader_create(&r->val, r->dataset, MNAS_SPLIT_VAL, &eval);
}

/* Steps are counted by an int, here and in a checkpoint; epochs are fewer. */
static int count_steps(run *r) {
    const double n = r->recipe.epochs * (double)r->n_images / (double)r->recipe.batch;
    if (n > INT32_MAX - 1)
        return mnas_error_set(MNAS_ERR_ARG, "%g epochs of %lld images are %.0f steps; allowed: up to %d",
                              r->recipe.epochs, (long long)r->n_images, n, INT32_MAX - 1);
    r->n_epochs = (int)ceil(r->recipe.epochs - 1e-9);
    r->n_steps = last_step(r, r->n_epochs);
    return 0;
}

/* The step at which this run ends: the training's last, or that of the part that is asked for. */
static int stop_step(const run *r) {
    const double epochs = r->options->stop_epochs;
    if (!(epochs > 0 && epochs < r->recipe.epochs)) return r->n_steps;
    const int step = (int)ceil(epochs * (double)r->n_images / (double)r->recipe.batch - 1e-9);
    return step > 1 ? step : 1;
}

static int open_trainer(run *r) {
    double steps_per_epoch = (double)r->n_images / (double)r->recipe.batch;
    int rc = count_steps(r);
    if (rc == 0)
        rc = mnas_trainer_open(&r->trainer, r->model, &r->recipe, steps_per_epoch, r->options->seed,
                               MNAS_ENGINE_FAST);
    if (rc == 0 && r->options->init && !mnas_run_source(r))
        rc = mnas_trainer_load(&r->trainer, r->options->init, r->options->classes != 0);
    return rc;
}

/* ---- running ---- */

static int stop(run *r) {
    int rc = mnas_run_keep(r);
    if (rc < 0) return rc;
    return mnas_error_set(MNAS_ERR_CANCELLED, "training was interrupted at step %d of %d", r->trainer.step,
                          r->n_steps);
}

/* One pass, the whole of a step or a part of one: so that neither Ctrl-C nor a checkpoint waits for a large batch. */
static int run_pass(run *r, int epoch) {
    if (r->options->cancel && *r->options->cancel) return stop(r);
    const double before_s = mnas_clock_now_s(), lr = mnas_trainer_lr(&r->trainer);
    mnas_progress *at = &r->at;
    mnas_batch batch;
    mnas_loss loss;
    int rc = mnas_loader_next(r->train, &batch);
    if (rc == 0) rc = mnas_trainer_pass(&r->trainer, batch.images, batch.labels, &loss);
    if (rc < 0) return rc;
    const bool whole = r->trainer.passes_done == 0;
    const double pass_s = mnas_clock_now_s() - before_s;
    at->epoch_loss += loss.loss / r->trainer.n_passes;
    at->entry_loss += loss.loss / r->trainer.n_passes;
    at->epoch_top1 += loss.n_top1;
    at->entry_top1 += loss.n_top1;
    at->epoch_steps += whole;
    at->entry_steps += whole;
    at->train_s += pass_s;
    at->entry_s += pass_s;
    rc = mnas_run_tell_pass(r, epoch, lr);
    if (rc == 0) mnas_run_keep_when_due(r);
    return rc;
}

static int recalibrate(run *r) {
    for (int i = 0; i < r->recipe.recalibrate; i++) {
        mnas_batch batch;
        int rc = mnas_loader_next(r->train, &batch);
        if (rc == 0) rc = mnas_trainer_recalibrate(&r->trainer, i, batch.images);
        if (rc < 0) return rc;
    }
    return 0;
}

static int evaluate(run *r, mnas_eval_result *result) {
    const double before_s = mnas_clock_now_s();
    mnas_progress *at = &r->at;
    int rc = recalibrate(r);
    if (rc == 0) rc = mnas_trainer_check(&r->trainer);
    if (rc == 0)
        rc = mnas_evaluate(result, NULL, r->trainer.engine, mnas_trainer_result(&r->trainer), r->val,
                           r->model->classes);
    at->eval_s += mnas_clock_now_s() - before_s;
    if (rc < 0) return rc;
    if (!isfinite(result->loss))
        return mnas_error_set(MNAS_ERR_NAN,
                              "the validation loss is %g after step %d; allowed: a finite number",
                              result->loss, r->trainer.step);
    at->val_n = result->n;
    at->val_top1 = result->top1_frac;
    at->val_top5 = result->top5_frac;
    at->val_loss = result->loss;
    at->val_balanced = result->balanced_frac;
    return 0;
}

/* All that an epoch is at its end; then the sums begin anew. */
static int end_epoch(run *r, int epoch) {
    mnas_eval_result val;
    mnas_progress *at = &r->at;
    int rc = evaluate(r, &val);
    if (rc < 0) return rc;
    if (at->epoch_steps > 0) at->train_loss = at->epoch_loss / (double)at->epoch_steps;
    at->epochs_done = epoch;
    at->evaluated_step = r->trainer.step;
    mnas_run_keep_best(r);
    const int last = r->trainer.step > 0 ? r->trainer.step - 1 : 0;
    rc = mnas_run_tell_epoch(r, epoch, mnas_schedule_lr(&r->trainer.schedule, last), &val);
    at->epoch_loss = 0;
    at->epoch_top1 = at->epoch_steps = 0;
    if (rc == 0 && epoch < r->n_epochs) mnas_run_keep_when_due(r);
    return rc;
}

/* Within an epoch. Kept is the state before the evaluation, which takes images for batch-norm's statistics: so whoever goes
 * on finds no trace of it. */
static int end_part(run *r) {
    mnas_eval_result val;
    const int rc = mnas_run_keep(r);
    return rc < 0 ? rc : evaluate(r, &val);
}

/* Up to the end of the epoch or of the part; *ended: it was the latter. */
static int run_epoch(run *r, int epoch, int stop, bool *ended) {
    const int last = last_step(r, epoch);
    int rc = 0;
    while (r->trainer.step < last && r->trainer.step < stop && rc == 0) rc = run_pass(r, epoch);
    *ended = stop < r->n_steps && r->trainer.step >= stop;
    if (rc < 0) return rc;
    if (r->trainer.step < last) return end_part(r);
    rc = end_epoch(r, epoch);
    return rc == 0 && *ended ? mnas_run_keep(r) : rc;
}

/* From wherever a checkpoint has left it: within a step, within an epoch, before its evaluation, or behind that. */
static int run_epochs(run *r) {
    const int stop = stop_step(r);
    bool ended = r->trainer.step >= stop && r->at.evaluated_step == r->trainer.step;
    r->begun_s = mnas_clock_now_s() - r->at.elapsed_s;
    r->kept_s = mnas_clock_now_s();
    r->shown_s = -INFINITY; /* the first step is told at once: training has begun */
    if (r->at.epochs_done == r->n_epochs) return 0;
    for (int epoch = (int)r->at.epochs_done + 1; epoch <= r->n_epochs && !ended; epoch++) {
        const int rc = run_epoch(r, epoch, stop, &ended);
        if (rc < 0) return rc;
    }
    if (stop < r->n_steps) return 0;
    mnas_run_keep(r); /* told where it fails; the weights are saved all the same */
    return 0;
}

/* ---- results ---- */

static void fill_result(const run *r, mnas_train_result *out) {
    const mnas_progress *at = &r->at;
    const int64_t n = (int64_t)r->trainer.step * r->recipe.batch;
    *out = (mnas_train_result){.val_accuracy_frac = at->val_top1,
                               .val_balanced_frac = at->val_balanced,
                               .val_loss = at->val_loss,
                               .train_loss = at->train_loss,
                               .best_accuracy_frac = at->best_accuracy,
                               .best_epoch = (int)at->best_epoch,
                               .steps = r->trainer.step,
                               .n_images = n,
                               .train_s = at->train_s,
                               .eval_s = at->eval_s,
                               .images_per_s = at->train_s > 0 ? (double)n / at->train_s : NAN,
                               .slab_bytes = (int64_t)mnas_engine_slab_bytes(r->trainer.engine),
                               .peak_rss_bytes = mnas_proc_own_peak_rss_bytes()};
}

static void close_run(run *r) {
    mnas_metrics_close(r->metrics);
    mnas_checkpoint_free(&r->checkpoint);
    mnas_trainer_close(&r->trainer);
    mnas_loader_destroy(r->val);
    mnas_loader_destroy(r->train);
    mnas_dataset_close(r->dataset);
    if (r->lock_fd >= 0) close(r->lock_fd);
}

int mnas_train(mnas_train_result *out, mnas_model *model, const mnas_train_options *options) {
    run r = {.options = options, .model = model, .lock_fd = -1};
    double earlier_s = 0;
    int rc;
    if ((rc = mnas_recipe_open_for(&r.recipe, options)) < 0) goto out;
    if ((rc = check_output(options->output)) < 0) goto out;
    if ((rc = check_output(options->checkpoint)) < 0) goto out;
    /* Before anything is prepared: libraries divide their work when they are set up. */
    mnas_threads_use(options->threads);
    if ((rc = mnas_dataset_open(&r.dataset, options->data, 0)) < 0) goto out;
    if ((rc = mnas_model_fit_dataset(model, &r.dataset->info)) < 0) goto out;
    if ((rc = mnas_model_widen_classes(model, options->classes)) < 0) goto out;
    if ((rc = open_loaders(&r)) < 0) goto out;
    if ((rc = open_trainer(&r)) < 0) goto out;
    if ((rc = mnas_run_open_checkpoint(&r)) < 0) goto out;
    if ((rc = mnas_run_open_metrics(&r)) < 0) goto out;
    earlier_s = r.at.train_s + r.at.eval_s;
    if ((rc = run_epochs(&r)) < 0) goto out;
    if (options->output && (rc = mnas_run_save(&r, options->output, r.at.val_top1)) < 0) goto out;
    fill_result(&r, out);
    out->earlier_s = earlier_s;
out:
    close_run(&r);
    return rc;
}
