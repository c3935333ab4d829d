/* evaluate.c - mnas_eval of the public interface and what training shares with it. It never trains.
 *
 * Invariant: only a caller that names the split "test" opens the test images.
 */
#include "train/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "blocks/net.h"
#include "train/threads.h"

enum { EVAL_BATCH = 64 };

int mnas_model_fit_dataset(mnas_model *model, const mnas_dataset_info *info) {
    if (info->height != info->width) {
        return mnas_error_set(MNAS_ERR_ARG, "%s: images are %d x %d pixels; allowed: square ones", info->spec,
                              info->height, info->width);
    }
    if (model->input_channels != info->channels) {
        mnas_model standard;
        mnas_model_defaults(&standard);
        for (int c = 0; c < 4; c++) {
            model->mean[c] = info->channels == 3 ? standard.mean[c] : 0.5;
            model->std[c] = info->channels == 3 ? standard.std[c] : 0.5;
        }
    }
    model->classes = info->classes;
    model->input_size = info->height;
    model->input_channels = info->channels;
    return 0;
}

mnas_loader_options mnas_evaluate_loading(const mnas_model *model, int batch) {
    mnas_loader_options options = {.batch = batch};
    memcpy(options.mean, model->mean, sizeof options.mean);
    memcpy(options.std, model->std, sizeof options.std);
    return options;
}

/* Images of each class, and how many of them were classified right. */
typedef struct class_count {
    int64_t n, n_right;
} class_count;

/* Mean recall over the classes that have images. */
static double balanced_accuracy(const class_count *counts, int classes) {
    double sum = 0;
    int n = 0;
    for (int k = 0; k < classes; k++) {
        if (counts[k].n == 0) continue;
        sum += (double)counts[k].n_right / (double)counts[k].n;
        n++;
    }
    return n > 0 ? sum / n : 0;
}

static void count_batch(mnas_eval_result *sums, class_count *counts, uint8_t *correct, const float *logits,
                        const mnas_batch *batch, int classes) {
    for (int i = 0; i < batch->n; i++) {
        const int32_t label = batch->labels[i];
        const mnas_loss one = mnas_loss_softmax(logits + (int64_t)i * classes, &label, 1, classes, 0, NULL);
        if (correct) correct[sums->n] = (uint8_t)one.n_top1;
        counts[label].n++;
        counts[label].n_right += one.n_top1;
        sums->n++;
        sums->top1_frac += one.n_top1;
        sums->top5_frac += one.n_top5;
        sums->loss += one.loss;
    }
}

int mnas_evaluate(mnas_eval_result *out, uint8_t *correct, mnas_engine *engine, const mnas_weights *weights,
                  mnas_loader *loader, int classes) {
    mnas_batch batch;
    int rc = 0;
    class_count *counts = calloc((size_t)classes, sizeof *counts);
    if (!counts) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: counts of %d classes", classes);
    *out = (mnas_eval_result){0};
    while ((rc = mnas_loader_next(loader, &batch)) == 0 && batch.n > 0) {
        const float *logits;
        if ((rc = mnas_engine_infer(engine, weights, batch.images, batch.n, &logits)) < 0) break;
        count_batch(out, counts, correct, logits, &batch, classes);
    }
    const double n = (double)out->n;
    out->top1_frac /= n;
    out->top5_frac /= n;
    out->loss /= n;
    out->balanced_frac = balanced_accuracy(counts, classes);
    free(counts);
    return rc;
}

/* *correct is malloc'ed where asked for. */
static int evaluate_file(mnas_eval_result *out, uint8_t **correct, const mnas_model *model,
                         const char *weights_path, const mnas_dataset *dataset, mnas_split_kind kind) {
    mnas_graph *graph = NULL;
    mnas_weights *weights = NULL;
    mnas_engine *engine = NULL;
    mnas_loader *loader = NULL;
    mnas_loader_options options = mnas_evaluate_loading(model, EVAL_BATCH);
    int rc;
    if ((rc = mnas_net_build(&graph, model)) < 0) goto out;
    if ((rc = mnas_weights_create(&weights, graph)) < 0) goto out;
    if ((rc = mnas_weights_load(weights, graph, weights_path)) < 0) goto out;
    if ((rc = mnas_engine_create(&engine, graph, EVAL_BATCH, false, MNAS_ENGINE_FAST)) < 0) goto out;
    if ((rc = mnas_loader_create(&loader, dataset, kind, &options)) < 0) goto out;
    if (correct && !(*correct = malloc((size_t)dataset->split[kind].n))) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: results of %d images", dataset->split[kind].n);
        goto out;
    }
    rc = mnas_evaluate(out, correct ? *correct : NULL, engine, weights, loader, model->classes);
out:
    mnas_loader_destroy(loader);
    mnas_engine_destroy(engine);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    return rc;
}

int mnas_eval_images(mnas_eval_result *out, uint8_t **correct, const mnas_model *model,
                     const char *weights_path, const char *data_spec, const char *split, int threads) {
    if (correct) *correct = NULL;
    bool test = strcmp(split, "test") == 0;
    if (!test && strcmp(split, "val") != 0)
        return mnas_error_set(MNAS_ERR_ARG, "split is \"%s\"; allowed: val, test", split);
    mnas_dataset *dataset;
    mnas_model fitted = *model;
    int rc = mnas_dataset_open(&dataset, data_spec, test ? MNAS_ALLOW_TEST : 0);
    if (rc < 0) return rc;
    mnas_threads_use(threads);
    rc = mnas_model_fit_dataset(&fitted, &dataset->info);
    if (rc == 0)
        rc = evaluate_file(out, correct, &fitted, weights_path, dataset,
                           test ? MNAS_SPLIT_TEST : MNAS_SPLIT_VAL);
    mnas_dataset_close(dataset);
    if (rc < 0 && correct) {
        free(*correct);
        *correct = NULL;
    }
    return rc;
}

int mnas_eval(mnas_eval_result *out, const mnas_model *model, const char *weights_path, const char *data_spec,
              const char *split, int threads) {
    return mnas_eval_images(out, NULL, model, weights_path, data_spec, split, threads);
}
