/* test_report.c - the report of studies that never ran: its statistics, its words, and that the page is
 * complete in itself and well-formed. How it looks is not tested here.
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

static char *render(int n, double gain, const char *strategy) {
    fixture *f = fixture_create(n, gain, strategy);
    mnas_str html = {0};
    assert_int_equal(mnas_report_render(&f->source, &html), 0);
    free(f);
    return html.data;
}

static bool has(const char *html, const char *text) {
    return strstr(html, text) != NULL;
}

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* ---- statistics ---- */

/* Difference of means 2.966667, standard error 1.080638, nu 6.30862, t_0.975 2.418186 (by numerical
 * integration): half width 2.613183. */
static void test_welch_interval(void **state) {
    (void)state;
    const double a[] = {1, 2, 2, 3, 3}, b[] = {2, 4, 4, 5, 7, 9};
    double low, high, low2, high2;
    mnas_report_welch_interval(a, 5, b, 6, &low, &high);
    assert_near((low + high) / 2, 31.0 / 6 - 11.0 / 5, 1e-9);
    assert_near((high - low) / 2, 2.613183, 1e-5);
    mnas_report_welch_interval(b, 6, a, 5, &low2, &high2);
    assert_near(low2, -high, 1e-9);
    assert_near(high2, -low, 1e-9);
    const double same[] = {1, 1, 1};
    mnas_report_welch_interval(same, 3, same, 3, &low, &high);
    assert_true(low == 0 && high == 0);
}

static void test_beat_probability(void **state) {
    (void)state;
    assert_near(mnas_report_beat_probability(0, 29, 44), 1, 0);
    assert_near(mnas_report_beat_probability(1, 29, 44), 29.0 / 44,
                1e-12); /* the best is among the last 29 */
    assert_near(mnas_report_beat_probability(2, 29, 44), 29.0 / 44 * 28 / 43, 1e-12);
    assert_near(mnas_report_beat_probability(3, 3, 4), 0.25, 1e-12); /* the first of four is the worst */
}

static void test_facts(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    mnas_report_facts facts;
    assert_int_equal(mnas_report_facts_collect(&facts, &f->source), 0);
    assert_int_equal(facts.n_done, 41);
    assert_int_equal(facts.n_failed, 3);
    assert_true(facts.comparison.possible);
    assert_int_equal(facts.comparison.n_early, 13);
    assert_int_equal(facts.comparison.n_after, 28);
    for (int i = 0; i < facts.n_done; i++) assert_true(facts.done[i]->reward <= facts.best->reward);
    assert_ptr_equal(facts.front[0], facts.fastest);
    assert_ptr_equal(facts.front[facts.n_front - 1], facts.accurate);
    assert_true(facts.comparison.early_entropy > facts.comparison.late_entropy);
    assert_true(facts.comparison.early_entropy > 0.95 && facts.comparison.early_entropy <= 1);
    mnas_report_facts_free(&facts);
    free(f);
}

/* ---- words ---- */

/* A search that gains nothing must say so in its first lines, whatever happens; one that gains much must not. */
static void test_words_follow_the_interval(void **state) {
    (void)state;
    char *none = render(300, 0, "ppo"), *much = render(300, 0.05, "ppo"), *worse = render(300, -0.05, "ppo");
    assert_true(has(none, "do not show that the controller beats random search"));
    assert_true(has(none, "The interval includes 0, which is what random search would have had."));
    assert_true(has(much, "networks get better, on average and at the top"));
    assert_true(has(much, "The interval does not include 0"));
    assert_true(has(worse, "are worse than its first"));
    free(none);
    free(much);
    free(worse);
}

static void test_words_of_few_and_random(void **state) {
    (void)state;
    char *empty = render(0, 0, "ppo"), *few = render(5, 0, "ppo"), *random = render(100, 0.05, "random");
    assert_true(has(empty, "No trial is complete yet"));
    assert_false(has(empty, "<svg"));
    assert_true(has(few, "5 complete trials are too few"));
    assert_true(has(random, "of a random search"));
    assert_false(has(random, "get better"));
    free(empty);
    free(few);
    free(random);
}

/* ---- the page ---- */

