/* test_simulate.c - simulated searches on planted tables of which the answer is known: by combinatorics, by symmetry, by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "mnas.h"
#include "nas_fixture.h"
#include "search/pareto.h"
#include "search/simulate_curve.h"
#include "search/simulate_specs.h"

#define assert_near(a, b, tol)                                                                               \
    do {                                                                                                     \
        if (!(fabs((a) - (b)) <= (tol)))                                                                     \
            fail_msg(#a " is %.10g, " #b " is %.10g", (double)(a), (double)(b));                             \
    } while (0)

static mnas_simulate_options options_of(const char *table) {
    return (mnas_simulate_options){.table = table,
                                   .decisions = "arch:chars",
                                   .accuracy = "acc",
                                   .target = NAN,
                                   .strategies = "random",
                                   .trials = 50,
                                   .seeds = 20,
                                   .first_seed = 7};
}

static mnas_simulation *simulate(const mnas_simulate_options *o) {
    mnas_simulation *s;
    if (mnas_simulate(&s, o) < 0) fail_msg("%s", mnas_error_message());
    return s;
}

static void check_refused(const mnas_simulate_options *o, const char *message) {
    mnas_simulation *s;
    assert_int_equal(mnas_simulate(&s, o), MNAS_ERR_ARG);
    if (!strstr(mnas_error_message(), message)) fail_msg("%s", mnas_error_message());
}

/* Of the i-th smallest of N values: C(i-1, n-1) / C(N, n) is its probability to be the largest of n drawn without replacement. */
static double expected_best(int n_rows, int n) {
    double sum = 0;
    for (int i = n; i <= n_rows; i++)
        sum +=
            (50 + 40.0 * (i - 1) / n_rows) * exp(lgamma(i) - lgamma(n) - lgamma(i - n + 1) -
                                                 lgamma(n_rows + 1) + lgamma(n + 1) + lgamma(n_rows - n + 1));
    return sum;
}

static void random_search_finds_what_it_must(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("random.csv", 5, 3));
    o.seeds = 400;
    mnas_simulation *s = simulate(&o);
    const mnas_simulated *r = &s->strategies[0];
    assert_int_equal(r->n_curve, 3);
    for (int i = 0; i < 3; i++) {
        const mnas_simulated_point *p = &r->curve[i];
        assert_near(p->mean, expected_best(243, p->n), 4 * p->sd / sqrt(400));
        assert_near(p->optimum_share, p->n / 243.0, 4 * sqrt(p->n / 243.0 / 400));
        assert_near(p->regret_mean, s->optimum - p->mean, 1e-9);
        assert_near(p->chosen_mean, p->mean, 1e-9); /* without noise */
        assert_true(isnan(p->gain) && isnan(p->hypervolume_mean));
    }
    assert_near(s->optimum, 50 + 40.0 * 242 / 243, 1e-9);
    assert_near(s->second_best, 50 + 40.0 * 241 / 243, 1e-9);
    mnas_simulation_free(s);
}

static void a_table_is_used_up(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("small.csv", 3, 3));
    o.latency = "ms", o.target = 5, o.trials = 30;
    mnas_simulation *s = simulate(&o);
    const mnas_simulated *r = &s->strategies[0];
    const mnas_simulated_point *last = &r->curve[r->n_curve - 1];
    assert_int_equal(last->n, 30);
    assert_int_equal(last->n_reached, 0); /* there are 27 */
    assert_int_equal(r->n_exhausted, 20);
    assert_near(last->optimum_share, 1, 0);
    assert_near(last->regret_mean, 0, 1e-12);
    assert_near(last->hypervolume_share, 1, 1e-12);
    assert_near(last->mean, s->optimum, 1e-12);
    mnas_simulation_free(s);
}

