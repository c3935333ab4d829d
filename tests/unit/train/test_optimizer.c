/* test_optimizer.c - both optimisers against their formulas in double precision, what decays and what is left
 * alone; the average's ramp; initial values. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "blocks/net.h"
#include "train/ema.h"
#include "train/init.h"
#include "train/optimizer.h"

#define assert_near(a, b, tolerance) assert_true(fabs((double)(a) - (b)) <= (tolerance))

static mnas_graph *graph;
static mnas_weights *weights, *gradients;

static void small_model(mnas_model *model) {
    mnas_model_defaults(model);
    model->stem_filters = 8;
    model->classes = 10;
    model->input_size = 12;
    assert_int_equal(mnas_model_set_arch(model, "r1_k3_s22_e3_i8_o16_se0.25"), 0);
}

static int setup(void **state) {
    (void)state;
    mnas_model model;
    small_model(&model);
    assert_int_equal(mnas_net_build(&graph, &model), 0);
    assert_int_equal(mnas_weights_create(&weights, graph), 0);
    assert_int_equal(mnas_weights_create(&gradients, graph), 0);
    mnas_init_weights(weights, graph, 7);
    for (int p = 0; p < graph->n_params; p++) {
        if (!graph->params[p].trainable) continue;
        float *g = mnas_weights_of(gradients, &graph->params[p]);
        for (size_t i = 0; i < graph->params[p].size; i++) g[i] = (float)sin((double)i + p);
    }
    return 0;
}

static int teardown(void **state) {
    (void)state;
    mnas_weights_destroy(gradients);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    return 0;
}

/* What one weight should be after three steps with the same gradient. */
static double follow(const mnas_optimizer_options *o, double w, double g, double decay, const double lr[3]) {
    double ms = 1, mom = 0;
    for (int t = 0; t < 3; t++) {
        double d = g + decay * w;
        if (o->kind == MNAS_OPTIMIZER_RMSPROP) {
            ms = o->rms_decay * ms + (1 - o->rms_decay) * d * d;
            mom = o->momentum * mom + lr[t] * d / sqrt(ms + o->epsilon);
            w -= mom;
        } else {
            mom = o->momentum * mom + d;
            w -= lr[t] * (o->kind == MNAS_OPTIMIZER_NESTEROV ? d + o->momentum * mom : mom);
        }
    }
    return w;
}

static void check_param(const mnas_optimizer_options *o, const mnas_param *param, const float *before,
                        const double lr[3]) {
    const float *now = mnas_weights_of(weights, param), *g = mnas_weights_of(gradients, param);
    bool bn = param->role == MNAS_PARAM_GAMMA || param->role == MNAS_PARAM_BETA;
    for (size_t i = 0; i < param->size; i++) {
        double w = before[param->offset + i];
        double want = param->trainable ? follow(o, w, g[i], bn ? 0 : o->weight_decay, lr) : w;
        assert_near(now[i], want, 2e-6 * (1 + fabs(want)));
    }
}

static void check_kind(mnas_optimizer_kind kind) {
    const mnas_optimizer_options o = {kind, 0.9, 0.8, 1e-3, 0.1};
    const double lr[3] = {0.1, 0.05, 0.02};
    mnas_optimizer *optimizer;
    static float before[1 << 16];
    assert_true(weights->n_floats <= 1 << 16);
    memcpy(before, weights->data, weights->n_floats * sizeof(float));
    assert_int_equal(mnas_optimizer_create(&optimizer, graph, &o), 0);
    for (int t = 0; t < 3; t++) mnas_optimizer_step(optimizer, weights, gradients, lr[t]);
    mnas_optimizer_destroy(optimizer);
    for (int p = 0; p < graph->n_params; p++) check_param(&o, &graph->params[p], before, lr);
}

static void rmsprop_follows_tensorflow(void **state) {
    (void)state;
    check_kind(MNAS_OPTIMIZER_RMSPROP);
}

static void sgd_follows_its_formula(void **state) {
    (void)state;
    check_kind(MNAS_OPTIMIZER_SGD);
}

