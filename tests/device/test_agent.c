/* test_agent.c - the bundles that scripts/build-agent makes: they run as they lie there, of another processor under QEMU, and compute
 * what this machine computes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/proc.h"
#include "device/bundle.h"
#include "device/wire.h"
#include "device/worker.h"

static const struct {
    const char *arch, *qemu;
} targets[] = {
    {"x86_64", "qemu-x86_64-static"}, {"aarch64", "qemu-aarch64-static"}, {"armv7", "qemu-arm-static"}};
enum { N_TARGETS = sizeof targets / sizeof *targets };

static bool is_installed(const char *program) {
    char command[200];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

/* The bundle of target i, or false with the reason printed. Its programs run natively or under MNAS_AGENT_UNDER. */
static bool find_bundle(mnas_bundle *out, int i) {
    char folder[600];
    struct utsname here;
    snprintf(folder, sizeof folder, "%s/build-agent-%s", MNAS_SOURCE_DIR, targets[i].arch);
    if (mnas_bundle_find(out, targets[i].arch, folder) < 0) {
        printf("skipped: %s: make agent-%s\n", targets[i].arch, targets[i].arch);
        return false;
    }
    unsetenv("MNAS_AGENT_UNDER");
    if (uname(&here) == 0 && strcmp(here.machine, targets[i].arch) == 0) return true;
    if (!is_installed(targets[i].qemu)) {
        printf("skipped: %s: no %s (Debian: qemu-user-static)\n", targets[i].arch, targets[i].qemu);
        return false;
    }
    setenv("MNAS_AGENT_UNDER", targets[i].qemu, 1);
    return true;
}

static char *ask(const mnas_bundle *b, const char *kind, const char *request) {
    char path[1100], *answer;
    snprintf(path, sizeof path, "%s/mnas-agent", b->folder);
    const char *const argv[] = {"sh", path, kind, NULL};
    if (mnas_proc_run(argv, request, 120, &answer) < 0) fail_msg("%s: %s", b->arch, mnas_error_message());
    return answer;
}

static char *request_of(const char *arch, int size) {
    mnas_model m;
    char *text;
    mnas_wire_request request = {
        .threads = 1, .core = MNAS_CORE_NOT_PINNED, .runs = 1, .time_ms = 1, .warmup_ms = 1, .seed = 7};
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, arch), 0);
    m.input_size = size;
    m.classes = 10;
    snprintf(request.engine, sizeof request.engine, "xnnpack");
    assert_int_equal(mnas_model_print(&m, &request.model), 0);
    assert_int_equal(mnas_wire_print_request(&text, &request), 0);
    mnas_wire_free_request(&request);
    return text;
}

/* By the very code that the agent runs, in this process. */
static void logits_here(float **logits, int *n, char *request) {
    char *answer = NULL;
    size_t bytes;
    FILE *in = fmemopen(request, strlen(request), "r"), *out = open_memstream(&answer, &bytes);
    assert_int_equal(mnas_device_worker_logits(in, out), 0);
    fclose(in);
    fclose(out);
    if (mnas_wire_parse_logits(logits, n, answer) < 0) fail_msg("%s", mnas_error_message());
    free(answer);
}

static void test_same_logits(void **state) {
    (void)state;
    static const char *const archs[] = {
        "r1_k3_s22_e1_i32_o16 r2_k5_s22_e6_i16_o24_se0.25 r1_k7_s11_e3_i24_o24",
        "r1_k3_s22_e1_i32_o16_opconv r1_k3_s11_e1_i16_o16_opsep_noskip r1_k3_s11_e6_i16_o32_acthswish",
    };
    int n_done = 0;
    for (int i = 0; i < N_TARGETS; i++) {
        mnas_bundle b;
        if (!find_bundle(&b, i)) continue;
        for (size_t k = 0; k < sizeof archs / sizeof *archs; k++) {
            mnas_model m;
            float *here, *there;
            int n_here, n_there;
            mnas_model_defaults(&m);
            if (mnas_model_set_arch(&m, archs[k]) < 0) fail_msg("%s", mnas_error_message());
            char *request = request_of(archs[k], 32);
            logits_here(&here, &n_here, request);
            char *answer = ask(&b, "logits", request);
            if (mnas_wire_parse_logits(&there, &n_there, answer) < 0)
                fail_msg("%s: %s", b.arch, mnas_error_message());
            assert_int_equal(n_there, n_here);
            double most = 0;
            for (int j = 0; j < n_here; j++) {
                most = fmax(most, fabs((double)here[j]));
                if (!(fabs((double)(here[j] - there[j])) <= 1e-4))
                    fail_msg("%s: logit %d is %g, here %g", b.arch, j, (double)there[j], (double)here[j]);
            }
            assert_true(most > 1e-3); /* not all of them nothing */
            free(here);
            free(there);
            free(answer);
            free(request);
        }
        n_done++;
    }
    if (n_done == 0) skip();
}

