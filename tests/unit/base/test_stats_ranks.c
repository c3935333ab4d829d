/* test_stats_ranks.c - orders compared: against what scipy says of the same samples (stats_ranks_scipy.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/rng.h"
#include "base/stats.h"
#include "stats_ranks_scipy.h"

#define assert_near(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))

static void test_mann_whitney(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof whitney_cases / sizeof *whitney_cases; i++) {
        const struct whitney_case *c = &whitney_cases[i];
        const mnas_rank_test t = mnas_stats_mann_whitney(c->a, c->na, c->b, c->nb),
                             back = mnas_stats_mann_whitney(c->b, c->nb, c->a, c->na);
        assert_int_equal(t.exact, c->na + c->nb <= 50);
        assert_near(t.share, c->share, 1e-12);
        assert_near(t.p_greater, c->greater, 1e-9);
        assert_near(t.p_less, c->less, 1e-9);
        assert_near(back.p_greater, t.p_less, 1e-12);
        assert_near(back.share, 1 - t.share, 1e-12);
    }
    assert_true(isnan(mnas_stats_mann_whitney(NULL, 0, whitney_cases[0].b, 5).p_greater));
}

/* All of a above all of b: one way of 20. */
static void test_by_hand(void **state) {
    (void)state;
    const double a[] = {4, 5, 6}, b[] = {1, 2, 3};
    const mnas_rank_test t = mnas_stats_mann_whitney(a, 3, b, 3);
    assert_near(t.share, 1, 0);
    assert_near(t.p_greater, 1.0 / 20, 1e-15);
    assert_near(t.p_less, 1, 1e-15);
}

static void test_kendall(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof kendall_cases / sizeof *kendall_cases; i++) {
        const struct kendall_case *c = &kendall_cases[i];
        assert_near(mnas_stats_kendall(c->x, c->y, c->n), c->tau, 1e-12);
        assert_near(mnas_stats_kendall(c->y, c->x, c->n), c->tau, 1e-12);
    }
    assert_near(mnas_stats_kendall(kendall_cases[0].x, kendall_cases[0].y, 1), 0, 0);
}

/* The definition: every pair compared. */
static double kendall_by_pairs(const double *x, const double *y, size_t n) {
    double sum = 0, in_x = 0, in_y = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++) {
            const int a = (x[i] > x[j]) - (x[i] < x[j]), b = (y[i] > y[j]) - (y[i] < y[j]);
            sum += a * b;
            in_x += a != 0;
            in_y += b != 0;
        }
    }
    return in_x > 0 && in_y > 0 ? sum / sqrt(in_x * in_y) : 0;
}

static void test_kendall_of_many(void **state) {
    (void)state;
    double x[300], y[300];
    for (uint32_t n = 1; n <= 300; n += 13) {
        mnas_rng rng = mnas_rng_stream(1, n, "ranks");
        for (uint32_t i = 0; i < n; i++) {
            x[i] = mnas_rng_below(&rng, 1 + n / 2);
            y[i] = x[i] + mnas_rng_below(&rng, 1 + n / 3);
        }
        assert_near(mnas_stats_kendall(x, y, n), kendall_by_pairs(x, y, n), 1e-12);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mann_whitney),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_kendall),
        cmocka_unit_test(test_kendall_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
