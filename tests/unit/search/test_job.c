/* test_job.c - training processes that end in every way a process can end. The process is a shell script in
 * place of mnas. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/proc.h"
#include "search/job.h"
#include "search/trial_wire.h"

static char script[512];

static int setup(void **state) {
    (void)state;
    mnas_file_mkdirs(MNAS_TEST_TMP);
    snprintf(script, sizeof script, "%s/job-%d.sh", MNAS_TEST_TMP, (int)getpid());
    return 0;
}

static int teardown(void **state) {
    (void)state;
    unlink(script);
    return 0;
}

static mnas_job *start(const char *body) {
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n[ \"$1 $2\" = 'worker trial' ] || exit 99\n%s\n", body);
    fclose(f);
    chmod(script, 0755);
    mnas_proc_set_self(script);
    mnas_model model;
    mnas_job *job;
    assert_int_equal(mnas_model_open(&model, "mnasnet-small", 0), 0);
    const mnas_job_request request = {
        .model = &model, .data = "d", .recipe = "r", .epochs = 1.5, .threads = 2, .seed = 7};
    if (mnas_job_runner_process.start(NULL, &job, &request) < 0) fail_msg("%s", mnas_error_message());
    return job;
}

static const mnas_job_news *finish(mnas_job *job) {
    const double deadline_s = mnas_clock_now_s() + 20;
    const mnas_job_news *news = mnas_job_runner_process.news(job);
    while (!news->done) {
        assert_true(mnas_clock_now_s() < deadline_s);
        assert_int_equal(mnas_job_runner_process.wait(NULL, &job, 1, 100), 0);
    }
    return news;
}

static void check(const char *body, int status, const char *words) {
    mnas_job *job = start(body);
    const mnas_job_news *news = finish(job);
    if (news->status != status)
        fail_msg("%s: status %d, expected %d: %s", body, news->status, status, news->error);
    if (words && !strstr(news->error, words)) fail_msg("%s: no \"%s\" in: %s", body, words, news->error);
    mnas_job_runner_process.close(job);
}

/* ---- measuring ---- */

static mnas_job *start_measuring(const char *body) {
    static const char *const devices[] = {"table:file=a", "table:file=b"};
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n[ \"$1 $2\" = 'worker measure' ] || exit 99\ncat > %s.request\n%s\n", script,
            body);
    fclose(f);
    chmod(script, 0755);
    mnas_proc_set_self(script);
    mnas_model model;
    mnas_job *job;
    assert_int_equal(mnas_model_open(&model, "mnasnet-small", 0), 0);
    const mnas_measure_request request = {&model, devices, 2};
    if (mnas_job_runner_process.measure(NULL, &job, &request) < 0) fail_msg("%s", mnas_error_message());
    return job;
}

static void check_measuring(const char *body, int n, int status, const char *words) {
    mnas_job *job = start_measuring(body);
    const mnas_job_news *news = finish(job);
    if (news->status != status || news->n_latencies != n)
        fail_msg("%s: status %d, %d latencies: %s", body, news->status, news->n_latencies, news->error);
    if (words && !strstr(news->error, words)) fail_msg("%s: no \"%s\" in: %s", body, words, news->error);
    for (int i = 0; i < n; i++) assert_true(news->latencies[i].median_ms == 0.1 + 0.2 + i);
    mnas_job_runner_process.close(job);
}

#define LATENCY_A "echo '{\"latency\":{\"median_ms\":0.30000000000000004}}'\n"
#define LATENCY_B "echo '{\"latency\":{\"median_ms\":1.3}}'\n"

