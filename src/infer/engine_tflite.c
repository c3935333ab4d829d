/* engine_tflite.c - TensorFlow Lite, the user's: its C library, loaded while running, computes our TensorFlow Lite file.
 * XNNPACK is on, as it is by default there.
 *
 * Declared here is what is used of tensorflow/lite/c/c_api.h. LiteRT's own C API is another: engine_litert.c. Image and logits are
 * the interpreter's own memory.
 */
#include <stdlib.h>

#include "base/error.h"
#include "exporter/exporter.h"
#include "infer/engine.h"
#include "infer/user_library.h"

typedef struct tfl_model tfl_model;
typedef struct tfl_options tfl_options;
typedef struct tfl_interpreter tfl_interpreter;
typedef struct tfl_tensor tfl_tensor;

/* X(return type, name behind "TfLite", arguments) */
#define FUNCTIONS(X)                                                                                         \
    X(const char *, Version, (void))                                                                         \
    X(tfl_model *, ModelCreate, (const void *bytes, size_t n))                                               \
    X(void, ModelDelete, (tfl_model * model))                                                                \
    X(tfl_options *, InterpreterOptionsCreate, (void))                                                       \
    X(void, InterpreterOptionsDelete, (tfl_options * options))                                               \
    X(void, InterpreterOptionsSetNumThreads, (tfl_options * options, int32_t n))                             \
    X(tfl_interpreter *, InterpreterCreate, (const tfl_model *model, const tfl_options *options))            \
    X(void, InterpreterDelete, (tfl_interpreter * interpreter))                                              \
    X(int, InterpreterAllocateTensors, (tfl_interpreter * interpreter))                                      \
    X(tfl_tensor *, InterpreterGetInputTensor, (const tfl_interpreter *interpreter, int32_t i))              \
    X(const tfl_tensor *, InterpreterGetOutputTensor, (const tfl_interpreter *interpreter, int32_t i))       \
    X(int, InterpreterInvoke, (tfl_interpreter * interpreter))                                               \
    X(void *, TensorData, (const tfl_tensor *tensor))                                                        \
    X(size_t, TensorByteSize, (const tfl_tensor *tensor))

typedef struct tflite_opts {
    char library[MNAS_OPT_STR];
} tflite_opts;

static const mnas_opt options[] = {MNAS_USER_LIBRARY_OPT(tflite_opts, library), MNAS_OPT_END};

static const char *const names[] = {"libtensorflowlite_c.so", "libtensorflow-lite_c.so", NULL};
static const mnas_user_library library = {
    .title = "TensorFlow Lite",
    .variable = "MNAS_TFLITE",
    .names = names,
    .how = "build it from TensorFlow (//tensorflow/lite/c:tensorflowlite_c); PyPI's packages have no such "
           "library",
};

typedef struct tflite {
#define X(type, name, arguments) type(*name) arguments;
    FUNCTIONS(X)
#undef X
    mnas_str file; /* the interpreter reads weights from it as long as it lives */
    tfl_model *model;
    tfl_interpreter *interpreter;
    float *image;
    const float *logits;
} tflite;

static void destroy(void *net) {
    tflite *t = net;
    if (t->interpreter) t->InterpreterDelete(t->interpreter);
    if (t->model) t->ModelDelete(t->model);
    mnas_str_free(&t->file);
    free(t);
}

static int load_library(tflite *t, const char *file) {
    void *handle;
    int rc = mnas_user_library_load(&handle, &library, file);
#define X(type, name, arguments)                                                                             \
    if (rc == 0) rc = mnas_user_library_find(&t->name, handle, &library, "TfLite" #name);
    FUNCTIONS(X)
#undef X
    return rc;
}

static int create_interpreter(tflite *t, int n_threads) {
    tfl_options *o = t->InterpreterOptionsCreate();
    if (o) t->InterpreterOptionsSetNumThreads(o, n_threads);
    t->model = t->ModelCreate(t->file.data, t->file.len);
    if (o && t->model) t->interpreter = t->InterpreterCreate(t->model, o);
    if (o) t->InterpreterOptionsDelete(o);
    if (t->interpreter && t->InterpreterAllocateTensors(t->interpreter) == 0) return 0;
    return mnas_error_set(MNAS_ERR_LIBRARY, "TensorFlow Lite %s cannot %s", t->Version(),
                          t->interpreter ? "allocate the network's tensors" : "take the network");
}

static int find_ends(tflite *t, const mnas_graph *graph) {
    const size_t n_in = mnas_shape_size(graph->nodes[0].out) * sizeof(float);
    const size_t n_out = mnas_shape_size(graph->nodes[graph->n_nodes - 1].out) * sizeof(float);
    const tfl_tensor *in = t->InterpreterGetInputTensor(t->interpreter, 0);
    const tfl_tensor *out = t->InterpreterGetOutputTensor(t->interpreter, 0);
    if (!in || !out || t->TensorByteSize(in) != n_in || t->TensorByteSize(out) != n_out)
        return mnas_error_set(MNAS_ERR_LIBRARY,
                              "TensorFlow Lite %s has other tensors than an image of %zu bytes and "
                              "logits of %zu",
                              t->Version(), n_in, n_out);
    t->image = t->TensorData(in);
    t->logits = t->TensorData(out);
    return 0;
}

static int create(void **net, const void *opts, const mnas_infer_job *job) {
    tflite *t = calloc(1, sizeof *t);
    if (!t) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: TensorFlow Lite network");
    int rc = load_library(t, ((const tflite_opts *)opts)->library);
    if (rc == 0)
        rc = mnas_exporter_print(&t->file, "tflite",
                                 &(mnas_export_job){.graph = job->graph, .weights = job->weights});
    if (rc == 0) rc = create_interpreter(t, job->n_threads);
    if (rc == 0) rc = find_ends(t, job->graph);
    if (rc < 0)
        destroy(t);
    else
        *net = t;
    return rc;
}

static float *input(void *net) {
    return ((tflite *)net)->image;
}

static const float *output(void *net) {
    return ((tflite *)net)->logits;
}

static int invoke(void *net) {
    tflite *t = net;
    const int status = t->InterpreterInvoke(t->interpreter);
    if (status == 0) return 0;
    return mnas_error_set(MNAS_ERR_LIBRARY, "TensorFlow Lite %s cannot run the network: status %d",
                          t->Version(), status);
}

static const char *version(void *net) {
    return ((tflite *)net)->Version();
}

const mnas_infer_class mnas_infer_class_tflite = {
    .plugin = {"tflite", "TensorFlow Lite's C library, where you have it", options, sizeof(tflite_opts)},
    .create = create,
    .input = input,
    .output = output,
    .invoke = invoke,
    .version = version,
    .destroy = destroy,
};