/* Where it is emulated it says so, and a latency has all its fields. */
static void test_latency_and_info(void **state) {
    (void)state;
    for (int i = 0; i < N_TARGETS; i++) {
        mnas_bundle b;
        mnas_wire_reply reply;
        mnas_wire_info info;
        if (!find_bundle(&b, i)) continue;
        const bool emulated = getenv("MNAS_AGENT_UNDER") != NULL;
        char *request = request_of("r1_k3_s22_e1_i32_o16", 32), *answer = ask(&b, "latency", request);
        if (mnas_wire_parse_reply(&reply, answer) < 0) fail_msg("%s: %s", b.arch, mnas_error_message());
        free(answer);
        assert_true(reply.emulated == emulated);
        assert_true(reply.round.median_ms > 0);
        assert_int_equal(strncmp(reply.engine, "xnnpack", 7), 0);
        answer = ask(&b, "info", "");
        if (mnas_wire_parse_info(&info, answer) < 0) fail_msg("%s: %s", b.arch, mnas_error_message());
        assert_true(info.emulated == emulated);
        assert_int_equal(strncmp(info.arch, b.arch, 3), 0);
        assert_string_equal(info.version, mnas_version());
        mnas_wire_free_info(&info);
        free(answer);
        free(request);
    }
}

/* The bundle is a folder of files: it runs from anywhere, and needs nothing of the system's. */
static void test_moved(void **state) {
    (void)state;
    for (int i = 0; i < N_TARGETS; i++) {
        mnas_bundle b;
        char folder[600], command[2200];
        if (!find_bundle(&b, i)) continue;
        snprintf(folder, sizeof folder, "%s/moved %d", MNAS_TEST_TMP, (int)getpid());
        snprintf(command, sizeof command, "cp -r '%s' '%s'", b.folder, folder);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "cd '%s' && [ \"$(sh mnas-agent version)\" = '%s' ]", folder,
                 mnas_version());
        /* called without a folder in front, too */
        const int rc = system(command);
        snprintf(command, sizeof command,
                 "cd / && LD_PRELOAD=/nowhere.so sh '%s/mnas-agent' latency r1_k3_s22_e1_i32_o16 "
                 "--input 32 --classes 10 --time 1 --runs 1 --warmup 1 2>/dev/null | grep -q median_ms",
                 folder);
        const int rc_words = system(command);
        snprintf(command, sizeof command, "rm -r '%s'", folder);
        assert_int_equal(system(command), 0);
        assert_int_equal(rc, 0);
        assert_int_equal(rc_words, 0);
    }
}

/* Whoever asked has gone: the program ends, or would disturb the next measurement. And it ends at its limit. */
static void test_ends_with_its_reader(void **state) {
    (void)state;
    for (int i = 0; i < N_TARGETS; i++) {
        mnas_bundle b;
        char command[2200];
        if (!find_bundle(&b, i)) continue;
        const double start_s = mnas_clock_now_s();
        /* the reader ends after a second, the network would take a minute; the shell waits for both */
        snprintf(command, sizeof command,
                 "sh '%s/mnas-agent' latency mnasnet-b1 --time 60000 --runs 20000 2>/dev/null | sleep 0.5",
                 b.folder);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command,
                 "sh '%s/mnas-agent' latency mnasnet-b1 --time 60000 --runs 20000 --limit 1 >/dev/null 2>&1",
                 b.folder);
        assert_int_not_equal(system(command), 0);
        assert_true(mnas_clock_now_s() - start_s < 20);
    }
}

static void test_wrong_words(void **state) {
    (void)state;
    for (int i = 0; i < N_TARGETS; i++) {
        mnas_bundle b;
        char command[1300];
        if (!find_bundle(&b, i)) continue;
        snprintf(command, sizeof command,
                 "sh '%s/mnas-agent' latancy </dev/null 2>&1 | grep -q 'allowed: version'", b.folder);
        assert_int_equal(system(command), 0);
        char *answer = ask(&b, "latency", "not json");
        assert_non_null(strstr(answer, "\"status\":"));
        free(answer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_logits),
        cmocka_unit_test(test_latency_and_info),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_wrong_words),
        cmocka_unit_test(test_ends_with_its_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
