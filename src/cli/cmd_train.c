/* cmd_train.c - `mnas train`: one network trained on a dataset, its weights written as safetensors. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/human.h"
#include "base/log.h"
#include "cli/balanced.h"
#include "cli/cli.h"
#include "base/json.h"

typedef struct train_opts {
    mnas_cli_common common;
    char data[MNAS_OPT_STR], recipe[MNAS_OPT_STR], output[MNAS_OPT_STR], init[MNAS_OPT_STR];
    double epochs;
    int64_t max_images, batch, threads, seed;
} train_opts;

#define AT(field) offsetof(train_opts, field)
static const mnas_opt options[] = {
    {"data", MNAS_OPT_STRING, AT(data), NULL, 0, 0, "DATASET",
     "images to train on; `mnas datasets` lists them", NULL},
    {"recipe", MNAS_OPT_STRING, AT(recipe), "short", 0, 0, "RECIPE",
     "optimiser, schedule, augmentation; see below", NULL},
    {"epochs", MNAS_OPT_FLOAT, AT(epochs), NULL, 0.001, 100000, "epochs",
     "passes over the images; the recipe's unless given", NULL},
    {"max-images", MNAS_OPT_INT, AT(max_images), "0", 0, INFINITY, "images",
     "use the first so many of the shuffled split; 0: all", NULL},
    {"batch", MNAS_OPT_INT, AT(batch), "0", 0, 65536, "images", "of a step; 0: the recipe's", NULL},
    {"threads", MNAS_OPT_INT, AT(threads), "0", 0, 1024, "threads",
     "0: one for each core, or OMP_NUM_THREADS", NULL},
    {"seed", MNAS_OPT_INT, AT(seed), "1", 0, INFINITY, NULL, "of initial weights, order and augmentation",
     NULL},
    {"init", MNAS_OPT_STRING, AT(init), "", 0, 0, "FILE", "start from these weights (safetensors)", NULL},
    {"output", MNAS_OPT_STRING, AT(output), "", 0, 0, "FILE",
     "write the weights here (safetensors); also -o FILE", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

static void on_progress(void *user, const mnas_epoch *e) {
    (void)user;
    char eta[32], accuracy[MNAS_HUMAN_BYTES];
    double left = e->step > 0 ? e->elapsed_s * (e->n_steps - e->step) / e->step : (double)NAN;
    mnas_clock_duration(left, eta, sizeof eta);
    if (isnan(e->val_accuracy_frac)) {
        mnas_log_live("epoch %d/%d  step %d/%d  loss %.4f  %.0f images/s  ETA %s", e->epoch, e->n_epochs,
                      e->step, e->n_steps, e->loss, e->images_per_s, eta);
        return;
    }
    mnas_human_percent(e->val_accuracy_frac, accuracy);
    mnas_log_info("epoch %d/%d  loss %.4f  validation accuracy %s  lr %.4g  %.0f images/s  ETA %s", e->epoch,
                  e->n_epochs, e->loss, accuracy, e->lr, e->images_per_s, eta);
}

static int print_json(const mnas_train_result *r) {
    return mnas_json_print(json_pack(
        "{s:o, s:o, s:o, s:o, s:i, s:I, s:o, s:o, s:o, s:o, s:o}", "val_accuracy_frac",
        mnas_json_number(r->val_accuracy_frac), "val_balanced_frac", mnas_json_number(r->val_balanced_frac),
        "val_loss", mnas_json_number(r->val_loss), "train_loss", mnas_json_number(r->train_loss), "steps",
        r->steps, "n_images", (json_int_t)r->n_images, "train_s", mnas_json_number(r->train_s), "eval_s",
        mnas_json_number(r->eval_s), "images_per_s", mnas_json_number(r->images_per_s), "slab_bytes",
        mnas_json_integer(r->slab_bytes), "peak_rss_bytes", mnas_json_integer(r->peak_rss_bytes)));
}

static void print_text(const mnas_train_result *r) {
    char accuracy[MNAS_HUMAN_BYTES], images[MNAS_HUMAN_BYTES], memory[MNAS_HUMAN_BYTES], time[32];
    char balanced[MNAS_CLI_BALANCED_BYTES];
    mnas_cli_balanced(r->val_accuracy_frac, r->val_balanced_frac, balanced);
    mnas_human_percent(r->val_accuracy_frac, accuracy);
    mnas_human_count(r->n_images, images);
    mnas_human_bytes(r->peak_rss_bytes, memory);
    mnas_clock_duration(r->train_s, time, sizeof time);
    printf("validation accuracy %s%s, loss %.4f\n%s images in %d steps, %s, %.0f images/s, %s of memory\n",
           accuracy, balanced, r->val_loss, images, r->steps, time, r->images_per_s, memory);
}

static int run(const void *opts, int n_words, char **words) {
    const train_opts *o = opts;
    (void)n_words;
    mnas_model model;
    int rc = mnas_cli_check_output(o->output, words[0]);
    if (rc == 0) rc = mnas_model_open(&model, words[0], 0);
    if (rc < 0) return rc;
    mnas_train_result result;
    mnas_train_options t = {.data = o->data,
                            .recipe = o->recipe,
                            .epochs = o->epochs,
                            .max_images = o->max_images,
                            .batch = (int)o->batch,
                            .threads = (int)o->threads,
                            .seed = (uint64_t)o->seed,
                            .output = o->output[0] ? o->output : NULL,
                            .init = o->init[0] ? o->init : NULL,
                            .progress = on_progress,
                            .cancel = mnas_cli_cancel_flag()};
    rc = mnas_train(&result, &model, &t);
    if (rc == MNAS_ERR_CANCELLED) {
        return mnas_error_set(rc, "interrupted; nothing was written. Training starts anew with: %s",
                              mnas_cli_command_line());
    }
    if (rc < 0) return rc;
    mnas_log_live("%s", "");
    if (o->common.json) return print_json(&result);
    print_text(&result);
    return 0;
}

static const char *const plugins[] = {"recipe", NULL};
const mnas_cli_command mnas_command_train = {
    .name = "train",
    .words = "MODEL",
    .min_words = 1,
    .max_words = 1,
    .summary = "train one network and write its weights",
    .about = "Train a network on a dataset with a recipe and write its weights as safetensors, with timm's "
             "tensor names and layouts. The network's image size, channels and classes are set to the "
             "dataset's. MODEL is a zoo name with an optional @MULTIPLIER, a model file, or STUDY:TRIAL.",
    .example = "mnas train demo.db:17 --data fashion-mnist --epochs 5 -o best.safetensors",
    .opts = options,
    .opts_bytes = sizeof(train_opts),
    .plugins = plugins,
    .run = run};
