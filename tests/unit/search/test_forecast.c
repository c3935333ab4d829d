/* test_forecast.c - the arithmetic of a forecast against what is known: made-up times are found again, searches of trials
 * that all take the same last as long as can be said without playing them, and what does not fit is said before. */
#include "search_fixture.h"

#include "search/forecast.h"
#include "search/search.h"

static const double close_frac = 1e-6;

static void assert_close(double value, double wanted, double frac) {
    if (!(fabs(value - wanted) <= frac * fabs(wanted))) fail_msg("%.9g, expected %.9g", value, wanted);
}

/* ---- the fit ---- */

enum { N_MADE = 4 };
static const double made_macs[N_MADE] = {1e6, 3e6, 5e6, 9e6};
static const double made_bytes[N_MADE] = {9e6, 8e6, 20e6, 21e6};

static double made_step_s(const mnas_sampled *s) {
    return 0.002 + 1.5e-9 * s->macs;
}

static void make_timed(mnas_timed *timed, mnas_sampled *networks, double noise) {
    for (int i = 0; i < N_MADE; i++) {
        networks[i] =
            (mnas_sampled){.macs = made_macs[i], .train_bytes = made_bytes[i], .params = 1e5 * (i % 2 + 1)};
        timed[i] = (mnas_timed){.network = &networks[i], .start_s = 0.3};
        timed[i].times.step_s = made_step_s(&networks[i]) * (1 + (i % 2 ? noise : -noise));
        timed[i].times.eval_s = 0.25 * timed[i].times.step_s;
        timed[i].times.n_steps = 10;
    }
}

static void test_fit_recovers(void **state) {
    (void)state;
    mnas_sampled networks[N_MADE];
    mnas_timed timed[N_MADE];
    mnas_step_fit fit;
    const mnas_sampled other = {.macs = 6e6, .train_bytes = 1e6, .params = 7e5};
    make_timed(timed, networks, 0);
    assert_int_equal(mnas_forecast_fit(&fit, timed, N_MADE), 0);
    assert_close(mnas_forecast_step_s(&fit, &other), made_step_s(&other), close_frac);
    assert_true(fit.error_frac < close_frac);
    assert_close(fit.eval_ratio, 0.25, close_frac);
    assert_close(fit.start_s, 0.3, close_frac);
}

static void test_fit_with_noise(void **state) {
    (void)state;
    mnas_sampled networks[N_MADE];
    mnas_timed timed[N_MADE];
    mnas_step_fit fit;
    make_timed(timed, networks, 0.05);
    assert_int_equal(mnas_forecast_fit(&fit, timed, N_MADE), 0);
    assert_true(fit.error_frac > 0.01 && fit.error_frac < 0.4); /* what it does not know, it says */
    for (int k = 0; k < 4; k++) assert_true(fit.c[k] >= 0);
    for (int i = 0; i < N_MADE; i++)
        assert_close(mnas_forecast_step_s(&fit, &networks[i]), made_step_s(&networks[i]), 0.15);
}

/* Networks that failed say nothing. */
static void test_fit_of_few(void **state) {
    (void)state;
    mnas_sampled networks[N_MADE];
    mnas_timed timed[N_MADE];
    mnas_step_fit fit;
    make_timed(timed, networks, 0);
    for (int i = 0; i < 3; i++) timed[i].times = (mnas_step_times){0};
    assert_int_equal(mnas_forecast_fit(&fit, timed, N_MADE), 0);
    assert_close(mnas_forecast_step_s(&fit, &networks[3]), made_step_s(&networks[3]), close_frac);
    timed[3].times.n_steps = 0;
    fix_expect(mnas_forecast_fit(&fit, timed, N_MADE), MNAS_ERR_CHILD, "could be timed");
}

/* ---- whole searches ---- */

static void test_play_without_chance(void **state) {
    (void)state;
    const double train_s = 6;
    mnas_rng rng = mnas_rng_stream(1, 0, "test");
    mnas_played_search s = {
        .train_s = &train_s, .n = 1, .measure_s = 1, .overhead_s = 0.5, .n_trials = 12, .jobs = 1};
    s.delay = 1;
    assert_close(mnas_forecast_play(&s, &rng).mid, 12 * 7.5, close_frac);
    s.quiet = true; /* one after the other anyway */
    assert_close(mnas_forecast_play(&s, &rng).mid, 12 * 7.5, close_frac);
    s.jobs = s.delay = 2; /* trainings two at a time, measuring alone */
    assert_close(mnas_forecast_play(&s, &rng).mid, 6 * 6.5 + 12, close_frac);
    s.quiet = false;
    assert_close(mnas_forecast_play(&s, &rng).mid, 6 * 7.5, close_frac);
    s.n_trials = 100000;
    assert_close(mnas_forecast_play(&s, &rng).mid, 50000 * 7.5, close_frac);
}

