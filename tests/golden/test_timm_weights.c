/* test_timm_weights.c - our tensors are timm's: names and shapes of every network that timm has too, against
 * the list timm_names.txt, which timm_check.py printed from timm itself. Needs no Python.
 *
 * With arguments it is the C half of timm_check.py (see tests/optional/test_timm.sh), which compares values:
 *
 *     test_timm_weights MODEL SIZE torch|tensorflow WEIGHTS IMAGES N LOGITS COPY
 *
 * loads WEIGHTS (safetensors), writes to LOGITS what each executor makes of IMAGES (f32, [N, SIZE, SIZE, 3]),
 * as f32 [executors, N, classes], and saves the loaded weights again as COPY.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "ops/xnn.h"
#include "train/engine.h"

/* NAME@timm is timm's default; asked for, timm builds TensorFlow's padding and epsilon, too, and still adds the
 * residual of mnasnet-small's first layer. */
static int open_as_timm(mnas_model *model, const char *name, int input_size, bool tensorflow) {
    char timms[64];
    snprintf(timms, sizeof timms, "%s@timm", name);
    int rc = mnas_model_open_local(model, tensorflow ? name : timms, input_size);
    if (rc == 0) model->blocks[0].in = model->stem_filters;
    return rc;
}

/* ---- values: the C half of timm_check.py ---- */

typedef struct job {
    mnas_graph *graph;
    mnas_weights *weights;
    float *images, *logits; /* logits: [n, classes], of one executor */
    int n;
} job;

typedef int (*executor)(job *j);

static int run_engine(job *j, mnas_engine_kind kind) {
    mnas_engine *engine;
    const float *logits;
    int rc = mnas_engine_create(&engine, j->graph, j->n, false, kind);
    if (rc < 0) return rc;
    rc = mnas_engine_infer(engine, j->weights, j->images, j->n, &logits);
    if (rc == 0) memcpy(j->logits, logits, (size_t)j->n * (size_t)j->graph->model.classes * sizeof *logits);
    mnas_engine_destroy(engine);
    return rc;
}

static int run_reference(job *j) {
    return run_engine(j, MNAS_ENGINE_REFERENCE);
}

static int run_fast(job *j) {
    return run_engine(j, MNAS_ENGINE_FAST);
}

static int run_xnnpack(job *j) {
    mnas_graph *folded;
    mnas_weights *weights;
    mnas_xnn *net;
    size_t image = mnas_shape_size(j->graph->nodes[0].out), classes = (size_t)j->graph->model.classes;
    int rc = mnas_fold(&folded, &weights, j->graph, j->weights);
    if (rc < 0) return rc;
    rc = mnas_xnn_create(&net, folded, weights);
    for (size_t i = 0; i < (size_t)j->n && rc == 0; i++)
        rc = mnas_xnn_run(net, j->images + i * image, j->logits + i * classes);
    if (rc == 0) mnas_xnn_destroy(net);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(folded);
    return rc;
}

static const executor executors[] = {run_reference, run_fast, run_xnnpack};

static int write_logits(job *j, const char *path) {
    size_t n = (size_t)j->n * (size_t)j->graph->model.classes;
    FILE *file = fopen(path, "wb");
    int rc = file ? 0 : MNAS_ERR_IO;
    j->logits = calloc(n, sizeof *j->logits);
    for (size_t i = 0; i < sizeof executors / sizeof *executors && rc == 0; i++) {
        rc = j->logits ? executors[i](j) : MNAS_ERR_MEMORY;
        if (rc == 0 && fwrite(j->logits, sizeof *j->logits, n, file) != n) rc = MNAS_ERR_IO;
    }
    if (file && fclose(file) != 0) rc = MNAS_ERR_IO;
    return rc;
}

static int read_images(job *j, const char *path, const char *n_text) {
    char *bytes;
    size_t n, image = mnas_shape_size(j->graph->nodes[0].out) * sizeof(float);
    int rc = mnas_file_read(path, (size_t)1 << 30, &bytes, &n);
    if (rc < 0) return rc;
    j->images = (float *)(void *)bytes;
    j->n = atoi(n_text);
    return n == (size_t)j->n * image ? 0 : MNAS_ERR_FORMAT;
}

/* argv as in the head of this file. */
static int run_job(job *j, char **argv) {
    mnas_model model;
    const char *metadata[] = {"model", argv[1], "format", "pt", NULL};
    int rc = open_as_timm(&model, argv[1], atoi(argv[2]), strcmp(argv[3], "tensorflow") == 0);
    if (rc < 0) return rc;
    if ((rc = mnas_net_build(&j->graph, &model)) < 0) return rc;
    if ((rc = mnas_weights_create(&j->weights, j->graph)) < 0) return rc;
    if ((rc = mnas_weights_load(j->weights, j->graph, argv[4])) < 0) return rc;
    if ((rc = read_images(j, argv[5], argv[6])) < 0) return rc;
    if ((rc = write_logits(j, argv[7])) < 0) return rc;
    return mnas_weights_save(j->weights, j->graph, argv[8], metadata);
}

static int job_main(char **argv) {
    job j = {0};
    int rc = run_job(&j, argv);
    if (rc < 0)
        fprintf(stderr, "test_timm_weights: %s: %s: %s\n", argv[1], mnas_status_text(rc),
                mnas_error_message());
    free(j.images);
    free(j.logits);
    mnas_weights_destroy(j.weights);
    mnas_graph_destroy(j.graph);
    return rc < 0;
}

