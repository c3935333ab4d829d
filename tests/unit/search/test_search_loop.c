/* test_search_loop.c - the search's loop with trainings that are only played: it is a function of the
 * outcomes, whatever interrupts it and whoever is quicker; it ends when it should and says why; failures are
 * what they are. */
#include "no_fsync.h"
#include "player.h"

#include "base/clock.h"
#include "base/stats.h"
#include "search/history.h"

static int setup(void **state) {
    play_reset();
    return fix_setup(state);
}

/* ---- tests ---- */

static void test_whole_search(void **state) {
    (void)state;
    const mnas_search_options o = fix_options(fix_study, 30);
    mnas_study *study;
    int *front, n_front;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), 30);
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT key) FROM trial"), 30);
    assert_int_equal(fix_count(fix_study, "SELECT max(number) FROM trial"), 29);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM epoch"), 60);
    assert_true(fix_count(fix_study, "SELECT max(n_updates) FROM snapshot") >= 9);
    assert_int_equal(
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE entropy_nats IS NULL OR overhead_s IS NULL"),
        0);
    /* every fifth is uniform, and is known as such; a repeat has no row */
    const int64_t n_random = fix_count(fix_study, "SELECT count(*) FROM trial WHERE origin = 'random'");
    assert_true(n_random >= 5 && n_random <= 7);
    assert_int_equal(
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE origin = 'strategy' AND rung = -1"),
        30 - n_random);

    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    assert_int_equal(mnas_study_n_trials(study), 30);
    for (int i = 0; i < 30; i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        const double reward = t->accuracy_frac * pow(t->latency.median_ms / 0.5, -0.07);
        assert_true(fabs(t->reward - reward) < 1e-12);
        mnas_model model;
        char key[17], *arch;
        assert_int_equal(mnas_study_model(study, i, &model), 0);
        assert_int_equal(mnas_model_key(&model, key), 0);
        assert_string_equal(key, t->key);
        assert_int_equal(mnas_model_arch(&model, &arch), 0);
        assert_string_equal(arch, t->arch);
        free(arch);
    }
    assert_int_equal(mnas_study_front(study, &front, &n_front), 0);
    assert_true(n_front >= 1);
    for (int i = 1; i < n_front; i++) {
        const mnas_trial *a = mnas_study_trial(study, front[i - 1]), *b = mnas_study_trial(study, front[i]);
        assert_true(a->latency.median_ms < b->latency.median_ms && a->accuracy_frac < b->accuracy_frac);
    }
    free(front);
    assert_string_equal(mnas_study_setting(study, "target_ms"), "0.5");
    assert_null(mnas_study_setting(study, "nothing"));
    mnas_study_close(study);
    /* once more: nothing is left to do */
    const int started = play.n_started;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(play.n_started, started);
}

static void test_model_argument(void **state) {
    (void)state;
    const mnas_search_options o = fix_options(fix_study, 2);
    char arg[600];
    mnas_model model;
    fix_expect(run(&o, 0), 0, NULL);
    snprintf(arg, sizeof arg, "%s:1", fix_study);
    fix_expect(mnas_model_open(&model, arg, 0), 0, NULL);
    assert_int_equal(model.input_size, 12);
    fix_expect(mnas_model_open(&model, arg, 24), 0, NULL);
    assert_int_equal(model.input_size, 24);
    snprintf(arg, sizeof arg, "%s:2", fix_study);
    fix_expect(mnas_model_open(&model, arg, 0), MNAS_ERR_ARG, "it has 2 trials");
    snprintf(arg, sizeof arg, "%s.none:2", fix_study);
    fix_expect(mnas_model_open(&model, arg, 0), MNAS_ERR_MISSING, "no such study");
    fix_expect(mnas_model_open(&model, "mnasnet-a1", 0), 0, NULL);
}

