/* test_search.c - real searches through the built binary: networks trained and, in one test, timed. Killed
 * with -9 again and again a search ends as one that was left alone; what fails has its reason. */
#include "../unit/search/search_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/rng.h"
#include "search/memory_need.h"
#include "search/search.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { KILLS = 20, TRIALS = 16 };

static int setup(void **state) {
    if (access(MNAS_BINARY, X_OK) < 0) {
        print_message("skipped: %s is not built\n", MNAS_BINARY);
        skip();
    }
    mnas_proc_set_self(MNAS_BINARY);
    return fix_setup(state);
}

/* ---- the command line as a process ---- */

typedef struct command {
    const char *study, *device, *trials, *seed;
} command;

static pid_t start(const command *c) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    const int out = open("/dev/null", O_WRONLY);
    char log[600];
    snprintf(log, sizeof log, "%s.log", fix_study);
    const int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    setpgid(0, 0);
    setenv("MNAS_LOG", "info", 1);
    execl(MNAS_BINARY, "mnas", "search", "--space", fix_space, "--data", fix_data, "--device", c->device,
          "--study", c->study, "--trials", c->trials, "--seed", c->seed, "--strategy", "ppo:batch=3",
          "--recipe", "proxy:batch=16", "--threads", "1", NULL);
    _exit(127);
}

static int finish(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void fail_with_log(int code) {
    char log[600], *text;
    size_t n;
    snprintf(log, sizeof log, "%s.log", fix_study);
    if (mnas_file_read(log, 1 << 20, &text, &n) < 0) text = strdup(mnas_error_message());
    fail_msg("exit code %d: %s", code, text);
}

/* False when it ended before the kill. */
static bool kill_after(const command *c, double seconds) {
    const pid_t pid = start(c);
    mnas_clock_sleep_ms((int64_t)(seconds * 1000));
    kill(-pid, SIGKILL);
    const int code = finish(pid);
    if (code != 0 && code != 128 + SIGKILL) fail_with_log(code);
    return code != 0;
}

static void compare_studies(const char *one, const char *other) {
    char *a = fix_dump(one), *b = fix_dump(other);
    fix_same(a, b);
    free(a);
    free(b);
}

static void test_killed_search_ends_as_the_whole_one(void **state) {
    (void)state;
    char whole[600], trials[16];
    snprintf(whole, sizeof whole, "%s/whole.db", fix_dir);
    snprintf(trials, sizeof trials, "%d", TRIALS);
    command c = {whole, fix_device, trials, "3"};
    const double begun_s = mnas_clock_now_s();
    int code = finish(start(&c));
    if (code != 0) fail_with_log(code);
    const double all_s = mnas_clock_now_s() - begun_s;

    c.study = fix_study;
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    int n_killed = 0, n_early = 0;
    while (n_killed < KILLS) {
        if (kill_after(&c, mnas_rng_uniform(&rng) * all_s / 8)) {
            n_killed++;
        } else if (n_early++ < KILLS) {
            compare_studies(whole, fix_study);
            fix_remove_study(fix_study);
        }
    }
    code = finish(start(&c));
    if (code != 0) fail_with_log(code);
    compare_studies(whole, fix_study);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), TRIALS);
    print_message(
        "whole search %.1f s; killed %d times, %d early ends; attempts lost in the last study: %lld\n", all_s,
        n_killed, n_early, fix_count(fix_study, "SELECT sum(attempt) - count(*) FROM trial"));
}

static void test_killed_while_measuring(void **state) {
    (void)state;
    const command c = {fix_study, "local:rounds=3,max-rounds=3,runs=5,time=5,warmup=2,wide,sentinel=false",
                       "4", "3"};
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    for (int i = 0; i < 5; i++) kill_after(&c, mnas_rng_uniform(&rng) * 0.6);
    const int code = finish(start(&c));
    if (code != 0) fail_with_log(code);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), 4);
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT key) FROM trial"), 4);
    assert_int_equal(
        fix_count(fix_study,
                  "SELECT count(*) FROM trial WHERE latency_rounds >= 3 AND latency_engine LIKE 'xnnpack%'"),
        4);
}

/* ---- in this process, with real trainings ---- */

static int n_paused, n_resumed;
static void count_pause(mnas_job *job) {
    n_paused++;
    mnas_job_runner_process.pause(job);
}
static void count_resume(mnas_job *job) {
    n_resumed++;
    mnas_job_runner_process.resume(job);
}

