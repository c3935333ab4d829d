/* test_gp.c - the Gaussian process against the formulas written out, slopes against finite differences, rows that come one by
 * one against all at once, and a planted structure that the settings must find. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/linalg.h"
#include "base/rng.h"
#include "strategy/gp.h"
#include "strategy/surrogate.h"

enum { T = 4, D = 2, N = 40 };

static const double values[3] = {3, 7, 5}; /* ranks 0, 2, 1 */
static const mnas_decision decisions[T] = {
    {.name = "kernel", .ordinal = true, .n_choices = 3, .values = values},
    {.name = "op", .n_choices = 4},
    {.name = "forced", .n_choices = 1},
    {.name = "se", .n_choices = 2}};

typedef struct points {
    int tokens[N][T];
    double descriptors[N][D], targets[N];
} points;

static points make_points(uint64_t seed) {
    points p;
    mnas_rng rng = mnas_rng_stream(seed, 0, "test");
    for (int i = 0; i < N; i++) {
        for (int t = 0; t < T; t++)
            p.tokens[i][t] = (int)mnas_rng_below(&rng, (uint32_t)decisions[t].n_choices);
        for (int d = 0; d < D; d++) p.descriptors[i][d] = mnas_rng_normal(&rng);
        p.targets[i] = mnas_rng_normal(&rng);
    }
    return p;
}

static mnas_gp open_gp(void) {
    mnas_gp gp;
    assert_int_equal(mnas_gp_create(&gp, decisions, T, D), 0);
    for (size_t i = 0; i < gp.n_settings; i++) gp.settings[i] = -1 + 0.2 * (double)i;
    mnas_gp_set_settings(&gp, gp.settings);
    return gp;
}

/* The kernel of gp.h, written out. */
static double kernel(const double *s, const int *a, const int *b, const double *u, const double *v) {
    static const double ranks[3] = {0, 1, 0.5};
    const double d0 = ranks[a[0]] - ranks[b[0]], l = exp(s[MNAS_GP_L]);
    double exponent = exp(s[MNAS_GP_SHARED]) * d0 * d0, same = 0, squared = 0, product = 0;
    for (int t = 1; t < T; t++) exponent += exp(s[MNAS_GP_SHARED + t]) * (a[t] != b[t]);
    for (int t = 0; t < T; t++) same += (a[t] == b[t]) - 1.0 / decisions[t].n_choices;
    for (int d = 0; d < D; d++) squared += pow(u[d] - v[d], 2), product += u[d] * v[d];
    return exp(s[MNAS_GP_A]) * exp(-exponent) + exp(s[MNAS_GP_B]) * same / T +
           exp(s[MNAS_GP_C]) * exp(-squared / (2 * l * l)) + exp(s[MNAS_GP_E]) * product / D;
}

static void predictions_are_the_formulas(void **state) {
    (void)state;
    enum { M = 12 };
    const points p = make_points(1);
    mnas_gp gp = open_gp();
    double k[M * M], a[M], row[M], mean, sd;
    for (int i = 0; i < M; i++)
        for (int j = 0; j < M; j++)
            k[i * M + j] = kernel(gp.settings, p.tokens[i], p.tokens[j], p.descriptors[i], p.descriptors[j]) +
                           (i == j) * (exp(gp.settings[MNAS_GP_N]) + 1e-6);
    assert_true(mnas_cholesky(k, M));
    memcpy(a, p.targets, sizeof a);
    mnas_cholesky_solve(k, M, a);
    assert_int_equal(mnas_gp_add(&gp, p.tokens[0], p.descriptors[0], M), 0);
    mnas_gp_set_targets(&gp, p.targets);
    for (int x = M; x < N; x++) {
        for (int i = 0; i < M; i++)
            row[i] = kernel(gp.settings, p.tokens[x], p.tokens[i], p.descriptors[x], p.descriptors[i]);
        double wanted = mnas_dot(row, a, M), solved[M];
        memcpy(solved, row, sizeof solved);
        mnas_cholesky_solve(k, M, solved);
        const double variance =
            kernel(gp.settings, p.tokens[x], p.tokens[x], p.descriptors[x], p.descriptors[x]) -
            mnas_dot(row, solved, M);
        mnas_gp_predict(&gp, p.tokens[x], p.descriptors[x], &mean, &sd);
        assert_true(fabs(mean - wanted) < 1e-9);
        assert_true(fabs(sd * sd - variance) < 1e-9);
    }
    mnas_gp_destroy(&gp);
}

static void one_by_one_is_all_at_once(void **state) {
    (void)state;
    const points p = make_points(2);
    mnas_gp once = open_gp(), slowly = open_gp();
    assert_int_equal(mnas_gp_add(&once, p.tokens[0], p.descriptors[0], N), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(mnas_gp_add(&slowly, p.tokens[(i * 7) % N], p.descriptors[i], 1),
                         0); /* and gone again */
        mnas_gp_truncate(&slowly, (size_t)i);
        assert_int_equal(mnas_gp_add(&slowly, p.tokens[i], p.descriptors[i], 1), 0);
    }
    assert_memory_equal(once.factor, slowly.factor, mnas_packed_row(N) * sizeof(double));
    mnas_gp_destroy(&once);
    mnas_gp_destroy(&slowly);
}

