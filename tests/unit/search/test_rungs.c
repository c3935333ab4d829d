/* test_rungs.c - who goes on from a rung: counts and costs of plans, promotion in brackets worked out by hand, the same
 * decisions whatever the order of results, small last brackets, failures, what a stopped network would have come to. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "search/rung_summary.h"
#include "search/rungs.h"

static const mnas_rungs_plan three = {.n = 3, .factor = 3}, two = {.n = 2, .factor = 3};

static void plans(void **state) {
    (void)state;
    assert_int_equal(mnas_rungs_bracket(&three), 9);
    assert_true(fabs(mnas_rungs_share(&three, 0) - 1.0 / 9) < 1e-15 && mnas_rungs_share(&three, 2) == 1);
    assert_int_equal(mnas_rungs_count(&three, 9, 1), 3);
    assert_int_equal(mnas_rungs_count(&three, 9, 2), 1);
    assert_int_equal(mnas_rungs_count(&three, 5, 1), 2);
    assert_int_equal(mnas_rungs_count(&three, 1, 2), 1);
    /* 9 x 1/9 + 3 x 2/9 + 1 x 2/3 of 9 */
    assert_true(fabs(mnas_rungs_cost(&three) - (1 + 2.0 / 3 + 2.0 / 3) / 9) < 1e-15);
    assert_true(mnas_rungs_cost(&(mnas_rungs_plan){0}) == 1);
    const mnas_rungs_plan ninth = {.n = 2, .factor = 9}, own = {.n = 3, .factor = 3, .keep = 2};
    assert_int_equal(mnas_rungs_bracket(&ninth), 4); /* one in four */
    assert_int_equal(mnas_rungs_count(&ninth, 4, 1), 1);
    assert_true(fabs(mnas_rungs_cost(&ninth) - (4 / 9.0 + 8 / 9.0) / 4) < 1e-15);
    assert_int_equal(mnas_rungs_bracket(&own), 4);
    assert_true(fabs(mnas_rungs_share(&own, 0) - 1.0 / 9) < 1e-15);
    assert_true(fabs(mnas_rungs_cost(&own) - (4 / 9.0 + 2 * 2 / 9.0 + 2 / 3.0) / 4) < 1e-15);
    assert_int_equal(mnas_rungs_check(&three), 0);
    assert_int_equal(mnas_rungs_check(&(mnas_rungs_plan){0}), 0);
    static const mnas_rungs_plan wrong[] = {{1, 3, 0, false},  {-1, 3, 0, false}, {7, 2, 0, false},
                                            {3, 1, 0, false},  {3, 9, 1, false},  {3, 9, -1, false},
                                            {2, 9, 28, false}, {5, 10, 2, false}, {4, 9, 10, false}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(mnas_rungs_check(&wrong[i]), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "729"));
}

static void expect_states(const mnas_rungs_book *book, const char *wanted) {
    char got[100];
    for (size_t i = 0; i < book->n; i++) got[i] = "TWSD"[book->members[i].state];
    got[book->n] = '\0';
    assert_string_equal(got, wanted);
}

/* At 1, 2 and 4 ms: the most accurate adds most, though it is the slowest. */
static void the_most_is_added(void **state) {
    (void)state;
    mnas_rungs_book book = {.plan = two};
    const double ms[] = {1, 2, 4, 1, 2, 4}, accuracy[] = {0.50, 0.60, 0.62, 0.70, 0.61, 0.72};
    for (int i = 0; i < 6; i++) assert_int_equal(mnas_rungs_add(&book, ms[i]), i);
    for (int i = 0; i < 3; i++) assert_int_equal(mnas_rungs_result(&book, i, accuracy[i]), 0);
    /* floor 0.52 (a tenth), end 4 ms and a bit: 0.08 x 0.74 of the second against 0.10 x 0.05 of the third */
    expect_states(&book, "STSTTT");
    /* against 0.60 at 2 ms: 0.70 at 1 ms adds its whole height on the left, 0.72 at 4 ms next to nothing */
    for (int i = 3; i < 6; i++) assert_int_equal(mnas_rungs_result(&book, i, accuracy[i]), 0);
    expect_states(&book, "STSTSS");
    assert_false(mnas_rungs_is_settled(&book, 0));
    assert_int_equal(mnas_rungs_result(&book, 1, 0.8), 0);
    expect_states(&book, "SDSTSS");
    assert_true(mnas_rungs_is_settled(&book, 0) && !mnas_rungs_is_settled(&book, 3));
    /* the gain of the only one that went on: 0.2 */
    assert_true(fabs(mnas_rungs_expected(&book, 2) - 0.82) < 1e-12);
    mnas_rungs_free(&book);
}

