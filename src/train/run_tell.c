/* run_tell.c - what a training tells while it runs: the caller's progress function, and the metrics. */
#include <math.h>

#include "base/clock.h"
#include "train/run.h"

static const double live_interval_s = 0.2;
enum { ENTRIES_AN_EPOCH = 100 };

int mnas_run_open_metrics(mnas_run *run) {
    const mnas_train_options *o = run->options;
    const mnas_metrics_point from = {run->at.step, run->at.evaluated_step};
    const double steps_per_epoch = (double)run->n_images / (double)run->recipe.batch;
    run->metrics_steps =
        o->metrics_steps > 0 ? o->metrics_steps : (int)fmax(1, steps_per_epoch / ENTRIES_AN_EPOCH);
    if (!o->metrics && !o->tensorboard) return 0;
    return mnas_metrics_open(&run->metrics, o->metrics, o->tensorboard, &from);
}

static double elapsed_s(const mnas_run *r) {
    return mnas_clock_now_s() - r->begun_s;
}

static double rate(double n, double seconds) {
    return seconds > 0 ? n / seconds : NAN;
}

/* Images of training so far. */
static double images_seen(const mnas_run *r) {
    return (double)r->trainer.step * (double)r->recipe.batch +
           (double)r->trainer.passes_done * r->trainer.group;
}

static void show(mnas_run *r, int epoch, double lr, double val_accuracy) {
    if (!r->options->progress) return;
    const double share = (double)r->trainer.passes_done / r->trainer.n_passes,
                 batch = (double)r->recipe.batch;
    const double n = fmax((double)r->at.epoch_steps + share, 1e-9);
    const mnas_epoch e = {.epoch = epoch,
                          .n_epochs = r->n_epochs,
                          .step = r->trainer.step,
                          .n_steps = r->n_steps,
                          .loss = r->at.epoch_loss / n,
                          .train_accuracy_frac = (double)r->at.epoch_top1 / (n * batch),
                          .val_accuracy_frac = val_accuracy,
                          .lr = lr,
                          .images_per_s = rate(images_seen(r), r->at.train_s),
                          .elapsed_s = elapsed_s(r)};
    r->options->progress(r->options->user, &e);
    r->shown_s = mnas_clock_now_s();
}

/* The means since the last one. */
static int add_entry(mnas_run *r, int epoch, double lr) {
    mnas_progress *at = &r->at;
    const double n = (double)at->entry_steps, n_images = n * (double)r->recipe.batch;
    const mnas_metrics_entry entry = {.step = r->trainer.step,
                                      .epoch = epoch,
                                      .loss = at->entry_loss / n,
                                      .accuracy_frac = (double)at->entry_top1 / n_images,
                                      .lr = lr,
                                      .images_per_s = rate(n_images, at->entry_s),
                                      .elapsed_s = elapsed_s(r)};
    at->entry_steps = at->entry_top1 = 0;
    at->entry_loss = at->entry_s = 0;
    return r->metrics ? mnas_metrics_add(r->metrics, &entry) : 0;
}

int mnas_run_tell_pass(mnas_run *run, int epoch, double lr) {
    if (mnas_clock_now_s() - run->shown_s >= live_interval_s) show(run, epoch, lr, NAN);
    const bool due = run->trainer.passes_done == 0 && run->trainer.step % run->metrics_steps == 0;
    return due ? add_entry(run, epoch, lr) : 0;
}

int mnas_run_tell_epoch(mnas_run *run, int epoch, double lr, const mnas_eval_result *val) {
    const double n = run->at.epoch_steps > 0 ? (double)run->at.epoch_steps : 1,
                 batch = (double)run->recipe.batch;
    const mnas_metrics_entry entry = {.step = run->trainer.step,
                                      .epoch = epoch,
                                      .loss = run->at.epoch_loss / n,
                                      .accuracy_frac = (double)run->at.epoch_top1 / (n * batch),
                                      .lr = lr,
                                      .images_per_s = rate(images_seen(run), run->at.train_s),
                                      .elapsed_s = elapsed_s(run),
                                      .val = val};
    show(run, epoch, lr, val->top1_frac);
    return run->metrics ? mnas_metrics_add(run->metrics, &entry) : 0;
}
