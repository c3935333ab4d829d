/* test_trainer.c - a step of several passes: equal to one pass over the whole batch where no batch-norm stands between images, to a
 * sum composed by hand where one does; what moving statistics and the average take in. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "blocks/layer.h"
#include "model/model.h"
#include "train/init.h"
#include "train/trainer.h"

enum { SIDE = 8, CLASSES = 4, GROUP = 8, N_GROUPS = 4, BATCH = GROUP * N_GROUPS, IMAGE = SIDE * SIDE };

static float images[BATCH * IMAGE];
static int32_t labels[BATCH];

static int setup(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(5, 0, "test");
    for (int i = 0; i < BATCH * IMAGE; i++) images[i] = (float)mnas_rng_normal(&rng);
    for (int i = 0; i < BATCH; i++) labels[i] = (int32_t)mnas_rng_below(&rng, CLASSES);
    return 0;
}

static void small_model(mnas_model *model) {
    mnas_model_defaults(model);
    model->stem_filters = 8;
    model->stem_stride = 1;
    model->classes = CLASSES;
    model->input_size = SIDE;
    model->input_channels = 1;
    model->bn_momentum = 0.9;
}

static void open_trainer(mnas_trainer *t, const char *spec) {
    mnas_model model;
    mnas_recipe recipe;
    small_model(&model);
    assert_int_equal(mnas_model_set_arch(&model, "r1_k3_s22_e3_i8_o16_se0.25"), 0);
    if (mnas_recipe_open(&recipe, spec) < 0) fail_msg("%s", mnas_error_message());
    if (mnas_trainer_open(t, &model, &recipe, 100, 3, MNAS_ENGINE_FAST) < 0)
        fail_msg("%s", mnas_error_message());
}

/* Convolution, pooling, classifier: images do not see each other. */
static mnas_graph *graph_without_batch_norm(void) {
    mnas_model model;
    mnas_graph *graph;
    small_model(&model);
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    mnas_builder b = {.graph = graph, .model = &graph->model, .block = -1, .layer = -1};
    mnas_builder_input(&b);
    mnas_builder_conv(&b, "conv_stem", 3, 1, 8);
    mnas_builder_gap(&b);
    mnas_builder_dense(&b, "classifier", CLASSES);
    assert_int_equal(b.status, 0);
    return graph;
}

static void open_without_batch_norm(mnas_trainer *t, int group) {
    const mnas_optimizer_options o = {MNAS_OPTIMIZER_RMSPROP, 0.9, 0.9, 1e-3, 1e-3};
    *t = (mnas_trainer){
        .graph = graph_without_batch_norm(), .seed = 1, .group = group, .n_passes = BATCH / group};
    assert_int_equal(mnas_recipe_open(&t->recipe, "imagenet-mnasnet:batch=32,group=0,dropout=0"), 0);
    t->schedule =
        (mnas_schedule){.kind = MNAS_SCHEDULE_CONSTANT, .lr = 0.05, .steps_per_epoch = 10, .epochs = 1};
    assert_int_equal(mnas_weights_create(&t->weights, t->graph), 0);
    assert_int_equal(mnas_weights_create(&t->gradients, t->graph), 0);
    if (t->n_passes > 1) assert_int_equal(mnas_weights_create(&t->sum, t->graph), 0);
    assert_int_equal(mnas_optimizer_create(&t->optimizer, t->graph, &o), 0);
    assert_int_equal(mnas_engine_create(&t->engine, t->graph, group, true, MNAS_ENGINE_FAST), 0);
    mnas_init_weights(t->weights, t->graph, 7);
}

static double largest_difference(const mnas_weights *a, const mnas_weights *b) {
    double largest = 0;
    for (size_t i = 0; i < a->n_floats; i++) largest = fmax(largest, fabs((double)a->data[i] - b->data[i]));
    return largest;
}

