/* test_cli_proxy.c - `mnas proxy-check` as it is typed: a table, wrong words, and trainings that are killed and taken up again. */
#include "../unit/search/search_fixture.h"

#include <unistd.h>

#include "cli_fixture.h"

#define TABLE "proxy-check --table " MNAS_SOURCE_DIR "/tests/unit/search/proxy_scipy.csv "

static void from_a_table(void **state) {
    (void)state;
    json_t *root = run_json(
        TABLE
        "--proxy short,middle --full full --macs macs --params params --noise-columns full,again --json");
    const json_t *proxies = json_object_get(root, "proxies"), *middle = json_array_get(proxies, 1);
    assert_int_equal(json_array_size(proxies), 2);
    assert_string_equal(json_string_value(json_object_get(root, "chosen")), "middle");
    assert_true(json_number_value(json_object_get(json_object_get(middle, "tau"), "low")) > 0.6);
    assert_int_equal(integer(json_object_get(root, "full"), "n_seed_networks"), 40);
    json_decref(root);
    outcome o = run(TABLE "--proxy short,middle --full full");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "0.80 (0."));
    assert_non_null(strstr(text_of(&o), "The shortest training that ranks networks well enough is middle"));
    mnas_str_free(&o.out);
}

static void wrong_words_are_told(void **state) {
    (void)state;
    check_refused(TABLE "--proxy shor --full full", 2,
                  "proxy_scipy.csv:1: --proxy: unknown column 'shor'; did you mean 'short'?");
    check_refused(TABLE "--full full", 2, "--proxy names no column");
    check_refused(TABLE "--proxy short --full full --macs macs", 2, "--macs and --params go together");
    check_refused("proxy-check --full 100", 2, "give --table FILE, or --space, --data and --record");
    check_refused("proxy-check --space mnasnet-28 --data fashion-mnist --record " MNAS_TEST_TMP "/many.jsonl --full many", 2,
                  "--full: \"many\" is no length");
    check_refused("proxy-check --networks 3", 2, "networks");
}

static char line[2400], record[600];

static const char *live(const char *more) {
    snprintf(record, sizeof record, "%s/check.jsonl", fix_dir);
    snprintf(line, sizeof line,
             "proxy-check --space %s --data %s --recipe proxy:batch=16 --networks 10 --lengths 32 --full 0.5ep "
             "--seeds 2 "
             "--threads 1 --record %s %s",
             fix_space, fix_data, record, more);
    return line;
}

static char *read_record(void) {
    char *text = NULL;
    size_t n;
    return mnas_file_read(record, 1 << 20, &text, &n) == 0 ? text : NULL;
}

static int count_lines(const char *text) {
    int n = 0;
    for (; text && *text; text++) n += *text == '\n';
    return n;
}

/* Waits until it has so many lines, and returns them; the caller frees them. */
static char *await_lines(int n) {
    for (int i = 0; i < 600; i++) {
        char *text = read_record();
        if (count_lines(text) >= n) return text;
        free(text);
        usleep(50000);
    }
    fail_msg("no %d lines in %s", n, record);
    return NULL;
}

/* 10 networks at two lengths, 4 of them again: 28 trainings. What was there when it was killed is there at the end. */
static void trainings_go_on(void **state) {
    (void)state;
    json_t *plan = run_json(live("--dry-run --json"));
    assert_int_equal(integer(plan, "n_planned"), 28);
    assert_int_equal(integer(plan, "n_done"), 0);
    json_decref(plan);
    mnas_proc *p = start_mnas(live(""));
    char *before = await_lines(5);
    mnas_proc_kill(p);
    mnas_proc_free(p);
    json_t *root = run_json(live("--json"));
    char *after = read_record();
    assert_int_equal(strncmp(before, after, strlen(before)), 0);
    assert_int_equal(count_lines(after), 28);
    assert_int_equal(integer(root, "networks"), 10);
    assert_int_equal(integer(json_array_get(json_object_get(root, "proxies"), 0), "n_images"), 32);
    assert_int_equal(integer(json_object_get(root, "full"), "n_seed_networks"), 4);
    json_decref(root);
    free(before);
    free(after);
    snprintf(line + strlen(line), sizeof line - strlen(line), " --seed 9");
    check_refused(line, 2, "are not of this plan");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_a_table), cmocka_unit_test(wrong_words_are_told),
        cmocka_unit_test_setup_teardown(trainings_go_on, fix_setup, fix_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
