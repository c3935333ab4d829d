/* test_report_drawings.c - the report's drawings of networks and of the policy, its failures, links and sorting: that
 * they hold what they are made of, stay well-formed and small, and say nothing where there is nothing. How they look is
 * not tested here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "html_check.h"
#include "report_fixture.h"

enum { N_DECISIONS = 42, N_CHOICES = 4, N_POINTS = 500 };

static bool has(const char *html, const char *text) {
    return strstr(html, text) != NULL;
}

static int count(const char *html, const char *text) {
    int n = 0;
    for (const char *p = html; (p = strstr(p, text)); p += strlen(text)) n++;
    return n;
}

static char *render(const fixture *f) {
    mnas_str html = {0};
    assert_int_equal(mnas_report_render(&f->source, &html), 0);
    return html.data;
}

/* ---- networks ---- */

/* A time a thousandth of a millisecond for each million multiply-adds, and as much for what has none. */
static void add_times(mnas_report_network *net) {
    net->times = calloc((size_t)net->cost.n_layers, sizeof *net->times);
    assert_non_null(net->times);
    for (int i = 0; i < net->cost.n_layers; i++) {
        const mnas_layer_cost *l = &net->cost.layers[i];
        if (strcmp(l->op, "bn") == 0) continue;
        mnas_layer_time *t = &net->times[net->n_times++];
        snprintf(t->name, sizeof t->name, "%s", l->name);
        t->ms = 0.001 + (double)l->macs / 1e9;
    }
}

static mnas_report_network *add_networks(fixture *f, int n_timed) {
    mnas_report_network *nets = calloc((size_t)f->source.n_front, sizeof *nets);
    assert_non_null(nets);
    for (int i = 0; i < f->source.n_front; i++) {
        mnas_model *m = &nets[i].model;
        mnas_model_defaults(m);
        assert_int_equal(mnas_model_set_arch(m, fixture_arch), 0);
        m->blocks[1].act = MNAS_ACT_HSWISH;
        m->stem_filters = 16, m->head_filters = 128, m->input_size = 28, m->input_channels = 1;
        assert_int_equal(mnas_cost_compute(&nets[i].cost, m, 1), 0);
        if (i < n_timed) add_times(&nets[i]);
    }
    f->source.networks = nets;
    return nets;
}

static void free_networks(fixture *f, mnas_report_network *nets) {
    for (int i = 0; i < f->source.n_front; i++) {
        mnas_cost_free(&nets[i].cost);
        free(nets[i].times);
    }
    free(nets);
}

/* 9 layers of 5 blocks, stem, head, end: 12 rows, whatever they are drawn by. */
static void test_networks(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    assert_true(f->source.n_front > 4);
    mnas_report_network *nets = add_networks(f, 2);
    char *html = render(f);
    assert_true(has(html, "<h2>The best networks, layer by layer</h2>"));
    assert_int_equal(count(html, "<figure"), f->source.n_front);
    assert_int_equal(count(html, "<td class=\"bar\">"), 12 * f->source.n_front);
    assert_int_equal(count(html, "layers not timed: bars are multiply-adds"), f->source.n_front - 2);
    assert_int_equal(count(html, "layers one by one:"), 2);
    assert_true(has(html, "<b>SepConv</b> 3&#215;3") && has(html, "<b>MBConv6</b> 5&#215;5"));
    assert_true(has(html, "SE 0.25") && has(html, "pool skip") && has(html, "<span>hswish</span>") &&
                has(html, "stride 2"));
    assert_true(has(html, ">14&#215;14&#215;16<"));
    char other[64];
    snprintf(other, sizeof other, "The other %d of the front", f->source.n_front - 4);
    assert_true(has(html, other));
    free(html);
    free_networks(f, nets);
    free(f);
}

/* The longest bar is full; no bar is longer. */
static void test_bars_have_one_scale(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    mnas_report_network *nets = add_networks(f, f->source.n_front);
    char *html = render(f);
    double most = 0;
    for (const char *row = html; (row = strstr(row, "<td class=\"bar\"><div>"));) {
        const char *end = strstr(row, "</div>");
        double sum = 0, width;
        for (; (row = strstr(row, "width:")) && row < end; row++)
            if (sscanf(row, "width:%lf", &width) == 1) sum += width;
        most = fmax(most, sum);
        row = end;
    }
    assert_true(most > 99.5 && most < 100.5);
    free(html);
    free_networks(f, nets);
    free(f);
}

/* ---- the policy ---- */

typedef struct policy_fixture {
    mnas_decision decisions[N_DECISIONS];
    const mnas_decision *pointers[N_DECISIONS];
    mnas_policy_point points[N_POINTS];
    double probabilities[N_POINTS][N_DECISIONS * N_CHOICES];
} policy_fixture;

