/* test_pool_state.c - a pool's file: what is written is read again, what lies is refused, and changes of two processes both stay. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "device/device_pool_state.h"

static char path[900];

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s/pool-state-%ld", MNAS_TEST_TMP, (long)getpid());
    unlink(path);
    return 0;
}

static int tear_down(void **state) {
    char lock[1000];
    (void)state;
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(lock);
    unlink(path);
    return 0;
}

static void test_written_and_read(void **state) {
    (void)state;
    mnas_pool_state s = mnas_pool_state_empty(), again;
    char *text;
    mnas_pool_record *r = mnas_pool_state_record(&s, "adb:serial=A,threads=2");
    assert_non_null(r);
    snprintf(s.sentinel, sizeof s.sentinel, "0123456789abcdef");
    snprintf(s.reference, sizeof s.reference, "%s", r->device);
    s.reference_ms = r->sentinel_ms = 0.1 + 0.2;
    r->half_frac = 1.0 / 3;
    r->calibrated_s = 1.7e9;
    snprintf(r->governor, sizeof r->governor, "performance");
    r = mnas_pool_state_record(&s, "adb:serial=B");
    r->away_s = 1.7e9;
    r->retry_s = 1.7e9 + 5;
    r->pause_s = 5;
    snprintf(r->why, sizeof r->why, "device \"B\" not found");
    assert_ptr_equal(mnas_pool_state_record(&s, "adb:serial=B"), r);
    assert_int_equal(s.n, 2);
    assert_int_equal(mnas_pool_state_print(&text, &s), 0);
    assert_int_equal(mnas_pool_state_parse(&again, text, strlen(text)), 0);
    free(text);
    assert_int_equal(again.n, 2);
    assert_true(again.reference_ms == s.reference_ms && isnan(again.reference_half_frac));
    assert_string_equal(again.sentinel, s.sentinel);
    const mnas_pool_record *a = mnas_pool_state_find(&again, "adb:serial=A,threads=2"),
                           *b = mnas_pool_state_find(&again, "adb:serial=B");
    assert_true(a->sentinel_ms == 0.1 + 0.2 && a->half_frac == 1.0 / 3 && a->calibrated_s == 1.7e9);
    assert_true(isnan(a->away_s) && isnan(a->temp_c) && isnan(b->sentinel_ms));
    assert_string_equal(a->governor, "performance");
    assert_string_equal(b->why, "device \"B\" not found");
    assert_null(mnas_pool_state_find(&again, "adb:serial=C"));
    mnas_pool_state_free(&again);
    mnas_pool_state_free(&s);
}

#define HEAD                                                                                                 \
    "{\"version\":1,\"sentinel\":\"0123456789abcdef\",\"reference\":\"a\",\"reference_ms\":5,\"members\":["
#define REFUSED(text, says)                                                                                  \
    { text, says, MNAS_ERR_FORMAT }

static void test_lies_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
        int rc;
    } cases[] = {
        REFUSED("", "no JSON object"),
        REFUSED("garbage", "no JSON object"),
        REFUSED("[]", "no JSON object"),
        REFUSED("{}", "version"),
        REFUSED("{\"version\":0,\"members\":[]}", "version"),
        REFUSED("{\"version\":\"1\",\"members\":[]}", "version"),
        {"{\"version\":2,\"members\":7}", "newer", MNAS_ERR_MISMATCH},
        REFUSED("{\"version\":1}", "members"),
        REFUSED("{\"version\":1,\"version\":1,\"members\":[]}", "duplicate"),
        REFUSED(HEAD, "no JSON object"),
        REFUSED(HEAD "3]}", "member 0 is no object"),
        REFUSED(HEAD "{}]}", "device"),
        REFUSED(HEAD "{\"device\":\"\"}]}", "without a name"),
        REFUSED(HEAD "{\"device\":\"a\"},{\"device\":\"a\"}]}", "twice"),
        REFUSED(HEAD "{\"device\":\"a\",\"sentinel_ms\":0,\"calibrated_s\":1}]}", "sentinel_ms"),
        REFUSED(HEAD "{\"device\":\"a\",\"sentinel_ms\":-3,\"calibrated_s\":1}]}", "sentinel_ms"),
        REFUSED(HEAD "{\"device\":\"a\",\"sentinel_ms\":\"3\",\"calibrated_s\":1}]}", "sentinel_ms"),
        REFUSED(HEAD "{\"device\":\"a\",\"sentinel_ms\":3}]}", "without its date"),
        REFUSED(HEAD "{\"device\":\"a\",\"calibrated_s\":3}]}", "a date"),
        REFUSED(HEAD "{\"device\":\"a\",\"away_s\":3}]}", "away in one respect"),
        REFUSED(HEAD "{\"device\":\"a\",\"away_s\":3,\"retry_s\":1e300,\"pause_s\":1}]}", "retry_s"),
        REFUSED("{\"version\":1,\"members\":[{\"device\":\"a\",\"sentinel_ms\":3,\"calibrated_s\":1}]}",
                "no reference"),
        REFUSED("{\"version\":1,\"reference_ms\":5,\"members\":[]}", "without its device"),
        REFUSED("{\"version\":1,\"reference_ms\":1e400,\"members\":[]}", "no JSON object"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_pool_state s;
        const int rc = mnas_pool_state_parse(&s, cases[i].text, strlen(cases[i].text));
        if (rc != cases[i].rc || !strstr(mnas_error_message(), cases[i].says))
            fail_msg("%s: %d %s", cases[i].text, rc, mnas_error_message());
        assert_int_equal(s.n, 0);
        assert_null(s.records);
    }
}

/* Every cut of a sound file is refused. */
static void test_cut_anywhere(void **state) {
    (void)state;
    static const char whole[] = HEAD "{\"device\":\"a\",\"sentinel_ms\":3,\"calibrated_s\":1}]}";
    mnas_pool_state s;
    assert_int_equal(mnas_pool_state_parse(&s, whole, strlen(whole)), 0);
    mnas_pool_state_free(&s);
    for (size_t n = 0; n + 1 < sizeof whole; n++)
        assert_int_equal(mnas_pool_state_parse(&s, whole, n), MNAS_ERR_FORMAT);
}

