/* test_command.c - the device that is a program of the user's, with small scripts standing for it: good ones, and such as print
 * garbage, crash, hang, or delete what they were given.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/command_output.h"
#include "device/device.h"
#include "model/model.h"

static char folder[400];
static const char script[] = MNAS_TEST_TMP "/command.sh", notes[] = MNAS_TEST_TMP "/command.notes";

/* ---- reading what was printed ---- */

typedef struct reading {
    const char *pattern, *output;
    double ms; /* 0: an error, whose message has `words` */
    const char *words;
} reading;

static void check_reading(const reading *r, double unit_ms) {
    mnas_command_reader reader;
    double ms = NAN;
    if (mnas_command_reader_open(&reader, r->pattern, unit_ms) < 0) fail_msg("%s", mnas_error_message());
    const int rc = mnas_command_reader_read(&ms, &reader, r->output);
    mnas_command_reader_close(&reader);
    if (r->ms > 0) {
        if (rc < 0) fail_msg("\"%s\": %s", r->output, mnas_error_message());
        if (fabs(ms / r->ms - 1) > 1e-12) fail_msg("\"%s\" gives %g ms", r->output, ms);
        return;
    }
    if (rc != MNAS_ERR_DEVICE) fail_msg("\"%s\" gives %g ms", r->output, ms);
    if (!strstr(mnas_error_message(), r->words)) fail_msg("\"%s\": %s", r->output, mnas_error_message());
}

static void test_last_number(void **state) {
    (void)state;
    static const reading readings[] = {
        {"", "5.25", 5.25, NULL},
        {"", "5.25\n", 5.25, NULL},
        {"", "warm-up 8.1 ms\naverage 5.5 ms\n", 5.5, NULL},
        {"", "latency=5.5ms done", 5.5, NULL},
        {"", "time: 1.5e1", 15, NULL},
        {"", "took .5 ms with conv2d_v3 at 0x7ffe12", 0.5, NULL},
        {"", "+7 ms", 7, NULL},
        {"", "it took 5.3 ms.", 5.3, NULL},
        {"", "Latency: 5.3\r\ndone\n", 5.3, NULL},
        {"", "{\"ms\": 5.3}", 5.3, NULL},
        {"", "(mean:5.3)", 5.3, NULL},
        {"", "5.3  msec per image", 5.3, NULL},
        {"", "a-7", 0, "\"a-7\""},
        {"", "3 ms (5.0 fps)", 0, "\"(5.0 fps)\""},
        {"", "12.5 fps", 0, "\"12.5 fps\""},
        {"", "12.5 fps", 0, "pattern="},
        {"", "12.5%\n", 0, "\"12.5%\""},
        {"", "latency 12.5 ms at 15:04:33", 0, "\"15:04:33\""},
        {"", "12.5 ms\n2026-11-22\n", 0, "\"2026-11-22\""},
        {"", "run 3/10", 0, "\"3/10\""},
        {"", "5.3 ms with v 1.2.3", 0, "\"1.2.3\""},
        {"", "5.3 ms, 4 MB/s", 0, "\"4 MB/s\""},
        {"", "5300 us.", 0, "unit"},
        {"", "1.5, 2.5", 2.5, NULL},
        {"", "", 0, "no number"},
        {"", "all went well", 0, "all went well"},
        {"", "v1 x2", 0, "no number"},
        {"", "0", 0, "0 is no time"},
        {"", "-3.5 ms", 0, "-3.5 is no time"},
        {"", "1e999", 0, "inf is no time"},
        {"", "nan", 0, "no number"},
        {"", "12,5 ms", 0, "comma"},
        {"", "5300 us", 0, "unit"},
        {"", "5.3 s\n", 0, "unit"},
    };
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) check_reading(&readings[i], 1);
    check_reading(&(reading){"", "5300 us", 5.3, NULL}, 1e-3);
    check_reading(&(reading){"", "0.0053s", 5.3, NULL}, 1e3);
}

