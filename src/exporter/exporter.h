/* exporter.h - a network in the file formats of other programs: ONNX, TensorFlow Lite, and our own model file.
 *
 * A format is one const record in exporter_NAME.c and one line in exporters.def. Specs read `tflite`, `onnx:batch=any`. What
 * is written is the inference graph (blocks/fold.h): batch-norm is in the convolutions, the answer are logits. Nothing is
 * quantised and nothing optimised beyond that; the reader's own converters and optimisers do it better.
 */
#ifndef MNAS_EXPORTER_EXPORTER_H
#define MNAS_EXPORTER_EXPORTER_H

#include "base/registry.h"
#include "base/str.h"
#include "model/weights.h"

typedef struct mnas_export_job {
    const mnas_graph *graph; /* inference graph */
    const mnas_weights *weights;
    bool random; /* the weights are drawn, not trained; the file says so */
} mnas_export_job;

typedef struct mnas_exporter_class {
    mnas_plugin plugin;    /* first: registry.h */
    const char *extension; /* of its files: ".onnx" */
    int (*print)(mnas_str *out, const void *opts, const mnas_export_job *job);
} mnas_exporter_class;

/* The whole file in memory; free it with mnas_str_free, also after a failure. */
int mnas_exporter_print(mnas_str *out, const char *format, const mnas_export_job *job);
/* The same of a model with the weights of that file; NULL: with random ones, for whoever only measures time. */
int mnas_exporter_print_model(mnas_str *out, const char *format, const mnas_model *model,
                              const char *weights_path);
/* The extension of a format's files, ".onnx". */
int mnas_exporter_extension(const char **extension, const char *format);

const mnas_plugin *const *mnas_exporter_plugins(size_t *n);

/* What every file says about its network beside the graph, as pairs of words. */
enum { MNAS_EXPORT_MAX_FACTS = 12 };
typedef struct mnas_export_facts {
    int n;
    const char *name[MNAS_EXPORT_MAX_FACTS]; /* "arch", "mean", "std", "classes", "weights", ... */
    mnas_str text[MNAS_EXPORT_MAX_FACTS];
    mnas_str summary; /* a sentence for people, image and logits explained */
} mnas_export_facts;

/* `layout` is how the file wants the image: "1 x 3 x 224 x 224". Free them also after a failure. */
int mnas_export_facts_of(mnas_export_facts *out, const mnas_export_job *job, const char *layout);
void mnas_export_facts_free(mnas_export_facts *facts);

#define MNAS_EXPORTER(name) extern const mnas_exporter_class mnas_exporter_class_##name;
#include "exporter/exporters.def"
#undef MNAS_EXPORTER

#endif