static void interrupted_equals_whole(const char *strategy) {
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    play.status_every = 6, play.status = MNAS_ERR_NAN;
    mnas_search_options o = fix_options(fix_study, 25);
    o.strategy = strategy;
    fix_expect(run(&o, 0), 0, NULL);
    char *whole = fix_dump(fix_study);
    assert_true(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'") > 0);

    /* from the last snapshot; from the rows alone; from snapshots with gaps */
    static const char *const between[] = {
        NULL, "DELETE FROM snapshot",
        "DELETE FROM snapshot WHERE n_updates > 1 + (SELECT max(n_updates) FROM snapshot) / 2"};
    for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
        o.study = other;
        run_in_pieces(o, 0, between[i]);
        if (i == 1) /* the rows of snapshots that were there before the last piece are gone */
            fix_expect(run(&o, 0), 0, NULL);
        char *pieces = fix_dump(other);
        fix_same(whole, pieces);
        free(pieces);
        fix_remove_study(other);
    }
    free(whole);
    fix_remove_study(fix_study);
}

static void test_interrupted_equals_whole(void **state) {
    (void)state;
    interrupted_equals_whole("ppo:batch=3,hidden=8,embedding=4");
    interrupted_equals_whole("evolution:population=4");
}

static void test_calibration_interrupted(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = fix_options(fix_study, 30);
    o.target_ms = NAN;
    o.reward = "soft:w=auto";
    fix_expect(run(&o, 0), 0, NULL);
    char *whole = fix_dump(fix_study);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE reward IS NULL"), 0);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM setting WHERE name IN ('w', 'target_ms')"),
                     2);
    double first[10], target = 0;
    mnas_study *study;
    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    for (int k = 0; k < 10; k++) first[k] = mnas_study_trial(study, k)->latency.median_ms;
    assert_true(mnas_str_to_f64(mnas_study_setting(study, "target_ms"), &target));
    assert_true(target == mnas_stats_median(first, 10));
    mnas_study_close(study);
    /* before the 15th nothing was learnt, then the backlog at once */
    assert_int_equal(fix_count(fix_study, "SELECT n_trials FROM snapshot WHERE n_updates = 1"), 15);
    assert_int_equal(fix_count(fix_study, "SELECT n_trials FROM snapshot WHERE n_updates = 5"), 15);
    o.study = other;
    run_in_pieces(o, 0, NULL);
    char *pieces = fix_dump(other);
    fix_same(whole, pieces);
    free(pieces);
    free(whole);
}

/* Two trials complete, one failed, one running, repeats between them; the state as text must bring all of it back. */
static void test_history_comes_back(void **state) {
    (void)state;
    static const mnas_trial_state ends[] = {MNAS_TRIAL_COMPLETE, MNAS_TRIAL_FAILED, MNAS_TRIAL_COMPLETE,
                                            MNAS_TRIAL_RUNNING};
    mnas_store *store;
    mnas_history h, back;
    char *text, *again;
    assert_int_equal(mnas_store_open(&store, fix_study, MNAS_STORE_WRITE), 0);
    assert_int_equal(mnas_history_load(&h, store, 2), 0);
    for (int i = 0; i < 4; i++) {
        const int tokens[] = {i, 7};
        char key[17];
        int attempt;
        bool counted;
        snprintf(key, sizeof key, "%016d", i);
        const mnas_candidate c = {tokens, "arch", key, NAN, 1, "strategy"};
        assert_int_equal(mnas_history_propose(&h, &c, mnas_history_twin(&h, key)), 0);
        mnas_trial *row = &h.known[i].row;
        assert_int_equal(mnas_store_claim(store, row, "", &attempt), 0);
        row->state = ends[i];
        if (ends[i] != MNAS_TRIAL_RUNNING) assert_int_equal(mnas_store_finish(store, row, &counted), 0);
        if (i == 0) { /* a failed network may be tried again, a complete one repeats */
            mnas_history_see(&h, 1);
            assert_int_equal(mnas_history_twin(&h, key), 0);
            assert_int_equal(mnas_history_propose(&h, &c, 0), 0);
        }
        mnas_history_see(&h, 1);
        if (i == 1) assert_int_equal(mnas_history_twin(&h, key), -1);
        if (i == 3) assert_int_equal(mnas_history_twin(&h, key), 3);
        for (int k = 0; i == 3 && k < 2; k++) assert_int_equal(mnas_history_propose(&h, &c, 3), 0);
    }
    mnas_history_fed(&h);
    assert_true(h.n_proposals == 7 && h.n_seen == 4 && h.n_fed == 1);
    assert_true(h.n_complete == 2 && h.n_failed == 1 && h.n_repeats == 3 && h.repeats_in_row == 2 &&
                h.n_trials == 4);
    assert_int_equal(mnas_history_print(&h, &text), 0);

    assert_int_equal(mnas_history_load(&back, store, 2), 0);
    fix_expect(mnas_history_restore(&back, text), 0, NULL);
    assert_int_equal(mnas_history_print(&back, &again), 0);
    assert_string_equal(text, again);
    assert_true(back.n_failed == 1 && back.n_repeats == 3 && back.repeats_in_row == 2 && back.n_open == 6);
    for (int i = 0; i < 4; i++) assert_int_equal(back.known[i].seen, ends[i] != MNAS_TRIAL_RUNNING);
    free(text);
    free(again);
    mnas_history_free(&back);
    mnas_history_free(&h);
    mnas_store_close(store);
}

