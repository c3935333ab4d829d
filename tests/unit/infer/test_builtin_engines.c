/* test_builtin_engines.c - native and onednn compute what the reference loops compute: operator by operator with odd sides,
 * channels around vector widths and every activation, then whole networks, fused and layer by layer, with every
 * instruction set that this CPU has.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "infer/engine.h"
#include "kernels/isa.h"
#include "../../reference_net.h"

static const double tolerance = 1e-4; /* times max(1, the largest value) */
static const char *const engines[] = {"native", "onednn"};

/* ---------------------------------------------------------------------------------- comparing */

/* Of the engine's answers to the image: the first, and the one after other images went through. */
static double engine_distance(const char *engine, const mnas_infer_job *job, float *image,
                              const float *expected) {
    mnas_infer *net;
    const size_t n_in = mnas_shape_size(job->graph->nodes[0].out),
                 n = mnas_shape_size(job->graph->nodes[job->graph->n_nodes - 1].out);
    float *logits = malloc(n * sizeof *logits), *other = calloc(n_in, sizeof *other);
    assert_true(logits && other);
    if (mnas_infer_create(&net, engine, job) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_infer_run(net, image, logits), 0);
    double worst = distance(expected, logits, n);
    assert_int_equal(mnas_infer_run(net, other, logits), 0);
    assert_int_equal(mnas_infer_run(net, image, logits), 0);
    worst = fmax(worst, distance(expected, logits, n));
    mnas_infer_destroy(net);
    free(other);
    free(logits);
    return worst;
}

/* The largest distance over all instruction sets, whole and by layer. */
static double worst_distance(const mnas_graph *g, const mnas_weights *w, mnas_rng *rng) {
    const mnas_isa *sets[MNAS_ISA_MAX_SETS];
    const size_t n_sets = mnas_isa_list(sets);
    float *image = random_image(rng, g);
    double worst = 0;
    float *expected = reference_run(g, w, image);
    for (size_t i = 0; i < n_sets; i++)
        for (int by_layer = 0; by_layer < (g->n_nodes > 3 ? 2 : 1); by_layer++) {
            mnas_isa_force(sets[i]);
            const mnas_infer_job job = {g, w, 1, by_layer};
            for (int e = 0; e < 2; e++)
                worst = fmax(worst, engine_distance(engines[e], &job, image, expected));
        }
    mnas_isa_force(NULL);
    free(expected);
    free(image);
    return worst;
}

/* ---------------------------------------------------------------------------------- single operators */

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
                      .act = t->act};
    assert_non_null(node.op);
    snprintf(node.name, sizeof node.name, "%s", t->op);
    node.n_in = node.op->n_in;
    if (t->kernel) {
        mnas_op_pad(t->padding, t->h, t->kernel, t->stride, &node.pad_top, &node.pad_bottom);
        mnas_op_pad(t->padding, t->w, t->kernel, t->stride, &node.pad_left, &node.pad_right);
    }
    return node;
}

/* On the image itself, and with `inner` behind a pool of one pixel, which changes nothing but who reads the image. */
static void check_op_from(const op_case *t, bool inner, mnas_rng *rng) {
    mnas_model model;
    mnas_graph *g;
    mnas_weights *w;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_graph_create(&g, &model), 0);
    const mnas_node input = {.op = mnas_op_find("input"), .name = "input", .out = {t->h, t->w, t->c}},
                    same = {
                        .op = mnas_op_find("avgpool"), .name = "same", .n_in = 1, .kernel = 1, .stride = 1};
    assert_int_equal(mnas_op_append(g, &input), 0);
    if (inner) assert_int_equal(mnas_op_append(g, &same), 1);
    mnas_node node = node_of(t);
    node.in[0] = node.in[1] = inner;
    if (mnas_op_append(g, &node) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_weights_create(&w, g), 0);
    fill_weights(w, g, rng);
    const double d = worst_distance(g, w, rng);
    if (!(d <= 1e-5))
        fail_msg("%s %dx%dx%d k%d s%d filters %d act %d pad %d inner %d: distance %g", t->op, t->h, t->w,
                 t->c, t->kernel, t->stride, t->filters, (int)t->act, (int)t->padding, inner, d);
    mnas_weights_destroy(w);
    mnas_graph_destroy(g);
}

