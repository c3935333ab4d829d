/* test_proxy.c - short trainings against full ones: taus that scipy finds in the same table (proxy_scipy.py), intervals, words,
 * wrong tables; trainings by a stand-in, killed and taken up again; records that lie.
 */
#include "search_fixture.h"

#include "base/csv.h"
#include "base/error.h"
#include "proxy_scipy.h"
#include "search/proxy.h"

#define TABLE                  MNAS_SOURCE_DIR "/tests/unit/search/proxy_scipy.csv"
#define assert_near(a, b, tol) assert_true(fabs((a) - (b)) <= (tol))

static mnas_proxy_table table_options(void) {
    return (mnas_proxy_table){.path = TABLE,
                              .proxies = "short, middle",
                              .full = "full",
                              .macs = "macs",
                              .parameters = "params",
                              .noise = "full,again"};
}

static void check_inside(const mnas_estimate *e, double value) {
    assert_near(e->value, value, 1e-12);
    assert_true(e->low < e->value && e->value < e->high);
}

static void test_against_scipy(void **state) {
    (void)state;
    const mnas_proxy_table t = table_options();
    mnas_proxy_check c;
    if (mnas_proxy_check_table(&c, &t) < 0) fail_msg("%s", mnas_error_message());
    const double *const expected[] = {scipy_short, scipy_middle};
    for (int i = 0; i < 2; i++) {
        check_inside(&c.proxies[i].tau, expected[i][0]);
        check_inside(&c.proxies[i].tau_top, expected[i][1]);
        check_inside(&c.proxies[i].tau_beyond_size, expected[i][2]);
    }
    check_inside(&c.proxies[0].behind, scipy_behind);
    assert_true(isnan(c.proxies[1].behind.value));
    assert_int_equal(c.proxies[0].n, 40);
    assert_int_equal(c.proxies[0].n_diverged, 2);
    assert_int_equal(c.proxies[1].n, 39);
    assert_near(c.proxies[2].seed_sd_frac, scipy_seed_sd, 1e-12);
    assert_near(c.proxies[2].apart_frac, 1.96 * sqrt(2) * scipy_seed_sd, 1e-12);
    check_inside(&c.proxies[2].tau, scipy_seeds_tau);
    mnas_proxy_check_free(&c);
}

static void test_choice(void **state) {
    (void)state;
    mnas_proxy_table t = table_options();
    mnas_proxy_check c;
    t.images = "1000,4000,20000";
    assert_int_equal(mnas_proxy_check_table(&c, &t), 0);
    assert_int_equal(c.chosen, 1);
    assert_true(!c.proxies[0].ranks_well && c.proxies[1].ranks_well && !c.is_percent);
    assert_non_null(strstr(c.words, "The shortest training that ranks networks well enough is middle"));
    assert_non_null(strstr(c.words, "--max-images 4000."));
    mnas_proxy_check_free(&c);
    t.images = "1ep,3ep,9ep";
    assert_int_equal(mnas_proxy_check_table(&c, &t), 0);
    assert_non_null(strstr(c.words, "Search with --epochs 3."));
    mnas_proxy_check_free(&c);
    t.proxies = "short", t.images = NULL, t.noise = NULL;
    assert_int_equal(mnas_proxy_check_table(&c, &t), 0);
    assert_int_equal(c.chosen, -1);
    assert_non_null(strstr(c.words, "No short training is shown"));
    mnas_proxy_check_free(&c);
}

static void refuse(mnas_proxy_table t, const char *words) {
    mnas_proxy_check c;
    assert_true(mnas_proxy_check_table(&c, &t) < 0);
    if (!strstr(mnas_error_message(), words)) fail_msg("\"%s\" lacks \"%s\"", mnas_error_message(), words);
}

static void test_wrong_tables(void **state) {
    (void)state;
    mnas_proxy_table t = table_options();
    t.proxies = "shrt";
    refuse(t, "short");
    t = table_options(), t.parameters = "";
    refuse(t, "--macs and --params go together");
    t = table_options(), t.full = "full,again";
    refuse(t, "--full has to name one column");
    t = table_options(), t.noise = "again";
    refuse(t, "two columns or more");
    t = table_options(), t.proxies = "network";
    refuse(t, "proxy_scipy.csv:2: column \"network\" has \"n0\"");
    t = table_options(), t.macs = "short";
    refuse(t, "above 0");
    t = table_options(), t.images = "1,2,3epochs";
    refuse(t, "is no number of images (5000), or of epochs (3ep)");
    t = table_options(), t.images = "1,2";
    refuse(t, "3 numbers are wanted");
    t = table_options(), t.path = "/nowhere.csv";
    refuse(t, "nowhere");
}

