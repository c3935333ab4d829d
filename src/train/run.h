/* run.h - one training from start to end: what train.c, which runs it, shares with run_keep.c, which keeps it and takes it up again, and
 * run_tell.c, which tells of it. Nobody else includes it.
 */
#ifndef MNAS_TRAIN_RUN_H
#define MNAS_TRAIN_RUN_H

#include "data/loader.h"
#include "train/checkpoint.h"
#include "train/metrics.h"
#include "train/trainer.h"

typedef struct mnas_run {
    const mnas_train_options *options;
    const mnas_model *model;
    mnas_recipe recipe;
    mnas_dataset *dataset;
    mnas_loader *train, *val;
    mnas_trainer trainer;
    int64_t n_images; /* an epoch */
    int n_epochs, n_steps;
    mnas_progress at; /* step, passes_done, loader_step and n_averaged in it: of the last checkpoint */
    mnas_checkpoint checkpoint;
    int lock_fd;           /* of its file; -1: none */
    double kept_s;         /* when that was last written */
    bool keeping_failed;   /* and told */
    mnas_metrics *metrics; /* NULL: none */
    int metrics_steps;
    double begun_s, shown_s; /* begun: as if this process had made all of it */
} mnas_run;

/* ---- run_keep.c ---- */

/* The file that it goes on from, or NULL: it begins anew. */
const char *mnas_run_source(const mnas_run *run);
/* Opens the checkpoint: goes on from it where there is one. After the trainer and the loaders. */
int mnas_run_open_checkpoint(mnas_run *run);
/* Write it, where one is wanted. What the disk refuses is told once, and the old file stands. */
int mnas_run_keep(mnas_run *run);
/* The same when it is time. */
void mnas_run_keep_when_due(mnas_run *run);
/* The last evaluation was the best: keep its weights. */
void mnas_run_keep_best(mnas_run *run);
/* The weights that were evaluated last, as a file for everybody. */
int mnas_run_save(const mnas_run *run, const char *path, double accuracy);

/* ---- run_tell.c ---- */

int mnas_run_open_metrics(mnas_run *run); /* after the checkpoint */
/* After a pass. lr: of its step. */
int mnas_run_tell_pass(mnas_run *run, int epoch, double lr);
/* After an epoch's evaluation. */
int mnas_run_tell_epoch(mnas_run *run, int epoch, double lr, const mnas_eval_result *val);

#endif
