/* test_nas_table.c - from CSV to encodings: kinds of decisions, gaps, equal rows, units, the index, and the nearest row. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "nas_fixture.h"
#include "search/nas_table.h"

#define assert_near(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))

static mnas_nas_table read_table(const char *text, mnas_nas_columns columns) {
    mnas_nas_table t;
    const int rc = mnas_nas_table_read(&t, nas_file("t.csv", text), &columns);
    if (rc < 0) fail_msg("%s", mnas_error_message());
    return t;
}

static void check_refused(const char *text, mnas_nas_columns columns, int status, const char *message) {
    mnas_nas_table t;
    assert_int_equal(mnas_nas_table_read(&t, nas_file("t.csv", text), &columns), status);
    if (!strstr(mnas_error_message(), message)) fail_msg("%s", mnas_error_message());
    mnas_nas_table_free(&t);
}

static void kinds_of_decisions(void **state) {
    (void)state;
    mnas_nas_table t =
        read_table("k,op,w,code,acc\n10,conv,1.0,01,0.5\n9,pool,1,10,0.25\n9,conv,2,02,0.75\n",
                   (mnas_nas_columns){.decisions = "k,op, w , code:chars,", .accuracy = "acc"});
    assert_int_equal(t.n_decisions, 5);
    assert_true(t.decisions[0].ordinal);
    assert_near(t.decisions[0].values[0], 9, 0); /* by value, not as texts */
    assert_near(t.decisions[0].values[1], 10, 0);
    assert_false(t.decisions[1].ordinal);
    assert_string_equal(t.decisions[1].choices[1], "pool");
    assert_int_equal(t.decisions[2].n_choices, 2); /* 1 and 1.0 are one */
    assert_string_equal(t.decisions[3].name, "code[0]");
    assert_false(t.decisions[3].ordinal); /* digits of a code are names */
    assert_int_equal(t.decisions[4].n_choices, 3);
    const int second[] = {0, 1, 0, 1, 0};
    assert_memory_equal(t.tokens + 5, second, sizeof second);
    assert_false(t.is_percent);
    assert_near(t.accuracy_frac[2], 0.75, 0);
    assert_near(t.log10_combinations, log10(2 * 2 * 2 * 2 * 3), 1e-12);
    mnas_nas_table_free(&t);
}

static void kinds_can_be_said(void **state) {
    (void)state;
    mnas_nas_table t = read_table("b0_k,b1_k,x:y,acc\n1,2,3,50\n2,1,4,60\n",
                                  (mnas_nas_columns){.decisions = "b*:nominal,x:y", .accuracy = "acc"});
    assert_int_equal(t.n_decisions, 3);
    assert_false(t.decisions[0].ordinal || t.decisions[1].ordinal);
    assert_true(t.decisions[2].ordinal);
    assert_true(t.is_percent);
    assert_near(t.accuracy_frac[1], 0.6, 1e-15);
    mnas_nas_table_free(&t);
}

static void gaps_and_equal_rows_are_left_out(void **state) {
    (void)state;
    mnas_nas_table t =
        read_table("a,b,acc,test,other\n1,1,0.5,0.4,\n1,,0.5,0.4,1\n2,1,nan,0.4,1\n2,2,0.5,NA,1\n"
                   "1,1,0.9,0.9,1\n2,2,0.7,0.6,1\n1,2,?,0.1,1\n",
                   (mnas_nas_columns){.decisions = "a,b", .accuracy = "acc", .report = "test"});
    assert_int_equal(t.n_rows, 2); /* `other` is not used, so its gap is none */
    assert_int_equal(t.missing.n, 4);
    assert_string_equal(t.missing.words, "3, 4, 5, 8");
    assert_int_equal(t.duplicates.n, 1);
    assert_string_equal(t.duplicates.words, "6");
    assert_near(t.report_frac[0], 0.4, 0);
    assert_near(t.accuracy_frac[1], 0.7, 0);
    mnas_nas_table_free(&t);
}

static void rows_are_found(void **state) {
    (void)state;
    mnas_nas_table t;
    const mnas_nas_columns columns = {
        .decisions = "arch:chars", .accuracy = "acc", .latency = "ms", .features = " ms "};
    assert_int_equal(mnas_nas_table_read(&t, nas_planted("planted.csv", 5, 3), &columns), 0);
    assert_int_equal(t.n_rows, 243);
    for (size_t row = 0; row < t.n_rows; row++) {
        assert_int_equal(mnas_nas_table_find(&t, t.tokens + 5 * row), (int64_t)row);
        assert_near(t.features[row], log(1 + (double)row), 1e-12);
    }
    mnas_nas_table_free(&t);
}

