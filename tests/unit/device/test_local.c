/* test_local.c - device local with a shell script in the place of our binary: how rounds are asked for, added
 * up, extended, given up, and how every kind of failing process is reported.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "device/device.h"

static char script[600], counter[600], request[600];

static int set_up(void **state) {
    (void)state;
    snprintf(script, sizeof script, "%s/local-%d.sh", MNAS_TEST_TMP, (int)getpid());
    snprintf(counter, sizeof counter, "%s/local-%d.count", MNAS_TEST_TMP, (int)getpid());
    snprintf(request, sizeof request, "%s/local-%d.request", MNAS_TEST_TMP, (int)getpid());
    unlink(counter);
    mnas_proc_set_self(script);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    unlink(script);
    unlink(counter);
    unlink(request);
    return 0;
}

static void write_script(const char *body) {
    char text[4100];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    assert_int_equal(mnas_file_write_atomic(script, text, strlen(text)), 0);
    assert_int_equal(chmod(script, 0755), 0);
}

/* A worker whose n-th round answers the n-th of `medians` (then the last) with the n-th of `switches`, and as
 * many runs timed by CPU time. */
static void write_worker(const char *medians, const char *switches) {
    char body[4000];
    snprintf(body, sizeof body,
             "[ \"$1 $2\" = 'worker latency' ] || exit 9\n"
             "cat > '%s'\n"
             "echo x >> '%s'\n"
             "n=$(wc -l < '%s')\n"
             "pick() { i=$n; while [ $# -gt 1 ] && [ $i -gt 1 ]; do shift; i=$((i - 1)); done; echo $1; }\n"
             "m=$(pick %s)\n"
             "s=$(pick %s)\n"
             "echo "
             "'{\"wire\":2,\"median_ms\":'$m',\"p10_ms\":'$m',\"runs\":20,\"n_preempted\":0,'"
             "'\"n_cpu_timed\":'$s',\"warmup_runs\":4,\"timed_s\":0.1,"
             "\"n_switches\":'$s',\"cpu_frac\":1,\"core\":0,\"engine\":\"fake engine\"}'",
             request, counter, counter, medians, switches);
    write_script(body);
}

static mnas_model some_model(void) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r1_k3_s22_e3_i8_o16"), 0);
    snprintf(m.name, sizeof m.name, "some");
    m.stem_filters = 8;
    m.input_size = 28;
    return m;
}

static int measure(mnas_latency *out, const char *spec) {
    const mnas_model m = some_model();
    return mnas_measure(out, &m, spec);
}

static void test_rounds_add_up(void **state) {
    (void)state;
    mnas_latency l;
    write_worker("1.00 1.02 0.98 1.01 0.99", "0");
    if (measure(&l, "local:core=0") < 0) fail_msg("%s", mnas_error_message());
    assert_true(l.median_ms == 1.00 && l.ci_low_ms == 0.98 && l.ci_high_ms == 1.02);
    assert_true(fabs(l.spread_frac - 0.01) < 1e-9);
    assert_int_equal(l.rounds, 5);
    assert_int_equal(l.runs, 100);
    assert_int_equal(l.warmup_runs, 20);
    assert_int_equal(l.threads, 1);
    assert_int_equal(l.core, 0);
    assert_int_equal(l.n_disturbed, 0);
    assert_string_equal(l.engine, "fake engine");
    assert_string_equal(l.device, "local");
    assert_true(strlen(l.time_utc) == strlen("2026-11-22T09:53:00.123Z"));
    assert_true(l.elapsed_s > 0 && l.load_before >= 0);
}

static void test_request_holds_model_and_options(void **state) {
    (void)state;
    mnas_latency l;
    char *text;
    size_t n;
    write_worker("1", "0");
    assert_int_equal(measure(&l, "local:core=0,runs=33,time=7,warmup=3,rounds=3"), 0);
    assert_int_equal(mnas_file_read(request, 1 << 20, &text, &n), 0);
    static const char *const parts[] = {"r1_k3_s22_e3_i8_o16", "\"runs\":33", "\"time_ms\":7.0",
                                        "\"warmup_ms\":3.0",   "\"core\":0",  "\"threads\":1"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) fail_msg("\"%s\" is not in %s", parts[i], text);
    free(text);
}

