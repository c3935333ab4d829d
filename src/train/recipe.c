/* recipe.c - the named recipes. Each is one line of defaults for one and the same option table.
 *
 * `proxy` is not the paper's recipe made shorter. After one pass over 10,000 images of Fashion-MNIST the
 * paper's recipe stands at chance (median of random networks of mnasnet-28: 10 %; with its warm-up cut to a
 * tenth of an epoch 27 %): batch-norm decay 0.99 and an average of weights at 0.9999 evaluate what the
 * network was at its start. `proxy` keeps 0.9 of batch-norm's statistics, averages no weights, takes many
 * small steps and no augmentation, which a single pass does not need: 83 %.
 */
#include "train/recipe.h"

#include <math.h>
#include <stdlib.h>

static const char *const optimizers[] = {"rmsprop", "sgd", "nesterov", NULL};
static const char *const schedules[] = {"constant", "exponential", "cosine", NULL};

#define FIELD(name, type, field, value, min, max, unit, help, choices)                                       \
    { name, MNAS_OPT_##type, offsetof(mnas_recipe, field), value, min, max, unit, help, choices }

/* The table with its defaults. */
#define RECIPE_TABLE(optimizer_, lr_, batch_, epochs_, warmup_, schedule_, weight_decay_, smoothing_, ema_,  \
                     pad_, flip_, bn_momentum_)                                                              \
    {                                                                                                        \
        FIELD("optimizer", CHOICE, optimizer, optimizer_, 0, 0, NULL, "update rule", optimizers),            \
            FIELD("lr", FLOAT, lr, lr_, 1e-9, 1e3, NULL, "peak learning rate at this batch", NULL),          \
            FIELD("batch", INT, batch, batch_, 1, 65536, "images", "images a step", NULL),                   \
            FIELD("epochs", FLOAT, epochs, epochs_, 1e-6, 1e5, "epochs", "length; may be a fraction", NULL), \
            FIELD("warmup-epochs", FLOAT, warmup_epochs, warmup_, 0, 1e5, "epochs", "linear from 0 to lr",   \
                  NULL),                                                                                     \
            FIELD("schedule", CHOICE, schedule, schedule_, 0, 0, NULL, "decay of lr, counted from step 0",   \
                  schedules),                                                                                \
            FIELD("decay-rate", FLOAT, decay_rate, "0.97", 1e-6, 1, NULL,                                    \
                  "factor of the exponential schedule", NULL),                                               \
            FIELD("decay-epochs", FLOAT, decay_epochs, "2.4", 1e-6, 1e5, "epochs",                           \
                  "length of a stair of it", NULL),                                                          \
            FIELD("momentum", FLOAT, momentum, "0.9", 0, 0.999999, NULL, "of both optimisers", NULL),        \
            FIELD("rms-decay", FLOAT, rms_decay, "0.9", 0, 0.999999, NULL, "share of the mean square kept",  \
                  NULL),                                                                                     \
            FIELD("epsilon", FLOAT, epsilon, "0.001", 1e-12, 10, NULL, "of rmsprop, inside the root", NULL), \
            FIELD("weight-decay", FLOAT, weight_decay, weight_decay_, 0, 1, NULL, "L2, not of batch-norm",   \
                  NULL),                                                                                     \
            FIELD("label-smoothing", FLOAT, label_smoothing, smoothing_, 0, 0.99, NULL,                      \
                  "share spread evenly", NULL),                                                              \
            FIELD("ema-decay", FLOAT, ema_decay, ema_, 0, 0.9999999, NULL, "average of weights; 0: none",    \
                  NULL),                                                                                     \
            FIELD("dropout", FLOAT, dropout, NULL, 0, 0.99, NULL,                                            \
                  "before the classifier; unset: the model's", NULL),                                        \
            FIELD("pad", INT, pad, pad_, 0, 64, "pixels", "random crop from an image padded so", NULL),      \
            FIELD("flip", BOOL, flip, flip_, 0, 0, NULL, "mirror half of the images", NULL),                 \
            FIELD("bn-momentum", FLOAT, bn_momentum, bn_momentum_, 0, 0.999999, NULL,                        \
                  "share of batch-norm's moving statistics kept at a step; unset: the model's", NULL),       \
            FIELD("recalibrate", INT, recalibrate, "0", 0, 1e6, "batches",                                   \
                  "average batch-norm's statistics over so many before evaluating; 0: off", NULL),           \
            MNAS_OPT_END                                                                                     \
    }

/* clang-format off */
static const mnas_opt proxy_table[] =    RECIPE_TABLE("nesterov", "0.1", "32", "1", "0.1", "cosine", "0.0001",
                                                      "0", "0", "0", "false", "0.9");
static const mnas_opt short_table[] =    RECIPE_TABLE("nesterov", "0.1", "64", "5", "0.5", "cosine", "0.0005",
                                                      "0.05", "0", "2", "true", "0.9");
static const mnas_opt final_table[] =    RECIPE_TABLE("nesterov", "0.1", "64", "15", "1", "cosine", "0.0005",
                                                      "0.1", "0", "2", "true", "0.9");
static const mnas_opt imagenet_table[] = RECIPE_TABLE("rmsprop", "0.016", "256", "350", "5", "exponential", "0.00001",
                                                      "0.1", "0.9999", "0", "true", "0.99");
/* clang-format on */

static const mnas_plugin proxy = {"proxy", "one pass over the images: the trials of a search", proxy_table,
                                  sizeof(mnas_recipe)};
static const mnas_plugin few = {"short", "a few epochs on small images", short_table, sizeof(mnas_recipe)};
static const mnas_plugin final = {"final", "stage two: the networks of a search trained to the end",
                                  final_table, sizeof(mnas_recipe)};
static const mnas_plugin imagenet = {"imagenet-mnasnet",
                                     "the paper's 350 epochs (lr 0.016 for each 256 images)", imagenet_table,
                                     sizeof(mnas_recipe)};
static const mnas_plugin *const recipes[] = {&proxy, &few, &final, &imagenet};

const mnas_plugin *const *mnas_recipe_plugins(size_t *n) {
    *n = sizeof recipes / sizeof *recipes;
    return recipes;
}

int mnas_recipe_open(mnas_recipe *out, const char *spec) {
    size_t n;
    const mnas_plugin *const *list = mnas_recipe_plugins(&n), *found;
    void *opts;
    int rc = mnas_registry_open(list, n, "recipe", spec ? spec : "proxy", &found, &opts);
    if (rc < 0) return rc;
    *out = *(const mnas_recipe *)opts;
    free(opts);
    return 0;
}

void mnas_recipe_apply(const mnas_recipe *recipe, mnas_model *model) {
    if (!isnan(recipe->dropout)) model->dropout = recipe->dropout;
    if (!isnan(recipe->bn_momentum)) model->bn_momentum = recipe->bn_momentum;
}