static void what_is_scored(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("test.csv", 3, 3));
    o.report = "test", o.trials = 27;
    mnas_simulation *s = simulate(&o);
    assert_near(s->optimum, 50 + 40.0 * 26 / 27 - 1, 1e-9);
    assert_near(s->strategies[0].curve[2].mean, s->optimum, 1e-9);
    assert_near(s->strategies[0].curve[2].chosen_mean, s->optimum, 1e-9);
    mnas_simulation_free(s);
}

/* Where noise is all there is, the chosen network is any of those seen. */
static void noise_chooses(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("noise.csv", 5, 3));
    o.seeds = 400, o.noise = 100;
    mnas_simulation *s = simulate(&o);
    const mnas_simulated_point *p = &s->strategies[0].curve[2];
    assert_near(p->chosen_mean, s->row_mean,
                4 * s->row_sd / sqrt(400) + 0.3); /* a hundredth of it is no noise */
    assert_near(p->chosen_sd, s->row_sd, 0.2 * s->row_sd);
    assert_near(p->mean, expected_best(243, 50), 4 * p->sd / sqrt(400)); /* the best seen does not mind */
    mnas_simulation_free(s);
}

static void check_same(const mnas_simulation *a, const mnas_simulation *b) {
    for (int i = 0; i < a->n_strategies; i++)
        for (int k = 0; k < a->strategies[i].n_curve; k++) {
            const mnas_simulated_point *p = &a->strategies[i].curve[k], *q = &b->strategies[i].curve[k];
            assert_near(p->mean, q->mean, 1e-12);
            assert_near(p->sd, q->sd, 1e-12);
            assert_near(p->chosen_mean, q->chosen_mean, 1e-12);
        }
}

static void threads_and_company_change_nothing(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("threads.csv", 5, 3));
    o.strategies = "evolution,random", o.noise = 1, o.jobs = 3, o.threads = 1;
    mnas_simulation *one = simulate(&o);
    o.threads = 4;
    mnas_simulation *four = simulate(&o);
    check_same(one, four);
    o.strategies = "evolution"; /* random runs unasked */
    mnas_simulation *alone = simulate(&o);
    assert_int_equal(alone->n_strategies, 1);
    assert_near(alone->strategies[0].curve[1].mean, one->strategies[0].curve[1].mean, 1e-12);
    assert_near(alone->strategies[0].curve[1].p_t, one->strategies[0].curve[1].p_t, 1e-12);
    mnas_simulation_free(one);
    mnas_simulation_free(four);
    mnas_simulation_free(alone);
}

static void strategies_are_tested(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("tested.csv", 7, 3));
    o.strategies = "evolution:shadow=0,random", o.seeds = 40, o.trials = 100;
    mnas_simulation *s = simulate(&o);
    const mnas_simulated_point *e = &s->strategies[0].curve[3], *r = &s->strategies[1].curve[3];
    assert_near(e->gain, e->mean - r->mean, 1e-9);
    assert_true(e->gain > 0 && e->p_t < 0.001 && e->p_wilcoxon < 0.001);
    assert_true(isnan(r->p_t));
    mnas_simulation_free(s);
}

/* Without noise more evaluations show nothing new: finalists win as the chosen did when they began. */
static void finalists_are_asked_again(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("finalists.csv", 5, 3));
    o.trials = 20, o.finalists = 5, o.finalist_repeats = 2;
    mnas_simulation *s = simulate(&o);
    const mnas_simulated_point *p = s->strategies[0].curve;
    assert_true(isnan(p[0].finalist_mean)); /* 10 evaluations are not enough for 10 of them */
    assert_near(p[1].finalist_mean, p[0].chosen_mean, 1e-9);
    mnas_simulation_free(s);
    o.trials = 50, o.seeds = 200, o.noise = 8; /* of 40 points between worst and best */
    s = simulate(&o);
    assert_true(s->strategies[0].curve[2].finalist_gain > 0.5 &&
                s->strategies[0].curve[2].finalist_p_t < 0.05);
    const double even = s->strategies[0].curve[2].finalist_mean;
    mnas_simulation_free(s);
    o.finalist_race = true;
    s = simulate(&o);
    assert_true(s->strategies[0].curve[2].finalist_mean > even); /* in 200 runs */
    mnas_simulation_free(s);
    o.finalists = 1, o.seeds = 5; /* nobody to race with: the best observed */
    s = simulate(&o);
    assert_true(s->strategies[0].curve[2].finalist_mean > 0);
    mnas_simulation_free(s);
}

