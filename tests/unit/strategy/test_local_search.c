/* test_local_search.c - local search climbs to the optimum where there is one, proposes no network twice while others are left,
 * starts again at an optimum, and bears failures and late answers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "strategy/strategy.h"

enum { T = 8, K = 3, N_NEIGHBOURS = T * (K - 1), MAX_TRIALS = 400 };

static const int peak[T] = {2, 0, 1, 1, 2, 0, 0, 1};

static mnas_strategy *open_local(const char *spec, int delay, int n_trials) {
    static mnas_decision decisions[T];
    for (int t = 0; t < T; t++) decisions[t].n_choices = K;
    const mnas_problem problem = {
        .n_decisions = T, .decisions = decisions, .n_trials = n_trials, .delay = delay};
    mnas_strategy *s = NULL;
    if (mnas_strategy_open(&s, spec, &problem, 3) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static int distance(const int *a, const int *b) {
    int n = 0;
    for (int t = 0; t < T; t++) n += a[t] != b[t];
    return n;
}

/* Additive with different weights: one optimum, and from everywhere a neighbour that is better. */
static double worth(const int *tokens) {
    double sum = 0;
    for (int t = 0; t < T; t++) sum += (tokens[t] == peak[t]) * (1 + 0.1 * t);
    return sum;
}

static void answer(mnas_strategy *s, const int *tokens, double reward, bool failed) {
    const mnas_outcome outcome = {.reward = failed ? 0 : reward, .failed = failed};
    if (mnas_strategy_feedback(s, tokens, &outcome) < 0) fail_msg("%s", mnas_error_message());
}

/* Trials until the peak was proposed; all are answered `delay` late, and none is proposed twice. */
static int trials_to_the_peak(const char *spec, int delay) {
    static int tokens[MAX_TRIALS][T];
    mnas_strategy *s = open_local(spec, delay, 100);
    int n = 0, found = MAX_TRIALS;
    for (int fed = 0; n < MAX_TRIALS && found == MAX_TRIALS; n++) {
        for (; fed <= n - delay; fed++) answer(s, tokens[fed], worth(tokens[fed]), false);
        assert_int_equal(mnas_strategy_propose(s, tokens[n]), 0);
        for (int i = 0; i < n; i++) assert_true(distance(tokens[i], tokens[n]) > 0);
        if (distance(tokens[n], peak) == 0) found = n;
    }
    mnas_strategy_close(s);
    return found;
}

/* Every move but the last few corrects a decision, and a decision is wrong in two ways: 2 T neighbours at most between moves,
 * fewer on average. */
static void it_climbs_to_the_only_optimum(void **state) {
    (void)state;
    assert_true(trials_to_the_peak("local:starts=1,shadow=0", 1) < T * N_NEIGHBOURS);
    assert_true(trials_to_the_peak("local:starts=10,shadow=0", 1) < 10 + T * N_NEIGHBOURS);
    assert_true(trials_to_the_peak("local:starts=1,move=best,shadow=0", 1) <= 1 + T * N_NEIGHBOURS);
    assert_true(trials_to_the_peak("local:shadow=0", 5) < MAX_TRIALS);
    assert_true(trials_to_the_peak("local", 1) < MAX_TRIALS);
}

/* It is a start like others, and later the centre where it is better. */
static void it_goes_on_from_what_was_observed(void **state) {
    (void)state;
    mnas_strategy *s = open_local("local:starts=2,shadow=0", 1, 100);
    const int poor[T] = {0, 1, 0, 0, 0, 1, 1, 0}, good[T] = {2, 0, 1, 1, 0, 1, 1, 0},
              better[T] = {2, 0, 1, 1, 2, 0, 0, 2};
    const int *const all[] = {poor, good};
    int tokens[T];
    for (int i = 0; i < 2; i++) {
        const mnas_outcome outcome = {.reward = worth(all[i])};
        assert_int_equal(mnas_strategy_observe(s, all[i], &outcome), 0);
    }
    assert_int_equal(mnas_strategy_propose(s, tokens), 0);
    assert_int_equal(distance(tokens, good), 1);
    answer(s, tokens, 0, false);
    const mnas_outcome outcome = {.reward = worth(better)}, lost = {.failed = true};
    assert_int_equal(mnas_strategy_observe(s, better, &outcome), 0);
    assert_int_equal(mnas_strategy_observe(s, peak, &lost), 0); /* no centre, and known: not proposed */
    for (int i = 0; i < N_NEIGHBOURS - 1; i++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        assert_int_equal(distance(tokens, better), 1);
        assert_true(distance(tokens, peak) > 0);
        answer(s, tokens, 0, false);
    }
    mnas_strategy_close(s);
}

