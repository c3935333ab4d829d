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
#include <string.h>

#include "base/error.h"
#include "train/evaluate.h"

static const char *const optimizers[] = {"rmsprop", "sgd", "nesterov", NULL};
static const char *const precisions[] = {"f32", "bf16", NULL};
static const char *const schedules[] = {"constant", "exponential", "cosine", NULL};
static const char *const crops[] = {"pad", "random-area", NULL}; /* mnas_crop */

#define FIELD(name, type, field, value, min, max, unit, help, choices)                                       \
    { name, MNAS_OPT_##type, offsetof(mnas_recipe, field), value, min, max, unit, help, choices }

/* The table with its defaults. */
#define RECIPE_TABLE(optimizer_, lr_, lr_per_, batch_, group_, epochs_, warmup_, schedule_, weight_decay_,   \
                     smoothing_, ema_, dropout_, crop_, pad_, flip_, bn_momentum_)                           \
    {                                                                                                        \
        FIELD("optimizer", CHOICE, optimizer, optimizer_, 0, 0, NULL, "update rule", optimizers),            \
            FIELD("lr", FLOAT, lr, lr_, 1e-9, 1e3, NULL, "peak learning rate, of lr-per images", NULL),      \
            FIELD("lr-per", INT, lr_per, lr_per_, 0, 65536, "images",                                        \
                  "lr grows with the batch: times batch / lr-per; 0: lr is the batch's", NULL),              \
            FIELD("batch", INT, batch, batch_, 1, 65536, "images", "images a step", NULL),                   \
            FIELD("group", INT, group, group_, 0, 65536, "images",                                           \
                  "a larger batch is so many at a time, each with its own batch-norm; 0: all at once",       \
                  NULL),                                                                                     \
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
            FIELD("dropout", FLOAT, dropout, dropout_, 0, 0.99, NULL,                                        \
                  "before the classifier; unset: the model's", NULL),                                        \
            FIELD("crop", CHOICE, crop, crop_, 0, 0, NULL,                                                   \
                  "of training images: whole ones moved by pad, or parts of 8 to 100 % of their area",       \
                  crops),                                                                                    \
            FIELD("pad", INT, pad, pad_, 0, 64, "pixels", "random crop from an image padded so", NULL),      \
            FIELD("flip", BOOL, flip, flip_, 0, 0, NULL, "mirror half of the images", NULL),                 \
            FIELD("bn-momentum", FLOAT, bn_momentum, bn_momentum_, 0, 0.999999, NULL,                        \
                  "share of batch-norm's moving statistics kept at a step; unset: the model's", NULL),       \
            FIELD("recalibrate", INT, recalibrate, "0", 0, 1e6, "batches",                                   \
                  "average batch-norm's statistics over so many (groups, where there are any) before "       \
                  "evaluating; 0: off",                                                                      \
                  NULL),                                                                                     \
            FIELD("precision", CHOICE, precision, "f32", 0, 0, NULL,                                         \
                  "of feature maps; bf16 needs a CPU with AVX512-BF16", precisions),                         \
            MNAS_OPT_END                                                                                     \
    }

/* clang-format off */
static const mnas_opt proxy_table[] =
    RECIPE_TABLE("nesterov", "0.1", "0", "32", "0", "1", "0.1", "cosine", "0.0001", "0", "0", NULL, "pad", "0", "false", "0.9");
static const mnas_opt short_table[] =
    RECIPE_TABLE("nesterov", "0.1", "0", "64", "0", "5", "0.5", "cosine", "0.0005", "0.05", "0", NULL, "pad", "2", "true", "0.9");
static const mnas_opt final_table[] =
    RECIPE_TABLE("nesterov", "0.1", "0", "64", "0", "15", "1", "cosine", "0.0005", "0.1", "0", NULL, "pad", "2", "true", "0.9");
/* The paper's 4096 images are 32 processors' of 128: that many see the same batch-norm. */
static const mnas_opt imagenet_table[] =
    RECIPE_TABLE("rmsprop", "0.016", "256", "4096", "128", "350", "5", "exponential", "0.00001", "0.1", "0.9999", "0.2",
                 "random-area", "0", "true", "0.99");
/* clang-format on */

static const mnas_plugin proxy = {"proxy", "one pass over the images: the trials of a search", proxy_table,
                                  sizeof(mnas_recipe)};
