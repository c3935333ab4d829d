/* test_weights_read.c - files of other programs: types of numbers, names behind a wrapper's prefix, classifiers of other
 * classes, and what is said of tensors that do not fit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/safetensors.h"
#include "model/weights.h"

#define PATH MNAS_TEST_TMP "/test_weights_read.safetensors"

enum { MAX_TENSORS = 8, MAX_BYTES = 4096 };

/* conv_stem.weight [2, 1, 1, 1], conv_stem.running_mean [2], classifier.weight [3, 2], classifier.bias [3] */
static mnas_graph *tiny_graph(void) {
    mnas_graph *graph;
    mnas_model model;
    mnas_node stem = {.name = "conv_stem"}, head = {.name = "classifier"};
    mnas_model_defaults(&model);
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    mnas_graph_add_node(graph, &stem);
    mnas_graph_add_param(graph, MNAS_PARAM_CONV, "weight", 4, (int[]){2, 1, 1, 1});
    mnas_graph_add_param(graph, MNAS_PARAM_MEAN, "running_mean", 1, (int[]){2});
    mnas_graph_add_node(graph, &head);
    mnas_graph_add_param(graph, MNAS_PARAM_DENSE, "weight", 2, (int[]){3, 2});
    mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "bias", 1, (int[]){3});
    assert_int_equal(graph->n_params, 4);
    return graph;
}

/* A file in the making. */
typedef struct file {
    char names[MAX_TENSORS][128];
    mnas_tensor tensors[MAX_TENSORS];
    size_t n, n_bytes;
    uint8_t bytes[MAX_BYTES];
} file;

static void add(file *f, const char *prefix, const char *name, const char *dtype, int n_dims,
                const int64_t *dims, const void *data, size_t n_bytes) {
    mnas_tensor *tensor = &f->tensors[f->n];
    snprintf(f->names[f->n], sizeof f->names[f->n], "%s%s", prefix, name);
    *tensor =
        (mnas_tensor){.dtype = dtype, .n_dims = n_dims, .begin = f->n_bytes, .end = f->n_bytes + n_bytes};
    f->n++;
    if (n_dims > 0) memcpy(tensor->dims, dims, (size_t)n_dims * sizeof *dims);
    memcpy(f->bytes + f->n_bytes, data, n_bytes);
    f->n_bytes += n_bytes;
}

static const float stem[2] = {1.5f, -2}, mean[2] = {0.25f, 8};
static const float head_weight[8] = {1, 2, 3, 4, 5, 6, 7, 8}, head_bias[4] = {9, 10, 11, 12};

/* The tensors of tiny_graph, its classifier for so many classes (at most 4). */
static file file_of(const char *prefix, int classes) {
    file f = {0};
    add(&f, prefix, "conv_stem.weight", "F32", 4, (int64_t[]){2, 1, 1, 1}, stem, sizeof stem);
    add(&f, prefix, "conv_stem.running_mean", "F32", 1, (int64_t[]){2}, mean, sizeof mean);
    add(&f, prefix, "classifier.weight", "F32", 2, (int64_t[]){classes, 2}, head_weight,
        (size_t)classes * 2 * sizeof(float));
    add(&f, prefix, "classifier.bias", "F32", 1, (int64_t[]){classes}, head_bias,
        (size_t)classes * sizeof(float));
    return f;
}

static void write(const file *f) {
    mnas_str text = {0};
    mnas_tensor tensors[MAX_TENSORS];
    memcpy(tensors, f->tensors, sizeof tensors);
    for (size_t i = 0; i < f->n; i++) tensors[i].name = f->names[i]; /* of this copy */
    assert_int_equal(mnas_safetensors_header(&text, tensors, f->n, NULL), 0);
    mnas_str_append_n(&text, (const char *)f->bytes, f->n_bytes);
    assert_true(mnas_str_ok(&text));
    assert_int_equal(mnas_file_write_atomic(PATH, text.data, text.len), 0);
    mnas_str_free(&text);
}

