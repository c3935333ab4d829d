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
    char model[] = "name: \"a\"\nblocks:\n", sentinel[] = "name: s";
    mnas_wire_request r = {.threads = 2,
                           .core = MNAS_CORE_NOT_PINNED,
                           .runs = 33,
                           .time_ms = 100.1,
                           .warmup_ms = 1.0 / 3,
                           .seed = 2147483647,
                           .engine = "onednn:x=1",
                           .model = model,
                           .sentinel = sentinel};
    mnas_wire_request got;
    char *text;
    assert_int_equal(mnas_wire_print_request(&text, &r), 0);
    assert_null(strchr(text, '\n'));
    assert_int_equal(mnas_wire_parse_request(&got, text), 0);
    assert_string_equal(got.model, model);
    assert_string_equal(got.sentinel, sentinel);
    assert_string_equal(got.engine, "onednn:x=1");
    assert_int_equal(got.threads, 2);
    assert_int_equal(got.core, MNAS_CORE_NOT_PINNED);
    assert_int_equal(got.runs, 33);
    assert_int_equal(got.seed, 2147483647);
    assert_true(got.time_ms == r.time_ms && got.warmup_ms == r.warmup_ms);
    mnas_wire_free_request(&got);
    free(text);
    r.sentinel = NULL;
    assert_int_equal(mnas_wire_print_request(&text, &r), 0);
    assert_int_equal(mnas_wire_parse_request(&got, text), 0);
    assert_null(got.sentinel);
    mnas_wire_free_request(&got);
    free(text);
}

static void test_reply_round_trip(void **state) {
    (void)state;
    const mnas_wire_reply r = {
        .round = {.median_ms = 0.1 + 0.2,
                  .p10_ms = 0.29,
                  .runs = 196,
                  .n_preempted = 4,
                  .n_cpu_timed = 5,
                  .warmup_runs = 98,
                  .timed_s = 0.1,
                  .n_switches = 3,
                  .cpu_frac = 0.999,
                  .steal_frac = NAN,
                  .freq_mhz = 2400.5,
                  .sentinel_ms = 0.7,
                  .ratio = 0.43},
        .core = 1,
        .engine = "xnnpack test",
        .arch = "aarch64",
        .emulated = true,
        .before =
            {.load = 0.5, .freq_mhz = 1200, .temp_c = NAN, .steal_s = 3, .governor = "schedutil", .cpu = "A"},
        .after = {
            .load = 0.75, .freq_mhz = 2400, .temp_c = 61, .steal_s = 4, .governor = "powersave", .cpu = "B"}};
    mnas_wire_reply got;
    char *text;
    assert_int_equal(mnas_wire_print_reply(&text, &r), 0);
    assert_null(strchr(text, '\n'));
    assert_int_equal(mnas_wire_parse_reply(&got, text), 0);
    assert_true(got.round.median_ms == r.round.median_ms && got.round.cpu_frac == r.round.cpu_frac);
    assert_true(got.round.p10_ms == r.round.p10_ms && got.round.timed_s == r.round.timed_s);
    assert_true(got.round.sentinel_ms == 0.7 && got.round.ratio == 0.43 && got.round.freq_mhz == 2400.5);
    assert_true(isnan(got.round.steal_frac));
    assert_int_equal(got.round.runs, 196);
    assert_int_equal(got.round.n_preempted, 4);
    assert_int_equal(got.round.n_cpu_timed, 5);
    assert_int_equal(got.round.warmup_runs, 98);
    assert_int_equal(got.round.n_switches, 3);
    assert_int_equal(got.core, 1);
    assert_string_equal(got.engine, "xnnpack test");
    assert_string_equal(got.arch, "aarch64");
    assert_true(got.emulated);
    assert_true(got.before.load == 0.5 && got.after.load == 0.75 && got.after.freq_mhz == 2400);
    assert_true(isnan(got.before.temp_c) && got.after.temp_c == 61 && got.after.steal_s == 4);
    assert_string_equal(got.before.governor, "schedutil");
    assert_string_equal(got.after.cpu, "B");
    free(text);
}

