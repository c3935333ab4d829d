/* test_report_final.c - the report's part on stage two: it stands first, says what the verdict says, keeps validation and test
 * apart, calls one network best, and draws inside its frame. How it looks is not tested here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "final_fixture.h"
#include "html_check.h"
#include "report_fixture.h"
#include "search/report_final.h"
#include "search/verdict.h"

static char *render(const finals *f) {
    fixture *trials = fixture_create(44, 0.02, "ppo");
    mnas_verdict v;
    mnas_str html = {0};
    assert_int_equal(mnas_verdict_compute(&v, f->list, f->n, 200), 0);
    trials->source.finals = f->list;
    trials->source.n_finals = f->n;
    trials->source.verdict = &v;
    assert_int_equal(mnas_report_render(&trials->source, &html), 0);
    mnas_verdict_free(&v);
    free(trials);
    return html.data;
}

/* A stage two as it ends: the found ones but the chosen one are not tested, one training failed, one is a repeat. */
static finals *usual(int n_test) {
    finals *f = finals_create(21, 1000, n_test);
    f->jitter = 0.02;
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 12", 0.9, 0.92);
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 31", 1.4, 0.93)->test_accuracy_frac = NAN;
    finals_add_family(f, "mobilenet-v2", 6, 0.7, 0.90, 0.012);
    finals_add_family(f, "mnasnet-b1", 6, 0.6, 0.90, 0.012);
    finals_add(f, MNAS_FINAL_RANDOM, "random", "random 77", 1.1, 0.91);
    mnas_final *again = finals_add(f, MNAS_FINAL_FOUND, "found", "trial 12", 0.9, 0.921);
    again->repeat = 1, again->trial = f->rows[0].trial;
    mnas_final *failed = finals_add(f, MNAS_FINAL_BASELINE, "mobilenet-v2", "mobilenet-v2@1.4/28", 5, 0.9);
    failed->state = MNAS_TRIAL_FAILED;
    snprintf(failed->reason, sizeof failed->reason, "timeout");
    return f;
}

static bool has(const char *html, const char *text) {
    return strstr(html, text) != NULL;
}

static int count(const char *html, const char *text) {
    int n = 0;
    for (const char *p = html; (p = strstr(p, text)); p++) n++;
    return n;
}

static void test_stands_first(void **state) {
    (void)state;
    finals *f = usual(1000);
    char *html = render(f);
    const char *part = strstr(html, "What the search found, fully trained"),
               *controller = strstr(html, "The first 13");
    assert_non_null(part);
    assert_non_null(controller);
    assert_true(part < controller);
    assert_true(has(html, "<p class=\"verdict\">The best network found, trial 12, is "));
    assert_true(has(html, "95&#160;% interval"));
    free(html);
    finals_free(f);
}

static void test_parts(void **state) {
    (void)state;
    static const char *const parts[] = {"<h3>Accuracy on the test images</h3>",
                                        "The same on the validation images, by which the network was chosen",
                                        "test accuracy, %",
                                        "validation accuracy, %",
                                        "latency, ms (logarithmic)",
                                        "MobileNetV2, with its curve",
                                        "MnasNet-B1, with its curve",
                                        "random search",
                                        "\xc3\x97 MobileNetV2",
                                        "best: trial 12",
                                        "<h3>The chosen network beside each family</h3>",
                                        "<h3>All 17 full trainings</h3>",
                                        "<span class=\"soft\">seed 2</span>",
                                        "failed: timeout",
                                        "mobilenet-v2@0.35/28",
                                        "<td>not tested</td>",
                                        "<td>0.08</td>",
                                        "data-t=\"f0\"",
                                        "id=\"tf0\""};
    finals *f = usual(1000);
    char *html = render(f);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!has(html, parts[i])) fail_msg("the report lacks: %s", parts[i]);
    }
    assert_false(has(html, "nan ms") || has(html, "\"nan") || has(html, "nan %") || has(html, "-nan"));
    check_balanced(html);
    assert_int_equal(count(html, ">best</b>"), 1);
    assert_int_equal(count(html, " best\" data-t=\"f0\""), 4); /* test and validation, wide and narrow */
    assert_int_equal(count(html, "<td>not tested</td>"), 1);
    free(html);
    finals_free(f);
}

