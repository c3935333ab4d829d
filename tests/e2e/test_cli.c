/* test_cli.c - the command line as users and scripts meet it: help, JSON, exact figures, exit codes, and what
 * goes where. Commands that train or measure are tested elsewhere; here they only have to refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli_fixture.h"

/* ---- help ---- */

static const char *const commands[] = {"search", "show", "pareto", "report",   "train",   "eval",  "measure",
                                       "cost",   "zoo",  "space",  "datasets", "devices", "doctor"};

static void test_help(void **state) {
    (void)state;
    static const char *const named[][2] = {
        {"search", "--space --data --device --target-ms --trials --seed --study --reward --strategy "
                   "--max-minutes --max-trials --dry-run --no-forecast --jobs --json"},
        {"train", "--data --epochs --output --recipe"},
        {"eval", "--weights --data --split --json"},
        {"measure", "--device --json --record"},
        {"cost", "--json --input --batch"},
        {"zoo", "--json"},
        {"space", "--json --yaml"},
        {"pareto", "--json"},
        {"show", "--json"},
        {"report", "--output"},
        {"doctor", "--json"},
        {"datasets", "--json"},
        {"devices", "--json"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        char line[64], words[256];
        snprintf(line, sizeof line, "%s --help", named[i][0]);
        outcome o = run(line);
        assert_int_equal(o.exit_code, 0);
        assert_string_equal(o.err, "");
        assert_true(strncmp(text_of(&o), "Usage: mnas ", 12) == 0);
        assert_non_null(strstr(text_of(&o), "\nExample:\n  mnas "));
        snprintf(words, sizeof words, "%s", named[i][1]);
        for (char *save, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
            if (!strstr(text_of(&o), w)) fail_msg("mnas %s --help does not name %s", named[i][0], w);
        }
        mnas_str_free(&o.out);
    }
}

static void test_overview(void **state) {
    (void)state;
    outcome o = run("help");
    assert_int_equal(o.exit_code, 0);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        assert_non_null(strstr(text_of(&o), commands[i]));
    assert_null(strstr(text_of(&o), "worker")); /* of no use to people */
    mnas_str_free(&o.out);
    outcome a = run("help cost"), b = run("cost --help"), c = run("cost -h");
    assert_string_equal(text_of(&a), text_of(&b));
    assert_string_equal(text_of(&c), text_of(&b));
    mnas_str_free(&a.out);
    mnas_str_free(&b.out);
    mnas_str_free(&c.out);
    o = run("--version");
    assert_int_equal(o.exit_code, 0);
    assert_true(strncmp(text_of(&o), "mnas ", 5) == 0);
    mnas_str_free(&o.out);
}

/* ---- refusals ---- */

static void test_wrong_usage(void **state) {
    (void)state;
    check_refused("", 2, "Usage: mnas");
    check_refused("serch", 2, "did you mean search?");
    check_refused("qqqqqq", 2, "mnas help");
    check_refused("help paretto", 2, "did you mean pareto?");
    check_refused("search --spce mnasnet-28", 2, "did you mean --space?");
    check_refused("search --space mnasnet-28 --data fashion-mnist", 2, "--study FILE is required");
    check_refused("search --trials none", 2, "\"none\"");
    check_refused("search --trials", 2, "--trials needs a value");
    check_refused("search --max-minutes -3", 2, "\"-3\"");
    check_refused("search extra", 2, "unexpected argument \"extra\"");
    check_refused("cost", 2, "an argument is missing");
    check_refused("cost mnasnet-a2", 2, "mnasnet-a1");
    check_refused("cost mnasnet-b1@zero", 2, "zero");
    check_refused("cost mnasnet-b1 --batch 0", 2, "--batch");
    check_refused("space mnasnet-29", 2, "mnasnet-28");
    check_refused("space --yaml", 2, "--yaml needs the NAME");
    check_refused("eval mnasnet-b1 --weights w --data d --split train", 2, "val, test");
    check_refused("train mnasnet-b1", 2, "--data DATASET is required");
    check_refused("measure mnasnet-b1 --device lokal", 2, "local");
}

static void test_failures(void **state) {
    (void)state;
    check_refused("pareto " MNAS_TEST_TMP "/absent.db", 1, "absent.db");
    check_refused("show " MNAS_TEST_TMP "/absent.db", 1, "absent.db");
    check_refused("report " MNAS_TEST_TMP "/absent.db -o " MNAS_TEST_TMP "/absent.html", 1, "absent.db");
    check_refused("cost ./absent.yaml", 1, "absent.yaml");
    check_refused("space ./absent.yaml", 1, "absent.yaml");
    check_refused("show " MNAS_TEST_TMP, 1, "no study, but a folder");
    check_refused("search --space mnasnet-28 --data fashion-mnist --study " MNAS_TEST_TMP, 1, "a folder");
    assert_int_not_equal(access(MNAS_TEST_TMP ".lock", F_OK), 0);
    /* told before the data are so much as looked at */
    check_refused("train mnasnet-b1 --data idx:path=absent -o " MNAS_TEST_TMP "/absent/w.safetensors", 1,
                  "absent/w.safetensors: cannot be written");
    check_refused("train mnasnet-b1 --data idx:path=absent -o " MNAS_TEST_TMP, 2, "is a folder");
    assert_int_not_equal(access(MNAS_TEST_TMP "/absent.db", F_OK), 0);
    assert_int_not_equal(access(MNAS_TEST_TMP "/absent.html", F_OK), 0);
}

/* ---- figures ---- */

static void test_zoo(void **state) {
    (void)state;
    static const struct {
        const char *name;
        json_int_t params, macs;
    } known[] = {{"mnasnet-a1", 3887038, 311579072},
                 {"mnasnet-b1", 4383312, 314415872},
                 {"mnasnet-small", 2030264, 68339184},
                 {"mobilenet-v1", 4231976, 0},
                 {"mobilenet-v2", 3504872, 300774272}};
    json_t *root = run_json("zoo --json"), *models = json_object_get(root, "models");
    assert_int_equal(json_array_size(models), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *m = json_array_get(models, i);
        assert_string_equal(json_string_value(json_object_get(m, "name")), known[i].name);
        assert_int_equal(integer(m, "params"), known[i].params);
        if (known[i].macs) assert_int_equal(integer(m, "macs"), known[i].macs);
        assert_int_equal(integer(m, "input"), 224);
    }
    json_decref(root);
    outcome o = run("zoo");
    assert_non_null(strstr(text_of(&o), "3.89 M"));
    assert_non_null(strstr(text_of(&o), "MnasNet-A2"));
    mnas_str_free(&o.out);
}

/* `mnas zoo NAME` prints what every MODEL argument reads. */
static void test_zoo_file(void **state) {
    (void)state;
    outcome o = run("zoo mnasnet-a1@0.5");
    assert_int_equal(o.exit_code, 0);
    FILE *file = fopen(MNAS_TEST_TMP "/cli-model.yaml", "w");
    assert_non_null(file);
    fputs(text_of(&o), file);
    fclose(file);
    mnas_str_free(&o.out);
    json_t *root = run_json("cost " MNAS_TEST_TMP "/cli-model.yaml --json");
    assert_int_equal(integer(root, "params"), 2082006);
    json_decref(root);
}

static void test_cost(void **state) {
    (void)state;
    static const char *const keys[] = {
        "params", "macs", "train_bytes", "infer_bytes", "weight_bytes", "optimizer_bytes", "batch"};
    json_t *root = run_json("cost mobilenet-v2@1.4 --json"), *layers = json_object_get(root, "layers"),
           *layer;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) assert_true(integer(root, keys[i]) > 0);
    assert_int_equal(integer(root, "params"), 6108776);
    assert_int_equal(integer(root, "macs"), 582195824);
    json_int_t params = 0, macs = 0;
    size_t i;
    json_array_foreach(layers, i, layer) {
        assert_true(json_is_string(json_object_get(layer, "name")));
        params += integer(layer, "params");
        macs += integer(layer, "macs");
    }
    assert_int_equal(params, 6108776);
    assert_int_equal(macs, 582195824);
    json_decref(root);
    json_t *half = run_json("cost mobilenet-v2 --input 112 --json"),
           *whole = run_json("cost mobilenet-v2 --json");
    assert_true(integer(half, "macs") * 3 < integer(whole, "macs"));
    assert_int_equal(integer(half, "params"), integer(whole, "params"));
    json_decref(half);
    json_decref(whole);
}

