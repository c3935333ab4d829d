/* checkpoint.h - a training in one file, so that it goes on bit for bit.
 *
 * The file is safetensors (docs/training.md). The weights that an evaluation takes are named "model.<name>", so that whatever
 * reads weights sees through that; those of the other slabs "<name>.momentum" and the like. The rest stands as texts in "__metadata__": facts, which say what training this
 * is and must be the same, and progress. Random numbers have no state: streams of (seed, step, purpose). Reading trusts nothing, and
 * changes nothing unless all of it succeeds. Nothing here knows a trainer or data.
 */
#ifndef MNAS_TRAIN_CHECKPOINT_H
#define MNAS_TRAIN_CHECKPOINT_H

#include "base/opts.h"
#include "model/weights.h"

/* What of a training is neither weights nor a function of the step. Sums since the epoch's first step and since the last entry of
 * the metrics; times of all processes that worked on it; best_* and val_*: NaN before the first evaluation. */
typedef struct mnas_progress {
    int64_t step, passes_done;           /* done; of the step under way */
    int64_t loader_step, n_averaged;     /* of the training loader; of the average */
    int64_t epochs_done, evaluated_step; /* evaluated; and when the last was */
    int64_t epoch_steps, epoch_top1, entry_steps, entry_top1;
    double epoch_loss, entry_loss, entry_s; /* sums of steps' losses */
    double train_loss;                      /* mean of the last whole epoch */
    int64_t val_n;
    double val_top1, val_top5, val_loss, val_balanced;
    int64_t best_epoch;
    double best_accuracy;
    double train_s, eval_s, elapsed_s;
} mnas_progress;

mnas_progress mnas_progress_begin(void); /* nothing done */

enum { MNAS_CHECKPOINT_SLABS = 5, MNAS_CHECKPOINT_FACTS = 8 };

typedef struct mnas_checkpoint {
    const mnas_graph *graph;
    struct {
        const char *prefix, *suffix; /* of its tensors' names */
        mnas_weights *weights;
        bool trainable_only; /* an optimiser's: moving statistics have none */
    } slabs[MNAS_CHECKPOINT_SLABS];
    int n_slabs;
    struct {
        const char *name;
        mnas_str text; /* lines; of a difference, those that differ are told */
    } facts[MNAS_CHECKPOINT_FACTS];
    int n_facts;
    mnas_progress progress;
} mnas_checkpoint;

/* Atomic: the old file stands until the new one is whole. */
int mnas_checkpoint_write(const mnas_checkpoint *checkpoint, const char *path);
/* Fills the slabs and the progress. MNAS_ERR_MISMATCH names the fact that differs; MNAS_ERR_FORMAT; MNAS_ERR_IO. */
int mnas_checkpoint_read(mnas_checkpoint *checkpoint, const char *path);
/* The same from memory. */
int mnas_checkpoint_parse(mnas_checkpoint *checkpoint, const uint8_t *bytes, size_t n);
void mnas_checkpoint_free(mnas_checkpoint *checkpoint); /* the facts; slabs belong to who named them */

#endif
