/* worker_job.h - what the measuring processes share: the request read, the process pinned, the network built and
 * folded; and how the answer goes out. What is timed is worker.c's (whole networks) and worker_layers.c's business.
 */
#ifndef MNAS_DEVICE_WORKER_JOB_H
#define MNAS_DEVICE_WORKER_JOB_H

#include <stdio.h>

#include "device/wire.h"
#include "model/weights.h"

typedef struct mnas_worker_job {
    mnas_wire_request request;
    mnas_graph *graph;     /* inference graph */
    mnas_weights *weights; /* random: the time of these operators does not depend on the values */
    float *image, *logits; /* a picture of noise; room for the result */
} mnas_worker_job;

/* `job` starts as {0}; mnas_worker_close it even on failure. */
int mnas_worker_open(mnas_worker_job *job, FILE *in);
void mnas_worker_close(mnas_worker_job *job);

/* Involuntary context switches of the calling thread so far. */
int mnas_worker_switches(void);

/* Writes `reply`, or the failure that `status` and the error message say, as one line; frees reply. Returns the exit
 * code. */
int mnas_worker_answer(FILE *out, int status, char *reply);

#endif
