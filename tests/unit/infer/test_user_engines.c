/* test_user_engines.c - the engines that are the user's libraries: what they compute is what the reference loops do, and
 * what is said where they are missing. Skipped, with the reason, where this machine has none: MNAS_ONNXRUNTIME, MNAS_LITERT and MNAS_TFLITE name
 * their files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../reference_net.h"
#include "base/error.h"
#include "infer/engine.h"

static const double tolerance = 1e-4;

/* Two images through one network: nothing of the first may stay. */
static double compare(mnas_infer *net, const reference_net *r, mnas_rng *rng) {
    const size_t n = (size_t)r->graph->model.classes;
    float *logits = malloc(n * sizeof *logits);
    double worst = 0;
    assert_non_null(logits);
    for (int i = 0; i < 2; i++) {
        float *image = random_image(rng, r->graph), *expected = reference_run(r->graph, r->weights, image);
        if (mnas_infer_run(net, image, logits) < 0) fail_msg("%s", mnas_error_message());
        worst = fmax(worst, distance(expected, logits, n));
        if (mnas_infer_invoke(net) < 0) fail_msg("%s", mnas_error_message());
        free(expected);
        free(image);
    }
    free(logits);
    return worst;
}

/* Every network on the engine; skips where its library is not there. */
static void check_engine(const char *engine) {
    mnas_model model;
    mnas_rng rng = mnas_rng_stream(7, 0, engine);
    double worst = 0;
    int n = 0;
    for (; model_at(&model, n); n++) {
        reference_net r;
        mnas_infer *net;
        open_net(&r, &model, &rng);
        const mnas_infer_job job = {.graph = r.folded, .weights = r.folded_weights, .n_threads = 1};
        const int rc = mnas_infer_create(&net, engine, &job);
        if (rc < 0) {
            close_net(&r);
            if (rc != MNAS_ERR_MISSING || n > 0) fail_msg("%s", mnas_error_message());
            printf("skipped: %s\n", mnas_error_message());
            skip();
        }
        assert_false(mnas_infer_has_layers(net));
        if (n == 0) printf("%s\n", mnas_infer_name(net));
        worst = fmax(worst, compare(net, &r, &rng));
        mnas_infer_destroy(net);
        close_net(&r);
    }
    printf("%d networks, at most %.2g off the reference loops\n", n, worst);
    assert_true(worst <= tolerance);
}

static void test_onnxruntime(void **state) {
    (void)state;
    check_engine("onnxruntime");
}

static void test_litert(void **state) {
    (void)state;
    check_engine("litert");
}

static void test_tflite(void **state) {
    (void)state;
    check_engine("tflite");
}

/* The calls to TensorFlow Lite, with a library that stands for it and fails where it is told to. */
static void test_tflite_calls(void **state) {
    (void)state;
    static const char *const steps[] = {"model", "interpreter", "allocate", "invoke", "none"};
    mnas_model model;
    reference_net r;
    mnas_rng rng = mnas_rng_stream(7, 3, "stand-in");
    assert_true(model_at(&model, 0));
    open_net(&r, &model, &rng);
    const mnas_infer_job job = {.graph = r.folded, .weights = r.folded_weights, .n_threads = 1};
    const size_t n = mnas_shape_size(r.folded->nodes[0].out), n_out = (size_t)model.classes;
    float *image = random_image(&rng, r.graph), *logits = malloc(n_out * sizeof *logits);
    double sum = 0;
    char bytes[64];
    assert_non_null(logits);
    for (size_t i = 0; i < n; i++) sum += (double)image[i];
    for (int wrong = 0; wrong < 2; wrong++)
        for (int i = 0; i < 5; i++) {
            mnas_infer *net;
            snprintf(bytes, sizeof bytes, "%zu,%zu", 4 * n, 4 * n_out + 4 * (size_t)wrong);
            setenv("STAND_IN_BYTES", bytes, 1);
            setenv("STAND_IN_FAILS", steps[i], 1);
            int rc = mnas_infer_create(&net, "tflite:library=" MNAS_TFLITE_STAND_IN, &job);
            if (rc == 0) rc = mnas_infer_run(net, image, logits);
            if (rc < 0) assert_non_null(strstr(mnas_error_message(), "stand-in"));
            assert_int_equal(rc, wrong || i < 4 ? MNAS_ERR_LIBRARY : 0);
            if (rc == 0) {
                assert_string_equal(mnas_infer_name(net), "tflite stand-in");
                for (size_t k = 0; k < n_out; k++)
                    assert_true(fabs((double)logits[k] - sum * (double)(k + 1)) < 1e-3);
            }
            mnas_infer_destroy(net);
        }
    unsetenv("STAND_IN_FAILS");
    free(image);
    free(logits);
    close_net(&r);
}

/* What is no such library is refused in words, whether it is no file, no library, or another one. */
static void test_wrong_libraries(void **state) {
    (void)state;
    static const char *const engines[] = {"onnxruntime", "litert", "tflite"};
    static const char *const files[] = {"/nowhere/lib.so", MNAS_SOURCE_DIR "/CMakeLists.txt", "libm.so.6"};
    mnas_model model;
    reference_net r;
    mnas_rng rng = mnas_rng_stream(7, 1, "wrong libraries");
    assert_true(model_at(&model, 0));
    open_net(&r, &model, &rng);
    const mnas_infer_job job = {.graph = r.folded, .weights = r.folded_weights, .n_threads = 1};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            char spec[700];
            mnas_infer *net;
            snprintf(spec, sizeof spec, "%s:library=%s", engines[i], files[k]);
            assert_int_equal(mnas_infer_create(&net, spec, &job), MNAS_ERR_MISSING);
            assert_null(net);
            assert_non_null(strstr(mnas_error_message(), k == 2 ? "has no" : files[k]));
        }
    close_net(&r);
}

static void test_says_how_to_get_it(void **state) {
    (void)state;
    mnas_model model;
    reference_net r;
    mnas_infer *net;
    mnas_rng rng = mnas_rng_stream(7, 2, "missing");
    assert_true(model_at(&model, 0));
    open_net(&r, &model, &rng);
    const mnas_infer_job job = {.graph = r.folded, .weights = r.folded_weights, .n_threads = 1};
    char *was = getenv("MNAS_ONNXRUNTIME");
    was = was ? strdup(was) : NULL;
    unsetenv("MNAS_ONNXRUNTIME");
    if (mnas_infer_create(&net, "onnxruntime", &job) < 0) {
        assert_non_null(strstr(mnas_error_message(), "libonnxruntime.so"));
        assert_non_null(strstr(mnas_error_message(), "PyPI"));
        assert_non_null(strstr(mnas_error_message(), "MNAS_ONNXRUNTIME"));
    }
    mnas_infer_destroy(net);
    if (was) setenv("MNAS_ONNXRUNTIME", was, 1);
    free(was);
    close_net(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onnxruntime),     cmocka_unit_test(test_litert),
        cmocka_unit_test(test_tflite),          cmocka_unit_test(test_tflite_calls),
        cmocka_unit_test(test_wrong_libraries), cmocka_unit_test(test_says_how_to_get_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
