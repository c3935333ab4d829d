/* test_fault_pool.c - a farm of two phones, which are tables, with the n-th allocation, write, read, rename, lock, ... failing, and with
 * a disk of N bytes: the right latency or a word about what failed, and a state that the next process can use. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <math.h>

#include "base/clock.h"
#include "device/device.h"
#include "device/device_pool_state.h"
#include "fault_loop.h"

static char dir[400], table[500], state_path[500], cache[500], spec[3000];
static mnas_model model;
static mnas_latency latency;

/* The first one is the unit: 5 ms, whoever measures. */
static int measure(void) {
    return mnas_measure(&latency, &model, spec);
}

static void expect_latency(void) {
    if (!(fabs(latency.median_ms - 5) < 1e-9)) fail_msg("%g ms", latency.median_ms);
}

static void expect_whole_state(void) {
    mnas_pool_state s;
    if (mnas_pool_state_load(&s, state_path) < 0) fail_msg("%s", mnas_error_message());
    assert_true(s.reference_ms == 5);
    mnas_pool_state_free(&s);
}

/* The unit is known; a is to be calibrated again, so that each run writes. */
static void put_old(void) {
    unlink(state_path);
    if (measure() < 0) fail_msg("%s", mnas_error_message());
    expect_latency();
    mnas_clock_sleep_ms(1);
}

static const char *const kinds[] = {"write", "sync",   "read", "open",  "map",
                                    "mkdir", "rename", "lock", "unlink"};
static const char *const words[] = {"pool", "out of memory", "leases", "/table", "/cache", NULL};

static void test_measuring(void **state) {
    (void)state;
    const fault_case c = {"measure on a farm", dir,   put_old, measure, expect_latency,
                          expect_whole_state,  words, 0};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) fault_loop(&c, kinds[i]);
}

static void forget(void) {
    unlink(state_path);
}

/* Whoever came first is the unit. */
static void expect_a_unit(void) {
    if (latency.median_ms != 5 && latency.median_ms != 6) fail_msg("%g ms", latency.median_ms);
}

/* With nothing known there is no state to be read: jansson 2.14 ends the process, or worse, where memory runs out while it reads
 * a text of more than 15 bytes. */
static void test_memory(void **state) {
    (void)state;
    const fault_case c = {"a farm's first network", dir, forget, measure, expect_a_unit, NULL, words, 40};
    fault_loop(&c, "malloc");
}

static void test_full_disk(void **state) {
    (void)state;
    const fault_case c = {"measure on a farm", dir,   put_old, measure, expect_latency,
                          expect_whole_state,  words, 0};
    char on[64];
    for (long room = 0; room < 4000; room += 1 + room / 2) {
        snprintf(on, sizeof on, "disk:%ld", room);
        fault_once(&c, on);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int setup(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "%s/fault-pool-%d", MNAS_TEST_TMP, (int)getpid());
    snprintf(cache, sizeof cache, "%s/cache", dir);
    snprintf(table, sizeof table, "%s/table", dir);
    snprintf(state_path, sizeof state_path, "%s/pool.json", dir);
    snprintf(spec, sizeof spec,
             "pool:devices=\"table:file=%s,default-ms=5 + table:file=%s,default-ms=6\",state=%s,retry-s=0.01,"
             "wait-minutes=0.02,calibrate-minutes=0",
             table, table, state_path);
    setenv("MNAS_CACHE_DIR", cache, 1);
    setenv("MNAS_LOG", "error", 1);
    mnas_model_defaults(&model);
    if (mnas_model_set_arch(&model, "r1_k3_s11_e1_i32_o16_noskip") < 0 || mnas_file_mkdirs(dir) < 0)
        return -1;
    return mnas_file_write_atomic(table, "", 0);
}

static int teardown(void **state) {
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_measuring), cmocka_unit_test(test_memory),
                                       cmocka_unit_test(test_full_disk)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
