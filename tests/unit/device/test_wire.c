/* test_wire.c - requests and replies survive the wire unchanged; anything else is refused with a reason. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/wire.h"
#include "mnas.h"

static void test_request_round_trip(void **state) {
    (void)state;
    const mnas_wire_request r = {
        .threads = 2, .core = -1, .runs = 33, .time_ms = 100.1, .warmup_ms = 1.0 / 3};
    mnas_wire_request got;
    char *text, *model;
    assert_int_equal(mnas_wire_print_request(&text, &r, "name: \"a\"\nblocks:\n"), 0);
    assert_null(strchr(text, '\n'));
    assert_int_equal(mnas_wire_parse_request(&got, &model, text), 0);
    assert_string_equal(model, "name: \"a\"\nblocks:\n");
    assert_int_equal(got.threads, 2);
    assert_int_equal(got.core, -1);
    assert_int_equal(got.runs, 33);
    assert_true(got.time_ms == r.time_ms && got.warmup_ms == r.warmup_ms);
    free(text);
    free(model);
}

static void test_reply_round_trip(void **state) {
    (void)state;
    const mnas_wire_reply r = {.round = {.median_ms = 0.1 + 0.2,
                                         .p10_ms = 0.29,
                                         .runs = 196,
                                         .n_preempted = 4,
                                         .n_cpu_timed = 5,
                                         .warmup_runs = 98,
                                         .timed_s = 0.1,
                                         .n_switches = 3,
                                         .cpu_frac = 0.999},
                               .core = 1,
                               .engine = "xnnpack test"};
    mnas_wire_reply got;
    char *text;
    assert_int_equal(mnas_wire_print_reply(&text, &r), 0);
    assert_null(strchr(text, '\n'));
    assert_int_equal(mnas_wire_parse_reply(&got, text), 0);
    assert_true(got.round.median_ms == r.round.median_ms && got.round.cpu_frac == r.round.cpu_frac);
    assert_true(got.round.p10_ms == r.round.p10_ms && got.round.timed_s == r.round.timed_s);
    assert_int_equal(got.round.runs, 196);
    assert_int_equal(got.round.n_preempted, 4);
    assert_int_equal(got.round.n_cpu_timed, 5);
    assert_int_equal(got.round.warmup_runs, 98);
    assert_int_equal(got.round.n_switches, 3);
    assert_int_equal(got.core, 1);
    assert_string_equal(got.engine, "xnnpack test");
    free(text);
}

static void test_nan_does_not_get_out(void **state) {
    (void)state;
    const mnas_wire_reply r = {.round = {.median_ms = NAN}};
    char *text;
    assert_true(mnas_wire_print_reply(&text, &r) < 0);
    assert_null(text);
}

static void test_failure_keeps_status_and_message(void **state) {
    (void)state;
    mnas_wire_reply got;
    char *text;
    assert_int_equal(mnas_wire_print_failure(&text, MNAS_ERR_INVALID, "map is 0x0"), 0);
    assert_int_equal(mnas_wire_parse_reply(&got, text), MNAS_ERR_INVALID);
    assert_string_equal(mnas_error_message(), "map is 0x0");
    free(text);
    /* a status that this build does not know is a device's failure, never success */
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":2,\"status\":7}"), MNAS_ERR_DEVICE);
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":2,\"status\":-99,\"message\":\"x\"}"),
                     MNAS_ERR_DEVICE);
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":2,\"status\":0}"), MNAS_ERR_DEVICE);
}

static const char good[] =
    "{\"wire\":2,\"median_ms\":1,\"p10_ms\":1,\"runs\":9,\"n_preempted\":0,\"n_cpu_timed\":0,"
    "\"warmup_runs\":9,\"timed_s\":1,"
    "\"n_switches\":0,\"cpu_frac\":1,\"core\":0,\"engine\":\"x\"}";

static void test_malformed_replies_are_refused(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"\"wire\":2", "\"wire\":1"},
        {"\"wire\":2,", ""},
        {"\"median_ms\":1", "\"median_ms\":0"},
        {"\"median_ms\":1", "\"median_ms\":-1"},
        {"\"median_ms\":1", "\"median_ms\":\"1\""},
        {"\"runs\":9,", "\"runs\":0,"},
        {"\"n_cpu_timed\":0,", ""},
        {"\"cpu_frac\":1,", ""},
        {"\"engine\":\"x\"", "\"engine\":5"},
        {"\"core\":0", "\"core\":-2"},
        {"\"n_switches\":0", "\"n_switches\":-1"},
        {"\"timed_s\":1", "\"timed_s\":0"},
        {"}", ""},
        {"\"p10_ms\":1", "\"median_ms\":1"},
    };
    mnas_wire_reply got;
    assert_int_equal(mnas_wire_parse_reply(&got, good), 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char text[512];
        const char *at = strstr(good, changes[i][0]);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, changes[i][1],
                 at + strlen(changes[i][0]));
        if (mnas_wire_parse_reply(&got, text) != MNAS_ERR_FORMAT) fail_msg("accepted: %s", text);
        assert_true(strlen(mnas_error_message()) > 10);
    }
    static const char *const junk[] = {"", "[]", "null", "3", "ms: 1", "{\"wire\":2}", "\xff\xfe"};
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++)
        assert_int_equal(mnas_wire_parse_reply(&got, junk[i]), MNAS_ERR_FORMAT);
}

static void test_malformed_requests_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "{\"wire\":2,\"threads\":1,\"core\":0,\"runs\":20,\"time_ms\":1,\"warmup_ms\":1}",
        "{\"wire\":2,\"model\":\"m\",\"threads\":0,\"core\":0,\"runs\":20,\"time_ms\":1,\"warmup_ms\":1}",
        "{\"wire\":2,\"model\":\"m\",\"threads\":1,\"core\":-2,\"runs\":20,\"time_ms\":1,\"warmup_ms\":1}",
        "{\"wire\":2,\"model\":\"m\",\"threads\":1,\"core\":0,\"runs\":0,\"time_ms\":1,\"warmup_ms\":1}",
        "{\"wire\":2,\"model\":\"m\",\"threads\":1,\"core\":0,\"runs\":20001,\"time_ms\":1,\"warmup_ms\":1}",
        "{\"wire\":2,\"model\":\"m\",\"threads\":1,\"core\":0,\"runs\":20,\"time_ms\":1e99,\"warmup_ms\":1}",
        "{\"wire\":2,\"model\":\"m\",\"threads\":1,\"core\":0,\"runs\":20,\"time_ms\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mnas_wire_request got;
        char *model;
        if (mnas_wire_parse_request(&got, &model, bad[i]) != MNAS_ERR_FORMAT)
            fail_msg("accepted: %s", bad[i]);
        assert_null(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_round_trip),
        cmocka_unit_test(test_reply_round_trip),
        cmocka_unit_test(test_nan_does_not_get_out),
        cmocka_unit_test(test_failure_keeps_status_and_message),
        cmocka_unit_test(test_malformed_replies_are_refused),
        cmocka_unit_test(test_malformed_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