static void check_op(const op_case *t, mnas_rng *rng) {
    check_op_from(t, false, rng);
    check_op_from(t, true, rng);
}

/* Sides: around the tiles of 7, 4, 2, 1 pixels, smaller than the kernel. */
static const int sides[][2] = {{8, 8}, {3, 15}, {9, 6}, {2, 2}, {1, 1}};

static void check_windows(const char *op, const int *kernels, int n_kernels, const int (*channels)[2],
                          int n_channels) {
    mnas_rng rng = mnas_rng_stream(11, 0, op);
    const bool conv = strcmp(op, "conv") == 0, pool = strstr(op, "pool") != NULL;
    int i = 0;
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
        for (int k = 0; k < n_kernels; k++)
            for (int c = 0; c < n_channels; c++)
                for (int stride = 1; stride <= 2; stride++, i++) {
                    const op_case t = {.op = op,
                                       .h = sides[s][0],
                                       .w = sides[s][1],
                                       .c = channels[c][0],
                                       .kernel = kernels[k],
                                       .stride = stride,
                                       .filters = conv ? channels[c][1] : 0,
                                       .bias = !pool && i % 3 != 0,
                                       .act = pool ? MNAS_ACT_NONE : (mnas_act)(i % (MNAS_ACT_SIGMOID + 1)),
                                       .padding = i / 2 % 2 ? MNAS_PAD_SYMMETRIC : MNAS_PAD_SAME};
                    check_op(&t, &rng);
                }
}

static void test_conv(void **state) {
    (void)state;
    static const int kernels[] = {1, 3, 5, 7}, channels[][2] = {{1, 8}, {3, 17}, {16, 40}, {21, 65}};
    check_windows("conv", kernels, 4, channels, 4);
}

static void test_dwconv(void **state) {
    (void)state;
    static const int kernels[] = {1, 2, 3, 5, 7}, channels[][2] = {{1, 0}, {3, 0}, {16, 0}, {81, 0}};
    check_windows("dwconv", kernels, 5, channels, 4);
}

static void test_pools(void **state) {
    (void)state;
    static const int kernels[] = {1, 2, 3, 5}, channels[][2] = {{1, 0}, {16, 0}, {21, 0}};
    check_windows("avgpool", kernels, 4, channels, 3);
    check_windows("maxpool", kernels, 4, channels, 3);
}

static void test_elementwise(void **state) {
    (void)state;
    static const int channels[] = {1, 4, 19, 32};
    mnas_rng rng = mnas_rng_stream(11, 0, "elementwise");
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++)
        for (int i = 0; i < 4; i++) {
            op_case t = {.h = sides[s][0], .w = sides[s][1], .c = channels[i]};
            for (mnas_act act = MNAS_ACT_NONE; act <= MNAS_ACT_SIGMOID; act++) {
                t.op = "act";
                t.act = act;
                check_op(&t, &rng);
            }
            t.act = MNAS_ACT_NONE;
            t.op = "add";
            check_op(&t, &rng);
            t.op = "gap";
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

static void test_what_it_refuses(void **state) {
    (void)state;
    mnas_model model;
    mnas_graph *g, *folded;
    mnas_weights *w;
    mnas_infer *net;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_model_set_arch(&model, "r1_k3_s11_e1_i8_o8"), 0);
    model.stem_filters = 8;
    model.input_size = 8;
    if (mnas_net_build(&g, &model) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_fold(&folded, &w, g, NULL), 0);
    assert_int_equal(mnas_infer_create(&net, engines[0], &(mnas_infer_job){folded, w, 2, false}),
                     MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "2 threads"));
    mnas_weights_destroy(w);
    assert_int_equal(mnas_weights_create(&w, g), 0);
    assert_int_equal(mnas_infer_create(&net, engines[0], &(mnas_infer_job){g, w, 1, false}),
                     MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "bn1"));
    mnas_weights_destroy(w);
    mnas_graph_destroy(folded);
    mnas_graph_destroy(g);
}