/* Twelve evaluations for three of four, of which one is far ahead: it wins, and only where there are enough of them. */
static void a_race_is_won(void **state) {
    (void)state;
    mnas_sim_trial trials[4] = {0};
    const mnas_sim_record record = {.seed = 5, .trials = trials, .n = 4};
    const mnas_sim_setup setup = {
        .noise_frac = 0.1, .finalists = 3, .finalist_repeats = 4, .finalist_race = true};
    for (int i = 0; i < 4; i++) {
        mnas_sim_trial *t = &trials[i];
        t->id = (uint64_t)i;
        t->value = t->truth.accuracy_frac = i == 1 ? 0.8 : 0.2;
        t->observed = mnas_sim_observe(&setup, record.seed, t->id, t->truth.accuracy_frac, 1);
    }
    double value = NAN;
    assert_int_equal(mnas_sim_choose_finalist(&value, &record, 14, &setup), 0);
    assert_true(isnan(value)); /* 2 are left to the search */
    assert_int_equal(mnas_sim_choose_finalist(&value, &record, 16, &setup), 0);
    assert_near(value, 0.8, 1e-12);
}

/* The planted accuracies are smooth: what was seen of the others tells luck from worth. */
static void beliefs_choose(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("beliefs.csv", 5, 3));
    o.posterior = true, o.noise = 8, o.trials = 60, o.seeds = 30;
    mnas_simulation *s = simulate(&o);
    const mnas_simulated_point *p = &s->strategies[0].curve[3];
    assert_true(p->posterior_gain > 1 && p->posterior_p_t < 0.01);
    assert_near(p->posterior_mean, p->chosen_mean + p->posterior_gain, 1e-9);
    mnas_simulation_free(s);
}

/* The planted accuracies are a sum over decisions: easily fitted, and no residual to speak of. */
static void a_landscape_is_fitted(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(NULL);
    o.landscape = nas_planted("landscape.csv", 5, 3);
    o.latency = "ms", o.features = "ms", o.target = 20, o.seeds = 4, o.trials = 20, o.threads = 1;
    mnas_simulation *one = simulate(&o);
    assert_true(one->is_landscape && isnan(one->optimum) && isnan(one->strategies[0].curve[0].optimum_share));
    assert_true(one->fit_tau > 0.9);
    assert_true(one->residual_sd < 0.2 * one->row_sd);
    assert_near(one->strategies[0].failed_mean, 0, 0);
    assert_true(one->best_found >= one->strategies[0].curve[1].mean);
    o.threads = 3;
    mnas_simulation *three = simulate(&o);
    check_same(one, three);
    mnas_simulation_free(one);
    mnas_simulation_free(three);
    o.rows_only = true;
    check_refused(&o, "every combination exists");
}

static void predictions_are_judged(void **state) {
    (void)state;
    const int sizes[] = {30, 150};
    static const char *const ways[] = {"gp", "ridge"};
    mnas_prediction p[2];
    mnas_predict_options o = {.table = nas_planted("predict.csv", 5, 3),
                              .decisions = "arch:chars",
                              .accuracy = "acc",
                              .features = "ms",
                              .train = sizes,
                              .n_train = 2,
                              .seeds = 3};
    for (int i = 0; i < 2; i++) {
        o.predictor = ways[i];
        assert_int_equal(mnas_predict(p, &o), 0);
        assert_int_equal(p[1].n_test, 93);
        assert_true(p[0].tau_mean > 0.7 && p[1].tau_mean > 0.9 && p[1].tau_sd < 0.1);
    }
    o.predictor = "rigde";
    assert_int_equal(mnas_predict(p, &o), MNAS_ERR_ARG);
    o.predictor = "ridge", o.n_train = 1, o.train = &(int){242};
    assert_int_equal(mnas_predict(p, &o), MNAS_ERR_ARG);
    assert_non_null(
        strstr(mnas_error_message(), "--train 242; allowed: 2 to 241, as the table has 243 networks"));
}

