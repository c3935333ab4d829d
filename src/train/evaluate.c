/* evaluate.c - mnas_eval of the public interface and what training shares with it. It never trains.
 *
 * Invariant: only a caller that names the split "test" opens the test images.
 */
#include "train/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "blocks/net.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "train/threads.h"

enum { EVAL_BATCH = 64 };

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

static void count_batch(mnas_eval_result *sums, class_count *counts, const mnas_eval_images *images,
                        const float *logits, const mnas_batch *batch, int classes) {
    const size_t width = (size_t)classes, row = width * sizeof *logits;
    if (images->logits) memcpy(images->logits + (size_t)sums->n * width, logits, (size_t)batch->n * row);
    for (int i = 0; i < batch->n; i++) {
        const int32_t label = batch->labels[i];
        const mnas_loss one = mnas_loss_softmax(logits + (int64_t)i * classes, &label, 1, classes, 0, NULL);
        if (images->correct) images->correct[sums->n] = (uint8_t)one.n_top1;
        if (images->labels) images->labels[sums->n] = label;
        counts[label].n++;
        counts[label].n_right += one.n_top1;
        sums->n++;
        sums->top1_frac += one.n_top1;
        sums->top5_frac += one.n_top5;
        sums->loss += one.loss;
    }
}

int mnas_evaluate(mnas_eval_result *out, const mnas_eval_images *images, mnas_engine *engine,
                  const mnas_weights *weights, mnas_loader *loader, int classes) {
    static const mnas_eval_images none;
    mnas_batch batch;
    int rc = 0;
    class_count *counts = calloc((size_t)classes, sizeof *counts);
    if (!counts) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: counts of %d classes", classes);
    *out = (mnas_eval_result){0};
    while ((rc = mnas_loader_next(loader, &batch)) == 0 && batch.n > 0) {
        const float *logits;
        if ((rc = mnas_engine_infer(engine, weights, batch.images, batch.n, &logits)) < 0) break;
        count_batch(out, counts, images ? images : &none, logits, &batch, classes);
    }
    const double n = (double)out->n;
    out->top1_frac /= n;
    out->top5_frac /= n;
    out->loss /= n;
    out->balanced_frac = balanced_accuracy(counts, classes);
    free(counts);
    if (rc == 0 && out->n == 0)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "none of the images to evaluate on decodes");
    return rc;
}

/* ---- a file of weights on a split ---- */

/* The images of a split, and what is wanted of them. */
typedef struct evaluation {
    mnas_dataset *dataset;
    mnas_split_kind kind;
    mnas_model model;
    mnas_eval_images images;
} evaluation;

static int open_split(evaluation *e, const mnas_model *model, const mnas_eval_options *o) {
    bool test = strcmp(o->split, "test") == 0;
    if (!test && strcmp(o->split, "val") != 0)
        return mnas_error_set(MNAS_ERR_ARG, "split is \"%s\"; allowed: val, test", o->split);
    e->kind = test ? MNAS_SPLIT_TEST : MNAS_SPLIT_VAL;
    e->model = *model;
    int rc = mnas_dataset_open(&e->dataset, o->data, test ? MNAS_ALLOW_TEST : 0);
    if (rc == 0) rc = mnas_model_fit_dataset(&e->model, &e->dataset->info);
    if (rc == 0) rc = mnas_model_widen_classes(&e->model, o->classes);
    return rc;
}

static int allocate(evaluation *e, bool correct, bool logits) {
    const size_t n = (size_t)e->dataset->split[e->kind].n;
    if (correct) e->images.correct = malloc(n);
    if (logits) e->images.labels = calloc(n, sizeof *e->images.labels);
    if (logits) e->images.logits = calloc(n * (size_t)e->model.classes, sizeof *e->images.logits);
    if ((correct && !e->images.correct) || (logits && !(e->images.labels && e->images.logits)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: results of %zu images", n);
    return 0;
}

static void close_split(evaluation *e) {
    free(e->images.correct);
    free(e->images.labels);
    free(e->images.logits);
    mnas_dataset_close(e->dataset);
}

static int evaluate_file(mnas_eval_result *out, const evaluation *e, const char *weights_path) {
    mnas_graph *graph = NULL;
    mnas_weights *weights = NULL;
    mnas_engine *engine = NULL;
    mnas_loader *loader = NULL;
    mnas_loader_options options = mnas_evaluate_loading(&e->model, EVAL_BATCH);
    int rc;
    if ((rc = mnas_net_build(&graph, &e->model)) < 0) goto out;
    if ((rc = mnas_weights_create(&weights, graph)) < 0) goto out;
    if ((rc = mnas_weights_load(weights, graph, weights_path)) < 0) goto out;
    if ((rc = mnas_engine_create(&engine, graph, EVAL_BATCH, false, MNAS_ENGINE_FAST)) < 0) goto out;
    if ((rc = mnas_loader_create(&loader, e->dataset, e->kind, &options)) < 0) goto out;
    rc = mnas_evaluate(out, &e->images, engine, weights, loader, e->model.classes);
out:
    mnas_loader_destroy(loader);
    mnas_engine_destroy(engine);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    return rc;
}

/* labels first: elements of 8 bytes lie on multiples of 8. */
static int write_logits(const char *path, const mnas_eval_images *images, int64_t n, int classes) {
    const size_t label_bytes = (size_t)n * sizeof *images->labels,
                 logit_bytes = (size_t)n * (size_t)classes * sizeof *images->logits;
    const mnas_tensor tensors[] = {
        {.name = "labels", .dtype = "I64", .n_dims = 1, .dims = {n}, .end = label_bytes},
        {.name = "logits",
         .dtype = "F32",
         .n_dims = 2,
         .dims = {n, classes},
         .begin = label_bytes,
         .end = label_bytes + logit_bytes}};
    mnas_str header = {0};
    mnas_file_writer writer;
    int rc = mnas_safetensors_header(&header, tensors, 2, NULL);
    if (rc == 0 && (rc = mnas_file_writer_open(&writer, path)) == 0) {
        rc = mnas_file_writer_write(&writer, header.data, header.len);
        if (rc == 0) rc = mnas_file_writer_write(&writer, images->labels, label_bytes);
        if (rc == 0) rc = mnas_file_writer_write(&writer, images->logits, logit_bytes);
        if (rc == 0) rc = mnas_file_writer_commit(&writer);
        mnas_file_writer_abort(&writer);
    }
    mnas_str_free(&header);
    return rc;
}

static int evaluate(mnas_eval_result *out, uint8_t **correct, const mnas_model *model,
                    const mnas_eval_options *o) {
    evaluation e = {0};
    mnas_threads_use(o->threads);
    int rc = open_split(&e, model, o);
    if (rc == 0) rc = allocate(&e, correct != NULL, o->logits != NULL);
    if (rc == 0) rc = evaluate_file(out, &e, o->weights);
    if (rc == 0 && o->logits) rc = write_logits(o->logits, &e.images, out->n, e.model.classes);
    if (rc == 0 && correct) {
        *correct = e.images.correct;
        e.images.correct = NULL;
    }
    close_split(&e);
    return rc;
}

int mnas_eval_correct(mnas_eval_result *out, uint8_t **correct, const mnas_model *model,
                      const char *weights_path, const char *data_spec, const char *split, int threads) {
    *correct = NULL;
    return evaluate(
        out, correct, model,
        &(mnas_eval_options){.weights = weights_path, .data = data_spec, .split = split, .threads = threads});
}

int mnas_eval(mnas_eval_result *out, const mnas_model *model, const mnas_eval_options *options) {
    return evaluate(out, NULL, model, options);
}