static char table[600];

/* 60 networks: a short training and two full ones, NaN where it diverged. */
static mnas_proxy_check check_made_up(double (*cell)(int row, int column)) {
    mnas_str text = {0};
    mnas_proxy_check c;
    const mnas_proxy_table t = {.path = table, .proxies = "short", .full = "full", .noise = "full,again"};
    snprintf(table, sizeof table, "%s/made-up.csv", fix_dir);
    mnas_str_append(&text, "short,full,again\n");
    for (int i = 0; i < 60; i++) mnas_str_appendf(&text, "%g,%g,%g\n", cell(i, 0), cell(i, 1), cell(i, 2));
    fix_write(table, text.data, text.len);
    mnas_str_free(&text);
    if (mnas_proxy_check_table(&c, &t) < 0) fail_msg("%s", mnas_error_message());
    assert_null(strstr(c.words, "nan"));
    return c;
}

/* Of 60 the last ten come through the full training, in the order of the short one. */
static double most_diverge(int row, int column) {
    return row < 50 && column > 0 ? (double)NAN : 0.5 + row / 200.0;
}

static double all_diverge(int row, int column) {
    return column > 0 ? (double)NAN : 0.5 + row / 200.0;
}

/* The second full training has the reverse order of the first. */
static double seeds_disagree(int row, int column) {
    return column < 2 ? 0.5 + row / 200.0 : 0.9 - row / 200.0;
}

static void test_where_most_diverge(void **state) {
    (void)state;
    mnas_proxy_check c = check_made_up(most_diverge);
    assert_true(c.proxies[0].tau.value > 0); /* those that came through are in front */
    assert_true(isnan(c.proxies[0].tau_top.value) && isnan(c.proxies[0].tau_top.low));
    assert_null(strstr(c.words, "Among the 20 %"));
    mnas_proxy_check_free(&c);
    c = check_made_up(all_diverge);
    assert_true(isnan(c.proxies[0].tau.value) && isnan(c.proxies[0].tau_top.value));
    assert_int_equal(c.chosen, -1);
    assert_non_null(strstr(c.words, "full gave all networks the same"));
    mnas_proxy_check_free(&c);
}

static void test_where_seeds_disagree(void **state) {
    (void)state;
    mnas_proxy_check c = check_made_up(seeds_disagree);
    assert_true(c.proxies[0].tau.low > 0.6 && c.proxies[1].tau.value < 0);
    assert_int_equal(c.chosen, -1);
    assert_false(c.proxies[0].ranks_well);
    assert_non_null(strstr(c.words, "No length can be chosen: two full trainings"));
    mnas_proxy_check_free(&c);
}

/* ---- lengths ---- */

static void test_lengths(void **state) {
    (void)state;
    static const char *const wrong[] = {"",    "0",    "3.5", "-1",    "3epochs", "ep",
                                        "0ep", "0x10", "nan", "infep", "1 ep"};
    mnas_proxy_span span;
    char name[MNAS_PROXY_SPAN_NAME];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (mnas_proxy_span_read(&span, wrong[i])) fail_msg("taken: %s", wrong[i]);
    assert_true(mnas_proxy_span_read(&span, "5000") && span.images == 5000 && span.epochs <= 0);
    mnas_proxy_span_name(&span, name);
    assert_string_equal(name, "5000 images");
    assert_true(mnas_proxy_span_read(&span, "0.5ep") && span.images == 0);
    assert_near(span.epochs, 0.5, 0);
    mnas_proxy_span_name(&span, name);
    assert_string_equal(name, "0.5 epochs");
    assert_true(mnas_proxy_span_read(&span, "1ep"));
    mnas_proxy_span_name(&span, name);
    assert_string_equal(name, "1 epoch");
}

/* Images are seen in each of the recipe's epochs. */
static void test_order_of_lengths(void **state) {
    (void)state;
    const mnas_proxy_task once = {1000, 1}, thrice = {1000, 3};
    mnas_proxy_span spans[MNAS_PROXY_MAX_LENGTHS];
    const int n = mnas_proxy_spans_read(spans, "500, 1ep", "2ep");
    assert_int_equal(n, 3);
    assert_int_equal(mnas_proxy_spans_check(spans, n, &once), 0);
    assert_int_equal(mnas_proxy_spans_check(spans, n, &thrice), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "--lengths is 1 epoch, not above the 500 images before"));
    assert_int_equal(mnas_proxy_spans_read(spans, "1ep", "many"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "--full: \"many\" is no length"));
}

/* ---- by training ---- */

