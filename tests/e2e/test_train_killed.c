/* test_train_killed.c - `mnas train --checkpoint` killed with kill -9 at random moments, again and again: the same command goes on,
 * and ends with the weights, the best weights and the metrics of a training that nobody disturbed, to the bit. Refused are a
 * checkpoint of another training and files that are none.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli_fixture.h"
#include "tiny_images.h"

#define DIR MNAS_TEST_TMP "/train_killed"
enum { KILLS = 10 };

static const char model_text[] =
    "name: tiny\nstem: 8\nblocks:\n  - r2_k3_s22_e2_i8_o8_se0.25\n  - r1_k5_s22_e2_i8_o16\n";

/* Everything a recipe can have that is carried from step to step, and epochs that end within groups, steps and shuffles. */
static const char *const recipes[] = {
    "imagenet-mnasnet:batch=24,group=8,epochs=60.4,warmup-epochs=1,ema-decay=0.9,lr=0.2,recalibrate=3",
    "short:batch=16,epochs=60,lr=0.05,dropout=0.2",
};

/* `name` is of the checkpoint, the weights and the metrics. */
static const char *command(const char *name, const char *recipe, const char *minutes) {
    static char line[1024];
    snprintf(line, sizeof line,
             "train " DIR "/tiny.yaml --data idx:path=" DIR
             ",val=30 --recipe %s --threads 1 --checkpoint " DIR "/%s.ckpt --checkpoint-every %s -o " DIR
             "/%s.safetensors --metrics " DIR "/%s.jsonl --tensorboard " DIR "/%s --metrics-every 2",
             recipe, name, minutes, name, name, name);
    return line;
}

static void run_to_the_end(const char *line) {
    outcome o = run(line);
    if (o.exit_code != 0) fail_msg("mnas %s: exit %d\n%s", line, o.exit_code, o.err);
    mnas_str_free(&o.out);
}

/* True when it was still running. */
static bool run_and_kill(const char *line, int64_t after_ms) {
    mnas_proc *p = start_mnas(line);
    mnas_clock_sleep_ms(after_ms);
    mnas_proc_kill(p);
    while (!mnas_proc_done(p)) assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    const mnas_proc_result *r = mnas_proc_result_of(p);
    const bool killed = r->signal != 0;
    if (!killed && r->exit_code != 0) fail_msg("mnas %s: exit %d\n%s", line, r->exit_code, r->err);
    mnas_proc_free(p);
    return killed;
}

static void expect_same_file(const char *a, const char *b, const char *end) {
    char path[600], *x, *y;
    size_t n_x, n_y;
    snprintf(path, sizeof path, DIR "/%s%s", a, end);
    if (mnas_file_read(path, 1 << 26, &x, &n_x) < 0) fail_msg("%s", mnas_error_message());
    snprintf(path, sizeof path, DIR "/%s%s", b, end);
    if (mnas_file_read(path, 1 << 26, &y, &n_y) < 0) fail_msg("%s", mnas_error_message());
    if (n_x != n_y || memcmp(x, y, n_x) != 0) fail_msg("%s%s and %s%s differ", a, end, b, end);
    free(x);
    free(y);
}

/* Lines of the metrics without their times: the same steps with the same values, each once. */
static mnas_str values_of(const char *name) {
    static const char *const times[] = {"images_per_s", "elapsed_s"};
    char path[600], *text, *save;
    size_t n;
    mnas_str values = {0};
    snprintf(path, sizeof path, DIR "/%s.jsonl", name);
    assert_int_equal(mnas_file_read(path, 1 << 20, &text, &n), 0);
    assert_true(n > 0 && text[n - 1] == '\n');
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        json_t *entry = json_loads(line, 0, NULL);
        if (!entry) fail_msg("%s: %s", path, line);
        for (int i = 0; i < 2; i++) assert_int_equal(json_object_del(entry, times[i]), 0);
        char *printed = json_dumps(entry, JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
        mnas_str_appendf(&values, "%s\n", printed);
        free(printed);
        json_decref(entry);
    }
    free(text);
    return values;
}

static void expect_same_metrics(const char *a, const char *b) {
    mnas_str x = values_of(a), y = values_of(b);
    assert_string_equal(x.data, y.data);
    mnas_str_free(&x);
    mnas_str_free(&y);
}

static int64_t size_of_events(const char *name) {
    char path[600], *bytes;
    size_t n;
    snprintf(path, sizeof path, DIR "/%s/events.out.tfevents.mnas", name);
    assert_int_equal(mnas_file_read(path, 1 << 20, &bytes, &n), 0);
    free(bytes);
    return (int64_t)n; /* records with the same steps are equally long */
}

