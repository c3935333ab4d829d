/* test_rng.c - the generator's published vectors, the hash's, and streams that do not know each other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"

static void xoshiro_vectors(void **state) {
    (void)state;
    /* first outputs of the authors' xoshiro256starstar.c from the state 1, 2, 3, 4 */
    static const uint64_t want[] = {11520,
                                    0,
                                    1509978240,
                                    1215971899390074240,
                                    1216172134540287360,
                                    607988272756665600,
                                    16172922978634559625u,
                                    8476171486693032832,
                                    10595114339597558777u,
                                    2904607092377533576};
    mnas_rng rng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < 10; i++) assert_true(mnas_rng_u64(&rng) == want[i]);
}

static void fnv_vectors(void **state) {
    (void)state;
    assert_true(mnas_hash_bytes(MNAS_HASH_INIT, "", 0) == 0xcbf29ce484222325u);
    assert_true(mnas_hash_bytes(MNAS_HASH_INIT, "a", 1) == 0xaf63dc4c8601ec8cu);
    uint64_t chained = mnas_hash_bytes(mnas_hash_bytes(MNAS_HASH_INIT, "foo", 3), "bar", 3);
    assert_true(chained == 0x85944171f73967e8u);
}

/* Correlation of two streams over n draws; independent: about N(0, 1/n). */
static double correlation(mnas_rng a, mnas_rng b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (mnas_rng_uniform(&a) - 0.5) * (mnas_rng_uniform(&b) - 0.5);
    return sum / n * 12;
}

static void streams_are_independent(void **state) {
    (void)state;
    mnas_rng base = mnas_rng_stream(1, 2, "init"), same = mnas_rng_stream(1, 2, "init");
    assert_memory_equal(&base, &same, sizeof base);
    mnas_rng others[] = {mnas_rng_stream(2, 1, "init"), mnas_rng_stream(1, 3, "init"),
                         mnas_rng_stream(2, 2, "init"), mnas_rng_stream(1, 2, "shuffle"),
                         mnas_rng_stream(3, 0, "init"), mnas_rng_stream(1, 2, "inis")};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_memory_not_equal(&base, &others[i], sizeof base);
        assert_true(fabs(correlation(base, others[i], 20000)) < 5 / sqrt(20000));
    }
    assert_true(correlation(base, same, 20000) > 0.9); /* the measure can tell */
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void small_keys_never_collide(void **state) {
    (void)state;
    enum { N = 64 };
    static uint64_t first[N * N];
    for (uint64_t seed = 0; seed < N; seed++) {
        for (uint64_t trial = 0; trial < N; trial++) {
            mnas_rng rng = mnas_rng_stream(seed, trial, "trial");
            first[seed * N + trial] = mnas_rng_u64(&rng);
        }
    }
    qsort(first, (size_t)N * N, sizeof *first, by_value);
    for (size_t i = 1; i < (size_t)N * N; i++) assert_true(first[i] != first[i - 1]);
}

static void below_is_unbiased(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(5, 0, "below");
    enum { N = 70000 };
    int count[7] = {0};
    for (int i = 0; i < N; i++) count[mnas_rng_below(&rng, 7)]++;
    double chi2 = 0;
    for (int i = 0; i < 7; i++) chi2 += (count[i] - N / 7.0) * (count[i] - N / 7.0) / (N / 7.0);
    assert_true(chi2 < 27.9); /* 6 degrees of freedom, p = 1e-4 */
    for (int i = 0; i < 100; i++) assert_int_equal(mnas_rng_below(&rng, 1), 0);
    /* With n = 3 * 2^30 a plain product would hit every third value twice as often. */
    int thirds[3] = {0};
    for (int i = 0; i < 30000; i++) thirds[mnas_rng_below(&rng, 3u << 30) % 3]++;
    for (int i = 0; i < 3; i++) assert_true(abs(thirds[i] - 10000) < 500);
}

static void uniform_and_normal_have_their_moments(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(9, 9, "moments");
    enum { N = 100000 };
    double u1 = 0, z1 = 0, z2 = 0, z4 = 0;
    for (int i = 0; i < N; i++) {
        double u = mnas_rng_uniform(&rng), z = mnas_rng_normal(&rng);
        assert_true(u >= 0 && u < 1 && isfinite(z));
        u1 += u / N;
        z1 += z / N;
        z2 += z * z / N;
        z4 += z * z * z * z / N;
    }
    assert_true(fabs(u1 - 0.5) < 0.005);
    assert_true(fabs(z1) < 0.016 && fabs(z2 - 1) < 0.025 && fabs(z4 - 3) < 0.2);
}

static void normal_keeps_no_state(void **state) {
    (void)state;
    mnas_rng a = mnas_rng_stream(1, 1, "x"), b = a;
    mnas_rng_normal(&a);
    mnas_rng_u64(&b);
    mnas_rng_u64(&b);
    assert_memory_equal(&a, &b, sizeof a);
}

static void shuffle_permutes_uniformly(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(3, 0, "shuffle");
    int place[4][4] = {{0}};
    for (int r = 0; r < 12000; r++) {
        uint32_t v[4] = {0, 1, 2, 3};
        unsigned seen = 0;
        mnas_rng_shuffle(&rng, v, 4);
        for (int i = 0; i < 4; i++) {
            seen |= 1u << v[i];
            place[i][v[i]]++;
        }
        assert_int_equal(seen, 15);
    }
    for (int i = 0; i < 16; i++) assert_true(abs(place[i / 4][i % 4] - 3000) < 300);
    mnas_rng_shuffle(&rng, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xoshiro_vectors),         cmocka_unit_test(fnv_vectors),
        cmocka_unit_test(streams_are_independent), cmocka_unit_test(small_keys_never_collide),
        cmocka_unit_test(below_is_unbiased),       cmocka_unit_test(uniform_and_normal_have_their_moments),
        cmocka_unit_test(normal_keeps_no_state),   cmocka_unit_test(shuffle_permutes_uniformly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
