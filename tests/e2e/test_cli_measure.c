/* test_cli_measure.c - measuring from the command line: the table of layers, the page, the engine, and what the doctor says of
 * devices that are set up wrongly. Nothing here says how fast anything is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/file.h"
#include "cli_fixture.h"
#include "mnas.h"

#define DIR   MNAS_TEST_TMP "/cli-measure"
#define QUICK "local:rounds=3,max-rounds=3,runs=5,time=2,warmup=1,wide=true,sentinel=false"
#define SMALL "measure mnasnet-small@0.35 --input 32 "

static int prepare(void **state) {
    (void)state;
    assert_int_equal(system("rm -rf " DIR), 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    setenv("MNAS_CACHE_DIR", DIR "/cache", 1);
    return 0;
}

static void test_table_and_page(void **state) {
    (void)state;
    outcome o = run(SMALL "--device " QUICK " --html " DIR "/small.html");
    char *page;
    size_t n;
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "mnasnet-small@0.35: "));
    assert_non_null(strstr(text_of(&o), "bound by"));
    assert_non_null(strstr(text_of(&o), "conv_stem"));
    assert_non_null(strstr(text_of(&o), "peaks of one thread: "));
    assert_non_null(strstr(text_of(&o), "from memory"));
    assert_int_equal(mnas_file_read(DIR "/small.html", 1 << 24, &page, &n), 0);
    assert_non_null(strstr(page, "conv_stem"));
    assert_non_null(strstr(page, "</html>"));
    free(page);
    mnas_str_free(&o.out);
}

static void test_layers_are_as_asked(void **state) {
    (void)state;
    outcome o = run(SMALL "--no-layers --device " QUICK);
    assert_int_equal(o.exit_code, 0);
    assert_null(strstr(text_of(&o), "conv_stem"));
    mnas_str_free(&o.out);
    json_t *m = run_json(SMALL "--json --device " QUICK);
    assert_null(json_object_get(m, "layers"));
    assert_true(json_is_false(json_object_get(m, "emulated")));
    json_decref(m);
    m = run_json(SMALL "--json --layers --device " QUICK);
    const json_t *layer = json_array_get(json_object_get(m, "layers"), 0);
    assert_string_equal(json_string_value(json_object_get(layer, "name")), "conv_stem");
    assert_true(integer(layer, "macs") > 0);
    assert_true(json_number_value(json_object_get(layer, "reached_frac")) > 0);
    assert_true(json_number_value(json_object_get(json_object_get(m, "peaks"), "flops_per_s")) > 1e6);
    json_decref(m);
    check_refused(SMALL "--no-layers --html " DIR "/x.html", 2, "contradict");
}

/* A device without layers gives its latency all the same, and says why there is no table. */
static void test_no_layers_there(void **state) {
    (void)state;
    assert_int_equal(mnas_file_write_atomic(DIR "/t.jsonl", "", 0), 0);
    outcome o =
        run("measure mnasnet-small --device table:file=" DIR "/t.jsonl,default-ms=1 --html " DIR "/t.html");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "no layers: "));
    assert_true(mnas_file_exists(DIR "/t.html"));
    mnas_str_free(&o.out);
}

/* A table's default keeps its mark on the page, and gets into no other table. */
static void test_what_nobody_measured(void **state) {
    (void)state;
    char *page;
    size_t n;
    assert_int_equal(mnas_file_write_atomic(DIR "/d.jsonl", "", 0), 0);
    outcome o =
        run("measure mnasnet-small --device table:file=" DIR "/d.jsonl,default-ms=1 --html " DIR "/d.html");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "(not measured)"));
    assert_int_equal(mnas_file_read(DIR "/d.html", 1 << 24, &page, &n), 0);
    assert_non_null(strstr(page, "not measured"));
    free(page);
    mnas_str_free(&o.out);
    check_refused("measure mnasnet-small --device table:file=" DIR "/d.jsonl,default-ms=1 --record " DIR
                  "/other.jsonl",
                  2, "was not measured");
    if (mnas_file_read(DIR "/other.jsonl", 1 << 24, &page, &n) == 0) {
        assert_int_equal(n, 0);
        free(page);
    }
}

/* Spaces and all: `run` would part the words. */
static void test_takes_one_device(void **state) {
    (void)state;
    const char *const argv[] = {MNAS_BINARY, "measure", "mnasnet-small", "--device", "local + local", NULL};
    mnas_proc *p;
    assert_int_equal(mnas_proc_start(&p, argv, NULL, 0), 0);
    while (!mnas_proc_done(p)) assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    assert_int_equal(mnas_proc_result_of(p)->exit_code, 2);
    assert_non_null(strstr(mnas_proc_result_of(p)->err, "measure takes one device"));
    mnas_proc_free(p);
}

