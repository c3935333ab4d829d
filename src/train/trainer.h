/* trainer.h - engine, optimiser, schedule and average put together: what one step of training does to a network.
 *
 * A batch larger than the recipe's group is several passes: the gradients of its groups are summed, and their mean makes one
 * update, as the replicas of the paper did it side by side. Batch-norm normalises within a group. Its moving statistics take in every
 * group, and what they keep over a step is the recipe's share however many groups that has.
 *
 * A trainer knows no data: it is fed batches. train/train.c feeds it from a dataset, tests and benchmarks
 * from memory. Same model, recipe, seed, batches and number of threads give the same bits.
 */
#ifndef MNAS_TRAIN_TRAINER_H
#define MNAS_TRAIN_TRAINER_H

#include "train/ema.h"
#include "train/engine.h"
#include "train/optimizer.h"
#include "train/recipe.h"
#include "train/schedule.h"

typedef struct mnas_trainer {
    mnas_recipe recipe;
    mnas_graph *graph; /* of the model with the recipe's dropout and batch-norm momentum */
    mnas_weights *weights, *gradients;
    mnas_weights *sum;   /* of the gradients of this step's passes; NULL where there is but one */
    int group, n_passes; /* images of a pass, passes of a step */
    int passes_done;     /* of this step */
    mnas_engine *engine;
    mnas_optimizer *optimizer;
    mnas_schedule schedule;
    mnas_ema ema; /* average NULL: none */
    uint64_t seed;
    int step; /* done so far */
} mnas_trainer;

/* Freshly initialised weights. steps_per_epoch may be fractional; recipe->batch and recipe->epochs hold.
 * Release with mnas_trainer_close, also after a failure. */
int mnas_trainer_open(mnas_trainer *out, const mnas_model *model, const mnas_recipe *recipe,
                      double steps_per_epoch, uint64_t seed, mnas_engine_kind kind);
void mnas_trainer_close(mnas_trainer *trainer);

/* Read weights from a file in place of the fresh ones; the average starts from them, too. The classifier stays fresh where
 * `fresh_head`, or where the file's does not fit: that is logged. */
int mnas_trainer_load(mnas_trainer *trainer, const char *path, bool fresh_head);

/* One pass on `group` images; the last of a step's makes the update, and passes_done is 0 again. The loss is the group's.
 * MNAS_ERR_NAN when the loss is not finite; the weights are then useless. */
int mnas_trainer_pass(mnas_trainer *trainer, const float *images, const int32_t *labels, mnas_loss *loss);
/* A whole step on recipe.batch images. */
int mnas_trainer_step(mnas_trainer *trainer, const float *images, const int32_t *labels, mnas_loss *loss);
double mnas_trainer_lr(const mnas_trainer *trainer); /* of the next step */

/* What is evaluated and saved: the average where there is one, else the weights. */
mnas_weights *mnas_trainer_result(const mnas_trainer *trainer);

/* MNAS_ERR_NAN when a value of the result is not finite. A ReLU may turn NaN into 0, so that a network which
 * is lost still has a finite loss: look before believing an evaluation. */
int mnas_trainer_check(const mnas_trainer *trainer);

/* Recompute the moving statistics of the result as the plain mean over groups: call for i = 0, 1, ... with a
 * group each. */
int mnas_trainer_recalibrate(mnas_trainer *trainer, int i, const float *images);

#endif