static void passes_are_the_batch_where_images_do_not_meet(void **state) {
    (void)state;
    for (int group = 1; group < BATCH; group *= 2) {
        mnas_trainer whole, parts;
        mnas_loss a, b;
        open_without_batch_norm(&whole, BATCH);
        open_without_batch_norm(&parts, group);
        const float before = whole.weights->data[0];
        for (int step = 0; step < 3; step++) {
            assert_int_equal(mnas_trainer_step(&whole, images, labels, &a), 0);
            assert_int_equal(mnas_trainer_step(&parts, images, labels, &b), 0);
            assert_true(fabs(a.loss - b.loss) < 1e-5 && a.n_top1 == b.n_top1 && a.n_top5 == b.n_top5);
        }
        assert_true(fabsf(whole.weights->data[0] - before) > 1e-4F); /* it does move */
        const double difference = largest_difference(whole.weights, parts.weights);
        if (difference > 2e-6) fail_msg("groups of %d: weights differ by %g", group, difference);
        assert_int_equal(parts.step, 3);
        mnas_trainer_close(&whole);
        mnas_trainer_close(&parts);
    }
}

/* The same group again and again has the batch-norm of the whole. */
static void equal_groups_are_the_batch(void **state) {
    (void)state;
    mnas_trainer whole, parts;
    mnas_loss a, b;
    float same[BATCH * IMAGE];
    int32_t same_labels[BATCH];
    for (int g = 0; g < N_GROUPS; g++) {
        memcpy(same + g * GROUP * IMAGE, images, GROUP * IMAGE * sizeof *images);
        memcpy(same_labels + g * GROUP, labels, GROUP * sizeof *labels);
    }
    open_trainer(&whole, "short:batch=32,lr=0.05,dropout=0");
    open_trainer(&parts, "short:batch=32,group=8,lr=0.05,dropout=0");
    for (int step = 0; step < 2; step++) {
        assert_int_equal(mnas_trainer_step(&whole, same, same_labels, &a), 0);
        assert_int_equal(mnas_trainer_step(&parts, same, same_labels, &b), 0);
    }
    assert_true(fabs(a.loss - b.loss) < 1e-5);
    for (int p = 0; p < whole.graph->n_params; p++) {
        const mnas_param *param = &whole.graph->params[p];
        if (param->role == MNAS_PARAM_VAR) continue; /* unbiased: n / (n - 1) has another n */
        const float *x = mnas_weights_of(whole.weights, param), *y = mnas_weights_of(parts.weights, param);
        for (size_t i = 0; i < param->size; i++)
            if (fabsf(x[i] - y[i]) > 1e-5F)
                fail_msg("%s: %g and %g", param->name, (double)x[i], (double)y[i]);
    }
    mnas_trainer_close(&whole);
    mnas_trainer_close(&parts);
}

/* Batch-norm within groups: the mean of the groups' gradients, each taken at the same weights; then one update. */
static void passes_are_a_sum_by_hand(void **state) {
    (void)state;
    mnas_trainer t, hand;
    mnas_loss loss;
    open_trainer(&t, "imagenet-mnasnet:batch=32,group=8,lr=1");
    open_trainer(&hand, "imagenet-mnasnet:batch=8,group=8,lr=1");
    const mnas_weights *start = hand.ema.average; /* still the initial weights */
    static double sum[1 << 16];
    assert_true(start->n_floats < 1 << 16);
    for (size_t i = 0; i < start->n_floats; i++) sum[i] = 0;
    for (int g = 0; g < N_GROUPS; g++) {
        mnas_rng rng = mnas_rng_stream(3, (uint64_t)g, "dropout");
        assert_int_equal(mnas_engine_step(hand.engine, hand.weights, hand.gradients,
                                          images + g * GROUP * IMAGE, labels + g * GROUP, 0.1,
                                          mnas_rng_u64(&rng), &loss),
                         0);
        for (size_t i = 0; i < start->n_floats; i++) sum[i] += (double)hand.gradients->data[i];
    }
    t.schedule = hand.schedule = (mnas_schedule){.lr = 0.05, .steps_per_epoch = 10, .epochs = 1};
    assert_int_equal(mnas_trainer_step(&t, images, labels, &loss), 0);
    for (size_t i = 0; i < start->n_floats; i++) hand.gradients->data[i] = (float)(sum[i] / N_GROUPS);
    mnas_optimizer_step(hand.optimizer, hand.weights, hand.gradients, 0.05);
    for (int p = 0; p < t.graph->n_params; p++) {
        const mnas_param *param = &t.graph->params[p];
        const float *x = mnas_weights_of(t.weights, param), *y = mnas_weights_of(hand.weights, param);
        for (size_t i = 0; param->trainable && i < param->size; i++)
            if (fabsf(x[i] - y[i]) > 1e-6F)
                fail_msg("%s: %g, by hand %g", param->name, (double)x[i], (double)y[i]);
    }
    assert_int_equal(t.ema.n_updates, 1);
    mnas_trainer_close(&t);
    mnas_trainer_close(&hand);
}

