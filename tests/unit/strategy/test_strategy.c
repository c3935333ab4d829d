/* test_strategy.c - the wrapper around all strategies (open proposals, tokens, problems, specs) and random
 * search's uniformity. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "strategy/strategy.h"

enum { T = 3 };
static const mnas_decision decisions[T] = {
    {.name = "a", .n_choices = 3}, {.name = "b", .n_choices = 5}, {.name = "c", .n_choices = 2}};

static mnas_problem problem_of(int delay) {
    return (mnas_problem){.n_decisions = T, .decisions = decisions, .n_trials = 40, .delay = delay};
}

static mnas_strategy *open_random(int delay, uint64_t seed) {
    mnas_strategy *s = NULL;
    mnas_problem problem = problem_of(delay);
    if (mnas_strategy_open(&s, "random", &problem, seed) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static void only_open_proposals_get_feedback(void **state) {
    (void)state;
    mnas_strategy *s = open_random(2, 1);
    int tokens[4][T];
    mnas_outcome outcome = {.reward = 0.5};
    assert_int_equal(mnas_strategy_feedback(s, tokens[0], &outcome), MNAS_ERR_ARG); /* nothing is open */
    assert_int_equal(mnas_strategy_propose(s, tokens[0]), 0);
    assert_int_equal(mnas_strategy_propose(s, tokens[1]), 0);
    assert_int_equal(mnas_strategy_propose(s, tokens[2]), 0); /* a backlog is allowed */
    for (int p = 0; p < 3; p++) assert_int_equal(mnas_strategy_feedback(s, tokens[p], &outcome), 0);
    assert_int_equal(mnas_strategy_feedback(s, tokens[2], &outcome), MNAS_ERR_ARG); /* each once */
    assert_non_null(strstr(mnas_error_message(), "3 made, all answered"));
    mnas_strategy_close(s);
}

static void feedback_must_be_of_the_oldest_open_proposal(void **state) {
    (void)state;
    mnas_strategy *s = open_random(1, 1);
    int tokens[T], other[T];
    mnas_outcome outcome = {.reward = 0.5};
    assert_int_equal(mnas_strategy_propose(s, tokens), 0);
    memcpy(other, tokens, sizeof other);
    other[1] = (other[1] + 1) % 5;
    assert_int_equal(mnas_strategy_feedback(s, other, &outcome), MNAS_ERR_ARG);
    static const double wrong[] = {NAN, INFINITY, -INFINITY, 1e101};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(mnas_strategy_feedback(s, tokens, &(mnas_outcome){.reward = wrong[i]}),
                         MNAS_ERR_ARG);
    assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0); /* refusals changed nothing */
    mnas_strategy_close(s);
}

/* Uniform are those proposals before which fewer than shadow * (p + 1) were; a class's own uniform start counts. */
static void check_shadow(const char *spec, double share, int n_start) {
    mnas_strategy *s = NULL;
    mnas_problem problem = problem_of(1);
    int n_uniform = 0;
    assert_int_equal(mnas_strategy_open(&s, spec, &problem, 3), 0);
    for (int p = 0; p < 200; p++) {
        int tokens[T];
        const bool due = p < n_start || n_uniform < share * (p + 1);
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        assert_int_equal(mnas_strategy_origin(s), due ? MNAS_ORIGIN_RANDOM : MNAS_ORIGIN_STRATEGY);
        assert_int_equal(mnas_strategy_feedback(s, tokens, &(mnas_outcome){.reward = 0.5}), 0);
        n_uniform += due;
    }
    assert_true(n_uniform >= 200 * share && (n_uniform <= 200 * share + 1 || n_uniform == n_start));
    mnas_strategy_close(s);
}

static void the_shadow_keeps_its_share(void **state) {
    (void)state;
    check_shadow("ppo:screen=none,start=0", 0.2, 0);
    check_shadow("ppo:screen=none,start=9", 0.2, 9);
    check_shadow("ppo:screen=none,hidden=4,start=0,shadow=0.35", 0.35, 0);
    check_shadow("ppo:screen=none,hidden=4,start=0,shadow=0", 0, 0);
    check_shadow("evolution:screen=none,population=30", 0.2, 30);
    check_shadow("evolution:screen=none,population=30,shadow=0.1", 0.1, 30);
    check_shadow("evolution:screen=none,population=30,shadow=1", 1, 30);
    check_shadow("random", 0.2, 200);
}

