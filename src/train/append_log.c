/* append_log.c - see append_log.h. What an entry is, its caller knows. */
#include "train/append_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* The length to keep of what is there. */
static int cut(mnas_append_log *log, mnas_append_keep keep, const void *user) {
    const void *bytes = NULL;
    size_t n = 0;
    struct stat st;
    if (fstat(log->fd, &st) < 0) return mnas_error_errno("%s", log->path);
    if (!S_ISREG(st.st_mode))
        return mnas_error_set(MNAS_ERR_ARG, "%s is no file; allowed: a file, present or new", log->path);
    if (st.st_size == 0) return 0;
    int rc = mnas_file_map(log->path, &bytes, &n);
    if (rc < 0) return rc;
    const int64_t kept = keep(user, bytes, n);
    mnas_file_unmap(bytes, n);
    if (kept < 0) return mnas_error_context((int)kept, "%s", log->path);
    if (ftruncate(log->fd, kept) < 0) return mnas_error_errno("%s", log->path);
    log->written = kept;
    return 0;
}

int mnas_append_log_open(mnas_append_log *log, const char *path, mnas_append_keep keep, const void *user) {
    *log = (mnas_append_log){.fd = -1};
    int rc = mnas_str_format(log->path, sizeof log->path, "%s", path);
    if (rc < 0) return rc;
    log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK,
                   0666); /* of a pipe without a reader: an error */
    if (log->fd < 0) return mnas_error_errno("%s: cannot be written", path);
    return cut(log, keep, user);
}

/* Always at the same place until all of it is there: half an entry is never followed by another. */
static int flush(mnas_append_log *log) {
    size_t done = 0;
    while (done < log->pending.len) {
        const ssize_t n = pwrite(log->fd, log->pending.data + done, log->pending.len - done,
                                 (off_t)(log->written + (int64_t)done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return mnas_error_errno("%s", log->path);
        done += (size_t)n;
    }
    log->written += (int64_t)done;
    mnas_str_free(&log->pending);
    return 0;
}

int mnas_append_log_add(mnas_append_log *log, const void *bytes, size_t n) {
    mnas_str_append_n(&log->pending, bytes, n);
    if (!mnas_str_ok(&log->pending))
        return mnas_error_set(MNAS_ERR_MEMORY, "%s: out of memory: an entry of %zu bytes", log->path, n);
    return flush(log);
}

int mnas_append_log_sync(mnas_append_log *log) {
    if (log->fd < 0) return 0;
    int rc = flush(log);
    if (rc == 0 && fsync(log->fd) < 0) rc = mnas_error_errno("%s", log->path);
    return rc;
}

void mnas_append_log_close(mnas_append_log *log) {
    if (log->fd >= 0) {
        flush(log);
        close(log->fd);
    }
    mnas_str_free(&log->pending);
    log->fd = -1;
}
