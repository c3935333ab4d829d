/* test_csv.c - tables as text: what RFC 4180 allows is read, what it does not is told with its line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "mnas.h"

static int parse(mnas_csv *csv, const char *text) {
    return mnas_csv_parse(csv, "t.csv", strdup(text), strlen(text));
}

static void check_cell(const mnas_csv *csv, size_t row, size_t column, const char *want) {
    assert_string_equal(mnas_csv_cell(csv, row, column), want);
}

static void cells_and_lines(void **state) {
    (void)state;
    mnas_csv csv;
    assert_int_equal(parse(&csv, "a,b,c\n1,2,3\n\n4,,6"), 0);
    assert_int_equal(csv.n_columns, 3);
    assert_int_equal(csv.n_rows, 2);
    assert_string_equal(mnas_csv_name(&csv, 2), "c");
    check_cell(&csv, 0, 1, "2");
    check_cell(&csv, 1, 1, "");
    check_cell(&csv, 1, 2, "6");
    assert_int_equal(mnas_csv_line(&csv, 0), 2);
    assert_int_equal(mnas_csv_line(&csv, 1), 4); /* the empty line counts as one of the file */
    mnas_csv_free(&csv);
}

static void quotes_crlf_and_mark(void **state) {
    (void)state;
    mnas_csv csv;
    assert_int_equal(parse(&csv, "\xef\xbb\xbf\"a\",\"b,c\" , d\r\n\"say \"\"yes\"\"\",\"two\nlines\", 007 "
                                 "\r\n x y,\"\",\"z\"\r\n"),
                     0);
    assert_int_equal(csv.n_columns, 3);
    assert_int_equal(csv.n_rows, 2);
    assert_string_equal(mnas_csv_name(&csv, 0), "a");
    assert_string_equal(mnas_csv_name(&csv, 1), "b,c");
    assert_string_equal(mnas_csv_name(&csv, 2), "d");
    check_cell(&csv, 0, 0, "say \"yes\"");
    check_cell(&csv, 0, 1, "two\nlines");
    check_cell(&csv, 0, 2, "007");
    check_cell(&csv, 1, 0, "x y");
    check_cell(&csv, 1, 1, "");
    check_cell(&csv, 1, 2, "z");
    assert_int_equal(mnas_csv_line(&csv, 1), 4);
    mnas_csv_free(&csv);
}

static void columns_are_found(void **state) {
    (void)state;
    mnas_csv csv;
    size_t column;
    assert_int_equal(parse(&csv, "kernel,accuracy\n3,0.5\n"), 0);
    assert_int_equal(mnas_csv_find(&csv, "--accuracy", "accuracy", &column), 0);
    assert_int_equal(column, 1);
    assert_int_equal(mnas_csv_find(&csv, "--accuracy", "acuracy", &column), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(),
                           "t.csv:1: --accuracy: unknown column 'acuracy'; did you mean 'accuracy'?"));
    mnas_csv_free(&csv);
}

static void check_refused(const char *text, const char *message) {
    mnas_csv csv;
    assert_int_equal(parse(&csv, text), MNAS_ERR_FORMAT);
    if (!strstr(mnas_error_message(), message)) fail_msg("%s: %s", text, mnas_error_message());
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    check_refused("", "no header");
    check_refused("\n\n", "no header");
    check_refused("a,b\n1,2\n3\n", "t.csv:3: 1 cells, where the header has 2 columns");
    check_refused("a,b\n1,2,3\n", "t.csv:2: 3 cells");
    check_refused("a\n\"x\n\n", "t.csv:2: a quote (\") is never closed");
    check_refused("a,b\n\"x\"y,1\n", "t.csv:2: text behind a closing quote");
    check_refused("a,b,a\n", "columns 1 and 3 are both named \"a\"");
    mnas_csv csv;
    assert_int_equal(mnas_csv_parse(&csv, "t.csv", strdup("a\nb"), 4),
                     MNAS_ERR_FORMAT); /* the NUL behind is read */
    assert_non_null(strstr(mnas_error_message(), "no text"));
    assert_true(mnas_csv_read(&csv, MNAS_TEST_TMP "/no-such.csv") < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_and_lines), cmocka_unit_test(quotes_crlf_and_mark),
        cmocka_unit_test(columns_are_found), cmocka_unit_test(what_is_wrong_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
