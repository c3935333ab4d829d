/* test_shadow.c - whether a strategy beat chance: what counts and as what, both looks, the mean best of as many, words and
 * drawing. The test itself is checked with base/stats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/file.h"
#include "html_check.h"
#include "report_fixture.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* Every fifth is random; `lead`: what the strategy's rewards have more, `late`: what its second half has besides. */
static fixture *study(int n, double lead, double late) {
    fixture *f = fixture_create(n, 0, "ppo");
    for (int i = 0; i < n; i++) {
        mnas_trial *t = &f->trials[i];
        const bool random = i % 5 == 0;
        strcpy(t->origin, random ? "random" : "strategy");
        if (!random && t->state == MNAS_TRIAL_COMPLETE) t->reward += lead + (i >= n / 2 ? late : 0);
    }
    return f;
}

static mnas_shadow compare(const fixture *f) {
    mnas_shadow s;
    assert_int_equal(mnas_shadow_compare(&s, f->source.trials, f->source.n_trials), 0);
    return s;
}

static void check(int n, double lead, double late, mnas_shadow_verdict verdict, const char *words) {
    fixture *f = study(n, lead, late);
    const mnas_shadow s = compare(f);
    if (s.verdict != verdict)
        fail_msg("%d trials, lead %g and %g: %s, p %g and %g", n, lead, late,
                 mnas_shadow_verdict_name(s.verdict), s.p, s.late_p);
    if (!strstr(s.words, words)) fail_msg("\"%s\" lacks \"%s\"", s.words, words);
    free(f);
}

static void test_verdicts(void **state) {
    (void)state;
    check(100, 0.05, 0, MNAS_SHADOW_BEAT, "In this study the strategy beat random search.");
    check(100, 0, 0, MNAS_SHADOW_NOT, "is not shown to be better than random search");
    check(100, 0, 0, MNAS_SHADOW_NOT, "With so few, a probability below 0.6");
    check(100, -0.05, 0, MNAS_SHADOW_WORSE, "was worse than random search");
    check(100, -0.03, 0.06, MNAS_SHADOW_BEAT_LATE,
          "In the last half of this study the strategy beat random search");
    check(20, 0.05, 0, MNAS_SHADOW_FEW, "too few to tell");
}

static void test_none(void **state) {
    (void)state;
    fixture *f = study(60, 0.05, 0);
    for (int i = 0; i < 60; i++) strcpy(f->trials[i].origin, i % 2 ? "strategy" : "");
    mnas_shadow s = compare(f);
    assert_true(s.verdict == MNAS_SHADOW_NONE && !s.words[0]);
    for (int i = 0; i < 60; i++) strcpy(f->trials[i].origin, i % 2 ? "told" : "random");
    s = compare(f);
    assert_true(s.verdict == MNAS_SHADOW_NONE && s.random.n > 0);
    free(f);
}

/* Rewards 1..6 of the strategy and 0, 0.5, 1.5 of chance; failed below all, stopped at a rung below the complete ones, what was
 * never trained is left out, and so is what a device failed. */
static void test_what_counts(void **state) {
    (void)state;
    mnas_trial list[14];
    const mnas_trial *pointers[14];
    for (int i = 0; i < 14; i++) {
        list[i] = (mnas_trial){.number = i, .state = MNAS_TRIAL_COMPLETE, .reward = i + 1, .rung = -1};
        strcpy(list[i].origin, i < 8 ? "strategy" : "random");
        pointers[i] = &list[i];
    }
    list[6].state = MNAS_TRIAL_FAILED, strcpy(list[6].reason, "nan");
    list[7].state = MNAS_TRIAL_PRUNED, list[7].rung = 1, strcpy(list[7].reason, "rung");
    list[8].reward = 0, list[9].reward = 0.5, list[10].reward = 1.5;
    list[11].state = MNAS_TRIAL_PRUNED, list[11].rung = 0, strcpy(list[11].reason, "rung");
    list[12].state = MNAS_TRIAL_PRUNED, strcpy(list[12].reason, "latency");
    list[13].state = MNAS_TRIAL_FAILED, strcpy(list[13].reason, "device");
    mnas_shadow s;
    assert_int_equal(mnas_shadow_compare(&s, pointers, 14), 0);
    assert_true(s.strategy.n == 8 && s.strategy.n_complete == 6 && s.strategy.n_failed == 1);
    assert_true(s.random.n == 4 && s.random.n_complete == 3 && s.random.n_failed == 0);
    assert_near(s.strategy.median, 3.5, 1e-12);
    assert_near(s.random.best, 1.5, 1e-12);
    assert_true(s.strategy.best_trial == 5 && s.random.best_trial == 10);
    /* wins of 32: reward 1 three, 2..6 four each, failed none, stopped at rung 1 beats the one stopped at rung 0 */
    assert_near(s.share, (3 + 5 * 4 + 0 + 1) / 32.0, 1e-12);
    /* best of 4 of 8, {least, least, 1..6} with least 1: sum of C(i - 1, 3) x_i over C(8, 4) */
    assert_near(s.fair_best, (1 * 2 + 4 * 3 + 10 * 4 + 20 * 5 + 35 * 6) / 70.0, 1e-12);
}

static void test_page(void **state) {
    (void)state;
    fixture *f = study(100, 0.03, 0.01);
    mnas_str html = {0};
    char path[1200];
    assert_int_equal(mnas_report_render(&f->source, &html), 0);
    assert_non_null(
        strstr(html.data, "<p class=\"verdict\">In this study the strategy beat random search.</p>"));
    assert_non_null(strstr(html.data, "<h2>The strategy beside chance</h2>"));
    assert_non_null(strstr(html.data, "class=\"chance\" data-t=\"0\""));
    assert_null(strstr(html.data, "stand for random search")); /* nothing stands for it where it is there */
    check_balanced(html.data);
    snprintf(path, sizeof path, "%s/report-of-shadow.html", MNAS_TEST_TMP);
    assert_int_equal(mnas_file_write_atomic(path, html.data, html.len), 0);
    mnas_str_free(&html);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_what_counts),
        cmocka_unit_test(test_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
