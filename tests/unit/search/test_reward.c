/* test_reward.c - the rewards against the paper's published networks, their calibration, and Pareto fronts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "search/pareto.h"
#include "search/reward.h"

static double exponent(const char *spec) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, spec, 1), 0);
    return mnas_reward_exponent(&r);
}

static double value(const char *spec, double accuracy, double latency_ms, double target_ms) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, spec, target_ms), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 0);
    return mnas_reward_value(&r, accuracy, latency_ms);
}

#define NEAR(a, b, tolerance)                                                                                \
    do {                                                                                                     \
        if (!(fabs((a) - (b)) <= (tolerance)))                                                               \
            fail_msg("%s is %.9g, expected %.9g", #a, (double)(a), (double)(b));                             \
    } while (0)

/* Accuracies and latencies as published; A1, A2 and A3 lie on one curve of equal reward. */
static void test_published_networks(void **state) {
    (void)state;
    static const struct {
        double accuracy, latency_ms, soft;
    } nets[] = {{0.752, 78, 0.7499},  {0.756, 84, 0.7500},  {0.767, 103, 0.7502}, {0.720, 75, 0.7200},
                {0.747, 143, 0.7140}, {0.740, 183, 0.6952}, {0.720, 100, 0.7056}};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        NEAR(value("soft", nets[i].accuracy, nets[i].latency_ms, 75), nets[i].soft, 0.00006);
    NEAR(value("hard", 0.752, 78, 75), 0.7231, 0.00006);
    NEAR(value("hard", 0.767, 103, 75), 0.5585, 0.00006);
    NEAR(value("hard", 0.720, 75, 75), 0.7200, 0.00006);
    const double a1 = value("soft", 0.752, 78, 75), a3 = value("soft", 0.767, 103, 75);
    assert_true(fabs(a1 - a3) < 0.0004);
}

static void test_sides_of_the_target(void **state) {
    (void)state;
    NEAR(value("mnas:alpha=-0.5,beta=-1", 0.8, 25, 100), 1.6, 1e-12);
    NEAR(value("mnas:alpha=-0.5,beta=-1", 0.8, 200, 100), 0.4, 1e-12);
    NEAR(value("hard", 0.8, 25, 100), 0.8, 1e-12);
    NEAR(value("abs", 0.8, 50, 100), 0.8 - 0.035, 1e-12);
    assert_true(isnan(exponent("abs")) && isnan(exponent("hard")) && isnan(exponent("soft:w=auto")));
    assert_true(exponent("soft:w=-0.02") == -0.02);
    NEAR(value("abs", 0.8, 150, 100), 0.8 - 0.035, 1e-12);
    NEAR(value("abs:b=-0.2", 0.8, 100, 100), 0.8, 1e-12);
    NEAR(value("soft:w=-0.15", 0.8, 200, 100), 0.8 * pow(2, -0.15), 1e-12);
    NEAR(value("soft", 0, 200, 100), 0, 0);
    /* doubling the latency is worth about 5 % of accuracy, which is how -0.07 came about */
    NEAR(value("soft", 0.5, 10, 75) / value("soft", 0.525, 20, 75), 1, 0.001);
}

static void refuse(const char *spec, double target_ms, const char *words) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, spec, target_ms), MNAS_ERR_ARG);
    if (!strstr(mnas_error_message(), words)) fail_msg("no \"%s\" in: %s", words, mnas_error_message());
}

static void test_bad_specs(void **state) {
    (void)state;
    refuse("sofd", 1, "did you mean soft");
    refuse("soft:w=steep", 1, "\"steep\"");
    refuse("soft:w=0.07", 1, "0.07");
    refuse("soft:calibrate=1", 1, "calibrate");
    refuse("hard:w=1", 1, "takes no options");
    refuse("mnas:alpha=0.1", 1, "alpha");
    refuse("soft", 0, "target is 0 ms");
    refuse("soft", -5, "target is -5 ms");
    refuse("soft", INFINITY, "target is inf");
}

static void test_target_from_first_latencies(void **state) {
    (void)state;
    double accuracy[12], latency[12];
    for (int i = 0; i < 12; i++) accuracy[i] = 0.5, latency[i] = i < 10 ? 10 - i : 1000;
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, "soft", NAN), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 10);
    assert_int_equal(mnas_reward_calibrate(&r, accuracy, latency, 12), 0);
    NEAR(r.target_ms, 5.5, 1e-12);
    assert_int_equal(mnas_reward_n_needed(&r), 0);
    NEAR(mnas_reward_value(&r, 0.5, 5.5), 0.5, 1e-12);
}

