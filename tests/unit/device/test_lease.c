/* test_lease.c - one holder at a time, first come first served, and nobody waits for the dead or the stopped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "device/lease.h"

static char folder[900];

static int set_up(void **state) {
    (void)state;
    static int n;
    snprintf(folder, sizeof folder, "%s/lease-%ld-%d", MNAS_TEST_TMP, (long)getpid(), n++);
    assert_int_equal(mnas_file_mkdirs(folder), 0);
    return setenv("MNAS_CACHE_DIR", folder, 1);
}

static int tear_down(void **state) {
    (void)state;
    char command[1000];
    assert_non_null(strstr(folder, "/lease-"));
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

static bool ask(mnas_lease *lease) {
    bool taken;
    assert_int_equal(mnas_lease_ask(lease, &taken), 0);
    return taken;
}

static mnas_lease opened(const char *identity) {
    mnas_lease lease;
    assert_int_equal(mnas_lease_open(&lease, identity), 0);
    return lease;
}

/* The file of its place in the queue. */
static const char *ticket_path(const mnas_lease *lease) {
    static char path[2000];
    assert_true(lease->ticket[0] != '\0');
    snprintf(path, sizeof path, "%s/%s", lease->folder, lease->ticket);
    return path;
}

static void set_date(const mnas_lease *lease, long from_now_s) {
    const time_t when = time(NULL) + from_now_s;
    const struct timespec then[2] = {{.tv_sec = when}, {.tv_sec = when}};
    assert_int_equal(utimensat(AT_FDCWD, ticket_path(lease), then, 0), 0);
}

static void make_stale(const mnas_lease *lease) {
    set_date(lease, -60);
}

static void test_one_holder(void **state) {
    (void)state;
    mnas_lease a = opened("phone"), b = opened("phone"), other = opened("another phone");
    assert_int_equal(mnas_lease_holder(&a), 0);
    assert_true(ask(&a));
    assert_false(ask(&b));
    assert_true(ask(&other));
    assert_int_equal(mnas_lease_holder(&b), getpid());
    mnas_lease_return(&a);
    assert_int_equal(mnas_lease_holder(&b), 0);
    assert_true(ask(&b));
    mnas_lease_return(&b);
    mnas_lease_return(&other);
    mnas_lease_return(&other); /* once more does no harm */
}

static void test_first_come_first_served(void **state) {
    (void)state;
    mnas_lease holder = opened("phone"), first = opened("phone"), second = opened("phone"),
               late = opened("phone");
    assert_true(ask(&holder));
    assert_false(ask(&first));
    assert_false(ask(&second));
    mnas_lease_return(&holder);
    assert_false(ask(&late));
    assert_false(ask(&second));
    assert_true(ask(&first));
    mnas_lease_return(&first);
    assert_false(ask(&first)); /* behind, now */
    assert_false(ask(&late));
    assert_true(ask(&second));
    mnas_lease_return(&second);
    mnas_lease_leave(&late); /* does not want it any more */
    assert_true(ask(&first));
    mnas_lease_return(&first);
}

static void test_stopped_ones_are_passed_over(void **state) {
    (void)state;
    mnas_lease holder = opened("phone"), stopped = opened("phone"), next = opened("phone");
    assert_true(ask(&holder));
    assert_false(ask(&stopped));
    assert_false(ask(&next));
    mnas_lease_return(&holder);
    assert_false(ask(&next));
    make_stale(&stopped);
    assert_true(ask(&next));
    assert_false(mnas_file_exists(ticket_path(&stopped)));
    /* it goes on, and has its old place again as soon as it has shown itself */
    stopped.shown_s -= 2;
    assert_false(ask(&stopped));
    assert_true(mnas_file_exists(ticket_path(&stopped)));
    mnas_lease_return(&next);
    assert_false(ask(&next));
    assert_true(ask(&stopped));
    mnas_lease_return(&stopped);
    mnas_lease_return(&next);
}

/* The clock was put back after it died: it is not waited for until the old time comes again. */
static void test_places_of_the_future_are_stale(void **state) {
    (void)state;
    mnas_lease dead = opened("phone"), next = opened("phone"), holder = opened("phone");
    assert_true(ask(&holder));
    assert_false(ask(&dead));
    assert_false(ask(&next));
    mnas_lease_return(&holder);
    set_date(&dead, 3600);
    assert_true(ask(&next));
    mnas_lease_return(&next);
    mnas_lease_leave(&dead);
}

static void test_asking_keeps_the_place(void **state) {
    (void)state;
    struct stat st;
    mnas_lease holder = opened("phone"), waiter = opened("phone");
    assert_true(ask(&holder));
    assert_false(ask(&waiter));
    make_stale(&waiter);
    waiter.shown_s -= 2;
    assert_false(ask(&waiter));
    assert_int_equal(stat(ticket_path(&waiter), &st), 0);
    assert_true(time(NULL) - st.st_mtim.tv_sec < 10);
    mnas_lease_return(&waiter);
    mnas_lease_return(&holder);
}

static void test_the_kernel_takes_it_back(void **state) {
    (void)state;
    int ready[2], status;
    char byte;
    assert_int_equal(pipe(ready), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        mnas_lease lease;
        bool taken = false;
        if (mnas_lease_open(&lease, "phone") < 0 || mnas_lease_ask(&lease, &taken) < 0 || !taken) _exit(1);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        alarm(30); /* should we fail and leave it alone */
        for (;;) pause();
    }
    assert_true(pid > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    mnas_lease lease = opened("phone");
    assert_false(ask(&lease));
    assert_int_equal(mnas_lease_holder(&lease), pid);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(mnas_lease_holder(&lease), 0);
    assert_true(ask(&lease));
    mnas_lease_return(&lease);
    close(ready[0]);
    close(ready[1]);
}

static void test_no_folder(void **state) {
    (void)state;
    mnas_lease lease;
    char path[1000];
    snprintf(path, sizeof path, "%s/file", folder);
    assert_int_equal(mnas_file_write_atomic(path, "", 0), 0);
    setenv("MNAS_CACHE_DIR", path, 1);
    assert_true(mnas_lease_open(&lease, "phone") < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_holder),
        TEST(test_first_come_first_served),
        TEST(test_stopped_ones_are_passed_over),
        TEST(test_places_of_the_future_are_stale),
        TEST(test_asking_keeps_the_place),
        TEST(test_the_kernel_takes_it_back),
        TEST(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