static void test_too_many(void **state) {
    (void)state;
    mnas_pool_state s = mnas_pool_state_empty();
    char name[40];
    for (int i = 0; i < MNAS_POOL_MAX_MEMBERS; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_non_null(mnas_pool_state_record(&s, name));
    }
    assert_null(mnas_pool_state_record(&s, "one more"));
    assert_non_null(strstr(mnas_error_message(), "256"));
    mnas_pool_state_free(&s);
}

static int add(mnas_pool_state *state, const void *user) {
    return mnas_pool_state_record(state, user) ? 0 : MNAS_ERR_MEMORY;
}

static int refuse(mnas_pool_state *state, const void *user) {
    (void)state, (void)user;
    return MNAS_ERR_BUSY;
}

static void test_a_file_that_is_not_there_is_empty(void **state) {
    (void)state;
    mnas_pool_state s = mnas_pool_state_empty();
    assert_int_equal(mnas_pool_state_load(&s, path), 0);
    assert_int_equal(s.n, 0);
    assert_int_equal(mnas_pool_state_change(&s, path, refuse, NULL), MNAS_ERR_BUSY);
    assert_false(mnas_file_exists(path));
    mnas_pool_state_free(&s);
}

/* Whatever two processes change, nothing is lost. */
static void test_changes_of_processes_all_stay(void **state) {
    (void)state;
    mnas_pool_state s = mnas_pool_state_empty();
    pid_t pids[4];
    for (int p = 0; p < 4; p++) {
        pids[p] = fork();
        assert_true(pids[p] >= 0);
        if (pids[p] > 0) continue;
        for (int i = 0; i < 10; i++) {
            char name[40];
            snprintf(name, sizeof name, "%d-%d", p, i);
            if (mnas_pool_state_change(&s, path, add, name) < 0) _exit(1);
        }
        _exit(0);
    }
    for (int p = 0; p < 4; p++) {
        int status;
        waitpid(pids[p], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(mnas_pool_state_load(&s, path), 0);
    assert_int_equal(s.n, 40);
    mnas_pool_state_free(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_written_and_read),
        TEST(test_lies_are_refused),
        TEST(test_cut_anywhere),
        TEST(test_too_many),
        TEST(test_a_file_that_is_not_there_is_empty),
        TEST(test_changes_of_processes_all_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