/* Decision 0 ends at its last choice; the others stay uniform. Values are in no order. */
static policy_fixture *add_policy(fixture *f, int n_points) {
    static const char *const names[N_CHOICES] = {"24", "<16>", "40", "32"};
    static const double values[N_CHOICES] = {24, 16, 40, 32};
    policy_fixture *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (int i = 0; i < N_DECISIONS; i++) {
        p->decisions[i] =
            (mnas_decision){.ordinal = true, .n_choices = N_CHOICES, .choices = names, .values = values};
        snprintf(p->decisions[i].name, sizeof p->decisions[i].name, "block%d.d%d", i / 6 + 1, i % 6);
        p->pointers[i] = &p->decisions[i];
    }
    for (int k = 0; k < n_points; k++) {
        for (int i = 0; i < N_DECISIONS * N_CHOICES; i++) p->probabilities[k][i] = 0.25;
        const double sure = n_points > 1 ? 0.25 + 0.7 * k / (n_points - 1) : 0.95;
        for (int j = 0; j < N_CHOICES; j++) p->probabilities[k][j] = j == 3 ? sure : (1 - sure) / 3;
        p->points[k] = (mnas_policy_point){10 + 4 * k, p->probabilities[k]};
    }
    f->source.decisions = p->pointers;
    f->source.n_decisions = N_DECISIONS;
    f->source.policy = p->points;
    f->source.n_policy = n_points;
    return p;
}

static void test_policy(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    char *without = render(f);
    assert_false(has(without, "class=\"policy\""));
    policy_fixture *p = add_policy(f, N_POINTS);
    char *html = render(f);
    assert_true(has(html, "<section class=\"policy\">"));
    assert_int_equal(count(html, "<h3>block"), 7);
    assert_int_equal(count(html, "preserveAspectRatio"), N_DECISIONS);
    assert_true(
        has(html,
            "80&#160;% or more in 1 of 42 decisions; farthest from chance is block1.d0 = 32 (95\xC2\xA0%)"));
    assert_true(has(html, "(after 10 proposals)") && has(html, "(after 2006)"));
    assert_true(has(html, "&lt;16&gt;") && !has(html, "<16>"));
    const char *first = strstr(html, "&lt;16&gt;<b>"), *second = strstr(html, "24<b>"); /* by value */
    assert_true(first && second && first < second);
    assert_true(strlen(html) - strlen(without) < 250000); /* 42 decisions, 500 updates */
    free(html);
    free(without);
    free(p);
    free(f);
}

static void test_policy_of_few_points_and_of_random(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo"), *random = fixture_create(44, 0, "random");
    policy_fixture *p = add_policy(f, 1), *q = add_policy(random, 5);
    p->probabilities[0][0] = NAN; /* a damaged study */
    p->probabilities[0][1] = 1e300;
    char *html = render(f), *none = render(random);
    char *section = strstr(html, "class=\"policy\"");
    assert_non_null(section);
    check_balanced(html);
    *strstr(section, "</section>") = '\0';
    assert_false(has(section, "nan") || has(section, "inf"));
    assert_false(has(none, "class=\"policy\""));
    free(html);
    free(none);
    free(p);
    free(q);
    free(f);
    free(random);
}

/* ---- failures, links, sorting ---- */

static void test_failures(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    char long_line[600];
    memset(long_line, 'x', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    memcpy(long_line + 239, "\xc3\xa9", 2); /* a character across the cut */
    f->trials[17].error = long_line;
    char *html = render(f);
    assert_true(has(html, "3 of 44 trials failed"));
    assert_true(has(html, "<td>nan</td><td>2</td>") && has(html, "<td>timeout</td><td>1</td>"));
    assert_true(has(html, "training diverged: loss is nan at step 14"));
    assert_true(has(html, "All of trial 9:"));
    assert_true(has(html, "x &#8230;</li>") && !has(html, "\xc3"));
    free(html);
    free(f);
}

static void test_links_are_addresses(void **state) {
    (void)state;
    fixture *f = fixture_create(5, 0, "ppo");
    f->source.csv_name = "a \"b\"&%.csv";
    f->source.json_name = "plain-1.2_x.json";
    char *html = render(f);
    assert_true(has(html, "href=\"a%20%22b%22%26%25.csv\""));
    assert_true(has(html, "href=\"plain-1.2_x.json\""));
    assert_int_equal(count(html, "href="), 2);
    free(html);
    free(f);
}

/* Without a script a table; with it each cell of a number says what it sorts by, and one without a number does not. */
static void test_table_sorts(void **state) {
    (void)state;
    fixture *f = fixture_create(44, 0.02, "ppo");
    char *html = render(f);
    const char *table = strstr(html, "class=\"numbers all sort\"");
    assert_non_null(table);
    assert_true(has(html, "aria-sort") && has(html, "createElement('button')"));
    const char *row = strstr(table, "<tr id=\"t9\""), *end = strstr(row, "</tr>"); /* failed */
    assert_true(row && end);
    int n = 0;
    for (const char *p = row; (p = strstr(p, "data-v=")) && p < end; p++) n++;
    assert_int_equal(n, 3); /* number, parameters, multiply-adds; no accuracy, latency, reward */
    free(html);
    free(f);
}

static void test_same_study_same_page(void **state) {
    (void)state;
    fixture *f = fixture_create(250, 0.02, "ppo");
    mnas_report_network *nets = add_networks(f, 1);
    policy_fixture *p = add_policy(f, 60);
    char *a = render(f), *b = render(f);
    assert_string_equal(a, b);
    check_balanced(a);
    free(a);
    free(b);
    free(p);
    free_networks(f, nets);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),    cmocka_unit_test(test_bars_have_one_scale),
        cmocka_unit_test(test_policy),      cmocka_unit_test(test_policy_of_few_points_and_of_random),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_links_are_addresses),
        cmocka_unit_test(test_table_sorts), cmocka_unit_test(test_same_study_same_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
