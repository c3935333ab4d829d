/* test_ppo.c - the controller as a strategy: presets and options, when it updates, what it makes of failures,
 * repeats and late answers, and that extreme options never give numbers that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "landscape.h"
#include "strategy/strategy_internal.h"
#include "strategy/strategy_ppo.h"

enum { T = 6 };
static landscape table;

static mnas_strategy *open_ppo(const char *spec, int n_trials, int delay) {
    mnas_strategy *s = NULL;
    landscape_make(&table, T, 3, 0.5, 5);
    mnas_problem problem = {
        .n_decisions = T, .decisions = table.decisions, .n_trials = n_trials, .delay = delay};
    if (mnas_strategy_open(&s, spec, &problem, 1) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static const mnas_ppo *inside(mnas_strategy *s) {
    return mnas_strategy_self(s);
}

static mnas_ppo_config config_of(const char *spec, int n_trials) {
    mnas_strategy *s = open_ppo(spec, n_trials, 1);
    mnas_ppo_config config = inside(s)->config;
    mnas_strategy_close(s);
    return config;
}

/* One proposal and its answer. */
static void step(mnas_strategy *s, int tokens[T], mnas_outcome outcome) {
    assert_int_equal(mnas_strategy_propose(s, tokens), 0);
    assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0);
}

static void preset_paper_is_what_the_papers_state(void **state) {
    (void)state;
    mnas_ppo_config c = config_of("ppo:preset=paper", 40);
    assert_int_equal(c.hidden, 100);
    assert_int_equal(c.batch, 20);
    assert_true(c.lr == 0.00035 && c.entropy == 0.00001 && c.baseline_decay == 0.95 && c.init == 0.1);
    assert_true(c.clip == 0.2 && c.epochs == 4 && c.grad_clip == 0.5 && c.temperature == 1);
    assert_true(c.advantage == MNAS_PPO_RAW && c.start == 0 && c.replay == 0 && !c.fresh);
    mnas_strategy *s = open_ppo("ppo:preset=paper", 40, 1);
    double largest = 0, mean = 0, n = (double)inside(s)->policy.n_params;
    for (size_t i = 0; i < inside(s)->policy.n_params; i++) {
        largest = fmax(largest, fabs(inside(s)->policy.params[i]));
        mean += inside(s)->policy.params[i] / n;
    }
    assert_true(largest <= 0.1 && largest > 0.099 && fabs(mean) < 0.002);
    mnas_strategy_close(s);
}

static void auto_depends_on_the_planned_trials(void **state) {
    (void)state;
    static const struct {
        int n_trials, start, batch;
    } cases[] = {{1, 1, 2}, {40, 9, 5}, {100, 15, 8}, {500, 33, 17}, {1000, 47, 25}, {8000, 134, 64}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_ppo_config c = config_of("ppo", cases[i].n_trials);
        assert_int_equal(c.start, cases[i].start);
        assert_int_equal(c.batch, cases[i].batch);
        assert_true(c.hidden == 0 && c.init == 0 && c.clip == 0.5 && c.entropy == 0.1 && c.epochs == 12);
        assert_true(fabs(c.lr - 0.15 / pow(fmax(1, cases[i].n_trials / 100.0), 0.25)) < 1e-12);
        assert_true(c.replay == 0.1 && c.best == 5 && c.advantage == MNAS_PPO_BATCH && c.fresh);
    }
}

/* An LSTM has a step size and a start of its own; to name its size is to ask for it. */
static void the_policy_is_chosen(void **state) {
    (void)state;
    mnas_ppo_config lstm = config_of("ppo:policy=lstm", 100), sized = config_of("ppo:hidden=7", 100),
                    none = config_of("ppo:preset=paper,policy=independent", 100);
    assert_true(lstm.hidden == 24 && lstm.embedding == 8 && lstm.lr == 0.01 && lstm.init == 0.1);
    assert_true(sized.hidden == 7 && sized.embedding == 8 && sized.lr == 0.01);
    assert_true(none.hidden == 0 && none.embedding == 0 && none.lr == 0.00035);
    mnas_strategy *s = open_ppo("ppo", 100, 1);
    assert_int_equal(inside(s)->policy.n_params, 3 * T); /* biases alone */
    mnas_strategy_close(s);
}

