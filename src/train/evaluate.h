/* evaluate.h - accuracy and loss of a network on a split of a dataset, batch by batch, without augmentation. */
#ifndef MNAS_TRAIN_EVALUATE_H
#define MNAS_TRAIN_EVALUATE_H

#include "data/loader.h"
#include "train/engine.h"

/* Set the model's classes, image size and channels to the dataset's; where the channels change, their mean
 * and standard deviation become the defaults. MNAS_ERR_ARG for images that are not square. */
int mnas_model_fit_dataset(mnas_model *model, const mnas_dataset_info *info);

/* Options of a loader that evaluates `model`. */
mnas_loader_options mnas_evaluate_loading(const mnas_model *model, int batch);

/* Set the model's classes where `classes` is not 0. MNAS_ERR_ARG for fewer than it has, which are the dataset's. */
int mnas_model_widen_classes(mnas_model *model, int classes);

/* What is wanted of each image, in the split's order: room for all of them, or NULL. */
typedef struct mnas_eval_images {
    uint8_t *correct; /* [n] 1 where it was classified right */
    int64_t *labels;  /* [n] */
    float *logits;    /* [n, classes] */
} mnas_eval_images;

/* One pass over an evaluation loader; its batch is at most the engine's. `images` may be NULL. */
int mnas_evaluate(mnas_eval_result *out, const mnas_eval_images *images, mnas_engine *engine,
                  const mnas_weights *weights, mnas_loader *loader, int classes);

/* mnas_eval that also says which images were right: *correct is malloc'ed, out->n bytes; NULL after a failure. */
int mnas_eval_correct(mnas_eval_result *out, uint8_t **correct, const mnas_model *model,
                      const char *weights_path, const char *data_spec, const char *split, int threads);

#endif
