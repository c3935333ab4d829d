/* inject.h - makes the n-th call of a kind fail, to see what becomes of the program.
 *
 * Linked into a test program or into a second mnas (mnas-fault), it stands in front of libc. Calls count from arming on,
 * in our own code and in the libraries that allocate or write for it (SQLite, jansson, libyaml, zlib, libjpeg, libpng);
 * those of oneDNN, OpenMP, and the loader of programs do not count: without memory these end the process.
 *
 *     fault_arm("write:7");                  // the 7th write fails with ENOSPC; "write:7+" that and all later ones,
 *     rc = mnas_file_write_atomic(...);      // "write:7:EIO" with another errno
 *     if (!fault_disarm()) ...               // it was never reached
 *
 * A process is armed from its start by the environment: MNAS_FAULT=write:7. MNAS_FAULT_IN=main or worker arms only `mnas
 * worker`, or all others. Counts are shared with child processes, through the file MNAS_FAULT_STATE where that is set.
 * "disk:N" is a disk with N bytes left: files that grow get so much and then ENOSPC.
 *
 * Under a sanitizer, whose allocator cannot be replaced, allocations of our own code alone can fail (ld's --wrap).
 */
#ifndef MNAS_FAULT_INJECT_H
#define MNAS_FAULT_INJECT_H

#include <stdatomic.h>
#include <stdbool.h>

void fault_arm(const char *spec);
bool fault_disarm(void); /* true: something failed */

/* X(kind, errno): what fails by default */
#define FAULT_KINDS(X)                                                                                       \
    X(malloc, ENOMEM)                                                                                        \
    X(write, ENOSPC)                                                                                         \
    X(sync, EIO)                                                                                             \
    X(truncate, ENOSPC)                                                                                      \
    X(read, EIO)                                                                                             \
    X(open, EMFILE) X(map, ENOMEM) X(pipe, EMFILE) X(fork, EAGAIN) X(exec, ENOENT) X(rename, EACCES)         \
        X(unlink, EACCES) X(mkdir, EACCES) X(lock, EIO) X(thread, EAGAIN) X(poll, ENOMEM) X(disk, ENOSPC)

/* Of the file MNAS_FAULT_STATE, for whoever started the process. */
typedef struct fault_state {
    _Atomic long n_calls, n_fired, n_bytes; /* bytes: by which files have grown */
} fault_state;

#endif
