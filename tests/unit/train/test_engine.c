/* test_engine.c - the engine as a whole: gradients of the whole network against finite differences, equal
 * bits from equal seeds, short batches, and that it learns what can be learned. Tensor-by-tensor values are
 * tests/golden/test_torch.c's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "train/trainer.h"

enum { SIDE = 12, CHANNELS = 2, CLASSES = 4, BATCH = 16, IMAGE = SIDE * SIDE * CHANNELS };

typedef struct batch {
    float images[BATCH * IMAGE];
    int32_t labels[BATCH];
} batch;

/* Noise with one bright quadrant, which is the class. */
static void draw_batch(batch *b, uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 0, "test");
    for (int n = 0; n < BATCH; n++) {
        b->labels[n] = (int32_t)mnas_rng_below(&rng, CLASSES);
        for (int i = 0; i < IMAGE; i++) {
            int y = i / CHANNELS / SIDE, x = i / CHANNELS % SIDE;
            bool bright = y * 2 / SIDE * 2 + x * 2 / SIDE == b->labels[n];
            b->images[n * IMAGE + i] = (float)(mnas_rng_normal(&rng) + (bright ? 1.5 : 0.0));
        }
    }
}

/* Every operator that training knows: conv, mbconv with SE and residual, sep, skippool with and without a 1x1. */
static void small_model(mnas_model *model) {
    mnas_model_defaults(model);
    model->stem_filters = 8;
    model->stem_stride = 1;
    model->head_filters = 24;
    model->classes = CLASSES;
    model->input_size = SIDE;
    model->input_channels = CHANNELS;
    model->bn_momentum = 0.9;
    assert_int_equal(mnas_model_set_arch(model,
                                         "r2_k3_s11_e3_i8_o8_se0.25 r1_k5_s22_e1_i8_o16_opsep_skippool "
                                         "r1_k3_s22_e1_i16_o16_opconv_skippool"),
                     0);
}

static void open_trainer(mnas_trainer *t, const char *recipe, uint64_t seed, mnas_engine_kind kind) {
    mnas_model model;
    mnas_recipe r;
    small_model(&model);
    assert_int_equal(mnas_recipe_open(&r, recipe), 0);
    int rc = mnas_trainer_open(t, &model, &r, 100, seed, kind);
    if (rc < 0) fail_msg("%s", mnas_error_message());
}

static const char plain[] =
    "proxy:batch=16,lr=0.05,schedule=constant,warmup-epochs=0,epochs=10,optimizer=nesterov";

/* ---- gradients ---- */

/* Loss with weight i of `param` moved by h; the moving statistics have no part in it. */
static double loss_at(mnas_trainer *t, mnas_weights *scratch, const batch *b, float *w, double h) {
    mnas_loss loss;
    float kept = *w;
    *w = (float)((double)kept + h);
    assert_int_equal(mnas_engine_step(t->engine, t->weights, scratch, b->images, b->labels, 0.1, 1, &loss),
                     0);
    *w = kept;
    return loss.loss;
}

static size_t steepest(const float *g, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        if (fabsf(g[i]) > fabsf(g[best])) best = i;
    }
    return best;
}

static void check_slopes(mnas_engine_kind kind) {
    static batch b;
    mnas_trainer t;
    mnas_weights *scratch;
    mnas_loss loss;
    draw_batch(&b, 3);
    open_trainer(&t, plain, 11, kind);
    assert_int_equal(mnas_weights_create(&scratch, t.graph), 0);
    assert_int_equal(mnas_engine_step(t.engine, t.weights, t.gradients, b.images, b.labels, 0.1, 1, &loss),
                     0);
    for (int p = 0; p < t.graph->n_params; p++) {
        const mnas_param *param = &t.graph->params[p];
        if (!param->trainable) continue;
        size_t at = param->offset + steepest(mnas_weights_of(t.gradients, param), param->size);
        double g = (double)t.gradients->data[at], h = 2e-3;
        double slope = (loss_at(&t, scratch, &b, &t.weights->data[at], h) -
                        loss_at(&t, scratch, &b, &t.weights->data[at], -h)) /
                       (2 * h);
        if (fabs(slope - g) > 0.03 * fabs(g) + 2e-3)
            fail_msg("%s: %g, by differences %g", param->name, g, slope);
    }
    mnas_weights_destroy(scratch);
    mnas_trainer_close(&t);
}