static void test_nothing_trains_while_measuring(void **state) {
    (void)state;
    mnas_job_runner runner = mnas_job_runner_process;
    runner.pause = count_pause;
    runner.resume = count_resume;
    const mnas_search_hooks hooks = {.runner = &runner};
    mnas_search_options o = fix_options(fix_study, 4);
    o.device = "local:rounds=3,max-rounds=3,runs=5,time=5,warmup=2,wide,sentinel=false";
    o.jobs = 2;
    o.epochs = 20; /* longer than a measurement */
    fix_expect(mnas_search_run_with(&o, &hooks), 0, NULL);
    assert_true(n_paused >= 1);
    assert_int_equal(n_paused, n_resumed);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'complete'"), 4);
}

static void test_jobs_give_the_same_table(void **state) {
    (void)state;
    char other[600];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    const mnas_search_hooks hooks = {.delay = 2};
    mnas_search_options o = fix_options(fix_study, 6);
    fix_expect(mnas_search_run_with(&o, &hooks), 0, NULL);
    o.study = other, o.jobs = 2;
    fix_expect(mnas_search_run_with(&o, &hooks), 0, NULL);
    compare_studies(fix_study, other);
}

/* All trials fail for `reason`, and say why. */
static void expect_failures(const mnas_search_options *o, const char *reason, const char *words) {
    char sql[256];
    fix_expect(mnas_search_run(o), MNAS_ERR_EXHAUSTED, "3 trials failed");
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM trial WHERE reason = '%s' AND error LIKE '%%%s%%' AND reward = 0", reason,
             words);
    if (fix_count(fix_study, sql) == 3) return;
    mnas_str rows = {0};
    fix_query(&rows, fix_study, "SELECT number, reason, error FROM trial");
    fail_msg("expected %s (%s), got:\n%s", reason, words, rows.data);
}

static void test_diverged(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 1);
    o.recipe = "proxy:batch=16,lr=1000,warmup-epochs=0,schedule=constant";
    o.epochs = 5;
    expect_failures(&o, "nan", "allowed: %finite number"); /* the loss, or a statistic that overflows first */
}

static void test_too_slow(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 1);
    o.epochs = 10000;
    o.trial_timeout_s = 0.3;
    expect_failures(&o, "timeout", "0.3 s");
}

/* The limits of this process are its trainings'. */
static void test_too_large(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* sanitizers map more than any limit allows */
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
    small = old;
    small.rlim_cur = MNAS_MEMORY_RESERVE_BYTES + (8 << 20);
    mnas_search_options o = fix_options(fix_study, 1);
    assert_int_equal(setrlimit(RLIMIT_DATA, &small), 0);
    fix_expect(mnas_search_run(&o), MNAS_ERR_MEMORY, "even the smallest needs");
    assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
    assert_false(mnas_file_exists(fix_study));
}

/* A binary whose children measure and do nothing else. */
static void use_script(const char *body) {
    char path[600], text[1400];
    snprintf(path, sizeof path, "%s/mnas.sh", fix_dir);
    snprintf(text, sizeof text, "#!/bin/sh\n%s\nexec %s \"$@\"\n", body, MNAS_BINARY);
    fix_write(path, text, strlen(text));
    assert_int_equal(chmod(path, 0755), 0);
    mnas_proc_set_self(path);
}

static void test_crashed(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 1);
    use_script("[ \"$2\" = measure ] || exit 1");
    expect_failures(&o, "crash", "exit code 1");
}

/* ---- several devices, asked in processes of their own ---- */

static char two_devices[1400];

static mnas_search_options two_options(const char *study, int trials) {
    mnas_search_options o = fix_options(study, trials);
    snprintf(two_devices, sizeof two_devices, "%s + table:file=%s,device=toy,default-ms=2", fix_device,
             fix_table);
    o.device = two_devices;
    return o;
}

static void compare_with_others(const char *one, const char *other) {
    static const char sql[] =
        "SELECT number, device, latency_median_ms FROM trial_latency ORDER BY number, device";
    mnas_str a = {0}, b = {0};
    compare_studies(one, other);
    fix_query(&a, one, sql);
    fix_query(&b, other, sql);
    fix_same(a.data, b.data);
    mnas_str_free(&a);
    mnas_str_free(&b);
}