static void test_space(void **state) {
    (void)state;
    json_t *root = run_json("space mnasnet --json"), *decisions = json_object_get(root, "decisions");
    assert_string_equal(json_string_value(json_object_get(root, "name")), "mnasnet");
    assert_string_equal(json_string_value(json_object_get(root, "n_encodings")), "1247968747541495808");
    assert_int_equal(integer(root, "n_decisions"), 42);
    assert_int_equal(json_array_size(decisions), 42);
    const json_t *first = json_array_get(decisions, 0);
    assert_int_equal(json_array_size(json_object_get(first, "choices")), 4);
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "choices"), 0)), "conv");
    json_decref(root);
    root = run_json("space --json");
    assert_int_equal(json_array_size(json_object_get(root, "spaces")), 7);
    json_decref(root);
    outcome o = run("space mnasnet-28 --yaml");
    assert_true(text_of(&o)[0] == '#');
    mnas_str_free(&o.out);
}

static void test_lists(void **state) {
    (void)state;
    json_t *root = run_json("devices --json"), *list = json_object_get(root, "devices");
    assert_true(json_array_size(list) >= 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")), "local");
    json_decref(root);
    root = run_json("datasets --json");
    assert_true(json_array_size(json_object_get(root, "datasets")) >= 3);
    json_decref(root);
}

static void test_doctor(void **state) {
    (void)state;
    outcome o = run("doctor --json");
    json_t *root = json_loads(text_of(&o), 0, NULL);
    assert_non_null(root);
    assert_int_equal(o.exit_code, json_is_true(json_object_get(root, "ok")) ? 0 : 1);
    assert_true(json_array_size(json_object_get(root, "findings")) > 0);
    json_decref(root);
    mnas_str_free(&o.out);
}

/* ---- stdout that cannot be written, and speed ---- */

/* Exit code of `mnas zoo` with stdout on `fd`. */
static int exit_with_stdout(int fd) {
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, STDOUT_FILENO);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGPIPE, SIG_DFL);
        execl(MNAS_BINARY, MNAS_BINARY, "zoo", (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_lost_output(void **state) {
    (void)state;
    int full = open("/dev/full", O_WRONLY), ends[2];
    assert_true(full >= 0);
    assert_int_equal(exit_with_stdout(full), 1);
    close(full);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]); /* nobody reads */
    assert_int_equal(exit_with_stdout(ends[1]), 1);
    close(ends[1]);
}

/* Shells complete and scripts loop: starting must cost little. The bound is loose, for loaded machines and
 * sanitizers. */
static void test_starts_fast(void **state) {
    (void)state;
    double best_s = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = mnas_clock_now_s();
        outcome o = run("--version");
        best_s = best_s < mnas_clock_now_s() - start ? best_s : mnas_clock_now_s() - start;
        mnas_str_free(&o.out);
    }
    print_message("mnas --version: %.1f ms\n", 1000 * best_s);
    assert_true(best_s < 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),        cmocka_unit_test(test_overview),
        cmocka_unit_test(test_wrong_usage), cmocka_unit_test(test_failures),
        cmocka_unit_test(test_zoo),         cmocka_unit_test(test_zoo_file),
        cmocka_unit_test(test_cost),        cmocka_unit_test(test_space),
        cmocka_unit_test(test_lists),       cmocka_unit_test(test_doctor),
        cmocka_unit_test(test_lost_output), cmocka_unit_test(test_starts_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
