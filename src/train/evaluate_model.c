/* evaluate_model.c - a model beside a dataset: what it is made fit for, and how its images are loaded (evaluate.h). It has no
 * engine, so that who reads recipes needs no kernels.
 */
#include <string.h>

#include "base/error.h"
#include "model/model.h"
#include "train/evaluate.h"

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

int mnas_model_widen_classes(mnas_model *model, int classes) {
    if (classes != 0 && (classes < model->classes || classes > MNAS_MAX_CLASSES))
        return mnas_error_set(MNAS_ERR_ARG, "classes is %d; allowed: from the dataset's %d to %d", classes,
                              model->classes, MNAS_MAX_CLASSES);
    if (classes != 0) model->classes = classes;
    return 0;
}

mnas_loader_options mnas_evaluate_loading(const mnas_model *model, int batch) {
    mnas_loader_options options = {.batch = batch};
    memcpy(options.mean, model->mean, sizeof options.mean);
    memcpy(options.std, model->std, sizeof options.std);
    return options;
}
