/* test_cli_device_model.c - `mnas device-model` from outside, on a table of made-up latencies of a small space: fitting, its
 * record taken up again after an interruption, showing and guessing, and what is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "cli_fixture.h"
#include "mnas.h"
#include "model/latency.h"

#define DIR    MNAS_TEST_TMP "/device_model"
#define SPACE  DIR "/small.yaml"
#define MODEL  DIR "/m.json"
#define RECORD DIR "/m.json.jsonl"
#define FIT    "device-model fit --device table:file=" DIR "/table.jsonl --space " SPACE " -o " MODEL

static const char space_text[] = "name: small\n"
                                 "input: 32\n"
                                 "choices:\n"
                                 "  - kernel: [3, 5]\n"
                                 "  - expand: [3, 6]\n"
                                 "  - filters: [x0.75, x1, x1.25]\n"
                                 "  - layers: [1, 2]\n"
                                 "blocks:\n"
                                 "  - {net: r1_k3_s22_e3_i32_o24, layers: [1]}\n"
                                 "  - {net: r1_k3_s22_e3_i24_o40, kernel: [3], expand: [6]}\n";

/* Multiply-adds of depthwise convolutions are ten times as dear. */
static double made_up_ms(const mnas_model *network) {
    mnas_cost cost;
    double ms = 0.01;
    assert_int_equal(mnas_cost_compute(&cost, network, 1), 0);
    for (int i = 0; i < cost.n_layers; i++)
        ms += (double)cost.layers[i].macs * (strcmp(cost.layers[i].op, "dwconv") == 0 ? 1e-6 : 1e-7);
    mnas_cost_free(&cost);
    return ms;
}

static int count_networks(const mnas_space *space) {
    int n = 1;
    for (int d = 0; d < mnas_space_n_decisions(space); d++) n *= mnas_space_decision(space, d)->n_choices;
    return n;
}

static void record_network(const mnas_space *space, int i) {
    int tokens[16];
    mnas_model network;
    mnas_latency latency = mnas_latency_unknown();
    for (int d = 0; d < mnas_space_n_decisions(space); d++) {
        const int n = mnas_space_decision(space, d)->n_choices;
        tokens[d] = i % n;
        i /= n;
    }
    assert_int_equal(mnas_space_decode(space, tokens, &network), 0);
    latency.median_ms = made_up_ms(&network);
    snprintf(latency.device, sizeof latency.device, "toy");
    snprintf(latency.engine, sizeof latency.engine, "none");
    assert_int_equal(mnas_measure_record(DIR "/table.jsonl", &network, &latency), 0);
}

