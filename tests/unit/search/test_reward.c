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
    assert_int_equal(mnas_reward_open(&r, spec, (double[]){1}, 1), 0);
    return mnas_reward_exponent(&r);
}

static double value(const char *spec, double accuracy, double latency_ms, double target_ms) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, spec, &target_ms, 1), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 0);
    return mnas_reward_value(&r, accuracy, &latency_ms);
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

/* With alpha = beta the target multiplies all rewards by one number, so it changes no ranking: only w sets the trade-off. Where
 * the sides differ, or are added, it does. */
static void test_target_of_soft_ranks_nothing(void **state) {
    (void)state;
    enum { N = 40 };
    static const char *const specs[] = {"soft", "soft:w=-0.3", "mnas:alpha=-0.5,beta=-0.5"};
    double accuracy[N], ms[N];
    for (int i = 0; i < N; i++) accuracy[i] = 0.5 + 0.01 * (i * 7 % N), ms[i] = 20 * pow(1.07, i * 13 % N);
    for (size_t s = 0; s < sizeof specs / sizeof *specs; s++) {
        const double scale =
            value(specs[s], accuracy[0], ms[0], 300) / value(specs[s], accuracy[0], ms[0], 30);
        for (int i = 1; i < N; i++)
            NEAR(value(specs[s], accuracy[i], ms[i], 300) / value(specs[s], accuracy[i], ms[i], 30), scale,
                 1e-12);
    }
    assert_true(value("hard", 0.70, 40, 50) > value("hard", 0.75, 60, 50));
    assert_true(value("hard", 0.70, 40, 70) < value("hard", 0.75, 60, 70));
    assert_true(value("abs:b=-1", 0.70, 40, 40) > value("abs:b=-1", 0.75, 60, 40));
    assert_true(value("abs:b=-1", 0.70, 40, 60) < value("abs:b=-1", 0.75, 60, 60));
}

static void refuse(const char *spec, double target_ms, const char *words) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, spec, &target_ms, 1), MNAS_ERR_ARG);
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
    assert_int_equal(mnas_reward_open(&r, "soft", (double[]){NAN}, 1), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 10);
    assert_int_equal(mnas_reward_calibrate(&r, accuracy, latency, 12), 0);
    NEAR(r.target_ms[0], 5.5, 1e-12);
    assert_int_equal(mnas_reward_n_needed(&r), 0);
    NEAR(mnas_reward_value(&r, 0.5, (double[]){5.5}), 0.5, 1e-12);
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
    assert_int_equal(mnas_reward_open(&r, "soft:w=auto", (double[]){1}, 1), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 15);
    assert_int_equal(mnas_reward_calibrate(&r, accuracy, latency, 15), 0);
    NEAR(r.alpha, -0.03, 1e-9);
    NEAR(r.beta, -0.03, 1e-9);
    /* along that front all are alike */
    NEAR(mnas_reward_value(&r, accuracy[0], &latency[0]), mnas_reward_value(&r, accuracy[13], &latency[13]),
         1e-9);
}

/* ---- several devices ---- */

static double value_on_two(const char *spec, double accuracy, double a_ms, double b_ms) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, spec, (double[]){0.5, 12}, 2), 0);
    return mnas_reward_value(&r, accuracy, (double[]){a_ms, b_ms});
}

static void test_product_over_devices(void **state) {
    (void)state;
    NEAR(value_on_two("soft", 0.8, 1, 6), 0.8 * pow(2, -0.07) * pow(0.5, -0.07), 1e-12);
    NEAR(value_on_two("hard", 0.8, 1, 6), 0.4, 1e-12);                    /* too slow on one */
    NEAR(value_on_two("hard", 0.8, 1, 24), 0.2, 1e-12);                   /* on both */
    NEAR(value_on_two("mnas:alpha=-0.5,beta=-1", 0.8, 1, 3), 0.8, 1e-12); /* half and double */
    NEAR(value_on_two("abs:b=-0.2", 0.8, 1, 12), 0.8 - 0.2 * 0.5, 1e-12); /* the mean */
    NEAR(value_on_two("abs:b=-0.2", 0.8, 0.25, 18), 0.8 - 0.2 * 0.5, 1e-12);
}

