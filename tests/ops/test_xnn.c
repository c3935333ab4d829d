/* test_xnn.c - what is measured is the network that is trained: XNNPACK's outputs equal the reference loops',
 * operator by operator and for whole folded networks with batch-norm statistics that are not trivial.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ops/xnn.h"
#include "../reference_net.h"

static const double tolerance = 1e-4; /* times max(1, the largest value) */

/* ------------------------------------------------------------ reference walk */

static float *random_floats(mnas_rng *rng, size_t n, double scale) {
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(scale * draw(rng));
    return x;
}

/* Runs inference graph gi on XNNPACK and g by reference, on n_images through one runtime; returns the largest
 * distance. */
static double compare(const mnas_graph *g, const mnas_weights *w, const mnas_graph *gi,
                      const mnas_weights *wi, int n_images, mnas_rng *rng) {
    mnas_xnn *net;
    const size_t n = mnas_shape_size(g->nodes[g->n_nodes - 1].out);
    float *logits = malloc(n * sizeof *logits);
    double worst = 0;
    assert_non_null(logits);
    if (mnas_xnn_create(&net, gi, wi) < 0) fail_msg("%s", mnas_error_message());
    for (int i = 0; i < n_images; i++) {
        float *image = random_floats(rng, mnas_shape_size(g->nodes[0].out), 1);
        float *expected = reference_run(g, w, image);
        if (mnas_xnn_run(net, image, logits) < 0) fail_msg("%s", mnas_error_message());
        worst = fmax(worst, distance(expected, logits, n));
        free(expected);
        free(image);
    }
    mnas_xnn_destroy(net);
    free(logits);
    return worst;
}

/* ------------------------------------------------------------ single operators */

typedef struct op_case {
    const char *op;
    int h, w, c, kernel, stride, filters;
    bool bias;
    mnas_act act;
    mnas_pad padding;
} op_case;

static mnas_node node_of(const op_case *t) {
    mnas_node node = {.op = mnas_op_find(t->op),
                      .kernel = t->kernel,
                      .stride = t->stride,
                      .filters = t->filters,
                      .bias = t->bias,
                      .act = t->act,
                      .rate = 0.3};
    assert_non_null(node.op);
    snprintf(node.name, sizeof node.name, "%s", t->op);
    node.n_in = node.op->n_in;
    if (t->kernel) {
        mnas_op_pad(t->padding, t->h, t->kernel, t->stride, &node.pad_top, &node.pad_bottom);
        mnas_op_pad(t->padding, t->w, t->kernel, t->stride, &node.pad_left, &node.pad_right);
    }
    return node;
}

static void check_op(const op_case *t, mnas_rng *rng) {
    mnas_model model;
    mnas_graph *g;
    mnas_weights *w;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_graph_create(&g, &model), 0);
    mnas_node input = {.op = mnas_op_find("input"), .name = "input", .out = {t->h, t->w, t->c}};
    assert_int_equal(mnas_op_append(g, &input), 0);
    mnas_node node = node_of(t);
    if (mnas_op_append(g, &node) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_weights_create(&w, g), 0);
    fill_weights(w, g, rng);
    const double d = compare(g, w, g, w, 2, rng);
    if (!(d <= 1e-5))
        fail_msg("%s %dx%dx%d k%d s%d filters %d act %d pad %d: distance %g", t->op, t->h, t->w, t->c,
                 t->kernel, t->stride, t->filters, (int)t->act, (int)t->padding, d);
    mnas_weights_destroy(w);
    mnas_graph_destroy(g);
}

/* Sides: even, odd, smaller than the kernel; channels: around vector widths. */
static const int sides[][2] = {{8, 8}, {7, 7}, {9, 6}, {2, 2}, {1, 1}};

static void check_windows(const char *op, const int *kernels, int n_kernels, const int (*channels)[2],
                          int n_channels) {
    mnas_rng rng = mnas_rng_stream(11, 0, op);
    const bool conv = strcmp(op, "conv") == 0, pool = strstr(op, "pool") != NULL;
    int i = 0;
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
        for (int k = 0; k < n_kernels; k++)
            for (int c = 0; c < n_channels; c++)
                for (int stride = 1; stride <= 2; stride++)
                    for (int pad = 0; pad < 2; pad++, i++) {
                        const op_case t = {.op = op,
                                           .h = sides[s][0],
                                           .w = sides[s][1],
                                           .c = channels[c][0],
                                           .kernel = kernels[k],
                                           .stride = stride,
                                           .filters = conv ? channels[c][1] : 0,
                                           .bias = !pool && i % 3 != 0,
                                           .act =
                                               pool ? MNAS_ACT_NONE : (mnas_act)(i % (MNAS_ACT_SIGMOID + 1)),
                                           .padding = pad ? MNAS_PAD_SYMMETRIC : MNAS_PAD_SAME};
                        check_op(&t, &rng);
                    }
}

static void test_conv(void **state) {
    (void)state;
    static const int kernels[] = {1, 3, 5, 7}, channels[][2] = {{1, 8}, {3, 17}, {16, 24}, {5, 1}};
    check_windows("conv", kernels, 4, channels, 4);
}

static void test_dwconv(void **state) {
    (void)state;
    static const int kernels[] = {1, 3, 5, 7}, channels[][2] = {{1, 0}, {3, 0}, {16, 0}, {33, 0}};
    check_windows("dwconv", kernels, 4, channels, 4);
}

