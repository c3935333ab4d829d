/* cmd_train.c - `mnas train`: one network trained on a dataset, its weights written as safetensors. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/human.h"
#include "base/log.h"
#include "cli/balanced.h"
#include "cli/cli.h"
#include "base/json.h"

typedef struct train_opts {
    mnas_cli_common common;
    char data[MNAS_OPT_STR], recipe[MNAS_OPT_STR], output[MNAS_OPT_STR], weights[MNAS_OPT_STR];
    char checkpoint[MNAS_OPT_STR], metrics[MNAS_OPT_STR], tensorboard[MNAS_OPT_STR];
    double epochs, checkpoint_every;
    int64_t max_images, batch, threads, seed, classes, metrics_every;
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
    {"weights", MNAS_OPT_STRING, AT(weights), "", 0, 0, "FILE",
     "start from these weights (safetensors); a classifier of other classes begins afresh", NULL},
    {"classes", MNAS_OPT_INT, AT(classes), "0", 0, 1000000, "classes",
     "of the classifier, which then begins afresh, whatever --weights has; 0: the dataset's", NULL},
    {"output", MNAS_OPT_STRING, AT(output), "", 0, 0, "FILE",
     "write the weights here (safetensors); also -o FILE", NULL},
    {"checkpoint", MNAS_OPT_STRING, AT(checkpoint), "", 0, 0, "FILE",
     "where the training is kept: the same command goes on from it; the best epoch's weights lie beside it",
     NULL},
    {"checkpoint-every", MNAS_OPT_FLOAT, AT(checkpoint_every), "10", 0, 1e6, "minutes",
     "between two writings of it; 0: after every step", NULL},
    {"metrics", MNAS_OPT_STRING, AT(metrics), "", 0, 0, "FILE", "loss, accuracy, rate as JSON lines", NULL},
    {"tensorboard", MNAS_OPT_STRING, AT(tensorboard), "", 0, 0, "DIR", "the same as TensorBoard's event file",
     NULL},
    {"metrics-every", MNAS_OPT_INT, AT(metrics_every), "0", 0, 1000000, "steps",
     "between two entries of both; 0: a hundredth of an epoch", NULL},
    MNAS_CLI_JSON,
    MNAS_CLI_HELP,
    MNAS_OPT_END};
#undef AT

/* ---- progress ---- */

enum { BAR = 20 };

static void draw_bar(double share, char bar[BAR + 1]) {
    const int n = (int)(share * BAR);
    for (int i = 0; i < BAR; i++) bar[i] = i < n ? '=' : i == n ? '>' : ' ';
    bar[BAR] = '\0';
}

/* The most important first: a narrow terminal shows only the beginning. */
static void show_live(const mnas_epoch *e, const char *eta) {
    char bar[BAR + 1], accuracy[MNAS_HUMAN_BYTES], line[256];
    draw_bar((double)e->step / e->n_steps, bar);
    mnas_human_percent(e->train_accuracy_frac, accuracy);
    snprintf(line, sizeof line, "[%s] ETA %s  epoch %d/%d  step %d/%d  loss %.4f  accuracy %s  %.0f images/s",
             bar, eta, e->epoch, e->n_epochs, e->step, e->n_steps, e->loss, accuracy, e->images_per_s);
    mnas_cli_live(line);
}

static void on_progress(void *user, const mnas_epoch *e) {
    (void)user;
    char eta[32], accuracy[MNAS_HUMAN_BYTES];
    double left = e->step > 0 ? e->elapsed_s * (e->n_steps - e->step) / e->step : (double)NAN;
    mnas_clock_duration(left, eta, sizeof eta);
    if (isnan(e->val_accuracy_frac)) {
        show_live(e, eta);
        return;
    }
    mnas_human_percent(e->val_accuracy_frac, accuracy);
    mnas_log_info("epoch %d/%d  loss %.4f  validation accuracy %s  lr %.4g  %.0f images/s  ETA %s", e->epoch,
                  e->n_epochs, e->loss, accuracy, e->lr, e->images_per_s, eta);
}

/* ---- results ---- */

