/* test_local.c - device local with a shell script in the place of our binary: what it is asked, and how every kind of failing
 * process is reported. Rounds are test_meter.c's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/proc.h"
#include "device/device.h"

static char script[600], counter[600], request[600];

static int set_up(void **state) {
    (void)state;
    snprintf(script, sizeof script, "%s/local-%d.sh", MNAS_TEST_TMP, (int)getpid());
    snprintf(counter, sizeof counter, "%s/local-%d.count", MNAS_TEST_TMP, (int)getpid());
    snprintf(request, sizeof request, "%s/local-%d.request", MNAS_TEST_TMP, (int)getpid());
    unlink(counter);
    setenv("MNAS_CACHE_DIR", MNAS_TEST_TMP "/local-cache", 1);
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

/* A worker that answers each round alike; what it was asked stands in `request`, how often in `counter`. */
static void write_worker(const char *first) {
    char body[4000];
    snprintf(
        body, sizeof body,
        "[ \"$1 $2\" = 'worker latency' ] || exit 9\n"
        "%s\ncat > '%s'\n"
        "echo x >> '%s'\n"
        "echo "
        "'{\"wire\":3,\"core\":0,\"engine\":\"fake "
        "engine\",\"arch\":\"fake\",\"emulated\":false,\"round\":{\"median_ms\":1.5,"
        "\"p10_ms\":1.4,\"runs\":20,\"n_preempted\":0,\"n_cpu_timed\":0,\"warmup_runs\":4,\"timed_s\":0.1,"
        "\"n_switches\":0,\"cpu_frac\":1},\"before\":{},\"after\":{}}'",
        first, request, counter);
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

static void test_each_round_is_a_process(void **state) {
    (void)state;
    mnas_latency l;
    char *text;
    size_t n;
    write_worker("");
    if (measure(&l, "local:core=0,runs=33,time=7,warmup=3,rounds=3,engine=onednn") < 0)
        fail_msg("%s", mnas_error_message());
    assert_true(l.median_ms == 1.5);
    assert_int_equal(l.rounds, 3);
    assert_string_equal(l.device, "local");
    assert_string_equal(l.engine, "fake engine");
    assert_int_equal(mnas_file_read(counter, 1 << 20, &text, &n), 0);
    assert_int_equal(n, 6);
    free(text);
    assert_int_equal(mnas_file_read(request, 1 << 20, &text, &n), 0);
    static const char *const parts[] = {"r1_k3_s22_e3_i8_o16", "\"runs\":33",          "\"time_ms\":7.0",
                                        "\"warmup_ms\":3.0",   "\"core\":0",           "\"threads\":1",
                                        "\"sentinel\":",       "\"engine\":\"onednn\""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i])) fail_msg("\"%s\" is not in %s", parts[i], text);
    free(text);
}

/* What is timed is timed alone. */
static void test_measurements_take_turns(void **state) {
    (void)state;
    char folder[900], path[1000];
    mnas_latency l;
    int fd;
    write_worker("");
    assert_int_equal(mnas_file_cache_dir(folder, sizeof folder), 0);
    snprintf(path, sizeof path, "%s/measuring", folder);
    assert_int_equal(mnas_lock_take(&fd, path, "held by the test"), 0);
    assert_int_equal(measure(&l, "local:core=0,timeout=1"), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "another measurement"));
    assert_false(mnas_file_exists(counter)); /* nothing was started */
    close(fd);
    assert_int_equal(measure(&l, "local:core=0,timeout=1"), 0);
}

static size_t count_rounds(void) {
    char *text;
    size_t n;
    assert_int_equal(mnas_file_read(counter, 1 << 20, &text, &n), 0);
    free(text);
    return n / 2;
}

/* A program that measures one network after another does not keep out who waits: each has every other round. */
static void test_turns_are_fair(void **state) {
    (void)state;
    mnas_latency l;
    write_worker("sleep 0.02");
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60); /* should we fail and leave it alone */
        while (measure(&l, "local:core=0") == 0) continue;
        _exit(1);
    }
    assert_true(pid > 0);
    for (int i = 0; i < 1000 && !mnas_file_exists(counter); i++) mnas_clock_sleep_ms(10);
    const size_t before = count_rounds();
    const int rc = measure(&l, "local:core=0,rounds=10");
    const size_t n = count_rounds() - before;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(rc, 0);
    if (n > 24) fail_msg("%zu rounds were run until 10 of ours were; allowed: 20 and a few", n);
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
    expect_failure("echo '{\"wire\":3'", "local", MNAS_ERR_DEVICE, "measuring process");
    expect_failure("echo '{\"wire\":3,\"status\":-10,\"message\":\"map is 0x0\"}'", "local", MNAS_ERR_INVALID,
                   "map is 0x0");
    expect_failure("echo '{\"wire\":3,\"status\":-14,\"message\":\"XNNPACK\"}'", "local", MNAS_ERR_DEVICE,
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
        TEST(test_each_round_is_a_process),
        TEST(test_measurements_take_turns),
        TEST(test_turns_are_fair),
        TEST(test_failing_processes),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
