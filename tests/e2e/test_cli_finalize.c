/* test_cli_finalize.c - stage two from the command line, on a few hundred tiny images and a recorded latency: a search, then its
 * best network beside a baseline and a random one, tested once; resuming, refusing other options, weights that can be read, and
 * when a search goes on to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/file.h"
#include "cli_fixture.h"
#include "tiny_images.h"

#define DIR   MNAS_TEST_TMP "/cli-finalize"
#define STUDY DIR "/s.db"
#define DATA  "idx:path=" DIR ",val=40"
#define FINALIZE                                                                                             \
    "finalize " STUDY " --top-k 1 --epochs 0.5 --recipe final:batch=32 --baselines mobilenet-v2@0.1/28 "     \
    "--random 1 --learning-rates 1 --passes 2 --threads 1 --json --repeats "

#define SEARCH                                                                                               \
    "search --space mnasnet-28 --data " DATA " --device table:file=" DIR "/t.jsonl,default-ms=0.2 "          \
    "--max-images 64 --recipe proxy:batch=32 --strategy random --threads 1 --target-ms 0.2 --study " STUDY   \
    " --no-forecast --json --trials "

static int prepare(void **state) {
    (void)state;
    int rc = system("rm -rf " DIR);
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    setenv("MNAS_CACHE_DIR", DIR "/cache", 1);
    tiny_images_write(DIR, "train", 200);
    tiny_images_write(DIR, "t10k", 20);
    return mnas_file_write_atomic(DIR "/t.jsonl", "", 0);
}

static const json_t *find(const json_t *root, const char *role) {
    const json_t *list = json_object_get(root, "finals");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *f = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(f, "role")), role) == 0) return f;
    }
    fail_msg("no %s network", role);
    return NULL;
}

/* The better one of two is trained again, then one is chosen. */
static void race_on_a_copy(void) {
    char line[600];
    const int rc = system("cp " STUDY " " DIR "/raced.db");
    assert_int_equal(rc, 0);
    snprintf(line, sizeof line,
             "finalize " DIR
             "/raced.db --top-k 2 --race 1 --repeats 0 --random 0 --baselines none --epochs 0.5 "
             "--recipe final:batch=32 --learning-rates 1 --passes 2 --threads 1 --json");
    json_t *root = run_json(line);
    const json_t *finals = json_object_get(root, "finals"), *raced = json_array_get(finals, 2);
    assert_int_equal(json_array_size(finals), 3);
    assert_int_equal(integer(raced, "repeat"), 1);
    assert_string_equal(json_string_value(json_object_get(raced, "state")), "complete");
    assert_true(json_is_true(json_object_get(json_array_get(finals, 0), "chosen")) !=
                json_is_true(json_object_get(json_array_get(finals, 1), "chosen")));
    json_decref(root);
}

static void test_finalize(void **state) {
    (void)state;
    json_decref(run_json(SEARCH "2"));
    race_on_a_copy();
    json_t *root = run_json(FINALIZE "0");
    assert_int_equal(json_array_size(json_object_get(root, "finals")), 3);
    assert_non_null(json_object_get(root, "verdict"));
    const json_t *found = find(root, "found");
    assert_true(json_is_true(json_object_get(found, "chosen")));
    assert_int_equal(integer(found, "n_val"), 40);
    assert_int_equal(integer(found, "n_test"), 20);
    assert_int_equal(integer(find(root, "baseline"), "n_test"), 20);
    assert_int_equal(integer(find(root, "random"), "n_test"), 20);
    assert_int_equal(json_array_size(json_object_get(found, "pass_ms")), 2);
    char line[600];
    const char *weights = json_string_value(json_object_get(found, "weights"));
    snprintf(line, sizeof line, "eval " STUDY ":%d --weights " DIR "/%s --data " DATA " --json",
             (int)integer(found, "trial"), weights);
    json_decref(run_json(line));
    json_t *again = run_json(FINALIZE "0"); /* done is done */
    assert_true(json_equal(root, again));
    json_decref(again);
    json_decref(root);
    check_refused(FINALIZE "1", 2, "--repeats");
}