static void test_info_round_trip(void **state) {
    (void)state;
    mnas_wire_core cores[] = {{1800, true, "schedutil"}, {NAN, false, ""}};
    const mnas_wire_info info = {.version = "1.2",
                                 .cpu = "Cortex",
                                 .arch = "armv7l",
                                 .kernel = "Linux 5",
                                 .emulated = true,
                                 .memory_bytes = 4e9,
                                 .free_bytes = NAN,
                                 .temp_c = 40,
                                 .n_zones = 3,
                                 .best_core = 0,
                                 .n_cores = 2,
                                 .cores = cores};
    mnas_wire_info got;
    char *text;
    assert_int_equal(mnas_wire_print_info(&text, &info), 0);
    assert_int_equal(mnas_wire_parse_info(&got, text), 0);
    free(text);
    assert_string_equal(got.version, "1.2");
    assert_string_equal(got.arch, "armv7l");
    assert_true(got.emulated && !got.can_raise && got.memory_bytes == 4e9 && isnan(got.free_bytes));
    assert_int_equal(got.n_zones, 3);
    assert_int_equal(got.best_core, 0);
    assert_int_equal(got.n_cores, 2);
    assert_true(got.cores[0].max_mhz == 1800 && got.cores[0].allowed);
    assert_true(isnan(got.cores[1].max_mhz) && !got.cores[1].allowed);
    assert_string_equal(got.cores[0].governor, "schedutil");
    mnas_wire_free_info(&got);
    assert_int_equal(mnas_wire_parse_info(&got, "{\"wire\":3,\"info\":{\"cores\":[]}}"), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_wire_parse_info(&got, "{\"wire\":3,\"info\":5}"), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_wire_parse_info(&got, "{\"wire\":3,\"info\":{\"cores\":[{\"max_mhz\":-1}]}}"),
                     MNAS_ERR_FORMAT);
    assert_null(got.cores);
}

static void test_logits_round_trip(void **state) {
    (void)state;
    const float logits[] = {0.1F, -3e-9F, 1e20F};
    float *got;
    char *text;
    int n;
    assert_int_equal(mnas_wire_print_logits(&text, logits, 3), 0);
    assert_int_equal(mnas_wire_parse_logits(&got, &n, text), 0);
    assert_int_equal(n, 3);
    assert_memory_equal(got, logits, sizeof logits); /* to the last bit */
    free(got);
    free(text);
    static const char *const bad[] = {"{\"wire\":3,\"logits\":[]}", "{\"wire\":3}",
                                      "{\"wire\":3,\"logits\":[\"1\"]}", "{\"wire\":3,\"logits\":[1e300]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(mnas_wire_parse_logits(&got, &n, bad[i]), MNAS_ERR_FORMAT);
        assert_true(got == NULL && n == 0);
    }
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
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":7}"), MNAS_ERR_DEVICE);
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":-99,\"message\":\"x\"}"),
                     MNAS_ERR_DEVICE);
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":0}"), MNAS_ERR_DEVICE);
    /* nor does a peer say that we are interrupted (-12), out of memory (-5), or refuse (-17) */
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":-12}"), MNAS_ERR_DEVICE);
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":-5}"), MNAS_ERR_DEVICE);
    assert_int_equal(mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":-17}"), MNAS_ERR_DEVICE);
}

static const char good[] = "{\"wire\":3,\"core\":0,\"engine\":\"x\",\"arch\":\"y\",\"emulated\":false,"
                           "\"round\":{\"median_ms\":1,\"p10_ms\":1,"
                           "\"runs\":9,\"n_preempted\":0,\"n_cpu_timed\":0,\"warmup_runs\":9,\"timed_s\":1,"
                           "\"n_switches\":0,\"cpu_frac\":1,"
                           "\"sentinel_ms\":1},\"before\":{},\"after\":{}}";

/* `good` with another engine. */
static void parse_engine(mnas_wire_reply *got, const char *engine) {
    char text[1000];
    const char *at = strstr(good, "\"x\"");
    snprintf(text, sizeof text, "%.*s\"%s\"%s", (int)(at - good), good, engine, at + 3);
    assert_int_equal(mnas_wire_parse_reply(got, text), 0);
}

/* What another machine says goes to terminals and into files of UTF-8. */
static void test_texts_are_harmless(void **state) {
    (void)state;
    mnas_wire_reply got;
    char longer[200], *text;
    parse_engine(&got, "x\\u001b[2J\\u007f \\n\xc3\xbc");
    assert_string_equal(got.engine, "x?[2J? ?\xc3\xbc");
    for (size_t i = 0; i < 99; i++) memcpy(longer + 2 * i, "\xc3\xbc", 3);
    parse_engine(&got, longer);
    assert_int_equal(strlen(got.engine), 94); /* 95 would be half a letter */
    assert_int_equal(mnas_wire_print_reply(&text, &got), 0);
    free(text);
    assert_int_equal(mnas_wire_print_failure(&text, MNAS_ERR_ARG, "no file \xff\xc3"), 0);
    assert_int_equal(mnas_wire_parse_reply(&got, text), MNAS_ERR_ARG);
    assert_string_equal(mnas_error_message(), "no file ??");
    free(text);
    mnas_wire_parse_reply(&got, "{\"wire\":3,\"status\":-1,\"message\":\"a\\u001b[2J\\nb\"}");
    assert_string_equal(mnas_error_message(), "a?[2J\nb");
}