/* Killed while children measure, a search goes on as if nothing had been; jobs do not matter. */
static void test_killed_with_two_devices(void **state) {
    (void)state;
    char other[600], trials[16];
    snprintf(other, sizeof other, "%s/other.db", fix_dir);
    snprintf(trials, sizeof trials, "%d", 5);
    const mnas_search_options o = two_options(fix_study, 5);
    use_script("[ \"$2\" = measure ] && sleep 0.1"); /* long enough to be killed in it */
    const mnas_search_hooks four = {.delay = 4};
    fix_expect(mnas_search_run_with(&o, &four), 0, NULL);
    mnas_search_options side = o;
    side.study = other, side.jobs = 4;
    fix_expect(mnas_search_run_with(&side, NULL), 0, NULL);
    compare_with_others(fix_study, other);
    fix_remove_study(fix_study);
    fix_remove_study(other);

    const command c = {fix_study, o.device, trials, "3"};
    const command whole = {other, o.device, trials, "3"};
    int code = finish(start(&whole));
    if (code != 0) fail_with_log(code);
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    for (int i = 0; i < 6; i++) kill_after(&c, mnas_rng_uniform(&rng) * 0.3);
    code = finish(start(&c));
    if (code != 0) fail_with_log(code);
    compare_with_others(fix_study, other);
}

/* A phone of sh that can be unplugged: it answers while the file is there. */
static char phone[1300], plug[500];

static void make_phone(void) {
    snprintf(plug, sizeof plug, "%s/plug", fix_dir);
    snprintf(phone, sizeof phone,
             "command:run=\"test -e {model} && sleep 0.03 && test -e %s && echo 2\",rounds=3,max-rounds=3,"
             "quiet=false + %s",
             plug, fix_device);
    fix_write(plug, "", 0);
}

static void wait_for_log(const char *words) {
    char log[600], *text;
    size_t n;
    bool found = false;
    snprintf(log, sizeof log, "%s.log", fix_study);
    for (int i = 0; i < 600 && !found; i++) {
        mnas_clock_sleep_ms(20);
        if (mnas_file_read(log, 1 << 20, &text, &n) < 0) continue;
        found = strstr(text, words) != NULL;
        free(text);
    }
    assert_true(found);
}

/* Killed while it measures, and unplugged in the middle: the table is that of a search that was left alone. */
static void test_unplugged(void **state) {
    (void)state;
    char whole[600];
    snprintf(whole, sizeof whole, "%s/whole.db", fix_dir);
    make_phone();
    command c = {whole, phone, "5", "3"};
    int code = finish(start(&c));
    if (code != 0) fail_with_log(code);
    c.study = fix_study;
    for (int i = 0; i < 3; i++) kill_after(&c, 0.08 + 0.05 * i);
    char log[600];
    snprintf(log, sizeof log, "%s.log", fix_study);
    unlink(log); /* has all trials of the whole search */
    const pid_t pid = start(&c);
    wait_for_log("trial   3");
    unlink(plug);
    wait_for_log("is away: ");
    fix_write(plug, "", 0);
    code = finish(pid);
    if (code != 0) fail_with_log(code);
    wait_for_log("is back after");
    compare_with_others(whole, fix_study);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'"), 0);
}

/* What a child that measures says goes into the trial: here it dies of the network. */
static void test_measuring_child_dies(void **state) {
    (void)state;
    mnas_search_options o = two_options(fix_study, 2);
    o.device_minutes = 1;
    use_script("[ \"$2\" = measure ] && { echo last words >&2; kill -SEGV $$; }");
    fix_expect(mnas_search_run(&o), MNAS_ERR_DEVICE, "signal 11");
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 1);
    mnas_proc_set_self(MNAS_BINARY);
    fix_expect(mnas_search_run(&o), 0, NULL);
}

/* One device needs this machine quiet, the other does not. */
static void test_mixed_devices(void **state) {
    (void)state;
    mnas_search_options o = two_options(fix_study, 3);
    char mixed[900];
    snprintf(mixed, sizeof mixed,
             "local:rounds=3,max-rounds=3,runs=5,time=5,warmup=2,wide,sentinel=false + %s", fix_device);
    o.device = mixed, o.jobs = 2;
    fix_expect(mnas_search_run(&o), 0, NULL);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE latency_engine LIKE 'xnnpack%'"),
                     3);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial_latency WHERE latency_device = 'toy'"),
                     3);
}

static volatile bool cancelled;
static void cancel_in_training(void *user, const mnas_search_progress *p) {
    (void)user;
    if (!p->trial && strcmp(p->phase, "training") == 0 && p->phase_frac > 0) cancelled = true;
}