/* Where nobody adds to the front, the one least below it goes on. */
static void the_least_below(void **state) {
    (void)state;
    mnas_rungs_book book = {.plan = two};
    const double ms[] = {1, 1, 1, 2, 3, 4}, accuracy[] = {0.9, 0.1, 0.1, 0.5, 0.7, 0.6};
    for (int i = 0; i < 6; i++) mnas_rungs_add(&book, ms[i]);
    for (int i = 0; i < 6; i++) assert_int_equal(mnas_rungs_result(&book, i, accuracy[i]), 0);
    expect_states(&book, "TSSSTS");
    mnas_rungs_free(&book);
}

static void failures_and_small_brackets(void **state) {
    (void)state;
    mnas_rungs_book book = {.plan = three};
    for (int i = 0; i < 4; i++) mnas_rungs_add(&book, 1 + i);
    for (int i = 0; i < 3; i++) assert_int_equal(mnas_rungs_result(&book, i, 0.5 + 0.1 * i), 0);
    assert_int_equal(mnas_rungs_fail(&book, 3), 0);
    expect_states(&book, "WWWD");
    assert_int_equal(mnas_rungs_close(&book), 0); /* of 4: 1 goes on */
    int n_on = 0, on = -1;
    for (int i = 0; i < 3; i++)
        if (book.members[i].state == MNAS_RUNGS_TRAINS) n_on++, on = i;
    assert_int_equal(n_on, 1);
    assert_int_equal(mnas_rungs_result(&book, on, 0.8), 0);
    assert_int_equal(book.members[on].state, MNAS_RUNGS_TRAINS); /* the last one left goes to the end */
    assert_int_equal(mnas_rungs_fail(&book, on), 0);
    assert_true(mnas_rungs_is_settled(&book, 0));
    assert_true(isnan(mnas_rungs_expected(&book, 3)));
    mnas_rungs_free(&book);
}

/* All results of a search, known beforehand, given in a random order of those that are due. */
static char *play(uint64_t order, const double *ms, double (*accuracy)[3], size_t n) {
    mnas_rungs_book book = {.plan = three};
    mnas_rng rng = mnas_rng_stream(order, 0, "order");
    char *states = calloc(n + 1, 1);
    for (size_t n_over = 0, at = 0; n_over < n; at = mnas_rng_below(&rng, (uint32_t)n)) {
        if (book.n < n && mnas_rng_below(&rng, 2)) mnas_rungs_add(&book, ms[book.n]);
        if (at < book.n && book.members[at].state == MNAS_RUNGS_TRAINS) {
            mnas_rungs_member *m = &book.members[at];
            if (m->n_results == 1 && at % 7 == 0)
                assert_int_equal(mnas_rungs_fail(&book, (int)at), 0);
            else
                assert_int_equal(mnas_rungs_result(&book, (int)at, accuracy[at][m->n_results]), 0);
        }
        n_over = 0;
        for (size_t i = 0; i < book.n; i++)
            n_over += book.members[i].state == MNAS_RUNGS_STOPPED || book.members[i].state == MNAS_RUNGS_DONE;
    }
    for (size_t i = 0; i < n; i++) states[i] = (char)('0' + book.members[i].n_results);
    mnas_rungs_free(&book);
    return states;
}

