/* export_model.c - the public mnas_model_export: from a model and a file of weights to another program's file. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "exporter/exporter.h"
#include "model/model.h"
#include "model/safetensors.h"

/* ---- the format ---- */

static bool ends_with(const char *text, const char *end) {
    const size_t n = strlen(text), k = strlen(end);
    return n > k && strcmp(text + n - k, end) == 0;
}

static int unknown_extension(const char *path) {
    mnas_str known = {0};
    size_t n;
    const mnas_plugin *const *list = mnas_exporter_plugins(&n);
    for (size_t i = 0; i < n; i++)
        mnas_str_appendf(&known, "%s%s", i ? ", " : "", ((const mnas_exporter_class *)list[i])->extension);
    const int rc =
        mnas_error_set(MNAS_ERR_ARG, "%s: its name tells no format; give one, or end it with one of %s", path,
                       mnas_str_ok(&known) ? known.data : "its extensions");
    mnas_str_free(&known);
    return rc;
}

/* The format whose files are named so. */
static int format_of(const char **format, const char *path) {
    size_t n;
    const mnas_plugin *const *list = mnas_exporter_plugins(&n);
    for (size_t i = 0; i < n; i++) {
        *format = list[i]->name;
        if (ends_with(path, ((const mnas_exporter_class *)list[i])->extension)) return 0;
    }
    return unknown_extension(path);
}

/* ---- what the weights were trained for ---- */

/* Dimension `dim` of the tensor that is, or ends in, `.name`; 0 where there is none. */
static int dimension_of(const mnas_safetensors *file, const char *name, int dim) {
    char suffix[64];
    snprintf(suffix, sizeof suffix, ".%s", name);
    for (size_t i = 0; i < mnas_safetensors_n(file); i++) {
        const mnas_tensor *t = mnas_safetensors_at(file, i);
        if ((strcmp(t->name, name) == 0 || ends_with(t->name, suffix)) && t->n_dims > dim &&
            t->dims[dim] > 0 && t->dims[dim] <= MNAS_MAX_CLASSES)
            return (int)t->dims[dim];
    }
    return 0;
}

/* Classes and channels are those of the weights, since training took them from its images. */
static int fit_weights(mnas_model *model, const char *path) {
    const void *bytes;
    size_t n;
    mnas_safetensors *file = NULL;
    int rc = mnas_file_map(path, &bytes, &n);
    if (rc < 0) return rc;
    if ((rc = mnas_safetensors_parse(&file, bytes, n)) < 0) {
        mnas_error_context(rc, "%s", path);
        goto out;
    }
    const int classes = dimension_of(file, "classifier.weight", 0);
    const int channels = dimension_of(file, "conv_stem.weight", 1);
    if (classes) model->classes = classes;
    if (channels && channels <= MNAS_MAX_CHANNELS && channels != model->input_channels) {
        mnas_model_default_normalisation(model, channels);
        model->input_channels = channels;
    }
out:
    mnas_safetensors_free(file);
    mnas_file_unmap(bytes, n);
    return rc;
}

/* ---- the whole ---- */

int mnas_model_export(mnas_export_result *out, const char *path, const mnas_model *model,
                      const mnas_export_options *options) {
    mnas_model used = *model;
    mnas_str file = {0};
    const char *format = options->format;
    *out = (mnas_export_result){0};
    int rc = format ? 0 : format_of(&format, path);
    if (rc == 0 && options->weights) rc = fit_weights(&used, options->weights);
    if (rc == 0) rc = mnas_exporter_print_model(&file, format, &used, options->weights);
    if (rc == 0) rc = mnas_file_write_atomic(path, file.data, file.len);
    if (rc == 0) {
        out->bytes = (int64_t)file.len;
        out->classes = used.classes;
        out->input_size = used.input_size;
        out->input_channels = used.input_channels;
        out->random = !options->weights;
        snprintf(out->format, sizeof out->format, "%s", format);
    }
    mnas_str_free(&file);
    return rc;
}
