/* test_window.c - searches that are to hit a latency: what is outside the window is measured and never trained, whatever
 * interrupts the search; what comes of it is counted; where nothing is to be had the search says what is nearest. */
#include "no_fsync.h"
#include "player.h"

#include "search/window.h"

static int setup(void **state) {
    play_reset();
    return fix_setup(state);
}

/* ---- the window ---- */

static void test_window(void **state) {
    (void)state;
    mnas_window w;
    fix_expect(mnas_window_open(&w, 0, NAN, 2), 0, NULL);
    assert_false(mnas_window_is_set(&w));
    fix_expect(mnas_window_open(&w, 0.02, 5, 1), 0, NULL);
    assert_true(mnas_window_is_set(&w));
    assert_true(mnas_window_holds(&w, 5) && mnas_window_holds(&w, 4.9) && mnas_window_holds(&w, 4.95));
    assert_false(mnas_window_holds(&w, 5.0001) || mnas_window_holds(&w, 4.8999) ||
                 mnas_window_holds(&w, NAN));
    fix_expect(mnas_window_open(&w, 0.02, NAN, 1), MNAS_ERR_ARG, "target-ms");
    fix_expect(mnas_window_open(&w, 0.02, 5, 2), MNAS_ERR_ARG, "one device, and there are 2");
    fix_expect(mnas_window_open(&w, 1.5, 5, 1), MNAS_ERR_ARG, "window is 1.5");
    fix_expect(mnas_window_open(&w, -0.02, 5, 1), MNAS_ERR_ARG, "window is -0.02");
    fix_expect(mnas_window_open(&w, NAN, 5, 1), MNAS_ERR_ARG, "window is nan");
    assert_true(mnas_window_read(&w, "0.1", "2"));
    assert_true(w.low_ms == 1.8 && w.high_ms == 2);
    assert_false(mnas_window_read(&w, NULL, "2") || mnas_window_read(&w, "0.1", NULL));
    assert_false(mnas_window_read(&w, "2", "2") || mnas_window_read(&w, "x", "2") || mnas_window_is_set(&w));
}

static mnas_trial row(int number, mnas_trial_state state, const char *reason, double ms, double reward) {
    mnas_trial t = mnas_trial_empty();
    t.number = number, t.state = state, t.latency.median_ms = ms, t.reward = reward;
    snprintf(t.reason, sizeof t.reason, "%s", reason);
    return t;
}

static void test_landing(void **state) {
    (void)state;
    const mnas_window w = {9, 10};
    const mnas_trial rows[] = {
        row(0, MNAS_TRIAL_PRUNED, "latency", 12, 0),   row(1, MNAS_TRIAL_COMPLETE, "", 9.5, 0.7),
        row(2, MNAS_TRIAL_PRUNED, "screened", NAN, 0), row(3, MNAS_TRIAL_COMPLETE, "", 9.2, 0.8),
        row(4, MNAS_TRIAL_PRUNED, "latency", 11, 0),   row(5, MNAS_TRIAL_FAILED, "nan", 9.9, 0),
        row(6, MNAS_TRIAL_PRUNED, "latency", 7, 0),    row(7, MNAS_TRIAL_COMPLETE, "", 9.3, 0.8)};
    mnas_landing l;
    mnas_landing_begin(&l, &w);
    assert_int_equal(l.best, -1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) mnas_landing_count(&l, &rows[i]);
    assert_int_equal(l.n_measured, 7);
    assert_int_equal(l.n_inside, 4);
    assert_int_equal(l.n_trained, 3);
    assert_int_equal(l.n_screened, 1);
    assert_int_equal(l.best, 3); /* the first of equals */
    assert_true(l.best_ms == 9.2 && l.below_ms == 7 && l.above_ms == 11);
}

