/* link_shell.h - a link to a machine on which shell commands can be run: learns what it is, brings mnas-agent there once,
 * starts it for each question. How a command gets there is the class's business (link_ssh.c, link_adb.c).
 *
 * There the program lies in ROOT/agent-ID, ID being of its content (bundle.h): a folder of that name is whole, for it is
 * filled under another name and then renamed. Nothing else is written there.
 */
#ifndef MNAS_DEVICE_LINK_SHELL_H
#define MNAS_DEVICE_LINK_SHELL_H

#include "base/findings.h"
#include "device/bundle.h"
#include "device/link.h"

enum { MNAS_SHELL_MAX_WORDS = 48, MNAS_SHELL_TEXT = 2048 };

/* Until when, and what ends it earlier. */
typedef struct mnas_shell_limit {
    double deadline_s; /* monotonic */
    const volatile bool *cancel;
} mnas_shell_limit;

/* What became of a process here: `ssh ... COMMAND`. */
typedef struct mnas_shell_done {
    int exit_code;             /* -1: by a signal */
    char *out;                 /* malloc'ed */
    char err[MNAS_SHELL_TEXT]; /* the tail of stderr */
} mnas_shell_done;

typedef struct mnas_shell_class {
    const char *name; /* "ssh" */
    const char *root; /* where programs are put, as the shell there reads it within double quotes */
    /* Takes the connection up, where there is one to take up; MNAS_ERR_DEVICE in plain words. */
    int (*connect)(void *state, const mnas_shell_limit *limit);
    /* The words that run `command` there, in the order of argv; returns how many. */
    int (*words)(void *state, const char *argv[MNAS_SHELL_MAX_WORDS], const char *command);
    /* Puts the bundle's files into the folder `to`, which is there. */
    int (*push)(void *state, const mnas_bundle *bundle, const char *to, const mnas_shell_limit *limit);
    /* A command failed: was it the way there? Then MNAS_ERR_DEVICE in plain words, else 0. */
    int (*explain)(void *state, const mnas_shell_done *done);
    void (*disconnect)(void *state); /* what may be half gone; connect comes next */
    void (*close)(void *state);
} mnas_shell_class;

/* Takes `state` over, also when it fails; `agent` (a folder, or "") outlives the link. */
int mnas_link_open_shell(mnas_link *out, const mnas_shell_class *class, void *state, const char *agent);

/* As examine in device.h: reached, let in, what it is, the program there. */
void mnas_link_examine_shell(const mnas_link *link, mnas_findings *findings);

/* For classes: runs words here, to the end. MNAS_ERR_TIMEOUT, MNAS_ERR_CANCELLED, MNAS_ERR_MISSING where words[0] is not
 * installed; any exit code is 0. free(done->out). */
int mnas_shell_run(mnas_shell_done *done, const char *const words[], const char *input,
                   const mnas_shell_limit *limit);

/* The error that a command left which failed there: MNAS_ERR_FULL, or MNAS_ERR_DEVICE with what it said. */
int mnas_shell_fail(const mnas_shell_done *done);

/* A list of what other programs complain of, in plain words. The first whose `sign` is in `text`, or NULL. */
typedef struct mnas_shell_complaint {
    const char *sign;  /* in their words */
    const char *means; /* in ours */
    const char *mend;  /* what helps, up to the command to type that ends the sentence */
} mnas_shell_complaint;
const mnas_shell_complaint *mnas_shell_complaint_in(const mnas_shell_complaint *list, size_t n,
                                                    const char *text);
/* The last line of a text that is not blank. */
void mnas_shell_last_line(const char *text, char *buf, size_t n);

#endif
