/* test_decisions.c - plain decisions: what a file means, and where what is wrong with it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/decisions.h"

static mnas_decisions *parse(const char *text) {
    mnas_decisions *d;
    if (mnas_decisions_parse(&d, "d.yaml", text, strlen(text)) < 0) fail_msg("%s", mnas_error_message());
    return d;
}

static void check_wrong(const char *text, const char *part) {
    mnas_decisions *d;
    const int rc = mnas_decisions_parse(&d, "d.yaml", text, strlen(text));
    if (rc != MNAS_ERR_FORMAT || !strstr(mnas_error_message(), part))
        fail_msg("%s\n-> %d %s, wanted \"%s\"", text, rc, mnas_error_message(), part);
    assert_null(d);
}

static void test_numbers_are_ordinal(void **state) {
    (void)state;
    mnas_decisions *d = parse("decisions:\n  lr: [0.001, 1e-2, 1]\n  opt: [sgd, adam]\n  fall: [3, -1]\n");
    assert_int_equal(d->n, 3);
    assert_string_equal(d->list[0].name, "lr");
    assert_true(d->list[0].ordinal && !d->list[1].ordinal && d->list[2].ordinal);
    assert_string_equal(d->list[0].choices[1], "1e-2");
    assert_true(d->list[0].values[1] == 0.01 && d->list[2].values[1] == -1);
    assert_int_equal(d->list[1].n_choices, 2);
    assert_null(d->list[1].values);
    mnas_decisions_close(d);
}

static void test_order_may_be_said(void **state) {
    (void)state;
    mnas_decisions *d = parse("decisions: {width: {choices: [small, medium, large], ordinal: true},"
                              " kernel: {choices: [7, 3, 5], ordinal: false}, one: [x]}");
    assert_true(d->list[0].ordinal && d->list[0].values[2] == 2);
    assert_false(d->list[1].ordinal);
    assert_int_equal(d->list[2].n_choices, 1);
    mnas_decisions_close(d);
}

static void test_what_is_wrong_has_a_place(void **state) {
    (void)state;
    check_wrong("decision: {a: [1]}", "did you mean 'decisions'");
    check_wrong("{}", "'decisions' is missing");
    check_wrong("decisions: {}", "0 decisions; allowed: 1 to");
    check_wrong("decisions:\n  a: [1, 3, 2]\n", "d.yaml:2:6: the numbers of a neither rise nor fall");
    check_wrong("decisions:\n  a: [x, y, x]\n", "d.yaml:2:13: a has the choice 'x' twice");
    check_wrong("decisions: {a: [1, 1.0]}", "neither rise nor fall");
    check_wrong("decisions: {a: []}", "0 choices");
    check_wrong("decisions: {a: [x y]}", "without blanks");
    check_wrong("decisions: {a b: [1]}", "without blanks");
    check_wrong("decisions: {a: {ordinal: true}}", "'choices' is missing");
    check_wrong("decisions: {a: {choices: [1], ordinal: perhaps}}", "true");
    check_wrong("decisions: {a: 3}", "list");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_ordinal),
        cmocka_unit_test(test_order_may_be_said),
        cmocka_unit_test(test_what_is_wrong_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
