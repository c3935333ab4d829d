/* worker_job.h - what the measuring processes share: the request read, the process pinned, networks built and
 * folded; and how the answer goes out. What is timed is worker_latency.c's and worker_layers.c's business.
 */
#ifndef MNAS_DEVICE_WORKER_JOB_H
#define MNAS_DEVICE_WORKER_JOB_H

#include <stdio.h>

#include "device/wire.h"
#include "infer/engine.h"

/* A network to run; starts as {0}. */
typedef struct mnas_worker_net {
    mnas_graph *graph;     /* inference graph */
    mnas_weights *weights; /* random: the time of these operators does not depend on the values */
    mnas_infer *net;
    float *logits; /* of its first run */
    int n_logits;
} mnas_worker_net;

typedef struct mnas_worker_job {
    mnas_wire_request request;
    int core; /* pinned to; -1: to none */
} mnas_worker_job;

/* `job` starts as {0}; mnas_worker_close it even on failure. */
int mnas_worker_open(mnas_worker_job *job, FILE *in);
void mnas_worker_close(mnas_worker_job *job);

/* Builds the network of a model file and runs it once on an image of noise. Close it even on failure. */
int mnas_worker_build(mnas_worker_net *out, const mnas_worker_job *job, const char *model_yaml,
                      bool by_layer);
void mnas_worker_unbuild(mnas_worker_net *net);

/* Ahead of whoever else wants the core; false where that is not allowed. */
bool mnas_worker_raise_priority(void);

/* Involuntary context switches of the calling thread so far. */
int mnas_worker_switches(void);

/* Writes `reply`, or the failure that `status` and the error message say, as one line; frees reply. Returns the exit
 * code. */
int mnas_worker_answer(FILE *out, int status, char *reply);

#endif
