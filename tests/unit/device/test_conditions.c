/* test_conditions.c - what is read from /proc and /sys, on copies of such folders. */
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
#include "device/conditions.h"
#include "mnas.h"

static void put(const char *root, const char *path, const char *text) {
    char full[1200];
    snprintf(full, sizeof full, "%s%s", root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    assert_int_equal(mnas_file_mkdirs(full), 0);
    *slash = '/';
    assert_int_equal(mnas_file_write_atomic(full, text, strlen(text)), 0);
}

static void new_root(char *root, size_t n, const char *name) {
    snprintf(root, n, "%s/conditions-%d-%s", MNAS_TEST_TMP, (int)getpid(), name);
    assert_int_equal(mnas_file_mkdirs(root), 0);
}

static void remove_root(const char *root) {
    char command[1300];
    snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

static void test_everything_told(void **state) {
    (void)state;
    char root[1000];
    new_root(root, sizeof root, "full");
    put(root, "/proc/loadavg", "1.25 0.50 0.10 2/345 6789\n");
    put(root, "/proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: X\nmodel name\t: Some\xae CPU @ 2 GHz\nmodel name\t: other\n");
    put(root, "/sys/devices/system/cpu/cpu2/cpufreq/scaling_cur_freq", "2345678\n");
    put(root, "/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance\n");
    put(root, "/sys/class/thermal/thermal_zone0/temp", "41500\n");
    put(root, "/sys/class/thermal/thermal_zone1/temp", "63000\n");
    mnas_conditions c;
    mnas_conditions_read(&c, root, 2);
    assert_true(c.load == 1.25);
    assert_true(fabs(c.freq_mhz - 2345.678) < 1e-9);
    assert_true(c.temp_c == 63);
    assert_string_equal(c.governor, "performance");
    assert_string_equal(c.cpu, "Some? CPU @ 2 GHz");
    mnas_conditions_read(&c, root, 0); /* that core has no cpufreq */
    assert_true(isnan(c.freq_mhz));
    assert_string_equal(c.governor, "");
    remove_root(root);
}

/* In ticks of 1/100 s; the sum of all cores where none is meant. */
static void test_steal_and_zones(void **state) {
    (void)state;
    char root[1000], governor[32];
    new_root(root, sizeof root, "steal");
    put(root, "/proc/stat",
        "cpu  10 20 30 40 50 60 70 900 0 0\ncpu1 1 2 3 4 5 6 7 250 0 0\ncpu12 1 2 3 4 5 6 7 350 0 0\ncpu3 1 "
        "2\nintr 5\n");
    put(root, "/sys/class/thermal/thermal_zone0/temp", "41500\n");
    put(root, "/sys/class/thermal/thermal_zone3/temp", "41500\n");
    put(root, "/sys/devices/system/cpu/cpu1/cpufreq/cpuinfo_max_freq", "1800000\n");
    put(root, "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "schedutil\n");
    mnas_conditions c;
    const double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    mnas_conditions_read(&c, root, -1);
    assert_true(fabs(c.steal_s - 900 * tick_s) < 1e-9);
    mnas_conditions_read(&c, root, 1);
    assert_true(fabs(c.steal_s - 250 * tick_s) < 1e-9);
    mnas_conditions_read(&c, root, 12);
    assert_true(fabs(c.steal_s - 350 * tick_s) < 1e-9);
    mnas_conditions_read(&c, root, 3); /* cut short */
    assert_true(isnan(c.steal_s));
    mnas_conditions_read(&c, root, 2);
    assert_true(isnan(c.steal_s));
    assert_int_equal(mnas_conditions_n_zones(root), 2);
    assert_true(mnas_conditions_max_mhz(root, 1) == 1800 && isnan(mnas_conditions_max_mhz(root, 0)));
    mnas_conditions_governor(root, 1, governor);
    assert_string_equal(governor, "schedutil");
    remove_root(root);
}

static void test_core_of_this_process(void **state) {
    (void)state;
    int core;
    assert_int_equal(mnas_conditions_choose_core(MNAS_CORE_BEST, &core), 0);
    assert_true(core >= 0);
    int same;
    assert_int_equal(mnas_conditions_choose_core(core, &same), 0);
    assert_int_equal(same, core);
    assert_int_equal(mnas_conditions_choose_core(MNAS_CORE_NOT_PINNED, &core), 0);
    assert_int_equal(core, -1);
    assert_int_equal(mnas_conditions_choose_core(1023, &core), MNAS_ERR_ARG);
    assert_false(mnas_conditions_emulated());
}

static void test_nothing_told(void **state) {
    (void)state;
    char root[1000];
    new_root(root, sizeof root, "empty");
    put(root, "/proc/loadavg", "what?\n");
    put(root, "/proc/cpuinfo", "processor\t: 0\n");
    put(root, "/sys/class/thermal/thermal_zone0/temp", "");
    mnas_conditions c;
    mnas_conditions_read(&c, root, -1);
    assert_true(isnan(c.load) && isnan(c.freq_mhz) && isnan(c.temp_c));
    assert_string_equal(c.governor, "");
    assert_string_equal(c.cpu, "");
    remove_root(root);
}

static void test_best_core(void **state) {
    (void)state;
    char root[1000], path[128];
    new_root(root, sizeof root, "cores");
    const bool all[4] = {true, true, true, true}, some[4] = {true, true, false, false}, none[4] = {false};
    assert_int_equal(mnas_conditions_best_core(root, all, 4), 3); /* no cpufreq: the last */
    assert_int_equal(mnas_conditions_best_core(root, some, 4), 1);
    assert_int_equal(mnas_conditions_best_core(root, none, 4), -1);
    static const char *const max_khz[4] = {"1800000\n", "2400000\n", "2400000\n", "1800000\n"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", i);
        put(root, path, max_khz[i]);
    }
    assert_int_equal(mnas_conditions_best_core(root, all, 4), 2); /* the last of the big ones */
    assert_int_equal(mnas_conditions_best_core(root, some, 4), 1);
    remove_root(root);
}

static void test_this_machine(void **state) {
    (void)state;
    mnas_conditions c;
    mnas_conditions_read(&c, "", 0);
    assert_true(c.load >= 0); /* every Linux tells */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_told),
        cmocka_unit_test(test_steal_and_zones),
        cmocka_unit_test(test_core_of_this_process),
        cmocka_unit_test(test_nothing_told),
        cmocka_unit_test(test_best_core),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
