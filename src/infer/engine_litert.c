/* engine_litert.c - LiteRT, TensorFlow Lite's successor, the user's: its C library (libLiteRt.so, as PyPI's ai-edge-litert has
 * it), loaded while running, computes our TensorFlow Lite file with XNNPACK on the calling thread.
 *
 * Declared here is what is used of its headers (litert/c/). They changed in one function: from some version on
 * LiteRtCreateModelFromBuffer takes an environment in front, which may be NULL. Asked in that way, older versions see a buffer
 * that is NULL and say no; they are then asked in theirs. Image and logits are ours, bound to the network once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"
#include "exporter/exporter.h"
#include "infer/engine.h"
#include "infer/user_library.h"

typedef struct lrt_environment lrt_environment;
typedef struct lrt_model lrt_model;
typedef struct lrt_options lrt_options;
typedef struct lrt_compiled lrt_compiled;
typedef struct lrt_buffer lrt_buffer;

enum { FLOAT32 = 1, ON_CPU = 1, MAX_DIMS = 8, ALIGN = 64 };

/* LiteRtRankedTensorType with its LiteRtLayout; `rank` has a bit for strides above it, which we have none of. */
typedef struct lrt_type {
    int32_t element;
    uint32_t rank;
    int32_t dims[MAX_DIMS];
    uint32_t strides[MAX_DIMS];
} lrt_type;

/* X(return type, name behind "LiteRt", arguments); statuses are 0 or an error. */
#define FUNCTIONS(X)                                                                                         \
    X(int, CreateEnvironment, (int n_options, const void *options, lrt_environment **out))                   \
    X(void, DestroyEnvironment, (lrt_environment * environment))                                             \
    X(int, CreateModelFromBuffer, (void *environment, const void *bytes, size_t n, lrt_model **out))         \
    X(void, DestroyModel, (lrt_model * model))                                                               \
    X(int, CreateOptions, (lrt_options * *out))                                                              \
    X(int, SetOptionsHardwareAccelerators, (lrt_options * options, int accelerators))                        \
    X(void, DestroyOptions, (lrt_options * options))                                                         \
    X(int, CreateCompiledModel,                                                                              \
      (lrt_environment * environment, lrt_model * model, lrt_options * options, lrt_compiled * *out))        \
    X(void, DestroyCompiledModel, (lrt_compiled * compiled))                                                 \
    X(int, CreateTensorBufferFromHostMemory,                                                                 \
      (const lrt_type *type, void *memory, size_t bytes, void (*release)(void *), lrt_buffer **out))         \
    X(void, DestroyTensorBuffer, (lrt_buffer * buffer))                                                      \
    X(int, RunCompiledModel,                                                                                 \
      (lrt_compiled * compiled, size_t signature, size_t n_in, lrt_buffer * *in, size_t n_out,               \
       lrt_buffer * *out))

typedef struct litert_opts {
    char library[MNAS_OPT_STR];
} litert_opts;

static const mnas_opt options[] = {MNAS_USER_LIBRARY_OPT(litert_opts, library), MNAS_OPT_END};

static const char *const names[] = {"libLiteRt.so", NULL};
static const mnas_user_library library = {
    .title = "LiteRT",
    .variable = "MNAS_LITERT",
    .names = names,
    .how = "PyPI's ai-edge-litert has it as ai_edge_litert/libLiteRt.so",
};

typedef struct litert {
#define X(type, name, arguments) type(*name) arguments;
    FUNCTIONS(X)
#undef X
    float *file; /* the library reads weights from it as long as the network lives */
    lrt_environment *environment;
    lrt_model *model;
    lrt_options *options;
    lrt_compiled *compiled;
    lrt_buffer *in, *out;
    float *image, *logits;
} litert;

static void destroy(void *net) {
    litert *l = net;
    if (l->in) l->DestroyTensorBuffer(l->in);
    if (l->out) l->DestroyTensorBuffer(l->out);
    if (l->compiled) l->DestroyCompiledModel(l->compiled);
    if (l->options) l->DestroyOptions(l->options);
    if (l->model) l->DestroyModel(l->model);
    if (l->environment) l->DestroyEnvironment(l->environment);
    free(l->file);
    free(l->image);
    free(l->logits);
    free(l);
}