/* The networks that were not tested are in the picture of the validation images alone. A repeat is in none. */
static void test_splits_apart(void **state) {
    (void)state;
    finals *f = usual(1000);
    char *html = render(f);
    const char *test = strstr(html, "<h3>Accuracy on the test images</h3>"),
               *val = strstr(html, "<details><summary>The same");
    assert_true(test && val && test < val);
    for (const char *p = test; (p = strstr(p, "data-t=\"f1\"")) && p < val;)
        fail_msg("a network that was not tested is drawn");
    assert_int_equal(count(html, "data-t=\"f1\""), 3); /* validation, wide and narrow, and its row */
    assert_int_equal(count(html, "data-t=\"f15\""), 1);
    free(html);
    finals_free(f);
}

static void test_without_test(void **state) {
    (void)state;
    finals *f = usual(0);
    char *html = render(f);
    assert_true(has(html, "<h3>Accuracy on the validation images</h3>"));
    assert_true(has(html, "No test images were used"));
    assert_false(has(html, "test accuracy, %"));
    free(html);
    finals_free(f);
}

static void test_none_and_unfinished(void **state) {
    (void)state;
    finals *f = finals_create(1, 100, 0);
    char *html = render(f);
    assert_false(has(html, "What the search found"));
    free(html);
    finals_add(f, MNAS_FINAL_FOUND, "found", "trial 1", 1, 0.9)->state = MNAS_TRIAL_RUNNING;
    f->rows[0].chosen = false;
    html = render(f);
    assert_true(has(html, "Stage two has not chosen a network yet: 0 of its 1 trainings are complete."));
    assert_false(has(html, "Accuracy on the validation images"));
    free(html);
    finals_free(f);
}

static void test_marks_inside(void **state) {
    (void)state;
    finals *f = usual(1000);
    f->rows[4].test_accuracy_frac = f->rows[4].val_accuracy_frac = 0.1; /* at chance: on the lower edge */
    char *html = render(f);
    const char *end = strstr(html, "The chosen network beside each family");
    int n = 0;
    assert_non_null(end);
    for (const char *p = html; (p = strstr(p, "<circle cx=\"")) && p < end; p++) {
        double x, y;
        assert_int_equal(sscanf(p, "<circle cx=\"%lf\" cy=\"%lf\"", &x, &y), 2);
        assert_true(x >= 0 && x <= 800 && y >= 0 && y <= 440);
        n++;
    }
    for (const char *p = html; (p = strstr(p, "<line x1=\"")) && p < end; p++) {
        double x1, y1, x2, y2;
        assert_int_equal(sscanf(p, "<line x1=\"%lf\" y1=\"%lf\" x2=\"%lf\" y2=\"%lf\"", &x1, &y1, &x2, &y2),
                         4);
        assert_true(x1 >= 0 && x1 <= 800 && x2 >= 0 && x2 <= 800 && y1 >= 0 && y1 <= 440 && y2 >= 0 &&
                    y2 <= 440);
    }
    assert_true(n >= 2 * (1 + 2) + 2 * (2 + 2)); /* found ones and crossings */
    free(html);
    finals_free(f);
}

/* Names come from the user's files and from whoever made the study. */
static void test_nothing_becomes_markup(void **state) {
    (void)state;
    finals *f = usual(500);
    for (int i = 0; i < f->n; i++) snprintf(f->rows[i].name, sizeof f->rows[i].name, "<script>%d\"&", i);
    for (int i = 2; i < 8; i++) snprintf(f->rows[i].family, sizeof f->rows[i].family, "<i>mine</i>");
    snprintf(f->rows[16].reason, sizeof f->rows[16].reason, "<b>\"");
    char *html = render(f);
    assert_false(has(html, "<script>0") || has(html, "<i>mine") || has(html, "<b>\""));
    assert_true(has(html, "&lt;script&gt;0&quot;&amp;"));
    check_balanced(html);
    free(html);
    finals_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stands_first),           cmocka_unit_test(test_parts),
        cmocka_unit_test(test_splits_apart),           cmocka_unit_test(test_without_test),
        cmocka_unit_test(test_none_and_unfinished),    cmocka_unit_test(test_marks_inside),
        cmocka_unit_test(test_nothing_becomes_markup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
