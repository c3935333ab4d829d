/* lock.h - one process at a time works on a file.
 *
 * The lock is a file beside it, FILE.lock, by whatever link FILE is named. It is never removed, since another process may be waiting on
 * it; left behind by a process that was killed it holds nobody up.
 */
#ifndef MNAS_BASE_LOCK_H
#define MNAS_BASE_LOCK_H

#include <stdbool.h>

/* Tried for about a second: the last holder may be dying just now, with a child that has not yet closed what it inherited.
 * MNAS_ERR_BUSY is "PATH: BUSY"; MNAS_ERR_IO. *fd is -1 after a failure; close it to let go. */
int mnas_lock_take(int *fd, const char *path, const char *busy);
/* The same for who looks again himself: tried once. */
int mnas_lock_try(int *fd, const char *path, const char *busy);
bool mnas_lock_is_held(const char *path);

#endif