static void test_w_from_the_front(void **state) {
    (void)state;
    /* on the front accuracy = 0.5 * latency^0.03; every third point is dominated */
    double accuracy[15], latency[15];
    for (int i = 0; i < 15; i++) {
        latency[i] = 0.1 * (1 + i);
        accuracy[i] = 0.5 * pow(latency[i], 0.03) - (i % 3 == 2 ? 0.3 : 0);
    }
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, "soft:w=auto", 1), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 15);
    assert_int_equal(mnas_reward_calibrate(&r, accuracy, latency, 15), 0);
    NEAR(r.alpha, -0.03, 1e-9);
    NEAR(r.beta, -0.03, 1e-9);
    /* along that front all are alike */
    NEAR(mnas_reward_value(&r, accuracy[0], latency[0]), mnas_reward_value(&r, accuracy[13], latency[13]),
         1e-9);
}

static double auto_w(const double *accuracy, const double *latency, size_t n) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, "soft:w=auto", 1), 0);
    assert_int_equal(mnas_reward_calibrate(&r, accuracy, latency, n), 0);
    return r.alpha;
}

static void test_w_stays_sane(void **state) {
    (void)state;
    NEAR(auto_w((double[]){0.1, 0.5, 0.9}, (double[]){1, 1.01, 1.02}, 3), -0.5, 0); /* far too steep */
    NEAR(auto_w((double[]){0.9, 0.9, 0.9}, (double[]){1, 2, 3}, 3), -0.005, 0);     /* no slope at all */
    NEAR(auto_w((double[]){0.9, 0.5, 0.1}, (double[]){1, 2, 3}, 3), -0.005, 0);     /* the wrong way round */
    NEAR(auto_w((double[]){0, 0, 0}, (double[]){1, 2, 3}, 3), -0.005, 0);           /* log of nothing */
    NEAR(auto_w((double[]){0.5}, (double[]){2}, 1), -0.005, 0);
    NEAR(auto_w((double[]){0.8, 0.8, 0.8}, (double[]){2, 2, 2}, 3), -0.005, 0);
    /* two points on the front: all four are used */
    const double a[] = {0.80, 0.82, 0.79, 0.78}, l[] = {1, 4, 2, 3};
    assert_true(auto_w(a, l, 4) <= -0.005);
}

static void check_front(const double *accuracy, const double *latency, size_t n, const size_t *expected,
                        size_t n_expected) {
    size_t front[16], n_front;
    assert_int_equal(mnas_pareto_front(accuracy, latency, n, front, &n_front), 0);
    assert_int_equal(n_front, n_expected);
    for (size_t i = 0; i < n_expected; i++) assert_int_equal(front[i], expected[i]);
}

static void test_fronts(void **state) {
    (void)state;
    /* fastest first; 1 is beaten by 0, 3 by 2 */
    check_front((double[]){0.7, 0.6, 0.9, 0.9}, (double[]){1, 2, 3, 4}, 4, (size_t[]){0, 2}, 2);
    check_front((double[]){0.9, 0.5}, (double[]){4, 1}, 2, (size_t[]){1, 0}, 2);
    check_front((double[]){0.5}, (double[]){1}, 1, (size_t[]){0}, 1);
    check_front(NULL, NULL, 0, NULL, 0);
    /* equal points: the first; equal latency: the more accurate; equal accuracy: the faster */
    check_front((double[]){0.5, 0.5, 0.5}, (double[]){1, 1, 1}, 3, (size_t[]){0}, 1);
    check_front((double[]){0.5, 0.6}, (double[]){1, 1}, 2, (size_t[]){1}, 1);
    check_front((double[]){0.5, 0.5}, (double[]){2, 1}, 2, (size_t[]){1}, 1);
    /* what is not known is on no front */
    check_front((double[]){NAN, 0.6, 0.9}, (double[]){1, 1, NAN}, 3, (size_t[]){1}, 1);
    check_front((double[]){NAN}, (double[]){NAN}, 1, NULL, 0);
    check_front((double[]){INFINITY, 0.1}, (double[]){1, 2}, 2, (size_t[]){1}, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_networks),
        cmocka_unit_test(test_sides_of_the_target),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_target_from_first_latencies),
        cmocka_unit_test(test_w_from_the_front),
        cmocka_unit_test(test_w_stays_sane),
        cmocka_unit_test(test_fronts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
