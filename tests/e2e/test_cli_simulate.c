/* test_cli_simulate.c - `mnas simulate` as it is typed: its JSON, its table, what it tells of a table's gaps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/search/nas_fixture.h"
#include "cli_fixture.h"

static json_t *simulate_json(const char *table, const char *more) {
    char line[1500];
    snprintf(line, sizeof line, "simulate --table %s --json --seeds 6 %s", table, more);
    return run_json(line);
}

static double number_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is no number", key);
    return json_number_value(value);
}

static void curves_as_json(void **state) {
    (void)state;
    json_t *object =
        simulate_json(nas_planted("cli.csv", 6, 3),
                      "--decisions arch:chars --accuracy acc --latency ms --target 300 --trials 60 "
                      "--strategies evolution:sample=3,shadow=0,random");
    static const int n[] = {10, 20, 50, 60};
    const json_t *strategies = json_object_get(object, "strategies");
    assert_int_equal(json_array_size(strategies), 2);
    const json_t *first = json_array_get(strategies, 0), *curve = json_object_get(first, "curve");
    assert_string_equal(json_string_value(json_object_get(first, "name")), "evolution:sample=3,shadow=0");
    assert_int_equal(json_array_size(curve), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *p = json_array_get(curve, i);
        assert_int_equal(integer(p, "n"), n[i]);
        assert_true(number_at(p, "mean") <= number_at(object, "optimum"));
        assert_true(number_at(p, "chosen_mean") == number_at(p, "mean"));
        assert_true(number_at(p, "p_t") >= 0 && number_at(p, "p_wilcoxon") <= 1);
        assert_true(number_at(p, "hypervolume_share") > 0 && number_at(p, "hypervolume_share") <= 1);
    }
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(json_array_get(strategies, 1), "curve"), 0), "p_t")));
    json_decref(object);
}

static void gaps_are_told(void **state) {
    (void)state;
    const char *table =
        nas_file("gaps.csv", "k,acc,test\n1,0.5,0.4\n2,,0.5\n3,0.7,nan\n4,0.6,0.5\n4,0.1,0.1\n");
    char line[1200];
    snprintf(line, sizeof line,
             "simulate --table %s --decisions k --accuracy acc --report test --trials 2 --seeds 3 "
             "--strategies random",
             table);
    outcome o = run(line);
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.err, "2 rows have a missing value and are left out: lines 3, 4"));
    assert_non_null(strstr(o.err, "1 rows repeat the decisions"));
    assert_non_null(strstr(text_of(&o), "2 networks of 1 decisions"));
    assert_non_null(strstr(text_of(&o), "50.000"));
    mnas_str_free(&o.out);
}

static void a_table_full_of_holes_is_told(void **state) {
    (void)state;
    char line[1200];
    const char *table = nas_file("holes.csv", "a,b,c,acc\n1,1,1,0.5\n2,2,2,0.6\n3,3,3,0.7\n4,4,4,0.8\n");
    snprintf(line, sizeof line,
             "simulate --table %s --decisions a,b,c --accuracy acc --trials 3 --seeds 3 --strategies random",
             table);
    outcome o = run(line);
    assert_int_equal(o.exit_code, 0);
    assert_non_null(
        strstr(text_of(&o), "ended early, by failures: proposals without a row, which --rows-only"));
    mnas_str_free(&o.out);
}

/* Noise is what a race is for; without any the best observed one wins it. */
static void finalists_race(void **state) {
    (void)state;
    char line[1200];
    snprintf(
        line, sizeof line,
        "simulate --table %s --decisions arch:chars --accuracy acc --strategies random --trials 30 --seeds 5 "
        "--finalists 5,2,race --json",
        nas_planted("race.csv", 5, 3));
    json_t *root = run_json(line);
    const json_t *curve = json_object_get(json_array_get(json_object_get(root, "strategies"), 0), "curve");
    /* 10 of 30 evaluations are theirs: n is 10, 20, 30 */
    const json_t *at_20 = json_array_get(curve, 1), *last = json_array_get(curve, 2);
    assert_int_equal(json_integer_value(json_object_get(at_20, "n")), 20);
    assert_true(fabs(json_number_value(json_object_get(last, "finalist_mean")) -
                     json_number_value(json_object_get(at_20, "chosen_mean"))) < 1e-9);
    assert_true(json_number_value(json_object_get(last, "finalist_gain")) <= 0);
    json_decref(root);
}

static void wrong_words_are_told(void **state) {
    (void)state;
    char line[1200];
    const char *table = nas_planted("words.csv", 3, 3);
    snprintf(line, sizeof line, "simulate --table %s --decisions arch:chars --accuracy ac", table);
    check_refused(line, 2, "words.csv:1: --accuracy: unknown column 'ac'; did you mean 'acc'?");
    snprintf(line, sizeof line, "simulate --table %s --decisions arch:chars --accuracy acc --latency ms",
             table);
    check_refused(line, 2, "--target is missing: of column ms");
    snprintf(line, sizeof line,
             "simulate --table %s --decisions arch:chars --accuracy acc --finalists 5,3,rice", table);
    check_refused(line, 2, "rice");
    snprintf(line, sizeof line,
             "simulate --table %s --decisions arch:chars --accuracy acc --finalists 5,3,2,race", table);
    check_refused(line, 2, "allowed: K, K,R or K,R,race");
    check_refused("simulate --decisions a --accuracy b", 2, "--table is missing");
    check_refused("simulate --table t.csv --decisions a --accuracy b --train 50", 2,
                  "--train goes with --predictor");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(curves_as_json), cmocka_unit_test(gaps_are_told),
                                       cmocka_unit_test(a_table_full_of_holes_is_told),
                                       cmocka_unit_test(finalists_race),
                                       cmocka_unit_test(wrong_words_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
