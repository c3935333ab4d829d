/* test_fusion.c - a whole training step of the fast engine, in which batch-norms are done by their neighbours, beside the
 * reference loops: logits, every gradient and every moving statistic of random networks, for every instruction set of this
 * CPU, one and two threads; and with feature maps of bf16, as far as their 8 bits of precision go.
 */
#include "../blocks/net_fixture.h"

#include <math.h>
#include <omp.h>

#include "kernels/isa.h"
#include "ops/fusion.h"
#include "ops/precision.h"
#include "train/engine.h"

enum { BATCH = 12, N_MODELS = 16 };

static int
    max_threads; /* 2, or what OMP_NUM_THREADS allows: thread sanitizers do not know OpenMP's barriers */

/* What a step leaves behind. */
typedef struct result {
    mnas_weights *weights, *gradients;
    mnas_loss loss;
} result;

static void free_result(result *r) {
    mnas_weights_destroy(r->weights);
    mnas_weights_destroy(r->gradients);
}

static result step(const mnas_graph *graph, const float *images, mnas_engine_kind kind) {
    static const int32_t labels[BATCH] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
    mnas_engine *engine;
    result r = {.weights = random_weights(graph, 7)};
    assert_int_equal(mnas_weights_create(&r.gradients, graph), 0);
    if (mnas_engine_create(&engine, graph, BATCH, true, kind) < 0) fail_msg("%s", mnas_error_message());
    for (int i = 0; i < 2; i++) /* the second meets what the first has left in every buffer */
        if (mnas_engine_step(engine, r.weights, r.gradients, images, labels, 0.1, 9, &r.loss) < 0)
            fail_msg("%s", mnas_error_message());
    mnas_engine_destroy(engine);
    return r;
}

static double norm(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static double distance(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum);
}

/* Each tensor against its own size, or a fiftieth of all gradients' where it nearly vanishes. */
static void check_params(const char *what, const mnas_graph *graph, const result *got, const result *wanted,
                         double tolerance) {
    const double all = norm(wanted->gradients->data, wanted->gradients->n_floats);
    for (int i = 0; i < graph->n_params; i++) {
        const mnas_param *p = &graph->params[i];
        const mnas_weights *a = p->trainable ? got->gradients : got->weights;
        const mnas_weights *b = p->trainable ? wanted->gradients : wanted->weights;
        const double size = norm(mnas_weights_of(b, p), p->size),
                     d = distance(mnas_weights_of(a, p), mnas_weights_of(b, p), p->size);
        const double bound = tolerance * (size > 0.02 * all ? size : 0.02 * all);
        if (!(d <= bound)) fail_msg("%s: %s is off by %g of %g", what, p->name, d, size);
    }
}

static float *draw_images(const mnas_graph *graph) {
    const size_t n = BATCH * mnas_shape_size(graph->nodes[0].out);
    mnas_rng rng = mnas_rng_stream(5, 0, "images");
    float *images = malloc(n * sizeof *images);
    assert_non_null(images);
    for (size_t i = 0; i < n; i++) images[i] = (float)mnas_rng_normal(&rng);
    return images;
}

/* An element that rounding puts on the other side of a corner of relu passes all of its gradient or none. */
static double tolerance_of(mnas_act act) {
    return act == MNAS_ACT_RELU || act == MNAS_ACT_RELU6 ? 3e-2 : 1e-3;
}

static void check_model(uint64_t seed) {
    const mnas_model model = random_model(seed);
    mnas_graph *graph = built(&model);
    float *images = draw_images(graph);
    result wanted = step(graph, images, MNAS_ENGINE_REFERENCE);
    const mnas_isa *list[MNAS_ISA_MAX_SETS];
    const size_t n = mnas_isa_list(list);
    for (int threads = 1; threads <= max_threads; threads++) {
        omp_set_num_threads(threads);
        for (size_t i = 0; i < n; i++) {
            char what[64];
            snprintf(what, sizeof what, "model %d, %s, %d threads", (int)seed, list[i]->name, threads);
            mnas_isa_force(list[i]);
            result got = step(graph, images, MNAS_ENGINE_FAST);
            if (!(fabs(got.loss.loss - wanted.loss.loss) < 1e-4 * wanted.loss.loss))
                fail_msg("%s: the loss is %.9g, by the reference %.9g", what, got.loss.loss,
                         wanted.loss.loss);
            check_params(what, graph, &got, &wanted, tolerance_of(model.act));
            free_result(&got);
        }
        mnas_isa_force(NULL);
    }
    free_result(&wanted);
    free(images);
    mnas_graph_destroy(graph);
}

static void fast_step_is_the_reference_step(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < N_MODELS; seed++) check_model(seed);
}

/* Most norms of a network of these blocks are done by both neighbours, or nothing above was tested. */
static void most_norms_are_fused(void **state) {
    (void)state;
    int n_norms = 0, n_both = 0;
    for (uint64_t seed = 0; seed < N_MODELS; seed++) {
        const mnas_model model = random_model(seed);
        mnas_graph *graph = built(&model);
        mnas_fusion *fusion;
        assert_int_equal(mnas_fusion_plan(&fusion, graph), 0);
        for (int i = 0; i < graph->n_nodes; i++) {
            n_norms += graph->nodes[i].op == &mnas_op_bn;
            n_both += fusion[i].by_producer && fusion[i].by_consumer;
        }
        free(fusion);
        mnas_graph_destroy(graph);
    }
    assert_true(2 * n_both > n_norms);
}

/* Rounding to bf16 is a relative error of 2^-9 in every feature map; a step of a dozen layers gathers some tens of it. */
static void bf16_step_is_near(void **state) {
    (void)state;
    if (!mnas_isa_of(MNAS_ELEM_BF16)) {
        print_message("skipped: this processor has no AVX512-BF16\n");
        skip();
    }
    double worst = 0, sum = 0;
    for (uint64_t seed = 0; seed < N_MODELS; seed++) {
        const mnas_model model = random_model(seed);
        mnas_graph *graph = built(&model);
        float *images = draw_images(graph);
        omp_set_num_threads(1 + (int)(seed % (uint64_t)max_threads));
        result wanted = step(graph, images, MNAS_ENGINE_FAST);
        mnas_precision_set(graph, MNAS_ELEM_BF16);
        result got = step(graph, images, MNAS_ENGINE_FAST);
        const double d = distance(got.gradients->data, wanted.gradients->data, wanted.gradients->n_floats) /
                         norm(wanted.gradients->data, wanted.gradients->n_floats);
        if (!(d < 0.5)) fail_msg("model %d: the gradient is off by %g of its size", (int)seed, d);
        if (d > worst) worst = d;
        sum += d;
        free_result(&got);
        free_result(&wanted);
        free(images);
        mnas_graph_destroy(graph);
    }
    print_message("bf16: gradients within %.3f of their size, %.3f in the mean\n", worst, sum / N_MODELS);
    assert_true(sum / N_MODELS < 0.15 && worst > 1e-4); /* it is bf16 that was tested */
}

int main(void) {
    max_threads = omp_get_max_threads() < 2 ? 1 : 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_step_is_the_reference_step),
        cmocka_unit_test(most_norms_are_fused),
        cmocka_unit_test(bf16_step_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