static void test_pattern(void **state) {
    (void)state;
    static const char timings[] = "Inference timings in us: Init: 3541, First inference: 14893, "
                                  "Warmup (avg): 13621.5, Inference (avg): 13452.7\nPeak memory: 12.5 MB\n";
    check_reading(&(reading){"Inference \\(avg\\): ([0-9.e+]+)", timings, 13.4527, NULL}, 1e-3);
    static const reading readings[] = {
        {"t=([0-9.]+)", "t=1\nt=2.5\nu=9", 2.5, NULL},
        {"^([0-9]+)$", "7\nx8\n9x\n", 7, NULL},
        {"t=([0-9]*)", "t=4 t=", 0, "\"\""}, /* the last match counts, whatever it holds */
        {"x*(a?)", "bcd", 0, "no number"},
        {"t=(.*)", "t=soon", 0, "soon"},
        {"t=([0-9.]+)", "t=0", 0, "0 is no time"},
        {"t=([0-9.]+)", "nothing here", 0, "pattern matches nothing"},
        {"(a)|t=5", "t=5", 0, "matches nothing"},
    };
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) check_reading(&readings[i], 1);
    mnas_command_reader reader;
    assert_int_equal(mnas_command_reader_open(&reader, "t=[0-9]", 1), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "0 groups"));
    assert_int_equal(mnas_command_reader_open(&reader, "(a)(b)", 1), MNAS_ERR_ARG);
    assert_int_equal(mnas_command_reader_open(&reader, "([0-9", 1), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "([0-9"));
}

static void test_tail(void **state) {
    (void)state;
    char tail[MNAS_COMMAND_TAIL], text[2000];
    mnas_command_tail(tail, "one\ntwo\x01\n\n");
    assert_string_equal(tail, "one | two?");
    mnas_command_tail(tail, "");
    assert_string_equal(tail, "");
    for (int i = 0; i < 1999; i++) text[i] = i % 2 ? '\n' : 'x';
    text[1999] = '\0';
    mnas_command_tail(tail, text);
    assert_true(strlen(tail) < MNAS_COMMAND_TAIL && strstr(tail, "x | x"));
}

/* ---- running programs ---- */

static mnas_model small_model(void) {
    mnas_model model;
    if (mnas_model_open_local(&model, "mnasnet-small", 32) < 0) fail_msg("%s", mnas_error_message());
    model.classes = 10;
    return model;
}

/* Measures with a script that says `body`, its first argument being the network's file. */
static int measure(mnas_latency *out, const char *body, const char *more) {
    char spec[1500];
    mnas_device *device;
    mnas_model model = small_model();
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", body);
    fclose(f);
    snprintf(spec, sizeof spec, "command:run=\"sh %s {model}\",%s", script, more);
    int rc = mnas_device_open(&device, spec);
    if (rc < 0) fail_msg("%s", mnas_error_message());
    rc = mnas_device_measure(device, &model, out);
    mnas_device_close(device);
    return rc;
}