/* Noise leaves what accuracies can be; the reward of two objectives must bear it. */
static void noise_beyond_all_accuracies(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("beyond.csv", 3, 3));
    o.latency = "ms", o.target = 5, o.noise = 100, o.trials = 20;
    mnas_simulation *s = simulate(&o);
    assert_true(s->strategies[0].curve[1].chosen_mean <= s->strategies[0].curve[1].mean);
    mnas_simulation_free(s);
}

/* 1000 / ms images a second with a target of 1000 / T are a latency with the target T, to a factor. */
static void more_can_be_better(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("maximize.csv", 4, 3));
    o.strategies = "evolution,random", o.latency = "ms", o.target = 20;
    mnas_simulation *less = simulate(&o);
    o.latency = NULL, o.maximize = "images_per_s", o.target = 50;
    mnas_simulation *more = simulate(&o);
    assert_near(less->optimum, more->optimum, 1e-9);
    for (int i = 0; i < 2; i++)
        assert_near(less->strategies[i].curve[2].mean, more->strategies[i].curve[2].mean, 1e-6);
    assert_near(more->reference_second, 1000.0 / 81, 1e-6); /* the slowest */
    assert_near(less->reference_second, 81, 1e-9);
    mnas_simulation_free(less);
    mnas_simulation_free(more);
}

static void networks_that_are_not_there(void **state) {
    (void)state;
    const char *text = "a,b,acc\n0,0,10\n0,1,20\n1,0,30\n2,2,40\n"; /* 4 of 9 */
    mnas_simulate_options o = options_of(nas_file("part.csv", text));
    o.decisions = "a:nominal,b:nominal", o.trials = 4;
    mnas_simulation *s = simulate(&o);
    assert_true(s->strategies[0].failed_mean > 1);
    assert_near(s->strategies[0].curve[0].mean, 40, 4);
    mnas_simulation_free(s);
    o.rows_only = true;
    s = simulate(&o);
    assert_near(s->strategies[0].failed_mean, 0, 0);
    assert_near(s->strategies[0].curve[0].mean, 40, 1e-9);
    assert_int_equal(s->strategies[0].n_exhausted, 0);
    mnas_simulation_free(s);
}

static void hypervolume_by_hand(void **state) {
    (void)state;
    /* front (3, 4), (2, 2), (1, 1) from the corner (0, 5): strips 1 x 4, 1 x 3, 1 x 1 */
    const double accuracy[] = {2, 1, 3, 1.5, 9, 0.5}, cost[] = {2, 1, 4, 3, 6, 0.5};
    double area;
    assert_int_equal(mnas_pareto_hypervolume(&area, accuracy, cost, 3, 0, 5), 0);
    assert_near(area, 8, 1e-12);
    assert_int_equal(mnas_pareto_hypervolume(&area, accuracy, cost, 5, 0, 5),
                     0); /* one beaten, one beyond the corner */
    assert_near(area, 8, 1e-12);
    assert_int_equal(mnas_pareto_hypervolume(&area, accuracy, cost, 6, 1, 5),
                     0); /* none but what is above 1 */
    assert_near(area, 4, 1e-12);
    assert_int_equal(mnas_pareto_hypervolume(&area, accuracy, cost, 0, 0, 5), 0);
    assert_near(area, 0, 0);
}