/* From the centre, the best of the starts, only unknown neighbours until one is better; then from there. */
static void it_proposes_unknown_neighbours_of_the_centre(void **state) {
    (void)state;
    mnas_strategy *s = open_local("local:starts=3,shadow=0", 1, 100);
    int centre[T] = {0}, tokens[T];
    double best = -1;
    for (int p = 0; p < 3; p++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        answer(s, tokens, worth(tokens), false);
        if (worth(tokens) > best) best = worth(tokens), memcpy(centre, tokens, sizeof centre);
    }
    while (distance(centre, peak) > 0) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        assert_int_equal(distance(tokens, centre), 1);
        answer(s, tokens, worth(tokens), false);
        if (worth(tokens) > best) best = worth(tokens), memcpy(centre, tokens, sizeof centre);
    }
    mnas_strategy_close(s);
}

/* At the optimum: all of its neighbours, then a start elsewhere. */
static void it_starts_again_at_an_optimum(void **state) {
    (void)state;
    mnas_strategy *s = open_local("local:starts=1,shadow=0", 1, 100);
    mnas_strategy_status status;
    int first[T], tokens[T], n_far = 0;
    assert_int_equal(mnas_strategy_propose(s, first), 0);
    answer(s, first, 9, false);
    for (int p = 0; p < N_NEIGHBOURS; p++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        assert_int_equal(distance(tokens, first), 1);
        mnas_strategy_get_status(s, &status);
        assert_true(status.n_updates == 0 && status.baseline == 9);
        answer(s, tokens, p % 3, p % 2 == 0); /* failed ones are tried, too, and are no way out */
    }
    mnas_strategy_get_status(s, &status);
    assert_int_equal(status.n_updates, 1);
    assert_int_equal(mnas_strategy_propose(s, tokens), 0);
    n_far += distance(tokens, first);
    assert_true(n_far > 1);
    mnas_strategy_close(s);
}

/* Nothing but failures: random search; a failure with a tempting reward is not moved to. */
static void failures_are_no_centre(void **state) {
    (void)state;
    mnas_strategy *s = open_local("local:starts=1,shadow=0", 1, 100);
    int centre[T] = {0}, tokens[T];
    for (int p = 0; p < 20; p++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        answer(s, tokens, 0, true);
    }
    assert_int_equal(mnas_strategy_propose(s, centre), 0);
    answer(s, centre, -5, false);
    for (int p = 0; p < N_NEIGHBOURS - 2; p++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        assert_int_equal(distance(tokens, centre), 1);
        answer(s, tokens, 0, true);
    }
    mnas_strategy_close(s);
}

/* With all answers out the neighbours are on their way, none twice; beyond them it goes elsewhere, and stays at the centre. */
static void late_answers_are_waited_for(void **state) {
    (void)state;
    enum { N = N_NEIGHBOURS + 4 };
    mnas_strategy *s = open_local("local:starts=1,shadow=0", N, 100);
    mnas_strategy_status status;
    int centre[T], tokens[N][T];
    assert_int_equal(mnas_strategy_propose(s, centre), 0);
    answer(s, centre, 9, false);
    for (int p = 0; p < N; p++) {
        assert_int_equal(mnas_strategy_propose(s, tokens[p]), 0);
        if (p < N_NEIGHBOURS) assert_int_equal(distance(tokens[p], centre), 1);
        for (int i = 0; i < p; i++) assert_true(distance(tokens[i], tokens[p]) > 0);
    }
    for (int p = 0; p < N_NEIGHBOURS; p++) {
        mnas_strategy_get_status(s, &status);
        assert_int_equal(status.n_updates, 0);
        answer(s, tokens[p], 1, false);
    }
    mnas_strategy_get_status(s, &status);
    assert_int_equal(status.n_updates, 1);
    mnas_strategy_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_climbs_to_the_only_optimum),
        cmocka_unit_test(it_goes_on_from_what_was_observed),
        cmocka_unit_test(it_proposes_unknown_neighbours_of_the_centre),
        cmocka_unit_test(it_starts_again_at_an_optimum),
        cmocka_unit_test(failures_are_no_centre),
        cmocka_unit_test(late_answers_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
