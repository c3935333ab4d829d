/* lock.c - see lock.h: flock, which ends with the process. Not for network file systems that do not know it. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

enum { TRIES = 21, PAUSE_MS = 50, NAME_BYTES = PATH_MAX + 8 };

static int lock_name(char *name, const char *path) {
    char target[PATH_MAX];
    return mnas_str_format(name, NAME_BYTES, "%s.lock", realpath(path, target) ? target : path);
}

static int wait_for(int fd, int tries, const char *name, const char *path, const char *busy) {
    for (int i = 1; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return mnas_error_errno("%s: cannot be locked", name);
        if (i >= tries) return mnas_error_set(MNAS_ERR_BUSY, "%s: %s", path, busy);
        mnas_clock_sleep_ms(PAUSE_MS);
    }
    return 0;
}

static int take(int *fd, int tries, const char *path, const char *busy) {
    char name[NAME_BYTES];
    *fd = -1;
    int rc = lock_name(name, path);
    if (rc < 0) return rc;
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0) return mnas_error_errno("%s: cannot be locked", name);
    if ((rc = wait_for(*fd, tries, name, path, busy)) == 0) return 0;
    close(*fd);
    *fd = -1;
    return rc;
}

int mnas_lock_take(int *fd, const char *path, const char *busy) {
    return take(fd, TRIES, path, busy);
}

int mnas_lock_try(int *fd, const char *path, const char *busy) {
    return take(fd, 1, path, busy);
}

bool mnas_lock_is_held(const char *path) {
    char name[NAME_BYTES];
    if (lock_name(name, path) < 0) return false;
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}