static void test_parts(void **state) {
    (void)state;
    static const char *const parts[] = {"<h2>Accuracy against latency</h2>",
                                        "<h2>The Pareto front</h2>",
                                        "<h2>Reward over trials</h2>",
                                        "<h2>Entropy of the policy over trials</h2>",
                                        "<h2>Failed trials</h2>",
                                        "<h2>Command and conditions</h2>",
                                        "target 0.22 ms",
                                        "latency, ms (logarithmic)",
                                        "validation accuracy, %",
                                        "prefers-color-scheme:dark",
                                        "name=\"viewport\"",
                                        "--study 'a &lt;b&gt; &amp; &quot;c&quot;.db'",
                                        "took longer than 600 s &lt;script&gt;",
                                        "training diverged: loss is nan at step 14",
                                        "XNNPACK (Debian 12)",
                                        "5 rounds of a fresh process each, 250 timed runs",
                                        "12,000",
                                        "-0.0213",
                                        "r3_k3_s11_e3_i24_o32_skippool&#10;",
                                        "<code>r3_k3_s11_e3_i24_o32_skippool</code>",
                                        "data-t=\"40\""};
    char *html = render(44, 0.02, "ppo");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!has(html, parts[i])) fail_msg("the report lacks: %s", parts[i]);
    }
    assert_false(has(html, "nan ms"));
    assert_false(has(html, "\"nan\""));
    char path[1200];
    snprintf(path, sizeof path, "%s/report-of-test.html", MNAS_TEST_TMP);
    assert_int_equal(mnas_file_write_atomic(path, html, strlen(html)), 0);
    free(html);
}

static void test_nothing_is_loaded(void **state) {
    (void)state;
    static const char *const forbidden[] = {
        "http:", "https:", "//fonts", "src=", "href=", "@import", "url(", "<link", "<img", "<iframe"};
    char *html = render(44, 0.02, "ppo");
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        if (has(html, forbidden[i])) fail_msg("the report refers to the outside: %s", forbidden[i]);
    }
    free(html);
}

static void test_balanced(void **state) {
    (void)state;
    static const int sizes[] = {0, 1, 2, 5, 12, 44, 250};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int random = 0; random < 2; random++) {
            char *html = render(sizes[i], 0.02, random ? "random" : "ppo");
            check_balanced(html);
            free(html);
        }
    }
}

/* Coordinates of every mark lie inside its chart. */
static void test_marks_inside(void **state) {
    (void)state;
    char *html = render(44, 0.02, "ppo");
    int n = 0;
    for (const char *p = html; (p = strstr(p, "<circle cx=\"")); p++) {
        double x, y;
        assert_int_equal(sscanf(p, "<circle cx=\"%lf\" cy=\"%lf\"", &x, &y), 2);
        assert_true(x >= 0 && x <= 800 && y >= 0 && y <= 440);
        n++;
    }
    assert_true(n > 4 * 38); /* two charts, each wide and narrow */
    free(html);
}

/* A study may come from anybody: nothing in it becomes markup. Conditions that differ are not passed off as one. */
static void test_foreign_study(void **state) {
    (void)state;
    static char hostile[] = "r1\"><script>alert(1)</script> r2<b>";
    fixture *f = fixture_create(44, 0.02, "ppo");
    mnas_str html = {0};
    for (int i = 0; i < 44; i++) f->trials[i].arch = hostile;
    strcpy(f->trials[9].reason, "<i>\"");
    strcpy(f->trials[20].latency.cpu, "another <u>");
    f->trials[21].latency.rounds = 10;
    assert_int_equal(mnas_report_render(&f->source, &html), 0);
    assert_false(has(html.data, "<script>alert") || has(html.data, "<b>\"") || has(html.data, "r2<b>"));
    assert_false(has(html.data, "<i>") || has(html.data, "<u>"));
    assert_true(has(html.data, "5 to 10 rounds of a fresh process each"));
    assert_true(has(html.data, "some processor (of the first trial; it is another in others)"));
    mnas_str_free(&html);
    free(f);
}

/* What nobody counted is no 0, and what nobody measured is told. */
static void test_unknown_counts(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    mnas_str html = {0};
    for (int i = 0; i < 44; i++) f->trials[i].latency.n_disturbed = f->trials[i].latency.n_cpu_timed = -1;
    assert_int_equal(mnas_report_render(&f->source, &html), 0);
    assert_true(has(html.data, "in the worst<"));
    assert_false(has(html.data, "timed by CPU time") || has(html.data, "not measured in"));
    html.len = 0;
    f->trials[3].latency.n_disturbed = 1;
    strcpy(f->trials[5].latency.engine, "table default");
    assert_int_equal(mnas_report_render(&f->source, &html), 0);
    assert_true(has(html.data, "in the worst; 1 round was disturbed by other work<"));
    assert_true(has(html.data, "not measured in 1 of "));
    mnas_str_free(&html);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_welch_interval),
        cmocka_unit_test(test_beat_probability),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_words_follow_the_interval),
        cmocka_unit_test(test_words_of_few_and_random),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_nothing_is_loaded),
        cmocka_unit_test(test_balanced),
        cmocka_unit_test(test_marks_inside),
        cmocka_unit_test(test_foreign_study),
        cmocka_unit_test(test_unknown_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