/* A given target stays, the other is found; w from the front over the product of latencies. */
static void test_calibration_on_devices(void **state) {
    (void)state;
    double accuracy[15], latency[30];
    for (int i = 0; i < 15; i++) {
        latency[2 * i] = 0.1 * (1 + i);
        latency[2 * i + 1] = 3 * latency[2 * i];
        accuracy[i] = 0.5 * pow(latency[2 * i] * latency[2 * i + 1], 0.03) - (i % 3 == 2 ? 0.3 : 0);
    }
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, "soft:w=auto", (double[]){0.5, NAN}, 2), 0);
    assert_int_equal(mnas_reward_n_needed(&r), 15);
    assert_int_equal(mnas_reward_calibrate(&r, accuracy, latency, 15), 0);
    assert_true(r.target_ms[0] == 0.5);
    NEAR(r.target_ms[1], 3 * 0.55, 1e-12); /* of the first ten */
    NEAR(r.alpha, -0.03, 1e-9);
}

static void check_front_of_two(const double *accuracy, const double *latency, size_t n,
                               const size_t *expected, size_t n_expected) {
    size_t front[16], n_front;
    assert_int_equal(mnas_pareto_front_of(accuracy, latency, 2, n, front, &n_front), 0);
    assert_int_equal(n_front, n_expected);
    for (size_t i = 0; i < n_expected; i++) assert_int_equal(front[i], expected[i]);
}

static void test_fronts_of_two_devices(void **state) {
    (void)state;
    /* 1 is slower and worse on the first device, but faster on the second; 2 is beaten by 0 on both */
    check_front_of_two((double[]){0.9, 0.8, 0.8}, (double[]){1, 5, 2, 4, 2, 5}, 3, (size_t[]){0, 1}, 2);
    /* equal points: the first; equal on one device: the other decides */
    check_front_of_two((double[]){0.5, 0.5, 0.5}, (double[]){1, 2, 1, 2, 1, 1}, 3, (size_t[]){2}, 1);
    check_front_of_two((double[]){0.9, 0.9}, (double[]){1, NAN, 2, 2}, 2, (size_t[]){1}, 1);
    /* fastest on the first device first */
    check_front_of_two((double[]){0.7, 0.7, 0.7}, (double[]){3, 1, 1, 3, 2, 2}, 3, (size_t[]){1, 2, 0}, 3);
}

/* Against the definition: no other point is as good in all. */
static void test_fronts_by_definition(void **state) {
    (void)state;
    enum { N = 60 };
    double accuracy[N], latency[3 * N];
    size_t front[N], n_front;
    unsigned seed = 7;
    for (int i = 0; i < N; i++) {
        accuracy[i] = (double)((seed = seed * 1103515245u + 12345u) >> 16 & 7) / 8;
        for (int d = 0; d < 3; d++)
            latency[3 * i + d] = 1 + (double)((seed = seed * 1103515245u + 12345u) >> 16 & 7);
    }
    assert_int_equal(mnas_pareto_front_of(accuracy, latency, 3, N, front, &n_front), 0);
    for (size_t i = 0; i < N; i++) {
        bool beaten = false, on_front = false;
        for (size_t k = 0; k < N; k++) {
            bool as_good = accuracy[k] >= accuracy[i], better = accuracy[k] > accuracy[i];
            for (size_t d = 0; d < 3; d++) {
                as_good = as_good && latency[3 * k + d] <= latency[3 * i + d];
                better = better || latency[3 * k + d] < latency[3 * i + d];
            }
            beaten = beaten || (as_good && (better || k < i));
        }
        for (size_t k = 0; k < n_front; k++) on_front = on_front || front[k] == i;
        assert_int_equal(on_front, !beaten);
    }
}

static double auto_w(const double *accuracy, const double *latency, size_t n) {
    mnas_reward r;
    assert_int_equal(mnas_reward_open(&r, "soft:w=auto", (double[]){1}, 1), 0);
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
        cmocka_unit_test(test_target_of_soft_ranks_nothing),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_target_from_first_latencies),
        cmocka_unit_test(test_w_from_the_front),
        cmocka_unit_test(test_w_stays_sane),
        cmocka_unit_test(test_fronts),
        cmocka_unit_test(test_product_over_devices),
        cmocka_unit_test(test_calibration_on_devices),
        cmocka_unit_test(test_fronts_of_two_devices),
        cmocka_unit_test(test_fronts_by_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
