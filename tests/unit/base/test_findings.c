/* test_findings.c - findings are kept in order, each with its way to mend it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/findings.h"

static void test_order_and_levels(void **state) {
    (void)state;
    mnas_findings f = {0};
    mnas_finding *items;
    size_t n;
    mnas_findings_fix(&f, "there is nothing to mend yet");
    for (int i = 0; i < 40; i++) mnas_findings_add(&f, i % 2 ? "note" : "ok", "topic", "number %d", i);
    mnas_findings_fix(&f, "do %s", "this");
    mnas_error_set(MNAS_ERR_DEVICE, "no such phone");
    mnas_findings_add_error(&f, "phone");
    assert_int_equal(mnas_findings_count(&f, "ok"), 20);
    assert_int_equal(mnas_findings_count(&f, "note"), 20);
    assert_int_equal(mnas_findings_count(&f, "bad"), 1);
    assert_int_equal(mnas_findings_take(&f, &items, &n), 0);
    assert_int_equal(n, 41);
    assert_string_equal(items[38].text, "number 38");
    assert_string_equal(items[38].fix, "");
    assert_string_equal(items[39].fix, "do this");
    assert_string_equal(items[40].level, "bad");
    assert_string_equal(items[40].topic, "phone");
    assert_string_equal(items[40].text, "no such phone");
    assert_true(f.items == NULL && f.n == 0);
    free(items);
}

/* What is too long is cut, not written behind the end. */
static void test_long_texts(void **state) {
    (void)state;
    mnas_findings f = {0};
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    mnas_findings_add(&f, "noteworthy beyond measure", text, "%s", text);
    mnas_findings_fix(&f, "%s", text);
    assert_int_equal(strlen(f.items[0].level), sizeof f.items[0].level - 1);
    assert_int_equal(strlen(f.items[0].topic), sizeof f.items[0].topic - 1);
    assert_int_equal(strlen(f.items[0].text), sizeof f.items[0].text - 1);
    assert_int_equal(strlen(f.items[0].fix), sizeof f.items[0].fix - 1);
    mnas_findings_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order_and_levels),
                                       cmocka_unit_test(test_long_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
