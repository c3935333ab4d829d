/* test_fault_search.c - whole searches and trainings of the built program in which a call fails, the disk fills up, another
 * search is at work on the study, or the process is killed. What ends early says why; the next run without a failure
 * gives the table of an undisturbed one. n grows threefold here: the loops of single steps are in the other programs.
 */
#include "../unit/search/search_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/rng.h"
#include "inject.h"

static char state_path[600], weights_path[600], *whole; /* what an undisturbed search makes */
static fault_state *shared;

/* ---- the program ---- */

typedef struct outcome {
    int code; /* 128 + signal where one ended it */
    char err[4096], out[256];
} outcome;

static outcome finish(mnas_proc *p) {
    outcome o = {0};
    const char *line;
    const double begun_s = mnas_clock_now_s();
    while (!mnas_proc_done(p) && mnas_clock_now_s() - begun_s < 120)
        assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    assert_true(mnas_proc_done(p)); /* nothing hangs */
    while ((line = mnas_proc_next_line(p))) snprintf(o.out, sizeof o.out, "%s", line);
    const mnas_proc_result *r = mnas_proc_result_of(p);
    o.code = r->signal ? 128 + r->signal : r->exit_code;
    const size_t n = strlen(r->err);
    snprintf(o.err, sizeof o.err, "%s", r->err + (n < sizeof o.err ? 0 : n - sizeof o.err + 1));
    mnas_proc_free(p);
    return o;
}

static mnas_proc *start(const char *const argv[]) {
    mnas_proc *p;
    if (mnas_proc_start(&p, argv, NULL, 0) < 0) fail_msg("%s", mnas_error_message());
    return p;
}

static mnas_proc *start_search(const char *study) {
    const char *const argv[] = {MNAS_FAULT_BINARY,
                                "search",
                                "--space",
                                fix_space,
                                "--data",
                                fix_data,
                                "--device",
                                fix_device,
                                "--study",
                                study,
                                "--trials",
                                "2",
                                "--seed",
                                "3",
                                "--strategy",
                                "ppo:batch=1,hidden=8,embedding=4",
                                "--recipe",
                                "proxy:batch=16",
                                "--epochs",
                                "1",
                                "--threads",
                                "1",
                                "--target-ms",
                                "0.5",
                                NULL};
    return start(argv);
}

static outcome search(const char *study) {
    return finish(start_search(study));
}

static mnas_proc *start_train(void) {
    const char *const argv[] = {
        MNAS_FAULT_BINARY, "train",          "mnasnet-small", "--data", fix_data, "--epochs",   "0.4",
        "--recipe",        "proxy:batch=16", "--threads",     "1",      "-o",     weights_path, NULL};
    return start(argv);
}

static void expect_done(outcome o, const char *what) {
    if (o.code != 0) fail_msg("%s: exit code %d: %s", what, o.code, o.err);
}

/* `spec` in the main process or its workers, or none. */
static void arm(const char *spec, const char *in) {
    memset((void *)shared, 0, sizeof *shared);
    if (!spec) {
        unsetenv("MNAS_FAULT");
        return;
    }
    setenv("MNAS_FAULT", spec, 1);
    setenv("MNAS_FAULT_IN", in, 1);
}

static void expect_whole_study(const char *what) {
    mnas_store *store; /* opening to write checks SQLite's integrity */
    if (mnas_store_open(&store, fix_study, MNAS_STORE_WRITE) < 0)
        fail_msg("%s: %s", what, mnas_error_message());
    mnas_store_close(store);
}

static void expect_same_table(const char *what) {
    char *table = fix_dump(fix_study);
    if (strcmp(table, whole) != 0 &&
        fix_count(fix_study, "SELECT count(*) FROM trial WHERE state = 'failed'") == 0)
        fail_msg("%s: the table is\n%s\nand undisturbed\n%s", what, table, whole);
    free(table);
}

static void expect_message(const outcome *o, const char *what) {
    if (o->code != 1 && o->code != 2) fail_msg("%s: exit code %d: %s", what, o->code, o->err);
    const char *said = strstr(o->err, "error: ");
    if (!said || strlen(said) < 20) fail_msg("%s: no message: %s", what, o->err);
}