/* Only proposals with an even first token exist. */
static int to_even(void *user, int *tokens) {
    ++*(int *)user;
    tokens[0] -= tokens[0] % 2;
    return 0;
}

static void proposals_are_projected(void **state) {
    (void)state;
    static const char *const specs[] = {"random", "evolution:population=5",
                                        "ppo:screen=none,hidden=4,batch=4"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        mnas_strategy *s = NULL;
        int n_projected = 0, tokens[T];
        mnas_problem problem = problem_of(1);
        problem.project = to_even, problem.user = &n_projected;
        assert_int_equal(mnas_strategy_open(&s, specs[i], &problem, 3), 0);
        for (int p = 0; p < 100; p++) {
            assert_int_equal(mnas_strategy_propose(s, tokens), 0);
            assert_true(tokens[0] % 2 == 0);
            assert_int_equal(mnas_strategy_feedback(s, tokens, &(mnas_outcome){.reward = tokens[1]}), 0);
        }
        assert_true(n_projected >= 100);
        mnas_strategy_close(s);
    }
}

static void refuse(const char *spec, mnas_problem problem, const char *says) {
    mnas_strategy *s = NULL;
    assert_int_equal(mnas_strategy_open(&s, spec, &problem, 1), MNAS_ERR_ARG);
    assert_null(s);
    if (!strstr(mnas_error_message(), says)) fail_msg("no \"%s\" in: %s", says, mnas_error_message());
}

static void wrong_problems_and_specs_are_refused(void **state) {
    (void)state;
    static const mnas_decision empty[1] = {{.name = "nothing", .n_choices = 0}};
    mnas_problem problem = problem_of(1);
    refuse("randm", problem, "random"); /* the nearest one */
    refuse("random:x=1", problem, "random");
    problem.n_decisions = 0;
    refuse("random", problem, "0 decisions");
    refuse("random", (mnas_problem){.n_decisions = 1, .decisions = empty, .n_trials = 1, .delay = 1},
           "nothing");
    refuse("random", problem_of(0), "delay is 0");
    problem = problem_of(1);
    problem.n_trials = 0;
    refuse("random", problem, "0 trials");
    mnas_strategy_close(NULL);
}

/* Chi-square of every decision and of the pairs of the first two: independent and uniform. */
static void random_search_is_uniform(void **state) {
    (void)state;
    enum { N = 30000 };
    mnas_strategy *s = open_random(1, 12);
    double single[T][5] = {0}, pairs[15] = {0}, probs[10];
    for (int i = 0; i < N; i++) {
        int tokens[T];
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        assert_int_equal(mnas_strategy_feedback(s, tokens, &(mnas_outcome){.reward = tokens[0]}),
                         0); /* ignored */
        for (int t = 0; t < T; t++) single[t][tokens[t]]++;
        pairs[tokens[0] * 5 + tokens[1]]++;
    }
    static const double limits[T] = {13.8, 18.5,
                                     10.8}; /* 0.999 quantiles with 2, 4 and 1 degrees of freedom */
    for (int t = 0; t < T; t++) {
        double chi = 0, expected = (double)N / decisions[t].n_choices;
        for (int k = 0; k < decisions[t].n_choices; k++) chi += pow(single[t][k] - expected, 2) / expected;
        assert_true(chi < limits[t]);
    }
    double chi = 0;
    for (int k = 0; k < 15; k++) chi += pow(pairs[k] - N / 15.0, 2) / (N / 15.0);
    assert_true(chi < 36.1); /* 14 degrees */
    mnas_strategy_status status;
    mnas_strategy_get_status(s, &status);
    assert_true(fabs(status.entropy - log(30) / 3) < 1e-12 && status.entropy_max == status.entropy);
    assert_true(isnan(status.baseline) && status.n_updates == 0);
    mnas_strategy_probabilities(s, probs);
    assert_true(probs[0] == 1.0 / 3 && probs[3] == 0.2 && probs[9] == 0.5);
    mnas_strategy_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_open_proposals_get_feedback),
        cmocka_unit_test(feedback_must_be_of_the_oldest_open_proposal),
        cmocka_unit_test(the_shadow_keeps_its_share),
        cmocka_unit_test(proposals_are_projected),
        cmocka_unit_test(wrong_problems_and_specs_are_refused),
        cmocka_unit_test(random_search_is_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