static void any_order(void **state) {
    (void)state;
    enum { N = 45 };
    double ms[N], accuracy[N][3];
    mnas_rng rng = mnas_rng_stream(3, 0, "rungs");
    for (int i = 0; i < N; i++) {
        ms[i] = exp(mnas_rng_uniform(&rng));
        for (int r = 0; r < 3; r++) accuracy[i][r] = 0.5 + 0.1 * r + 0.2 * mnas_rng_uniform(&rng);
    }
    char *first = play(0, ms, accuracy, N);
    int n_trained[4] = {0};
    for (int i = 0; i < N; i++) n_trained[first[i] - '0']++;
    assert_int_equal(n_trained[1] + n_trained[2] + n_trained[3], N);
    assert_true(n_trained[1] >= 30 && n_trained[3] >= 1 && n_trained[3] <= 5);
    for (uint64_t order = 1; order < 30; order++) {
        char *other = play(order, ms, accuracy, N);
        assert_string_equal(first, other);
        free(other);
    }
    free(first);
}

static void at_once(void **state) {
    (void)state;
    mnas_rungs_book book = {.plan = {.n = 2, .factor = 3, .async = true}};
    const double accuracy[] = {0.5, 0.9, 0.9, 0.95, 0.2};
    for (int i = 0; i < 5; i++) mnas_rungs_add(&book, 1);
    for (int i = 0; i < 5; i++) assert_int_equal(mnas_rungs_result(&book, i, accuracy[i]), 0);
    expect_states(&book, "TSSTS"); /* the first; then one in three, if it adds */
    assert_true(mnas_rungs_is_settled(&book, 1) && !mnas_rungs_is_settled(&book, 0));
    mnas_rungs_free(&book);
}

/* By hand: 4 to the end, of whose 6 pairs 5 agree at the first rung and 4 at the second; one stopped at each rung before it, one failed on its way. */
static void summaries(void **state) {
    (void)state;
    static double ends[4][3] = {{0.1, 0.3, 0.5}, {0.2, 0.2, 0.7}, {0.3, 0.1, 0.6}, {0.4, 0.5, 0.8}},
                  early[3] = {0.1, 0.1, 0.1};
    mnas_trial trials[7];
    const mnas_trial *pointers[7];
    for (int i = 0; i < 7; i++) {
        trials[i] = (mnas_trial){.state = i < 4   ? MNAS_TRIAL_COMPLETE
                                          : i < 6 ? MNAS_TRIAL_PRUNED
                                                  : MNAS_TRIAL_FAILED,
                                 .n_rungs = i < 4    ? 3
                                            : i == 4 ? 1
                                                     : 2,
                                 .rung_accuracy_frac = i < 4 ? ends[i] : early};
        pointers[i] = &trials[i];
    }
    mnas_rung rungs[MNAS_MAX_RUNGS_OF_STUDY];
    assert_int_equal(mnas_rung_summary(rungs, "3 of factor 3, brackets of 9", pointers, 7), 3);
    assert_true(rungs[0].n_reached == 7 && rungs[0].n_stopped == 1 && rungs[0].n_compared == 4);
    assert_true(rungs[1].n_reached == 6 && rungs[1].n_stopped == 1 && fabs(rungs[1].share - 1.0 / 3) < 1e-12);
    assert_true(rungs[2].n_reached == 4 && rungs[2].n_stopped == 0 && isnan(rungs[2].tau));
    assert_true(fabs(rungs[0].tau - 4.0 / 6) < 1e-12 && fabs(rungs[1].tau - 2.0 / 6) < 1e-12);
    assert_int_equal(mnas_rung_summary(rungs, "2 of factor 9, brackets of 4, async", pointers, 2), 2);
    assert_true(isnan(rungs[0].tau) && rungs[0].n_compared == 2);
    assert_int_equal(mnas_rung_summary(rungs, "6 of factor 3, brackets of 32", pointers, 7), 6);
    assert_int_equal(mnas_rung_summary(rungs, NULL, pointers, 7), 0);
    static const char *const nonsense[] = {"", "none", "9 of factor 3", "3 of factor x", "-1 of factor 3"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        assert_int_equal(mnas_rung_summary(rungs, nonsense[i], pointers, 7), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans),           cmocka_unit_test(the_most_is_added),
        cmocka_unit_test(the_least_below), cmocka_unit_test(failures_and_small_brackets),
        cmocka_unit_test(any_order),       cmocka_unit_test(at_once),
        cmocka_unit_test(summaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
