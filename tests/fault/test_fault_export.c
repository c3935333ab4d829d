/* test_fault_export.c - networks exported, and measured by a program of the user's, with the n-th allocation, write, rename, fork,
 * ... failing: the old file stands until the new one is whole, and the private folder of a measurement goes with it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "device/device.h"
#include "fault_loop.h"
#include "model/model.h"

static char dir[400], path[512];
static mnas_model model;
static const char *format;

static const char *const kinds[] = {"malloc", "write", "sync", "open", "rename",
                                    "fork",   "pipe",  "exec", "poll"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* ---- a file ---- */

static int export_model(void) {
    mnas_export_result result;
    return mnas_model_export(&result, path, &model, &(mnas_export_options){.format = format});
}

static void put_old(void) {
    assert_int_equal(mnas_file_write_atomic(path, "old", 3), 0);
}

static size_t size_of(void) {
    char *bytes;
    size_t n;
    if (mnas_file_read(path, (size_t)1 << 26, &bytes, &n) < 0) fail_msg("%s", mnas_error_message());
    free(bytes);
    return n;
}

static void expect_old(void) {
    assert_int_equal(size_of(), 3);
}

static void expect_new(void) {
    assert_true(size_of() > 300);
}

static void test_export(void **state) {
    (void)state;
    static const char *const formats[] = {"onnx", "tflite", "mnas"};
    static const char *const words[] = {"net.out", "out of memory", NULL};
    for (int i = 0; i < 3; i++) {
        format = formats[i];
        const fault_case c = {format, dir, put_old, export_model, expect_new, expect_old, words, 60};
        for (int k = 0; k < N_KINDS; k++) fault_loop(&c, kinds[k]);
    }
}

/* ---- a program of the user's ---- */

static int measure(void) {
    mnas_latency latency;
    return mnas_measure(&latency, &model, "command:run=\"echo 5 ms # {model}\",rounds=3");
}

/* No folder of a measurement is left. */
static void expect_empty(void) {
    DIR *entries = opendir(dir);
    assert_non_null(entries);
    for (const struct dirent *e; (e = readdir(entries));)
        if (strncmp(e->d_name, "mnas-", 5) == 0) fail_msg("%s/%s is left", dir, e->d_name);
    closedir(entries);
}

static void test_command(void **state) {
    (void)state;
    static const char *const words[] = {"mnas-",   "out of memory", "child process",
                                        "/bin/sh", "program",       NULL};
    const fault_case c = {"command", dir, NULL, measure, expect_empty, expect_empty, words, 40};
    for (int k = 0; k < N_KINDS; k++) fault_loop(&c, kinds[k]);
}

/* ------------------------------------------------------------------------------------------------------------------ */

static int set_up(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "%s/fault-export", MNAS_TEST_TMP);
    snprintf(path, sizeof path, "%s/net.out", dir);
    if (mnas_file_mkdirs(dir) < 0 || setenv("TMPDIR", dir, 1) < 0) return -1;
    mnas_model_defaults(&model);
    model.stem_filters = 8;
    model.input_size = 16;
    model.classes = 3;
    model.act = MNAS_ACT_SWISH;
    return mnas_model_set_arch(&model, "r1_k3_s22_e2_i8_o8_se0.25 r1_k3_s11_e1_i8_o8_skippool");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_export), cmocka_unit_test(test_command)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