/* What was measured before the failure stands. */
static void test_measuring(void **state) {
    (void)state;
    check_measuring(LATENCY_A LATENCY_B, 2, 0, NULL);
    check_measuring(LATENCY_A LATENCY_B LATENCY_B, 2, 0, NULL);
    check_measuring(LATENCY_A "echo why >&2; echo '{\"error\":\"device\",\"message\":\"gone\"}'; exit 1", 1,
                    MNAS_ERR_DEVICE, "gone\nwhy");
    check_measuring("echo '{\"error\":\"refused\",\"message\":\"too unsteady\"}'; exit 1", 0,
                    MNAS_ERR_REFUSED, "too unsteady");
    check_measuring(LATENCY_A, 1, MNAS_ERR_CHILD, "measuring process ended with exit code 0 and no result");
    check_measuring(LATENCY_A "kill -SEGV $$", 1, MNAS_ERR_CHILD, "measuring process was ended by signal 11");
    check_measuring("echo '{\"latency\":{\"median_ms\":-1}}'", 0, MNAS_ERR_CHILD, "median_ms");
    check_measuring("echo garbage", 0, MNAS_ERR_CHILD, "line from a child process");

    char path[600], *text;
    size_t n;
    mnas_trial_wire_measure request;
    snprintf(path, sizeof path, "%s.request", script);
    assert_int_equal(mnas_file_read(path, 1 << 20, &text, &n), 0);
    assert_int_equal(mnas_trial_wire_parse_measure(&request, text), 0);
    assert_int_equal(request.n_devices, 2);
    assert_string_equal(request.devices[1], "table:file=b");
    assert_true(request.model.n_blocks > 0);
    mnas_trial_wire_free_measure(&request);
    free(text);
    unlink(path);
}

#define RESULT(accuracy)                                                                                     \
    "{\"result\":{\"val_accuracy_frac\":" accuracy                                                           \
    ",\"val_balanced_frac\":0.5,\"val_loss\":1,\"train_loss\":1,\"steps\":1,"                                \
    "\"n_images\":64,\"train_s\":1,\"eval_s\":0.5,\"earlier_s\":0,\"images_per_s\":1,\"slab_bytes\":1,"      \
    "\"peak_rss_bytes\":1}"                                                                                  \
    "}"

static void test_result(void **state) {
    (void)state;
    mnas_job *job = start("cat >/dev/null\n"
                          "echo '{\"step\":5,\"n_steps\":10}'\n"
                          "echo '{\"epoch\":1,\"val_accuracy_frac\":0.30000000000000004}'\n"
                          "echo chatter >&2\n"
                          "echo '" RESULT("0.1") "'");
    const mnas_job_news *news = finish(job);
    assert_int_equal(news->status, 0);
    assert_true(news->frac == 0.5);
    assert_int_equal(news->n_epochs, 1);
    assert_true(news->epoch_accuracy_frac[0] == 0.1 + 0.2);
    assert_true(news->result.val_accuracy_frac == 0.1);
    assert_true(news->result.n_images == 64);
    assert_null(news->error);
    mnas_job_runner_process.close(job);
}

static void test_failures(void **state) {
    (void)state;
    check("echo '{\"error\":\"nan\",\"message\":\"loss is nan\"}'; echo why >&2; exit 1", MNAS_ERR_NAN,
          "loss is nan\nwhy");
    check("echo '{\"error\":\"memory\",\"message\":\"no slab\"}'; exit 1", MNAS_ERR_MEMORY, "no slab");
    check("echo '{\"error\":\"format\",\"message\":\"bad file\"}'; exit 1", MNAS_ERR_FORMAT, "bad file");
    check("echo '{\"error\":\"colour\",\"message\":\"?\"}'; exit 1", MNAS_ERR_CHILD, "?");
    check("echo last words >&2; kill -SEGV $$", MNAS_ERR_CHILD, "signal 11");
    check("echo last words >&2; kill -SEGV $$", MNAS_ERR_CHILD, "last words");
    check("kill -KILL $$", MNAS_ERR_MEMORY, "want of memory");
    check("echo \"terminate called after throwing 'std::bad_alloc'\" >&2; kill -ABRT $$", MNAS_ERR_MEMORY,
          "bad_alloc");
    check("exit 0", MNAS_ERR_CHILD, "no result");
    check("exit 77", MNAS_ERR_CHILD, "exit code 77");
    check("echo garbage; exit 0", MNAS_ERR_CHILD, "line from a child process");
    check("echo '{\"result\":{}}'; exit 0", MNAS_ERR_CHILD, "lacks");
    check("echo '" RESULT("7") "'", MNAS_ERR_NAN, "validation accuracy is 7");
    check("echo '" RESULT("null") "'", MNAS_ERR_NAN, "validation accuracy is nan");
    check("echo '" RESULT("0.5") "'; kill -SEGV $$", MNAS_ERR_CHILD, "signal 11"); /* not to be trusted */
}

