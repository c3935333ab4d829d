/* test_farm_search.c - two searches share a farm of two phones, which are scripts, and one phone loses its plug in the middle: no trial
 * fails for it, and no phone measures two networks at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli_fixture.h"
#include "tiny_images.h"

#define DIR    MNAS_TEST_TMP "/farm-search"
#define TRIALS "3"

static const char phone[] = "#!/bin/sh\n"
                            "cd " DIR "\n"
                            "exec 9>$1.busy\n"
                            "flock -n 9 || echo $1 >>overlap\n"
                            "[ -e $1.unplugged ] && { echo no such phone; exit 1; }\n"
                            "sleep 0.01\n"
                            "echo $1 >>log\n"
                            "echo $2\n";

#define FARM                                                                                                 \
    "pool:retry-s=0.3,devices=\"command:run=\"\"sh " DIR                                                     \
    "/phone.sh A 1.0 {model}\"\",quiet=false,format=mnas + "                                                 \
    "command:run=\"\"sh " DIR "/phone.sh B 1.1 {model}\"\",quiet=false,format=mnas\""

static int prepare(void **state) {
    (void)state;
    int rc = system("rm -rf " DIR);
    assert_int_equal(rc, 0);
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    setenv("MNAS_CACHE_DIR", DIR "/cache", 1);
    tiny_images_write(DIR, "train", 200);
    tiny_images_write(DIR, "t10k", 20);
    return mnas_file_write_atomic(DIR "/phone.sh", phone, sizeof phone - 1);
}

static mnas_proc *search(const char *study, const char *seed) {
    const char *const argv[] = {MNAS_BINARY,   "search",    "--space",
                                "mnasnet-28",  "--data",    "idx:path=" DIR ",val=40",
                                "--device",    FARM,        "--max-images",
                                "64",          "--recipe",  "proxy:batch=32",
                                "--strategy",  "random",    "--jobs",
                                "2",           "--threads", "1",
                                "--target-ms", "1",         "--seed",
                                seed,          "--trials",  TRIALS,
                                "--study",     study,       NULL};
    mnas_proc *p;
    assert_int_equal(mnas_proc_start(&p, argv, NULL, 0), 0);
    return p;
}

static int count_lines(const char *path) {
    char *text;
    size_t n;
    int lines = 0;
    if (!mnas_file_exists(path) || mnas_file_read(path, 1 << 20, &text, &n) < 0) return 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    free(text);
    return lines;
}

/* Unplugged as soon as both searches measure, and back after a second. */
static void pull_the_plug(mnas_proc *const *searches) {
    double pulled_s = 0;
    bool back = false;
    while (!mnas_proc_done(searches[0]) || !mnas_proc_done(searches[1])) {
        assert_int_equal(mnas_proc_wait(searches, 2, 20), 0);
        if (pulled_s == 0 && count_lines(DIR "/log") > 8) {
            pulled_s = mnas_clock_now_s();
            assert_int_equal(mnas_file_write_atomic(DIR "/A.unplugged", "", 0), 0);
        }
        if (pulled_s > 0 && !back && mnas_clock_now_s() > pulled_s + 1) {
            back = true;
            unlink(DIR "/A.unplugged");
        }
    }
    assert_true(pulled_s > 0);
}

static void check_study(const char *study) {
    char line[300];
    snprintf(line, sizeof line, "show %s --json", study);
    json_t *root = run_json(line);
    const json_t *trials = json_object_get(root, "trials");
    const json_t *trial;
    size_t i;
    assert_true(json_array_size(trials) >= 3);
    json_array_foreach(trials, i, trial) {
        assert_int_equal(integer(trial, "trial"), i);
        assert_string_equal(json_string_value(json_object_get(trial, "state")), "complete");
    }
    json_decref(root);
}

static void test_two_searches_share_a_farm(void **state) {
    (void)state;
    mnas_proc *searches[] = {search(DIR "/x.db", "1"), search(DIR "/y.db", "2")};
    pull_the_plug(searches);
    for (int i = 0; i < 2; i++) {
        const mnas_proc_result *r = mnas_proc_result_of(searches[i]);
        if (r->exit_code != 0) fail_msg("exit %d: %s", r->exit_code, r->err);
        mnas_proc_free(searches[i]);
    }
    assert_false(mnas_file_exists(DIR "/overlap"));
    check_study(DIR "/x.db");
    check_study(DIR "/y.db");
}

static void test_wrong_words(void **state) {
    (void)state;
    check_refused("measure mnasnet-small --device pool", 2, "devices=");
    check_refused("measure mnasnet-small --device pool:devices=fone:x", 2, "unknown device \"fone\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup(test_two_searches_share_a_farm, prepare),
                                       cmocka_unit_test(test_wrong_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
