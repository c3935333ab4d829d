/* test_device_local.c - device local with the built mnas as its worker: real processes, real times. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "device/device.h"
#include "mnas.h"

/* Short rounds, and any width of the interval: this tests the path, not the precision. */
#define QUICK "local:rounds=3,max-rounds=4,runs=5,time=5,warmup=2,wide"
static const char spec[] = QUICK ",sentinel=false";

static bool have_binary(void) {
    if (mnas_file_exists(MNAS_BINARY)) return true;
    printf("skipped: %s is not built\n", MNAS_BINARY);
    return false;
}

static mnas_model small_model(int input_size) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r2_k3_s22_e3_i8_o16_se0.25 r2_k5_s22_e6_i16_o24"), 0);
    snprintf(m.name, sizeof m.name, "small");
    m.stem_filters = 8;
    m.input_size = input_size;
    m.input_channels = 1;
    m.classes = 10;
    return m;
}

static void test_measures(void **state) {
    (void)state;
    if (!have_binary()) skip();
    mnas_latency small, large;
    const mnas_model s = small_model(28), l = small_model(224);
    if (mnas_measure(&small, &s, spec) < 0) fail_msg("%s", mnas_error_message());
    if (mnas_measure(&large, &l, spec) < 0) fail_msg("%s", mnas_error_message());
    assert_true(small.rounds >= 3 && small.rounds <= 4);
    assert_true(small.runs >= 5 * small.rounds);
    assert_true(small.ci_low_ms <= small.median_ms && small.median_ms <= small.ci_high_ms);
    assert_true(small.core >= 0);
    assert_true(strncmp(small.engine, "xnnpack", 7) == 0);
    /* 64 times the pixels: no disturbance of this test's machine turns that round */
    assert_true(large.median_ms > 4 * small.median_ms);
}

/* The network and the sentinel in turns; both are as slow as they are, whatever else this machine does. */
static void test_sentinel(void **state) {
    (void)state;
    if (!have_binary()) skip();
    static const char path[] = MNAS_TEST_TMP "/device-local-sentinel.json";
    mnas_latency latency;
    const mnas_model m = small_model(28);
    unlink(path);
    if (mnas_measure(&latency, &m, QUICK ",state=" MNAS_TEST_TMP "/device-local-sentinel.json") < 0)
        fail_msg("%s", mnas_error_message());
    assert_true(latency.sentinel_ms > latency.raw_ms); /* 160 pixels against 28 */
    assert_true(latency.drift_frac > -0.9 && latency.median_ms > 0);
    unlink(path);
}

static void test_questions_beside_latencies(void **state) {
    (void)state;
    if (!have_binary()) skip();
    mnas_device *device;
    mnas_wire_info info;
    float *logits, *again;
    int n;
    const mnas_model m = small_model(28);
    assert_int_equal(mnas_device_open(&device, spec), 0);
    mnas_meter *meter = mnas_device_meter(device);
    if (mnas_meter_info(meter, &info) < 0) fail_msg("%s", mnas_error_message());
    assert_string_equal(info.version, mnas_version());
    mnas_wire_free_info(&info);
    assert_int_equal(mnas_meter_logits(meter, &m, 3, &logits, &n), 0);
    assert_int_equal(mnas_meter_logits(meter, &m, 3, &again, &n), 0);
    assert_int_equal(n, 10);
    assert_memory_equal(logits, again, 10 * sizeof *logits);
    free(logits);
    free(again);
    mnas_device_close(device);
}

/* A round longer than allowed names the option that allows more. */
static void test_timeout_is_named(void **state) {
    (void)state;
    if (!have_binary()) skip();
    mnas_model m = small_model(8);
    mnas_latency latency;
    assert_true(mnas_measure(&latency, &m, "local:timeout=1,time=5000,warmup=5000,sentinel=false") < 0);
    if (!strstr(mnas_error_message(), "timeout=1 s")) fail_msg("%s", mnas_error_message());
}

static void test_network_too_large_is_invalid(void **state) {
    (void)state;
    if (!have_binary()) skip();
    mnas_latency latency;
    mnas_model m = small_model(8192);
    m.stem_stride = 1;
    m.stem_filters = 65536;
    m.blocks[0].in = 65536;
    assert_int_equal(mnas_measure(&latency, &m, spec), MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "device local"));
}

int main(void) {
    mnas_proc_set_self(MNAS_BINARY);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_sentinel),
        cmocka_unit_test(test_questions_beside_latencies),
        cmocka_unit_test(test_timeout_is_named),
        cmocka_unit_test(test_network_too_large_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