static const mnas_plugin few = {"short", "a few epochs on small images", short_table, sizeof(mnas_recipe)};
static const mnas_plugin final = {"final", "stage two: the networks of a search trained to the end",
                                  final_table, sizeof(mnas_recipe)};
static const mnas_plugin imagenet = {"imagenet-mnasnet",
                                     "the paper's 350 epochs, in batches of 4096 images as 32 groups",
                                     imagenet_table, sizeof(mnas_recipe)};
static const mnas_plugin *const recipes[] = {&proxy, &few, &final, &imagenet};

const mnas_plugin *const *mnas_recipe_plugins(size_t *n) {
    *n = sizeof recipes / sizeof *recipes;
    return recipes;
}

/* Whoever sets one of them has to look: the batch is a whole number of groups. */
static int check_groups(const mnas_recipe *recipe) {
    if (recipe->batch % mnas_recipe_group(recipe) == 0) return 0;
    return mnas_error_set(
        MNAS_ERR_ARG,
        "batch is %lld images in groups of %lld; allowed: whole groups, or fewer images than "
        "one has (group=0: all at once)",
        (long long)recipe->batch, (long long)recipe->group);
}

int mnas_recipe_open(mnas_recipe *out, const char *spec) {
    size_t n;
    const mnas_plugin *const *list = mnas_recipe_plugins(&n), *found;
    void *opts;
    int rc = mnas_registry_open(list, n, "recipe", spec ? spec : "proxy", &found, &opts);
    if (rc < 0) return rc;
    *out = *(const mnas_recipe *)opts;
    free(opts);
    return check_groups(out);
}

int mnas_recipe_open_for(mnas_recipe *out, const mnas_train_options *options) {
    int rc = mnas_recipe_open(out, options->recipe);
    if (rc < 0) return rc;
    if (!isnan(options->epochs)) out->epochs = options->epochs;
    if (options->batch > 0) out->batch = options->batch;
    if (!(out->epochs > 0))
        return mnas_error_set(MNAS_ERR_ARG, "epochs is %g; allowed: more than 0", out->epochs);
    return check_groups(out);
}

int mnas_recipe_group(const mnas_recipe *recipe) {
    const int64_t group = recipe->group;
    return (int)(group > 0 && group < recipe->batch ? group : recipe->batch);
}

int mnas_recipe_check_images(const mnas_recipe *recipe, int64_t n_images) {
    if (recipe->batch <= n_images) return 0;
    return mnas_error_set(MNAS_ERR_ARG, "batch is %lld images; allowed: at most the %lld to train on",
                          (long long)recipe->batch, (long long)n_images);
}

double mnas_recipe_peak_lr(const mnas_recipe *recipe) {
    if (recipe->lr_per == 0) return recipe->lr;
    return recipe->lr * (double)recipe->batch / (double)recipe->lr_per;
}

mnas_schedule mnas_recipe_schedule(const mnas_recipe *recipe, double steps_per_epoch) {
    return (mnas_schedule){.kind = (mnas_schedule_kind)recipe->schedule,
                           .lr = mnas_recipe_peak_lr(recipe),
                           .steps_per_epoch = steps_per_epoch,
                           .epochs = recipe->epochs,
                           .warmup_epochs = recipe->warmup_epochs,
                           .decay_rate = recipe->decay_rate,
                           .decay_epochs = recipe->decay_epochs};
}

void mnas_recipe_print(const mnas_recipe *recipe, mnas_str *out) {
    mnas_opt table[sizeof proxy_table / sizeof *proxy_table];
    memcpy(table, proxy_table, sizeof table);
    for (mnas_opt *opt = table; opt->name; opt++) opt->value = NULL;
    mnas_opts_print(table, recipe, out);
}

mnas_loader_options mnas_recipe_loading(const mnas_recipe *recipe, const mnas_model *model, uint64_t seed) {
    mnas_loader_options options = mnas_evaluate_loading(model, mnas_recipe_group(recipe));
    options.shuffle = true;
    options.crop = (mnas_crop)recipe->crop;
    options.augment = (mnas_augment){(int)recipe->pad, recipe->flip};
    options.seed = seed;
    return options;
}

void mnas_recipe_apply(const mnas_recipe *recipe, mnas_model *model) {
    if (!isnan(recipe->dropout)) model->dropout = recipe->dropout;
    if (!isnan(recipe->bn_momentum)) model->bn_momentum = recipe->bn_momentum;
}