static void test_pause_and_close(void **state) {
    (void)state;
    mnas_job *job = start("while :; do echo '{\"step\":1,\"n_steps\":2}'; sleep 0.02; done");
    const mnas_job_news *news = mnas_job_runner_process.news(job);
    for (int i = 0; i < 100 && !(news->frac > 0); i++)
        assert_int_equal(mnas_job_runner_process.wait(NULL, &job, 1, 100), 0);
    assert_true(news->frac == 0.5);
    mnas_job_runner_process.pause(job);
    mnas_job_runner_process.resume(job);
    assert_int_equal(mnas_job_runner_process.wait(NULL, &job, 1, 10), 0);
    assert_false(news->done);
    mnas_job_runner_process.close(job); /* kills it */
}

static void test_request_arrives_whole(void **state) {
    (void)state;
    mnas_model model;
    char *text, *arch, *arch2;
    mnas_trial_wire_request back;
    assert_int_equal(mnas_model_open(&model, "mnasnet-a1", 0), 0);
    model.bn_epsilon = 0.1 + 0.2;
    const mnas_job_request request = {.model = &model,
                                      .data = "idx:path=\"a,b\"",
                                      .recipe = "proxy:lr=0.1",
                                      .epochs = 1.0 / 3,
                                      .max_images = INT64_C(1) << 40,
                                      .threads = 3,
                                      .seed = UINT64_MAX >> 1};
    assert_int_equal(mnas_trial_wire_print_request(&text, &request), 0);
    if (mnas_trial_wire_parse_request(&back, text) < 0) fail_msg("%s", mnas_error_message());
    assert_string_equal(back.options.data, request.data);
    assert_string_equal(back.options.recipe, request.recipe);
    assert_true(back.options.epochs == request.epochs && back.options.max_images == request.max_images);
    assert_true(back.options.seed == request.seed && back.options.threads == 3 &&
                back.model.bn_epsilon == model.bn_epsilon);
    assert_int_equal(mnas_model_arch(&model, &arch), 0);
    assert_int_equal(mnas_model_arch(&back.model, &arch2), 0);
    assert_string_equal(arch, arch2);
    free(arch), free(arch2), free(text);
    mnas_trial_wire_free_request(&back);
    assert_int_equal(mnas_trial_wire_parse_request(&back, "{}"), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_trial_wire_parse_request(&back, "["), MNAS_ERR_FORMAT);
}

/* With nobody to wait for the time passes all the same: a search that awaits its device must not spin. */
static void test_waiting_for_nobody(void **state) {
    (void)state;
    mnas_job *const none[3] = {0};
    const double begun_s = mnas_clock_now_s();
    const clock_t spent = clock();
    assert_int_equal(mnas_job_runner_process.wait(NULL, none, 3, 60), 0);
    assert_true(mnas_clock_now_s() - begun_s >= 0.06);
    assert_true((double)(clock() - spent) / CLOCKS_PER_SEC < 0.03);
    assert_int_equal(mnas_job_runner_process.wait(NULL, none, 3, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_result),
                                       cmocka_unit_test(test_measuring),
                                       cmocka_unit_test(test_failures),
                                       cmocka_unit_test(test_pause_and_close),
                                       cmocka_unit_test(test_request_arrives_whole),
                                       cmocka_unit_test(test_waiting_for_nobody)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
