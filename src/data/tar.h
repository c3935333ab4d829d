/* tar.h - the members of a tar file, one after the other, without reading what lies in them.
 *
 * POSIX ustar with prefixes, pax headers (path and size), GNU's long names and binary sizes. Compressed files are not read. Any bytes
 * give members and then an end or an error; members lie inside the file.
 */
#ifndef MNAS_DATA_TAR_H
#define MNAS_DATA_TAR_H

#include <stddef.h>
#include <stdint.h>

enum { MNAS_TAR_NAME = 1024 };

typedef struct mnas_tar_member {
    char name[MNAS_TAR_NAME]; /* of files; others are passed over */
    uint64_t offset, size;    /* of what lies in it, in the file */
} mnas_tar_member;

typedef struct mnas_tar mnas_tar;

int mnas_tar_open(mnas_tar **out, const char *path);
void mnas_tar_close(mnas_tar *tar);

/* The next file: 1, and 0 at the end. MNAS_ERR_FORMAT where the file is cut short or damaged: nothing follows. */
int mnas_tar_next(mnas_tar *tar, mnas_tar_member *out);

/* n bytes of a member from `offset` of the file on, into out. */
int mnas_tar_read(mnas_tar *tar, uint64_t offset, void *out, size_t n);

#endif
