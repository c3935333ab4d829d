/* test_hindrances.c - what is found of other programs and of the clock, on a copy of /proc and /sys. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "device/hindrances.h"

#define ROOT MNAS_TEST_TMP "/hindrances"

static void put(const char *path, const char *text) {
    char full[1200];
    snprintf(full, sizeof full, ROOT "%s", path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    assert_int_equal(mnas_file_mkdirs(full), 0);
    *slash = '/';
    assert_int_equal(mnas_file_write_atomic(full, text, strlen(text)), 0);
}

static void put_process(int pid, const char *name, int user, int system_ticks) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    snprintf(line, sizeof line, "%d (%s) R 1 2 3 4 5 6 7 8 9 10 %d %d 0 0\n", pid, name, user, system_ticks);
    put(path, line);
}

/* Half-way through the watch the processes have gone on. */
static void *go_on(void *unused) {
    const struct timespec pause = {0, 100000000};
    nanosleep(&pause, NULL);
    put_process(100, "idle", 5000, 5000);
    put_process(200, "a) (busy \x01", 1018, 50);
    put_process(300, "born", 900, 900); /* what it took before is unknown */
    return unused;
}

static void test_everything(void **state) {
    (void)state;
    mnas_hindrances h;
    pthread_t thread;
    assert_int_equal(system("rm -rf " ROOT), 0);
    put("/proc/loadavg", "2.50 1 1 2/345 6789\n");
    put("/proc/meminfo", "no process\n");
    put("/sys/devices/system/cpu/cpufreq/boost", "1\n");
    put("/sys/devices/system/cpu/cpu2/cpufreq/scaling_max_freq", "1800000\n");
    put("/sys/devices/system/cpu/cpu2/thermal_throttle/core_throttle_count", "7\n");
    put_process(100, "idle", 5000, 5000);
    put_process(200, "a) (busy \x01", 1000, 50);
    assert_int_equal(pthread_create(&thread, NULL, go_on, NULL), 0);
    mnas_hindrances_read(&h, ROOT, 2, 0.2);
    pthread_join(thread, NULL);
    assert_true(h.load == 2.5 && h.cap_mhz == 1800);
    assert_int_equal(h.turbo, 1);
    assert_int_equal(h.n_throttled, 7);
    assert_string_equal(h.busiest, "a) (busy ?, process 200");
    assert_true(h.busiest_frac > 0.1 &&
                h.busiest_frac < 1.0); /* 18 ticks of 10 ms in 0.2 s or somewhat more */
    put("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
    mnas_hindrances_read(&h, ROOT, 2, 0.01);
    assert_int_equal(h.turbo, 0);
    assert_string_equal(h.busiest, "");
    assert_int_equal(system("rm -r " ROOT), 0);
}

static void test_nothing_told(void **state) {
    (void)state;
    mnas_hindrances h;
    mnas_hindrances_read(&h, ROOT "/nowhere", -1, 0.01);
    assert_true(isnan(h.load) && isnan(h.cap_mhz) && h.busiest_frac == 0);
    assert_int_equal(h.turbo, -1);
    assert_int_equal(h.n_throttled, -1);
    assert_string_equal(h.busiest, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything),
                                       cmocka_unit_test(test_nothing_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