/* False when the failure was not reached. */
static bool search_with(const char *spec, const char *in) {
    char what[128];
    snprintf(what, sizeof what, "search, %s in %s", spec, in);
    fix_remove_study(fix_study);
    arm(spec, in);
    const outcome o = search(fix_study);
    const bool fired = shared->n_fired > 0;
    arm(NULL, NULL);
    if (o.code != 0 && !fired) fail_msg("%s: not reached, but exit code %d: %s", what, o.code, o.err);
    if (o.code != 0) expect_message(&o, what);
    if (access(fix_study, F_OK) == 0) expect_whole_study(what);
    if (o.code != 0) expect_done(search(fix_study), what);
    expect_same_table(what);
    return fired;
}

static void loop(const char *kind, const char *in, long first) {
    long n = first, n_runs = 0;
    for (;; n = 3 * n + 1, n_runs++) {
        char spec[64];
        snprintf(spec, sizeof spec, "%s:%ld", kind, n);
        if (!search_with(spec, in)) break;
    }
    print_message("search: %-8s in %-6s failed in %ld runs, the last at less than %ld calls\n", kind, in,
                  n_runs, n);
}

static void test_search(void **state) {
    (void)state;
    loop("malloc", "main", 50);
    loop("write", "main", 1);
    loop("open", "main", 1);
    loop("read", "main", 1);
    loop("fork", "main", 1);
    loop("exec", "main", 1);
    loop("pipe", "main", 1);
    loop("poll", "main", 1);
    loop("map", "main", 1);
}

static void test_search_with_failing_workers(void **state) {
    (void)state;
    loop("read", "worker", 1);
    loop("write", "worker", 1);
    loop("open", "worker", 1);
    loop("map", "worker", 1);
    loop("thread", "worker", 1);
}

static void test_search_on_a_full_disk(void **state) {
    (void)state;
    char what[64];
    for (long room = 3000;; room *= 4) {
        snprintf(what, sizeof what, "disk:%ld", room);
        fix_remove_study(fix_study);
        arm(what, "main");
        const outcome o = search(fix_study);
        const bool fired = shared->n_fired > 0;
        arm(NULL, NULL);
        if (!fired) break;
        expect_message(&o, what);
        if (!strstr(o.err, "no room on the disk") && !strstr(o.err, "No space left"))
            fail_msg("%s: %s", what, o.err);
        if (access(fix_study, F_OK) == 0) expect_whole_study(what);
        expect_done(search(fix_study), what);
        expect_same_table(what);
    }
}

/* ---- two at once ---- */

static void put_trials(int *n_running, int *n_interrupted) {
    mnas_study *study;
    *n_running = *n_interrupted = 0;
    if (mnas_study_open(&study, fix_study) < 0) return; /* not there yet */
    for (int i = 0; i < mnas_study_n_trials(study); i++) {
        *n_running += mnas_study_trial(study, i)->state == MNAS_TRIAL_RUNNING;
        *n_interrupted += mnas_study_interrupted(study, mnas_study_trial(study, i));
    }
    mnas_study_close(study);
}

/* A search with a trial under way. */
static mnas_proc *start_and_wait(void) {
    int n_running = 0, n_interrupted;
    fix_remove_study(fix_study);
    mnas_proc *p = start_search(fix_study);
    while (n_running == 0) {
        assert_int_equal(mnas_proc_wait(&p, 1, 2), 0);
        if (mnas_proc_done(p)) { /* it was quicker than we looked */
            expect_done(finish(p), "a search");
            fix_remove_study(fix_study);
            p = start_search(fix_study);
        }
        put_trials(&n_running, &n_interrupted);
    }
    return p;
}

/* The same, stopped while a trial is running: between seeing that and stopping it the trial may have ended. */
static mnas_proc *start_and_hold(void) {
    for (int tries = 0; tries < 100; tries++) {
        int n_running, n_interrupted;
        mnas_proc *p = start_and_wait();
        mnas_proc_pause(p);
        put_trials(&n_running, &n_interrupted);
        if (n_running > 0) return p;
        mnas_proc_resume(p);
        finish(p);
    }
    fail_msg("no trial was caught running in 100 searches");
    return NULL;
}

static void expect_refused(outcome o) {
    assert_int_equal(o.code, 1);
    assert_non_null(strstr(o.err, fix_study));
    assert_non_null(strstr(o.err, "another"));
    assert_non_null(strstr(o.err, "wait for it or stop it"));
}

static outcome show(void) {
    const char *const argv[] = {MNAS_FAULT_BINARY, "show", fix_study, NULL};
    return finish(start(argv));
}

static mnas_proc *start_report(const char *page) {
    const char *const argv[] = {MNAS_FAULT_BINARY, "report", fix_study, "-o", page, NULL};
    return start(argv);
}