static void test_noise_and_disturbance_cost_rounds(void **state) {
    (void)state;
    mnas_latency l;
    write_worker("1.00 1.00 3.00 1.00 3.00 1.00 1.01", "0 0 99 0 99 0 0");
    assert_int_equal(measure(&l, "local:core=0"), 0);
    assert_true(l.median_ms == 1.00 && l.ci_high_ms == 1.01);
    assert_int_equal(l.rounds, 7);
    assert_int_equal(l.n_disturbed, 2);
    assert_int_equal(l.n_cpu_timed, 0); /* set aside */
}

static void test_cpu_time_and_disturbance_are_told(void **state) {
    (void)state;
    mnas_latency l;
    write_worker("1", "0 99 99 99 99 99 99 99 99 99 99");
    assert_int_equal(measure(&l, "local:core=0"), 0);
    assert_int_equal(l.rounds, 10);
    assert_int_equal(l.n_disturbed, 9);
    assert_int_equal(l.n_cpu_timed, 9);
    unlink(counter);
    assert_int_equal(measure(&l, "local:core=0,strict"), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "9 of them disturbed"));
}

static void test_wide_interval_is_reported_or_refused(void **state) {
    (void)state;
    mnas_latency l;
    write_worker("6.0 7.5 6.0 7.5 6.0 7.5 6.0 7.5 6.0 7.5", "0");
    assert_int_equal(measure(&l, "local:core=0"), 0);
    assert_true(l.median_ms == 6.75 && l.ci_low_ms == 6.0 && l.ci_high_ms == 7.5);
    assert_int_equal(l.rounds, 10);
    unlink(counter);
    assert_int_equal(measure(&l, "local:core=0,strict"), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "after 10 rounds"));
    unlink(counter);
    assert_int_equal(measure(&l, "local:core=0,strict,ci=0.2"), 0);
    assert_int_equal(l.rounds, 5);
}

static void expect_failure(const char *body, const char *spec, int status, const char *part) {
    mnas_latency l;
    write_script(body);
    const int rc = measure(&l, spec);
    if (rc != status || !strstr(mnas_error_message(), part))
        fail_msg("%s: status %d (%s); expected %d with \"%s\"", body, rc, mnas_error_message(), status, part);
    assert_true(isnan(l.median_ms));
}

static void test_failing_processes(void **state) {
    (void)state;
    expect_failure("echo 'no such core' >&2; exit 3", "local", MNAS_ERR_DEVICE, "no such core");
    expect_failure("kill -SEGV $$", "local", MNAS_ERR_DEVICE, "measuring process");
    expect_failure("exit 0", "local", MNAS_ERR_DEVICE, "measuring process");
    expect_failure("echo '{\"wire\":2'", "local", MNAS_ERR_DEVICE, "measuring process");
    expect_failure("echo '{\"wire\":2,\"status\":-10,\"message\":\"map is 0x0\"}'", "local", MNAS_ERR_INVALID,
                   "map is 0x0");
    expect_failure("echo '{\"wire\":2,\"status\":-14,\"message\":\"XNNPACK\"}'", "local", MNAS_ERR_DEVICE,
                   "XNNPACK");
    const double start_s = mnas_clock_now_s();
    expect_failure("exec sleep 30", "local:timeout=1", MNAS_ERR_DEVICE, "measuring process");
    assert_true(mnas_clock_now_s() - start_s < 10);
    mnas_proc_set_self("/nonexistent/mnas");
    mnas_latency l;
    assert_int_equal(measure(&l, "local"), MNAS_ERR_DEVICE);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_rounds_add_up),
        TEST(test_request_holds_model_and_options),
        TEST(test_noise_and_disturbance_cost_rounds),
        TEST(test_cpu_time_and_disturbance_are_told),
        TEST(test_wide_interval_is_reported_or_refused),
        TEST(test_failing_processes),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