static void points_of_a_curve(void **state) {
    (void)state;
    int n[MNAS_SIM_POINTS];
    assert_int_equal(mnas_sim_points(5, n), 1);
    assert_int_equal(n[0], 5);
    assert_int_equal(mnas_sim_points(10, n), 1);
    assert_int_equal(mnas_sim_points(500, n), 6);
    const int want[] = {10, 20, 50, 100, 200, 500};
    assert_memory_equal(n, want, sizeof want);
    assert_int_equal(mnas_sim_points(1200, n), 8);
    assert_int_equal(n[7], 1200);
    assert_true(mnas_sim_points(1000000, n) < MNAS_SIM_POINTS);
}

static void strategies_in_a_word(void **state) {
    (void)state;
    mnas_sim_specs s;
    assert_int_equal(mnas_sim_specs_split(&s, "ppo:screen=none,batch=8,evolution; random,x:file=\"a,b;c\""),
                     0);
    assert_int_equal(s.n, 4);
    assert_string_equal(s.spec[0], "ppo:screen=none,batch=8");
    assert_string_equal(s.spec[1], "evolution");
    assert_string_equal(s.spec[2], "random");
    assert_string_equal(s.spec[3], "x:file=\"a,b;c\"");
    mnas_sim_specs_free(&s);
    assert_int_equal(mnas_sim_specs_split(&s, "ppo,evolution:sample=3,random"), 0);
    assert_int_equal(s.n, 3);
    mnas_sim_specs_free(&s);
    assert_int_equal(mnas_sim_specs_split(&s, " ,;"), MNAS_ERR_ARG);
    mnas_sim_specs_free(&s);
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("wrong.csv", 3, 3));
    o.latency = "ms";
    check_refused(&o, "--target is missing: of column ms, whose values are 1 to 27, the median 14");
    o.target = -1;
    check_refused(&o, "--target is -1; allowed: more than 0");
    o.latency = NULL;
    check_refused(&o, "--target without --latency");
    o = options_of(o.table);
    o.strategies = "evolutoin";
    check_refused(&o, "did you mean");
    o.strategies = "random", o.trials = 0;
    check_refused(&o, "trials is 0; allowed: 1");
    o.trials = 5, o.noise = NAN;
    check_refused(&o, "noise is nan");
    o.noise = 0, o.table = "";
    check_refused(&o, "--table is missing");
}

static void stop(void *user, int n_done, int n_runs) {
    (void)n_runs;
    if (n_done == 2) __atomic_store_n((volatile bool *)user, true, __ATOMIC_RELAXED);
}

static void it_can_be_interrupted(void **state) {
    (void)state;
    volatile bool cancel = false;
    mnas_simulation *s;
    mnas_simulate_options o = options_of(nas_planted("cancel.csv", 3, 3));
    o.progress = stop, o.user = (void *)&cancel, o.cancel = &cancel;
    assert_int_equal(mnas_simulate(&s, &o), MNAS_ERR_CANCELLED);
}

/* ms is 1 + the row: 180 to 200 are 21 of 243 networks. */
static void a_window_is_hit(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("window.csv", 5, 3));
    o.latency = "ms", o.target = 200, o.window_frac = 0.1, o.trials = 12, o.seeds = 4;
    o.strategies = "evolution,random";
    mnas_simulation *s = simulate(&o);
    const mnas_simulated *aimed = &s->strategies[0], *random = &s->strategies[1];
    assert_int_equal(s->n_in_window, 21);
    assert_near(s->window_best, 50 + 40.0 * 199 / 243, 1e-9);
    assert_near(s->optimum, s->window_best, 1e-9); /* the reward inside is the accuracy */
    for (int i = 0; i < 2; i++) {
        const mnas_simulated *t = &s->strategies[i];
        const mnas_simulated_point *last = &t->curve[t->n_curve - 1];
        assert_int_equal(last->n_reached, 4); /* what is looked at is no trial */
        assert_near(t->in_window_share, 1, 0);
        assert_true(t->gap_mean >= 0 && t->gap_worst >= t->gap_mean && t->gap_worst <= 40.0 * 20 / 243);
        assert_true(last->chosen_second_mean >= 180 && last->chosen_second_mean <= 200);
    }
    assert_true(random->looks_mean > 50); /* 12 of 21 among 243 */
    assert_true(aimed->looks_mean < random->looks_mean / 2);
    mnas_simulation_free(s);
    o.trials = 30, o.strategies = "random";
    s = simulate(&o);
    assert_int_equal(s->strategies[0].n_exhausted, 4); /* there are 21 */
    assert_near(s->strategies[0].gap_worst, 0, 1e-9);
    mnas_simulation_free(s);
}