/* ---- searches ---- */

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A target below which, in a tenth of it, lies a fair share of the space; *n_inside of its 256 encodings do. */
static double choose_target(int *n_inside) {
    double ms[256];
    char line[256];
    int n = 0;
    FILE *f = fopen(fix_table, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        assert_int_equal(sscanf(strstr(line, "median_ms\":"), "median_ms\":%lf", &ms[n++]), 1);
    fclose(f);
    assert_int_equal(n, 256);
    qsort(ms, 256, sizeof *ms, by_value);
    *n_inside = 0;
    for (int i = 0; i < 256; i++) *n_inside += ms[i] >= 0.9 * ms[90] && ms[i] <= ms[90];
    return ms[90];
}

static mnas_search_options options(const char *study, int trials) {
    int n_inside;
    mnas_search_options o = fix_options(study, trials);
    o.target_ms = choose_target(&n_inside);
    o.window_frac = 0.1;
    assert_true(n_inside >= 12 && n_inside < 128); /* or these tests say little */
    return o;
}

static void check_rows(const mnas_search_options *o, int trials) {
    mnas_study *study;
    mnas_landing l;
    int n_outside = 0;
    assert_int_equal(mnas_study_open(&study, o->study), 0);
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        const bool inside =
            t->latency.median_ms >= 0.9 * o->target_ms && t->latency.median_ms <= o->target_ms;
        assert_true(t->latency.median_ms > 0);
        assert_int_equal(t->state, inside ? MNAS_TRIAL_COMPLETE : MNAS_TRIAL_PRUNED);
        if (inside) {
            assert_true(t->reward == t->accuracy_frac); /* `hard`, up to its target */
            continue;
        }
        n_outside++;
        assert_string_equal(t->reason, "latency");
        assert_true(t->reward == 0 && isnan(t->accuracy_frac) && t->n_epochs == 0);
    }
    assert_true(n_outside > 0);
    assert_true(mnas_study_landing(study, &l));
    assert_int_equal(l.n_trained, trials);
    assert_int_equal(l.n_inside, trials);
    assert_int_equal(l.n_measured, trials + n_outside);
    assert_true(l.best >= 0 && l.best_ms <= o->target_ms && l.best_ms >= 0.9 * o->target_ms);
    mnas_study_close(study);
}

static void test_nothing_outside_is_trained(void **state) {
    (void)state;
    static const char *const strategies[] = {"ppo:batch=3,hidden=8,embedding=4", "evolution", "random"};
    for (size_t i = 0; i < sizeof strategies / sizeof *strategies; i++) {
        mnas_search_options o = options(fix_study, 8);
        o.strategy = strategies[i];
        play.n_started = 0;
        fix_expect(run(&o, 0), 0, NULL);
        assert_int_equal(play.n_started, 8); /* trials wanted are complete ones */
        check_rows(&o, 8);
        fix_remove_study(fix_study);
    }
}

/* Killed and taken up, and side by side: the same table. */
static void test_interrupted_equals_whole(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = options(fix_study, 10);
    fix_expect(run(&o, 3), 0, NULL);
    char *whole = fix_dump(fix_study);
    o.study = other, o.jobs = 3;
    play.slow_every = 3;
    run_in_pieces(o, 3, NULL);
    char *pieces = fix_dump(other);
    fix_same(whole, pieces);
    check_rows(&o, 10);
    free(pieces);
    free(whole);
}

static void test_window_is_fixed(void **state) {
    (void)state;
    mnas_search_options o = options(fix_study, 3);
    fix_expect(run(&o, 0), 0, NULL);
    o.window_frac = 0.2;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--window is 0.2");
    o.window_frac = 0, o.reward = "hard";
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--window 0.1, which is not given");
    o.window_frac = 0.1, o.reward = NULL;
    fix_expect(run(&o, 0), 0, NULL);
}

static void test_bad_windows(void **state) {
    (void)state;
    char two[1300];
    mnas_search_options o = options(fix_study, 3);
    o.target_ms = NAN;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "window needs a target-ms");
    o.target_ms = 0.5, o.window_frac = 0.95;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "window is 0.95");
    snprintf(two, sizeof two, "%s + %s", fix_device, fix_device);
    o.window_frac = 0.1, o.device = two;
    fix_expect(run(&o, 0), MNAS_ERR_ARG, "of one device, and there are 2");
    assert_false(mnas_file_exists(fix_study));
}

/* Neither forever nor in silence. */
static void test_nothing_in_the_window(void **state) {
    (void)state;
    mnas_search_options o = options(fix_study, 3);
    o.target_ms = 1e-3, o.strategy = "random";
    fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, NULL);
    assert_int_equal(play.n_started, 0);
    assert_non_null(strstr(mnas_error_message(), "window"));
    assert_true(fix_count(fix_study, "SELECT count(*) FROM trial WHERE reason = 'latency'") > 200);
    mnas_study *study;
    mnas_landing l;
    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    assert_true(mnas_study_landing(study, &l));
    assert_true(l.best == -1 && l.n_inside == 0 && isnan(l.below_ms) && l.above_ms > 1e-3);
    mnas_study_close(study);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),    cmocka_unit_test(test_landing), T(test_nothing_outside_is_trained),
        T(test_interrupted_equals_whole), T(test_window_is_fixed),        T(test_bad_windows),
        T(test_nothing_in_the_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