static void remove_all(const char *name) {
    static const char *const ends[] = {".ckpt", ".safetensors", ".best.safetensors", ".jsonl",
                                       "/events.out.tfevents.mnas"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char path[600];
        snprintf(path, sizeof path, DIR "/%s%s", name, ends[i]);
        unlink(path);
    }
}

static void killed_again_and_again(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream((uint64_t)mnas_clock_now_ns(), 0, "kill");
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        remove_all("whole");
        remove_all("killed");
        const double begun_s = mnas_clock_now_s();
        run_to_the_end(command("whole", recipes[i], "60"));
        const double all_s = mnas_clock_now_s() - begun_s;
        int n_killed = 0, n_ended = 0;
        while (n_killed < KILLS && n_ended < 100) {
            const char *minutes = mnas_rng_below(&rng, 2) ? "0" : "0.0003";
            const int64_t after_ms = (int64_t)(mnas_rng_uniform(&rng) * all_s * 900);
            if (run_and_kill(command("killed", recipes[i], minutes), after_ms)) {
                n_killed++;
                continue;
            }
            n_ended++; /* it was quicker: once more from the start */
            remove_all("killed");
        }
        assert_int_equal(n_killed, KILLS);
        run_to_the_end(command("killed", recipes[i], "60"));
        print_message("killed %d times at up to %.0f ms, ended %d times\n", n_killed, all_s * 900, n_ended);
        expect_same_file("whole", "killed", ".safetensors");
        expect_same_file("whole", "killed", ".best.safetensors");
        expect_same_metrics("whole", "killed");
        assert_int_equal(size_of_events("whole"), size_of_events("killed"));
    }
}

/* `line` with Ctrl-C after a while: its exit code, and what it says. */
static int run_and_interrupt(const char *line, double after_s, char *err, size_t n_err) {
    char timeout[64];
    snprintf(timeout, sizeof timeout, "timeout --preserve-status -s INT %.3f ", after_s);
    mnas_proc *p = start_behind(timeout, line);
    while (!mnas_proc_done(p)) assert_int_equal(mnas_proc_wait(&p, 1, 1000), 0);
    const mnas_proc_result *r = mnas_proc_result_of(p);
    const int code = r->exit_code;
    snprintf(err, n_err, "%s", r->err);
    mnas_proc_free(p);
    return code;
}

/* Nothing done is lost, though no checkpoint was due. */
static void interrupted_and_resumed(void **state) {
    (void)state;
    const char *line = command("killed", recipes[1], "1000");
    char err[8192];
    int n_interrupted = 0;
    double after_s = 0.05;
    remove_all("killed");
    for (int i = 0; i < 100 && n_interrupted < 2; i++, after_s *= 1.2) {
        const int code = run_and_interrupt(line, after_s, err, sizeof err);
        if (code == 0) { /* it was quicker: all over again */
            remove_all("killed");
            n_interrupted = 0;
            after_s /= 2;
        } else if (strstr(err, "interrupted;")) {
            assert_int_equal(code, 130);
            assert_non_null(strstr(err, "The same command goes on"));
            assert_true(mnas_file_exists(DIR "/killed.ckpt"));
            assert_true(n_interrupted == 0 || strstr(err, "going on at step"));
            n_interrupted++;
        }
    }
    assert_int_equal(n_interrupted, 2);
    run_to_the_end(line);
    expect_same_file("whole", "killed", ".safetensors");
    expect_same_metrics("whole", "killed");
}

/* A command that has ended is told again, and writes what it had written. */
static void ended_is_told_again(void **state) {
    (void)state;
    const char *line = command("killed", recipes[1], "60");
    unlink(DIR "/killed.safetensors");
    outcome o = run(line);
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.err, "going on at step"));
    assert_non_null(strstr(text_of(&o), "killed.best.safetensors"));
    mnas_str_free(&o.out);
    expect_same_file("whole", "killed", ".safetensors");
    expect_same_metrics("whole", "killed");
    check_refused("eval " DIR "/tiny.yaml --weights " DIR "/nothing --data idx:path=" DIR ",val=30", 1,
                  "nothing");
    run_to_the_end("eval " DIR "/tiny.yaml --weights " DIR "/killed.ckpt --data idx:path=" DIR ",val=30");
}

