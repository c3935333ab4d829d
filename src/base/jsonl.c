/* jsonl.c - see jsonl.h. It knows nothing of what the objects mean. */
#include "base/jsonl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

/* ---- reading ---- */

static int read_line(const char *text, size_t n, int line, mnas_jsonl_reader *read, void *user) {
    json_error_t error;
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!object) return mnas_error_set(MNAS_ERR_FORMAT, "no JSON object: %s", error.text);
    const int rc = read(user, object, line);
    json_decref(object);
    return rc;
}

static int leave_incomplete(const char *path, size_t n_whole, int line, bool mend) {
    mnas_log_warn("%s:%d: the last line is incomplete and %s", path, line, mend ? "taken off" : "ignored");
    if (!mend || truncate(path, (off_t)n_whole) == 0) return 0;
    return mnas_error_errno("%s: cannot take off its last line", path);
}

int mnas_jsonl_read(const char *path, size_t max_bytes, bool mend, mnas_jsonl_reader *read, void *user) {
    char *text;
    size_t n;
    int rc = mnas_file_read(path, max_bytes, &text, &n), line = 1;
    if (rc < 0) return rc;
    const char *at = text, *end;
    for (; rc == 0 && (end = memchr(at, '\n', (size_t)(text + n - at))); line++) {
        if (end > at) rc = read_line(at, (size_t)(end - at), line, read, user);
        if (rc < 0) mnas_error_context(rc, "%s:%d", path, line);
        at = end + 1;
    }
    if (rc == 0 && at < text + n) rc = leave_incomplete(path, (size_t)(at - text), line, mend);
    free(text);
    return rc;
}

/* ---- appending ---- */

/* Ours must not grow onto a line that a killed writer has left without its end. */
static int check_last_line(int fd, const char *path) {
    char last = '\n';
    const off_t size = lseek(fd, 0, SEEK_END);
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return mnas_error_errno("%s: cannot read its end", path);
    if (last == '\n') return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: its last line is incomplete; remove that line first", path);
}

static int append_text(const char *path, const char *text, size_t n) {
    const int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) return mnas_error_errno("%s: cannot append", path);
    int rc = check_last_line(fd, path);
    if (rc < 0) goto out;
    const ssize_t written = write(fd, text, n);
    if (written < 0)
        rc = mnas_error_errno("%s: cannot append", path);
    else if ((size_t)written < n)
        rc = mnas_error_set(MNAS_ERR_FULL, "%s: only %zd of %zu bytes could be appended", path, written, n);
    else if (fsync(fd) < 0)
        rc = mnas_error_errno("%s: cannot sync", path);
out:
    close(fd);
    return rc;
}

int mnas_jsonl_append(const char *path, json_t *object) {
    char *json = object ? mnas_json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    mnas_str text = {0};
    json_decref(object);
    if (json) mnas_str_appendf(&text, "%s\n", json);
    const int rc = json && mnas_str_ok(&text)
                       ? append_text(path, text.data, text.len)
                       : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a line of %s", path);
    mnas_str_free(&text);
    free(json);
    return rc;
}
