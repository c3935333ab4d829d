/* test_train_xnn.c - what is measured is what was trained: after 50 training steps XNNPACK's logits equal the
 * trainer's, for networks with every operator and for random networks of every built-in space.
 *
 * Before training, batch-norm's moving statistics are 0 and 1 and folding cannot go wrong; hence the steps.
 * Spaces for large images are trained on small ones: the layers are the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "blocks/fold.h"
#include "ops/xnn.h"
#include "train/trainer.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { N_NETS = 2 }; /* instrumented loops are slow, and one network does as well as another */
#else
enum { N_NETS = 20 };
#endif

enum { BATCH = 8, STEPS = 50, LARGEST_INPUT = 32, N_COMPARED = 2 };

static const double allowed = 1e-4; /* times max(1, the largest logit) */

typedef struct batch {
    float images[BATCH * LARGEST_INPUT * LARGEST_INPUT * 3];
    int32_t labels[BATCH];
} batch;

static void draw_batch(batch *b, const mnas_model *model, uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 0, "test");
    size_t n = (size_t)(BATCH * model->input_size * model->input_size * model->input_channels);
    for (size_t i = 0; i < n; i++) b->images[i] = (float)(2 * mnas_rng_uniform(&rng) - 1);
    for (int i = 0; i < BATCH; i++) b->labels[i] = (int32_t)mnas_rng_below(&rng, (uint32_t)model->classes);
}

static void train(mnas_trainer *t, const mnas_model *model, const char *name) {
    static batch b;
    mnas_recipe recipe;
    assert_int_equal(mnas_recipe_open(&recipe, "proxy:batch=8,lr=0.02,schedule=constant,warmup-epochs=0"), 0);
    if (mnas_trainer_open(t, model, &recipe, 100, 3, MNAS_ENGINE_FAST) < 0)
        fail_msg("%s: %s", name, mnas_error_message());
    for (int i = 0; i < STEPS; i++) {
        mnas_loss loss;
        draw_batch(&b, model, (uint64_t)i);
        if (mnas_trainer_step(t, b.images, b.labels, &loss) < 0)
            fail_msg("%s: %s", name, mnas_error_message());
    }
}

static void compare_image(const char *name, const float *want, const float *got, int classes) {
    double largest = 1, difference = 0;
    for (int k = 0; k < classes; k++) {
        largest = fmax(largest, fabs((double)want[k]));
        difference = fmax(difference, fabs((double)want[k] - (double)got[k]));
    }
    if (!(difference <= allowed * largest))
        fail_msg("%s: logits differ by %g of %g", name, difference, largest);
}

static void check_model(const mnas_model *model, const char *name) {
    static batch b;
    mnas_trainer t;
    mnas_graph *folded;
    mnas_weights *weights;
    mnas_xnn *net;
    const float *want;
    float got[64];
    size_t image = (size_t)(model->input_size * model->input_size * model->input_channels);
    assert_true(model->classes <= 64 && model->input_size <= LARGEST_INPUT);
    train(&t, model, name);
    draw_batch(&b, model, 999);
    assert_int_equal(mnas_engine_infer(t.engine, t.weights, b.images, N_COMPARED, &want), 0);
    assert_int_equal(mnas_fold(&folded, &weights, t.graph, t.weights), 0);
    if (mnas_xnn_create(&net, folded, weights) < 0) fail_msg("%s: %s", name, mnas_error_message());
    for (int i = 0; i < N_COMPARED; i++) {
        assert_int_equal(mnas_xnn_run(net, b.images + (size_t)i * image, got), 0);
        compare_image(name, want + i * model->classes, got, model->classes);
    }
    mnas_xnn_destroy(net);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(folded);
    mnas_trainer_close(&t);
}

/* ---- every operator ---- */

static void every_operator_agrees(void **state) {
    (void)state;
    static const char *const archs[] = {
        "r2_k3_s22_e1_i8_o8_opconv r1_k5_s11_e1_i8_o16_se0.25_opconv_skippool",
        "r2_k5_s22_e1_i8_o16_se0.25_opsep r1_k3_s22_e1_i16_o16_opsep_skippool",
        "r2_k7_s22_e3_i8_o16_se0.5 r1_k3_s22_e6_i16_o16_skippool r1_k3_s11_e1_i16_o8_noskip",
    };
    for (int i = 0; i < 24; i++) {
        mnas_model model;
        char name[128];
        mnas_model_defaults(&model);
        model.stem_filters = 8;
        model.head_filters = i % 2 ? 32 : 0;
        model.classes = 10;
        model.input_size = i % 2 ? 28 : 31;
        model.dropout = i % 2 ? 0.2 : 0;
        model.padding = i / 12 ? MNAS_PAD_SYMMETRIC : MNAS_PAD_SAME;
        model.act = (mnas_act)(MNAS_ACT_RELU + i / 3 % 4);
        assert_int_equal(mnas_model_set_arch(&model, archs[i % 3]), 0);
        snprintf(name, sizeof name, "network %d, %s", i, archs[i % 3]);
        check_model(&model, name);
    }
}

/* ---- random networks ---- */

static void decode_random(const mnas_space *space, mnas_rng *rng, mnas_model *model) {
    int tokens[512], n = mnas_space_n_decisions(space);
    assert_true(n <= 512);
    for (int d = 0; d < n; d++) {
        tokens[d] = (int)mnas_rng_below(rng, (uint32_t)mnas_space_decision(space, d)->n_choices);
    }
    assert_int_equal(mnas_space_decode(space, tokens, model), 0);
    model->classes = 10;
    if (model->head_filters > 128)
        model->head_filters = 128; /* most of the weights and none of the operators */
    if (model->input_size > LARGEST_INPUT) model->input_size = LARGEST_INPUT;
}

static void random_networks_of_every_space_agree(void **state) {
    (void)state;
    size_t n_spaces;
    const char *const *names = mnas_space_builtins(&n_spaces);
    assert_true(n_spaces > 0);
    for (size_t s = 0; s < n_spaces; s++) {
        mnas_space *space;
        assert_int_equal(mnas_space_open(&space, names[s]), 0);
        mnas_rng rng = mnas_rng_stream(17, s, "test");
        for (int i = 0; i < N_NETS; i++) {
            mnas_model model;
            char *arch, name[1200];
            decode_random(space, &rng, &model);
            assert_int_equal(mnas_model_arch(&model, &arch), 0);
            snprintf(name, sizeof name, "%s: %s", names[s], arch);
            free(arch);
            check_model(&model, name);
        }
        mnas_space_close(space);
    }
}

int main(void) {
    omp_set_num_threads(1); /* small layers, and other tests beside this one */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_agrees),
        cmocka_unit_test(random_networks_of_every_space_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
