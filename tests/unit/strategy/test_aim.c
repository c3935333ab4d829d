/* test_aim.c - a strategy that is to hit a window of latencies: it learns where that lies from what was measured, trained or not, tells
 * good from bad inside, and a saved one goes on to the bit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "strategy/strategy.h"

enum { T = 6, K = 4 };

static const char *const words[K] = {"a", "b", "c", "d"};
static const double values[K] = {1, 2, 3, 4};
static const mnas_decision decisions[T] = {
    {.name = "p", .ordinal = true, .n_choices = K, .choices = words, .values = values},
    {.name = "q", .ordinal = true, .n_choices = K, .choices = words, .values = values},
    {.name = "r", .ordinal = true, .n_choices = K, .choices = words, .values = values},
    {.name = "s", .ordinal = true, .n_choices = K, .choices = words, .values = values},
    {.name = "t", .n_choices = K, .choices = words},
    {.name = "u", .n_choices = K, .choices = words}};

/* 1.06 each step, in all directions: 4,096 networks between 10 and 34 ms. */
static double latency_of(const int *tokens) {
    double sum = 0;
    for (int t = 0; t < T; t++) sum += tokens[t] * (1 + 0.1 * t);
    return 10 * exp(0.054 * sum);
}

static double reward_of(const int *tokens) {
    return 0.6 + 0.02 * tokens[0] - 0.03 * tokens[4] + 0.01 * tokens[1] * (tokens[5] == 2);
}

static const mnas_problem problem = {.n_decisions = T,
                                     .decisions = decisions,
                                     .n_trials = 60,
                                     .delay = 1,
                                     .window_low_ms = 17.64,
                                     .window_high_ms = 18};

static bool is_inside(const int *tokens) {
    const double ms = latency_of(tokens);
    return ms >= problem.window_low_ms && ms <= problem.window_high_ms;
}

static double share_inside(void) {
    int n = 0;
    for (int code = 0; code < 4096; code++) {
        int tokens[T];
        for (int t = 0; t < T; t++) tokens[t] = code >> 2 * t & 3;
        n += is_inside(tokens);
    }
    return n / 4096.0;
}

static mnas_strategy *open_one(const char *spec) {
    mnas_strategy *s;
    if (mnas_strategy_open(&s, spec, &problem, 3) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static void step(mnas_strategy *s, int *tokens) {
    if (mnas_strategy_propose(s, tokens) < 0) fail_msg("%s", mnas_error_message());
    const bool inside = is_inside(tokens);
    const mnas_outcome outcome = {.reward = inside ? reward_of(tokens) : 0,
                                  .failed = !inside,
                                  .untried = !inside,
                                  .latency_ms = latency_of(tokens)};
    if (mnas_strategy_feedback(s, tokens, &outcome) < 0) fail_msg("%s", mnas_error_message());
}

static void test_it_learns_where_the_window_is(void **state) {
    (void)state;
    const double chance = share_inside();
    static const char *const specs[] = {"evolution:shadow=0", "ppo:shadow=0"};
    assert_true(chance > 0.01 && chance < 0.1);
    for (int i = 0; i < 2; i++) {
        mnas_strategy *s = open_one(specs[i]);
        int tokens[T], n_inside = 0;
        double best = 0;
        for (int p = 0; p < 80; p++) {
            step(s, tokens);
            if (p < 30) continue;
            n_inside += is_inside(tokens);
            if (is_inside(tokens)) best = fmax(best, reward_of(tokens));
        }
        if (!(n_inside / 50.0 > 5 * chance))
            fail_msg("%s: %d of 50, by chance %.3f", specs[i], n_inside, chance);
        assert_true(best > 0.62);
        mnas_strategy_close(s);
    }
}

/* Where next to nothing lies that chance would find: the largest network of all takes 33.9 ms. */
static void test_a_window_in_the_tail_is_reached(void **state) {
    (void)state;
    mnas_problem tail = problem;
    mnas_strategy *s;
    int tokens[T], n_inside = 0;
    tail.window_low_ms = 29.4, tail.window_high_ms = 30;
    if (mnas_strategy_open(&s, "evolution:shadow=0", &tail, 3) < 0) fail_msg("%s", mnas_error_message());
    for (int p = 0; p < 60; p++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        const double ms = latency_of(tokens);
        const bool inside = ms >= tail.window_low_ms && ms <= tail.window_high_ms;
        const mnas_outcome outcome = {.reward = inside ? reward_of(tokens) : 0,
                                      .failed = !inside,
                                      .untried = !inside,
                                      .latency_ms = ms};
        assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0);
        n_inside += inside;
    }
    mnas_strategy_close(s);
    if (n_inside < 5) fail_msg("%d of 60", n_inside);
}

/* Also where it has seen few rewards, and before it has seen any latency. */
static void test_saved_goes_on(void **state) {
    (void)state;
    for (int n = 0; n < 70; n += 14) {
        mnas_strategy *a = open_one("evolution"), *b = open_one("evolution");
        int x[T], y[T];
        mnas_str bytes = {0};
        for (int p = 0; p < n; p++) step(a, x);
        assert_int_equal(mnas_strategy_save(a, &bytes), 0);
        if (mnas_strategy_load(b, bytes.data, bytes.len) < 0) fail_msg("%s", mnas_error_message());
        for (int p = 0; p < 12; p++) {
            step(a, x);
            step(b, y);
            assert_memory_equal(x, y, sizeof x);
        }
        mnas_str_free(&bytes);
        mnas_strategy_close(a);
        mnas_strategy_close(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_it_learns_where_the_window_is),
                                       cmocka_unit_test(test_a_window_in_the_tail_is_reached),
                                       cmocka_unit_test(test_saved_goes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
