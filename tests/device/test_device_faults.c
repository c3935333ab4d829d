/* test_device_faults.c - the plug is pulled at every stage, of ssh and of adb: what the question then answers, that nothing half
 * remains there, and that the next question works when the device is back.
 *
 * The programs there are shell scripts, so that nothing needs to be built; ssh, sshd and adb are the real ones.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "device/link_adb.h"
#include "device/link_ssh.h"
#include "stand_ins.h"

/* One way to a device, and what can happen to it. */
typedef struct way {
    const char *name;
    const char *missing; /* why it cannot be tested; NULL: it can */
    mnas_link link;
    void (*plug)(void);
    void (*unplug)(void);
    void (*fill)(bool full);
    /* Arms a pull: while the program is brought there; when it is to start; when it has begun to answer. */
    void (*pull_upload)(void), (*pull_start)(void), (*pull_answer)(void);
    void (*stall)(bool stalled);
    const char *(*folder)(void);
} way;

static char plan[600];
static mnas_ssh_options ssh_options;
static mnas_adb_options adb_options;

/* What the program there does before its next answer, once. */
static void write_plan(const char *commands) {
    char text[1000];
    snprintf(text, sizeof text, "rm '%s'\n%s\n", plan, commands);
    assert_int_equal(mnas_file_write_atomic(plan, text, strlen(text)), 0);
}

static void ssh_pull_upload(void) {
    cable_pull_after(1000000);
}
static void ssh_pull_start(void) {
    char text[100];
    snprintf(text, sizeof text, "kill -9 -%d; sleep 5", (int)cable_group());
    write_plan(text);
}
static void ssh_pull_answer(void) {
    char text[100];
    snprintf(text, sizeof text, "echo half; sleep 0.1; kill -9 -%d; sleep 5", (int)cable_group());
    write_plan(text);
}
static void adb_pull_upload(void) {
    phone_misbehave("drop push");
}
static void adb_pull_start(void) {
    phone_misbehave("drop shell");
}
static void adb_pull_answer(void) {
    phone_misbehave("drop answer");
}
static void adb_stall(bool stalled) {
    phone_misbehave(stalled ? "stall shell" : NULL);
}
static void adb_fill(bool full) {
    phone_misbehave(full ? "full" : NULL);
}

static way ways[] = {
    {.name = "ssh",
     .plug = cable_plug,
     .unplug = cable_pull,
     .fill = machine_fill,
     .pull_upload = ssh_pull_upload,
     .pull_start = ssh_pull_start,
     .pull_answer = ssh_pull_answer,
     .stall = cable_stall,
     .folder = machine_folder},
    {.name = "adb",
     .plug = phone_plug,
     .unplug = phone_unplug,
     .fill = adb_fill,
     .pull_upload = adb_pull_upload,
     .pull_start = adb_pull_start,
     .pull_answer = adb_pull_answer,
     .stall = adb_stall,
     .folder = phone_folder},
};
enum { N_WAYS = sizeof ways / sizeof *ways };

static int set_up(void **state) {
    (void)state;
    char body[1500], spec[512];
    stand_in_begin();
    snprintf(plan, sizeof plan, "%s/plan", stand_in_folder());
    snprintf(body, sizeof body, "/bin/cat >/dev/null\n[ ! -e '%s' ] || . '%s'\necho \"answer to $1\"", plan,
             plan);
    const char *bundles = fake_bundles(body);
    if ((ways[0].missing = machine_start(spec, bundles)) == NULL) {
        snprintf(ssh_options.host, sizeof ssh_options.host, "stand-in");
        snprintf(ssh_options.config, sizeof ssh_options.config, "%s", machine_config());
        snprintf(ssh_options.agent, sizeof ssh_options.agent, "%s", bundles);
    }
    if ((ways[1].missing = phone_start(spec, bundles)) == NULL) {
        sscanf(spec, "adb:serial=%1023[^,]", adb_options.serial);
        snprintf(adb_options.agent, sizeof adb_options.agent, "%s", bundles);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stand_in_end();
    return 0;
}

/* A fresh link each, to a device that knows nothing of us. */
static bool open_way(way *w) {
    char command[700];
    if (w->missing) {
        printf("skipped: %s: %s\n", w->name, w->missing);
        return false;
    }
    snprintf(command, sizeof command, "rm -rf '%s/mnas'", w->folder());
    assert_int_equal(system(command), 0);
    w->plug();
    const int rc = w == &ways[0] ? mnas_link_open_ssh(&w->link, &ssh_options)
                                 : mnas_link_open_adb(&w->link, &adb_options);
    if (rc < 0) fail_msg("%s: %s", w->name, mnas_error_message());
    return true;
}

static void close_way(way *w) {
    w->link.class->close(w->link.state);
    assert_int_equal(n_zombies(), 0);
}

static int ask_for(way *w, double timeout_s, const volatile bool *cancel, char **answer) {
    return w->link.class->ask(w->link.state, "latency", "{}", timeout_s, cancel, answer);
}

static void expect_answer(way *w) {
    char *answer;
    const int rc = ask_for(w, 30, NULL, &answer);
    if (rc < 0) fail_msg("%s: %s", w->name, mnas_error_message());
    assert_string_equal(answer, "answer to latency\n");
    free(answer);
}

static void expect_failure(way *w, int status) {
    char *answer;
    const int rc = ask_for(w, 30, NULL, &answer);
    if (rc != status) fail_msg("%s: %d (%s)", w->name, rc, mnas_error_message());
    assert_null(answer);
    assert_true(mnas_error_message()[0] != '\0');
}

/* What lies there: whole programs, and halves. */
static int count_there(const way *w, const char *pattern) {
    char command[800], text[32] = "";
    snprintf(command, sizeof command, "ls -d '%s'/mnas/%s 2>/dev/null | wc -l", w->folder(), pattern);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    pclose(f);
    return atoi(text);
}

static void test_answers(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        for (int i = 0; i < 3; i++) expect_answer(w);
        assert_int_equal(count_there(w, "agent-*"), 1);
        close_way(w);
    }
}

