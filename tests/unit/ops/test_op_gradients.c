/* Backward of every operator against central differences of its own forward, over odd shapes, kernels,
 * strides, both padding rules and all activations. The loss is sum(ddst * dst), summed in double. Data keeps
 * away from kinks. */
#include "model/act.h"
#include "op_fixture.h"

#include <stdio.h>

static const double h = 1e-2; /* step of the difference quotients */

static double loss_of(op_fixture *f) {
    double sum = 0;
    f->call.node->op->forward(&f->call);
    for (size_t i = 0; i < f->n_dst; i++) sum += (double)f->ddst[i] * (double)f->dst[i];
    return sum;
}

static double loss_at(op_fixture *f, float *x, const float *base, const float *direction, size_t n,
                      double step) {
    for (size_t i = 0; i < n; i++) x[i] = (float)((double)base[i] + step * (double)direction[i]);
    double loss = loss_of(f);
    memcpy(x, base, n * sizeof *x);
    return loss;
}

/* Fourth-order central difference along a direction of entries -1, 0, 1. */
static double slope(op_fixture *f, float *x, const float *direction, size_t n) {
    float *base = malloc(n * sizeof *base);
    assert_non_null(base);
    memcpy(base, x, n * sizeof *base);
    double near = loss_at(f, x, base, direction, n, h) - loss_at(f, x, base, direction, n, -h);
    double far = loss_at(f, x, base, direction, n, 2 * h) - loss_at(f, x, base, direction, n, -2 * h);
    free(base);
    return (8 * near - far) / (12 * h);
}

/* What rounding dst to float does to a difference quotient. */
static double noise_of(op_fixture *f) {
    double sum = 0;
    loss_of(f);
    for (size_t i = 0; i < f->n_dst; i++) sum += pow((double)f->ddst[i] * (double)f->dst[i], 2);
    return 4 * 0x1p-24 * sqrt(sum) / h;
}

static void expect_slope(double measured, double claimed, double tolerance, const char *what) {
    if (fabs(measured - claimed) <= tolerance) return;
    fail_msg("%s: difference quotient %.6g, gradient %.6g (tolerance %.3g)", what, measured, claimed,
             tolerance);
}

/* Single entries, and all of them at once along random signs. */
static void check_tensor(op_fixture *f, float *x, const float *gradient, size_t n, mnas_rng *rng,
                         const char *what) {
    float *direction = calloc(n, sizeof *direction);
    assert_non_null(direction);
    double norm = 0, noise = noise_of(f);
    for (size_t i = 0; i < n; i++) norm += (double)gradient[i] * (double)gradient[i];
    norm = sqrt(norm);
    assert_true(norm < INFINITY);
    for (int t = 0; t < 8; t++) {
        size_t i = mnas_rng_below(rng, (uint32_t)n);
        direction[i] = 1;
        double one = fabs((double)gradient[i]), typical = norm / sqrt((double)n);
        expect_slope(slope(f, x, direction, n), (double)gradient[i], 1e-3 * (one + typical) + noise, what);
        direction[i] = 0;
    }
    for (int t = 0; t < 3; t++) {
        double claimed = 0;
        for (size_t i = 0; i < n; i++) {
            direction[i] = mnas_rng_below(rng, 2) ? 1 : -1;
            claimed += (double)gradient[i] * (double)direction[i];
        }
        expect_slope(slope(f, x, direction, n), claimed, 1e-3 * norm + noise, what);
    }
    free(direction);
}

/* Where the operator says that dsrc[0] may be ddst, the result must not change. */
static void check_inplace(op_fixture *f) {
    if (!f->call.node->op->inplace_backward) return;
    mnas_call call = f->call;
    float *both = malloc(f->n_dst * sizeof *both);
    assert_non_null(both);
    memcpy(both, f->ddst, f->n_dst * sizeof *both);
    call.ddst = both;
    call.dsrc[0] = both;
    if (f->dsrc[1]) call.dsrc[1] = both;
    call.node->op->backward(&call);
    assert_memory_equal(both, f->dsrc[0], f->n_dst * sizeof *both);
    free(both);
}

