/* recipe.h - everything of training that is not the network: a named table of defaults, each settable in a spec.
 *
 *     mnas_recipe recipe;
 *     int rc = mnas_recipe_open(&recipe, "proxy:lr=0.1,warmup-epochs=0.5");
 *
 * `proxy` is the short trial of a search, `short` a few epochs on small images, `final` what
 * stage two trains with, `imagenet-mnasnet` the paper's 350 epochs.
 */
#ifndef MNAS_TRAIN_RECIPE_H
#define MNAS_TRAIN_RECIPE_H

#include "base/registry.h"
#include "data/loader.h"
#include "mnas.h"
#include "train/schedule.h"

typedef struct mnas_recipe {
    int64_t optimizer; /* mnas_optimizer_kind */
    double lr;         /* mnas_recipe_peak_lr makes the peak of it */
    int64_t lr_per;    /* images of a step that lr is for; 0: `batch` */
    int64_t batch;     /* images of a step */
    int64_t group;     /* images of a pass where it is fewer than the batch; 0: the batch */
    double epochs;
    double warmup_epochs;
    int64_t schedule; /* mnas_schedule_kind */
    double decay_rate, decay_epochs;
    double momentum, rms_decay, epsilon;
    double weight_decay, label_smoothing;
    double ema_decay; /* 0: evaluate the weights themselves */
    double dropout;   /* NaN: the model's */
    int64_t crop;     /* mnas_crop */
    int64_t pad;
    bool flip;
    double bn_momentum; /* NaN: the model's */
    /* passes over which batch-norm's statistics are averaged before evaluating; 0: off */
    int64_t recalibrate;
    int64_t precision; /* mnas_elem, of feature maps; weights and their gradients are f32 */
} mnas_recipe;

/* spec NULL: "proxy". Errors are MNAS_ERR_ARG and name the option. */
int mnas_recipe_open(mnas_recipe *out, const char *spec);
/* The recipe of a training: epochs and batch are those of the options, where these set them. */
int mnas_recipe_open_for(mnas_recipe *out, const mnas_train_options *options);
/* MNAS_ERR_ARG where a batch is more than the images to train on. */
int mnas_recipe_check_images(const mnas_recipe *recipe, int64_t n_images);
/* Images of a pass: what memory and batch-norm see of a batch. */
int mnas_recipe_group(const mnas_recipe *recipe);
/* The learning rate that the warm-up leads to, at this batch. */
double mnas_recipe_peak_lr(const mnas_recipe *recipe);
/* The schedule of a training with so many steps an epoch, which need not be whole. */
mnas_schedule mnas_recipe_schedule(const mnas_recipe *recipe, double steps_per_epoch);
/* Append every option that is set as "key=value,...": equal recipes have equal texts, whatever they are called. */
void mnas_recipe_print(const mnas_recipe *recipe, mnas_str *out);
const mnas_plugin *const *mnas_recipe_plugins(size_t *n);
/* Options of a loader that trains `model` so: a pass's images at a time, all of them unless max_images is set. */
mnas_loader_options mnas_recipe_loading(const mnas_recipe *recipe, const mnas_model *model, uint64_t seed);
/* The network as this recipe trains it: its dropout and batch-norm momentum where the recipe sets them. */
void mnas_recipe_apply(const mnas_recipe *recipe, mnas_model *model);

#endif