static void test_pulled_in_upload(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        w->pull_upload();
        expect_failure(w, MNAS_ERR_DEVICE);
        assert_int_equal(count_there(w, "agent-*[0-9a-f]/mnas-agent"),
                         0); /* no half program under a whole one's name */
        w->unplug();
        w->plug();
        expect_answer(w);
        close_way(w);
    }
}

static void test_pulled_at_start_and_in_answer(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        expect_answer(w);
        for (int i = 0; i < 2; i++) {
            (i == 0 ? w->pull_start : w->pull_answer)();
            expect_failure(w, MNAS_ERR_DEVICE);
            w->unplug();
            w->plug();
            expect_answer(w);
        }
        close_way(w);
    }
}

static void test_pulled_between(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        expect_answer(w);
        w->unplug();
        for (int i = 0; i < 2; i++) expect_failure(w, MNAS_ERR_DEVICE);
        w->plug();
        expect_answer(w);
        close_way(w);
    }
}

static void test_never_there(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        w->unplug();
        expect_failure(w, MNAS_ERR_DEVICE);
        w->plug();
        expect_answer(w);
        close_way(w);
    }
}

/* Time that ends before the connection stands has ended, whatever the way. */
static void test_no_time(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        char *answer;
        if (!open_way(w)) continue;
        assert_int_equal(ask_for(w, 0.001, NULL, &answer), MNAS_ERR_TIMEOUT);
        expect_answer(w);
        close_way(w);
    }
}

/* A line that says nothing more is told by the clock alone. */
static void test_stalls(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        char *answer;
        if (!open_way(w)) continue;
        expect_answer(w);
        w->stall(true);
        const double start_s = mnas_clock_now_s();
        assert_int_equal(ask_for(w, 1, NULL, &answer), MNAS_ERR_TIMEOUT);
        assert_true(mnas_clock_now_s() - start_s < 3);
        w->stall(false);
        w->unplug();
        w->plug();
        expect_answer(w);
        close_way(w);
    }
}

static volatile bool cancelled;
static void *cancel_soon(void *unused) {
    (void)unused;
    mnas_clock_sleep_ms(500);
    cancelled = true;
    return NULL;
}

static void test_cancelled(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        pthread_t thread;
        char *answer;
        if (!open_way(w)) continue;
        expect_answer(w);
        write_plan("sleep 4");
        cancelled = false;
        const double start_s = mnas_clock_now_s();
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
        assert_int_equal(ask_for(w, 30, &cancelled, &answer), MNAS_ERR_CANCELLED);
        assert_true(mnas_clock_now_s() - start_s < 1.5);
        pthread_join(thread, NULL);
        assert_int_equal(ask_for(w, 30, &cancelled, &answer), MNAS_ERR_CANCELLED); /* still */
        expect_answer(w);
        close_way(w);
    }
}

static void test_full(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        w->fill(true);
        expect_failure(w, MNAS_ERR_FULL);
        assert_non_null(strstr(mnas_error_message(), "space"));
        w->fill(false);
        expect_answer(w);
        assert_int_equal(count_there(w, "agent-*.new*"), 0);
        close_way(w);
    }
}

/* The program fails, the way is well: what it said is passed on, and the next question needs no new connection. */
static void test_program_fails(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        if (!open_way(w)) continue;
        expect_answer(w);
        write_plan("echo it hurts >&2; exit 3");
        expect_failure(w, MNAS_ERR_DEVICE);
        assert_non_null(strstr(mnas_error_message(), "it hurts"));
        write_plan("exit 0");
        expect_failure(w, MNAS_ERR_DEVICE);
        expect_answer(w);
        close_way(w);
    }
}

/* Somebody cleans up there between two questions. */
static void test_program_removed(void **state) {
    (void)state;
    for (way *w = ways; w < ways + N_WAYS; w++) {
        char command[700];
        if (!open_way(w)) continue;
        expect_answer(w);
        snprintf(command, sizeof command, "rm -rf '%s/mnas'", w->folder());
        assert_int_equal(system(command), 0);
        expect_failure(w, MNAS_ERR_DEVICE);
        expect_answer(w);
        close_way(w);
    }
}

static void test_nothing_left_here(void **state) {
    (void)state;
    char command[600];
    snprintf(command, sizeof command, "[ -z \"$(ls -A '%s/tmp' | grep mnas)\" ]", stand_in_folder());
    assert_int_equal(system(command), 0); /* sockets of ssh */
    assert_int_equal(n_zombies(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_pulled_in_upload),
        cmocka_unit_test(test_pulled_at_start_and_in_answer),
        cmocka_unit_test(test_pulled_between),
        cmocka_unit_test(test_never_there),
        cmocka_unit_test(test_no_time),
        cmocka_unit_test(test_stalls),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_program_fails),
        cmocka_unit_test(test_program_removed),
        cmocka_unit_test(test_nothing_left_here),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