/* Accuracy is a function of the network, the length and the seed; the n-th training may be the last thing this process does. */
typedef struct toy {
    int n_started, stop_at;
    mnas_job_news news;
} toy;

static double toy_accuracy(const mnas_job_request *q) {
    char key[17];
    assert_int_equal(mnas_model_key(q->model, key), 0);
    const uint64_t quality = mnas_hash_bytes(MNAS_HASH_INIT, key, 16) % 1000, noise = q->seed % 1000;
    return 0.3 + 0.3 * (double)quality / 1000 + 0.01 * (double)noise / 1000 * (q->max_images == 100 ? 30 : 1);
}

static int toy_start(void *user, mnas_job **out, const mnas_job_request *q) {
    toy *t = user;
    if (++t->n_started == t->stop_at) return mnas_error_set(MNAS_ERR_IO, "killed here");
    t->news = (mnas_job_news){.frac = 1, .done = true};
    t->news.result.val_accuracy_frac = toy_accuracy(q);
    t->news.result.n_images = q->max_images;
    t->news.result.train_s = 0.5;
    *out = (mnas_job *)(void *)t;
    return 0;
}

static int toy_wait(void *user, mnas_job *const *jobs, size_t n, int timeout_ms) {
    (void)user, (void)jobs, (void)n, (void)timeout_ms;
    return 0;
}

static const mnas_job_news *toy_news(mnas_job *job) {
    return &((const toy *)(void *)job)->news;
}

static void toy_nothing(mnas_job *job) {
    (void)job;
}

static mnas_job_runner toy_runner(toy *t) {
    return (mnas_job_runner){toy_start, toy_wait, toy_news, toy_nothing, toy_nothing, toy_nothing, t, NULL};
}

static char record[600];

static mnas_proxy_options run_options(void) {
    snprintf(record, sizeof record, "%s/check.jsonl", fix_dir);
    return (mnas_proxy_options){.space = fix_space,
                                .data = fix_data,
                                .record = record,
                                .recipe = "proxy:batch=16",
                                .lengths = "100,150",
                                .full = "200",
                                .networks = 24,
                                .seeds = 2,
                                .threads = 1,
                                .max_minutes = NAN};
}

