/* proc.h - child processes: fork + exec of our own binary, watched without threads.
 *
 * A child gets its request on stdin and answers on stdout; stderr is kept (its last 64 KiB). Children die with their
 * parent (PR_SET_PDEATHSIG) and run in their own process group, so that Ctrl-C on the terminal reaches only the parent,
 * which then ends them in order. Never fork without exec: libgomp hangs in a child forked after a parallel region.
 *
 *     mnas_proc *p;
 *     if ((rc = mnas_proc_start(&p, argv, request)) < 0) return rc;
 *     while (!mnas_proc_done(p)) {
 *         mnas_proc_wait(&p, 1, 100);                         // reads output; returns early when something happened
 *         while ((line = mnas_proc_next_line(p))) handle(line);
 *     }
 *     const mnas_proc_result *r = mnas_proc_result_of(p);
 *     mnas_proc_free(p);                                      // kills it when still running
 */
#ifndef MNAS_BASE_PROC_H
#define MNAS_BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct mnas_proc mnas_proc;

typedef struct mnas_proc_result {
    int exit_code;        /* 0..255, or -1 when ended by a signal */
    int signal;           /* or 0 */
    double wall_s, cpu_s; /* of the child */
    /* not below what this process had resident at the start: Linux counts the fork's copy */
    int64_t peak_rss_bytes;
    const char *err; /* the tail of stderr, NUL-terminated; owned by the proc */
} mnas_proc_result;

/* The binary that mnas_proc_start_self runs: /proc/self/exe unless set (tests set the built mnas; `path` is copied). */
void mnas_proc_set_self(const char *path);
const char *mnas_proc_self(void);

/* argv[0] is the program (searched in PATH when it has no slash); argv ends with NULL. `input` is written to stdin (may be
 * NULL). memory_bytes > 0 limits the address space beyond what libraries map (RLIMIT_DATA). */
int mnas_proc_start(mnas_proc **out, const char *const argv[], const char *input, int64_t memory_bytes);

/* Wait until any of procs[n] has output or has ended, at most timeout_ms (0: just look). Returns 0, or MNAS_ERR_IO, or
 * MNAS_ERR_FORMAT for one with more than 64 MiB of stdout that was not taken. EINTR is a normal early return. NULL entries are
 * allowed. */
int mnas_proc_wait(mnas_proc *const *procs, size_t n, int timeout_ms);

/* The next whole line of stdout without its newline, or NULL; valid until the next call on this proc. */
const char *mnas_proc_next_line(mnas_proc *p);
bool mnas_proc_done(const mnas_proc *p);
const mnas_proc_result *mnas_proc_result_of(const mnas_proc *p); /* only when done */

void mnas_proc_pause(mnas_proc *p);  /* SIGSTOP the group */
void mnas_proc_resume(mnas_proc *p); /* SIGCONT */
void mnas_proc_kill(mnas_proc *p);   /* SIGKILL the group; done follows */
void mnas_proc_free(mnas_proc *p);   /* kills and reaps when needed; NULL is allowed */

/* Start, wait to the end (at most timeout_s, then MNAS_ERR_TIMEOUT), return all stdout in *output (malloc'ed). A non-zero
 * exit or a signal is MNAS_ERR_CHILD with the last line of stderr in the message. */
int mnas_proc_run(const char *const argv[], const char *input, double timeout_s, char **output);
/* The same, ended with MNAS_ERR_CANCELLED soon after *cancel (may be NULL) becomes true. */
int mnas_proc_run_cancel(const char *const argv[], const char *input, double timeout_s,
                         const volatile bool *cancel, char **output);

int64_t mnas_proc_own_peak_rss_bytes(void); /* the most that this process had resident so far */

enum { MNAS_PROC_MAX_REQUEST = 1 << 20 /* bytes */ };

/* The child's side: its whole request, up to the end of `in`; *text is malloc'ed. MNAS_ERR_FORMAT when it is empty or over
 * MNAS_PROC_MAX_REQUEST; `what` names it in messages. */
int mnas_proc_read_request(char **text, FILE *in, const char *what);

/* The child's side: where the answer goes. stdout itself is stderr from then on, so that a library's print cannot garble
 * the answer. NULL with a message when it cannot be had. */
FILE *mnas_proc_take_stdout(void);

#endif
