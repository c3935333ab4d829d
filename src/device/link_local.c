/* link_local.c - questions to this machine: `mnas worker KIND`, a process of our own binary each.
 *
 * What is timed is timed alone: measurements of several programs on this machine, or of several threads, take turns by a lock in
 * the cache, a round each.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/proc.h"
#include "device/link.h"

enum { LOOK_AGAIN_MS = 5 };

static bool is_timed(const char *kind) {
    return strcmp(kind, "latency") == 0 || strcmp(kind, "layers") == 0 || strcmp(kind, "peaks") == 0;
}

/* *fd -1 where the cache has no room for a lock: then others are not waited for. */
static int await_lock(int *fd, const char *path, double deadline_s, const volatile bool *cancel) {
    for (;;) {
        const int rc = mnas_lock_try(fd, path, "another measurement");
        if (rc != MNAS_ERR_BUSY) return 0;
        if (cancel && *cancel) return mnas_error_set(MNAS_ERR_CANCELLED, "interrupted");
        if (mnas_clock_now_s() >= deadline_s)
            return mnas_error_set(MNAS_ERR_TIMEOUT, "another measurement on this machine does not end");
        mnas_clock_sleep_ms(LOOK_AGAIN_MS);
    }
}

/* Who is next stands at the door; who has just had a turn finds the door taken, and so cannot be first again. */
static int take_turn(int *fd, double deadline_s, const volatile bool *cancel) {
    char folder[1000], path[1100];
    int door = -1;
    *fd = -1;
    if (mnas_file_cache_dir(folder, sizeof folder) < 0) return 0;
    snprintf(path, sizeof path, "%s/measuring-next", folder);
    int rc = await_lock(&door, path, deadline_s, cancel);
    snprintf(path, sizeof path, "%s/measuring", folder);
    if (rc == 0) rc = await_lock(fd, path, deadline_s, cancel);
    if (door >= 0) close(door);
    return rc;
}

static int ask(void *state, const char *kind, const char *request, double timeout_s,
               const volatile bool *cancel, char **answer) {
    (void)state;
    const char *const argv[] = {mnas_proc_self(), "worker", kind, NULL};
    const double deadline_s = mnas_clock_now_s() + timeout_s;
    int fd = -1;
    *answer = NULL;
    int rc = is_timed(kind) ? take_turn(&fd, deadline_s, cancel) : 0;
    if (rc == 0)
        rc = mnas_proc_run_cancel(argv, request, fmax(0, deadline_s - mnas_clock_now_s()), cancel, answer);
    if (fd >= 0) close(fd);
    return rc;
}

static void nothing_to_close(void *state) {
    (void)state;
}

int mnas_link_open_local(mnas_link *out) {
    static const mnas_link_class local = {.ask = ask, .close = nothing_to_close};
    *out = (mnas_link){.class = &local};
    return 0;
}