/* Where no guess of a latency is as sharp as the window is narrow, looks are many, and the reward must guide them: the surest
 * guesses are the most ordinary networks, and to prefer them is worse than chance. */
static void aiming_is_better_than_chance(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_rough_latencies("rough.csv"));
    double aimed = 0, random = 0;
    o.decisions = "a,b,c,d,e", o.strategies = "ppo,random";
    o.latency = "ms", o.window_frac = 0.04, o.trials = 12, o.seeds = 6;
    for (int i = 0; i < 2; i++) {
        o.target = i ? 1.8 : 1.5;
        mnas_simulation *s = simulate(&o);
        assert_in_range(s->n_in_window, 20, 60);
        aimed += s->strategies[0].gap_mean;
        random += s->strategies[1].gap_mean;
        mnas_simulation_free(s);
    }
    assert_true(aimed < 0.6 * random);
}

/* What is best in a window of a landscape nobody knows. */
static void a_landscape_has_no_gap(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(NULL);
    o.landscape = nas_planted("window.csv", 4, 3);
    o.latency = "ms", o.target = 60, o.window_frac = 0.2, o.trials = 5, o.seeds = 2;
    mnas_simulation *s = simulate(&o);
    assert_near(s->strategies[0].in_window_share, 1, 0);
    assert_true(isnan(s->strategies[0].gap_mean) && isnan(s->strategies[0].gap_worst));
    mnas_simulation_free(s);
}

static void windows_that_cannot_be(void **state) {
    (void)state;
    mnas_simulate_options o = options_of(nas_planted("window.csv", 5, 3));
    o.window_frac = 0.1;
    check_refused(&o, "target");
    o.latency = "ms", o.target = 0.5;
    check_refused(&o, "no row lies in the window of 0.1 below target 0.5; nearest: none and ");
    o.target = 100, o.window_frac = 1.5;
    check_refused(&o, "window is 1.5");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_search_finds_what_it_must),
                                       cmocka_unit_test(a_table_is_used_up),
                                       cmocka_unit_test(what_is_scored),
                                       cmocka_unit_test(noise_chooses),
                                       cmocka_unit_test(threads_and_company_change_nothing),
                                       cmocka_unit_test(strategies_are_tested),
                                       cmocka_unit_test(noise_beyond_all_accuracies),
                                       cmocka_unit_test(finalists_are_asked_again),
                                       cmocka_unit_test(a_race_is_won),
                                       cmocka_unit_test(beliefs_choose),
                                       cmocka_unit_test(a_landscape_is_fitted),
                                       cmocka_unit_test(predictions_are_judged),
                                       cmocka_unit_test(more_can_be_better),
                                       cmocka_unit_test(a_window_is_hit),
                                       cmocka_unit_test(aiming_is_better_than_chance),
                                       cmocka_unit_test(a_landscape_has_no_gap),
                                       cmocka_unit_test(windows_that_cannot_be),
                                       cmocka_unit_test(networks_that_are_not_there),
                                       cmocka_unit_test(hypervolume_by_hand),
                                       cmocka_unit_test(points_of_a_curve),
                                       cmocka_unit_test(strategies_in_a_word),
                                       cmocka_unit_test(what_is_wrong_is_told),
                                       cmocka_unit_test(it_can_be_interrupted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
