/* test_search_rungs.c - a search with rungs and played trainings: the table of trials is the same for any number of jobs and
 * however often it is interrupted; a bracket's losers are pruned with what they had come to, states of trainings are kept while
 * they are needed and no longer; small spaces end; other rungs are another study. */
#include "no_fsync.h"
#include "player.h"

static struct {
    bool any_share;
    bool all_fail;    /* every training */
    double epochs;    /* that all trainings had together, of each the whole being 9 */
    char recipe[128]; /* of the last one */
} parts;

/* Grows with the length by an amount of the network's own, so that the order at a rung is not that at the end. */
static double accuracy_at(const mnas_job_request *request, double share) {
    char key[17];
    assert_int_equal(mnas_model_key(request->model, key), 0);
    const uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, key, 16);
    return 0.3 + 0.3 * (double)(hash % 1000) / 1000 + (0.1 + 0.2 * (double)(hash / 1000 % 100) / 100) * share;
}

static void train_part(mnas_job *job, const mnas_job_request *request) {
    const double stop = request->stop_epochs > 0 ? request->stop_epochs : 9;
    assert_true(request->epochs == 9);
    snprintf(parts.recipe, sizeof parts.recipe, "%s", request->recipe);
    assert_true(parts.any_share ||
                ((request->checkpoint != NULL) == (stop < 9) && (request->from != NULL) == (stop > 1)));
    if (request->from) assert_true(mnas_file_exists(request->from));
    if (request->checkpoint) snprintf(job->state, sizeof job->state, "%s", request->checkpoint);
    job->news.result.val_accuracy_frac = job->epochs[0] = accuracy_at(request, stop / 9);
    job->news.result.n_images = (int64_t)(100 * stop);
    job->news.n_epochs = 1;
    parts.epochs += stop - (stop > 1 ? stop / 3 : 0);
    if (parts.all_fail || (request->seed % 11 == 0 && stop == 3))
        job->news.status = MNAS_ERR_NAN, job->news.error = "played failure";
}

static mnas_search_options rung_options(const char *study, int trials) {
    mnas_search_options o = fix_options(study, trials);
    o.rungs = 3;
    o.rung_factor = 3;
    o.epochs = 9;
    o.cancel = &cancelled;
    return o;
}

static int run_on(const mnas_search_options *o, int delay) {
    cancelled = false;
    play.n_ended = 0;
    return run(o, delay);
}

static void begin(void) {
    fix_remove_study(fix_study);
    play_reset();
    play.change = train_part;
    memset(&parts, 0, sizeof parts);
}

static char *dump(const char *study) {
    mnas_str out = {0};
    char *rest = fix_dump(study);
    fix_query(&out, study, "SELECT number, rung FROM trial ORDER BY number");
    fix_query(&out, study, "SELECT * FROM rung ORDER BY trial, rung");
    mnas_str_append(&out, rest);
    free(rest);
    return out.data;
}

static void check_recipe(const char *asked, const char *wanted) {
    begin();
    mnas_search_options o = rung_options(fix_study, 9);
    o.recipe = asked;
    if (run_on(&o, 1) < 0) fail_msg("%s", mnas_error_message());
    assert_string_equal(parts.recipe, wanted);
}

/* At rungs networks are compared by the average of their weights, unless somebody says otherwise. */
static void weights_are_averaged(void **state) {
    (void)state;
    check_recipe("proxy", "proxy:ema-decay=0.99");
    check_recipe("proxy:batch=16", "proxy:batch=16,ema-decay=0.99");
    check_recipe("proxy:ema-decay=0", "proxy:ema-decay=0");
    check_recipe("proxy:ema-decay=0.9,batch=16", "proxy:ema-decay=0.9,batch=16");
    check_recipe("imagenet-mnasnet:batch=16", "imagenet-mnasnet:batch=16"); /* which averages */
}