static void test_malformed_replies_are_refused(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"\"wire\":3", "\"wire\":2"},
        {"\"wire\":3,", ""},
        {"\"median_ms\":1", "\"median_ms\":0"},
        {"\"median_ms\":1", "\"median_ms\":-1"},
        {"\"median_ms\":1", "\"median_ms\":\"1\""},
        {"\"runs\":9,", "\"runs\":0,"},
        {"\"n_cpu_timed\":0,", ""},
        {"\"engine\":\"x\"", "\"engine\":5"},
        {"\"core\":0", "\"core\":-2"},
        {"\"n_switches\":0", "\"n_switches\":-1"},
        {"\"timed_s\":1", "\"timed_s\":0"},
        {"}", ""},
        {"\"p10_ms\":1", "\"median_ms\":1"},
        {"\"emulated\":false", "\"emulated\":0"},
        {"\"before\":{}", "\"before\":3"},
        {",\"after\":{}", ""},
        {"\"sentinel_ms\":1", "\"sentinel_ms\":0"},
    };
    mnas_wire_reply got;
    assert_int_equal(mnas_wire_parse_reply(&got, good), 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char text[1024];
        const char *at = strstr(good, changes[i][0]);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, changes[i][1],
                 at + strlen(changes[i][0]));
        if (mnas_wire_parse_reply(&got, text) != MNAS_ERR_FORMAT) fail_msg("accepted: %s", text);
        assert_true(strlen(mnas_error_message()) > 10);
    }
    static const char *const junk[] = {"", "[]", "null", "3", "ms: 1", "{\"wire\":3}", "\xff\xfe"};
    for (size_t i = 0; i < sizeof junk / sizeof *junk; i++)
        assert_int_equal(mnas_wire_parse_reply(&got, junk[i]), MNAS_ERR_FORMAT);
}

static void test_malformed_requests_are_refused(void **state) {
    (void)state;
    static const char fine[] =
        "{\"wire\":3,\"model\":\"m\",\"threads\":1,\"core\":0,\"runs\":20,\"time_ms\":1,"
        "\"warmup_ms\":1,\"seed\":0,\"engine\":\"e\"}";
    static const char *const changes[][2] = {
        {fine, ""},
        {fine, "{}"},
        {"\"model\":\"m\",", ""},
        {"\"threads\":1", "\"threads\":0"},
        {"\"core\":0", "\"core\":-3"},
        {"\"runs\":20", "\"runs\":0"},
        {"\"runs\":20", "\"runs\":20001"},
        {"\"runs\":20", "\"runs\":20.5"},
        {"\"time_ms\":1", "\"time_ms\":1e99"},
        {"\"warmup_ms\":1,", ""},
        {"\"seed\":0", "\"seed\":-1"},
        {"\"engine\":\"e\"", "\"engine\":null"},
        {"\"wire\":3", "\"wire\":2"},
    };
    mnas_wire_request got;
    assert_int_equal(mnas_wire_parse_request(&got, fine), 0);
    mnas_wire_free_request(&got);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char text[1024];
        const char *at = strstr(fine, changes[i][0]);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - fine), fine, changes[i][1],
                 at + strlen(changes[i][0]));
        if (mnas_wire_parse_request(&got, text) != MNAS_ERR_FORMAT) fail_msg("accepted: %s", text);
        mnas_wire_free_request(&got);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_round_trip),
        cmocka_unit_test(test_reply_round_trip),
        cmocka_unit_test(test_info_round_trip),
        cmocka_unit_test(test_logits_round_trip),
        cmocka_unit_test(test_nan_does_not_get_out),
        cmocka_unit_test(test_failure_keeps_status_and_message),
        cmocka_unit_test(test_texts_are_harmless),
        cmocka_unit_test(test_malformed_replies_are_refused),
        cmocka_unit_test(test_malformed_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