/* Stage two of this study was begun with other options, so that a search which goes on to it is refused. Trials that are spent
 * do not keep it from that; minutes that are over do. */
static void test_search_goes_on_to_it(void **state) {
    (void)state;
    check_refused(SEARCH "2 --top-k 2", 2, "stage two of " STUDY " was begun with");
    check_refused(SEARCH "50 --max-trials 2 --top-k 2", 2, "stage two of " STUDY " was begun with");
    outcome o = run(SEARCH "50 --max-minutes 0.001 --top-k 2");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.err, "no minutes are left for the final trainings"));
    assert_non_null(strstr(text_of(&o), "\"front\""));
    mnas_str_free(&o.out);
}

#define WINDOW_STUDY DIR "/window.db"
#define WINDOW_SEARCH                                                                                        \
    "search --space mnasnet-28 --data " DATA " --device table:file=" DIR "/t.jsonl,default-ms=0.2 "          \
    "--max-images 64 --recipe proxy:batch=32 --strategy random --threads 1 --target-ms 0.2 --window 0.02 "   \
    "--no-forecast --trials 2 --json --study " WINDOW_STUDY
#define WINDOW_FINALIZE                                                                                      \
    "finalize " WINDOW_STUDY " --top-k 1 --epochs 0.5 --recipe final:batch=32 --baselines none --random 0 "  \
    "--learning-rates 1 --passes 2 --threads 1 --repeats 0"

static void check_window(const json_t *root, double final_ms) {
    const json_t *w = json_object_get(root, "window");
    assert_true(fabs(json_real_value(json_object_get(w, "low_ms")) - 0.196) < 1e-12);
    assert_true(json_real_value(json_object_get(w, "high_ms")) == 0.2);
    assert_int_equal(integer(w, "n_screened"), 0);
    assert_int_equal(integer(w, "n_measured"), 2);
    assert_int_equal(integer(w, "n_inside"), 2);
    assert_int_equal(integer(w, "n_trained"), 2);
    assert_in_range(integer(w, "trial"), 0, 1);
    assert_true(json_real_value(json_object_get(w, "latency_ms")) == 0.2);
    assert_true(json_is_null(json_object_get(w, "below_ms")) && json_is_null(json_object_get(w, "above_ms")));
    if (isnan(final_ms))
        assert_true(json_is_null(json_object_get(w, "final_ms")));
    else
        assert_true(json_real_value(json_object_get(w, "final_ms")) == final_ms);
}

/* From now on every network of the study takes so long. */
static void slow_down(double ms) {
    json_t *root = run_json("show " WINDOW_STUDY " --json"), *trials = json_object_get(root, "trials");
    FILE *f = fopen(DIR "/t.jsonl", "w");
    assert_non_null(f);
    for (size_t i = 0; i < json_array_size(trials); i++)
        fprintf(f, "{\"key\":\"%s\",\"device\":\"toy\",\"median_ms\":%.17g}\n",
                json_string_value(json_object_get(json_array_get(trials, i), "key")), ms);
    fclose(f);
    json_decref(root);
}

/* A network that was in the window, and measured again is not. */
static void test_outside_after_all(void **state) {
    (void)state;
    json_t *root = run_json(WINDOW_SEARCH);
    check_window(root, NAN);
    json_decref(root);
    slow_down(0.25);
    outcome o = run(WINDOW_FINALIZE);
    if (o.exit_code != 0) fail_msg("%s", o.err);
    mnas_str_free(&o.out);
    o = run("show " WINDOW_STUDY);
    assert_non_null(
        strstr(text_of(&o), "window 0.196 to 0.2 ms: 2 networks measured, 2 inside, 2 trained\n"));
    assert_non_null(strstr(text_of(&o), "its choice, again: 0.25 ms, outside the window\n"));
    mnas_str_free(&o.out);
    root = run_json("pareto " WINDOW_STUDY " --json");
    check_window(root, 0.25);
    json_decref(root);
    assert_int_equal(mnas_file_write_atomic(DIR "/t.jsonl", "", 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_finalize, prepare),
                                       cmocka_unit_test(test_search_goes_on_to_it),
                                       cmocka_unit_test(test_outside_after_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
