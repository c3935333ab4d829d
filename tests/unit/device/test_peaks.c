/* test_peaks.c - sizes of caches as the system tells them, which level holds what, and that the loops do what they say. */
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

#include "base/clock.h"
#include "base/file.h"
#include "device/peaks.h"
#include "device/wire.h"

#define ROOT MNAS_TEST_TMP "/peaks"

static void put(int index, const char *what, const char *text) {
    char path[1200];
    snprintf(path, sizeof path, ROOT "/sys/devices/system/cpu/cpu3/cache/index%d", index);
    assert_int_equal(mnas_file_mkdirs(path), 0);
    snprintf(path + strlen(path), 64, "/%s", what);
    assert_int_equal(mnas_file_write_atomic(path, text, strlen(text)), 0);
}

static void test_cache_sizes(void **state) {
    (void)state;
    assert_int_equal(system("rm -rf " ROOT), 0);
    put(0, "level", "1\n"), put(0, "type", "Instruction\n"), put(0, "size", "64K\n");
    put(1, "level", "1\n"), put(1, "type", "Data\n"), put(1, "size", "48K\n");
    put(2, "level", "2\n"), put(2, "type", "Unified\n"), put(2, "size", "1024K\n");
    put(3, "level", "3\n"), put(3, "type", "Unified\n"), put(3, "size", "nonsense\n");
    assert_true(mnas_peaks_cache_bytes(ROOT, 3, 1) == 48 << 10);
    assert_true(mnas_peaks_cache_bytes(ROOT, 3, 2) == 1 << 20);
    assert_true(mnas_peaks_cache_bytes(ROOT, 3, 3) == 0);
    assert_true(mnas_peaks_cache_bytes(ROOT, 4, 1) == 0); /* no such core */
    assert_int_equal(system("rm -r " ROOT), 0);
}

static mnas_peaks some_peaks(void) {
    return (mnas_peaks){
        .isa = "avx2",
        .flops_per_s = 1e11,
        .n_levels = 3,
        .levels = {{"L1", 32 << 10, 3e11}, {"L2", 1 << 20, 2e11}, {"memory", INFINITY, 2e10}}};
}

static void test_level_that_holds_it(void **state) {
    (void)state;
    const mnas_peaks p = some_peaks();
    assert_true(mnas_peaks_bandwidth(&p, 0) == 3e11);
    assert_true(mnas_peaks_bandwidth(&p, 32 << 10) == 3e11);
    assert_true(mnas_peaks_bandwidth(&p, (32 << 10) + 1) == 2e11);
    assert_true(mnas_peaks_bandwidth(&p, 1e12) == 2e10);
}

static void test_over_the_wire(void **state) {
    (void)state;
    const mnas_peaks p = some_peaks();
    mnas_peaks back;
    char *text;
    assert_int_equal(mnas_wire_print_peaks(&text, &p), 0);
    assert_int_equal(mnas_wire_parse_peaks(&back, text), 0);
    assert_string_equal(back.isa, "avx2");
    assert_int_equal(back.n_levels, 3);
    assert_true(back.flops_per_s == 1e11 && back.levels[1].bytes_per_s == 2e11);
    assert_true(back.levels[0].bytes == 32 << 10 && isinf(back.levels[2].bytes));
    assert_string_equal(back.levels[2].name, "memory");
    free(text);
}

static void test_lies_are_refused(void **state) {
    (void)state;
    static const char *const lies[] = {
        "{\"wire\":3}",
        "{\"wire\":3,\"peaks\":{}}",
        "{\"wire\":3,\"peaks\":{\"isa\":\"x\",\"flops_per_s\":0,\"levels\":[{\"name\":\"L1\",\"bytes_per_s\":"
        "1e9}]}}",
        "{\"wire\":3,\"peaks\":{\"isa\":\"x\",\"flops_per_s\":1e9,\"levels\":[]}}",
        "{\"wire\":3,\"peaks\":{\"isa\":\"x\",\"flops_per_s\":1e9,\"levels\":[{\"name\":\"L1\",\"bytes_per_"
        "s\":-1}]}}",
        "{\"wire\":3,\"peaks\":{\"isa\":\"x\",\"flops_per_s\":1e9,\"levels\":[1,2,3,4,5]}}",
    };
    mnas_peaks p;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        if (mnas_wire_parse_peaks(&p, lies[i]) != MNAS_ERR_FORMAT) fail_msg("taken: %s", lies[i]);
        assert_int_equal(p.n_levels, 0);
    }
    assert_int_equal(mnas_wire_parse_peaks(&p, "{\"wire\":3,\"status\":-1,\"message\":\"no core\"}"),
                     MNAS_ERR_ARG);
}

/* Operations are what the loop says: twice the turns, twice the operations, and longer. */
static void test_loops(void **state) {
    (void)state;
    const mnas_peaks_loops *l = mnas_peaks_widest();
    static float data[1 << 14];
    assert_true(l->fma(2000) == 2 * l->fma(1000) && l->fma(1000) >= 2 * 8 * 4 * 1000);
    double short_s = INFINITY, long_s = INFINITY;
    for (int i = 0; i < 9; i++) {
        double began_s = mnas_clock_now_s();
        l->fma(20000);
        short_s = fmin(short_s, mnas_clock_now_s() - began_s);
        began_s = mnas_clock_now_s();
        l->fma(200000);
        long_s = fmin(long_s, mnas_clock_now_s() - began_s);
    }
    assert_true(long_s > 3 * short_s); /* the turns were not optimised away */
    l->read(data, sizeof data / sizeof *data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_sizes),   cmocka_unit_test(test_level_that_holds_it),
        cmocka_unit_test(test_over_the_wire), cmocka_unit_test(test_lies_are_refused),
        cmocka_unit_test(test_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