static void fast_gradients_are_slopes(void **state) {
    (void)state;
    check_slopes(MNAS_ENGINE_FAST);
}

static void reference_gradients_are_slopes(void **state) {
    (void)state;
    check_slopes(MNAS_ENGINE_REFERENCE);
}

/* ---- training ---- */

static double accuracy(mnas_trainer *t, uint64_t first_seed, int n) {
    static batch b;
    int right = 0;
    for (int i = 0; i < n; i++) {
        const float *logits;
        draw_batch(&b, first_seed + (uint64_t)i);
        assert_int_equal(mnas_engine_infer(t->engine, mnas_trainer_result(t), b.images, BATCH, &logits), 0);
        right += mnas_loss_softmax(logits, b.labels, BATCH, CLASSES, 0, NULL).n_top1;
    }
    return (double)right / (n * BATCH);
}

static void train_some(mnas_trainer *t, int n) {
    static batch b;
    for (int i = 0; i < n; i++) {
        mnas_loss loss;
        draw_batch(&b, (uint64_t)t->step);
        int rc = mnas_trainer_step(t, b.images, b.labels, &loss);
        if (rc < 0) fail_msg("%s", mnas_error_message());
    }
}

static void check_learns(const char *recipe, int steps) {
    mnas_trainer t;
    open_trainer(&t, recipe, 5, MNAS_ENGINE_FAST);
    assert_true(accuracy(&t, 1000, 8) < 0.6);
    train_some(&t, steps);
    double got = accuracy(&t, 1000, 8);
    if (got <= 0.95) fail_msg("accuracy is %g after %d steps of %s", got, steps, recipe);
    mnas_trainer_close(&t);
}

static void nesterov_learns(void **state) {
    (void)state;
    check_learns(plain, 60);
}

static void rmsprop_with_average_learns(void **state) {
    (void)state;
    check_learns("proxy:batch=16,lr=0.005,schedule=constant,warmup-epochs=0,optimizer=rmsprop,ema-decay=0.9,"
                 "dropout=0.1,label-smoothing=0.1",
                 100);
}

static void same_seed_same_bits(void **state) {
    (void)state;
    mnas_trainer a, b;
    omp_set_num_threads(2);
    open_trainer(&a, plain, 5, MNAS_ENGINE_FAST);
    open_trainer(&b, plain, 5, MNAS_ENGINE_FAST);
    train_some(&a, 6);
    train_some(&b, 6);
    assert_memory_equal(a.weights->data, b.weights->data, a.weights->n_floats * sizeof(float));
    mnas_trainer_close(&b);
    open_trainer(&b, plain, 6, MNAS_ENGINE_FAST);
    train_some(&b, 6);
    assert_true(memcmp(a.weights->data, b.weights->data, a.weights->n_floats * sizeof(float)) != 0);
    mnas_trainer_close(&b);
    mnas_trainer_close(&a);
    omp_set_num_threads(1);
}

static void short_batch_gives_the_same_logits(void **state) {
    (void)state;
    static batch b;
    mnas_trainer t;
    const float *logits;
    float full[BATCH * CLASSES];
    draw_batch(&b, 3);
    open_trainer(&t, plain, 5, MNAS_ENGINE_FAST);
    train_some(&t, 2);
    assert_int_equal(mnas_engine_infer(t.engine, t.weights, b.images, BATCH, &logits), 0);
    memcpy(full, logits, sizeof full);
    assert_int_equal(mnas_engine_infer(t.engine, t.weights, b.images, 5, &logits), 0);
    assert_memory_equal(full, logits, 5 * CLASSES * sizeof(float));
    assert_int_equal(mnas_engine_infer(t.engine, t.weights, b.images, BATCH + 1, &logits), MNAS_ERR_ARG);
    mnas_trainer_close(&t);
}

