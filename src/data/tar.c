/* tar.c - headers of a tar file (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").
 *
 * A header is 512 bytes of text fields; what lies in a member follows, filled up to 512. Two blocks of zeros end the file. The
 * headers of small members lie close together: a window of the file is kept, so that they cost one read.
 */
#include "data/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

enum { BLOCK = 512, WINDOW = 4096, MAX_EXTENSION = 1 << 16 };

/* Where the fields of a header begin, and how long they are. */
enum {
    NAME = 0,
    NAME_N = 100,
    SIZE = 124,
    SIZE_N = 12,
    CHECKSUM = 148,
    CHECKSUM_N = 8,
    TYPE = 156,
    MAGIC = 257,
    PREFIX = 345,
    PREFIX_N = 155
};

struct mnas_tar {
    int fd;
    uint64_t at, file_bytes; /* of the next header; of the file */
    uint8_t window[WINDOW];
    uint64_t window_at;
    size_t window_n;
    /* what extension headers say of the next file */
    char name[MNAS_TAR_NAME];
    bool has_name, has_size;
    uint64_t size;
};

/* ---- the file ---- */

int mnas_tar_open(mnas_tar **out, const char *path) {
    struct stat st;
    *out = NULL;
    mnas_tar *tar = calloc(1, sizeof *tar);
    if (!tar) return mnas_error_set(MNAS_ERR_MEMORY, "no memory to read %s", path);
    tar->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is not waited for */
    int rc = tar->fd < 0 || fstat(tar->fd, &st) < 0 ? mnas_error_errno("%s", path) : 0;
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "no file, but a folder, a pipe or a device");
    if (rc < 0) {
        mnas_tar_close(tar);
        return rc;
    }
    tar->file_bytes = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    *out = tar;
    return 0;
}

void mnas_tar_close(mnas_tar *tar) {
    if (!tar) return;
    if (tar->fd >= 0) close(tar->fd);
    free(tar);
}

static int cut_short(const mnas_tar *tar, uint64_t wanted) {
    return mnas_error_set(MNAS_ERR_FORMAT, "cut short: %llu bytes, and %llu are needed",
                          (unsigned long long)tar->file_bytes, (unsigned long long)wanted);
}

static int read_at(const mnas_tar *tar, uint64_t offset, uint8_t *out, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(tar->fd, out + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return mnas_error_errno("byte %llu", (unsigned long long)(offset + done));
        if (got == 0) return cut_short(tar, offset + n);
        done += (size_t)got;
    }
    return 0;
}

int mnas_tar_read(mnas_tar *tar, uint64_t offset, void *out, size_t n) {
    if (offset > tar->file_bytes || n > tar->file_bytes - offset) return cut_short(tar, offset + n);
    if (n > WINDOW) return read_at(tar, offset, out, n);
    if (offset < tar->window_at || offset + n > tar->window_at + tar->window_n) {
        uint64_t left = tar->file_bytes - offset;
        tar->window_n = left < WINDOW ? (size_t)left : WINDOW;
        tar->window_at = offset;
        int rc = read_at(tar, offset, tar->window, tar->window_n);
        if (rc < 0) {
            tar->window_n = 0;
            return rc;
        }
    }
    memcpy(out, tar->window + (offset - tar->window_at), n);
    return 0;
}

/* ---- fields ---- */

static int damaged(uint64_t at, const char *what) {
    return mnas_error_set(MNAS_ERR_FORMAT, "damaged at byte %llu: %s", (unsigned long long)at, what);
}

/* Octal digits, blanks around them; or, where the first bit is set, a binary number with the highest byte first. */
static bool read_number(uint64_t *out, const uint8_t *field, size_t n) {
    *out = 0;
    if (field[0] & 0x80) {
        for (size_t i = 0; i < n; i++) {
            if (*out >> 55) return false;
            *out = *out << 8 | (i == 0 ? field[i] & 0x7f : field[i]);
        }
        return true;
    }
    size_t i = 0;
    while (i < n && field[i] == ' ') i++;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) *out = *out << 3 | (uint64_t)(field[i] - '0');
    return i == n || field[i] == ' ' || field[i] == '\0';
}

/* All bytes added, those of the checksum itself as blanks. Old programs added signed bytes. */
static bool is_header(const uint8_t *block) {
    uint64_t stored;
    int64_t sum = 0, signed_sum = 0;
    if (!read_number(&stored, block + CHECKSUM, CHECKSUM_N)) return false;
    for (int i = 0; i < BLOCK; i++) {
        uint8_t byte = i >= CHECKSUM && i < CHECKSUM + CHECKSUM_N ? ' ' : block[i];
        sum += byte, signed_sum += (int8_t)byte;
    }
    return (int64_t)stored == sum || (int64_t)stored == signed_sum;
}