static void test_few_trials_calibrate(void **state) {
    (void)state;
    for (int delay = 1; delay <= 3; delay += 2) {
        mnas_search_options o = fix_options(fix_study, 4);
        o.target_ms = NAN;
        fix_expect(run(&o, delay), 0, NULL);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE reward IS NOT NULL"), 4);
        /* and more later: the target stays */
        char *before = fix_dump(fix_study);
        o.trials = 12;
        fix_expect(run(&o, delay), 0, NULL);
        char *after = fix_dump(fix_study);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE reward IS NOT NULL"), 12);
        const char *target = strstr(before, "target_ms ");
        assert_non_null(target);
        assert_non_null(strstr(after, target));
        free(before);
        free(after);
        fix_remove_study(fix_study);
    }
}

static void test_jobs_do_not_matter(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    play.status_every = 7, play.status = MNAS_ERR_NAN;
    for (int delay = 2; delay <= 4; delay += 2) {
        mnas_search_options o = fix_options(fix_study, 30);
        o.target_ms = delay == 4 ? NAN : 0.5;
        fix_expect(run(&o, delay), 0, NULL);
        char *one = fix_dump(fix_study);
        for (int slow = 2; slow <= 3; slow++) {
            play.slow_every = slow;
            play.max_running = 0;
            o.study = other, o.jobs = delay;
            fix_expect(run(&o, delay), 0, NULL);
            assert_int_equal(play.max_running, delay);
            char *many = fix_dump(other);
            fix_same(one, many);
            free(many);
            fix_remove_study(other);
            /* and interrupted */
            run_in_pieces(o, delay, NULL);
            many = fix_dump(other);
            fix_same(one, many);
            free(many);
            fix_remove_study(other);
            play.slow_every = 0;
        }
        free(one);
        fix_remove_study(fix_study);
    }
}

/* Rows found running may be more than there are jobs now: nothing is proposed before all of them have their
 * turn, so that a snapshot never counts a trial which has no row yet. */
static void test_fewer_jobs_later(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = fix_options(fix_study, 24);
    o.strategy = "ppo:batch=1";
    fix_expect(run(&o, 4), 0, NULL);
    char *whole = fix_dump(fix_study);
    o.study = other, o.progress = count_down, o.cancel = &cancelled;
    play.slow_every = 3;
    int rc = MNAS_ERR_CANCELLED;
    for (int i = 0; rc == MNAS_ERR_CANCELLED; i++) {
        o.jobs = i % 2 ? 1 : 4;
        cancel_after = 1 + i % 2;
        cancelled = false;
        rc = run(&o, 4);
    }
    fix_expect(rc, 0, NULL);
    char *pieces = fix_dump(other);
    fix_same(whole, pieces);
    free(pieces);
    free(whole);
}