static void nesterov_follows_its_formula(void **state) {
    (void)state;
    check_kind(MNAS_OPTIMIZER_NESTEROV);
}

static void threads_do_not_change_bits(void **state) {
    (void)state;
    const mnas_optimizer_options o = {MNAS_OPTIMIZER_RMSPROP, 0.9, 0.9, 1e-3, 1e-5};
    static float start[1 << 16], one[1 << 16];
    memcpy(start, weights->data, weights->n_floats * sizeof(float));
    for (int threads = 1; threads <= 3; threads += 2) {
        mnas_optimizer *optimizer;
        omp_set_num_threads(threads);
        memcpy(weights->data, start, weights->n_floats * sizeof(float));
        assert_int_equal(mnas_optimizer_create(&optimizer, graph, &o), 0);
        mnas_optimizer_step(optimizer, weights, gradients, 0.1);
        mnas_optimizer_destroy(optimizer);
        if (threads == 1) memcpy(one, weights->data, weights->n_floats * sizeof(float));
    }
    assert_memory_equal(one, weights->data, weights->n_floats * sizeof(float));
}

static void average_ramps_up(void **state) {
    (void)state;
    assert_near(mnas_ema_decay_at(0.9999, 0), 0.1, 1e-12);
    assert_near(mnas_ema_decay_at(0.9999, 90), 0.91, 1e-12);
    assert_near(mnas_ema_decay_at(0.9999, 100000), 0.9999, 1e-12);
    mnas_ema ema;
    size_t at = graph->params[0].offset;
    weights->data[at] = 1;
    assert_int_equal(mnas_ema_init(&ema, graph, weights, 0.15), 0);
    weights->data[at] = 2;
    mnas_ema_update(&ema, weights); /* 0.1 * 1 + 0.9 * 2 */
    assert_near(ema.average->data[at], 1.9, 1e-6);
    weights->data[at] = 4;
    mnas_ema_update(&ema, weights); /* 0.15 * 1.9 + 0.85 * 4, as 2/11 is above 0.15 */
    assert_near(ema.average->data[at], 3.685, 1e-6);
    mnas_ema_free(&ema);
}

static double sd_of(const float *w, size_t n) {
    double square = 0;
    for (size_t i = 0; i < n; i++) square += (double)w[i] * w[i];
    return sqrt(square / (double)n);
}

static void initial_values_have_the_published_spread(void **state) {
    (void)state;
    for (int p = 0; p < graph->n_params; p++) {
        const mnas_param *param = &graph->params[p];
        const float *w = mnas_weights_of(weights, param);
        double sd = sd_of(w, param->size), k = param->dims[param->n_dims - 1], out = param->dims[0];
        double slack = 5 / sqrt((double)param->size);
        switch (param->role) {
        case MNAS_PARAM_CONV:
            assert_near(sd / sqrt(2 / (k * k * out)), 1, slack);
            break;
        case MNAS_PARAM_DEPTHWISE:
            assert_near(sd / sqrt(2 / (k * k)), 1, slack);
            break;
        case MNAS_PARAM_DENSE: /* a uniform's deviation is its bound over the root of 3 */
            assert_near(sd * sqrt(3) * sqrt(out), 1, slack);
            break;
        case MNAS_PARAM_GAMMA:
        case MNAS_PARAM_VAR:
            assert_true(w[0] == 1 && w[param->size - 1] == 1);
            break;
        default:
            assert_true(sd == 0);
        }
    }
}

static void initial_values_depend_on_the_seed_alone(void **state) {
    (void)state;
    float first = weights->data[graph->params[0].offset];
    mnas_init_weights(weights, graph, 8);
    assert_true(weights->data[graph->params[0].offset] != first);
    mnas_init_weights(weights, graph, 7);
    assert_true(weights->data[graph->params[0].offset] == first);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rmsprop_follows_tensorflow),
        TEST(sgd_follows_its_formula),
        TEST(nesterov_follows_its_formula),
        TEST(threads_do_not_change_bits),
        TEST(average_ramps_up),
        TEST(initial_values_have_the_published_spread),
        TEST(initial_values_depend_on_the_seed_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