/* ---------------------------------------------------------------------------------- whole networks */

static double model_distance(const mnas_model *model, mnas_rng *rng) {
    reference_net net;
    open_net(&net, model, rng);
    const double d = worst_distance(net.folded, net.folded_weights, rng);
    close_net(&net);
    return d;
}

static void test_every_kind_of_block(void **state) {
    (void)state;
    check_every_kind_of_block(model_distance, tolerance);
}

/* Maps too large for the nearest caches, which the depthwise convolution passes on in bands of rows: one that ends with a
 * short band, strides, kernels, residuals, and a stem of fewer and of more channels than go through it row by row. */
static void test_bands(void **state) {
    (void)state;
    static const char *const archs[] = {
        "r1_k3_s11_e1_i24_o8 r2_k5_s11_e6_i8_o8",
        "r1_k7_s11_e1_i24_o20_opsep r1_k3_s22_e6_i20_o8 r2_k5_s11_e9_i8_o8",
        "r1_k5_s11_e1_i56_o16 r2_k3_s11_e3_i16_o16",
    };
    static const int stems[] = {24, 24, 56};
    mnas_rng rng = mnas_rng_stream(11, 0, "bands");
    for (int i = 0; i < 3; i++) {
        mnas_model model;
        mnas_model_defaults(&model);
        assert_int_equal(mnas_model_set_arch(&model, archs[i]), 0);
        model.stem_filters = stems[i];
        model.act = i == 1 ? MNAS_ACT_HSWISH : MNAS_ACT_RELU6;
        model.padding = i == 2 ? MNAS_PAD_SYMMETRIC : MNAS_PAD_SAME;
        model.input_size = 149; /* maps of 75 x 75: 32 channels of them are 720 KB */
        model.classes = 10;
        const double d = model_distance(&model, &rng);
        if (!(d <= tolerance)) fail_msg("%s: distance %g", archs[i], d);
    }
}

/* Weights that are not the engine's to scale or to shrink: run again and again, a layer gives the same. */
static void test_layers_can_be_repeated(void **state) {
    (void)state;
    mnas_model model;
    mnas_graph *g, *folded;
    mnas_weights *w;
    mnas_infer *net;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_model_set_arch(&model, "r2_k5_s22_e6_i8_o16_se0.25"), 0);
    model.input_size = 16;
    assert_int_equal(mnas_net_build(&g, &model), 0);
    assert_int_equal(mnas_fold(&folded, &w, g, NULL), 0);
    assert_int_equal(mnas_infer_create(&net, engines[0], &(mnas_infer_job){folded, w, 1, true}), 0);
    float *image = calloc(mnas_shape_size(folded->nodes[0].out), sizeof *image), once[1000], again[1000];
    assert_non_null(image);
    for (size_t i = 0; i < mnas_shape_size(folded->nodes[0].out); i++) image[i] = (float)(i % 7) - 3;
    const size_t n = mnas_shape_size(folded->nodes[folded->n_nodes - 1].out);
    assert_true(n <= 1000 && mnas_infer_has_layers(net));
    assert_int_equal(mnas_infer_run(net, image, once), 0);
    assert_int_equal(mnas_infer_n_layers(net), folded->n_nodes - 1);
    for (int i = 0; i < mnas_infer_n_layers(net); i++) {
        assert_int_equal(mnas_infer_layer_node(net, i), i + 1);
        for (int k = 0; k < 3; k++) assert_int_equal(mnas_infer_invoke_layer(net, i), 0);
    }
    assert_int_equal(mnas_infer_run(net, image, again), 0);
    assert_memory_equal(once, again, n * sizeof *once);
    free(image);
    mnas_infer_destroy(net);
    mnas_weights_destroy(w);
    mnas_graph_destroy(folded);
    mnas_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_dwconv),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_what_it_refuses),
        cmocka_unit_test(test_every_kind_of_block),
        cmocka_unit_test(test_bands),
        cmocka_unit_test(test_layers_can_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