/* However many groups a step has, it keeps the recipe's share of the moving statistics: 0.9 of the variance's initial 1. The
 * first convolution sees the same weights in all groups, so the statistics of its output can be composed by hand. */
static void moving_statistics_keep_their_share_over_a_step(void **state) {
    (void)state;
    static const double momentum = 0.9;
    mnas_trainer t, one;
    mnas_loss loss;
    double expected = 0, kept = pow(momentum, 1.0 / N_GROUPS);
    open_trainer(&t, "proxy:batch=32,group=8,bn-momentum=0.9");
    open_trainer(&one, "proxy:batch=8,bn-momentum=0"); /* shows a group's own */
    const mnas_param *mean = &t.graph->params[mnas_graph_find_param(t.graph, "bn1.running_mean")];
    for (int g = 0; g < N_GROUPS; g++) {
        assert_int_equal(mnas_engine_observe(one.engine, one.weights, images + g * GROUP * IMAGE), 0);
        expected = kept * expected + (1 - kept) * (double)mnas_weights_of(one.weights, mean)[0];
    }
    assert_int_equal(mnas_trainer_step(&t, images, labels, &loss), 0);
    const double got = (double)mnas_weights_of(t.weights, mean)[0];
    if (fabs(got - expected) > 1e-6 || fabs(expected) < 1e-4) fail_msg("%g, by hand %g", got, expected);
    mnas_trainer_close(&t);
    mnas_trainer_close(&one);
}

/* average_n = sum over i of (1 - d_i) w_i times the product of the later d's, of weights and moving statistics alike. */
static void average_is_its_closed_form(void **state) {
    (void)state;
    enum { STEPS = 40 };
    mnas_trainer t;
    mnas_loss loss;
    open_trainer(&t, "imagenet-mnasnet:batch=32,group=8,ema-decay=0.7");
    const size_t places[] = {t.graph->params[0].offset,
                             t.graph->params[mnas_graph_find_param(t.graph, "bn1.running_var")].offset};
    double history[2][STEPS + 1];
    for (int k = 0; k < 2; k++) history[k][0] = (double)t.weights->data[places[k]];
    for (int n = 0; n < STEPS; n++) {
        assert_int_equal(mnas_trainer_step(&t, images, labels, &loss), 0);
        for (int k = 0; k < 2; k++) history[k][n + 1] = (double)t.weights->data[places[k]];
    }
    for (int k = 0; k < 2; k++) {
        double average = 0, later = 1;
        for (int n = STEPS; n > 0; n--) {
            const double d = fmin(0.7, (1.0 + (n - 1)) / (10.0 + (n - 1)));
            average += later * (1 - d) * history[k][n];
            later *= d;
        }
        average += later * history[k][0];
        assert_true(fabs(history[k][STEPS] - history[k][0]) > 1e-4);
        assert_true(fabs(average - (double)t.ema.average->data[places[k]]) < 1e-5);
    }
    assert_int_equal(t.ema.n_updates, STEPS);
    mnas_trainer_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_are_the_batch_where_images_do_not_meet),
        cmocka_unit_test(equal_groups_are_the_batch),
        cmocka_unit_test(passes_are_a_sum_by_hand),
        cmocka_unit_test(moving_statistics_keep_their_share_over_a_step),
        cmocka_unit_test(average_is_its_closed_form),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