/* A search that ends before what it calibrates on leaves that to the one which goes on. */
static void test_calibration_waits_for_its_trials(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    mnas_search_options o = fix_options(fix_study, 14);
    o.target_ms = NAN;
    fix_expect(run(&o, 0), 0, NULL);
    char *whole = fix_dump(fix_study);
    o.study = other, o.progress = count_down, o.cancel = &cancelled, cancelled = false, cancel_after = 3;
    fix_expect(run(&o, 0), MNAS_ERR_CANCELLED, NULL);
    cancelled = false, o.trials = 4;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(other, "SELECT count(*) FROM trial WHERE reward IS NULL"), 4);
    assert_int_equal(fix_count(other, "SELECT count(*) FROM setting WHERE name = 'target_ms'"), 0);
    o.trials = 14;
    fix_expect(run(&o, 0), 0, NULL);
    char *pieces = fix_dump(other);
    fix_same(whole, pieces);
    free(pieces);
    free(whole);
}

static void test_more_trials_later(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 10);
    fix_expect(run(&o, 0), 0, NULL);
    o.trials = 20;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), 20);
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT key) FROM trial"), 20);
    o.trials = 5; /* fewer: done already */
    const int started = play.n_started;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(play.n_started, started);
}

static void test_other_options_are_refused(void **state) {
    (void)state;
    const mnas_search_options made = fix_options(fix_study, 3);
    fix_expect(run(&made, 0), 0, NULL);
    mnas_search_options o = made;
    o.space = fix_small_space;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "another text of space");
    o = made, o.seed = 6;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--seed is 6");
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "made with 5");
    o = made, o.reward = "hard";
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--reward is hard");
    o = made, o.strategy = "random";
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--strategy is random");
    o = made, o.recipe = "short";
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--recipe is short");
    o = made, o.target_ms = NAN;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--target-ms is auto");
    o = made, o.max_images = 100;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--max-images is 100");
    o = made, o.epochs = 2;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--epochs is 2");
    o = made, o.device = "local";
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--device is local");
    o = made, o.data = "fashion-mnist";
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--data is fashion-mnist");
    o = made, o.jobs = 2;
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "--jobs is 2");
    o = made; /* the images are others than they were */
    fix_execute(fix_study, "UPDATE setting SET value = value + 1 WHERE name = 'n_train'");
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "has 200 training images now, but 201 when");
    fix_execute(fix_study, "UPDATE setting SET value = value - 1 WHERE name = 'n_train'");
    /* these may differ */
    o = made, o.trials = 4, o.max_minutes = 5, o.threads = 2, o.trial_timeout_s = 50;
    fix_expect(run(&o, 0), 0, NULL);
}

static void refuse_new(mnas_search_options o, int status, const char *words) {
    fix_expect(run(&o, 0), status, words);
    assert_false(mnas_file_exists(fix_study)); /* no file for a search that cannot be */
}

static void test_bad_options_make_no_study(void **state) {
    (void)state;
    const mnas_search_options good = fix_options(fix_study, 3);
    mnas_search_options o = good;
    o.space = NULL;
    refuse_new(o, MNAS_ERR_ARG, "--space");
    o = good, o.device = "lokal";
    refuse_new(o, MNAS_ERR_ARG, "did you mean local");
    o = good, o.strategy = "ppo:batch=0";
    refuse_new(o, MNAS_ERR_ARG, "batch");
    o = good, o.reward = "soft:w=2";
    refuse_new(o, MNAS_ERR_ARG, "w is");
    o = good, o.recipe = "proxy:batch=1000";
    refuse_new(o, MNAS_ERR_ARG, "1000 images");
    o = good, o.trials = 0;
    refuse_new(o, MNAS_ERR_ARG, "trials is 0");
    o = good, o.jobs = -1;
    refuse_new(o, MNAS_ERR_ARG, "jobs is -1");
    o = good, o.target_ms = -1;
    refuse_new(o, MNAS_ERR_ARG, "target is -1 ms");
    o = good, o.max_minutes = 0;
    refuse_new(o, MNAS_ERR_ARG, "max-minutes");
}