static void slopes_are_those_of_the_value(void **state) {
    (void)state;
    const points p = make_points(3);
    mnas_gp gp = open_gp();
    double at[MNAS_GP_SHARED + T], gradient[MNAS_GP_SHARED + T], low, high;
    memcpy(at, gp.settings, sizeof at);
    assert_int_equal(mnas_gp_likelihood(&gp, at, p.tokens[0], p.descriptors[0], p.targets, N, &low, gradient),
                     0);
    for (size_t i = 0; i < gp.n_settings; i++) {
        if (i == MNAS_GP_SHARED + 2) { /* a decision without a choice says nothing */
            assert_true(gradient[i] == 0);
            continue;
        }
        const double kept = at[i], step = 1e-5;
        at[i] = kept - step;
        mnas_gp_likelihood(&gp, at, p.tokens[0], p.descriptors[0], p.targets, N, &low, NULL);
        at[i] = kept + step;
        mnas_gp_likelihood(&gp, at, p.tokens[0], p.descriptors[0], p.targets, N, &high, NULL);
        at[i] = kept;
        assert_true(fabs((high - low) / (2 * step) - gradient[i]) < 1e-4 * (1 + fabs(gradient[i])));
    }
    mnas_gp_destroy(&gp);
}

/* Only decision 1 matters: a change of it is found to be far, one of decision 3 near, and there is next to no noise. */
static void what_matters_is_found(void **state) {
    (void)state;
    points p = make_points(4);
    mnas_gp gp;
    static const double worth[4] = {1.5, -1, 0.4, -0.9};
    assert_int_equal(mnas_gp_create(&gp, decisions, T, D), 0);
    for (int i = 0; i < N; i++) p.targets[i] = worth[p.tokens[i][1]];
    assert_int_equal(mnas_gp_search_settings(&gp, p.tokens[0], p.descriptors[0], p.targets, N, 60), 0);
    assert_true(gp.settings[MNAS_GP_N] < log(0.01));
    assert_true(gp.settings[MNAS_GP_SHARED + 1] > gp.settings[MNAS_GP_SHARED + 3] + 1);
    assert_int_equal(mnas_gp_add(&gp, p.tokens[0], p.descriptors[0], N / 2), 0);
    mnas_gp_set_targets(&gp, p.targets);
    for (int i = N / 2; i < N; i++) {
        double mean;
        mnas_gp_predict(&gp, p.tokens[i], p.descriptors[i], &mean, NULL);
        assert_true(fabs(mean - p.targets[i]) < 0.2);
    }
    mnas_gp_destroy(&gp);
}

/* Of many networks the best half of the limit takes part, and a spread of the others. */
static void a_surrogate_keeps_to_its_limit(void **state) {
    (void)state;
    enum { MANY = 300, LIMIT = 20 };
    static int tokens[MANY][T];
    static double descriptors[MANY][D], targets[MANY];
    mnas_rng rng = mnas_rng_stream(5, 0, "test");
    for (int i = 0; i < MANY; i++) {
        for (int t = 0; t < T; t++)
            tokens[i][t] = (int)mnas_rng_below(&rng, (uint32_t)decisions[t].n_choices);
        for (int d = 0; d < D; d++) descriptors[i][d] = 100 + mnas_rng_normal(&rng);
        targets[i] = i % 3 == 0 ? (double)NAN : (i * 37) % MANY;
    }
    mnas_surrogate s;
    const mnas_surrogate_list list = {MANY, tokens[0], descriptors[0], targets, NULL};
    assert_int_equal(mnas_surrogate_create(&s, decisions, T, D, LIMIT), 0);
    assert_int_equal(mnas_surrogate_update(&s, &list), 0);
    assert_in_range(s.n_members, LIMIT - 1, LIMIT);
    int n_best = 0;
    for (size_t i = 0; i < s.n_members; i++) {
        assert_true(targets[s.members[i]] >= 0); /* NaN is not */
        if (targets[s.members[i]] >= MANY - 16) n_best++;
        double mean, sd;
        mnas_surrogate_predict(&s, tokens[s.members[i]], descriptors[s.members[i]], &mean, &sd);
        assert_true(fabs(mean - mnas_surrogate_posterior(&s, i)) < 1e-6 * MANY && sd >= 0);
    }
    assert_in_range(n_best, LIMIT / 2, LIMIT / 2 + 2);
    mnas_surrogate_destroy(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions_are_the_formulas),   cmocka_unit_test(one_by_one_is_all_at_once),
        cmocka_unit_test(slopes_are_those_of_the_value),  cmocka_unit_test(what_matters_is_found),
        cmocka_unit_test(a_surrogate_keeps_to_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