static void test_cancelled(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 3);
    o.epochs = 10000;
    o.progress = cancel_in_training;
    o.cancel = &cancelled;
    const double begun_s = mnas_clock_now_s();
    fix_expect(mnas_search_run(&o), MNAS_ERR_CANCELLED, "same command");
    assert_true(mnas_clock_now_s() - begun_s < 30);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'running'"), 1);
}

/* The test split lies there, and is no file that could be read. */
static void test_test_split_is_never_opened(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/t10k-images-idx3-ubyte", fix_dir);
    assert_int_equal(mnas_file_mkdirs(path), 0); /* a folder */
    snprintf(path, sizeof path, "%s/t10k-labels-idx1-ubyte", fix_dir);
    fix_write(path, "lies", 4);
    const mnas_search_options o = fix_options(fix_study, 2);
    fix_expect(mnas_search_run(&o), 0, NULL);
    mnas_eval_result result;
    mnas_model model;
    assert_int_equal(mnas_model_open(&model, "mnasnet-small", 12), 0);
    assert_true(mnas_eval(&result, &model,
                          &(mnas_eval_options){.weights = "none", .data = fix_data, .split = "test"}) < 0);
}

static void test_overhead(void **state) {
    (void)state;
    const mnas_search_options o = fix_options(fix_study, 5);
    fix_expect(mnas_search_run(&o), 0, NULL);
    mnas_str text = {0};
    fix_query(&text, fix_study,
              "SELECT printf('%.3f', avg(overhead_s)), printf('%.3f', max(overhead_s)) FROM trial");
    print_message("overhead of a trial, mean and most, seconds: %s", text.data);
    mnas_str_free(&text);
    /* the wanted bound is 0.3 s on a quiet machine; tests share theirs */
    if (!SANITIZED) assert_int_equal(fix_count(fix_study, "SELECT min(overhead_s) < 0.3 FROM trial"), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, fix_teardown)

/* Parts of 1/9, 2/9 and 6/9 of an epoch: the accuracy of one that nobody divided, to the bit. */
static void test_rungs_are_one_training(void **state) {
    (void)state;
    mnas_search_options o = fix_options(fix_study, 9);
    int n_complete = 0, n_stopped = 0;
    o.rungs = 3, o.rung_factor = 3, o.recipe = "proxy:batch=16,ema-decay=0.9"; /* the average is kept, too */
    fix_remove_study(fix_study);
    if (mnas_search_run(&o) < 0) fail_msg("%s", mnas_error_message());
    mnas_study *study;
    assert_int_equal(mnas_study_open(&study, fix_study), 0);
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        const mnas_trial *t = mnas_study_trial(study, i);
        n_stopped += t->state == MNAS_TRIAL_PRUNED && t->rung >= 0 && t->n_rungs == t->rung + 1;
        if (t->state != MNAS_TRIAL_COMPLETE) continue;
        n_complete++;
        mnas_model model;
        mnas_train_result result;
        const mnas_train_options whole = {
            .data = o.data, .recipe = o.recipe, .epochs = o.epochs, .threads = 1, .seed = t->seed};
        assert_int_equal(mnas_study_model(study, t->number, &model), 0);
        assert_int_equal(mnas_train(&result, &model, &whole), 0);
        assert_true(result.val_accuracy_frac == t->accuracy_frac && result.n_images == t->n_images);
        assert_true(t->n_rungs == 3 && t->rung_accuracy_frac[2] == t->accuracy_frac);
    }
    assert_true(n_complete == 1 && n_stopped == 8);
    mnas_study_close(study);
    fix_remove_study(fix_study);
}

int main(void) {
    const struct CMUnitTest tests[] = {T(test_killed_search_ends_as_the_whole_one),
                                       T(test_killed_while_measuring),
                                       T(test_nothing_trains_while_measuring),
                                       T(test_jobs_give_the_same_table),
                                       T(test_diverged),
                                       T(test_rungs_are_one_training),
                                       T(test_too_slow),
                                       T(test_too_large),
                                       T(test_crashed),
                                       T(test_killed_with_two_devices),
                                       T(test_unplugged),
                                       T(test_measuring_child_dies),
                                       T(test_mixed_devices),
                                       T(test_cancelled),
                                       T(test_test_split_is_never_opened),
                                       T(test_overhead)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