static int load_library(litert *l, const char *file) {
    void *handle;
    int rc = mnas_user_library_load(&handle, &library, file);
#define X(type, name, arguments)                                                                             \
    if (rc == 0) rc = mnas_user_library_find(&l->name, handle, &library, "LiteRt" #name);
    FUNCTIONS(X)
#undef X
    return rc;
}

static int check(int status, const char *what) {
    return status ? mnas_error_set(MNAS_ERR_LIBRARY, "LiteRT cannot %s: its status is %d", what, status) : 0;
}

/* Zeros at a multiple of 64, as its buffers must lie. */
static float *aligned(size_t bytes) {
    float *memory = aligned_alloc(ALIGN, mnas_round_up(bytes, ALIGN));
    if (memory)
        memset(memory, 0, bytes);
    else
        mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu bytes for LiteRT", bytes);
    return memory;
}

static int create_model(litert *l, const mnas_infer_job *job) {
    int (*older)(const void *bytes, size_t n, lrt_model **out);
    mnas_str file;
    int rc = mnas_exporter_print(&file, "tflite",
                                 &(mnas_export_job){.graph = job->graph, .weights = job->weights});
    if (rc == 0 && !(l->file = aligned(file.len))) rc = MNAS_ERR_MEMORY;
    if (rc == 0) {
        memcpy(l->file, file.data, file.len);
        int status = l->CreateModelFromBuffer(NULL, l->file, file.len, &l->model);
        memcpy(&older, &l->CreateModelFromBuffer, sizeof older);
        if (status) status = older(l->file, file.len, &l->model);
        rc = check(status, "take the network");
    }
    mnas_str_free(&file);
    return rc;
}

static int compile(litert *l, const mnas_infer_job *job) {
    int rc = check(l->CreateEnvironment(0, NULL, &l->environment), "start");
    if (rc == 0) rc = create_model(l, job);
    if (rc == 0) rc = check(l->CreateOptions(&l->options), "be set up");
    if (rc == 0) rc = check(l->SetOptionsHardwareAccelerators(l->options, ON_CPU), "choose the processor");
    if (rc == 0)
        rc = check(l->CreateCompiledModel(l->environment, l->model, l->options, &l->compiled),
                   "compile the network");
    return rc;
}

static int bind(const litert *l, float **memory, lrt_buffer **buffer, const lrt_type *type) {
    size_t bytes = sizeof **memory;
    for (uint32_t i = 0; i < type->rank; i++) bytes *= (size_t)type->dims[i];
    if (!(*memory = aligned(bytes))) return MNAS_ERR_MEMORY;
    return check(l->CreateTensorBufferFromHostMemory(type, *memory, bytes, NULL, buffer), "bind a tensor");
}

static int bind_both(litert *l, const mnas_graph *graph) {
    const mnas_shape in = graph->nodes[0].out, out = graph->nodes[graph->n_nodes - 1].out;
    const lrt_type image = {FLOAT32, 4, {1, in.h, in.w, in.c}, {0}}, logits = {FLOAT32, 2, {1, out.c}, {0}};
    const int rc = bind(l, &l->image, &l->in, &image);
    return rc < 0 ? rc : bind(l, &l->logits, &l->out, &logits);
}

static int invoke(void *net) {
    litert *l = net;
    lrt_buffer *in[] = {l->in}, *out[] = {l->out};
    return check(l->RunCompiledModel(l->compiled, 0, 1, in, 1, out), "run the network");
}

static int create(void **net, const void *opts, const mnas_infer_job *job) {
    if (job->n_threads != 1)
        return mnas_error_set(MNAS_ERR_ARG, "threads is %d; allowed: 1, LiteRT's own choice here",
                              job->n_threads);
    litert *l = calloc(1, sizeof *l);
    if (!l) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: LiteRT network");
    int rc = load_library(l, ((const litert_opts *)opts)->library);
    if (rc == 0) rc = compile(l, job);
    if (rc == 0) rc = bind_both(l, job->graph);
    if (rc == 0) rc = invoke(l); /* once, so that a network it cannot run is told now */
    if (rc < 0)
        destroy(l);
    else
        *net = l;
    return rc;
}

static float *input(void *net) {
    return ((litert *)net)->image;
}

static const float *output(void *net) {
    return ((litert *)net)->logits;
}

static const char *version(void *net) {
    (void)net;
    return "(C API, version untold)";
}

const mnas_infer_class mnas_infer_class_litert = {
    .plugin = {"litert", "LiteRT, TensorFlow Lite's successor, where you have it; one thread", options,
               sizeof(litert_opts)},
    .create = create,
    .input = input,
    .output = output,
    .invoke = invoke,
    .version = version,
    .destroy = destroy,
};
