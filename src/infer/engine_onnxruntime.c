/* engine_onnxruntime.c - ONNX Runtime, the user's: its shared library, loaded while running, computes our ONNX file.
 *
 * No header of it is at hand, so the few functions used are declared here by their places in OrtApi. That table only ever grows at
 * its end, and those used stand in its first version (onnxruntime_c_api.h). Image and logits are ours and are bound
 * to the network once; the image is brought from [h, w, c] to ONNX's [c, h, w] when it is loaded, outside of what is timed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "exporter/exporter.h"
#include "infer/engine.h"
#include "infer/user_library.h"

typedef struct ort_status ort_status;
typedef struct ort_env ort_env;
typedef struct ort_session ort_session;
typedef struct ort_options ort_options;
typedef struct ort_memory ort_memory;
typedef struct ort_value ort_value;
typedef struct ort_run_options ort_run_options;

typedef void (*unused)(void);

typedef struct ort_api {
    unused f0[2];
    const char *(*get_error_message)(const ort_status *status); /* 2 */
    ort_status *(*create_env)(int severity, const char *log_id, ort_env **out);
    unused f4[4];
    ort_status *(*create_session_from_array)(const ort_env *env, const void *model, size_t n,
                                             const ort_options *options, ort_session **out); /* 8 */
    ort_status *(*run)(ort_session *session, const ort_run_options *options, const char *const *input_names,
                       const ort_value *const *inputs, size_t n_inputs, const char *const *output_names,
                       size_t n_outputs, ort_value **outputs);
    ort_status *(*create_session_options)(ort_options **out);
    unused f11[2];
    ort_status *(*set_execution_mode)(ort_options *options, int mode); /* 13 */
    unused f14[9];
    ort_status *(*set_optimization_level)(ort_options *options, int level); /* 23 */
    ort_status *(*set_intra_op_threads)(ort_options *options, int n);
    ort_status *(*set_inter_op_threads)(ort_options *options, int n);
    unused f26[23];
    ort_status *(*create_tensor_with_data)(const ort_memory *memory, void *data, size_t bytes,
                                           const int64_t *dims, size_t n_dims, int type,
                                           ort_value **out); /* 49 */
    unused f50[19];
    ort_status *(*create_cpu_memory)(int allocator, int kind, ort_memory **out); /* 69 */
    unused f70[22];
    void (*release_env)(ort_env *env); /* 92 */
    void (*release_status)(ort_status *status);
    void (*release_memory)(ort_memory *memory);
    void (*release_session)(ort_session *session);
    void (*release_value)(ort_value *value);
    unused f97[3];
    void (*release_options)(ort_options *options); /* 100 */
} ort_api;

typedef struct ort_api_base {
    const ort_api *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
} ort_api_base;

/* Values of its enumerations. */
enum {
    LOG_ERROR = 3,
    SEQUENTIAL = 0,
    OPTIMIZE_ALL = 99,
    TYPE_FLOAT = 1,
    ARENA_ALLOCATOR = 1,
    MEMORY_DEFAULT = 0
};

typedef struct onnxruntime_opts {
    char library[MNAS_OPT_STR];
} onnxruntime_opts;

static const mnas_opt options[] = {MNAS_USER_LIBRARY_OPT(onnxruntime_opts, library), MNAS_OPT_END};

static const char *const names[] = {"libonnxruntime.so", "libonnxruntime.so.1", NULL};
static const mnas_user_library library = {
    .title = "ONNX Runtime",
    .variable = "MNAS_ONNXRUNTIME",
    .names = names,
    .how = "PyPI's onnxruntime has it as onnxruntime/capi/libonnxruntime.so.VERSION, and so has its release "
           "for C",
};

typedef struct onnxruntime {
    const ort_api *api;
    const char *version;
    ort_env *env;
    ort_session *session;
    ort_memory *memory;
    ort_value *in, *out;
    mnas_shape shape;
    float *image, *planes, *logits; /* [h, w, c], [c, h, w], [classes] */
} onnxruntime;

static int check(const onnxruntime *o, ort_status *status, const char *what) {
    if (!status) return 0;
    const int rc = mnas_error_set(MNAS_ERR_LIBRARY, "ONNX Runtime %s cannot %s: %s", o->version, what,
                                  o->api->get_error_message(status));
    o->api->release_status(status);
    return rc;
}

static void destroy(void *net) {
    onnxruntime *o = net;
    if (o->api) {
        if (o->in) o->api->release_value(o->in);
        if (o->out) o->api->release_value(o->out);
        if (o->memory) o->api->release_memory(o->memory);
        if (o->session) o->api->release_session(o->session);
        if (o->env) o->api->release_env(o->env);
    }
    free(o->image);
    free(o->planes);
    free(o->logits);
    free(o);
}