static void brackets_end(void **state) {
    (void)state;
    begin();
    mnas_search_options o = rung_options(fix_study, 30);
    if (run_on(&o, 1) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 36); /* whole brackets */
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
    const long long failed = fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"),
                    complete = fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'");
    assert_true(complete >= 3 && complete <= 4 && failed <= 4);
    assert_int_equal(
        fix_count(fix_study,
                  "SELECT count(*) FROM trial WHERE state = 'pruned' AND reason = 'rung' AND rung = 0 "
                  "AND accuracy_frac > 0 AND latency_median_ms > 0 AND n_images = 100 AND reward > 0"),
        24);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM rung WHERE rung = 0"), 36);
    assert_true(parts.epochs <= 36 * 9 * 0.26);
    char folder[600];
    snprintf(folder, sizeof folder, "%s.rungs", fix_study);
    assert_false(mnas_file_exists(folder)); /* nothing is kept */
    fix_remove_study(fix_study);
}

static void any_number_of_jobs(void **state) {
    (void)state;
    static const int jobs[] = {1, 2, 5};
    char *first = NULL;
    for (int i = 0; i < 3; i++) {
        begin();
        play.slow_every = 2 + i;
        mnas_search_options o = rung_options(fix_study, 36);
        o.jobs = jobs[i];
        if (run_on(&o, 5) < 0) fail_msg("%s", mnas_error_message());
        char *text = dump(fix_study);
        if (first) fix_same(first, text);
        if (first) free(text);
        if (!first) first = text;
        fix_remove_study(fix_study);
    }
    free(first);
}

static void however_often_interrupted(void **state) {
    (void)state;
    for (int delay = 1; delay <= 3; delay += 2) {
        begin();
        mnas_search_options o = rung_options(fix_study, 27);
        o.jobs = delay;
        assert_int_equal(run_on(&o, delay), 0);
        char *whole = dump(fix_study);
        fix_remove_study(fix_study);
        for (int every = 1; every < 12; every += 3) {
            int rc, n = 0;
            begin();
            play.cancel_at = every;
            while ((rc = run_on(&o, delay)) == MNAS_ERR_CANCELLED && n++ < 200) {
            }
            if (rc < 0) fail_msg("%s", mnas_error_message());
            assert_true(n > 0);
            char *text = dump(fix_study);
            fix_same(whole, text);
            free(text);
            fix_remove_study(fix_study);
        }
        free(whole);
    }
}

/* Four networks never fill a bracket of nine: it is decided as it is. */
/* A kill between a trial's end and the removal of its states: the next run removes them, and what waits keeps its own
 * (train_part looks). */
static void states_of_the_killed_are_removed(void **state) {
    (void)state;
    char folder[600], path[700];
    static const char *const left[] = {"trial-0.rung-0", "trial-0.rung-1", "trial-5.rung-1",
                                       "trial-8.rung-0"};
    begin();
    mnas_search_options o = rung_options(fix_study, 9);
    if (run_on(&o, 1) < 0) fail_msg("%s", mnas_error_message());
    snprintf(folder, sizeof folder, "%s.rungs", fix_study);
    assert_false(mnas_file_exists(folder));
    assert_int_equal(mnas_file_mkdirs(folder), 0);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        snprintf(path, sizeof path, "%s/%s.ckpt", folder, left[i]);
        assert_int_equal(mnas_file_write_atomic(path, "x", 1), 0);
    }
    o.trials = 18;
    if (run_on(&o, 1) < 0) fail_msg("%s", mnas_error_message());
    assert_false(mnas_file_exists(folder)); /* it was empty */
}

static void small_spaces_end(void **state) {
    (void)state;
    begin();
    mnas_search_options o = rung_options(fix_study, 9);
    o.space = fix_small_space;
    o.strategy = "random";
    o.device = "table:file=/dev/null,default-ms=1";
    fix_expect(run_on(&o, 1), MNAS_ERR_EXHAUSTED, "known networks");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 4);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE reason = 'rung'"), 3);
    fix_remove_study(fix_study);
}