static void the_nearest_row(void **state) {
    (void)state;
    mnas_nas_nearest nearest;
    mnas_nas_table t = read_table("k,op,acc\n1,a,10\n2,a,20\n9,b,30\n",
                                  (mnas_nas_columns){.decisions = "k,op", .accuracy = "acc"});
    assert_int_equal(mnas_nas_nearest_open(&nearest, &t), 0);
    const int middle[] = {1, 1}, low[] = {0, 1}, there[] = {2, 1};
    assert_int_equal(mnas_nas_nearest_row(&nearest, there), 2);
    assert_int_equal(mnas_nas_nearest_row(&nearest, middle),
                     2);                                     /* half a step of k is nearer than another op */
    const int64_t tie = mnas_nas_nearest_row(&nearest, low); /* op of the first row, or both ranks of k */
    assert_true(tie == 0 || tie == 2);
    assert_int_equal(mnas_nas_nearest_row(&nearest, low), tie);
    mnas_nas_nearest_close(&nearest);
    mnas_nas_table_free(&t);
}

/* Against the definition, over more rows than one block of sums. */
static void the_nearest_of_many(void **state) {
    (void)state;
    mnas_nas_table t;
    mnas_nas_nearest nearest;
    const mnas_nas_columns columns = {.decisions = "arch:chars", .accuracy = "acc"};
    assert_int_equal(mnas_nas_table_read(&t, nas_planted("many.csv", 8, 3), &columns), 0);
    t.n_rows -= 20; /* the last are gone: 22222xxx */
    memset(t.slots, 0, t.n_slots * sizeof *t.slots);
    assert_int_equal(mnas_nas_nearest_open(&nearest, &t), 0);
    const int wanted[] = {2, 2, 2, 2, 2, 2, 2, 1};
    const int64_t row = mnas_nas_nearest_row(&nearest, wanted);
    int differ = 0, least = 8;
    for (int i = 0; i < 8; i++) differ += t.tokens[8 * row + i] != wanted[i];
    for (size_t r = 0; r < t.n_rows; r++) {
        int d = 0;
        for (size_t i = 0; i < 8; i++) d += t.tokens[8 * r + i] != wanted[i];
        least = d < least ? d : least;
    }
    assert_int_equal(differ, least);
    mnas_nas_nearest_close(&nearest);
    mnas_nas_table_free(&t);
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    const mnas_nas_columns plain = {.decisions = "a", .accuracy = "acc", .latency = "ms"};
    check_refused("a,acc,ms\n1,0.5,x\n", plain, MNAS_ERR_FORMAT, ":2: column ms: \"x\" is no number");
    check_refused("a,acc,ms\n1,0.5,3\n2,0.5,0\n", plain, MNAS_ERR_FORMAT,
                  ":3: column ms: 0; allowed: more than 0");
    check_refused("a,acc,ms\n1,0.5,1e-310\n", plain, MNAS_ERR_FORMAT,
                  ":2: column ms: 1e-310; allowed: more than 0, 1e-30 to 1e30");
    check_refused("a,acc,ms\n1,101,3\n", plain, MNAS_ERR_FORMAT, ":2: column acc: 101; allowed: accuracies");
    check_refused("a,acc,ms\n1,-1,3\n", plain, MNAS_ERR_FORMAT, ":2: column acc: -1");
    check_refused("a,acc,ms\n,0.5,3\n", plain, MNAS_ERR_FORMAT, "no row is whole");
    check_refused("a,acc,ms\n", plain, MNAS_ERR_FORMAT, "no rows below the header");
    check_refused("a,acc,s\n1,0.5,3\n", plain, MNAS_ERR_ARG, ":1: --latency: unknown column 'ms'");
    check_refused("code,acc\n012,0.5\n,0.5\n01,0.5\n",
                  (mnas_nas_columns){.decisions = "code:chars", .accuracy = "acc"}, MNAS_ERR_FORMAT,
                  ":4: column code: \"01\" has 2 characters, the rows before have 3");
    check_refused("a,acc\nx,0.5\n", (mnas_nas_columns){.decisions = "a:ordinal", .accuracy = "acc"},
                  MNAS_ERR_FORMAT, "not all its values are numbers");
    check_refused("a,acc\nx,0.5\n", (mnas_nas_columns){.decisions = "a:char", .accuracy = "acc"},
                  MNAS_ERR_ARG, "did you mean 'chars'?");
    check_refused("a,acc\n1,0.5\n", (mnas_nas_columns){.decisions = "a,a", .accuracy = "acc"}, MNAS_ERR_ARG,
                  "names column a twice");
    check_refused("a,acc\n1,0.5\n",
                  (mnas_nas_columns){.decisions = "a", .accuracy = "acc", .latency = "a", .maximize = "a"},
                  MNAS_ERR_ARG, "both given");
    check_refused("a,acc\n1,0.5\n", (mnas_nas_columns){.accuracy = "acc"}, MNAS_ERR_ARG,
                  "--decisions is missing");
    check_refused("a,acc\n1,0.5\n", (mnas_nas_columns){.decisions = "b*", .accuracy = "acc"}, MNAS_ERR_ARG,
                  "unknown column 'b*'");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_of_decisions),
                                       cmocka_unit_test(kinds_can_be_said),
                                       cmocka_unit_test(gaps_and_equal_rows_are_left_out),
                                       cmocka_unit_test(rows_are_found),
                                       cmocka_unit_test(the_nearest_row),
                                       cmocka_unit_test(the_nearest_of_many),
                                       cmocka_unit_test(what_is_wrong_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