static void given_options_override_the_preset(void **state) {
    (void)state;
    mnas_ppo_config c =
        config_of("ppo:preset=paper,hidden=7,embedding=3,batch=4,epochs=2,lr=0.5,clip=0.1,entropy=0,"
                  "baseline-decay=0,grad-clip=0,temperature=2,init=0.3,normalize=running,start=3,replay=2,"
                  "best=9,fresh=yes",
                  40);
    assert_true(c.hidden == 7 && c.embedding == 3 && c.batch == 4 && c.epochs == 2);
    assert_true(c.lr == 0.5 && c.clip == 0.1 && c.entropy == 0 && c.baseline_decay == 0 && c.grad_clip == 0);
    assert_true(c.temperature == 2 && c.init == 0.3 && c.advantage == MNAS_PPO_RUNNING);
    assert_true(c.start == 3 && c.replay == 2 && c.best == 9 && c.fresh);
    c = config_of("ppo:normalize=no,fresh=no", 40);
    assert_true(c.advantage == MNAS_PPO_RAW && !c.fresh);
}

static void wrong_options_are_refused(void **state) {
    (void)state;
    static const char *const specs[] = {"ppo:hidden=0",      "ppo:lr=-1",      "ppo:batch=0",
                                        "ppo:clip=nan",      "ppo:preset=big", "ppo:learning=0.1",
                                        "ppo:temperature=0", "ppo:epochs=1.5"};
    mnas_problem problem = {.n_decisions = T, .decisions = table.decisions, .n_trials = 40, .delay = 1};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        mnas_strategy *s = NULL;
        assert_int_equal(mnas_strategy_open(&s, specs[i], &problem, 1), MNAS_ERR_ARG);
        assert_null(s);
    }
}

static void forty_trials_make_at_least_five_updates(void **state) {
    (void)state;
    for (int delay = 1; delay <= 8; delay += 7) {
        mnas_strategy *s = open_ppo("ppo", 40, delay);
        mnas_strategy_status status;
        int tokens[40][T];
        for (int p = 0, fed = 0; p < 40; p++) {
            for (; fed <= p - delay; fed++) {
                mnas_outcome outcome = {.reward = landscape_reward(&table, tokens[fed])};
                assert_int_equal(mnas_strategy_feedback(s, tokens[fed], &outcome), 0);
            }
            assert_int_equal(mnas_strategy_propose(s, tokens[p]), 0);
        }
        mnas_strategy_get_status(s, &status);
        assert_true(status.n_updates >= 5); /* before the last answers are in */
        mnas_strategy_close(s);
    }
}

static void baseline_is_a_moving_average_of_rewards(void **state) {
    (void)state;
    mnas_strategy *s = open_ppo("ppo:hidden=4,embedding=2,batch=2,baseline-decay=0.9,fresh=no", 40, 1);
    mnas_strategy_status status;
    int tokens[T];
    mnas_strategy_get_status(s, &status);
    assert_true(isnan(status.baseline) && status.n_updates == 0);
    double rewards[] = {0.5, 0.7, 0.9, 0.1}, want = 0.6; /* starts at the first batch's mean */
    for (int i = 0; i < 4; i++) {
        step(s, tokens, (mnas_outcome){.reward = rewards[i], .repeat = i == 2});
        want = 0.9 * want + 0.1 * rewards[i];
    }
    mnas_strategy_get_status(s, &status);
    assert_int_equal(status.n_updates, 2);
    assert_true(fabs(status.baseline - want) < 1e-15);
    step(s, tokens,
         (mnas_outcome){.reward = 0.8,
                        .failed = true}); /* failed: not averaged in, even where a reward stands */
    step(s, tokens, (mnas_outcome){.reward = 0, .failed = true});
    mnas_strategy_get_status(s, &status);
    assert_int_equal(status.n_updates, 3);
    assert_true(fabs(status.baseline - want) < 1e-15);
    mnas_strategy_close(s);
}

