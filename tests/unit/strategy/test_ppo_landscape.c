/* test_ppo_landscape.c - does the controller learn? On synthetic tables it must beat random search, and with
 * its advantage's sign flipped the same check must fail. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/error.h"
#include "base/stats.h"
#include "landscape.h"
#include "strategy/strategy_internal.h"
#include "strategy/strategy_ppo.h"

/* Rewards of all proposals of one search. */
static void run(double *rewards, const char *spec, int n, int n_decisions, uint64_t seed,
                double advantage_sign) {
    static landscape table;
    landscape_make(&table, n_decisions, 3, 0.5, seed);
    mnas_problem problem = {
        .n_decisions = n_decisions, .decisions = table.decisions, .n_trials = n, .delay = 1};
    mnas_strategy *s = NULL;
    if (mnas_strategy_open(&s, spec, &problem, seed) < 0) fail_msg("%s", mnas_error_message());
    if (advantage_sign != 1) ((mnas_ppo *)mnas_strategy_self(s))->advantage_sign = advantage_sign;
    for (int i = 0; i < n; i++) {
        int tokens[LANDSCAPE_MAX_T];
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        mnas_outcome outcome = {.reward = landscape_reward(&table, tokens)};
        rewards[i] = outcome.reward;
        assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0);
    }
    mnas_strategy_close(s);
}

/* By how many standard errors the mean of the last `tail` rewards lies above random search's. */
static double lead(const char *spec, int n, int tail, int n_decisions, uint64_t seed, double advantage_sign) {
    double *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b);
    size_t m = (size_t)tail;
    run(a, spec, n, n_decisions, seed, advantage_sign);
    run(b, "random", n, n_decisions, seed, 1);
    double sa = mnas_stats_sd(a + n - tail, m), sb = mnas_stats_sd(b + n - tail, m);
    double z = (mnas_stats_mean(a + n - tail, m) - mnas_stats_mean(b + n - tail, m)) /
               sqrt((sa * sa + sb * sb) / tail);
    free(a);
    free(b);
    print_message("%s, %d proposals, seed %d: %+.1f standard errors\n", spec, n, (int)seed, z);
    return z;
}

/* Under a sanitizer the question is another one (is the memory right?) and a few seeds answer it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { END_SEED = 2, END_LSTM_SEED = 1, N_PAPER = 400 };
#else
enum { END_SEED = 10, END_LSTM_SEED = 3, N_PAPER = 2000 };
#endif

static void beats_random_early(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < END_SEED; seed++) {
        assert_true(lead("ppo:screen=none", 100, 50, 28, seed, 1) > 3);
        assert_true(lead("ppo:screen=none", 500, 200, 42, seed, 1) > 8);
    }
    for (uint64_t seed = 0; seed < END_LSTM_SEED; seed++)
        assert_true(lead("ppo:policy=lstm,screen=none", 100, 50, 28, seed, 1) > 3);
}

static void flipped_sign_fails_the_same_check(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < END_SEED; seed++)
        assert_true(lead("ppo:screen=none", 100, 50, 28, seed, -1) < 3);
}

/* The papers' constants are for thousands of trials. */
static void the_papers_constants_learn(void **state) {
    (void)state;
    double z = lead("ppo:preset=paper,hidden=48,screen=none", N_PAPER, 200, 20, 1, 1);
    assert_true(N_PAPER < 2000 || z > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beats_random_early),
        cmocka_unit_test(flipped_sign_fails_the_same_check),
        cmocka_unit_test(the_papers_constants_learn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
