/* test_table.c - recorded latencies: written, found again bit for bit, and refused when the file lies. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "device/device.h"
#include "model/latency.h"

static char path[1000], spec[1100];

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s/table-%d.jsonl", MNAS_TEST_TMP, (int)getpid());
    snprintf(spec, sizeof spec, "table:file=%s", path);
    unlink(path);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

static mnas_model small_model(const char *arch) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, arch), 0);
    snprintf(m.name, sizeof m.name, "t");
    m.stem_filters = 8;
    m.input_size = 28;
    m.input_channels = 1;
    m.classes = 10;
    return m;
}

static mnas_latency some_latency(double ms) {
    mnas_latency l = mnas_latency_unknown();
    l.median_ms = ms;
    l.ci_low_ms = ms * 0.99;
    l.ci_high_ms = ms * 1.01;
    l.ci_level = 0.9375;
    l.rounds = 5;
    l.runs = 1000;
    l.threads = 1;
    l.core = 1;
    l.load_before = 0.1;
    snprintf(l.device, sizeof l.device, "local");
    snprintf(l.engine, sizeof l.engine, "xnnpack");
    snprintf(l.time_utc, sizeof l.time_utc, "2026-11-22T10:00:00.000Z");
    return l;
}

static void write_text(const char *text) {
    assert_int_equal(mnas_file_write_atomic(path, text, strlen(text)), 0);
}

static void append_text(const char *text) {
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_record_and_look_up(void **state) {
    (void)state;
    const mnas_model a = small_model("r1_k3_s22_e3_i8_o16"), b = small_model("r1_k5_s22_e3_i8_o16");
    const mnas_latency la = some_latency(0.1 + 0.2), lb = some_latency(1.0 / 3);
    assert_int_equal(mnas_measure_record(path, &a, &la), 0);
    assert_int_equal(mnas_measure_record(path, &b, &lb), 0);
    mnas_device *d;
    mnas_latency got;
    assert_int_equal(mnas_device_open(&d, spec), 0);
    assert_false(mnas_device_needs_quiet(d));
    assert_int_equal(mnas_device_measure(d, &b, &got), 0);
    assert_true(got.median_ms == lb.median_ms);
    assert_int_equal(mnas_device_measure(d, &a, &got), 0);
    assert_true(got.median_ms == la.median_ms && got.ci_low_ms == la.ci_low_ms &&
                got.ci_high_ms == la.ci_high_ms);
    assert_true(got.ci_level == la.ci_level && got.load_before == la.load_before);
    assert_int_equal(got.rounds, 5);
    assert_int_equal(got.runs, 1000);
    assert_int_equal(got.core, 1);
    assert_int_equal(got.warmup_runs, -1);
    assert_true(isnan(got.temp_c) && isnan(got.spread_frac) && isnan(got.elapsed_s));
    assert_string_equal(got.device, "local");
    assert_string_equal(got.engine, "xnnpack");
    assert_string_equal(got.time_utc, la.time_utc);
    mnas_device_close(d);
}

/* Choices which an operator ignores make another string but the same network. */
static void test_same_network_has_the_same_latency(void **state) {
    (void)state;
    const mnas_model a = small_model("r1_k3_s22_e3_i8_o16_opconv"),
                     b = small_model("r1_k3_s22_e6_i8_o16_opconv");
    const mnas_latency l = some_latency(0.5);
    mnas_latency got;
    assert_int_equal(mnas_measure_record(path, &a, &l), 0);
    assert_int_equal(mnas_measure(&got, &b, spec), 0);
    assert_true(got.median_ms == 0.5);
}

static void test_last_record_counts(void **state) {
    (void)state;
    const mnas_model m = small_model("r1_k3_s22_e3_i8_o16");
    mnas_latency got;
    for (int i = 1; i <= 3; i++) {
        const mnas_latency l = some_latency(i);
        assert_int_equal(mnas_measure_record(path, &m, &l), 0);
    }
    assert_int_equal(mnas_measure(&got, &m, spec), 0);
    assert_true(got.median_ms == 3);
}

