/* test_stats.c - against values worked out by hand, and p values against the integral of Student's density. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/stats.h"

#define assert_near(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))

static void centre_and_spread(void **state) {
    (void)state;
    const double x[] = {9, 2, 4, 4, 5, 4, 7, 5};
    assert_near(mnas_stats_mean(x, 8), 5, 0);
    assert_near(mnas_stats_sd(x, 8), sqrt(32.0 / 7), 1e-15);
    assert_near(mnas_stats_median(x, 8), 4.5, 0);
    assert_near(mnas_stats_mad(x, 8), 0.5, 0); /* deviations .5 x5, 2.5 x2, 4.5 */
    assert_near(mnas_stats_sd(x, 1), 0, 0);
    assert_near(mnas_stats_median(x, 1), 9, 0);
    assert_near(mnas_stats_median(x, 3), 4, 0);
    assert_near(x[0], 9, 0); /* the input is not sorted in place */
}

static void quantiles_interpolate(void **state) {
    (void)state;
    const double x[] = {40, 10, 30, 20};
    assert_near(mnas_stats_quantile(x, 4, 0), 10, 0);
    assert_near(mnas_stats_quantile(x, 4, 1), 40, 0);
    assert_near(mnas_stats_quantile(x, 4, 0.25), 17.5, 1e-12);
    assert_near(mnas_stats_quantile(x, 4, 0.9), 37, 1e-12);
    const double ends[] = {1, 2, INFINITY, INFINITY, INFINITY};
    assert_near(mnas_stats_quantile(ends, 5, 0.25), 2, 0);
    assert_true(isinf(mnas_stats_quantile(ends, 5, 0.3)) && isinf(mnas_stats_quantile(ends, 5, 0.8)));
}

static void intervals_of_the_median(void **state) {
    (void)state;
    const double x[] = {10, 3, 7, 1, 9, 2, 8, 5, 4, 6};
    double low, high, got;
    mnas_stats_median_ci(x, 10, 0.95, &low, &high, &got); /* 1 - 2 (1 + 10) / 1024 */
    assert_near(low, 2, 0);
    assert_near(high, 9, 0);
    assert_near(got, 1 - 22.0 / 1024, 1e-12);
    mnas_stats_median_ci(x, 10, 0.99, &low, &high, &got); /* 1 - 2 / 1024 */
    assert_near(low, 1, 0);
    assert_near(high, 10, 0);
    assert_near(got, 1 - 2.0 / 1024, 1e-12);
    mnas_stats_median_ci(x, 5, 0.95, &low, &high, &got); /* too few: the extremes, at 1 - 2 / 32 */
    assert_near(low, 1, 0);
    assert_near(high, 10, 0);
    assert_near(got, 0.9375, 1e-12);
    mnas_stats_median_ci(x, 1, 0.95, &low, &high, &got);
    assert_near(low, 10, 0);
    assert_near(high, 10, 0);
    assert_near(got, 0, 1e-12);
    double many[2001];
    for (int i = 0; i < 2001; i++) many[i] = i;
    mnas_stats_median_ci(many, 2001, 0.95, &low, &high, &got); /* about 1000 -+ 1.96 sqrt(2001) / 2 */
    assert_near(low, 1000 - 43.8, 1.5);
    assert_near(low + high, 2000, 0);
    assert_true(got >= 0.95 && got < 0.955);
}

static void slopes(void **state) {
    (void)state;
    const double x[] = {1, 2, 3, 4}, y[] = {2, 4, 5, 4}, flat[] = {3, 3, 3, 3};
    assert_near(mnas_stats_slope(x, y, 4), 0.7, 1e-12); /* 3.5 / 5 */
    assert_near(mnas_stats_slope(flat, y, 4), 0, 0);
}

/* Two-sided p of Student's t by Simpson's rule on the substitution t = tan(s). */
static double p_by_integral(double t, double nu) {
    double norm = exp(lgamma((nu + 1) / 2) - lgamma(nu / 2)) / sqrt(nu * M_PI), sum = 0;
    double a = atan(t), h = (M_PI / 2 - a) / 20000;
    for (int i = 0; i < 20000; i++) { /* at pi/2 the integrand is 0 for nu > 1 */
        double s = tan(a + i * h), w = i == 0 ? 1 : (i % 2 ? 4 : 2);
        sum += w * pow(1 + s * s / nu, -(nu + 1) / 2) * (1 + s * s);
    }
    return 2 * norm * sum * h / 3;
}

