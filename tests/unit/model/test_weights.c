/* test_weights.c - weight files: what is saved loads back, and no lying file does harm. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "model/weights.h"

#define PATH MNAS_TEST_TMP "/test_weights.safetensors"

/* Two nodes with a convolution, a batch-norm's statistics and a bias: 2 * 3 * 3 * 3 + 2 + 5 floats. */
static mnas_graph *small_graph(void) {
    mnas_graph *graph;
    mnas_model model;
    mnas_node node = {.name = "conv_stem"};
    mnas_model_defaults(&model);
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    assert_int_equal(mnas_graph_add_node(graph, &node), 0);
    assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_CONV, "weight", 4, (int[]){2, 3, 3, 3}), 0);
    assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_MEAN, "running_mean", 1, (int[]){2}), 0);
    strcpy(node.name, "classifier");
    assert_int_equal(mnas_graph_add_node(graph, &node), 1);
    assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_BIAS, "bias", 1, (int[]){5}), 0);
    return graph;
}

static void fill(mnas_weights *weights, const mnas_graph *graph) {
    mnas_rng rng = mnas_rng_stream(1, 0, "weights");
    for (int i = 0; i < graph->n_params; i++)
        for (size_t k = 0; k < graph->params[i].size; k++)
            mnas_weights_of(weights, &graph->params[i])[k] = (float)mnas_rng_normal(&rng);
}

/* The bytes of a saved file of random weights. */
static char *saved(const mnas_graph *graph, mnas_weights *weights, size_t *n) {
    char *bytes = NULL;
    fill(weights, graph);
    assert_int_equal(
        mnas_weights_save(weights, graph, PATH, (const char *[]){"arch", "r1 \"x\" \xc3\xa4", NULL}), 0);
    assert_int_equal(mnas_file_read(PATH, 1 << 20, &bytes, n), 0);
    return bytes;
}

static void test_saved_weights_load_back(void **state) {
    (void)state;
    mnas_graph *graph = small_graph();
    mnas_weights *weights, *back;
    size_t n;
    uint64_t length;
    mnas_safetensors *file;
    assert_int_equal(mnas_weights_create(&weights, graph), 0);
    assert_int_equal(mnas_weights_create(&back, graph), 0);
    assert_int_equal((uintptr_t)weights->data % 64, 0);
    for (size_t i = 0; i < weights->n_floats; i++) assert_true(weights->data[i] == 0);
    char *bytes = saved(graph, weights, &n);
    assert_int_equal(mnas_weights_load(back, graph, PATH), 0);
    assert_memory_equal(weights->data, back->data, weights->n_floats * sizeof(float));
    memcpy(&length, bytes, 8);
    assert_int_equal(length % 8, 0); /* so that the data is aligned */
    assert_int_equal(n, 8 + length + sizeof(int64_t) + 61 * sizeof(float));
    assert_int_equal(mnas_safetensors_parse(&file, (uint8_t *)bytes, n), 0);
    const mnas_tensor *counter = mnas_safetensors_find(file, "conv_stem.num_batches_tracked");
    assert_non_null(counter);
    assert_string_equal(counter->dtype, "I64");
    assert_int_equal(counter->n_dims, 0);
    assert_int_equal(counter->begin % sizeof(int64_t), 0); /* torch refuses others */
    assert_memory_equal(mnas_safetensors_data(file, counter), &(int64_t){0}, sizeof(int64_t));
    assert_string_equal(mnas_safetensors_metadata(file, "arch"), "r1 \"x\" \xc3\xa4");
    assert_null(mnas_safetensors_metadata(file, "none"));
    mnas_safetensors_free(file);
    free(bytes);
    remove(PATH);
    mnas_weights_destroy(weights);
    mnas_weights_destroy(back);
    mnas_graph_destroy(graph);
}

/* Every shorter and some longer files: an error that changes no weight. The copy has the exact size, so that
 * the address sanitizer sees a read behind its end. */
static void test_every_truncation_is_refused(void **state) {
    (void)state;
    mnas_graph *graph = small_graph();
    mnas_weights *weights, *back;
    size_t n;
    mnas_weights_create(&weights, graph);
    mnas_weights_create(&back, graph);
    char *bytes = saved(graph, weights, &n);
    for (size_t k = 0; k < n; k++) {
        uint8_t *part = malloc(k ? k : 1);
        memcpy(part, bytes, k);
        assert_int_equal(mnas_weights_parse(back, graph, part, k), MNAS_ERR_FORMAT);
        free(part);
    }
    for (size_t i = 0; i < back->n_floats; i++) assert_true(back->data[i] == 0);
    bytes = realloc(bytes, n + 4);
    assert_int_equal(mnas_weights_parse(back, graph, (uint8_t *)bytes, n + 4), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_weights_parse(back, graph, (uint8_t *)bytes, n), 0);
    free(bytes);
    remove(PATH);
    mnas_weights_destroy(weights);
    mnas_weights_destroy(back);
    mnas_graph_destroy(graph);
}

