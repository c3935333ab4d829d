/* Forward of the operators against values worked out by hand, padding rules, batch-norm's statistics, and
 * what append refuses. */
#include "op_fixture.h"

static void expect_pads(mnas_pad rule, int in, int kernel, int stride, int before, int behind) {
    int got_before, got_behind;
    mnas_op_pad(rule, in, kernel, stride, &got_before, &got_behind);
    assert_int_equal(got_before, before);
    assert_int_equal(got_behind, behind);
}

static void pads(void **state) {
    (void)state;
    expect_pads(MNAS_PAD_SAME, 7, 3, 1, 1, 1);
    expect_pads(MNAS_PAD_SAME, 7, 3, 2, 1, 1);
    expect_pads(MNAS_PAD_SAME, 8, 3, 2, 0, 1); /* even size: behind only */
    expect_pads(MNAS_PAD_SAME, 224, 3, 2, 0, 1);
    expect_pads(MNAS_PAD_SAME, 224, 5, 2, 1, 2);
    expect_pads(MNAS_PAD_SAME, 7, 5, 2, 2, 2);
    expect_pads(MNAS_PAD_SAME, 8, 7, 2, 2, 3);
    expect_pads(MNAS_PAD_SAME, 1, 7, 1, 3, 3);
    expect_pads(MNAS_PAD_SAME, 1, 3, 2, 1, 1);
    expect_pads(MNAS_PAD_SAME, 9, 1, 2, 0, 0);
    expect_pads(MNAS_PAD_SYMMETRIC, 8, 3, 2, 1, 1);
    expect_pads(MNAS_PAD_SYMMETRIC, 7, 5, 2, 2, 2);
    expect_pads(MNAS_PAD_SYMMETRIC, 7, 1, 2, 0, 0);
}

/* A 4x4 image of 1..16 in one channel and a kernel whose taps are 1. */
static void run_ones(const mnas_op *op, mnas_pad rule, const float expected[4]) {
    mnas_rng rng = mnas_rng_stream(1, 0, "ones");
    op_fixture f;
    fixture_open(&f, (mnas_node){.op = op, .kernel = 3, .stride = 2, .filters = 1}, (mnas_shape){4, 4, 1}, 1,
                 rule, &rng);
    for (int i = 0; i < 16; i++) f.src[0][i] = (float)(i + 1);
    for (size_t i = 0; i < f.n_param[0]; i++) f.param[0][i] = 1;
    op->forward(&f.call);
    assert_int_equal(f.n_dst, 4);
    for (int i = 0; i < 4; i++) assert_float_equal(f.dst[i], expected[i], 1e-6f);
    fixture_close(&f);
}

static void windows(void **state) {
    (void)state;
    /* SAME on an even size: the first window is the whole top left 3x3, the last one hangs over right and bottom. */
    const float same[] = {54, 3 + 4 + 7 + 8 + 11 + 12, 9 + 10 + 11 + 13 + 14 + 15, 11 + 12 + 15 + 16};
    const float symmetric[] = {1 + 2 + 5 + 6, 2 + 3 + 4 + 6 + 7 + 8, 5 + 6 + 9 + 10 + 13 + 14, 99};
    run_ones(&mnas_op_conv, MNAS_PAD_SAME, same);
    run_ones(&mnas_op_dwconv, MNAS_PAD_SAME, same);
    run_ones(&mnas_op_conv, MNAS_PAD_SYMMETRIC, symmetric);
    run_ones(&mnas_op_dwconv, MNAS_PAD_SYMMETRIC, symmetric);
    const float mean[] = {54 / 9.f, 45 / 6.f, 72 / 6.f, 54 / 4.f};
    run_ones(&mnas_op_avgpool, MNAS_PAD_SAME, mean);
    run_ones(&mnas_op_maxpool, MNAS_PAD_SAME, (const float[]){11, 12, 15, 16});
}