static void test_pools(void **state) {
    (void)state;
    static const int kernels[] = {2, 3, 5}, channels[][2] = {{1, 0}, {16, 0}, {21, 0}};
    /* 5x5 on 1x1 with 'SAME' would have pads of 2 on each side: still a window with one pixel */
    check_windows("avgpool", kernels, 3, channels, 3);
    check_windows("maxpool", kernels, 3, channels, 3);
}

static void test_pool_of_one_pixel(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(11, 1, "pool 1x1");
    for (int stride = 1; stride <= 2; stride++) {
        check_op(&(op_case){.op = "avgpool", .h = 6, .w = 5, .c = 7, .kernel = 1, .stride = stride}, &rng);
        check_op(&(op_case){.op = "maxpool", .h = 6, .w = 5, .c = 7, .kernel = 1, .stride = stride}, &rng);
    }
}

static void test_elementwise(void **state) {
    (void)state;
    static const int channels[] = {1, 4, 19, 32};
    mnas_rng rng = mnas_rng_stream(11, 0, "elementwise");
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
        for (int i = 0; i < 4; i++) {
            op_case t = {.h = sides[s][0], .w = sides[s][1], .c = channels[i]};
            for (mnas_act act = MNAS_ACT_RELU; act <= MNAS_ACT_SIGMOID; act++) {
                t.op = "act";
                t.act = act;
                check_op(&t, &rng);
            }
            t.act = MNAS_ACT_NONE;
            t.op = "add"; /* of the image with itself: both inputs are node 0 */
            check_op(&t, &rng);
            t.op = "gap";
            check_op(&t, &rng);
            t.op = "dropout";
            check_op(&t, &rng);
            t.op = "se";
            t.filters = channels[i] / 4 > 0 ? channels[i] / 4 : 1;
            check_op(&t, &rng);
        }
}

static void test_dense(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(11, 0, "dense");
    static const int sizes[][2] = {{1, 1}, {3, 10}, {64, 100}, {130, 7}};
    for (int i = 0; i < 4; i++)
        check_op(
            &(op_case){.op = "dense", .h = 1, .w = 1, .c = sizes[i][0], .filters = sizes[i][1], .bias = true},
            &rng);
}

static void test_training_graph_is_refused(void **state) {
    (void)state;
    mnas_model model;
    mnas_graph *g;
    mnas_weights *w;
    mnas_xnn *net;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_graph_create(&g, &model), 0);
    assert_int_equal(
        mnas_op_append(g, &(mnas_node){.op = mnas_op_find("input"), .name = "input", .out = {4, 4, 4}}), 0);
    assert_int_equal(
        mnas_op_append(g, &(mnas_node){.op = mnas_op_find("bn"), .name = "bn1", .n_in = 1, .epsilon = 1e-3}),
        1);
    assert_int_equal(mnas_weights_create(&w, g), 0);
    assert_int_equal(mnas_xnn_create(&net, g, w), MNAS_ERR_INVALID);
    assert_null(net);
    assert_non_null(strstr(mnas_error_message(), "bn1"));
    mnas_weights_destroy(w);
    mnas_graph_destroy(g);
}

/* ------------------------------------------------------------ whole networks */

/* The training graph in evaluation mode by reference against its folded graph on XNNPACK. */
static double compare_model(const mnas_model *model, mnas_rng *rng) {
    reference_net net;
    open_net(&net, model, rng);
    const double d = compare(net.graph, net.weights, net.folded, net.folded_weights, 1, rng);
    close_net(&net);
    return d;
}

static void test_every_kind_of_block(void **state) {
    (void)state;
    check_every_kind_of_block(compare_model, tolerance);
}

static void test_random_networks_of_every_space(void **state) {
    (void)state;
    size_t n_spaces;
    const char *const *names = mnas_space_builtins(&n_spaces);
    assert_true(n_spaces >= 5);
    for (size_t s = 0; s < n_spaces; s++) {
        mnas_space *space;
        if (mnas_space_open(&space, names[s]) < 0) fail_msg("%s", mnas_error_message());
        double worst = 0;
        for (unsigned trial = 0; trial < 20; trial++) {
            mnas_rng rng = mnas_rng_stream(11, trial, names[s]);
            mnas_model model;
            int tokens[512];
            const int n = mnas_space_n_decisions(space);
            assert_true(n <= 512);
            for (int i = 0; i < n; i++)
                tokens[i] = (int)mnas_rng_below(&rng, (uint32_t)mnas_space_decision(space, i)->n_choices);
            assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
            /* the reference loops are slow; sizes with odd and even maps on every level */
            if (model.input_size > 40) model.input_size = trial % 2 ? 40 : 33;
            worst = fmax(worst, compare_model(&model, &rng));
            if (!(worst <= tolerance)) fail_msg("%s, random network %u: distance %g", names[s], trial, worst);
        }
        printf("%-16s worst of 20 random networks: %.2g\n", names[s], worst);
        mnas_space_close(space);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_dwconv),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_pool_of_one_pixel),
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_training_graph_is_refused),
        cmocka_unit_test(test_every_kind_of_block),
        cmocka_unit_test(test_random_networks_of_every_space),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
