/* timing.h - what a training takes, from a few of its steps: the very steps of train.c, in a process as fresh. */
#ifndef MNAS_TRAIN_TIMING_H
#define MNAS_TRAIN_TIMING_H

#include "mnas.h"

typedef struct mnas_step_times {
    double step_s;      /* of a training step, loading included: mean */
    double spread_frac; /* median absolute deviation of steps over the median */
    double eval_s;      /* of one batch of evaluation */
    double timed_s; /* what the steps and batches above took together; the rest of the process is its start */
    int n_steps;    /* timed passes; the first of a training is none of them */
    int64_t peak_rss_bytes;
} mnas_step_times;

/* At least two passes (train/trainer.h), and more for a fraction of a second. `model` is fitted to the dataset as by mnas_train; options'
 * data, recipe, max_images, batch, threads and seed count. */
int mnas_train_time_steps(mnas_step_times *out, mnas_model *model, const mnas_train_options *options);

#endif