static int load_library(onnxruntime *o, const char *file) {
    void *handle;
    const ort_api_base *(*get_base)(void);
    int rc = mnas_user_library_load(&handle, &library, file);
    if (rc == 0) rc = mnas_user_library_find(&get_base, handle, &library, "OrtGetApiBase");
    if (rc < 0) return rc;
    const ort_api_base *base = get_base();
    o->version = base->get_version();
    o->api = base->get_api(1);
    return o->api
               ? 0
               : mnas_error_set(MNAS_ERR_LIBRARY,
                                "ONNX Runtime %s has no longer the first version of its C API", o->version);
}

/* One thread after the other in the order of the graph, every optimisation. */
static int configure(const onnxruntime *o, ort_options *session, int n_threads) {
    int rc = check(o, o->api->set_intra_op_threads(session, n_threads), "take a number of threads");
    if (rc == 0) rc = check(o, o->api->set_inter_op_threads(session, 1), "take a number of threads");
    if (rc == 0) rc = check(o, o->api->set_execution_mode(session, SEQUENTIAL), "run in sequence");
    if (rc == 0) rc = check(o, o->api->set_optimization_level(session, OPTIMIZE_ALL), "optimise");
    return rc;
}

static int create_session(onnxruntime *o, const mnas_infer_job *job) {
    ort_options *session = NULL;
    mnas_str file = {0};
    int rc =
        mnas_exporter_print(&file, "onnx", &(mnas_export_job){.graph = job->graph, .weights = job->weights});
    if (rc == 0) rc = check(o, o->api->create_env(LOG_ERROR, "mnas", &o->env), "start");
    if (rc == 0) rc = check(o, o->api->create_session_options(&session), "be set up");
    if (rc == 0) rc = configure(o, session, job->n_threads);
    if (rc == 0)
        rc = check(o, o->api->create_session_from_array(o->env, file.data, file.len, session, &o->session),
                   "take the network");
    if (session) o->api->release_options(session);
    mnas_str_free(&file);
    return rc;
}

static int bind(const onnxruntime *o, float *data, const int64_t *dims, size_t n_dims, ort_value **value) {
    size_t bytes = sizeof *data;
    for (size_t i = 0; i < n_dims; i++) bytes *= (size_t)dims[i];
    return check(o, o->api->create_tensor_with_data(o->memory, data, bytes, dims, n_dims, TYPE_FLOAT, value),
                 "bind a tensor");
}

static int bind_both(onnxruntime *o, const mnas_graph *graph) {
    const mnas_shape in = o->shape = graph->nodes[0].out;
    const int64_t n_out = graph->nodes[graph->n_nodes - 1].out.c;
    o->image = calloc(mnas_shape_size(in), sizeof *o->image);
    o->planes = calloc(mnas_shape_size(in), sizeof *o->planes);
    o->logits = calloc((size_t)n_out, sizeof *o->logits);
    if (!o->image || !o->planes || !o->logits)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: image and logits for ONNX Runtime");
    int rc =
        check(o, o->api->create_cpu_memory(ARENA_ALLOCATOR, MEMORY_DEFAULT, &o->memory), "describe memory");
    if (rc == 0) rc = bind(o, o->planes, (const int64_t[]){1, in.c, in.h, in.w}, 4, &o->in);
    if (rc == 0) rc = bind(o, o->logits, (const int64_t[]){1, n_out}, 2, &o->out);
    return rc;
}

static int create(void **net, const void *opts, const mnas_infer_job *job) {
    onnxruntime *o = calloc(1, sizeof *o);
    if (!o) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: ONNX Runtime network");
    int rc = load_library(o, ((const onnxruntime_opts *)opts)->library);
    if (rc == 0) rc = create_session(o, job);
    if (rc == 0) rc = bind_both(o, job->graph);
    if (rc < 0)
        destroy(o);
    else
        *net = o;
    return rc;
}

static float *input(void *net) {
    return ((onnxruntime *)net)->image;
}

/* planes[c, y, x] = image[y, x, c] */
static void load(void *net) {
    const onnxruntime *o = net;
    const size_t n_pixels = (size_t)o->shape.h * (size_t)o->shape.w, channels = (size_t)o->shape.c;
    for (size_t i = 0; i < n_pixels; i++)
        for (size_t c = 0; c < channels; c++) o->planes[c * n_pixels + i] = o->image[i * channels + c];
}

static const float *output(void *net) {
    return ((onnxruntime *)net)->logits;
}

static int invoke(void *net) {
    static const char *const inputs[] = {"image"}, *const outputs[] = {"logits"};
    onnxruntime *o = net;
    const ort_value *const in[] = {o->in};
    ort_value *out[] = {o->out};
    return check(o, o->api->run(o->session, NULL, inputs, in, 1, outputs, 1, out), "run the network");
}

static const char *version(void *net) {
    return ((onnxruntime *)net)->version;
}

const mnas_infer_class mnas_infer_class_onnxruntime = {
    .plugin = {"onnxruntime", "ONNX Runtime, where you have it", options, sizeof(onnxruntime_opts)},
    .create = create,
    .input = input,
    .load = load,
    .output = output,
    .invoke = invoke,
    .version = version,
    .destroy = destroy,
};