static void test_space_runs_out(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 5); /* of four networks */
    char device[700];
    snprintf(device, sizeof device, "%s,default-ms=0.3", fix_device);
    o.space = fix_small_space;
    o.device = device;
    o.strategy = "random";
    fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, "last 500 proposals");
    assert_non_null(strstr(mnas_error_message(), "4 of 5"));
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 4);
    fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, "last 500 proposals"); /* again, from the rows */
}

static void test_all_fail(void **state) {
    (void)state;
    play.status_every = 1, play.status = MNAS_ERR_NAN;
    const mnas_search_options o = fix_options(fix_study, 4);
    fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, "12 trials failed");
    assert_int_equal(
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed' AND reason = 'nan'"), 12);
    assert_int_equal(
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE reward = 0 AND error LIKE '%played failure%'"),
        12);
    assert_int_equal(play.n_started, 12);
}

static void test_reasons(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *reason;
    } cases[] = {{MNAS_ERR_NAN, "nan"},
                 {MNAS_ERR_MEMORY, "memory"},
                 {MNAS_ERR_CHILD, "crash"},
                 {MNAS_ERR_LIBRARY, "crash"},
                 {MNAS_ERR_INVALID, "invalid"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[128];
        play_reset();
        play.status_every = 1, play.status = cases[i].status;
        const mnas_search_options o = fix_options(fix_study, 1);
        fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, NULL);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM trial WHERE reason = '%s'", cases[i].reason);
        assert_int_equal(fix_count(fix_study, sql), 3);
        fix_remove_study(fix_study);
    }
    /* no fault of the network: the search ends, the trial stays to be run again */
    play.status = MNAS_ERR_FORMAT;
    const mnas_search_options o = fix_options(fix_study, 1);
    fix_expect(run(&o, 0), MNAS_ERR_FORMAT, "trial 0");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 1);
    play.status_every = 0;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT attempt FROM trial WHERE state = 'complete'"), 2);
}

/* Refused before its file is brought up to date: by the state of its strategy, and where there is none yet by its rows. */
static void test_study_of_an_earlier_mnas(void **state) {
    (void)state;
    static const char *const older[] = {
        "UPDATE snapshot SET state = CAST(substr(state, 1, 8) || x'0100000000000000' || substr(state, 17) AS "
        "BLOB)",
        "ALTER TABLE trial DROP COLUMN origin; ALTER TABLE trial DROP COLUMN rung; DROP TABLE rung;"
        "DELETE FROM snapshot; PRAGMA user_version = 4"};
    mnas_search_options o = fix_options(fix_study, 30);
    fix_expect(run(&o, 0), 0, NULL);
    assert_true(fix_count(fix_study, "SELECT count(*) FROM snapshot") > 0);
    o.trials = 31;
    for (int i = 0; i < 2; i++) {
        fix_execute(fix_study, older[i]);
        const long long version = fix_count(fix_study, "PRAGMA user_version");
        fix_expect(run(&o, 0), MNAS_ERR_FORMAT, "nothing was changed");
        assert_int_equal(fix_count(fix_study, "PRAGMA user_version"), version);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 30);
    }
}

static void test_device_without_an_answer(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 2);
    o.space = fix_small_space; /* whose networks are not in the table */
    fix_expect(run(&o, 0), MNAS_ERR_EXHAUSTED, "6 trials failed");
    assert_int_equal(
        fix_count(fix_study,
                  "SELECT count(*) FROM trial WHERE reason = 'device' AND error LIKE '%no latency%'"),
        6);
    assert_int_equal(play.n_started, 0); /* not trained in vain */
}

static void test_timeout(void **state) {
    (void)state;
    play.hang_at = 1;
    mnas_search_options o = fix_options(fix_study, 3);
    o.trial_timeout_s = 0.2;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(
        fix_count(fix_study, "SELECT number FROM trial WHERE reason = 'timeout' AND error LIKE '%0.2 s%'"),
        1);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 4);
}