/* ---- names and shapes ---- */

static const char *const models[] = {"mnasnet-a1",    "mnasnet-a1@0.75", "mnasnet-b1",      "mnasnet-b1@0.5",
                                     "mnasnet-small", "mobilenet-v2",    "mobilenet-v2@1.4"};

enum { N_MODELS = sizeof models / sizeof *models, MAX_LISTED = 1024 };

/* One tensor of the list, whose lines read "MODULE weight[32,1,3,3] bias[32] ...". */
typedef struct listed {
    char name[128];
    bool counter; /* num_batches_tracked: no parameter of ours, but in our files */
    int n_dims;
    int64_t dims[4];
} listed;

static listed parse_listed(const char *module, const char *word) {
    listed l = {.counter = strncmp(word, "num_batches_tracked[", 20) == 0};
    const char *at = strchr(word, '[');
    if (!at) fail_msg("the list has '%s %s'", module, word);
    snprintf(l.name, sizeof l.name, "%s.%.*s", module, (int)(at - word), word);
    for (at++; *at != ']' && l.n_dims < 4; at += *at == ',') {
        char *end;
        l.dims[l.n_dims++] = strtol(at, &end, 10);
        at = end;
    }
    return l;
}

/* What timm has of the model: from its line "model NAME ..." to the next such line. Returns how many. */
static int read_list(listed out[MAX_LISTED], const char *model) {
    char *text, *line, *word;
    size_t size;
    int n = 0;
    bool inside = false;
    assert_int_equal(mnas_file_read(MNAS_SOURCE_DIR "/tests/golden/timm_names.txt", 1 << 20, &text, &size),
                     0);
    for (char *rest = text; (line = strsep(&rest, "\n"));) {
        const char *module = strsep(&line, " ");
        if (strcmp(module, "model") == 0) {
            inside = strcmp(strsep(&line, " "), model) == 0;
            continue;
        }
        while (inside && (word = strsep(&line, " "))) {
            assert_true(n < MAX_LISTED);
            out[n++] = parse_listed(module, word);
        }
    }
    free(text);
    if (n == 0) fail_msg("the list has no model %s", model);
    return n;
}

static mnas_graph *build_as_timm(const char *name) {
    mnas_model model;
    mnas_graph *graph = NULL;
    if (open_as_timm(&model, name, 0, false) < 0 || mnas_net_build(&graph, &model) < 0)
        fail_msg("%s: %s", name, mnas_error_message());
    return graph;
}

static void check_param(const mnas_graph *graph, const listed *l, const char *model) {
    int i = mnas_graph_find_param(graph, l->name);
    if (i < 0) fail_msg("%s: we have no %s", model, l->name);
    const mnas_param *param = &graph->params[i];
    bool same = param->n_dims == l->n_dims;
    for (int d = 0; d < l->n_dims && same; d++) same = param->dims[d] == l->dims[d];
    if (!same) fail_msg("%s: timm's %s has another shape", model, l->name);
}

/* Every tensor of timm's is ours with its shape, and we have no others. */
static void every_parameter_is_timms(void **state) {
    (void)state;
    static listed list[MAX_LISTED];
    for (int m = 0; m < N_MODELS; m++) {
        mnas_graph *graph = build_as_timm(models[m]);
        int n = read_list(list, models[m]), n_params = 0;
        for (int i = 0; i < n; i++) {
            if (list[i].counter) continue;
            check_param(graph, &list[i], models[m]);
            n_params++;
        }
        if (n_params != graph->n_params)
            fail_msg("%s: timm has %d parameters, we have %d", models[m], n_params, graph->n_params);
        mnas_graph_destroy(graph);
    }
}

/* A file has all that timm's strict loading asks for, counters included, and nothing else. */
static void a_file_has_what_timm_asks_for(void **state) {
    (void)state;
    static listed list[MAX_LISTED];
    const char *path = MNAS_TEST_TMP "/test_timm_weights.safetensors";
    mnas_graph *graph = build_as_timm("mnasnet-small");
    mnas_weights *weights;
    mnas_safetensors *file;
    char *bytes;
    size_t size, n_bytes = 0;
    uint64_t header_bytes;
    assert_int_equal(mnas_weights_create(&weights, graph), 0);
    assert_int_equal(mnas_weights_save(weights, graph, path, NULL), 0);
    assert_int_equal(mnas_file_read(path, 64 << 20, &bytes, &size), 0);
    assert_int_equal(mnas_safetensors_parse(&file, (uint8_t *)bytes, size), 0);
    for (int i = 0, n = read_list(list, "mnasnet-small"); i < n; i++) {
        const mnas_tensor *tensor = mnas_safetensors_find(file, list[i].name);
        if (!tensor) fail_msg("the file has no %s", list[i].name);
        assert_string_equal(tensor->dtype, list[i].counter ? "I64" : "F32");
        assert_int_equal(tensor->n_dims, list[i].n_dims);
        assert_memory_equal(tensor->dims, list[i].dims, sizeof list[i].dims);
        n_bytes += tensor->end - tensor->begin;
    }
    memcpy(&header_bytes, bytes, sizeof header_bytes);
    assert_int_equal(size, sizeof header_bytes + header_bytes + n_bytes);
    mnas_safetensors_free(file);
    free(bytes);
    remove(path);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parameter_is_timms),
        cmocka_unit_test(a_file_has_what_timm_asks_for),
    };
    if (argc == 9) return job_main(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
