/* test_worker.c - one round in this very process: request in, measured reply or stated failure out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "device/device.h"
#include "device/wire.h"

/* Answers to `text`; returns mnas_wire_parse_reply's status. */
static int ask(mnas_wire_reply *reply, const char *text) {
    char answer[4096];
    FILE *in = tmpfile(), *out = tmpfile();
    assert_true(in && out);
    fputs(text, in);
    rewind(in);
    assert_int_equal(mnas_device_worker_latency(in, out), 0);
    rewind(out);
    assert_non_null(fgets(answer, sizeof answer, out));
    assert_int_equal(answer[strlen(answer) - 1], '\n');
    assert_int_equal(fgetc(out), EOF); /* one line, nothing else */
    fclose(in);
    fclose(out);
    return mnas_wire_parse_reply(reply, answer);
}

static int ask_model(mnas_wire_reply *reply, const mnas_model *model, const mnas_wire_request *request) {
    char *yaml, *text;
    assert_int_equal(mnas_model_print(model, &yaml), 0);
    assert_int_equal(mnas_wire_print_request(&text, request, yaml), 0);
    const int rc = ask(reply, text);
    free(yaml);
    free(text);
    return rc;
}

static mnas_model small_model(void) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, "r2_k3_s22_e3_i8_o16_se0.25 r1_k5_s22_e3_i16_o24_skippool"), 0);
    snprintf(m.name, sizeof m.name, "it's \"quoted\""); /* the name must survive YAML and JSON */
    m.stem_filters = 8;
    m.input_size = 28;
    m.input_channels = 1;
    m.classes = 10;
    return m;
}

static const mnas_wire_request quick = {.threads = 1, .core = -1, .runs = 7, .time_ms = 1, .warmup_ms = 1};

static void test_round_is_measured(void **state) {
    (void)state;
    const mnas_model m = small_model();
    mnas_wire_reply reply;
    if (ask_model(&reply, &m, &quick) < 0) fail_msg("%s", mnas_error_message());
    const mnas_round *r = &reply.round;
    assert_true(r->runs >= 7 && r->warmup_runs >= 5);
    assert_true(r->median_ms > 0 && r->median_ms < 1000);
    assert_true(r->p10_ms <= r->median_ms);
    assert_true(r->timed_s * 1e3 >= 1);
    assert_true(r->cpu_frac > 0 && r->cpu_frac < 1.01);
    assert_int_equal(reply.core, -1);
    assert_true(strncmp(reply.engine, "xnnpack", 7) == 0);
}

static void test_longer_time_means_more_runs(void **state) {
    (void)state;
    const mnas_model m = small_model();
    mnas_wire_request longer = quick;
    mnas_wire_reply reply;
    longer.time_ms = 30;
    longer.runs = 1;
    assert_int_equal(ask_model(&reply, &m, &longer), 0);
    assert_true(reply.round.timed_s >= 0.030);
    assert_true(reply.round.runs >= 1);
}

static void test_threads_are_not_pinned(void **state) {
    (void)state;
    const mnas_model m = small_model();
    mnas_wire_request two = quick;
    mnas_wire_reply reply;
    two.threads = 2;
    two.core = 0;
    assert_int_equal(ask_model(&reply, &m, &two), 0);
    assert_int_equal(reply.core, -1);
}

static void test_failures_are_stated(void **state) {
    (void)state;
    mnas_wire_reply reply;
    assert_int_equal(ask(&reply, ""), MNAS_ERR_FORMAT);
    assert_int_equal(ask(&reply, "hello"), MNAS_ERR_FORMAT);
    assert_int_equal(ask(&reply, "{\"wire\":2,\"model\":\"blocks: 3\",\"threads\":1,\"core\":-1,\"runs\":1,"
                                 "\"time_ms\":1,\"warmup_ms\":1}"),
                     MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "request:1"));
    mnas_model huge = small_model();
    huge.input_size = 8192;
    huge.stem_stride = 1;
    huge.stem_filters = 65536;
    huge.blocks[0].in = 65536;
    assert_int_equal(ask_model(&reply, &huge, &quick), MNAS_ERR_INVALID);
    mnas_wire_request nowhere = quick;
    const mnas_model m = small_model();
    nowhere.core = 1023;
    assert_int_equal(ask_model(&reply, &m, &nowhere), MNAS_ERR_DEVICE);
    assert_non_null(strstr(mnas_error_message(), "1023"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_is_measured),
        cmocka_unit_test(test_longer_time_means_more_runs),
        cmocka_unit_test(test_threads_are_not_pinned),
        cmocka_unit_test(test_failures_are_stated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