/* The first stands still while the others try: it holds its study however long they take. */
static void test_beside_a_search(void **state) {
    (void)state;
    char page[600];
    mnas_proc *first = start_and_hold();
    expect_refused(search(fix_study));
    const char *const final[] = {MNAS_FAULT_BINARY, "finalize", fix_study, "--top-k", "1", NULL};
    expect_refused(finish(start(final)));
    const outcome shown = show();
    expect_done(shown, "show beside a search");
    if (!strstr(shown.out, "running")) fail_msg("shown: %s", shown.out);
    snprintf(page, sizeof page, "%s/page.html", fix_dir);
    expect_done(finish(start_report(page)), "report beside a search");
    mnas_proc_resume(first);
    expect_done(finish(first), "the first search");
    expect_same_table("beside others");
}

/* One of two that began at the same moment may have found the study made since it looked. */
static void expect_refused_or_late(outcome o) {
    if (o.code == 1 && strstr(o.err, "start again to continue it")) return;
    expect_refused(o);
}

/* Started at the same moment, neither held up: the one that does not get the study says so. */
static void test_two_searches(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        fix_remove_study(fix_study);
        mnas_proc *a = start_search(fix_study), *b = start_search(fix_study);
        const outcome x = finish(a), y = finish(b);
        if (x.code != 0) expect_refused_or_late(x);
        if (y.code != 0) expect_refused_or_late(y);
        assert_true(x.code == 0 || y.code == 0);
        expect_whole_study("two searches");
        expect_same_table("two searches");
    }
}

/* What was under way is told from what is under way. */
static void test_killed_search(void **state) {
    (void)state;
    int n_running, n_interrupted;
    mnas_proc *p = start_and_hold();
    mnas_proc_kill(p);
    finish(p);
    /* a child that was just being started may hold the lock for a moment longer */
    for (int i = 0; i < 200; i++) {
        put_trials(&n_running, &n_interrupted);
        if (n_interrupted > 0) break;
        mnas_clock_sleep_ms(10);
    }
    assert_true(n_running > 0);
    assert_int_equal(n_interrupted, n_running);
    const outcome shown = show();
    expect_done(shown, "show after a kill");
    if (!strstr(shown.out, "interrupted")) fail_msg("shown: %s", shown.out);
    expect_done(search(fix_study), "after a kill; its lock file is there still");
    expect_same_table("after a kill");
}

/* ---- killed ---- */

static char *contents(const char *path, size_t *n) {
    char *bytes = NULL;
    if (mnas_file_read(path, 1 << 26, &bytes, n) < 0) fail_msg("%s", mnas_error_message());
    return bytes;
}

/* The old weights or the new ones, never half; images half decoded are decoded again. */
static void test_killed_training(void **state) {
    (void)state;
    size_t n_old, n;
    const double begun_s = mnas_clock_now_s();
    expect_done(finish(start_train()), "train");
    const double all_s = mnas_clock_now_s() - begun_s;
    char *old = contents(weights_path, &n_old), cache[500];
    snprintf(cache, sizeof cache, "%s/cache", fix_dir);
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    for (int i = 0; i < 5; i++) {
        nftw(cache, fix_remove_one, 16, FTW_DEPTH | FTW_PHYS);
        assert_int_equal(mnas_file_mkdirs(cache), 0);
        mnas_proc *p = start_train();
        mnas_clock_sleep_ms((int64_t)(mnas_rng_uniform(&rng) * all_s * 1000));
        mnas_proc_kill(p);
        finish(p);
        char *now = contents(weights_path, &n); /* the same training: the same bytes */
        assert_int_equal(n, n_old);
        assert_memory_equal(now, old, n);
        free(now);
    }
    expect_done(finish(start_train()), "train after kills");
    free(old);
}

/* One training with a failing call: false when that was not reached. */
static bool train_with(const char *spec, const char *old, size_t n_old) {
    size_t n;
    arm(spec, "main");
    const outcome o = finish(start_train());
    const bool fired = shared->n_fired > 0;
    arm(NULL, NULL);
    if (o.code != 0 && !fired) fail_msg("train, %s: not reached, but exit code %d: %s", spec, o.code, o.err);
    if (o.code != 0) expect_message(&o, spec);
    char *now = contents(weights_path, &n);
    assert_int_equal(n, n_old);
    assert_memory_equal(now, old, n);
    free(now);
    return fired;
}