static void welch_by_hand(void **state) {
    (void)state;
    const double a[] = {0, 2}, b[] = {5, 7}; /* t^2 = 12.5, nu = 2: p = 1 - t / sqrt(2 + t^2) */
    assert_near(mnas_stats_welch_p(a, 2, b, 2), 1 - sqrt(12.5 / 14.5), 1e-12);
    assert_near(mnas_stats_welch_p(b, 2, a, 2), 1 - sqrt(12.5 / 14.5), 1e-12);
    assert_near(mnas_stats_welch_p(a, 2, a, 2), 1, 1e-12);
    const double c[] = {3, 3, 3}, d[] = {4, 4};
    assert_near(mnas_stats_welch_p(c, 3, d, 2), 0, 0); /* no spread at all */
    assert_near(mnas_stats_welch_p(c, 3, c, 3), 1, 0);
}

static void welch_by_integral(void **state) {
    (void)state;
    /* va = 1/3, vb = 10 / 4: nu = (va + vb)^2 / (va^2 / 2 + vb^2 / 3) */
    const double a[] = {1, 2, 3}, b[] = {0, 2, 4, 6};
    double sb2 = 20.0 / 3, va = 1.0 / 3, vb = sb2 / 4;
    double t = 1 / sqrt(va + vb), nu = (va + vb) * (va + vb) / (va * va / 2 + vb * vb / 3);
    assert_near(mnas_stats_welch_p(a, 3, b, 4), p_by_integral(t, nu), 1e-7);
    double c[200], d[200];
    for (int i = 0; i < 200; i++) {
        c[i] = i % 17;
        d[i] = i % 13 + 1.0;
    }
    double vc = pow(mnas_stats_sd(c, 200), 2) / 200, vd = pow(mnas_stats_sd(d, 200), 2) / 200;
    t = fabs(mnas_stats_mean(c, 200) - mnas_stats_mean(d, 200)) / sqrt(vc + vd);
    nu = (vc + vd) * (vc + vd) / (vc * vc / 199 + vd * vd / 199);
    assert_near(mnas_stats_welch_p(c, 200, d, 200), p_by_integral(t, nu), 1e-7);
}

/* Of 10 pairs 8 agree and 2 do not; with a tie in y 8 agree and 1 does not, of 10 and 9 with an order. */
static void orders_compared(void **state) {
    (void)state;
    const double x[] = {1, 2, 3, 4, 5}, y[] = {1, 3, 2, 5, 4}, tie[] = {1, 3, 2, 4, 4},
                 flat[] = {2, 2, 2, 2, 2};
    assert_near(mnas_stats_kendall(x, y, 5), 0.6, 1e-15);
    assert_near(mnas_stats_kendall(x, tie, 5), (8 - 1) / sqrt(90), 1e-15);
    assert_near(mnas_stats_kendall(x, x, 5), 1, 1e-15);
    assert_near(mnas_stats_kendall(x, flat, 5), 0, 0);
}

/* Five differences 2, 2, 1, 4, 1: mean 2, variance 1.5, t = 2 / sqrt(0.3) = 3.65148 with 4 degrees. */
static void pairs(void **state) {
    (void)state;
    const double a[] = {5, 4, 3, 9, 2, 7}, b[] = {3, 2, 2, 5, 1, 7};
    const double t = 2 / sqrt(0.3), s = t / sqrt(4 + t * t); /* Student's with 4 degrees has a closed form */
    assert_near(mnas_stats_paired_p(a, b, 5), 1 - s * (1.5 - s * s / 2), 1e-12);
    assert_near(mnas_stats_paired_p(b, a, 5), mnas_stats_paired_p(a, b, 5), 1e-15);
    assert_near(mnas_stats_paired_p(a, a, 5), 1, 0);
    /* ranks 3.5, 3.5, 1.5, 5, 1.5, all positive: 15 of 15, mean 7.5, variance 5 6 11 / 24 - 2 (8 - 2) / 48 */
    const double z = 7 / sqrt(13.75 - 0.25);
    assert_near(mnas_stats_wilcoxon_p(a, b, 6), erfc(z / sqrt(2)),
                1e-12); /* the pair that is equal says nothing */
    assert_near(mnas_stats_wilcoxon_p(b, a, 6), erfc(z / sqrt(2)), 1e-12);
    assert_near(mnas_stats_wilcoxon_p(a, a, 6), 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(centre_and_spread),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(orders_compared),
        cmocka_unit_test(intervals_of_the_median),
        cmocka_unit_test(slopes),
        cmocka_unit_test(welch_by_hand),
        cmocka_unit_test(welch_by_integral),
        cmocka_unit_test(pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