/* One flipped bit anywhere in length and header: refused, or the same names and shapes; never a crash. */
static void test_flipped_bits_do_no_harm(void **state) {
    (void)state;
    mnas_graph *graph = small_graph();
    mnas_weights *weights;
    size_t n, refused = 0;
    uint64_t length;
    mnas_weights_create(&weights, graph);
    char *bytes = saved(graph, weights, &n);
    memcpy(&length, bytes, 8);
    for (size_t bit = 0; bit < 8 * (8 + length); bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        int rc = mnas_weights_parse(weights, graph, (uint8_t *)bytes, n);
        assert_true(rc == 0 || rc == MNAS_ERR_FORMAT);
        refused += rc < 0;
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(refused > 5 * length);
    free(bytes);
    remove(PATH);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
}

/* A file with the given header and data_bytes zeros behind it. */
static int parse_header(const mnas_graph *graph, const char *header, uint64_t length, size_t data_bytes) {
    mnas_weights *weights;
    size_t n = 8 + strlen(header) + data_bytes;
    uint8_t *bytes = calloc(1, n);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, strlen(header));
    assert_int_equal(mnas_weights_create(&weights, graph), 0);
    int rc = mnas_weights_parse(weights, graph, bytes, n);
    mnas_weights_destroy(weights);
    free(bytes);
    return rc;
}

#define T(name, dtype, shape, offsets)                                                                       \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define STEM T("conv_stem.weight", "F32", "[2,3,3,3]", "[0,216]")
#define MEAN T("conv_stem.running_mean", "F32", "[2]", "[216,224]")
#define BIAS T("classifier.bias", "F32", "[5]", "[224,244]")

static void test_good_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
    } cases[] = {
        {"{" STEM "," MEAN "," BIAS "}", 244},
        {"{" BIAS "," MEAN "," STEM "}      ", 244}, /* any order, padded */
        {"{\"__metadata__\":{\"a\":\"b\"}," STEM "," MEAN "," BIAS
         "," T("x.num_batches_tracked", "I64", "[]", "[244,252]") "}",
         252},
    };
    mnas_graph *graph = small_graph();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (parse_header(graph, cases[i].header, strlen(cases[i].header), cases[i].data_bytes) < 0)
            fail_msg("%s", mnas_error_message());
    mnas_graph_destroy(graph);
}