static int setup(void **state) {
    (void)state;
    mnas_space *space;
    assert_int_equal(system("rm -rf " DIR), 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    assert_int_equal(mnas_file_write_atomic(SPACE, space_text, strlen(space_text)), 0);
    if (mnas_space_open(&space, SPACE) < 0) fail_msg("%s", mnas_error_message());
    const int n = count_networks(space);
    assert_in_range(n, 50, 500);
    for (int i = 0; i < n; i++) record_network(space, i);
    mnas_space_close(space);
    return 0;
}

static int count_lines(const char *path) {
    char *text;
    size_t n;
    int lines = 0;
    assert_int_equal(mnas_file_read(path, 1 << 24, &text, &n), 0);
    for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
    free(text);
    return lines;
}

static void forget(void) {
    unlink(MODEL);
    unlink(RECORD);
}

static void test_fit_show_predict(void **state) {
    (void)state;
    forget();
    json_t *fit = run_json(FIT " --networks 40 --target-ms 0.3 --json");
    const json_t *error = json_object_get(fit, "error");
    assert_int_equal(integer(fit, "n_networks"), 40);
    assert_int_equal(integer(fit, "n_refused"), 0);
    assert_int_equal(integer(fit, "input_size"), 32);
    assert_int_equal(json_array_size(json_object_get(fit, "baselines")), 3);
    const double mean = json_number_value(json_object_get(error, "mean_frac"));
    if (!(mean >= 0 && mean < 0.03)) fail_msg("mean error %g", mean);
    assert_true(integer(error, "n_near") > 0);
    assert_string_equal(json_string_value(json_object_get(fit, "record")), RECORD);

    json_t *shown = run_json("device-model show " MODEL " --json");
    assert_true(json_equal(json_object_get(shown, "error"), error));
    assert_true(json_equal(json_object_get(shown, "conditions"), json_object_get(fit, "conditions")));
    outcome text = run("device-model show " MODEL);
    assert_int_equal(text.exit_code, 0);
    assert_non_null(strstr(text_of(&text), "multiply-adds alone"));
    assert_non_null(strstr(text_of(&text), "toy"));
    mnas_str_free(&text.out);

    json_t *guess = run_json("device-model predict " MODEL " mnasnet-b1@0.35 --input 32 --json");
    assert_true(json_is_true(json_object_get(guess, "outside"))); /* far larger, and of other layers */
    assert_true(json_is_null(json_object_get(guess, "error_frac")));
    assert_true(json_number_value(json_object_get(guess, "ms")) > 0);
    json_decref(guess);
    json_decref(shown);
    json_decref(fit);
}

static void test_guess_inside(void **state) {
    (void)state;
    mnas_space *space;
    mnas_model network;
    char *yaml;
    assert_int_equal(mnas_space_open(&space, SPACE), 0);
    assert_int_equal(mnas_space_decode(space, (const int[16]){1, 1, 2, 1, 1}, &network), 0);
    assert_int_equal(mnas_model_print(&network, &yaml), 0);
    assert_int_equal(mnas_file_write_atomic(DIR "/n.yaml", yaml, strlen(yaml)), 0);
    json_t *guess = run_json("device-model predict " MODEL " " DIR "/n.yaml --json");
    const double ms = json_number_value(json_object_get(guess, "ms")), truth = made_up_ms(&network);
    assert_true(json_is_false(json_object_get(guess, "outside")));
    assert_true(fabs(ms / truth - 1) < 0.05);
    assert_true(json_number_value(json_object_get(guess, "low_ms")) <= ms);
    outcome text = run("device-model predict " MODEL " " DIR "/n.yaml");
    assert_non_null(strstr(text_of(&text), "not measured"));
    mnas_str_free(&text.out);
    json_decref(guess);
    free(yaml);
    mnas_space_close(space);
}

/* Ten networks, then a crash in the middle of a line, then thirty: nothing is measured twice, and the fit is that of thirty
 * measured at once. */
static void test_goes_on(void **state) {
    (void)state;
    forget();
    json_decref(run_json(FIT " --networks 30 --json"));
    json_t *whole = json_load_file(MODEL, 0, NULL);
    forget();
    json_decref(run_json(FIT " --networks 10 --json"));
    assert_int_equal(count_lines(RECORD), 10);
    FILE *f = fopen(RECORD, "a");
    assert_non_null(f);
    fputs("{\"key\":\"01", f);
    fclose(f);
    json_decref(run_json(FIT " --networks 30 --json"));
    assert_int_equal(count_lines(RECORD), 30);
    json_t *again = json_load_file(MODEL, 0, NULL);
    assert_non_null(whole);
    assert_true(json_equal(json_object_get(whole, "kinds"), json_object_get(again, "kinds")));
    json_decref(whole);
    json_decref(again);
}

/* A table without the space's networks refuses them; the space has no more than there are. */
static void test_refused(void **state) {
    (void)state;
    forget();
    check_refused("device-model fit --device table:file=" DIR
                  "/table.jsonl --space mnasnet-28 --networks 30 -o " MODEL,
                  1, "in a row");
    check_refused(FIT " --networks 30 --max-minutes 0", 2, "allowed: 10");
    check_refused("device-model fit --device table:file=" DIR
                  "/table.jsonl,default-ms=1 --space mnasnet-28 --networks 30 -o " MODEL,
                  1, "was not measured");
    json_t *all = run_json(FIT " --networks 500 --json");
    assert_int_equal(integer(all, "n_networks"), count_lines(DIR "/table.jsonl"));
    json_decref(all);
    assert_int_equal(mnas_file_write_atomic(MODEL, "{}", 2), 0);
    check_refused("device-model show " MODEL, 1, "no latency model");
    check_refused("device-model fit --space " SPACE, 2, "-o FILE");
    check_refused("device-model guess", 2, "allowed: fit");
    check_refused("device-model predict " MODEL, 2, "predict FILE MODEL");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_show_predict),
        cmocka_unit_test(test_guess_inside),
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