static void test_missing_network(void **state) {
    (void)state;
    const mnas_model a = small_model("r1_k3_s22_e3_i8_o16"), b = small_model("r1_k3_s22_e3_i8_o24");
    mnas_model larger = a;
    larger.input_size = 32;
    const mnas_latency l = some_latency(1);
    mnas_latency got;
    assert_int_equal(mnas_measure_record(path, &a, &l), 0);
    assert_int_equal(mnas_measure(&got, &b, spec), MNAS_ERR_MISSING);
    assert_non_null(strstr(mnas_error_message(), "r1_k3_s22_e3_i8_o24"));
    assert_non_null(strstr(mnas_error_message(), "--record"));
    assert_true(isnan(got.median_ms));
    assert_int_equal(mnas_measure(&got, &larger, spec), MNAS_ERR_MISSING);
    char with_default[1200];
    snprintf(with_default, sizeof with_default, "%s,default-ms=2.5", spec);
    assert_int_equal(mnas_measure(&got, &b, with_default), 0);
    assert_true(got.median_ms == 2.5 && isnan(got.spread_frac) && isnan(got.ci_low_ms));
    assert_string_equal(got.engine, "table default");
    assert_int_equal(mnas_measure(&got, &a, with_default), 0);
    assert_true(got.median_ms == 1);
}

static void test_missing_file_and_options(void **state) {
    (void)state;
    mnas_device *d;
    assert_true(mnas_device_open(&d, spec) < 0);
    assert_non_null(strstr(mnas_error_message(), path));
    assert_null(d);
    assert_int_equal(mnas_device_open(&d, "table"), MNAS_ERR_ARG);
    assert_int_equal(mnas_device_open(&d, "table:file=x,default-ms=-1"), MNAS_ERR_ARG);
    assert_int_equal(mnas_device_open(&d, "tabel:file=x"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "table"));
}

#define KEY "\"key\":\"0123456789abcdef\""

static void test_broken_files_name_the_line(void **state) {
    (void)state;
    static const char *const bad[] = {
        "nonsense",
        "[1]",
        "{\"median_ms\":1}",
        "{\"key\":\"short\",\"median_ms\":1}",
        "{" KEY "}",
        "{" KEY ",\"median_ms\":0}",
        "{" KEY ",\"median_ms\":\"1\"}",
        "{" KEY ",\"median_ms\":1,\"rounds\":1.5}",
        "{" KEY ",\"median_ms\":1,\"rounds\":4294967296}",
        "{" KEY ",\"median_ms\":1,\"engine\":3}",
        "{" KEY "," KEY ",\"median_ms\":1}",
        "{" KEY ",\"median_ms\":1",
        "{" KEY ",\"median_ms\":1,\"device\":\"phone\"}", /* line 1 does not say so */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[400];
        mnas_device *d;
        snprintf(text, sizeof text, "{\"key\":\"0000000000000000\",\"median_ms\":1}\n\n%s\n", bad[i]);
        write_text(text);
        if (mnas_device_open(&d, spec) != MNAS_ERR_FORMAT) fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(mnas_error_message(), ".jsonl:3: "));
    }
}

static void test_devices_are_kept_apart(void **state) {
    (void)state;
    const mnas_model m = small_model("r1_k3_s22_e3_i8_o16");
    mnas_latency here = some_latency(1), there = some_latency(7), got;
    snprintf(there.device, sizeof there.device, "phone");
    assert_int_equal(mnas_measure_record(path, &m, &here), 0);
    assert_int_equal(mnas_measure_record(path, &m, &there), 0);
    assert_int_equal(mnas_measure(&got, &m, spec), MNAS_ERR_FORMAT);
    char one[1200];
    snprintf(one, sizeof one, "%s,device=local", spec);
    assert_int_equal(mnas_measure(&got, &m, one), 0);
    assert_true(got.median_ms == 1);
    snprintf(one, sizeof one, "%s,device=phone", spec);
    assert_int_equal(mnas_measure(&got, &m, one), 0);
    assert_true(got.median_ms == 7);
}