static void test_minutes_are_over(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 250);
    o.strategy = "random";
    o.max_minutes = 0.05 / 60;
    fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "of 250 trials complete");
    assert_true(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'") <= 1);
    const long long n = fix_count(fix_study, "SELECT count(*) FROM trial");
    o.max_minutes = NAN, o.trials = (int)n + 2;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), n + 2);
}

static void wait_for_the_end(void *user, const mnas_search_progress *p) {
    (void)user;
    if (p->trial && p->trial->number == 2) mnas_clock_sleep_ms(60); /* 3 runs */
}

/* What was proposed when the time ended, and never begun, is no part of a snapshot. */
static void test_minutes_are_over_with_jobs(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 200);
    o.strategy = "ppo:batch=1";
    o.jobs = 2;
    o.max_minutes = 0.05 / 60;
    o.progress = wait_for_the_end;
    play.slow_every = 3;
    fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "of 200 trials complete");
    o.max_minutes = NAN;
    o.trials = (int)fix_count(fix_study, "SELECT count(*) FROM trial") + 2;
    fix_expect(run(&o, 0), 0, NULL);
}

/* Trainings that never end are stopped with the time, and left to the next search. */
static void test_minutes_are_hard(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 20);
    o.max_minutes = 0.3 / 60;
    o.jobs = 2;
    play.hang_at = 1;
    const double begun_s = mnas_clock_now_s();
    fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "time is up");
    assert_true(mnas_clock_now_s() - begun_s < 2);
    assert_true(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'") >= 1);
    o.max_minutes = NAN;
    play.hang_at = -1;
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
}

static void test_max_trials(void **state) {
    (void)state;
    for (int jobs = 1; jobs <= 4; jobs++) {
        mnas_search_options o = fix_options(fix_study, 60);
        play_reset();
        fix_remove_study(fix_study);
        o.jobs = jobs;
        o.max_trials = 7;
        play.slow_every = 3;
        play.status_every = 4, play.status = MNAS_ERR_NAN; /* failures count */
        fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "7 trials");
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state != 'running'"), 7);
        assert_int_equal(play.n_started, 7);
        fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "7 trials"); /* over resumes */
        o.max_trials = 3;
        fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "3 trials");
        assert_int_equal(play.n_started, 7);
        o.max_trials = 10;
        fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "10 trials");
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 10);
        assert_int_equal(play.n_started, 10);
    }
}

/* The limit counts what an interrupted search had started and not finished. */
static void test_max_trials_interrupted(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 60);
    o.jobs = 3, o.max_minutes = 0.3 / 60;
    play.hang_at = 2;
    fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "time is up");
    play_reset();
    o.max_minutes = NAN;
    const long long n = fix_count(fix_study, "SELECT count(*) FROM trial");
    o.max_trials = (int)n;
    fix_expect(run(&o, 0), MNAS_ERR_TIMEOUT, "are spent");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), n);
}

static int64_t little_memory(void) {
    return (INT64_C(24) << 20) + 350000; /* some of the fixture's networks need more */
}

static void test_too_large_is_not_started(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 12);
    o.strategy = "random";
    play.free_bytes = little_memory;
    fix_expect(run(&o, 0), 0, NULL);
    const long long n = fix_count(fix_study, "SELECT count(*) FROM trial WHERE reason = 'memory'");
    assert_true(n > 0);
    assert_int_equal(play.n_started, 12);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), n + 12);
}

static void test_stolen_trial(void **state) {
    (void)state;
    play.sql = "UPDATE trial SET attempt = attempt + 1";
    const mnas_search_options o = fix_options(fix_study, 2);
    fix_expect(run(&o, 0), MNAS_ERR_BUSY, "taken over");
    assert_int_equal(
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running' AND attempt = 2"), 1);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM late_result WHERE trial = 0 AND attempt = 1"),
                     1);
}

static void test_other_version_is_noticed(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 6);
    fix_expect(run(&o, 0), 0, NULL);
    o.trials = 8;
    fix_execute(
        fix_study,
        "DELETE FROM snapshot; UPDATE trial SET tokens = '1 1 1 1 1 1 1 1', arch = 'x' WHERE number = 2");
    fix_expect(run(&o, 0), MNAS_ERR_MISMATCH, "another version");
}

