/* train.c - mnas_train of the public interface: a dataset, a network and a recipe to trained weights.
 *
 * It decides what a training run is (how many steps, when to evaluate, what to report and save);
 * train/trainer.h does the steps. It never opens the test split. Invariant: *result describes the weights
 * that were saved.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "train/evaluate.h"
#include "train/threads.h"
#include "train/trainer.h"

static const double live_interval_s = 0.2;

/* One training from start to end. */
typedef struct run {
    const mnas_train_options *options;
    const mnas_model *model;
    mnas_recipe recipe;
    mnas_dataset *dataset;
    mnas_loader *train, *val;
    mnas_trainer trainer;
    int64_t n_images; /* an epoch */
    int n_epochs, n_steps;
    double started_s, shown_s;
    double epoch_loss_sum; /* since the epoch's first step */
    int64_t epoch_top1;
    int epoch_steps;
    double train_s, eval_s;      /* so far */
    mnas_eval_result val_result; /* of the last evaluation */
    double train_loss;           /* mean of the last epoch */
} run;

/* ---- setting up ---- */

static int read_recipe(run *r) {
    int rc = mnas_recipe_open(&r->recipe, r->options->recipe);
    if (rc < 0) return rc;
    if (!isnan(r->options->epochs)) r->recipe.epochs = r->options->epochs;
    if (r->options->batch > 0) r->recipe.batch = r->options->batch;
    if (!(r->recipe.epochs > 0))
        return mnas_error_set(MNAS_ERR_ARG, "epochs is %g; allowed: more than 0", r->recipe.epochs);
    return mnas_recipe_check(&r->recipe);
}

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
    int n_train = r->dataset->split[MNAS_SPLIT_TRAIN].n;
    mnas_loader_options eval = mnas_evaluate_loading(r->model, mnas_recipe_group(&r->recipe)), train = eval;
    r->n_images =
        r->options->max_images > 0 && r->options->max_images < n_train ? r->options->max_images : n_train;
    if (r->recipe.batch > r->n_images) {
        return mnas_error_set(MNAS_ERR_ARG, "batch is %lld images; allowed: at most the %lld to train on",
                              (long long)r->recipe.batch, (long long)r->n_images);
    }
    train.shuffle = true;
    train.max_images = r->n_images;
    train.crop = (mnas_crop)r->recipe.crop;
    train.augment = (mnas_augment){(int)r->recipe.pad, r->recipe.flip};
    train.seed = r->options->seed;
    int rc = mnas_loader_create(&r->train, r->dataset, MNAS_SPLIT_TRAIN, &train);
    return rc < 0 ? rc : mnas_loader_create(&r->val, r->dataset, MNAS_SPLIT_VAL, &eval);
}

static int open_trainer(run *r) {
    double steps_per_epoch = (double)r->n_images / (double)r->recipe.batch;
    int rc = mnas_trainer_open(&r->trainer, r->model, &r->recipe, steps_per_epoch, r->options->seed,
                               MNAS_ENGINE_FAST);
    if (rc == 0 && r->options->init) rc = mnas_trainer_load(&r->trainer, r->options->init);
    return rc;
}

/* ---- telling ---- */

static void report(run *r, int epoch, double lr, double val_accuracy) {
    if (!r->options->progress) return;
    int n = r->epoch_steps > 0 ? r->epoch_steps : 1;
    double batch = (double)r->recipe.batch;
    mnas_epoch e = {.epoch = epoch,
                    .n_epochs = r->n_epochs,
                    .step = r->trainer.step,
                    .n_steps = r->n_steps,
                    .loss = r->epoch_loss_sum / n,
                    .train_accuracy_frac = (double)r->epoch_top1 / (n * batch),
                    .val_accuracy_frac = val_accuracy,
                    .lr = lr,
                    .images_per_s = r->train_s > 0 ? r->trainer.step * batch / r->train_s : NAN,
                    .elapsed_s = mnas_clock_now_s() - r->started_s};
    r->options->progress(r->options->user, &e);
    r->shown_s = mnas_clock_now_s();
}

/* ---- running ---- */