static void check_gradients(op_fixture *f, mnas_rng *rng) {
    static const char *const src_names[] = {"src 0", "src 1"}, *const param_names[] = {"param 0", "param 1",
                                                                                       "param 2", "param 3"};
    const mnas_node *node = f->call.node;
    loss_of(f);
    node->op->backward(&f->call); /* over the random contents of dsrc and dparam: it must overwrite them */
    check_inplace(f);
    for (int k = 0; k < node->n_in; k++) check_tensor(f, f->src[k], f->dsrc[k], f->n_src, rng, src_names[k]);
    for (int k = 0; k < node->n_params; k++)
        if (f->graph->params[node->params[k]].trainable)
            check_tensor(f, f->param[k], f->dparam[k], f->n_param[k], rng, param_names[k]);
    memset(f->call.dsrc, 0, sizeof f->call.dsrc); /* no gradient wanted: must not crash */
    loss_of(f);
    node->op->backward(&f->call);
}

static const mnas_shape sizes[] = {{7, 5, 3}, {6, 8, 2}, {4, 3, 5}, {1, 2, 3}};

static void check_windows(const mnas_op *op, int filters, bool bias) {
    mnas_rng rng = mnas_rng_stream(1, 0, op->plugin.name);
    for (int kernel = 1; kernel <= 7; kernel += 2)
        for (int stride = 1; stride <= 2; stride++)
            for (int rule = MNAS_PAD_SAME; rule <= MNAS_PAD_SYMMETRIC; rule++)
                for (size_t s = 0; s < 4; s++) {
                    mnas_node node = {
                        .op = op, .kernel = kernel, .stride = stride, .filters = filters, .bias = bias};
                    op_fixture f;
                    fixture_open(&f, node, sizes[s], 2, (mnas_pad)rule, &rng);
                    if (op == &mnas_op_maxpool) { /* all different by more than any step */
                        uint32_t order[256];
                        assert_true(f.n_src <= 256);
                        for (uint32_t i = 0; i < f.n_src; i++) order[i] = i;
                        mnas_rng_shuffle(&rng, order, f.n_src);
                        for (size_t i = 0; i < f.n_src; i++) f.src[0][i] = 0.1f * (float)order[i] - 5;
                    }
                    check_gradients(&f, &rng);
                    fixture_close(&f);
                }
}

static void conv(void **state) {
    (void)state, check_windows(&mnas_op_conv, 4, false), check_windows(&mnas_op_conv, 3, true);
}
static void dwconv(void **state) {
    (void)state, check_windows(&mnas_op_dwconv, 0, false), check_windows(&mnas_op_dwconv, 0, true);
}
static void maxpool(void **state) {
    (void)state, check_windows(&mnas_op_maxpool, 0, false);
}
static void avgpool(void **state) {
    (void)state, check_windows(&mnas_op_avgpool, 0, false);
}

static void check_simple(mnas_node node, mnas_shape in) {
    mnas_rng rng = mnas_rng_stream(2, 0, node.op->plugin.name);
    op_fixture f;
    fixture_open(&f, node, in, 3, MNAS_PAD_SAME, &rng);
    check_gradients(&f, &rng);
    fixture_close(&f);
}

static void add_gap_dense_dropout(void **state) {
    (void)state;
    check_simple((mnas_node){.op = &mnas_op_add}, sizes[0]);
    check_simple((mnas_node){.op = &mnas_op_gap}, sizes[0]);
    check_simple((mnas_node){.op = &mnas_op_gap}, sizes[1]);
    check_simple((mnas_node){.op = &mnas_op_dense, .filters = 5, .bias = true}, (mnas_shape){1, 1, 7});
    check_simple((mnas_node){.op = &mnas_op_dense, .filters = 1}, (mnas_shape){1, 1, 7});
    check_simple((mnas_node){.op = &mnas_op_dropout, .rate = 0.4}, (mnas_shape){1, 1, 31});
    check_simple((mnas_node){.op = &mnas_op_dropout, .rate = 0}, sizes[0]);
}

