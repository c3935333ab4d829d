/* metrics.h - what a training was like, for programs: JSON lines and TensorBoard's event file, as it goes on.
 *
 * An entry every so many steps, with the means since the entry before, and one for each evaluation. A resumed training cuts the files
 * back to the step it goes on from: no step is there twice, and none is missing.
 */
#ifndef MNAS_TRAIN_METRICS_H
#define MNAS_TRAIN_METRICS_H

#include "mnas.h"

/* Where a training goes on: what has been written for later steps is cut off. A new one: zeros. */
typedef struct mnas_metrics_point {
    int64_t step, evaluated_step; /* done; of the last evaluation */
} mnas_metrics_point;

typedef struct mnas_metrics_entry {
    int64_t step;
    int epoch;
    double loss, accuracy_frac, lr,
        images_per_s; /* of training, since the last such entry, or in the epoch */
    double elapsed_s;
    const mnas_eval_result *val; /* NULL but for an epoch's end */
} mnas_metrics_entry;

typedef struct mnas_metrics mnas_metrics;

/* jsonl: a file; tensorboard: a folder, made where it is missing. Either is NULL. Files of something else are refused. */
int mnas_metrics_open(mnas_metrics **out, const char *jsonl, const char *tensorboard,
                      const mnas_metrics_point *from);
/* A disk that is full or fails is a warning: the entry is written later. */
int mnas_metrics_add(mnas_metrics *metrics, const mnas_metrics_entry *entry);
/* All that was added is on the disk. */
int mnas_metrics_sync(mnas_metrics *metrics);
void mnas_metrics_close(mnas_metrics *metrics); /* NULL is allowed */

/* How many of the first bytes of such a file are to be kept; MNAS_ERR_ARG where it is none. user: mnas_metrics_point. */
int64_t mnas_metrics_keep_lines(const void *user, const uint8_t *bytes, size_t n);
int64_t mnas_metrics_keep_events(const void *user, const uint8_t *bytes, size_t n);

#endif
