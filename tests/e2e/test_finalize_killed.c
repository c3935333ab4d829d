/* test_finalize_killed.c - stage two through the built binary, killed with -9 at random moments: it ends as one that was left
 * alone, to the last bit of every number but times, with weights for every network. */
#include "../unit/search/search_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/rng.h"

enum { KILLS = 5, MAX_EARLY = 5, MAX_WORDS = 40 };

static char whole[540], kept[540], device[640];

/* The binary with these words, none of which has a blank, as the first of a process group. */
static pid_t start(const char *line) {
    static char words[4000];
    char *argv[MAX_WORDS] = {MNAS_BINARY}, log[600], *rest;
    int n = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *w = strtok_r(words, " ", &rest); w && n + 1 < MAX_WORDS; w = strtok_r(NULL, " ", &rest))
        argv[n++] = w;
    snprintf(log, sizeof log, "%s/log", fix_dir);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    const int file = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    setpgid(0, 0);
    execv(MNAS_BINARY, argv);
    _exit(127);
}

static int finish(pid_t pid) {
    int status;
    assert_true(pid > 0);
    while (waitpid(pid, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void expect_good_end(int code) {
    char log[600], *text;
    size_t n;
    if (code == 0) return;
    snprintf(log, sizeof log, "%s/log", fix_dir);
    if (mnas_file_read(log, 1 << 20, &text, &n) < 0) text = strdup(mnas_error_message());
    fail_msg("exit code %d: %s", code, text);
}

/* A study of three trials, and a test split. */
static int setup(void **state) {
    static const char *const kinds[] = {"images-idx3-ubyte", "labels-idx1-ubyte"};
    char from[600], to[600], line[3600];
    if (access(MNAS_BINARY, X_OK) < 0) {
        print_message("skipped: %s is not built\n", MNAS_BINARY);
        skip();
    }
    fix_setup(state);
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/train-%s", fix_dir, kinds[i]);
        snprintf(to, sizeof to, "%s/t10k-%s", fix_dir, kinds[i]);
        fix_copy(from, to);
    }
    snprintf(whole, sizeof whole, "%s/whole.db", fix_dir);
    snprintf(kept, sizeof kept, "%s/kept.db", fix_dir);
    snprintf(device, sizeof device, "%s,default-ms=0.9", fix_device);
    snprintf(line, sizeof line,
             "search --space %s --data %s --device %s --study %s --trials 3 --strategy random --recipe "
             "proxy:batch=16 --threads 1 --target-ms 0.5 --no-forecast",
             fix_space, fix_data, device, kept);
    expect_good_end(finish(start(line)));
    return 0;
}

static pid_t start_finalize(const char *study) {
    char line[800];
    snprintf(line, sizeof line,
             "finalize %s --top-k 2 --recipe final:batch=16 --epochs 1 --baselines mobilenet-v2@0.1/12 "
             "--random 2 --learning-rates 2 --repeats 1 --passes 2 --threads 1",
             study);
    return start(line);
}

static char *dump(const char *study) {
    mnas_str out = {0};
    fix_query(&out, study,
              "SELECT number, role, family, name, trial, repeat, input_size, lr, seed, state, "
              "val_accuracy_frac, test_accuracy_frac, n_val, n_test, val_correct, test_correct, n_passes, "
              "latency_median_ms, chosen, macs, model FROM final ORDER BY number");
    fix_query(
        &out, study,
        "SELECT * FROM setting WHERE name LIKE 'final%' AND name != 'final_command_line' ORDER BY name");
    assert_true(mnas_str_ok(&out));
    return out.data;
}

/* Every network of it is there, and nothing half written. */
static void check_weights(void) {
    char folder[600], *rest;
    int n = 0;
    mnas_str names = {0};
    fix_query(&names, fix_study, "SELECT weights FROM final");
    for (char *w = strtok_r(names.data, " \n", &rest); w; w = strtok_r(NULL, " \n", &rest), n++) {
        snprintf(folder, sizeof folder, "%s/%s", fix_dir, w);
        assert_true(mnas_file_exists(folder));
    }
    assert_true(n > 0);
    assert_int_equal(fix_count(fix_study, "SELECT count(DISTINCT weights) FROM final"), n);
    mnas_str_free(&names);
}

/* False where it had ended before. */
static bool kill_after(double seconds) {
    const pid_t pid = start_finalize(fix_study);
    mnas_clock_sleep_ms((int64_t)(seconds * 1000));
    kill(-pid, SIGKILL);
    const int code = finish(pid);
    if (code != 128 + SIGKILL) expect_good_end(code);
    return code != 0;
}

static void begin_again(void) {
    char random[540];
    snprintf(random, sizeof random, "%s/study-random.db", fix_dir);
    fix_remove_study(fix_study);
    fix_remove_study(random);
    fix_copy(kept, fix_study);
}

static void test_killed(void **state) {
    (void)state;
    fix_copy(kept, whole);
    const double begun_s = mnas_clock_now_s();
    expect_good_end(finish(start_finalize(whole)));
    const double all_s = mnas_clock_now_s() - begun_s;
    begin_again();
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    int n_killed = 0, n_early = 0;
    while (n_killed < KILLS) {
        if (kill_after(mnas_rng_uniform(&rng) * all_s / 3))
            n_killed++;
        else if (n_early++ < MAX_EARLY)
            begin_again();
        else
            break;
    }
    assert_true(n_killed > 0);
    expect_good_end(finish(start_finalize(fix_study)));
    char *one = dump(whole), *other = dump(fix_study);
    fix_same(one, other);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM final WHERE state != 'complete'"), 0);
    assert_int_equal(fix_count(fix_study, "SELECT count(*) FROM final WHERE n_test > 0"), 3);
    check_weights();
    print_message("whole stage two %.1f s; killed %d times, %d early ends\n", all_s, n_killed, n_early);
    free(one);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_killed, setup, fix_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