/* Channels, filters, bias and activation of conv: 1x1 on one pixel is a matrix product. */
static void conv_layout(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "layout");
    op_fixture f;
    mnas_node node = {
        .op = &mnas_op_conv, .kernel = 1, .stride = 1, .filters = 2, .bias = true, .act = MNAS_ACT_RELU6};
    fixture_open(&f, node, (mnas_shape){1, 1, 3}, 1, MNAS_PAD_SAME, &rng);
    memcpy(f.src[0], (float[]){1, 2, 3}, 3 * sizeof(float));
    memcpy(f.param[0], (float[]){1, 0, 1, /**/ 1, 1, 1}, 6 * sizeof(float));
    memcpy(f.param[1], (float[]){-1.5f, 4}, 2 * sizeof(float));
    f.call.node->op->forward(&f.call);
    assert_float_equal(f.dst[0], 2.5f, 1e-6f);
    assert_float_equal(f.dst[1], 6, 1e-6f);
    fixture_close(&f);
}

static void run_bn(bool unbiased, double expected_var) {
    mnas_rng rng = mnas_rng_stream(1, 0, "bn");
    op_fixture f;
    mnas_node node = {
        .op = &mnas_op_bn, .epsilon = 0.5, .momentum = 0.75, .unbiased = unbiased, .act = MNAS_ACT_RELU};
    fixture_open(&f, node, (mnas_shape){2, 1, 1}, 2, MNAS_PAD_SAME, &rng);
    memcpy(f.src[0], (float[]){1, 2, 3, 6},
           4 * sizeof(float)); /* mean 3, biased variance 3.5, unbiased 14 / 3 */
    f.param[0][0] = 2, f.param[1][0] = 1, f.param[2][0] = 8, f.param[3][0] = 4;
    f.call.node->op->forward(&f.call);
    const float y[] = {0, 0, 1, 4}; /* 2 (x - 3) / sqrt(3.5 + 0.5) + 1 */
    for (int i = 0; i < 4; i++) assert_float_equal(f.dst[i], y[i], 1e-6f);
    assert_float_equal(f.param[2][0], 0.75f * 8 + 0.25f * 3, 1e-6f);
    assert_float_equal(f.param[3][0], (float)expected_var, 1e-6f);
    f.param[2][0] = 2, f.param[3][0] = 8.5; /* evaluation takes these, and leaves them */
    f.call.training = false;
    f.call.node->op->forward(&f.call);
    for (int i = 0; i < 4; i++) assert_float_equal(f.dst[i], fmaxf(0, 2 * (f.src[0][i] - 2) / 3 + 1), 1e-6f);
    assert_float_equal(f.param[2][0], 2, 0);
    assert_float_equal(f.param[3][0], 8.5, 0);
    fixture_close(&f);
}

static void bn(void **state) {
    (void)state;
    run_bn(false, 0.75 * 4 + 0.25 * 3.5);
    run_bn(true, 0.75 * 4 + 0.25 * 14 / 3);
}

static void dropout(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "dropout");
    op_fixture f;
    fixture_open(&f, (mnas_node){.op = &mnas_op_dropout, .rate = 0.25}, (mnas_shape){1, 1, 10000}, 2,
                 MNAS_PAD_SAME, &rng);
    int n_zero = 0, n_same = 0;
    f.call.node->op->forward(&f.call);
    for (size_t i = 0; i < f.n_dst; i++) {
        if (f.dst[i] == 0)
            n_zero++;
        else
            assert_float_equal(f.dst[i], f.src[0][i] / 0.75f, 1e-5f);
    }
    assert_in_range(n_zero, 4800, 5200); /* 20000 / 4, four standard deviations are 245 */
    memcpy(f.ddst, f.dst, f.n_dst * sizeof(float));
    f.call.seed++;
    f.call.node->op->forward(&f.call);
    for (size_t i = 0; i < f.n_dst; i++) n_same += (f.dst[i] == 0) == (f.ddst[i] == 0);
    assert_in_range(n_same, 12000, 13000); /* independent masks agree in 0.625 of 20000 */
    f.call.training = false;
    f.call.node->op->forward(&f.call);
    assert_memory_equal(f.dst, f.src[0], f.n_dst * sizeof(float));
    fixture_close(&f);
}

