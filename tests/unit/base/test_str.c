/* test_str.c - the growing string, "did you mean", and numbers that must fill their text. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"

static void appends_grow(void **state) {
    (void)state;
    mnas_str s = {0};
    for (int i = 0; i < 10000; i++) mnas_str_appendf(&s, "%d,", i % 10);
    mnas_str_append_n(&s, "a\0b", 3);
    assert_true(mnas_str_ok(&s));
    assert_int_equal(s.len, 20003);
    assert_memory_equal(s.data, "0,1,2,3", 7);
    assert_memory_equal(s.data + 20000, "a\0b", 4);
    mnas_str_free(&s);
    assert_null(s.data);
    mnas_str_append(&s, "again"); /* usable after free */
    assert_string_equal(s.data, "again");
    mnas_str_free(&s);
}

static void exact_fits_leave_room_for_nul(void **state) {
    (void)state;
    for (size_t n = 60; n < 70; n++) { /* around the first capacity */
        mnas_str s = {0};
        for (size_t i = 0; i < n; i++) mnas_str_append(&s, "x");
        assert_int_equal(strlen(s.data), n);
        assert_true(s.cap > s.len);
        mnas_str_free(&s);
    }
}

static void failure_sticks(void **state) {
    (void)state;
    mnas_str s = {0};
    mnas_str_append(&s, "kept");
    mnas_str_append_n(&s, "x", SIZE_MAX - 64);
    assert_false(mnas_str_ok(&s));
    mnas_str_append(&s, "ignored");
    assert_string_equal(s.data, "kept");
    mnas_str_free(&s);
}

static void nearest_is_near_enough(void **state) {
    (void)state;
    const char *const names[] = {"trials", "train", "target-ms", "seed"};
    assert_string_equal(mnas_str_nearest("trails", names, 4), "trials");
    assert_string_equal(mnas_str_nearest("target-mss", names, 4), "target-ms");
    assert_string_equal(mnas_str_nearest("seeds", names, 4), "seed");
    assert_null(mnas_str_nearest("window", names, 4));
    assert_null(mnas_str_nearest("trials", names, 0));
    const char *const small[] = {"k"};
    assert_null(mnas_str_nearest("z", small, 1)); /* distance 1, but nothing in common */
    char huge[500];
    memset(huge, 't', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_null(mnas_str_nearest(huge, names, 4));
}

static void whole_numbers(void **state) {
    (void)state;
    long long v = 7;
    static const char *const bad[] = {"",    " 1", "1 ", "1.5", "0x10", "1e3", "9223372036854775808",
                                      "abc", "-"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(mnas_str_to_i64(bad[i], &v));
    assert_int_equal(v, 7);
    assert_true(mnas_str_to_i64("-9223372036854775808", &v));
    assert_true(v == INT64_MIN);
    assert_true(mnas_str_to_i64("0042", &v));
    assert_int_equal(v, 42);
}

static void fractions(void **state) {
    (void)state;
    double v = 7;
    static const char *const bad[] = {"", " 1", "1 ", "nan", "inf", "-inf", "1e999", "1,5", "1.5x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(mnas_str_to_f64(bad[i], &v));
    assert_true(v == 7);
    assert_true(mnas_str_to_f64("-1.5e-3", &v));
    assert_true(v == -1.5e-3);
    assert_true(mnas_str_to_f64("1e-310", &v)); /* denormal: exact enough, not an error */
    assert_true(v > 0);
}

static void shortest_texts_of_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {0.001, "0.001"},
                 {0, "0"},
                 {-120, "-120"},
                 {1e14, "100000000000000"},
                 {1e15, "1e+15"},
                 {5e-324, "5e-324"},
                 {-1.7976931348623157e308, "-1.7976931348623157e+308"}};
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_str_from_f64(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    mnas_rng rng = mnas_rng_stream(3, 0, "numbers");
    for (int i = 0; i < 2000; i++) {
        double x = mnas_rng_normal(&rng) * 1e3;
        mnas_str_from_f64(x, text);
        assert_true(strtod(text, NULL) == x);
    }
}

static void unknown_words(void **state) {
    (void)state;
    static const char *const names[] = {"stem", "head"};
    mnas_str text = {0};
    mnas_str_append_unknown(&text, "unknown key", "steam", names, 2);
    assert_string_equal(text.data, "unknown key 'steam'; did you mean 'stem'?; allowed: stem, head");
    text.len = 0;
    mnas_str_append_unknown(&text, "unknown key", "zzz", names, 2);
    assert_string_equal(text.data, "unknown key 'zzz'; allowed: stem, head");
    mnas_str_free(&text);
}

static void format_checks_the_size(void **state) {
    (void)state;
    char buf[8];
    assert_int_equal(mnas_str_format(buf, sizeof buf, "%s", "1234567"), 0);
    assert_int_equal(mnas_str_format(buf, sizeof buf, "%s", "12345678"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "8 bytes"));
    assert_int_equal(mnas_str_format(buf, 0, "x"), MNAS_ERR_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_grow),           cmocka_unit_test(exact_fits_leave_room_for_nul),
        cmocka_unit_test(failure_sticks),         cmocka_unit_test(nearest_is_near_enough),
        cmocka_unit_test(whole_numbers),          cmocka_unit_test(fractions),
        cmocka_unit_test(format_checks_the_size), cmocka_unit_test(shortest_texts_of_numbers),
        cmocka_unit_test(unknown_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