/* What failed was tried, and yet it is no success. */
static void where_all_fail(void **state) {
    (void)state;
    begin();
    parts.all_fail = true;
    const mnas_search_options o = rung_options(fix_study, 9);
    fix_expect(run_on(&o, 1), MNAS_ERR_EXHAUSTED, "all 9 networks that were tried failed");
    fix_remove_study(fix_study);
}

static void other_rungs_are_another_study(void **state) {
    (void)state;
    begin();
    mnas_search_options o = rung_options(fix_study, 9);
    assert_int_equal(run_on(&o, 1), 0);
    o.rung_factor = 2;
    fix_expect(run_on(&o, 1), MNAS_ERR_MISMATCH, "--rungs is 3 of factor 2");
    o.rungs = 0;
    fix_expect(run_on(&o, 1), MNAS_ERR_MISMATCH, "made with --rungs 3 of factor 3");
    o.rungs = 9;
    fix_expect(run_on(&o, 1), MNAS_ERR_ARG, "rungs is 9");
    fix_remove_study(fix_study);
}

static void at_once(void **state) {
    (void)state;
    begin();
    mnas_search_options o = rung_options(fix_study, 20);
    o.rungs_async = true;
    o.jobs = 3;
    play.slow_every = 3;
    if (run_on(&o, 3) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 20);
    assert_true(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'") >= 1);
    fix_remove_study(fix_study);
}

/* Many more are under way than there are in a bracket: no result is overlooked. */
static void brackets_smaller_than_jobs(void **state) {
    (void)state;
    static const int factors[] = {2, 3};
    for (int i = 0; i < 2; i++) {
        begin();
        parts.any_share = true;
        play.slow_every = 5;
        mnas_search_options o = rung_options(fix_study, 60);
        o.rungs = 2, o.rung_factor = factors[i];
        o.jobs = 16;
        alarm(20); /* rather than for ever */
        if (run_on(&o, 16) < 0) fail_msg("%s", mnas_error_message());
        alarm(0);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial"), 60);
        fix_remove_study(fix_study);
    }
}

static void within_a_window(void **state) {
    (void)state;
    char *first = NULL;
    for (int every = 0; every < 8; every += 2) {
        int rc, n = 0;
        begin();
        play.slow_every = every;
        play.cancel_at = every;
        mnas_search_options o = rung_options(fix_study, 18);
        o.jobs = 1 + every / 2;
        o.target_ms = 0.2, o.window_frac = 0.3;
        while ((rc = run_on(&o, 4)) == MNAS_ERR_CANCELLED && n++ < 200) {
        }
        if (rc < 0) fail_msg("%s", mnas_error_message());
        assert_true(fix_count(fix_study, "SELECT count(*) FROM trial WHERE reason = 'latency'") > 0);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM rung WHERE rung = 0"), 18);
        assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 0);
        assert_int_equal(
            fix_count(fix_study, "SELECT count(*) FROM trial WHERE reason = 'rung' AND reward IS NULL"), 0);
        char *text = dump(fix_study);
        if (first) fix_same(first, text);
        if (first) free(text);
        if (!first) first = text;
        fix_remove_study(fix_study);
    }
    free(first);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_averaged),
        cmocka_unit_test(brackets_end),
        cmocka_unit_test(any_number_of_jobs),
        cmocka_unit_test(however_often_interrupted),
        cmocka_unit_test(brackets_smaller_than_jobs),
        cmocka_unit_test(within_a_window),
        cmocka_unit_test(where_all_fail),
        cmocka_unit_test(states_of_the_killed_are_removed),
        cmocka_unit_test(small_spaces_end),
        cmocka_unit_test(other_rungs_are_another_study),
        cmocka_unit_test(at_once),
    };
    return cmocka_run_group_tests(tests, fix_setup, fix_teardown);
}
