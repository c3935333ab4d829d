/* finalize_train.c - every network of the plan trained with the same recipe, and evaluated on validation image by image.
 *
 * Invariant: a row that is COMPLETE has its weights and its model in the output folder. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "model/model.h"
#include "search/finalize.h"

static int fill(const mnas_stage *s, const mnas_final *final, mnas_training *out) {
    char lr[32];
    mnas_str_from_f64(final->lr, lr);
    *out = (mnas_training){
        .epochs = s->options.epochs, .seed = final->seed, .macs = final->macs, .index = final->number};
    snprintf(out->name, sizeof out->name, "%s", final->name);
    int rc = mnas_stage_model(s, final, &out->model);
    if (rc == 0) rc = mnas_stage_data(s, final, out->data, sizeof out->data);
    if (rc == 0) rc = mnas_stage_path(s, final, ".safetensors", out->output, sizeof out->output);
    return rc < 0 ? rc : mnas_stage_spec(out->recipe, sizeof out->recipe, s->options.recipe, "lr", lr);
}

/* ---- a training has ended ---- */

static int write_model(const mnas_stage *s, const mnas_final *final, const mnas_model *model) {
    char path[1200], *yaml;
    int rc = mnas_stage_path(s, final, ".yaml", path, sizeof path);
    if (rc == 0) rc = mnas_model_print(model, &yaml);
    if (rc < 0) return rc;
    rc = mnas_file_write_atomic(path, yaml, strlen(yaml));
    free(yaml);
    return rc;
}

/* As mnas_final has it: relative to the study's folder, where it lies below that. */
static int name_weights(const mnas_stage *s, mnas_final *final, const char *path) {
    const char *slash = strrchr(s->options.study, '/');
    const size_t n = slash ? (size_t)(slash - s->options.study) + 1 : 0;
    free(final->weights);
    if (n > 0 && strncmp(path, s->options.study, n) == 0)
        final->weights = strdup(path + n);
    else if (n > 0 && path[0] != '/')
        final->weights = realpath(path, NULL);
    else
        final->weights = strdup(path);
    return final->weights ? 0 : mnas_error_errno("%s", path);
}

static int evaluate(mnas_stage *s, mnas_final *final, const mnas_training *training) {
    mnas_eval_result result;
    mnas_stage_show(s, NULL, "evaluating", final->name, NAN, NAN);
    int rc = s->hooks.evaluate(&result, &final->val_correct, &training->model, training->output,
                               training->data, "val", s->options.threads);
    if (rc < 0) return mnas_error_context(rc, "%s", final->name);
    final->n_val = (int)result.n;
    final->val_accuracy_frac = result.top1_frac;
    final->val_balanced_frac = result.balanced_frac;
    return 0;
}

static int take_failure(mnas_final *final, const mnas_trial *row) {
    final->state = row->state;
    memcpy(final->reason, row->reason, sizeof final->reason);
    final->error = strdup(row->error ? row->error : "");
    return final->error ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s", final->name);
}

static int take_result(mnas_stage *s, const mnas_training *training, const mnas_trial *row) {
    mnas_final *final = &s->finals[training->index];
    int rc;
    final->train_s = row->train_s;
    if (row->state == MNAS_TRIAL_COMPLETE) {
        rc = evaluate(s, final, training);
        if (rc == 0) rc = write_model(s, final, &training->model);
        if (rc == 0) rc = name_weights(s, final, training->output);
        final->state = MNAS_TRIAL_COMPLETE;
    } else {
        rc = take_failure(final, row);
    }
    if (rc == 0) rc = mnas_stage_put(s, final);
    if (rc == 0) mnas_stage_show(s, final, "training", final->name, NAN, NAN);
    return rc;
}

int mnas_stage_train(mnas_stage *s) {
    size_t n = 0;
    int rc = 0;
    mnas_training *list = calloc(s->n_finals + 1, sizeof *list);
    if (!list) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu networks", s->n_finals);
    for (size_t i = 0; i < s->n_finals && rc == 0; i++)
        if (s->finals[i].state == MNAS_TRIAL_RUNNING) rc = fill(s, &s->finals[i], &list[n++]);
    if (rc == 0) rc = mnas_stage_run(s, "training", list, n, take_result);
    free(list);
    return rc;
}
