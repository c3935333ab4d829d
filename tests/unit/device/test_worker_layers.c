/* test_worker_layers.c - one round of layers in this very process: request in, a time for every layer or a stated failure
 * out; and what reads the answer trusts nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "device/wire.h"
#include "device/worker.h"

static const mnas_wire_request quick = {
    .threads = 1, .core = MNAS_CORE_NOT_PINNED, .runs = 7, .time_ms = 1, .warmup_ms = 1, .engine = "xnnpack"};

static mnas_model small_model(void) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r2_k3_s22_e3_i8_o16_se0.25 r1_k5_s22_e3_i16_o24_skippool"), 0);
    snprintf(m.name, sizeof m.name, "small");
    m.stem_filters = 8;
    m.input_size = 28;
    m.input_channels = 1;
    m.classes = 10;
    return m;
}

/* Answers to `text`; returns mnas_wire_parse_layers's status. */
static int ask(mnas_layer_time **layers, int *n, const char *text) {
    char *answer = NULL;
    size_t room = 0;
    FILE *in = tmpfile(), *out = tmpfile();
    assert_true(in && out);
    fputs(text, in);
    rewind(in);
    assert_int_equal(mnas_device_worker_layers(in, out), 0);
    rewind(out);
    assert_true(getline(&answer, &room, out) > 0);
    assert_int_equal(fgetc(out), EOF); /* one line, nothing else */
    fclose(in);
    fclose(out);
    const int rc = mnas_wire_parse_layers(layers, n, answer);
    free(answer);
    return rc;
}

static int ask_model(mnas_layer_time **layers, int *n, const mnas_model *model,
                     const mnas_wire_request *request) {
    char *yaml, *text;
    assert_int_equal(mnas_model_print(model, &yaml), 0);
    mnas_wire_request asked = *request;
    asked.model = yaml;
    assert_int_equal(mnas_wire_print_request(&text, &asked), 0);
    const int rc = ask(layers, n, text);
    free(yaml);
    free(text);
    return rc;
}

static int find(const mnas_cost *cost, const char *name) {
    for (int i = 0; i < cost->n_layers; i++)
        if (strcmp(cost->layers[i].name, name) == 0) return i;
    return -1;
}

/* Every name is a layer of the cost, each once and in order; every time is positive and no second. */
static void test_every_layer_has_a_time(void **state) {
    (void)state;
    const mnas_model m = small_model();
    mnas_layer_time *layers;
    mnas_cost cost;
    int n, last = -1;
    if (ask_model(&layers, &n, &m, &quick) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_cost_compute(&cost, &m, 1), 0);
    for (int i = 0; i < n; i++) {
        const int at = find(&cost, layers[i].name);
        assert_true(at > last);
        assert_true(layers[i].ms > 0 && layers[i].ms < 1000);
        last = at;
    }
    int n_expected = 0;
    for (int i = 0; i < cost.n_layers; i++) n_expected += strcmp(cost.layers[i].op, "bn") != 0;
    assert_int_equal(n, n_expected);
    mnas_cost_free(&cost);
    free(layers);
}

static void test_failures_are_stated(void **state) {
    (void)state;
    mnas_layer_time *layers;
    int n;
    assert_int_equal(ask(&layers, &n, "hello"), MNAS_ERR_FORMAT);
    assert_null(layers);
    mnas_wire_request nowhere = quick;
    const mnas_model m = small_model();
    nowhere.core = 1023;
    assert_int_equal(ask_model(&layers, &n, &m, &nowhere), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "1023"));
}

static void test_malformed_answers_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "{\"wire\":3}",
                                      "{\"wire\":3,\"layers\":[]}",
                                      "{\"wire\":3,\"layers\":{}}",
                                      "{\"wire\":3,\"layers\":[3]}",
                                      "{\"wire\":3,\"layers\":[[\"a\"]]}",
                                      "{\"wire\":3,\"layers\":[[\"a\",1,2]]}",
                                      "{\"wire\":3,\"layers\":[[\"\",1]]}",
                                      "{\"wire\":3,\"layers\":[[1,1]]}",
                                      "{\"wire\":3,\"layers\":[[\"a\",0]]}",
                                      "{\"wire\":3,\"layers\":[[\"a\",-1]]}",
                                      "{\"wire\":3,\"layers\":[[\"a\",2e9]]}",
                                      "{\"wire\":3,\"layers\":[[\"a\",\"1\"]]}",
                                      "{\"wire\":3,\"layers\":[[\"a\",1],[\"b\"]]}",
                                      "{\"wire\":1,\"layers\":[[\"a\",1]]}",
                                      "{\"wire\":3,\"layers\":[[\"0123456789012345678901234567890123456789"
                                      "012345678901234567890123\",1]]}"};
    mnas_layer_time *layers;
    int n;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (mnas_wire_parse_layers(&layers, &n, bad[i]) != MNAS_ERR_FORMAT) fail_msg("accepted: %s", bad[i]);
        assert_true(layers == NULL && n == 0);
    }
    assert_int_equal(mnas_wire_parse_layers(&layers, &n, "{\"wire\":3,\"layers\":[[\"a\",1],[\"b\",0.5]]}"),
                     0);
    assert_int_equal(n, 2);
    assert_string_equal(layers[1].name, "b");
    assert_true(layers[1].ms == 0.5);
    free(layers);
}

static void test_a_table_cannot(void **state) {
    (void)state;
    const char *path = MNAS_TEST_TMP "/layers-table.jsonl";
    const mnas_model m = small_model();
    mnas_layer_time *layers;
    int n;
    assert_int_equal(mnas_file_write_atomic(path, "", 0), 0);
    assert_int_equal(
        mnas_measure_layers(&layers, &n, &m, "table:file=" MNAS_TEST_TMP "/layers-table.jsonl,default-ms=1"),
        MNAS_ERR_DEVICE);
    assert_true(layers == NULL && n == 0);
    assert_non_null(strstr(mnas_error_message(), "table"));
    assert_non_null(strstr(mnas_error_message(), "local"));
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer_has_a_time),
        cmocka_unit_test(test_failures_are_stated),
        cmocka_unit_test(test_malformed_answers_are_refused),
        cmocka_unit_test(test_a_table_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