static int print_json(const mnas_train_result *r) {
    return mnas_json_print(json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:o}", "val_accuracy_frac",
        mnas_json_number(r->val_accuracy_frac), "val_balanced_frac", mnas_json_number(r->val_balanced_frac),
        "val_loss", mnas_json_number(r->val_loss), "train_loss", mnas_json_number(r->train_loss),
        "best_accuracy_frac", mnas_json_number(r->best_accuracy_frac), "best_epoch", r->best_epoch, "steps",
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

/* Where the weights of the best epoch are; best_epoch 0: they could not be written, which was told. */
static int print_best(const train_opts *o, const mnas_train_result *r) {
    char accuracy[MNAS_HUMAN_BYTES], path[MNAS_OPT_STR + 32];
    if (!o->checkpoint[0] || r->best_epoch == 0) return 0;
    int rc = mnas_train_best_path(path, sizeof path, o->checkpoint);
    mnas_human_percent(r->best_accuracy_frac, accuracy);
    if (rc == 0) printf("best: %s after epoch %d, %s\n", accuracy, r->best_epoch, path);
    return rc;
}

static int interrupted(const train_opts *o) {
    if (o->checkpoint[0])
        return mnas_error_set(MNAS_ERR_CANCELLED,
                              "interrupted; %s holds what was done. The same command goes on: %s",
                              o->checkpoint, mnas_cli_command_line());
    return mnas_error_set(
        MNAS_ERR_CANCELLED,
        "interrupted; nothing was written (--checkpoint FILE would have kept it). Training starts anew "
        "with: %s",
        mnas_cli_command_line());
}

/* No output is the model's own file, nor another output. */
static int check_outputs(const train_opts *o, const char *model) {
    char best[MNAS_OPT_STR + 32] = "";
    int rc = o->checkpoint[0] ? mnas_train_best_path(best, sizeof best, o->checkpoint) : 0;
    if (rc < 0) return rc;
    const char *const outputs[] = {o->output, o->checkpoint, o->metrics, best};
    const size_t n = sizeof outputs / sizeof *outputs;
    for (size_t i = 0; i < n; i++) {
        if ((rc = mnas_cli_check_output(outputs[i], model)) < 0) return rc;
        for (size_t j = 0; j < i; j++)
            if (outputs[i][0] &&
                (strcmp(outputs[i], outputs[j]) == 0 || mnas_file_same(outputs[i], outputs[j])))
                return mnas_error_set(
                    MNAS_ERR_ARG,
                    "%s is to hold two things; allowed: a file for each of weights, checkpoint, "
                    "its best epoch (FILE.best.safetensors) and metrics",
                    outputs[i]);
    }
    return 0;
}

static const char *or_null(const char *text) {
    return text[0] ? text : NULL;
}

static int run(const void *opts, int n_words, char **words) {
    const train_opts *o = opts;
    (void)n_words;
    mnas_model model;
    int rc = check_outputs(o, words[0]);
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
                            .output = or_null(o->output),
                            .init = or_null(o->weights),
                            .classes = (int)o->classes,
                            .checkpoint = or_null(o->checkpoint),
                            .checkpoint_minutes = o->checkpoint_every,
                            .metrics = or_null(o->metrics),
                            .tensorboard = or_null(o->tensorboard),
                            .metrics_steps = (int)o->metrics_every,
                            .progress = on_progress,
                            .cancel = mnas_cli_cancel_flag()};
    rc = mnas_train(&result, &model, &t);
    if (rc == MNAS_ERR_CANCELLED) return interrupted(o);
    if (rc < 0) return rc;
    mnas_log_live("%s", "");
    if (o->common.json) return print_json(&result);
    print_text(&result);
    return print_best(o, &result);
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
             "dataset's. MODEL is a zoo name with an optional @MULTIPLIER, a model file, or STUDY:TRIAL. "
             "With --checkpoint, the same "
             "command goes on with a training that was interrupted or killed.",
    .example = "mnas train demo.db:17 --data fashion-mnist --epochs 5 -o best.safetensors",
    .opts = options,
    .opts_bytes = sizeof(train_opts),
    .plugins = plugins,
    .run = run};
