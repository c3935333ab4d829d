/* link.h - how a question reaches the measuring program and its answer comes back: a process here, over ssh, over adb.
 *
 * The program is the same everywhere (mnas itself here, mnas-agent elsewhere) and so are the texts (wire.h). A link carries
 * one question at a time; every question is a fresh process there. It decides nothing about rounds: meter.h does.
 */
#ifndef MNAS_DEVICE_LINK_H
#define MNAS_DEVICE_LINK_H

#include <stdbool.h>

typedef struct mnas_link_class {
    /* Starts the program there with the one word `kind` (worker.h: "latency", "layers", ...), gives it `request` as its
     * whole stdin, and waits at most timeout_s. *answer is its stdout, malloc'ed. MNAS_ERR_TIMEOUT; MNAS_ERR_DEVICE where
     * it cannot be reached or ends without an answer, with what is known of the reason; MNAS_ERR_CANCELLED as soon as *cancel
     * (may be NULL) becomes true. A link that was lost is taken up again by the next question. */
    int (*ask)(void *state, const char *kind, const char *request, double timeout_s, const volatile bool *cancel,
               char **answer);
    void (*close)(void *state);
} mnas_link_class;

typedef struct mnas_link {
    const mnas_link_class *class;
    void *state;
} mnas_link;

/* `mnas worker KIND` on this machine. */
int mnas_link_open_local(mnas_link *out);

#endif
