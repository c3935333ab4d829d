/* append_log.h - a file that a training appends to, and that a resumed training cuts back to where it goes on.
 *
 * What cannot be written (a full disk) is kept in memory and tried again with the next entry, so that nothing is missing when there
 * is room again. An entry is in the file after append as far as kill -9 is concerned, after sync also when the power fails.
 */
#ifndef MNAS_TRAIN_APPEND_LOG_H
#define MNAS_TRAIN_APPEND_LOG_H

#include <stdint.h>

#include "base/str.h"

typedef struct mnas_append_log {
    int fd;
    int64_t
        written; /* bytes that are sound: what follows in the file is half an entry, and is written over */
    mnas_str pending;
    char path[1024];
} mnas_append_log;

/* How many of a file's first bytes are entries to be kept; negative: the file is none of ours, with a message. */
typedef int64_t (*mnas_append_keep)(const void *user, const uint8_t *bytes, size_t n);

/* Created where it is missing. Release with mnas_append_log_close, also after a failure. */
int mnas_append_log_open(mnas_append_log *log, const char *path, mnas_append_keep keep, const void *user);
/* The status is that of writing; the entry is not lost. */
int mnas_append_log_add(mnas_append_log *log, const void *bytes, size_t n);
int mnas_append_log_sync(mnas_append_log *log);
void mnas_append_log_close(mnas_append_log *log); /* tries once more to write what is pending */

#endif