/* Weights that are all -1 before the file is read. */
static mnas_weights *marked(const mnas_graph *graph) {
    mnas_weights *weights;
    assert_int_equal(mnas_weights_create(&weights, graph), 0);
    for (size_t i = 0; i < weights->n_floats; i++) weights->data[i] = -1;
    return weights;
}

static const float *values(const mnas_weights *weights, const mnas_graph *graph, int param) {
    return mnas_weights_of(weights, &graph->params[param]);
}

/* Reads the file into fresh weights; returns the status. All of the body is taken, or none. */
static int read(const file *f, mnas_weights_head head, bool *taken, bool *head_values) {
    mnas_graph *graph = tiny_graph();
    mnas_weights *weights = marked(graph);
    write(f);
    int rc = mnas_weights_load_for(weights, graph, PATH, head, taken);
    for (int i = 0; i < 2; i++) {
        assert_true(values(weights, graph, 0)[i] == (rc == 0 ? stem[i] : -1));
        assert_true(values(weights, graph, 1)[i] == (rc == 0 ? mean[i] : -1));
    }
    *head_values = values(weights, graph, 2)[0] == head_weight[0];
    assert_true(values(weights, graph, 2)[5] == (*head_values ? head_weight[5] : -1));
    assert_true(values(weights, graph, 3)[2] == (*head_values ? head_bias[2] : -1));
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    remove(PATH);
    return rc;
}

static void a_wrappers_prefix_is_seen_through(void **state) {
    (void)state;
    static const char *const prefixes[] = {"", "module.", "state_dict.", "state_dict.module.", "_orig_mod."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        bool taken = false, head_values;
        file f = file_of(prefixes[i], 3);
        add(&f, prefixes[i], "conv_stem.num_batches_tracked", "I64", 0, NULL, &(int64_t){7}, sizeof(int64_t));
        assert_int_equal(read(&f, MNAS_HEAD_NEEDED, &taken, &head_values), 0);
        assert_true(taken && head_values);
    }
}

/* Beside a wrapped network a file may have what else its program keeps; a second network is one too many. */
static void what_lies_beside_a_prefix(void **state) {
    (void)state;
    bool taken, head_values;
    file f = file_of("state_dict.", 3);
    add(&f, "", "epoch", "I64", 0, NULL, &(int64_t){7}, sizeof(int64_t));
    assert_int_equal(read(&f, MNAS_HEAD_NEEDED, &taken, &head_values), 0);
    add(&f, "ema.", "conv_stem.weight", "F32", 4, (int64_t[]){2, 1, 1, 1}, stem, sizeof stem);
    assert_int_equal(read(&f, MNAS_HEAD_NEEDED, &taken, &head_values), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "weights of two networks"));
    assert_non_null(strstr(mnas_error_message(), "ema.conv_stem.weight"));
}

