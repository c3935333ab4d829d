/* test_worker.c - one round in this very process: request in, measured reply or stated failure out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/wire.h"
#include "device/worker.h"

/* What `worker` answers to `text`: one line, malloc'ed. */
static char *answer_of(mnas_device_worker *worker, const char *text) {
    char *answer = NULL;
    size_t room = 0;
    FILE *in = tmpfile(), *out = tmpfile();
    assert_true(in && out);
    fputs(text, in);
    rewind(in);
    assert_int_equal(worker(in, out), 0);
    rewind(out);
    assert_true(getline(&answer, &room, out) > 0);
    assert_int_equal(answer[strlen(answer) - 1], '\n');
    assert_int_equal(fgetc(out), EOF); /* nothing else */
    fclose(in);
    fclose(out);
    return answer;
}

/* Returns mnas_wire_parse_reply's status. */
static int ask(mnas_wire_reply *reply, const char *text) {
    char *answer = answer_of(mnas_device_worker_latency, text);
    const int rc = mnas_wire_parse_reply(reply, answer);
    free(answer);
    return rc;
}

static int ask_model(mnas_wire_reply *reply, const mnas_model *model, const mnas_wire_request *request) {
    char *yaml, *text;
    assert_int_equal(mnas_model_print(model, &yaml), 0);
    mnas_wire_request asked = *request;
    asked.model = yaml;
    assert_int_equal(mnas_wire_print_request(&text, &asked), 0);
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

static const mnas_wire_request quick = {
    .threads = 1, .core = MNAS_CORE_NOT_PINNED, .runs = 7, .time_ms = 1, .warmup_ms = 1, .engine = "xnnpack"};

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
    assert_true(isnan(r->sentinel_ms) && isnan(r->ratio));
    assert_false(reply.emulated);
    assert_true(reply.arch[0] && reply.after.load >= 0);
}

/* Both are timed, by the same clock: the ratio of a network to itself is 1, the clock's jumps on a busy machine aside. */
static void test_sentinel_takes_turns(void **state) {
    (void)state;
    const mnas_model m = small_model();
    mnas_wire_request both = quick;
    mnas_wire_reply reply;
    char *yaml;
    assert_int_equal(mnas_model_print(&m, &yaml), 0);
    both.sentinel = yaml;
    both.time_ms = 20;
    both.core = MNAS_CORE_BEST;
    if (ask_model(&reply, &m, &both) < 0) fail_msg("%s", mnas_error_message());
    free(yaml);
    assert_true(reply.round.sentinel_ms > 0);
    if (!(reply.round.ratio > 0.5 && reply.round.ratio < 2)) fail_msg("ratio %g", reply.round.ratio);
    assert_true(reply.core >= 0);
}

static char *request_text(const mnas_model *model, int seed) {
    char *yaml, *text;
    mnas_wire_request request = quick;
    assert_int_equal(mnas_model_print(model, &yaml), 0);
    request.model = yaml;
    request.seed = seed;
    assert_int_equal(mnas_wire_print_request(&text, &request), 0);
    free(yaml);
    return text;
}

static float *logits_of(const mnas_model *model, int seed) {
    float *logits;
    int n;
    char *text = request_text(model, seed), *answer = answer_of(mnas_device_worker_logits, text);
    if (mnas_wire_parse_logits(&logits, &n, answer) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(n, model->classes);
    free(text);
    free(answer);
    return logits;
}

/* A function of model and seed, so that two machines can be compared. */
static void test_logits_are_those_of_the_seed(void **state) {
    (void)state;
    const mnas_model m = small_model();
    const size_t bytes = (size_t)m.classes * sizeof(float);
    float *one = logits_of(&m, 1), *again = logits_of(&m, 1), *two = logits_of(&m, 2);
    assert_memory_equal(one, again, bytes);
    assert_memory_not_equal(one, two, bytes);
    free(one);
    free(again);
    free(two);
}

static void test_info(void **state) {
    (void)state;
    mnas_wire_info info;
    char *answer = answer_of(mnas_device_worker_info, "{}");
    if (mnas_wire_parse_info(&info, answer) < 0) fail_msg("%s", mnas_error_message());
    free(answer);
    assert_string_equal(info.version, mnas_version());
    assert_true(info.arch[0] && !info.emulated);
    assert_true(info.memory_bytes > 1e6 && info.free_bytes <= info.memory_bytes);
    assert_true(info.n_cores >= 1 && info.best_core >= 0 && info.best_core < info.n_cores);
    assert_true(info.cores[info.best_core].allowed);
    mnas_wire_free_info(&info);
}

static void test_kinds(void **state) {
    (void)state;
    assert_true(mnas_device_worker_find("latency") == mnas_device_worker_latency);
    assert_true(mnas_device_worker_find("info") == mnas_device_worker_info);
    assert_null(mnas_device_worker_find("late"));
    assert_non_null(strstr(mnas_device_worker_kinds(), "latency, layers"));
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
    assert_true(isnan(reply.round.cpu_frac)); /* of one thread of two it would say nothing */
}

static void test_failures_are_stated(void **state) {
    (void)state;
    mnas_wire_reply reply;
    assert_int_equal(ask(&reply, ""), MNAS_ERR_FORMAT);
    assert_int_equal(ask(&reply, "hello"), MNAS_ERR_FORMAT);
    assert_int_equal(ask(&reply, "{\"wire\":3,\"model\":\"blocks: 3\",\"threads\":1,\"core\":-1,\"runs\":1,"
                                 "\"time_ms\":1,\"warmup_ms\":1,\"seed\":0,\"engine\":\"xnnpack\"}"),
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
    assert_int_equal(ask_model(&reply, &m, &nowhere), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "1023"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_is_measured),
        cmocka_unit_test(test_sentinel_takes_turns),
        cmocka_unit_test(test_logits_are_those_of_the_seed),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_longer_time_means_more_runs),
        cmocka_unit_test(test_threads_are_not_pinned),
        cmocka_unit_test(test_failures_are_stated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