/* Values around -1.5, 0 and 1.5 so that none lies near 0 or 6 behind scale and shift. */
static void three_levels(float *x, size_t n, mnas_rng *rng) {
    for (size_t i = 0; i < n; i++)
        x[i] = 1.5f * (float)((int)mnas_rng_below(rng, 3) - 1) + 0.1f * (float)(mnas_rng_uniform(rng) - 0.5);
}

static void act(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(3, 0, "act");
    for (int a = MNAS_ACT_NONE; a <= MNAS_ACT_SIGMOID; a++) {
        op_fixture f;
        fixture_open(&f, (mnas_node){.op = &mnas_op_act, .act = (mnas_act)a}, sizes[0], 2, MNAS_PAD_SAME,
                     &rng);
        three_levels(f.src[0], f.n_src, &rng);
        for (size_t i = 0; i < f.n_src; i++) /* far from every kink: 0 and 6, or -3 and 3 */
            f.src[0][i] = mnas_act_clips((mnas_act)a) ? 3 + 3 * f.src[0][i]
                          : a == MNAS_ACT_HSWISH      ? 4 * f.src[0][i]
                                                      : f.src[0][i];
        check_gradients(&f, &rng);
        fixture_close(&f);
    }
}

static void bn(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(4, 0, "bn");
    for (int a = MNAS_ACT_NONE; a <= MNAS_ACT_HSWISH; a++)
        for (size_t s = 0; s < 3; s++) {
            mnas_node node = {
                .op = &mnas_op_bn, .act = (mnas_act)a, .epsilon = 1e-3, .momentum = 0.9, .unbiased = true};
            op_fixture f;
            fixture_open(&f, node, sizes[s], 4, MNAS_PAD_SAME, &rng);
            three_levels(f.src[0], f.n_src, &rng);
            for (size_t c = 0; c < f.n_param[0];
                 c++) { /* y about -1.9, 3, 7.9; of hswish, whose kinks are at -3 and 3, -4.9, 0, 4.9 */
                f.param[0][c] = (c % 2 ? -4.f : 4.f) + 0.1f * (float)c;
                f.param[1][c] = a == MNAS_ACT_HSWISH ? 0 : 3;
            }
            check_gradients(&f, &rng);
            fixture_close(&f);
        }
}

static void se(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(5, 0, "se");
    for (size_t s = 0; s < 3; s++)
        for (int width = 1; width <= 4; width += 3) {
            op_fixture f;
            fixture_open(&f, (mnas_node){.op = &mnas_op_se, .filters = width}, sizes[s], 3, MNAS_PAD_SAME,
                         &rng);
            for (size_t i = 0; i < f.n_param[0]; i++) f.param[0][i] *= 0.3f;
            for (int r = 0; r < width; r++) f.param[1][r] = r % 3 == 1 ? -3 : 3; /* far from relu's kink */
            check_gradients(&f, &rng);
            fixture_close(&f);
        }
}

/* Every operator that has a gradient is checked above: a new one must be added here. */
static void all_are_covered(void **state) {
    (void)state;
    static const char *const covered[] = {"conv",    "dwconv",  "bn",  "act",     "add",  "se",
                                          "maxpool", "avgpool", "gap", "dropout", "dense"};
    size_t n, n_with_gradient = 0;
    const mnas_op *const *list = mnas_op_list(&n);
    for (size_t i = 0; i < n; i++) n_with_gradient += list[i]->backward != NULL;
    assert_int_equal(n_with_gradient, sizeof covered / sizeof *covered);
    for (size_t i = 0; i < n_with_gradient; i++) assert_non_null(mnas_op_find(covered[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv),    cmocka_unit_test(dwconv), cmocka_unit_test(maxpool),
        cmocka_unit_test(avgpool), cmocka_unit_test(act),    cmocka_unit_test(add_gap_dense_dropout),
        cmocka_unit_test(bn),      cmocka_unit_test(se),     cmocka_unit_test(all_are_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