static void test_run_and_resume(void **state) {
    (void)state;
    const mnas_proxy_options o = run_options();
    mnas_proxy_check c;
    int n_runs = 0, rc;
    toy t = {.stop_at = 17};
    const mnas_job_runner runner = toy_runner(&t);
    do { /* dies at every 17th training */
        t.n_started = 0;
        rc = mnas_proxy_run_with(&c, &o, &runner);
        n_runs++;
    } while (rc == MNAS_ERR_IO && n_runs < 50);
    if (rc < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(n_runs, 6); /* 24 x 3 + 8 x 3 = 96 trainings, 16 a run */
    assert_int_equal(c.n_networks, 24);
    assert_int_equal(c.n_proxies, 2);
    assert_int_equal(c.proxies[2].n_seed_networks, 8);
    assert_true(c.proxies[1].tau.value > 0.9 && c.proxies[1].tau.value > c.proxies[0].tau.value);
    assert_true(c.proxies[0].seed_sd_frac > 10 * c.proxies[2].seed_sd_frac);
    assert_true(c.proxies[0].n_images == 100 && c.chosen >= 0);
    mnas_proxy_check_free(&c);
    t = (toy){0};
    assert_int_equal(mnas_proxy_run_with(&c, &o, &runner), 0); /* nothing is left to train */
    assert_int_equal(t.n_started, 0);
    mnas_proxy_check_free(&c);
}

static int epochs_start(void *user, mnas_job **out, const mnas_job_request *q) {
    if (q->max_images == 100)
        assert_true(isnan(q->epochs)); /* the recipe's */
    else
        assert_true(q->max_images == 0 && (q->epochs == 1 || q->epochs == 2.5));
    return toy_start(user, out, q);
}

/* What is asked of a training, what is kept, and what is said of it. */
static void test_run_in_epochs(void **state) {
    (void)state;
    mnas_proxy_options o = run_options();
    mnas_proxy_check c;
    toy t = {.stop_at = 20};
    mnas_job_runner runner = toy_runner(&t);
    runner.start = epochs_start;
    o.lengths = "100,1ep", o.full = "2.5ep";
    assert_int_equal(mnas_proxy_run_with(&c, &o, &runner), MNAS_ERR_IO); /* killed */
    t = (toy){0};
    if (mnas_proxy_run_with(&c, &o, &runner) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(t.n_started, 96 - 19);
    assert_string_equal(c.proxies[1].name, "1 epoch");
    assert_near(c.proxies[1].epochs, 1, 0);
    assert_near(c.proxies[2].epochs, 2.5, 0);
    assert_true(isnan(c.proxies[0].epochs) && c.proxies[0].n_images == 100);
    assert_true(2 * c.proxies[2].n_images == 5 * c.proxies[1].n_images);
    assert_true(c.proxies[1].tau.low > 0.6);
    mnas_proxy_check_free(&c);
}

static void expect(const mnas_proxy_options *o, int status, const char *words) {
    mnas_proxy_check c;
    toy t = {0};
    const mnas_job_runner runner = toy_runner(&t);
    assert_int_equal(mnas_proxy_run_with(&c, o, &runner), status);
    if (!strstr(mnas_error_message(), words)) fail_msg("\"%s\" lacks \"%s\"", mnas_error_message(), words);
}

static void test_other_options(void **state) {
    (void)state;
    mnas_proxy_options o = run_options();
    toy t = {.stop_at = 5};
    const mnas_job_runner runner = toy_runner(&t);
    mnas_proxy_check c;
    assert_int_equal(mnas_proxy_run_with(&c, &o, &runner), MNAS_ERR_IO);
    o.recipe = "proxy:batch=32";
    expect(&o, MNAS_ERR_MISMATCH, "another --record");
    o = run_options(), o.lengths = "120,150";
    expect(&o, MNAS_ERR_MISMATCH, "are not of this plan");
    o = run_options(), o.lengths = "150,100";
    expect(&o, MNAS_ERR_ARG, "shortest first");
    o = run_options(), o.lengths = "100,200";
    expect(&o, MNAS_ERR_ARG, "--full is 200 images, not above the 200 images before");
    o = run_options(), o.full = "400";
    expect(&o, MNAS_ERR_ARG, "400 images, but there are 200 to train on; give epochs of all of them: 2ep");
    o = run_options(), o.networks = 9;
    expect(&o, MNAS_ERR_ARG, "--networks is 9");
    o = run_options(), o.space = fix_small_space;
    expect(&o, MNAS_ERR_ARG, "4 different networks");
}

/* ---- the record ---- */

#define LINE(images, accuracy)                                                                               \
    "{\"task\":\"0123456789abcdef\",\"key\":\"0000000000000001\",\"images\":" images                         \
    ",\"seed\":0,\"accuracy_frac\":" accuracy ",\"train_s\":1.5,\"macs\":1000,\"params\":10}\n"

static int read_record(const char *text, mnas_proxy_record *out) {
    snprintf(record, sizeof record, "%s/lies.jsonl", fix_dir);
    fix_write(record, text, strlen(text));
    return mnas_proxy_record_read(out, record, false);
}

static void test_records(void **state) {
    (void)state;
    mnas_proxy_record r;
    static const char *const lies[] = {
        LINE("5000", "1.5"),
        LINE("0", "0.5"),
        LINE("5000", "\"x\""),
        LINE("5000,\"epochs\":3", "0.5"),
        LINE("0,\"epochs\":-1", "0.5"),
        LINE("5000", "0.5") LINE("5000", "0.6"),
        "{\"task\":\"0123\"}\n",
        "[]\n",
        LINE("5000", "0.5") "{\"task\":\"1123456789abcdef\",\"key\":\"0000000000000002\","
                            "\"images\":1,\"seed\":0,\"accuracy_frac\":0.5,\"train_s\":1,"
                            "\"macs\":1,\"params\":1}\n"};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        if (read_record(lies[i], &r) != MNAS_ERR_FORMAT) fail_msg("taken: %s", lies[i]);
        assert_non_null(strstr(mnas_error_message(), "lies.jsonl:"));
    }
    assert_int_equal(read_record(LINE("5000", "0.5") LINE("5000", "0.5") LINE("9000", "null") "{\"half", &r),
                     0);
    assert_int_equal(r.n, 2);
    const mnas_proxy_span asked = {.images = 9000};
    assert_true(mnas_proxy_record_find(&r, "0000000000000001", &asked, 0)->accuracy_frac == -INFINITY);
    assert_null(mnas_proxy_record_find(&r, "0000000000000001", &asked, 1));
    mnas_proxy_record_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_scipy),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_wrong_tables),
        cmocka_unit_test_setup_teardown(test_where_most_diverge, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_where_seeds_disagree, fix_setup, fix_teardown),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_order_of_lengths),
        cmocka_unit_test_setup_teardown(test_run_and_resume, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_run_in_epochs, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_other_options, fix_setup, fix_teardown),
        cmocka_unit_test_setup_teardown(test_records, fix_setup, fix_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
