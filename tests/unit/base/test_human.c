/* test_human.c - numbers as people read them: three significant digits, the unit, and the places where rounding moves to the
 * next unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/human.h"

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0.000"},     {0.0412, "0.0412"}, {0.1, "0.100"},  {0.9994, "0.999"}, {0.9996, "1.00"},
                 {9.994, "9.99"},  {9.996, "10.0"},    {99.96, "100"},  {312.4, "312"},    {-3.888, "-3.89"},
                 {12345, "12345"}, {NAN, "-"},         {INFINITY, "-"}, {1e20, "1e+20"}};
    char buf[MNAS_HUMAN_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_human_number(cases[i].value, buf);
        assert_string_equal(buf, cases[i].text);
    }
    mnas_human_ms(0.8412, buf);
    assert_string_equal(buf, "0.841 ms");
    mnas_human_ms(NAN, buf);
    assert_string_equal(buf, "-");
    mnas_human_percent(0.87123, buf);
    assert_string_equal(buf, "87.12 %");
    mnas_human_reward(0.74206, buf);
    assert_string_equal(buf, "0.7421");
    mnas_human_reward(NAN, buf);
    assert_string_equal(buf, "-");
    mnas_human_percent(NAN, buf);
    assert_string_equal(buf, "-");
}

static void test_counts(void **state) {
    (void)state;
    static const struct {
        int64_t n;
        const char *count, *exact, *bytes;
    } cases[] = {{-1, "-", "-", "-"},
                 {0, "0", "0", "0 B"},
                 {999, "999", "999", "999 B"},
                 {1000, "1.00 k", "1,000", "1000 B"},
                 {1024, "1.02 k", "1,024", "1.00 KiB"},
                 {999600, "1.00 M", "999,600", "976 KiB"},
                 {3887038, "3.89 M", "3,887,038", "3.71 MiB"},
                 {311579072, "312 M", "311,579,072", "297 MiB"},
                 {-1234567, "-1.23 M", "-1,234,567", "-1.18 MiB"},
                 {INT64_MAX, "9223372 T", "9,223,372,036,854,775,807", "8388608 TiB"}};
    char buf[MNAS_HUMAN_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_human_count(cases[i].n, buf);
        assert_string_equal(buf, cases[i].count);
        mnas_human_exact(cases[i].n, buf);
        assert_string_equal(buf, cases[i].exact);
        mnas_human_bytes(cases[i].n, buf);
        assert_string_equal(buf, cases[i].bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