/* The part of the command that differs, and what of it stands in the message. */
static void other_trainings_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *change, *with, *said;
    } cases[] = {{"lr=0.05", "lr=0.06", "lr=0.05\", this one's \"lr=0.06"},
                 {"batch=16", "batch=8", "batch=8"},
                 {"epochs=60", "epochs=4", "epochs=4"},
                 {"short:", "final:", "warmup-epochs=0.5"},
                 {"tiny.yaml", "other.yaml", "dropout: 0.5"},
                 {",val=30", ",val=31", "val=31"},
                 {"--threads 1", "--threads 1 --seed 7", "seed has \"1\", this one's \"7\""},
                 {"--threads 1", "--threads 1 --max-images 60", "this one's \"60\""},
                 {"--threads 1", "--threads 1 --weights " DIR "/whole.safetensors", "whole.safetensors"},
                 {"killed.ckpt", "whole.safetensors", "no checkpoint"},
                 {"killed.ckpt", "tiny.yaml", "tiny.yaml"}};
    char *before, *after;
    size_t n_before, n_after;
    assert_int_equal(mnas_file_read(DIR "/killed.ckpt", 1 << 26, &before, &n_before), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *line = command("killed", recipes[1], "60"), *at = strstr(line, cases[i].change);
        char changed[1200];
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - line), line, cases[i].with,
                 at + strlen(cases[i].change));
        outcome o = run(changed);
        if (o.exit_code == 0 || !strstr(o.err, cases[i].said)) fail_msg("mnas %s\nsays %s", changed, o.err);
        mnas_str_free(&o.out);
    }
    assert_int_equal(mnas_file_read(DIR "/killed.ckpt", 1 << 26, &after, &n_after), 0);
    assert_true(n_before == n_after && memcmp(before, after, n_before) == 0);
    free(before);
    free(after);
}

/* Beside one that goes on for ever. */
static void two_at_once(void **state) {
    (void)state;
    remove_all("both");
    const char *line = command("both", "proxy:batch=10,epochs=99999", "0.01");
    mnas_proc *p = start_mnas(line);
    for (int i = 0; i < 6000 && !mnas_file_exists(DIR "/both.ckpt"); i++) mnas_clock_sleep_ms(10);
    check_refused(line, 1, "both.ckpt: another training is working on this checkpoint");
    assert_false(mnas_proc_done(p));
    mnas_proc_free(p);
}

/* A folder stands where the best weights go: they are lost, the training is not, and no file is named that is not there. */
static void best_weights_that_cannot_be_written(void **state) {
    (void)state;
    remove_all("folder");
    assert_int_equal(mnas_file_mkdirs(DIR "/folder.best.safetensors"), 0);
    outcome o = run(command("folder", "proxy:batch=10,epochs=1", "60"));
    assert_int_equal(o.exit_code, 0);
    assert_non_null(strstr(o.err, "the file of the best epoch's weights was not written"));
    assert_null(strstr(text_of(&o), "best"));
    mnas_str_free(&o.out);
    assert_true(mnas_file_exists(DIR "/folder.ckpt") && mnas_file_exists(DIR "/folder.safetensors"));
    assert_int_equal(rmdir(DIR "/folder.best.safetensors"), 0);
}

/* A file of somebody else is not taken for metrics and emptied. */
static void other_files_are_not_cut(void **state) {
    (void)state;
    char *text;
    size_t n;
    check_refused("train " DIR "/tiny.yaml --data idx:path=" DIR ",val=30 --epochs 0.1 --metrics " DIR
                  "/tiny.yaml",
                  2, "tiny.yaml");
    check_refused("train " DIR "/tiny.yaml --data idx:path=" DIR ",val=30 --epochs 0.1 --metrics " DIR
                  "/other.yaml",
                  2, "holds no metrics");
    check_refused("train " DIR "/tiny.yaml --data idx:path=" DIR ",val=30 --epochs 0.1 --metrics " DIR, 1,
                  DIR);
    check_refused("train " DIR "/tiny.yaml --data idx:path=" DIR ",val=30 --checkpoint " DIR "/absent/a.ckpt",
                  1, "absent");
    check_refused("train " DIR "/tiny.yaml --data idx:path=" DIR ",val=30 --checkpoint " DIR "/a.ckpt -o " DIR
                  "/a.ckpt",
                  2, "two things");
    assert_int_equal(mnas_file_read(DIR "/other.yaml", 1 << 20, &text, &n), 0);
    assert_non_null(strstr(text, "dropout: 0.5"));
    free(text);
}

static int prepare(void **state) {
    (void)state, (void)run_json, (void)integer;
    assert_int_equal(mnas_file_mkdirs(DIR "/cache"), 0);
    setenv("MNAS_CACHE_DIR", DIR "/cache", 1);
    tiny_images_write(DIR, "train", 130);
    tiny_images_write(DIR, "t10k", 20);
    char other[400];
    const int n = snprintf(other, sizeof other, "%s%s", model_text, "dropout: 0.5\n");
    assert_int_equal(mnas_file_write_atomic(DIR "/other.yaml", other, (size_t)n), 0);
    return mnas_file_write_atomic(DIR "/tiny.yaml", model_text, sizeof model_text - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_again_and_again),
        cmocka_unit_test(interrupted_and_resumed),
        cmocka_unit_test(ended_is_told_again),
        cmocka_unit_test(other_trainings_are_refused),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(best_weights_that_cannot_be_written),
        cmocka_unit_test(other_files_are_not_cut),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
