/* worker.h - the measuring program's side of a question: what `mnas worker KIND` and mnas-agent run.
 *
 * Each reads one request (wire.h) to the end of `in` and writes one line to `out`. A failure is written, too, so that the
 * asking side gets status and message. Returns the exit code.
 */
#ifndef MNAS_DEVICE_WORKER_H
#define MNAS_DEVICE_WORKER_H

#include <stdio.h>

typedef int mnas_device_worker(FILE *in, FILE *out);

mnas_device_worker mnas_device_worker_latency; /* a round: builds, warms up, times */
mnas_device_worker mnas_device_worker_layers;  /* the same of the network's layers one by one */
mnas_device_worker
    mnas_device_worker_logits; /* runs it once on the image of a seed, its weights random: do two machines agree? */
mnas_device_worker mnas_device_worker_info;  /* what this machine is */
mnas_device_worker mnas_device_worker_peaks; /* what one of its threads can do at most (peaks.h) */

/* NULL where there is none. */
mnas_device_worker *mnas_device_worker_find(const char *kind);
const char *mnas_device_worker_kinds(void); /* "latency, layers, ..." */

#endif
