/* evaluate.c - mnas_eval of the public interface and what training shares with it. It never trains.
 *
 * Invariant: only a caller that names the split "test" opens the test images.
 */
#include "train/evaluate.h"

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

int mnas_evaluate(mnas_eval_result *out, mnas_engine *engine, const mnas_weights *weights,
                  mnas_loader *loader, int classes) {
    mnas_batch batch;
    int64_t n = 0, top1 = 0, top5 = 0;
    double loss = 0;
    for (mnas_loader_next(loader, &batch); batch.n > 0; mnas_loader_next(loader, &batch)) {
        const float *logits;
        int rc = mnas_engine_infer(engine, weights, batch.images, batch.n, &logits);
        if (rc < 0) return rc;
        mnas_loss part = mnas_loss_softmax(logits, batch.labels, batch.n, classes, 0, NULL);
        n += batch.n;
        top1 += part.n_top1;
        top5 += part.n_top5;
        loss += part.loss * batch.n;
    }
    *out = (mnas_eval_result){n, (double)top1 / (double)n, (double)top5 / (double)n, loss / (double)n};
    return 0;
}

static int evaluate_file(mnas_eval_result *out, const mnas_model *model, const char *weights_path,
                         const mnas_dataset *dataset, mnas_split_kind kind) {
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
    rc = mnas_evaluate(out, engine, weights, loader, model->classes);
out:
    mnas_loader_destroy(loader);
    mnas_engine_destroy(engine);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    return rc;
}

int mnas_eval(mnas_eval_result *out, const mnas_model *model, const char *weights_path, const char *data_spec,
              const char *split, int threads) {
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
        rc = evaluate_file(out, &fitted, weights_path, dataset, test ? MNAS_SPLIT_TEST : MNAS_SPLIT_VAL);
    mnas_dataset_close(dataset);
    return rc;
}
