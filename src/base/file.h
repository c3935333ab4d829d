/* file.h - whole files: read, mapped, and written so that a reader sees the old one or the new one, never half. */
#ifndef MNAS_BASE_FILE_H
#define MNAS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read at most max_bytes (MNAS_ERR_FORMAT when larger). *data is malloc'ed with a NUL behind it; free() it. */
int mnas_file_read(const char *path, size_t max_bytes, char **data, size_t *n);

/* The same for a file that may be gzip-compressed (by its magic); max_bytes bounds the decompressed size, so that a bomb
 * or a lying trailer ends in an error. */
int mnas_file_read_gz(const char *path, size_t max_bytes, uint8_t **data, size_t *n);

/* Write to a nameless file, fsync, name it `path`.tmp.<pid>, rename, fsync the folder. On failure the old file is intact and
 * nothing else left; nor is it after kill -9, except where a file system knows no nameless files. */
int mnas_file_write_atomic(const char *path, const void *data, size_t n);

/* The same in pieces; commit or abort ends it. */
typedef struct mnas_file_writer {
    int fd;
    bool named; /* the temporary stands in the folder */
    char path[1024], tmp[1080];
} mnas_file_writer;
int mnas_file_writer_open(mnas_file_writer *w, const char *path);
int mnas_file_writer_write(mnas_file_writer *w, const void *data, size_t n);
int mnas_file_writer_commit(mnas_file_writer *w);
void mnas_file_writer_abort(mnas_file_writer *w); /* safe after commit */

/* Map a whole file read-only and shared. n = 0 is an error. */
int mnas_file_map(const char *path, const void **data, size_t *n);
void mnas_file_unmap(const void *data, size_t n);

bool mnas_file_exists(const char *path);
bool mnas_file_same(const char *a, const char *b); /* both are there and are one file */
int mnas_file_mkdirs(const char *path);            /* as mkdir -p */
/* $XDG_CACHE_HOME/mnas or ~/.cache/mnas, created; MNAS_CACHE_DIR overrides. */
int mnas_file_cache_dir(char *buf, size_t n);

#endif
