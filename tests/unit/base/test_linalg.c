/* test_linalg.c - factors, solutions and non-negative weights against what they are defined by. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/linalg.h"
#include "base/rng.h"

enum { N = 17 };

static void assert_near(double a, double b, double tolerance) {
    if (!(fabs(a - b) <= tolerance)) fail_msg("%.17g, expected %.17g", a, b);
}

/* B^T B + I of a random B. */
static void make_definite(double *a) {
    mnas_rng rng = mnas_rng_stream(7, 0, "linalg");
    double b[N * N];
    for (int i = 0; i < N * N; i++) b[i] = mnas_rng_normal(&rng);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i * N + j] = i == j;
            for (int k = 0; k < N; k++) a[i * N + j] += b[k * N + i] * b[k * N + j];
        }
}

static void test_cholesky(void **state) {
    (void)state;
    double a[N * N], l[N * N], x[N], wanted[N], column[N], diagonal[N];
    make_definite(a);
    memcpy(l, a, sizeof l);
    assert_true(mnas_cholesky(l, N));
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++)
            assert_near(mnas_dot(&l[i * N], &l[j * N], (size_t)j + 1), a[i * N + j], 1e-10);
    for (int i = 0; i < N; i++) wanted[i] = i - 3.5;
    for (int i = 0; i < N; i++) x[i] = mnas_dot(&a[i * N], wanted, N);
    mnas_cholesky_solve(l, N, x);
    for (int i = 0; i < N; i++) assert_near(x[i], wanted[i], 1e-9);
    mnas_cholesky_inverse_diagonal(l, N, diagonal, column);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) x[j] = i == j;
        mnas_cholesky_solve(l, N, x);
        assert_near(diagonal[i], x[i], 1e-10);
    }
}

static void test_not_definite(void **state) {
    (void)state;
    double saddle[4] = {1, 0, 2, 1}, broken[1] = {NAN};
    assert_false(mnas_cholesky(saddle, 2));
    assert_false(mnas_cholesky(broken, 1));
}

/* Where no bound holds it is the solution of the system; where one does, the slope there is not negative. */
static void test_nonnegative(void **state) {
    (void)state;
    double a[N * N], b[N], w[N];
    make_definite(a);
    for (int i = 0; i < N; i++) b[i] = i % 3 - 0.8;
    mnas_nonnegative_solve(w, a, b, N);
    int n_zero = 0;
    for (int i = 0; i < N; i++) {
        const double slope = mnas_dot(&a[i * N], w, N) - b[i];
        assert_true(w[i] >= 0 && slope >= -1e-6);
        if (w[i] > 0) assert_near(slope, 0, 1e-6);
        n_zero += w[i] == 0;
    }
    assert_true(n_zero > 0 && n_zero < N);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cholesky),
        cmocka_unit_test(test_not_definite),
        cmocka_unit_test(test_nonnegative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