/* Rounds that were repeated are among the rounds; one is one, and no drift is none. */
static void test_words_of_counts(void **state) {
    (void)state;
    mnas_latency l = {.median_ms = 1, .rounds = 18, .n_refused = 3, .n_disturbed = 1, .engine = "some"};
    mnas_model model;
    assert_int_equal(mnas_model_open(&model, "mnasnet-small", 0), 0);
    assert_int_equal(mnas_measure_record(DIR "/counts.jsonl", &model, &l), 0);
    outcome o = run("measure mnasnet-small --device table:file=" DIR "/counts.jsonl");
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "repeated    3 of them"));
    assert_non_null(strstr(text_of(&o), "disturbed   1 round with"));
    assert_non_null(strstr(text_of(&o), "drift       none"));
    mnas_str_free(&o.out);
}

static void test_engine(void **state) {
    (void)state;
    outcome o = run(SMALL "--no-layers --engine xnnpack --device " QUICK);
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "engine      xnnpack"));
    mnas_str_free(&o.out);
    check_refused(SMALL "--engine xnpack --device " QUICK, 2, "did you mean xnnpack?");
    check_refused(SMALL "--engine xnnpack --device table:file=" DIR "/t.jsonl", 2, "unknown option engine");
    check_refused(SMALL "--html " DIR "/nowhere/x.html --device " QUICK, 1, "nowhere");
}

/* ---- the doctor ---- */

/* The finding of a topic that is not "ok". */
static const json_t *finding(const json_t *report, const char *topic) {
    size_t i;
    const json_t *f;
    json_array_foreach(json_object_get(report, "findings"), i, f) {
        if (strcmp(json_string_value(json_object_get(f, "topic")), topic) == 0 &&
            strcmp(json_string_value(json_object_get(f, "level")), "ok") != 0)
            return f;
    }
    return NULL;
}

/* Exit code 1, and a bad finding of that topic whose text has `part`. */
static void check_ill(const char *device, const char *topic, const char *part) {
    char line[1024];
    snprintf(line, sizeof line, "doctor --json --device %s", device);
    outcome o = run(line);
    json_t *report = json_loads(text_of(&o), 0, NULL);
    const json_t *f = finding(report, topic);
    if (o.exit_code != 1 || !f || !strstr(json_string_value(json_object_get(f, "text")), part))
        fail_msg("%s: exit %d, wanted %s: %s\n%s", device, o.exit_code, topic, part, text_of(&o));
    assert_string_equal(json_string_value(json_object_get(f, "level")), "bad");
    json_decref(report);
    mnas_str_free(&o.out);
}

static void test_doctor_on_a_good_device(void **state) {
    (void)state;
    outcome o = run("doctor --device " QUICK);
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(text_of(&o), "ok    program"));
    assert_non_null(strstr(text_of(&o), "a small network takes"));
    mnas_str_free(&o.out);
}

static void test_doctor_finds_faults(void **state) {
    (void)state;
    assert_int_equal(mnas_file_write_atomic(DIR "/empty.jsonl", "", 0), 0);
    check_ill("lokal", "device", "did you mean local?");
    check_ill("local:core=1023", "device", "core is 1023");
    check_ill("local:rounds=3,engine=nosuch", "engine", "unknown engine");
    check_ill("table:file=" DIR "/nosuch.jsonl", "device", "nosuch.jsonl");
    check_ill("table:file=" DIR "/empty.jsonl", "table", "holds no latency");
    check_ill("command:run=echo_{model}", "measuring", "echo_");
}

/* Of several devices each is examined, whatever is wrong with the others, and findings say whose they are. */
static void test_doctor_on_several_devices(void **state) {
    (void)state;
    mnas_finding *f;
    size_t n;
    assert_int_equal(mnas_file_write_atomic(DIR "/empty.jsonl", "", 0), 0);
    assert_int_equal(mnas_doctor_device(&f, &n,
                                        "table:file=" DIR "/empty.jsonl + lokal + table:file=" DIR
                                        "/empty.jsonl,default-ms=1"),
                     0);
    assert_int_equal(n, 3);
    assert_string_equal(f[0].level, "bad");
    assert_non_null(strstr(f[0].text, "table:file=" DIR "/empty.jsonl: "));
    assert_non_null(strstr(f[0].fix, "--record"));
    assert_string_equal(f[1].level, "bad");
    assert_non_null(strstr(f[1].text, "lokal: "));
    assert_string_equal(f[2].level, "note");
    free(f);
    assert_int_equal(mnas_doctor_device(&f, &n, "local + "), MNAS_ERR_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_and_page),
        cmocka_unit_test(test_layers_are_as_asked),
        cmocka_unit_test(test_no_layers_there),
        cmocka_unit_test(test_what_nobody_measured),
        cmocka_unit_test(test_takes_one_device),
        cmocka_unit_test(test_words_of_counts),
        cmocka_unit_test(test_engine),
        cmocka_unit_test(test_doctor_on_a_good_device),
        cmocka_unit_test(test_doctor_finds_faults),
        cmocka_unit_test(test_doctor_on_several_devices),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