static void inference_engine_agrees(void **state) {
    (void)state;
    static batch b;
    mnas_trainer t;
    mnas_engine *small;
    const float *logits, *other;
    draw_batch(&b, 3);
    open_trainer(&t, plain, 5, MNAS_ENGINE_FAST);
    train_some(&t, 20);
    assert_int_equal(mnas_engine_create(&small, t.graph, BATCH, false, MNAS_ENGINE_REFERENCE), 0);
    assert_true(mnas_engine_slab_bytes(small) < mnas_engine_slab_bytes(t.engine));
    assert_int_equal(mnas_engine_infer(t.engine, t.weights, b.images, BATCH, &logits), 0);
    assert_int_equal(mnas_engine_infer(small, t.weights, b.images, BATCH, &other), 0);
    for (int i = 0; i < BATCH * CLASSES; i++)
        assert_true(fabsf(logits[i] - other[i]) < 1e-4F * (1 + fabsf(other[i])));
    mnas_engine_destroy(small);
    mnas_trainer_close(&t);
}

static void recalibrated_statistics_are_the_mean_of_batches(void **state) {
    (void)state;
    static batch b;
    mnas_trainer t;
    open_trainer(&t, plain, 5, MNAS_ENGINE_FAST);
    train_some(&t, 60);
    for (int p = 0; p < t.graph->n_params; p++) { /* ruin what has been gathered */
        if (t.graph->params[p].role != MNAS_PARAM_MEAN) continue;
        for (size_t i = 0; i < t.graph->params[p].size; i++)
            mnas_weights_of(t.weights, &t.graph->params[p])[i] = 7;
    }
    assert_true(accuracy(&t, 1000, 4) < 0.7);
    for (int i = 0; i < 4; i++) {
        draw_batch(&b, 500 + (uint64_t)i);
        assert_int_equal(mnas_trainer_recalibrate(&t, i, b.images), 0);
    }
    assert_true(accuracy(&t, 1000, 4) > 0.9);
    assert_true(t.graph->nodes[2].momentum == 0.9);
    mnas_trainer_close(&t);
}

static void divergence_is_said_with_its_step(void **state) {
    (void)state;
    static batch b;
    mnas_trainer t;
    mnas_loss loss;
    open_trainer(&t, plain, 5, MNAS_ENGINE_FAST);
    draw_batch(&b, 0);
    train_some(&t, 2);
    int bias = mnas_graph_find_param(t.graph, "classifier.bias");
    assert_true(bias >= 0);
    mnas_weights_of(t.weights, &t.graph->params[bias])[1] = INFINITY;
    assert_int_equal(mnas_trainer_step(&t, b.images, b.labels, &loss), MNAS_ERR_NAN);
    assert_non_null(strstr(mnas_error_message(), "step 3"));
    mnas_trainer_close(&t);
}

static void a_diverged_weight_is_named(void **state) {
    (void)state;
    mnas_trainer t;
    open_trainer(&t, plain, 5, MNAS_ENGINE_FAST);
    assert_int_equal(mnas_trainer_check(&t), 0);
    int stem = mnas_graph_find_param(t.graph, "conv_stem.weight");
    mnas_weights_of(t.weights, &t.graph->params[stem])[1] = NAN;
    assert_int_equal(mnas_trainer_check(&t), MNAS_ERR_NAN);
    assert_non_null(strstr(mnas_error_message(), "conv_stem.weight"));
    mnas_trainer_close(&t);
}

static void describes_each_node(void **state) {
    (void)state;
    mnas_trainer t;
    char *text = NULL;
    size_t n = 0;
    open_trainer(&t, plain, 5, MNAS_ENGINE_FAST);
    train_some(&t, 1);
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    mnas_engine_describe(t.engine, out);
    fclose(out);
    for (int i = 1; i < t.graph->n_nodes; i++) assert_non_null(strstr(text, t.graph->nodes[i].name));
    free(text);
    mnas_trainer_close(&t);
}

int main(void) {
    omp_set_num_threads(
        1); /* layers this small gain nothing from more, and other tests run beside this one */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_gradients_are_slopes),
        cmocka_unit_test(reference_gradients_are_slopes),
        cmocka_unit_test(nesterov_learns),
        cmocka_unit_test(rmsprop_with_average_learns),
        cmocka_unit_test(same_seed_same_bits),
        cmocka_unit_test(short_batch_gives_the_same_logits),
        cmocka_unit_test(inference_engine_agrees),
        cmocka_unit_test(recalibrated_statistics_are_the_mean_of_batches),
        cmocka_unit_test(divergence_is_said_with_its_step),
        cmocka_unit_test(a_diverged_weight_is_named),
        cmocka_unit_test(describes_each_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