/* What status() tells is the entropy of the policy that makes the next proposal. */
static void entropy_is_that_of_the_present_policy(void **state) {
    (void)state;
    mnas_strategy *s = open_ppo("ppo:hidden=8,embedding=4,batch=3,lr=0.05", 40, 1);
    mnas_strategy_status status;
    int tokens[3][T];
    double sum = 0;
    for (int i = 0; i < 3; i++) step(s, tokens[i], (mnas_outcome){.reward = 0.5 + 0.1 * i});
    mnas_strategy_get_status(s, &status);
    assert_int_equal(status.n_updates, 1);
    mnas_policy policy = inside(s)->policy;
    mnas_policy_evaluate(&policy, 3, tokens[0]);
    for (size_t i = 0; i < 3 * T; i++) sum += mnas_policy_entropy(&policy, i / T, i % T);
    assert_true(fabs(status.entropy - sum / (3 * T)) < 1e-12);
    assert_true(status.entropy < status.entropy_max - 1e-4);
    mnas_strategy_close(s);
}

/* Decision 0 = choice 0 always fails; all else is equal, from `level` up. How many of the last 50 fail, a third by chance. */
static int count_failures(const char *spec, double level) {
    mnas_strategy *s = open_ppo(spec, 200, 1);
    int tokens[T], n_failed = 0;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        bool failed = tokens[0] == 0;
        mnas_outcome outcome = {.reward = failed ? fmin(0, level) : level + 0.001 * (i % 7),
                                .failed = failed};
        assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0);
        n_failed += failed && i >= 150;
    }
    mnas_strategy_close(s);
    return n_failed;
}

static void failures_are_avoided(void **state) {
    (void)state;
    assert_true(count_failures("ppo:shadow=0", 0.8) <= 4);
    assert_true(count_failures("ppo:shadow=0", -2.3) <= 4);
    /* raw rewards: no failure is better than what is below 0 */
    assert_true(count_failures("ppo:shadow=0,screen=none,normalize=no,lr=0.02", -2.3) <= 25);
}

/* The ratio of a proposal that waited is taken against the policy which made it, not the present one. */
static void late_answers_keep_their_own_probabilities(void **state) {
    (void)state;
    mnas_strategy *s = open_ppo("ppo:hidden=8,embedding=4,batch=2,lr=0.05", 40, 4);
    int tokens[12][T];
    double kept[12][T];
    for (int p = 0, fed = 0; p < 12; p++) {
        for (; fed <= p - 4; fed++) {
            mnas_outcome outcome = {.reward = landscape_reward(&table, tokens[fed])};
            assert_memory_equal(inside(s)->open.log_probs, kept[fed], sizeof kept[fed]);
            assert_int_equal(mnas_strategy_feedback(s, tokens[fed], &outcome), 0);
        }
        assert_int_equal(mnas_strategy_propose(s, tokens[p]), 0);
        mnas_policy policy = inside(s)->policy; /* scratch is shared, parameters are only read */
        mnas_policy_evaluate(&policy, 1, tokens[p]);
        for (size_t t = 0; t < T; t++) kept[p][t] = mnas_policy_log_prob(&policy, 0, t, tokens[p][t]);
    }
    mnas_policy policy = inside(s)->policy;
    mnas_policy_evaluate(&policy, 1, tokens[0]);
    assert_true(fabs(mnas_policy_log_prob(&policy, 0, 0, tokens[0][0]) - kept[0][0]) >
                1e-3); /* it has moved since */
    mnas_strategy_close(s);
}