static void test_lying_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *fragment;
    } cases[] = {
        {"[]", 0, "does not begin with '{'"},
        {" {}", 0, "does not begin with '{'"},
        {"{", 0, "the header's length is 1 bytes; allowed: 2 to 100000000"},
        {"{]", 0, "no JSON"},
        {"{} x", 0, "no JSON"},
        {"{}", 0,
         "3 tensors do not fit this network: conv_stem.weight is missing, expected F32 [2, 3, 3, 3]"},
        {"{}", 4, "the tensors end at byte 0 of the data, which has 4"},
        {"{" STEM "," STEM "}", 216, "no JSON"},
        {"{" STEM "," MEAN "}", 224,
         "1 tensor does not fit this network: classifier.bias is missing, expected F32 [5]"},
        {"{" STEM "," MEAN "," BIAS "}", 243,
         "data_offsets are [224, 244]; allowed: ascending, from 0 to 243"},
        {"{" STEM "," MEAN "," BIAS "}", 245, "the tensors end at byte 244 of the data, which has 245"},
        {"{" STEM "," MEAN "," T("classifier.bias", "F32", "[5]", "[220,240]") "}", 240,
         "tensor classifier.bias begins at byte 220; expected 224: tensors must not overlap"},
        {"{" STEM "," MEAN "," T("classifier.bias", "F32", "[5]", "[228,248]") "}", 248,
         "begins at byte 228; expected 224"},
        {"{" T("classifier.bias", "F32", "[5]", "[0,20]") "," T("b", "F32", "[5]", "[0,20]") "}", 20,
         "begins at byte 0; expected 20"},
        {"{" STEM "," MEAN "," T("classifier.bias", "F32", "[5]", "[244,224]") "}", 244,
         "data_offsets are [244, 224]"},
        {"{" T("a", "F32", "[5]", "[-20,0]") "}", 0, "data_offsets are [-20, 0]"},
        {"{" T("a", "F32", "[5]", "[0,9223372036854775807]") "}", 20,
         "data_offsets are [0, 9223372036854775807]"},
        {"{" T("a", "F32", "[5]", "[0,92233720368547758070]") "}", 20, "no JSON"},
        {"{" T("a", "F32", "[5]", "[0,20.0]") "}", 20, "no data_offsets"},
        {"{" T("a", "F32", "[5]", "[0]") "}", 20, "no data_offsets"},
        {"{" T("a", "F32", "[5]", "20") "}", 20, "no data_offsets"},
        {"{" STEM "," MEAN "," T("classifier.bias", "F32", "[6]", "[224,244]") "}", 244,
         "F32 [6] takes 24 bytes, its offsets span 20"},
        {"{" STEM "," MEAN "," T("classifier.bias", "F32", "[5,1]", "[224,244]") "}", 244,
         "classifier.bias is F32 [5, 1], expected F32 [5]"},
        {"{" STEM "," MEAN "," T("classifier.bias", "I32", "[5]", "[224,244]") "}", 244,
         "classifier.bias is I32 [5], expected F32 [5]"},
        {"{" STEM "," MEAN "," BIAS "," T("empty", "F32", "[0,7]", "[216,216]") "}", 244,
         "empty is F32 [0, 7], expected none of this name"},
        {"{" T("a", "F31", "[5]", "[0,20]") "}", 20, "dtype is 'F31'"},
        {"{" T("a", "F32", "[-5]", "[0,20]") "}", 20, "size 1 of the shape is no whole number from 0"},
        {"{" T("a", "F32", "[4294967296,4294967296,4294967296]", "[0,0]") "}", 0,
         "more elements than any memory"},
        {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,5]", "[0,20]") "}", 20, "no shape; expected at most 8 sizes"},
        {"{" T("a", "F32", "5", "[0,20]") "}", 20, "no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[5]}}", 20, "expected exactly dtype, shape and data_offsets"},
        {"{\"a\":[1,2,3]}", 20, "expected exactly dtype, shape and data_offsets"},
        {"{\"a\":null}", 0, "expected exactly dtype, shape and data_offsets"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is no object of texts"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__: a is no text"},
    };
    mnas_graph *graph = small_graph();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc = parse_header(graph, cases[i].header, strlen(cases[i].header), cases[i].data_bytes);
        if (rc != MNAS_ERR_FORMAT || !strstr(mnas_error_message(), cases[i].fragment))
            fail_msg("%s: %d \"%s\" lacks \"%s\"", cases[i].header, rc, mnas_error_message(),
                     cases[i].fragment);
    }
    static const uint64_t lengths[] = {0, 1, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 300};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        assert_int_equal(parse_header(graph, "{}", lengths[i], 0), MNAS_ERR_FORMAT);
    mnas_graph_destroy(graph);
}

static void test_files_that_cannot_be_read_or_written(void **state) {
    (void)state;
    mnas_graph *graph = small_graph();
    mnas_weights *weights;
    mnas_weights_create(&weights, graph);
    assert_int_equal(mnas_weights_load(weights, graph, MNAS_TEST_TMP "/no-such"), MNAS_ERR_IO);
    assert_int_equal(mnas_weights_save(weights, graph, MNAS_TEST_TMP "/no-such-folder/w", NULL), MNAS_ERR_IO);
    assert_int_equal(mnas_file_write_atomic(PATH, "short", 5), 0);
    assert_int_equal(mnas_weights_load(weights, graph, PATH), MNAS_ERR_FORMAT);
    assert_non_null(
        strstr(mnas_error_message(), "test_weights.safetensors: 5 bytes are no safetensors file"));
    assert_int_equal(mnas_file_write_atomic(PATH, "PK\3\4 and more", 13), 0);
    assert_int_equal(mnas_weights_load(weights, graph, PATH), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "test_weights.safetensors: this is a PyTorch file"));
    assert_int_equal(mnas_weights_save(weights, graph, PATH, NULL), 0);
    assert_int_equal(mnas_weights_load(weights, graph, PATH), 0);
    const char *const broken[] = {"arch", "\xff\xfe", NULL};
    assert_true(mnas_weights_save(weights, graph, PATH, broken) < 0);
    assert_int_equal(mnas_weights_load(weights, graph, PATH), 0); /* the old file is intact */
    remove(PATH);
    mnas_weights_destroy(weights);
    mnas_weights_destroy(NULL);
    mnas_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saved_weights_load_back),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_flipped_bits_do_no_harm),
        cmocka_unit_test(test_good_headers),
        cmocka_unit_test(test_lying_headers),
        cmocka_unit_test(test_files_that_cannot_be_read_or_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