static int n_left(void) {
    DIR *dir = opendir(folder);
    int n = 0;
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void test_good_program(void **state) {
    (void)state;
    mnas_latency l;
    remove(notes);
    const char *body = "head -c 8 \"$1\" | tail -c 4; stat -c %a \"$(dirname \"$1\")\" >> " MNAS_TEST_TMP
                       "/command.notes; echo average 4.5";
    if (measure(&l, body, "format=tflite,rounds=3") < 0) fail_msg("%s", mnas_error_message());
    assert_true(l.median_ms == 4.5 && l.ci_low_ms == 4.5 && l.ci_high_ms == 4.5 && l.spread_frac == 0);
    assert_int_equal(l.rounds, 3);
    assert_int_equal(l.n_refused, 0);
    assert_false(l.wide);
    assert_non_null(strstr(l.device, "command:run=sh "));
    assert_non_null(strstr(l.engine, "tflite"));
    /* what nobody told us stays unknown */
    assert_int_equal(l.threads, -1);
    assert_int_equal(l.core, -1);
    assert_int_equal(l.runs, -1);
    assert_int_equal(l.n_disturbed, -1);
    assert_true(isnan(l.sentinel_ms) && isnan(l.drift_frac) && isnan(l.freq_mhz) && isnan(l.temp_c));
    assert_true(l.cpu[0] && l.elapsed_s > 0);
    char *text;
    size_t n;
    assert_int_equal(mnas_file_read(notes, 1000, &text, &n), 0);
    assert_string_equal(text, "700\n700\n700\n"); /* for its user alone */
    free(text);
    assert_int_equal(n_left(), 0);
}

static void test_elsewhere(void **state) {
    (void)state;
    mnas_latency l;
    assert_int_equal(measure(&l, "echo 3 >&2", "quiet=false,format=onnx"), 0);
    assert_true(l.median_ms == 3 && isnan(l.load_before) && isnan(l.load_after));
    assert_string_equal(l.cpu, "");
    mnas_device *device;
    assert_int_equal(mnas_device_open(&device, "command:run={model}"), 0);
    assert_true(mnas_device_needs_quiet(device));
    assert_false(mnas_device_can_measure_layers(device));
    mnas_device_close(device);
    assert_int_equal(mnas_device_open(&device, "command:run={model},quiet=false"), 0);
    assert_false(mnas_device_needs_quiet(device));
    mnas_device_close(device);
}

/* A counter in a file makes each round another. */
#define COUNT                                                                                                \
    "n=$(cat " MNAS_TEST_TMP "/command.notes); n=$((n + 1)); echo $n > " MNAS_TEST_TMP "/command.notes; "

static void start_count(void) {
    assert_int_equal(mnas_file_write_atomic(notes, "0", 1), 0);
}

static void test_rounds_until_narrow(void **state) {
    (void)state;
    mnas_latency l;
    start_count();
    assert_int_equal(measure(&l, COUNT "echo $((1000 + n % 2))", "unit=us,rounds=3"), 0);
    assert_true(fabs(l.median_ms - 1.0005) < 0.001 && l.ci_high_ms - l.ci_low_ms <= 0.0011);
    start_count();
    assert_int_equal(measure(&l, COUNT "echo $((100 + 30 * (n % 2)))", "max-rounds=8"), MNAS_ERR_REFUSED);
    assert_non_null(strstr(mnas_error_message(), "after 8 runs"));
    assert_non_null(strstr(mnas_error_message(), "wide=true"));
    start_count();
    assert_int_equal(measure(&l, COUNT "echo $((100 + 30 * (n % 2)))", "max-rounds=8,wide=true"), 0);
    assert_true(l.wide);
    assert_int_equal(l.rounds, 8);
    assert_int_equal(n_left(), 0);
}

static void expect_failure(const char *body, const char *more, const char *words) {
    mnas_latency l;
    const int rc = measure(&l, body, more);
    if (rc != MNAS_ERR_DEVICE) fail_msg("%s: status %d, %g ms", body, rc, l.median_ms);
    if (!strstr(mnas_error_message(), words)) fail_msg("%s: %s", body, mnas_error_message());
    assert_int_equal(n_left(), 0);
}

static void test_failing_programs(void **state) {
    (void)state;
    expect_failure("echo not today", "rounds=5", "not today");
    expect_failure("echo 5; echo cannot open model >&2; exit 3", "rounds=5", "exit code 3");
    expect_failure("echo 5; echo cannot open model >&2; exit 3", "rounds=5", "cannot open model");
    expect_failure("kill -9 $$", "rounds=5", "137"); /* the shell's word for it */
    expect_failure("head -c 300000 /dev/urandom | tr -d '0-9'; echo", "rounds=5", "no number");
    expect_failure("exit 0", "rounds=5", "no number");
    expect_failure("echo 0", "rounds=5", "no time above 0");
    start_count();
    expect_failure(COUNT "[ $n = 3 ] && exit 1; echo 5.$n", "rounds=5", "round 3");
    expect_failure("rm -r \"$(dirname \"$1\")\"; echo nothing", "rounds=5", "no number");
}

static void test_hanging_program(void **state) {
    (void)state;
    const double start_s = mnas_clock_now_s();
    expect_failure("sleep 60; echo 5", "timeout=0.3", "did not end within 0.3 s");
    expect_failure("yes 5", "timeout=0.3", "did not end within 0.3 s");
    assert_true(mnas_clock_now_s() - start_s < 20);
}

/* Whatever a program does to its file, the next round finds it whole. */
static void test_file_deleted_or_changed(void **state) {
    (void)state;
    mnas_latency l;
    assert_int_equal(measure(&l, "[ $(wc -c < \"$1\") -gt 1000 ] || exit 1; rm \"$1\"; echo 5", "rounds=5"),
                     0);
    assert_int_equal(measure(&l, "[ $(wc -c < \"$1\") -gt 1000 ] || exit 1; : > \"$1\"; echo 5", "rounds=5"),
                     0);
    assert_int_equal(n_left(), 0);
}

static void test_limits(void **state) {
    (void)state;
    mnas_latency l;
    mnas_device *device;
    mnas_model model = small_model();
    volatile bool cancel = false;
    assert_int_equal(mnas_device_open(&device, "command:run=\"sleep 30; echo 5 {model}\""), 0);
    const double start_s = mnas_clock_now_s();
    mnas_device_limit(device, start_s + 0.3, &cancel);
    assert_int_equal(mnas_device_measure(device, &model, &l), MNAS_ERR_CANCELLED);
    cancel = true;
    mnas_device_limit(device, start_s + 1000, &cancel);
    assert_int_equal(mnas_device_measure(device, &model, &l), MNAS_ERR_CANCELLED);
    assert_true(mnas_clock_now_s() - start_s < 20);
    mnas_device_close(device);
    assert_int_equal(n_left(), 0);
}

static void test_wrong_options(void **state) {
    (void)state;
    static const char *const specs[][2] = {
        {"command", "run"},
        {"command:run=benchmark", "{model}"},
        {"command:run={model},format=pb", "tflite"},
        {"command:run={model},pattern=(", "pattern"},
        {"command:run={model},unit=min", "unit"},
        {"command:run={model},rounds=9,max-rounds=8", "max-rounds"},
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        mnas_device *device;
        assert_int_equal(mnas_device_open(&device, specs[i][0]), MNAS_ERR_ARG);
        assert_null(device);
        if (!strstr(mnas_error_message(), specs[i][1])) fail_msg("%s: %s", specs[i][0], mnas_error_message());
    }
}

static void test_network_that_cannot_be_built(void **state) {
    (void)state;
    mnas_latency l;
    mnas_device *device;
    mnas_model model = small_model();
    model.classes = 0;
    assert_int_equal(mnas_device_open(&device, "command:run=\"echo 5 {model}\""), 0);
    assert_int_equal(mnas_device_measure(device, &model, &l), MNAS_ERR_INVALID);
    mnas_device_close(device);
    assert_int_equal(n_left(), 0);
}

/* A new one: what an earlier run left is not this one's. */
static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/command-%d", MNAS_TEST_TMP, (int)getpid());
    return mnas_file_mkdirs(folder) < 0 || setenv("TMPDIR", folder, 1) < 0;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_number),
        cmocka_unit_test(test_pattern),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_good_program),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_rounds_until_narrow),
        cmocka_unit_test(test_failing_programs),
        cmocka_unit_test(test_hanging_program),
        cmocka_unit_test(test_file_deleted_or_changed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_wrong_options),
        cmocka_unit_test(test_network_that_cannot_be_built),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
