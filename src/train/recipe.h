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
#include "mnas.h"

typedef struct mnas_recipe {
    int64_t optimizer; /* mnas_optimizer_kind */
    double lr;         /* peak, at `batch` */
    int64_t batch;
    double epochs;
    double warmup_epochs;
    int64_t schedule; /* mnas_schedule_kind */
    double decay_rate, decay_epochs;
    double momentum, rms_decay, epsilon;
    double weight_decay, label_smoothing;
    double ema_decay; /* 0: evaluate the weights themselves */
    double dropout;   /* NaN: the model's */
    int64_t pad;
    bool flip;
    double bn_momentum; /* NaN: the model's */
    /* batches over which batch-norm's statistics are averaged before evaluating; 0: off */
    int64_t recalibrate;
} mnas_recipe;

/* spec NULL: "proxy". Errors are MNAS_ERR_ARG and name the option. */
int mnas_recipe_open(mnas_recipe *out, const char *spec);
const mnas_plugin *const *mnas_recipe_plugins(size_t *n);
/* The network as this recipe trains it: its dropout and batch-norm momentum where the recipe sets them. */
void mnas_recipe_apply(const mnas_recipe *recipe, mnas_model *model);

#endif
