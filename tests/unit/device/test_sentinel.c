/* test_sentinel.c - the sentinel network, and files of its reference: written, read, of something else, damaged. */
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
#include "device/sentinel.h"

static const char path[] = MNAS_TEST_TMP "/sentinel.json";

static mnas_sentinel_reference some_reference(void) {
    mnas_sentinel_reference r = {.key = {.device = "ssh:host=pi",
                                         .engine = "xnnpack 2022-02",
                                         .cpu = "Cortex-A72",
                                         .arch = "aarch64",
                                         .threads = 1,
                                         .core = 3},
                                 .ms = 0.1 + 0.2,
                                 .half_frac = 0.004,
                                 .rounds = 9,
                                 .time_utc = "2026-11-22T20:05:29.178Z"};
    mnas_model sentinel;
    mnas_sentinel_model(&sentinel);
    assert_int_equal(mnas_model_key(&sentinel, r.key.network), 0);
    return r;
}

/* References are of this very network: whoever changes it changes this line, and makes them void. */
static void test_the_network_is_fixed(void **state) {
    (void)state;
    mnas_model sentinel;
    char key[17];
    mnas_sentinel_model(&sentinel);
    assert_int_equal(mnas_model_key(&sentinel, key), 0);
    assert_string_equal(key, "bffa40e8a7995293");
}

static void test_round_trip(void **state) {
    (void)state;
    const mnas_sentinel_reference r = some_reference();
    mnas_sentinel_reference got;
    unlink(path);
    assert_int_equal(mnas_sentinel_load(&got, path, &r.key), MNAS_ERR_MISSING);
    assert_int_equal(mnas_sentinel_save(path, &r), 0);
    if (mnas_sentinel_load(&got, path, &r.key) < 0) fail_msg("%s", mnas_error_message());
    assert_true(got.ms == r.ms && got.half_frac == r.half_frac && got.rounds == 9);
    assert_string_equal(got.key.device, "ssh:host=pi");
    assert_string_equal(got.time_utc, r.time_utc);
    unlink(path);
}

/* Each member of the key is looked at, in the name of the file as in the file. */
static void test_it_holds_for_nothing_else(void **state) {
    (void)state;
    const mnas_sentinel_reference r = some_reference();
    mnas_sentinel_key others[7];
    char first[1024], other[1024];
    for (int i = 0; i < 7; i++) others[i] = r.key;
    snprintf(others[0].device, sizeof others[0].device, "local");
    snprintf(others[1].engine, sizeof others[1].engine, "onednn");
    snprintf(others[2].cpu, sizeof others[2].cpu, "M1");
    snprintf(others[3].arch, sizeof others[3].arch, "armv7l");
    others[4].threads = 2;
    others[5].core = 0;
    others[6].network[0] = 'x';
    assert_int_equal(mnas_sentinel_save(path, &r), 0);
    assert_int_equal(mnas_sentinel_path(first, sizeof first, &r.key), 0);
    for (int i = 0; i < 7; i++) {
        mnas_sentinel_reference got;
        assert_int_equal(mnas_sentinel_load(&got, path, &others[i]), MNAS_ERR_MISMATCH);
        assert_int_equal(mnas_sentinel_path(other, sizeof other, &others[i]), 0);
        assert_string_not_equal(first, other);
    }
    assert_non_null(strstr(mnas_error_message(), "ssh:host=pi"));
    unlink(path);
}

static void test_a_file_that_lies_is_refused(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"\"schema\": 1", "\"schema\": 2"},
        {"\"ms\": 0.3", "\"ms\": -0.3"},
        {"\"ms\": 0.3", "\"ms\": \"0.3"},
        {"\"rounds\": 9", "\"rounds\": 0"},
        {"\"threads\": 1", "\"threads\": 0"},
        {"\"threads\": 1", "\"threads\": 1.5"},
        {"\"core\": 3", "\"core\": 3, \"core\": 3"},
        {"\"network\"", "\"netwrk\""},
        {"}", ""},
    };
    const mnas_sentinel_reference r = some_reference();
    char *good;
    assert_int_equal(mnas_sentinel_print(&good, &r), 0);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char text[2048];
        mnas_sentinel_reference got;
        const char *at = strstr(good, changes[i][0]);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, changes[i][1],
                 at + strlen(changes[i][0]));
        assert_int_equal(mnas_file_write_atomic(path, text, strlen(text)), 0);
        if (mnas_sentinel_load(&got, path, &r.key) != MNAS_ERR_FORMAT) fail_msg("accepted: %s", text);
        assert_non_null(strstr(mnas_error_message(), path));
    }
    unlink(path);
    free(good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_network_is_fixed),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_it_holds_for_nothing_else),
        cmocka_unit_test(test_a_file_that_lies_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
