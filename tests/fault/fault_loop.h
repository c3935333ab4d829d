/* fault_loop.h - an operation with its n-th call of a kind failing, n = 1, 2, 3, ... until it is through without a failure.
 * For programs with cmocka included.
 *
 * After each: a status and a message that says what it is about, or the right result in spite of the failure; no child,
 * descriptor, or temporary file is left; the next run without a failure succeeds.
 */
#ifndef MNAS_TEST_FAULT_LOOP_H
#define MNAS_TEST_FAULT_LOOP_H

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "inject.h"

typedef struct fault_case {
    const char *name;
    const char *dir;       /* where no temporary may be left */
    void (*prepare)(void); /* before each run with a failure; may be NULL */
    int (*run)(void);      /* a status */
    void (*check)(void);   /* the result, after every run that says 0; may be NULL */
    void (*check_failed)(
        void);                /* what is there after a failure, before the run that repairs it; may be NULL */
    const char *const *words; /* one of these stands in each message; ends with NULL */
    long
        dense; /* n goes by 1 up to here, by a sixteenth from here on, unless MNAS_FAULT_ALL is set; 0: 100 */
} fault_case;

static inline int fault_n_open(void) {
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

static inline void fault_check_left(const char *dir_path, const char *where) {
    DIR *dir = opendir(dir_path);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strstr(e->d_name, ".tmp.")) fail_msg("%s: %s is left", where, e->d_name);
    if (dir) closedir(dir);
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) fail_msg("%s: a child is left", where);
}

static inline bool fault_has_word(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strstr(text, *words)) return true;
    return false;
}

/* One run with the n-th call of a kind failing; false when that was not reached. */
static inline bool fault_once(const fault_case *c, const char *spec) {
    char where[128];
    snprintf(where, sizeof where, "%s, %s", c->name, spec);
    if (c->prepare) c->prepare();
    const int n_open = fault_n_open();
    mnas_error_set(MNAS_ERR_ARG, "(no message)");
    fault_arm(spec);
    int rc = c->run();
    const bool fired = fault_disarm();
    if (rc < 0 && !fired) fail_msg("%s: not reached, but: %s", where, mnas_error_message());
    if (rc < 0 && !fault_has_word(mnas_error_message(), c->words))
        fail_msg("%s: status %d and the message: %s", where, rc, mnas_error_message());
    if (fault_n_open() != n_open)
        fail_msg("%s: %d descriptors are open, before %d", where, fault_n_open(), n_open);
    fault_check_left(c->dir, where);
    if (rc == 0 && c->check) c->check();
    if (rc < 0 && c->check_failed) c->check_failed();
    if (rc < 0 && (rc = c->run()) < 0)
        fail_msg("%s: the run after it fails with status %d: %s", where, rc, mnas_error_message());
    if (c->check) c->check();
    return fired;
}

/* Returns how many calls of the kind there are. */
static inline long fault_loop(const fault_case *c, const char *kind) {
    const long dense = getenv("MNAS_FAULT_ALL") ? LONG_MAX : c->dense ? c->dense : 100;
    long n = 1, n_runs = 0;
    for (;; n_runs++) {
        char spec[64], on[64];
        snprintf(spec, sizeof spec, "%s:%ld", kind, n);
        if (!fault_once(c, spec)) break;
        snprintf(on, sizeof on, "%s:%ld+", kind, n);
        /* everything fails from then on; a lock that never comes free is waited for, and has a test of its own */
        if (n % 5 == 1 && strcmp(kind, "lock") != 0) fault_once(c, on);
        n += n < dense || n < 16 ? 1 : n / 16;
    }
    print_message("%-24s %-9s failed up to call %ld in %ld runs\n", c->name, kind, n - 1, n_runs);
    return n - 1;
}

#endif
