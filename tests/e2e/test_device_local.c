/* test_device_local.c - device local with the built mnas as its worker: real processes, real times. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/proc.h"
#include "device/device.h"
#include "mnas.h"

/* Short rounds: this tests the path, not the precision. */
static const char spec[] = "local:rounds=3,max-rounds=4,runs=5,time=5,warmup=2";

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

static void test_network_too_large_is_invalid(void **state) {
    (void)state;
    if (!have_binary()) skip();
    mnas_latency latency;
    mnas_model m = small_model(8192);
    m.stem_stride = 1;
    m.stem_filters = 65536;
    m.blocks[0].in = 65536;
    assert_int_equal(mnas_measure(&latency, &m, spec), MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "measuring process"));
}

int main(void) {
    mnas_proc_set_self(MNAS_BINARY);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_network_too_large_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