static int run_step(run *r, int epoch) {
    if (r->options->cancel && *r->options->cancel)
        return mnas_error_set(MNAS_ERR_CANCELLED, "training was interrupted at step %d of %d",
                              r->trainer.step, r->n_steps);
    double before_s = mnas_clock_now_s(), lr = mnas_trainer_lr(&r->trainer);
    for (int i = 0; i < r->trainer.n_passes; i++) {
        mnas_batch batch;
        mnas_loss loss;
        int rc = mnas_loader_next(r->train, &batch);
        if (rc == 0) rc = mnas_trainer_pass(&r->trainer, batch.images, batch.labels, &loss);
        if (rc < 0) return rc;
        r->epoch_loss_sum += loss.loss / r->trainer.n_passes;
        r->epoch_top1 += loss.n_top1;
    }
    r->epoch_steps++;
    double now_s = mnas_clock_now_s();
    r->train_s += now_s - before_s;
    if (now_s - r->shown_s >= live_interval_s) report(r, epoch, lr, NAN);
    return 0;
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

static int evaluate(run *r) {
    double before_s = mnas_clock_now_s();
    int rc = recalibrate(r);
    if (rc == 0) rc = mnas_trainer_check(&r->trainer);
    if (rc == 0)
        rc = mnas_evaluate(&r->val_result, NULL, r->trainer.engine, mnas_trainer_result(&r->trainer), r->val,
                           r->model->classes);
    r->eval_s += mnas_clock_now_s() - before_s;
    if (rc == 0 && !isfinite(r->val_result.loss)) {
        rc = mnas_error_set(MNAS_ERR_NAN, "the validation loss is %g after step %d; allowed: a finite number",
                            r->val_result.loss, r->trainer.step);
    }
    return rc;
}

static int run_epoch(run *r, int epoch) {
    r->epoch_loss_sum = 0;
    r->epoch_top1 = 0;
    r->epoch_steps = 0;
    double lr = mnas_trainer_lr(&r->trainer);
    for (int last = last_step(r, epoch); r->trainer.step < last;) {
        lr = mnas_trainer_lr(&r->trainer);
        int rc = run_step(r, epoch);
        if (rc < 0) return rc;
    }
    if (r->epoch_steps > 0) r->train_loss = r->epoch_loss_sum / r->epoch_steps;
    int rc = evaluate(r);
    if (rc == 0) report(r, epoch, lr, r->val_result.top1_frac);
    return rc;
}

static int run_epochs(run *r) {
    r->n_epochs = (int)ceil(r->recipe.epochs - 1e-9);
    r->n_steps = last_step(r, r->n_epochs);
    r->started_s = mnas_clock_now_s();
    r->shown_s = -INFINITY; /* the first step is told at once: training has begun */
    for (int epoch = 1; epoch <= r->n_epochs; epoch++) {
        int rc = run_epoch(r, epoch);
        if (rc < 0) return rc;
    }
    return 0;
}

/* ---- results ---- */

static int save(const run *r) {
    if (!r->options->output) return 0;
    char *arch, accuracy[32], steps[32];
    int rc = mnas_model_arch(r->model, &arch);
    if (rc < 0) return rc;
    snprintf(accuracy, sizeof accuracy, "%.6f", r->val_result.top1_frac);
    snprintf(steps, sizeof steps, "%d", r->trainer.step);
    const char *recipe = r->options->recipe ? r->options->recipe : "proxy";
    const char *metadata[] = {"arch",  arch,  "recipe",       recipe,   "data",   r->dataset->info.spec,
                              "steps", steps, "val_accuracy", accuracy, "format", "pt",
                              NULL};
    rc = mnas_weights_save(mnas_trainer_result(&r->trainer), r->trainer.graph, r->options->output, metadata);
    free(arch);
    return rc;
}

static void fill_result(const run *r, mnas_train_result *out) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    int64_t n = (int64_t)r->trainer.step * r->recipe.batch;
    *out = (mnas_train_result){.val_accuracy_frac = r->val_result.top1_frac,
                               .val_balanced_frac = r->val_result.balanced_frac,
                               .val_loss = r->val_result.loss,
                               .train_loss = r->train_loss,
                               .steps = r->trainer.step,
                               .n_images = n,
                               .train_s = r->train_s,
                               .eval_s = r->eval_s,
                               .images_per_s = r->train_s > 0 ? (double)n / r->train_s : NAN,
                               .slab_bytes = (int64_t)mnas_engine_slab_bytes(r->trainer.engine),
                               .peak_rss_bytes = (int64_t)usage.ru_maxrss * 1024};
}

int mnas_train(mnas_train_result *out, mnas_model *model, const mnas_train_options *options) {
    run r = {.options = options, .model = model};
    int rc;
    if ((rc = read_recipe(&r)) < 0) goto out;
    if ((rc = check_output(options->output)) < 0) goto out;
    /* Before anything is prepared: libraries divide their work when they are set up. */
    mnas_threads_use(options->threads);
    if ((rc = mnas_dataset_open(&r.dataset, options->data, 0)) < 0) goto out;
    if ((rc = mnas_model_fit_dataset(model, &r.dataset->info)) < 0) goto out;
    if ((rc = open_loaders(&r)) < 0) goto out;
    if ((rc = open_trainer(&r)) < 0) goto out;
    if ((rc = run_epochs(&r)) < 0) goto out;
    if ((rc = save(&r)) < 0) goto out;
    fill_result(&r, out);
out:
    mnas_trainer_close(&r.trainer);
    mnas_loader_destroy(r.val);
    mnas_loader_destroy(r.train);
    mnas_dataset_close(r.dataset);
    return rc;
}