static void marginals_agree_with_samples(void **state) {
    (void)state;
    enum { N = 2000 };
    mnas_strategy *s = open_ppo("ppo:hidden=16,embedding=8,lr=0.01", 400, 1);
    double probs[3 * T], counted[3 * T] = {0};
    int tokens[T];
    for (int i = 0; i < 120; i++) {
        assert_int_equal(mnas_strategy_propose(s, tokens), 0);
        mnas_outcome outcome = {.reward = landscape_reward(&table, tokens)};
        assert_int_equal(mnas_strategy_feedback(s, tokens, &outcome), 0);
    }
    mnas_strategy_probabilities(s, probs);
    mnas_policy policy = inside(s)->policy;
    mnas_rng rng = mnas_rng_stream(9, 0, "test");
    double far = 0;
    for (int i = 0; i < N; i++) {
        mnas_policy_sample(&policy, 1, &rng, tokens);
        for (int t = 0; t < T; t++) counted[3 * t + tokens[t]] += 1.0 / N;
    }
    for (int k = 0; k < 3 * T; k++) {
        assert_true(fabs(probs[k] - counted[k]) < 0.08);
        far = fmax(far, fabs(probs[k] - 1.0 / 3));
    }
    assert_true(far > 0.2); /* it has learnt something to be seen */
    mnas_strategy_close(s);
}

static void extreme_options_stay_finite(void **state) {
    (void)state;
    static const char *const specs[] = {
        "lr=1,grad-clip=0,epochs=20",    "temperature=0.01,lr=0.1", "temperature=100", "init=10,lr=1",
        "clip=1000000,lr=1,grad-clip=0", "entropy=1000,lr=1",       "init=0"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        char spec[128];
        snprintf(spec, sizeof spec, "ppo:hidden=8,embedding=4,batch=3,%s", specs[i]);
        mnas_strategy *s = open_ppo(spec, 40, 1);
        int tokens[T];
        for (int p = 0; p < 120;
             p++) /* rewards of no sense at all, a huge one, a batch of equal ones, failures */
            step(s, tokens,
                 (mnas_outcome){.reward = p < 6     ? 0.5
                                          : p == 50 ? 1e100
                                                    : (p * 37 % 11) - 5,
                                .failed = p % 9 == 8});
        for (size_t k = 0; k < inside(s)->policy.n_params; k++)
            assert_true(isfinite(inside(s)->policy.params[k]));
        assert_true(isfinite(inside(s)->entropy) && isfinite(inside(s)->spread));
        mnas_strategy_close(s);
    }
}

static void a_first_batch_of_failures_is_survived(void **state) {
    (void)state;
    mnas_strategy *s = open_ppo("ppo:hidden=8,embedding=4,batch=5", 40, 1);
    mnas_strategy_status status;
    int tokens[T];
    for (int i = 0; i < 10; i++) step(s, tokens, (mnas_outcome){.failed = true});
    mnas_strategy_get_status(s, &status);
    assert_true(isnan(status.baseline) && status.n_updates == 2);
    for (int i = 0; i < 5; i++) step(s, tokens, (mnas_outcome){.reward = 0.5 + 0.1 * i});
    mnas_strategy_get_status(s, &status);
    assert_true(status.baseline > 0.5 && status.baseline < 0.9);
    mnas_strategy_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preset_paper_is_what_the_papers_state),
        cmocka_unit_test(auto_depends_on_the_planned_trials),
        cmocka_unit_test(the_policy_is_chosen),
        cmocka_unit_test(given_options_override_the_preset),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(forty_trials_make_at_least_five_updates),
        cmocka_unit_test(baseline_is_a_moving_average_of_rewards),
        cmocka_unit_test(entropy_is_that_of_the_present_policy),
        cmocka_unit_test(failures_are_avoided),
        cmocka_unit_test(late_answers_keep_their_own_probabilities),
        cmocka_unit_test(marginals_agree_with_samples),
        cmocka_unit_test(extreme_options_stay_finite),
        cmocka_unit_test(a_first_batch_of_failures_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