static void test_play_waits_in_order(void **state) {
    (void)state;
    const double train_s[2] = {1, 9};
    mnas_rng rng = mnas_rng_stream(1, 0, "test");
    mnas_played_search s = {.train_s = train_s, .n = 2, .n_trials = 60, .jobs = 4, .delay = 4};
    const mnas_range strict = mnas_forecast_play(&s, &rng);
    s.delay = 60; /* nobody waits for anybody */
    const mnas_range free_range = mnas_forecast_play(&s, &rng);
    assert_true(strict.low < strict.mid && strict.mid < strict.high);
    assert_true(free_range.mid < 0.9 * strict.mid);
    assert_true(free_range.mid >= 0.9 * 60 * 5 / 4);
}

static void test_noise_widens(void **state) {
    (void)state;
    const double train_s = 5;
    mnas_rng rng = mnas_rng_stream(1, 0, "test");
    mnas_played_search s = {.train_s = &train_s, .n = 1, .n_trials = 30, .jobs = 1, .delay = 1};
    s.common_noise_frac = 0.1;
    const mnas_range r = mnas_forecast_play(&s, &rng);
    assert_close(r.mid, 150, 0.05);
    assert_close(r.high / r.mid, exp(0.1 * 1.28), 0.06); /* the 90th percentile of a normal */
    assert_close(r.mid / r.low, exp(0.1 * 1.28), 0.06);
}

/* ---- all together ---- */

static int n_calls, max_side;

static int made_timer(void *user, mnas_timed *timed, size_t n) {
    (void)user;
    n_calls++;
    if ((int)n > max_side) max_side = (int)n;
    for (size_t i = 0; i < n; i++) {
        timed[i].start_s = 0.5;
        timed[i].times = (mnas_step_times){.step_s = 0.01, .eval_s = 0.005, .timed_s = 0.1, .n_steps = 10};
    }
    return 0;
}

static int64_t plenty(void) {
    return INT64_C(8) << 30;
}
static int64_t little(void) {
    return INT64_C(4) << 20;
}

typedef struct parts {
    mnas_search_options options;
    mnas_space *space;
    mnas_recipe recipe;
    mnas_dataset_info data;
    mnas_devices devices;
    mnas_forecast_setup setup;
} parts;

static void open_parts(parts *p, int jobs) {
    *p = (parts){.options = fix_options(fix_study, 12)};
    p->options.jobs = jobs;
    p->data = (mnas_dataset_info){
        .height = FIX_SIDE, .width = FIX_SIDE, .channels = 1, .classes = 2, .n_train = 200};
    p->data.n_val = 100;
    assert_int_equal(mnas_space_open(&p->space, fix_space), 0);
    assert_int_equal(mnas_recipe_open(&p->recipe, p->options.recipe), 0);
    assert_int_equal(mnas_devices_open(&p->devices, fix_device), 0);
    p->setup = (mnas_forecast_setup){.options = &p->options,
                                     .sample = {p->space, &p->data, &p->recipe, 0},
                                     .devices = &p->devices,
                                     .delay = jobs,
                                     .timer = made_timer,
                                     .free_bytes = plenty};
    n_calls = max_side = 0;
}

static void close_parts(parts *p) {
    mnas_devices_close(&p->devices);
    mnas_space_close(p->space);
}

static void assert_ordered(mnas_range r) {
    if (!(r.low <= r.mid && r.mid <= r.high)) fail_msg("range %g, %g, %g", r.low, r.mid, r.high);
}

static void test_forecast(void **state) {
    (void)state;
    parts p;
    mnas_forecast f, again;
    /* 200 images in batches of 16, 100 to evaluate: 13 steps and 7 batches at half a step */
    const double trial_s = 0.5 + (13 + 7 * 0.5) * 0.01;
    open_parts(&p, 2);
    assert_int_equal(mnas_forecast_make(&f, &p.setup), 0);
    assert_int_equal(f.n_timed, 4);
    assert_int_equal(f.n_trials, 12);
    assert_int_equal(n_calls, 2);
    assert_int_equal(max_side, 2);
    assert_close(f.trial_s.mid, trial_s, 0.15);
    assert_close(60 * f.minutes.mid, 12 * trial_s / 2, 0.2);
    assert_ordered(f.minutes);
    assert_ordered(f.trial_s);
    assert_ordered(f.peak_bytes);
    assert_ordered(f.disk_bytes);
    assert_true(isnan(f.final_minutes.mid));
    assert_true(f.too_large_frac == 0 && f.free_disk_bytes > 0);
    assert_close(f.free_bytes, (double)(INT64_C(4) << 30), close_frac);
    assert_int_equal(mnas_forecast_make(&again, &p.setup),
                     0); /* chance is not in it: only what the device took differs */
    assert_close(again.minutes.mid, f.minutes.mid, 0.02);
    assert_true(again.peak_bytes.mid == f.peak_bytes.mid);
    close_parts(&p);
}