static void classifiers(void **state) {
    (void)state;
    static const struct {
        int classes;
        mnas_weights_head head;
        bool fails, taken;
    } cases[] = {
        {3, MNAS_HEAD_NEEDED, false, true},  {4, MNAS_HEAD_NEEDED, true, false},
        {3, MNAS_HEAD_IF_FITS, false, true}, {4, MNAS_HEAD_IF_FITS, false, false},
        {3, MNAS_HEAD_OWN, false, false},    {4, MNAS_HEAD_OWN, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool taken = false, head_values;
        const file f = file_of("module.", cases[i].classes);
        int rc = read(&f, cases[i].head, &taken, &head_values);
        assert_int_equal(rc, cases[i].fails ? MNAS_ERR_FORMAT : 0);
        assert_true(taken == cases[i].taken && head_values == cases[i].taken);
    }
}

/* A network without a classifier, as timm makes it with num_classes=0, can be built upon, but not evaluated. */
static void a_body_alone(void **state) {
    (void)state;
    bool taken = true, head_values;
    file f = file_of("", 3);
    f.n = 2;
    f.n_bytes = f.tensors[1].end;
    assert_int_equal(read(&f, MNAS_HEAD_IF_FITS, &taken, &head_values), 0);
    assert_false(taken || head_values);
    assert_int_equal(read(&f, MNAS_HEAD_NEEDED, &taken, &head_values), MNAS_ERR_FORMAT);
    assert_non_null(
        strstr(mnas_error_message(),
               "2 tensors do not fit this network: classifier.weight is missing, expected F32 [3, 2]; "
               "and 1 more"));
}

static void every_kind_of_misfit_is_named(void **state) {
    (void)state;
    bool taken, head_values;
    file f = file_of("module.", 4);
    snprintf(f.names[0], sizeof f.names[0], "module.conv_first.weight");
    assert_int_equal(read(&f, MNAS_HEAD_IF_FITS, &taken, &head_values), MNAS_ERR_FORMAT);
    f = file_of("module.", 4);
    add(&f, "module.", "extra", "F16", 1, (int64_t[]){1}, &(uint16_t){0}, 2);
    snprintf(f.names[1], sizeof f.names[1], "module.conv_stem.mean");
    assert_int_equal(read(&f, MNAS_HEAD_NEEDED, &taken, &head_values), MNAS_ERR_FORMAT);
    const char *const parts[] = {
        PATH ": 5 tensors do not fit this network: ", "conv_stem.running_mean is missing, expected F32 [2]",
        "classifier.weight is F32 [4, 2], expected F32 [3, 2]",
        "module.conv_stem.mean is F32 [2], expected none of this name", "; and 2 more"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(mnas_error_message(), parts[i]))
            fail_msg("\"%s\" lacks \"%s\"", mnas_error_message(), parts[i]);
}

/* What conv_stem.weight becomes when it is stored as `dtype`. */
static void expect_values(const char *dtype, const void *data, size_t n_bytes, float first, float second) {
    file f = {0}, rest = file_of("", 3);
    mnas_graph *graph = tiny_graph();
    mnas_weights *weights = marked(graph);
    add(&f, "", "conv_stem.weight", dtype, 4, (int64_t[]){2, 1, 1, 1}, data, n_bytes);
    for (size_t i = 1; i < rest.n; i++) {
        const mnas_tensor *t = &rest.tensors[i];
        add(&f, "", rest.names[i], t->dtype, t->n_dims, t->dims, rest.bytes + t->begin, t->end - t->begin);
    }
    write(&f);
    assert_int_equal(mnas_weights_load(weights, graph, PATH), 0);
    const float *got = values(weights, graph, 0);
    if (memcmp(got, (float[]){first, second}, 2 * sizeof(float)) != 0)
        fail_msg("%s: %g and %g are read, %g and %g were written", dtype, (double)got[0], (double)got[1],
                 (double)first, (double)second);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    remove(PATH);
}

static void every_type_of_number(void **state) {
    (void)state;
    expect_values("F32", (float[]){0.1f, -3}, 8, 0.1f, -3);
    expect_values("F64", (double[]){0.1, -3}, 16, 0.1f, -3);
    expect_values("BF16", (uint16_t[]){0x3fc0, 0xc000}, 4, 1.5f, -2);
    expect_values("F16", (uint16_t[]){0x3e00, 0xc000}, 4, 1.5f, -2);
    expect_values("F16", (uint16_t[]){0x0001, 0x83ff}, 4, 0x1p-24f, -1023 * 0x1p-24f); /* subnormal */
    expect_values("F16", (uint16_t[]){0x7bff, 0x0400}, 4, 65504, 0x1p-14f); /* largest, least normal */
    expect_values("F16", (uint16_t[]){0x8000, 0xfc00}, 4, -0.0f, -INFINITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrappers_prefix_is_seen_through),
        cmocka_unit_test(what_lies_beside_a_prefix),
        cmocka_unit_test(classifiers),
        cmocka_unit_test(a_body_alone),
        cmocka_unit_test(every_kind_of_misfit_is_named),
        cmocka_unit_test(every_type_of_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