static void se(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "se");
    op_fixture f;
    fixture_open(&f, (mnas_node){.op = &mnas_op_se, .filters = 1}, (mnas_shape){2, 1, 2}, 1, MNAS_PAD_SAME,
                 &rng);
    memcpy(f.src[0], (float[]){1, 10, 3, 20}, 4 * sizeof(float)); /* pooled 2, 15 */
    memcpy(f.param[0], (float[]){1, 0.2f}, 2 * sizeof(float));
    f.param[1][0] = -4; /* reduced = 2 + 3 - 4 = 1 */
    memcpy(f.param[2], (float[]){0, 1}, 2 * sizeof(float));
    memcpy(f.param[3], (float[]){0, 1}, 2 * sizeof(float));
    f.call.training = false;
    f.call.node->op->forward(&f.call);
    float high = (float)(1 / (1 + exp(-2)));
    const float y[] = {0.5f, 10 * high, 1.5f, 20 * high};
    for (int i = 0; i < 4; i++) assert_float_equal(f.dst[i], y[i], 1e-5f);
    assert_int_equal(mnas_op_se.macs(f.call.node, f.call.in), 4);
    const float *saved = f.call.saved; /* pooled, reduced, scale */
    const float expected[] = {2, 15, 1, 0.5f, high};
    for (int i = 0; i < 5; i++) assert_float_equal(saved[i], expected[i], 1e-6f);
    fixture_close(&f);
}

static void refuse(mnas_node node, mnas_shape a, mnas_shape b, const char *word) {
    static const mnas_model model;
    mnas_graph *graph;
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    mnas_node input = {.op = &mnas_op_input, .out = a};
    mnas_op_append(graph, &input);
    input.out = b;
    mnas_op_append(graph, &input);
    strcpy(node.name, "subject");
    node.in[1] = 1;
    assert_int_equal(mnas_op_append(graph, &node), MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "subject"));
    if (!strstr(mnas_error_message(), word)) fail_msg("'%s' without '%s'", mnas_error_message(), word);
    mnas_graph_destroy(graph);
}

static void refusals(void **state) {
    (void)state;
    mnas_shape a = {4, 4, 3}, b = {4, 4, 2}, c = {2, 2, 2};
    refuse((mnas_node){.op = &mnas_op_add, .n_in = 2}, a, b, "4x4x3 and 4x4x2");
    refuse((mnas_node){.op = &mnas_op_add, .n_in = 1}, a, a, "has 1 inputs; needs 2");
    refuse((mnas_node){.op = &mnas_op_conv, .n_in = 1, .kernel = 3, .stride = 1}, a, a, "0 filters");
    refuse((mnas_node){.op = &mnas_op_conv, .n_in = 1, .kernel = 3, .stride = 0, .filters = 1}, a, a,
           "stride 0");
    refuse((mnas_node){.op = &mnas_op_dwconv, .n_in = 1, .kernel = 5, .stride = 1}, a, a, "4 pixels");
    refuse((mnas_node){.op = &mnas_op_dwconv, .n_in = 1, .kernel = 3, .stride = 1, .pad_top = 3}, c, c,
           "pads 3");
    refuse((mnas_node){.op = &mnas_op_dense, .n_in = 1, .filters = 2}, a, a, "4x4x3");
    refuse((mnas_node){.op = &mnas_op_bn, .n_in = 1, .act = MNAS_ACT_SIGMOID, .epsilon = 1}, a, a, "sigmoid");
    refuse((mnas_node){.op = &mnas_op_bn, .n_in = 1, .momentum = 0.9}, a, a, "epsilon is 0");
    refuse((mnas_node){.op = &mnas_op_dropout, .n_in = 1, .rate = 1}, a, a, "rate is 1");
    refuse((mnas_node){.op = &mnas_op_se, .n_in = 1}, a, a, "width is 0");
    refuse((mnas_node){.op = &mnas_op_gap, .n_in = 1, .in = {5}}, a, a, "node 5");
    refuse((mnas_node){.op = &mnas_op_conv, .n_in = 1, .kernel = 1, .stride = 1, .filters = 65536},
           (mnas_shape){512, 512, 1}, a, "2^31");
}

static void lookup(void **state) {
    (void)state;
    size_t n;
    const mnas_op *const *list = mnas_op_list(&n);
    assert_int_equal(n, 12);
    assert_ptr_equal(list[0], &mnas_op_input);
    for (size_t i = 0; i < n; i++) assert_ptr_equal(mnas_op_find(list[i]->plugin.name), list[i]);
    assert_null(mnas_op_find("conv2"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pads),     cmocka_unit_test(windows), cmocka_unit_test(conv_layout),
        cmocka_unit_test(bn),       cmocka_unit_test(dropout), cmocka_unit_test(se),
        cmocka_unit_test(refusals), cmocka_unit_test(lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
