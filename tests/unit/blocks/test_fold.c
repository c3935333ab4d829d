/* A folded network computes what the training graph computes in evaluation: random nets of every kind of block. */
#include "net_fixture.h"

enum { BATCH = 2 };

static double distance(const float *a, const float *b, size_t n) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        size += pow((double)b[i], 2);
    }
    assert_true(size > 0 && size < INFINITY);
    return sqrt(difference / size);
}

static float *random_images(const mnas_model *model, uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 0, "images");
    size_t n = (size_t)BATCH * (size_t)(model->input_size * model->input_size * model->input_channels);
    float *images = malloc(n * sizeof *images);
    assert_non_null(images);
    for (size_t i = 0; i < n; i++) images[i] = (float)mnas_rng_normal(&rng);
    return images;
}

static void same_logits(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 25; seed++) {
        mnas_model model = random_model(seed);
        mnas_graph *graph = built(&model), *folded;
        mnas_weights *weights = random_weights(graph, seed), *folded_weights;
        if (mnas_fold(&folded, &folded_weights, graph, weights) < 0) fail_msg("%s", mnas_error_message());
        float *images = random_images(&model, seed);
        float *expected = reference_logits(graph, weights, images, BATCH);
        float *got = reference_logits(folded, folded_weights, images, BATCH);
        double d = distance(got, expected, BATCH * (size_t)model.classes);
        if (!(d <= 1e-5)) fail_msg("network %d: logits differ by %.3g", (int)seed, d);
        free(images);
        free(expected);
        free(got);
        mnas_weights_destroy(weights);
        mnas_weights_destroy(folded_weights);
        mnas_graph_destroy(graph);
        mnas_graph_destroy(folded);
    }
}

static void only_inference_operators(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 25; seed++) {
        mnas_model model = random_model(seed);
        mnas_graph *graph = built(&model), *folded;
        assert_int_equal(mnas_fold_graph(&folded, graph), 0);
        for (int i = 0; i < folded->n_nodes; i++) {
            const mnas_node *node = &folded->nodes[i];
            assert_true(node->op != &mnas_op_bn && node->op != &mnas_op_dropout);
            if (node->op == &mnas_op_conv || node->op == &mnas_op_dwconv) assert_true(node->bias);
        }
        mnas_shape a = graph->nodes[graph->n_nodes - 1].out, b = folded->nodes[folded->n_nodes - 1].out;
        assert_true(a.h == b.h && a.w == b.w && a.c == b.c);
        mnas_graph_destroy(graph);
        mnas_graph_destroy(folded);
    }
}

/* Random weights for latency: the same each time, and activations that stay ordinary numbers. */
static void weights_for_latency(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        mnas_model model = random_model(seed);
        mnas_graph *graph = built(&model), *folded, *again;
        mnas_weights *weights, *weights_again;
        assert_int_equal(mnas_fold(&folded, &weights, graph, NULL), 0);
        assert_int_equal(mnas_fold(&again, &weights_again, graph, NULL), 0);
        assert_int_equal(weights->n_floats, weights_again->n_floats);
        assert_memory_equal(weights->data, weights_again->data, weights->n_floats * sizeof(float));
        float *images = random_images(&model, seed),
              *logits = reference_logits(folded, weights, images, BATCH);
        for (int i = 0; i < BATCH * model.classes; i++) {
            float size = fabsf(logits[i]);
            assert_true(size > 1e-7f && size < 1e6f);
        }
        free(images);
        free(logits);
        mnas_weights_destroy(weights);
        mnas_weights_destroy(weights_again);
        mnas_graph_destroy(graph);
        mnas_graph_destroy(folded);
        mnas_graph_destroy(again);
    }
}

static void stray_bn_is_refused(void **state) {
    (void)state;
    mnas_model model = random_model(1);
    mnas_graph *graph, *folded;
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    mnas_node input = {.op = &mnas_op_input, .name = "input", .out = {4, 4, 2}};
    mnas_node bn = {.op = &mnas_op_bn, .name = "stray", .n_in = 1, .epsilon = 1e-3, .momentum = 0.9};
    assert_int_equal(mnas_op_append(graph, &input), 0);
    assert_int_equal(mnas_op_append(graph, &bn), 1);
    assert_int_equal(mnas_fold_graph(&folded, graph), MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "stray"));
    mnas_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_logits), cmocka_unit_test(only_inference_operators),
        cmocka_unit_test(weights_for_latency), cmocka_unit_test(stray_bn_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
