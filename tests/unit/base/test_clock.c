/* test_clock.c - times as text, at the borders where rounding could show "60 s". */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/clock.h"

static void durations(void **state) {
    (void)state;
    static const struct {
        double s;
        const char *text;
    } cases[] = {{0, "0 s"},
                 {3.2, "3 s"},
                 {59.4, "59 s"},
                 {59.6, "1 min 00 s"},
                 {245, "4 min 05 s"},
                 {3599.7, "1 h 00 min"},
                 {7800, "2 h 10 min"},
                 {7199, "2 h 00 min"},
                 {90000, "25 h 00 min"},
                 {-1, "-"},
                 {NAN, "-"},
                 {INFINITY, "-"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char buf[32];
        mnas_clock_duration(cases[i].s, buf, sizeof buf);
        assert_string_equal(buf, cases[i].text);
    }
}

static void dates(void **state) {
    (void)state;
    char out[32];
    mnas_clock_iso8601(1795341180123, out); /* `date -u -d @1795341180` */
    assert_string_equal(out, "2026-11-22T09:53:00.123Z");
    mnas_clock_iso8601(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    mnas_clock_iso8601(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
    assert_true(mnas_clock_unix_ms() > 1600000000000);
}

static void sleeping_takes_time(void **state) {
    (void)state;
    int64_t start_ns = mnas_clock_now_ns();
    mnas_clock_sleep_ms(20);
    mnas_clock_sleep_ms(-5);
    double waited_s = (double)(mnas_clock_now_ns() - start_ns) * 1e-9;
    assert_true(waited_s >= 0.02 && waited_s < 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(durations), cmocka_unit_test(dates),
                                       cmocka_unit_test(sleeping_takes_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