static void test_damaged_snapshot(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 6);
    fix_expect(run(&o, 0), 0, NULL);
    o.trials = 8;
    fix_execute(fix_study, "UPDATE snapshot SET loop = '{}'");
    fix_expect(run(&o, 0), MNAS_ERR_FORMAT, "damaged");
    fix_execute(fix_study, "UPDATE snapshot SET state = x'00'");
    fix_expect(run(&o, 0), MNAS_ERR_FORMAT, NULL);
    fix_execute(fix_study, "DELETE FROM snapshot"); /* the rows are enough */
    fix_expect(run(&o, 0), 0, NULL);
}

static void test_second_search_waits_outside(void **state) {
    (void)state;
    mnas_store *store;
    const mnas_search_options o = fix_options(fix_study, 2);
    fix_expect(run(&o, 0), 0, NULL);
    assert_int_equal(mnas_store_open(&store, fix_study, MNAS_STORE_WRITE), 0);
    fix_expect(run(&o, 0), MNAS_ERR_BUSY, "another search");
    mnas_store_close(store);
    fix_expect(run(&o, 0), 0, NULL);
}

static void test_help_of_plugins(void **state) {
    (void)state;
    static const char *const kinds[][2] = {{"dataset", "fashion-mnist"},
                                           {"device", "local"},
                                           {"strategy", "ppo"},
                                           {"reward", "soft"},
                                           {"recipe", "proxy"}};
    char *text;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fix_expect(mnas_plugins_help(&text, kinds[i][0]), 0, NULL);
        assert_non_null(strstr(text, kinds[i][1]));
        free(text);
    }
    fix_expect(mnas_plugins_help(&text, "colour"), MNAS_ERR_ARG, "colour");
}

static void test_doctor(void **state) {
    (void)state;
    mnas_finding *findings;
    size_t n;
    bool kernel_7 = false;
    fix_expect(mnas_doctor(&findings, &n), 0, NULL);
    assert_true(n >= 8);
    for (size_t i = 0; i < n; i++) {
        assert_true(strcmp(findings[i].level, "ok") == 0 || strcmp(findings[i].level, "note") == 0);
        kernel_7 |= strstr(findings[i].text, "7x7 depthwise") != NULL;
    }
    assert_true(kernel_7);
    free(findings);
    setenv("MNAS_CACHE_DIR", "/proc/nowhere", 1);
    fix_expect(mnas_doctor(&findings, &n), 0, NULL);
    bool bad = false;
    for (size_t i = 0; i < n; i++)
        bad |= strcmp(findings[i].level, "bad") == 0 && strcmp(findings[i].topic, "cache") == 0;
    assert_true(bad);
    free(findings);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {T(test_whole_search),
                                       T(test_model_argument),
                                       T(test_interrupted_equals_whole),
                                       T(test_calibration_interrupted),
                                       T(test_history_comes_back),
                                       T(test_few_trials_calibrate),
                                       T(test_jobs_do_not_matter),
                                       T(test_fewer_jobs_later),
                                       T(test_calibration_waits_for_its_trials),
                                       T(test_more_trials_later),
                                       T(test_other_options_are_refused),
                                       T(test_bad_options_make_no_study),
                                       T(test_space_runs_out),
                                       T(test_all_fail),
                                       T(test_reasons),
                                       T(test_study_of_an_earlier_mnas),
                                       T(test_device_without_an_answer),
                                       T(test_timeout),
                                       T(test_minutes_are_over),
                                       T(test_minutes_are_over_with_jobs),
                                       T(test_minutes_are_hard),
                                       T(test_max_trials),
                                       T(test_max_trials_interrupted),
                                       T(test_too_large_is_not_started),
                                       T(test_stolen_trial),
                                       T(test_other_version_is_noticed),
                                       T(test_damaged_snapshot),
                                       T(test_second_search_waits_outside),
                                       T(test_help_of_plugins),
                                       T(test_doctor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
