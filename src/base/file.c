/* file.c - reading with a bound, atomic writing, mapping, folders.
 *
 * It does not parse what it reads. Invariant of a writer: fd >= 0 exactly while there is something to abort.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"
#include "base/str.h"

/* ---- reading ---- */

static int out_of_memory(const char *path, size_t n) {
    return mnas_error_set(MNAS_ERR_MEMORY, "%s: out of memory: %zu bytes wanted", path, n);
}

static int too_large(const char *path, size_t max_bytes) {
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: larger than allowed; at most %zu bytes are expected", path,
                          max_bytes);
}

/* Double *cap, but never beyond max + 1: the one byte that proves that there is more than max. */
static int grow(const char *path, char **data, size_t *cap, size_t max) {
    size_t bigger = *cap ? *cap * 2 : 65536;
    if (bigger > max) bigger = max + 1;
    char *moved = realloc(*data, bigger + 1); /* and the NUL */
    if (!moved) return out_of_memory(path, bigger);
    *data = moved;
    *cap = bigger;
    return 0;
}

/* Sizes that files announce are not believed: /proc files say 0, and a file may grow while it is read. */
static int read_all(int fd, const char *path, size_t max, char **data, size_t *n) {
    size_t cap = 0;
    *n = 0;
    for (;;) {
        int rc = *n == cap ? grow(path, data, &cap, max) : 0;
        if (rc < 0) return rc;
        ssize_t got = read(fd, *data + *n, cap - *n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mnas_error_errno("%s", path);
        if (got == 0) break;
        *n += (size_t)got;
        if (*n > max) return too_large(path, max);
    }
    (*data)[*n] = '\0';
    return 0;
}

#define LARGEST (SIZE_MAX >> 2) /* sums with this do not wrap */

int mnas_file_read(const char *path, size_t max_bytes, char **data, size_t *n) {
    *data = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return mnas_error_errno("%s", path);
    int rc = read_all(fd, path, max_bytes < LARGEST ? max_bytes : LARGEST, data, n);
    close(fd);
    if (rc == 0) return 0;
    free(*data);
    *data = NULL;
    *n = 0;
    return rc;
}

/* Why inflate stopped, in words. */
static int bad_gzip(const char *path, const z_stream *z, int code) {
    if (code == Z_MEM_ERROR) return out_of_memory(path, 0);
    if (code == Z_BUF_ERROR) { /* no progress: nothing is left to read */
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: compressed data ends early", path);
    }
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: damaged gzip data: %s", path, z->msg ? z->msg : zError(code));
}

/* Inflate every member of packed[0..n_packed) (gzip files may be concatenated) behind each other. */
static int inflate_all(const char *path, char *packed, size_t n_packed, size_t max, char **data, size_t *n) {
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return out_of_memory(path, 0); /* 16: gzip with its checksum */
    size_t cap = 0, n_in = 0;
    int rc = grow(path, data, &cap, max), code = Z_OK;
    while (rc == 0 && (code != Z_STREAM_END || n_in < n_packed)) {
        if (code == Z_STREAM_END) inflateReset(&z);
        if (*n == cap && (rc = grow(path, data, &cap, max)) < 0) break;
        size_t in = n_packed - n_in, out = cap - *n;
        z.next_in = (Bytef *)packed + n_in;
        z.avail_in = in < 1 << 30 ? (uInt)in : 1 << 30;
        z.next_out = (Bytef *)*data + *n;
        z.avail_out = out < 1 << 30 ? (uInt)out : 1 << 30;
        code = inflate(&z, Z_NO_FLUSH);
        n_in = (size_t)((char *)z.next_in - packed);
        *n = (size_t)((char *)z.next_out - *data);
        if (*n > max) {
            rc = too_large(path, max);
        } else if (code != Z_OK && code != Z_STREAM_END) {
            rc = bad_gzip(path, &z, code);
        }
    }
    inflateEnd(&z);
    return rc;
}

int mnas_file_read_gz(const char *path, size_t max_bytes, uint8_t **data, size_t *n) {
    char *packed, *plain = NULL;
    size_t n_packed;
    *data = NULL;
    *n = 0;
    if (max_bytes > LARGEST) max_bytes = LARGEST;
    /* what does not compress grows a little */
    int rc = mnas_file_read(path, max_bytes + max_bytes / 1024 + 65536, &packed, &n_packed);
    if (rc < 0) return rc;
    if (n_packed < 2 || memcmp(packed, "\x1f\x8b", 2) != 0) {
        plain = packed;
        packed = NULL;
        *n = n_packed;
        if (n_packed > max_bytes) rc = too_large(path, max_bytes);
    } else {
        rc = inflate_all(path, packed, n_packed, max_bytes, &plain, n);
        if (rc == 0) plain[*n] = '\0';
    }
    free(packed);
    if (rc == 0) {
        *data = (uint8_t *)plain;
        return 0;
    }
    free(plain);
    *n = 0;
    return rc;
}

/* ---- writing ---- */

static void folder_of(const char *path, char folder[1024]) {
    snprintf(folder, 1024, "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash) {
        snprintf(folder, 1024, ".");
    } else {
        slash[slash == folder] = '\0';
    }
}

/* What stands at the path will be replaced: of a link its target, of nothing but a file. */
static int set_target(mnas_file_writer *w, const char *path) {
    struct stat st;
    char target[PATH_MAX];
    if (stat(path, &st) < 0) return mnas_str_format(w->path, sizeof w->path, "%s", path);
    if (S_ISDIR(st.st_mode))
        return mnas_error_set(MNAS_ERR_ARG, "%s is a folder; allowed: a file, present or new", path);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
        return mnas_error_set(MNAS_ERR_ARG, "%s is a device or a pipe; allowed: a file, present or new",
                              path);
    if (!realpath(path, target)) return mnas_error_errno("%s", path);
    return mnas_str_format(w->path, sizeof w->path, "%s", target);
}

/* Nameless where the file system can do that: nothing is left of a process that is killed while it writes. */
int mnas_file_writer_open(mnas_file_writer *w, const char *path) {
    char folder[1024];
    w->fd = -1;
    int rc = set_target(w, path);
    if (rc < 0) return rc;
    path = w->path;
    snprintf(w->tmp, sizeof w->tmp, "%s.tmp.%ld", path, (long)getpid());
    folder_of(path, folder);
    w->fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    w->named = w->fd < 0;
    if (w->named) w->fd = open(w->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return w->fd < 0 ? mnas_error_errno("%s: cannot be written", path) : 0;
}

void mnas_file_writer_abort(mnas_file_writer *w) {
    if (w->fd < 0) return;
    close(w->fd);
    if (w->named) unlink(w->tmp);
    w->fd = -1;
}

/* A link cannot replace a file, a rename can: hence a name of its own on the way. */
static int give_name(mnas_file_writer *w) {
    char link[64];
    if (w->named) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", w->fd);
    unlink(w->tmp); /* of a process that was killed right here and had our number */
    if (linkat(AT_FDCWD, link, AT_FDCWD, w->tmp, AT_SYMLINK_FOLLOW) < 0) return -1;
    w->named = true;
    return 0;
}

static int closed(const mnas_file_writer *w) {
    return mnas_error_set(MNAS_ERR_IO, "%s: an earlier write failed", w->path);
}

/* errno as a status; the temporary is given up, so that half a file can never be committed. */
static int fail(mnas_file_writer *w) {
    int rc = mnas_error_errno("%s", w->path);
    mnas_file_writer_abort(w);
    return rc;
}

int mnas_file_writer_write(mnas_file_writer *w, const void *data, size_t n) {
    if (w->fd < 0) return closed(w);
    const char *p = data;
    while (n) {
        ssize_t done = write(w->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return fail(w);
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* Make the new name durable. The file is whole whether or not this works, so its failure is none of the commit's. */
static void sync_folder(const char *path) {
    char folder[1024];
    folder_of(path, folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

int mnas_file_writer_commit(mnas_file_writer *w) {
    if (w->fd < 0) return closed(w);
    if (fsync(w->fd) < 0 || give_name(w) < 0) return fail(w);
    int fd = w->fd, rc = close(fd);
    w->fd = -1;
    if (rc == 0 && rename(w->tmp, w->path) == 0) {
        sync_folder(w->path);
        return 0;
    }
    rc = mnas_error_errno("%s", w->path);
    unlink(w->tmp);
    return rc;
}

int mnas_file_write_atomic(const char *path, const void *data, size_t n) {
    mnas_file_writer w;
    int rc = mnas_file_writer_open(&w, path);
    if (rc == 0) rc = mnas_file_writer_write(&w, data, n);
    if (rc == 0) rc = mnas_file_writer_commit(&w);
    return rc; /* a failed step has removed the temporary */
}

/* ---- mapping ---- */

int mnas_file_map(const char *path, const void **data, size_t *n) {
    struct stat st;
    int rc = 0;
    *data = NULL;
    *n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return mnas_error_errno("%s", path);
    if (fstat(fd, &st) < 0) {
        rc = mnas_error_errno("%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = mnas_error_set(MNAS_ERR_IO, "%s: not a regular file", path);
    } else if (st.st_size == 0) {
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: the file is empty", path);
    } else {
        void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED) {
            rc = mnas_error_errno("%s: mapping %lld bytes", path, (long long)st.st_size);
        } else {
            *data = memory;
            *n = (size_t)st.st_size;
        }
    }
    close(fd);
    return rc;
}

void mnas_file_unmap(const void *data, size_t n) {
    if (data) munmap((void *)(uintptr_t)data, n);
}

/* ---- names and folders ---- */

bool mnas_file_same(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool mnas_file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

int mnas_file_mkdirs(const char *path) {
    char part[4096];
    struct stat st;
    int rc = mnas_str_format(part, sizeof part, "%s", path);
    if (rc < 0) return rc;
    for (char *p = part + (part[0] == '/');; p++) {
        if (*p != '/' && *p) continue;
        char kept = *p;
        *p = '\0';
        if (part[0] && mkdir(part, 0777) < 0 && errno != EEXIST) {
            int code = errno; /* a folder that exists on a read-only file system is fine */
            if (stat(part, &st) < 0 || !S_ISDIR(st.st_mode)) {
                errno = code;
                return mnas_error_errno("%s", part);
            }
        }
        *p = kept;
        if (!kept) break;
    }
    if (stat(path, &st) < 0) return mnas_error_errno("%s", path);
    if (!S_ISDIR(st.st_mode)) return mnas_error_set(MNAS_ERR_IO, "%s: exists, but is no folder", path);
    return 0;
}

int mnas_file_cache_dir(char *buf, size_t n) {
    const char *own = getenv("MNAS_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int rc;
    if (own && own[0]) {
        rc = mnas_str_format(buf, n, "%s", own);
    } else if (xdg && xdg[0] == '/') { /* the XDG specification: relative ones are ignored */
        rc = mnas_str_format(buf, n, "%s/mnas", xdg);
    } else if (home && home[0]) {
        rc = mnas_str_format(buf, n, "%s/.cache/mnas", home);
    } else {
        return mnas_error_set(MNAS_ERR_MISSING, "no cache folder: HOME is not set; set MNAS_CACHE_DIR");
    }
    return rc < 0 ? rc : mnas_file_mkdirs(buf);
}