/* A crash while a line was written: what was there before is still good, but nothing grows onto the stump. */
static void test_incomplete_last_line(void **state) {
    (void)state;
    const mnas_model m = small_model("r1_k3_s22_e3_i8_o16");
    const mnas_latency l = some_latency(1);
    mnas_latency got;
    assert_int_equal(mnas_measure_record(path, &m, &l), 0);
    append_text("{\"key\":\"0123");
    assert_int_equal(mnas_measure(&got, &m, spec), 0);
    assert_int_equal(mnas_measure_record(path, &m, &l), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_measure(&got, &m, spec), 0);
}

static void test_unwritable_table(void **state) {
    (void)state;
    const mnas_model m = small_model("r1_k3_s22_e3_i8_o16");
    const mnas_latency l = some_latency(1);
    assert_int_equal(mnas_measure_record("/nonexistent/folder/t.jsonl", &m, &l), MNAS_ERR_IO);
    assert_int_equal(mnas_measure_record("/dev/full", &m, &l), MNAS_ERR_FULL);
}

/* The doctor hears of a table what it holds, of an empty one how to fill it, and measures nothing there. */
static void test_examined(void **state) {
    (void)state;
    mnas_device *d;
    mnas_findings f = {0};
    const mnas_model m = small_model("r1_k3_s22_e3_i8_o16");
    const mnas_latency l = some_latency(2);
    write_text("");
    assert_int_equal(mnas_device_open(&d, spec), 0);
    assert_true(mnas_device_is_recorded(d) && mnas_device_meter(d) == NULL);
    mnas_device_examine(d, &f);
    assert_int_equal(mnas_findings_count(&f, "bad"), 1);
    assert_non_null(strstr(f.items[0].fix, "--record"));
    mnas_device_close(d);
    mnas_findings_free(&f);
    assert_int_equal(mnas_measure_record(path, &m, &l), 0);
    assert_int_equal(mnas_device_open(&d, spec), 0);
    mnas_device_examine(d, &f);
    assert_int_equal(mnas_findings_count(&f, "ok"), 1);
    assert_non_null(strstr(f.items[0].text, "measured on local"));
    mnas_device_close(d);
    mnas_findings_free(&f);
}

static void test_every_plugin_is_described(void **state) {
    (void)state;
    size_t n;
    const mnas_plugin *const *list = mnas_device_plugins(&n);
    assert_true(n >= 2);
    mnas_str help = {0};
    mnas_registry_help(list, n, &help);
    assert_true(mnas_str_ok(&help));
    for (size_t i = 0; i < n; i++) {
        const mnas_device_class *c = (const mnas_device_class *)list[i];
        assert_non_null(strstr(help.data, list[i]->name));
        assert_true(list[i]->help[0] != '\0');
        assert_true(c->open && c->measure && c->close);
    }
    mnas_str_free(&help);
}

static void test_local_options_are_checked(void **state) {
    (void)state;
    mnas_device *d;
    assert_int_equal(mnas_device_open(&d, "local:rounds=2"), MNAS_ERR_ARG);
    assert_int_equal(mnas_device_open(&d, "local:rounds=20,max-rounds=10"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "max-rounds is 10"));
    assert_int_equal(mnas_device_open(&d, "local:core=1023"), MNAS_ERR_ARG);
    assert_int_equal(mnas_device_open(&d, "local:cores=1"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "core"));
    assert_int_equal(mnas_device_open(&d, "local"), 0);
    assert_true(mnas_device_needs_quiet(d));
    mnas_device_close(d);
    mnas_device_close(NULL);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_record_and_look_up),
        TEST(test_same_network_has_the_same_latency),
        TEST(test_last_record_counts),
        TEST(test_missing_network),
        TEST(test_missing_file_and_options),
        TEST(test_broken_files_name_the_line),
        TEST(test_devices_are_kept_apart),
        TEST(test_incomplete_last_line),
        TEST(test_unwritable_table),
        TEST(test_every_plugin_is_described),
        TEST(test_examined),
        TEST(test_local_options_are_checked),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
