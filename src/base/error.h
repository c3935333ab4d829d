/* error.h - a status says what kind of failure, a thread-local message says which values caused it.
 *
 * A fallible function returns 0 or a negative mnas_status (include/mnas.h) and has then left a message. The message
 * names the bad value, its unit, and what would be right. Callers that know more (a file name, a line) put it in front.
 * A violated precondition of our own is an assert(), never a status.
 *
 *     if (n < 1) return mnas_error_set(MNAS_ERR_ARG, "batch is %d; allowed: 1 or more", n);
 *     if (rc < 0) return mnas_error_context(rc, "%s", path);      // "photos.idx: truncated header"
 */
#ifndef MNAS_BASE_ERROR_H
#define MNAS_BASE_ERROR_H

#include "mnas.h"

#define MNAS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Set the message (truncated at 1023 bytes); returns `status`, so that it can be returned in turn. */
int mnas_error_set(int status, const char *fmt, ...) MNAS_PRINTF(2, 3);

/* Put "<context>: " in front of the present message; returns `status`. */
int mnas_error_context(int status, const char *fmt, ...) MNAS_PRINTF(2, 3);

/* Like mnas_error_set with ": <strerror(errno)>" behind it. errno ENOSPC gives MNAS_ERR_FULL, ENOMEM MNAS_ERR_MEMORY,
 * everything else MNAS_ERR_IO; returns that status. */
int mnas_error_errno(const char *fmt, ...) MNAS_PRINTF(1, 2);

#endif