static void test_training(void **state) {
    (void)state;
    static const char *const kinds[] = {"malloc", "write", "open", "read", "map", "rename", "sync", "thread"};
    size_t n_old;
    expect_done(finish(start_train()), "train");
    char *old = contents(weights_path, &n_old), spec[64];
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        long n = strcmp(kinds[k], "malloc") == 0 ? 50 : 1;
        do {
            snprintf(spec, sizeof spec, "%s:%ld", kinds[k], n);
            n = 3 * n + 1;
        } while (train_with(spec, old, n_old));
    }
    expect_done(finish(start_train()), "train after all failures");
    free(old);
}

/* ---- reports ---- */

static const char old_page[] = "<!DOCTYPE html>the old page\n";

/* True where it is a new one. */
static bool expect_whole_page(const char *page) {
    size_t n;
    char *now = contents(page, &n);
    const bool old = n == sizeof old_page - 1 && memcmp(now, old_page, n) == 0;
    if (!old && (strncmp(now, "<!DOCTYPE html>", 15) != 0 || strcmp(now + n - 8, "</html>\n") != 0))
        fail_msg("%s is neither the old page nor a new one: %zu bytes", page, n);
    free(now);
    return !old;
}

static void test_killed_report(void **state) {
    (void)state;
    char page[600];
    snprintf(page, sizeof page, "%s/killed.html", fix_dir);
    expect_done(search(fix_study), "search");
    const double begun_s = mnas_clock_now_s();
    expect_done(finish(start_report(page)), "report");
    const double all_s = mnas_clock_now_s() - begun_s;
    int n_new = 0;
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    for (int i = 0; i < 20; i++) {
        fix_write(page, old_page, sizeof old_page - 1);
        mnas_proc *p = start_report(page);
        mnas_clock_sleep_ms((int64_t)(mnas_rng_uniform(&rng) * all_s * 1000));
        mnas_proc_kill(p);
        finish(p);
        n_new += expect_whole_page(page);
    }
    print_message("report: killed 20 times, %d pages were new\n", n_new);
}

static void test_report_on_a_full_disk(void **state) {
    (void)state;
    char page[600], spec[64];
    int n_failed = 0;
    snprintf(page, sizeof page, "%s/full.html", fix_dir);
    expect_done(search(fix_study), "search");
    for (long room = 0;; room = 3 * room + 1, n_failed++) {
        fix_write(page, old_page, sizeof old_page - 1);
        snprintf(spec, sizeof spec, "disk:%ld", room);
        arm(spec, "main");
        const outcome o = finish(start_report(page));
        const bool fired = shared->n_fired > 0;
        arm(NULL, NULL);
        if (!fired) break;
        expect_message(&o, spec);
        /* the page and its tables, or what SQLite keeps beside a study while it is read */
        if (!strstr(o.err, "No space left") && !strstr(o.err, "no room on the disk"))
            fail_msg("%s: %s", spec, o.err);
        if (!strstr(o.err, "full.") && !strstr(o.err, fix_study)) fail_msg("%s: %s", spec, o.err);
        assert_false(expect_whole_page(page));
        expect_done(finish(start_report(page)), spec);
        assert_true(expect_whole_page(page));
    }
    assert_true(n_failed > 3);
}

static int setup(void **state) {
    if (access(MNAS_FAULT_BINARY, X_OK) < 0) return -1;
    if (fix_setup(state) != 0) return -1;
    snprintf(state_path, sizeof state_path, "%s/fault-state", fix_dir);
    snprintf(weights_path, sizeof weights_path, "%s/net.safetensors", fix_dir);
    setenv("MNAS_FAULT_STATE", state_path, 1);
    setenv("MNAS_LOG", "info", 1);
    const int fd = open(state_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, sizeof *shared) < 0) return -1;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    expect_done(search(fix_study), "undisturbed");
    whole = fix_dump(fix_study);
    return 0;
}

static int teardown(void **state) {
    munmap((void *)shared, sizeof *shared);
    free(whole);
    return fix_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_beside_a_search),
                                       cmocka_unit_test(test_two_searches),
                                       cmocka_unit_test(test_killed_search),
                                       cmocka_unit_test(test_killed_report),
                                       cmocka_unit_test(test_report_on_a_full_disk),
                                       cmocka_unit_test(test_killed_training),
                                       cmocka_unit_test(test_search_on_a_full_disk),
                                       cmocka_unit_test(test_search),
                                       cmocka_unit_test(test_search_with_failing_workers),
                                       cmocka_unit_test(test_training)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