static bool is_zero(const uint8_t *block) {
    for (int i = 0; i < BLOCK; i++)
        if (block[i]) return false;
    return true;
}

static int read_name(mnas_tar_member *out, const mnas_tar *tar, const uint8_t *block) {
    const char *name = (const char *)block + NAME, *prefix = (const char *)block + PREFIX;
    if (tar->has_name) return mnas_str_format(out->name, sizeof out->name, "%s", tar->name);
    bool posix = memcmp(block + MAGIC, "ustar\0", 6) == 0 && *prefix;
    return mnas_str_format(out->name, sizeof out->name, "%.*s%s%.*s", posix ? PREFIX_N : 0, prefix,
                           posix ? "/" : "", NAME_N, name);
}

/* ---- extension headers ---- */

static void keep_name(mnas_tar *tar, const char *name, size_t n) {
    /* A longer one is no name that anybody gave an image: the short name in the header serves. */
    if (n >= sizeof tar->name) return;
    memcpy(tar->name, name, n);
    tar->name[n] = '\0';
    tar->has_name = true;
}

/* "LENGTH KEY=VALUE\n", LENGTH of all of it. */
static bool read_pax_record(mnas_tar *tar, const char *text, size_t left, size_t *used) {
    char *blank;
    unsigned long n = strtoul(text, &blank, 10);
    if (n == 0 || n > left || *blank != ' ' || text[n - 1] != '\n') return false;
    const char *key = blank + 1, *end = text + n - 1;
    const char *equals = key < end ? memchr(key, '=', (size_t)(end - key)) : NULL;
    if (!equals) return false;
    size_t n_key = (size_t)(equals - key), n_value = (size_t)(end - equals - 1);
    if (n_key == 4 && memcmp(key, "path", 4) == 0) keep_name(tar, equals + 1, n_value);
    if (n_key == 4 && memcmp(key, "size", 4) == 0) {
        char *stop;
        unsigned long long size = strtoull(equals + 1, &stop, 10);
        if (stop != end || stop == equals + 1) return false;
        tar->size = size, tar->has_size = true;
    }
    *used = n;
    return true;
}

static int read_extension(mnas_tar *tar, char type, uint64_t at, uint64_t size) {
    if (size == 0 || size > MAX_EXTENSION) return damaged(at, "the size of a header's extension");
    char *text = malloc((size_t)size + 1);
    if (!text) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a header");
    int rc = mnas_tar_read(tar, at, text, (size_t)size);
    text[size] = '\0';
    if (rc == 0 && type == 'L') keep_name(tar, text, strlen(text));
    for (size_t done = 0, used = 0; rc == 0 && type == 'x' && done < size; done += used)
        if (!read_pax_record(tar, text + done, (size_t)size - done, &used))
            rc = damaged(at + done, "a pax record");
    free(text);
    return rc;
}

/* ---- members ---- */

/* Devices, folders and links have nothing inside, whatever their size field says. */
static bool has_data(char type) {
    return !(type >= '1' && type <= '6');
}

static int check_sizes(const mnas_tar *tar, uint64_t at, uint64_t size) {
    if (size > tar->file_bytes || at + size > tar->file_bytes) return cut_short(tar, at + size);
    return 0;
}

int mnas_tar_next(mnas_tar *tar, mnas_tar_member *out) {
    uint8_t block[BLOCK];
    for (;;) {
        int rc = mnas_tar_read(tar, tar->at, block, BLOCK);
        if (rc < 0) return rc;
        if (is_zero(block)) return 0;
        uint64_t size, at = tar->at + BLOCK;
        if (!is_header(block)) return damaged(tar->at, "no header");
        if (!read_number(&size, block + SIZE, SIZE_N)) return damaged(tar->at, "the size of a member");
        char type = (char)block[TYPE];
        bool extends = type == 'x' || type == 'g' || type == 'L' || type == 'K';
        if (!extends && tar->has_size) size = tar->size;
        if (!has_data(type)) size = 0;
        if ((rc = check_sizes(tar, at, size)) < 0) return rc;
        if (type == 'x' || type == 'L') rc = read_extension(tar, type, at, size);
        if (rc < 0) return rc;
        tar->at = at + (size + BLOCK - 1) / BLOCK * BLOCK;
        if (extends) continue;
        bool is_file = type == '0' || type == '\0' || type == '7';
        rc = is_file ? read_name(out, tar, block) : 0;
        tar->has_name = tar->has_size = false;
        if (rc < 0) return rc;
        if (!is_file) continue;
        out->offset = at, out->size = size;
        return 1;
    }
}