/* Trainings that wait at rungs keep their states: of three brackets at most, each some five times its weights. */
static void test_rungs_need_disk(void **state) {
    (void)state;
    parts p;
    mnas_forecast whole, rungs;
    open_parts(&p, 1);
    assert_int_equal(mnas_forecast_make(&whole, &p.setup), 0);
    p.setup.rungs = (mnas_rungs_plan){.n = 2, .factor = 3};
    assert_int_equal(mnas_forecast_make(&rungs, &p.setup), 0);
    const double three = rungs.disk_bytes.high - whole.disk_bytes.high;
    assert_true(three > 1e4);
    assert_ordered(rungs.disk_bytes);
    p.setup.rungs.n = 3; /* brackets of 9, of which 12 trials can wait */
    assert_int_equal(mnas_forecast_make(&rungs, &p.setup), 0);
    assert_close(rungs.disk_bytes.high - whole.disk_bytes.high, three * 12 / 9, close_frac);
    close_parts(&p);
}

static void test_more_jobs_than_samples(void **state) {
    (void)state;
    static const int n_timed[][2] = {{1, 4}, {3, 6}, {4, 4}, {8, 8}, {64, 16}};
    for (size_t i = 0; i < sizeof n_timed / sizeof *n_timed; i++) {
        parts p;
        mnas_forecast f;
        open_parts(&p, n_timed[i][0]);
        assert_int_equal(mnas_forecast_make(&f, &p.setup), 0);
        assert_int_equal(f.n_timed, n_timed[i][1]);
        close_parts(&p);
    }
}

/* A study's own trials need no timing. */
static void test_rows_instead(void **state) {
    (void)state;
    mnas_trial rows[5];
    parts p;
    mnas_forecast f;
    open_parts(&p, 1);
    for (int i = 0; i < 5; i++) {
        rows[i] = mnas_trial_empty();
        rows[i].state = i < 4 ? MNAS_TRIAL_COMPLETE : MNAS_TRIAL_FAILED;
        rows[i].train_s = 3, rows[i].measure_s = 1, rows[i].overhead_s = 0.5;
    }
    p.setup.rows = rows, p.setup.n_rows = 5;
    assert_int_equal(mnas_forecast_make(&f, &p.setup), 0);
    assert_int_equal(n_calls, 0);
    assert_int_equal(f.n_timed, 0);
    assert_int_equal(f.n_trials, 8);
    assert_close(60 * f.minutes.mid, 8 * 4.5, 0.05);
    assert_close(f.latency_s.mid, 1, close_frac);
    p.options.max_trials = 7;
    assert_int_equal(mnas_forecast_make(&f, &p.setup), 0);
    assert_int_equal(f.n_trials, 2);
    p.options.max_trials = 4;
    assert_int_equal(mnas_forecast_make(&f, &p.setup), 0);
    assert_int_equal(f.n_trials, 0);
    close_parts(&p);
}

static void test_memory(void **state) {
    (void)state;
    parts p;
    mnas_forecast f;
    open_parts(&p, 1);
    p.setup.free_bytes = little;
    assert_int_equal(mnas_forecast_make(&f, &p.setup), 0);
    assert_true(f.too_large_frac == 1);
    fix_expect(mnas_forecast_check_memory(&p.setup.sample, 1, little()), MNAS_ERR_MEMORY, "smallest");
    fix_expect(mnas_forecast_check_memory(&p.setup.sample, 1, plenty()), 0, NULL);
    fix_expect(mnas_forecast_check_memory(&p.setup.sample, 1024, plenty()), MNAS_ERR_MEMORY, "8 MiB");
    close_parts(&p);
}

/* Before there is a study. */
static void test_search_is_refused(void **state) {
    (void)state;
    const mnas_search_hooks hooks = {.free_bytes = little};
    const mnas_search_options o = fix_options(fix_study, 3);
    fix_expect(mnas_search_run_with(&o, &hooks), MNAS_ERR_MEMORY, "smallest");
    assert_int_equal(access(fix_study, F_OK), -1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, fix_setup, fix_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_recovers),
        cmocka_unit_test(test_fit_with_noise),
        cmocka_unit_test(test_fit_of_few),
        cmocka_unit_test(test_play_without_chance),
        cmocka_unit_test(test_play_waits_in_order),
        cmocka_unit_test(test_noise_widens),
        T(test_forecast),
        T(test_rungs_need_disk),
        T(test_more_jobs_than_samples),
        T(test_rows_instead),
        T(test_memory),
        T(test_search_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
