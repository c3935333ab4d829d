/* lease.c - see lease.h. Files, all in leases/ of the cache: NAME.lock is the lock and holds the pid of who has it,
 * NAME.TIME.PID.wait is a place in the queue, older places first.
 *
 * TIME is the monotonic clock's, which all processes of a machine share; places from before a restart are stale by the date of
 * their files.
 */
#include "device/lease.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/str.h"

enum { PATH_BYTES = 1200 };
static const double stale_s = 5, show_s = 1;

int mnas_lease_open(mnas_lease *lease, const char *identity) {
    char cache[1000];
    *lease = (mnas_lease){.fd = -1};
    snprintf(lease->name, sizeof lease->name, "%016llx",
             (unsigned long long)mnas_hash_bytes(MNAS_HASH_INIT, identity, strlen(identity)));
    int rc = mnas_file_cache_dir(cache, sizeof cache);
    if (rc == 0) rc = mnas_str_format(lease->folder, sizeof lease->folder, "%s/leases", cache);
    return rc < 0 ? rc : mnas_file_mkdirs(lease->folder);
}

static void path_of(const mnas_lease *lease, const char *name, char path[PATH_BYTES]) {
    snprintf(path, PATH_BYTES, "%s/%s", lease->folder, name);
}

/* ---- the queue ---- */

static bool is_alive(const char *path) {
    struct stat st;
    if (stat(path, &st) < 0) return false;
    const double age_s = (double)mnas_clock_unix_ms() / 1e3 - (double)st.st_mtim.tv_sec;
    return fabs(age_s) <
           stale_s + 1; /* 1: the part of a second that tv_sec leaves out; negative: the clock was put back */
}

/* Of this phone's queue, and before us. */
static bool is_before(const mnas_lease *lease, const char *name) {
    const size_t n = strlen(name), own = strlen(lease->name);
    if (strncmp(name, lease->name, own) != 0 || n < own + 5 || strcmp(name + n - 5, ".wait") != 0)
        return false;
    return !lease->ticket[0] || strcmp(name, lease->ticket) < 0;
}

static bool somebody_is_before(const mnas_lease *lease) {
    char path[PATH_BYTES];
    bool found = false;
    DIR *dir = opendir(lease->folder);
    if (!dir) return false;
    for (const struct dirent *entry; !found && (entry = readdir(dir));) {
        if (!is_before(lease, entry->d_name)) continue;
        path_of(lease, entry->d_name, path);
        found = is_alive(path);
        if (!found) unlink(path);
    }
    closedir(dir);
    return found;
}

/* Somebody may have taken us for dead and removed the file: then it is made again, in its old place. */
static int stand_in_queue(mnas_lease *lease) {
    char path[PATH_BYTES];
    const double now_s = mnas_clock_now_s();
    if (lease->ticket[0] && now_s - lease->shown_s < show_s) return 0;
    if (!lease->ticket[0])
        snprintf(lease->ticket, sizeof lease->ticket, "%s.%020lld.%ld.wait", lease->name,
                 (long long)mnas_clock_now_ns(), (long)getpid());
    path_of(lease, lease->ticket, path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return mnas_error_errno("%s: cannot wait for a device", path);
    futimens(fd, NULL);
    close(fd);
    lease->shown_s = now_s;
    return 0;
}

void mnas_lease_leave(mnas_lease *lease) {
    char path[PATH_BYTES];
    if (!lease->ticket[0]) return;
    path_of(lease, lease->ticket, path);
    unlink(path);
    lease->ticket[0] = '\0';
}

/* ---- the lock ---- */

/* For people who ask who has it; the lock holds without. Padded, so that nothing of a longer number is left. */
static void write_holder(int fd) {
    char text[32];
    const int n = snprintf(text, sizeof text, "%-20ld\n", (long)getpid());
    const ssize_t written = pwrite(fd, text, (size_t)n, 0);
    (void)written;
}

int mnas_lease_ask(mnas_lease *lease, bool *taken) {
    char path[PATH_BYTES];
    *taken = false;
    if (somebody_is_before(lease)) return stand_in_queue(lease);
    path_of(lease, lease->name, path);
    const int rc = mnas_lock_try(&lease->fd, path, "leased");
    if (rc == MNAS_ERR_BUSY) return stand_in_queue(lease);
    if (rc < 0) return rc;
    write_holder(lease->fd);
    mnas_lease_leave(lease);
    *taken = true;
    return 0;
}

void mnas_lease_return(mnas_lease *lease) {
    mnas_lease_leave(lease);
    if (lease->fd >= 0) close(lease->fd);
    lease->fd = -1;
}

int mnas_lease_holder(const mnas_lease *lease) {
    char path[PATH_BYTES], *text;
    size_t n;
    path_of(lease, lease->name, path);
    if (!mnas_lock_is_held(path)) return 0;
    snprintf(path, sizeof path, "%s/%s.lock", lease->folder, lease->name);
    if (mnas_file_read(path, 64, &text, &n) < 0) return -1;
    const int pid = atoi(text);
    free(text);
    return pid > 0 ? pid : -1;
}
