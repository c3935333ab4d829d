/* job.h - what a trial has done somewhere else, its training or its measuring: started, watched, paused, stopped.
 *
 * The search knows both only through this record of functions. mnas_job_runner_process has them done in child processes
 * (`mnas worker trial`, `mnas worker measure`); tests put others in its place.
 */
#ifndef MNAS_SEARCH_JOB_H
#define MNAS_SEARCH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mnas.h"

/* What is to be trained. The texts outlive the start. */
typedef struct mnas_job_request {
    const mnas_model *model;
    const char *data, *recipe;
    double epochs;      /* NaN: the recipe's */
    int64_t max_images; /* 0: all */
    int threads;
    uint64_t seed;
    int64_t memory_bytes; /* limit of the process; 0: none */
    const char *output;   /* file for the weights, or NULL */
    double stop_epochs;   /* of mnas_train_options, as are the two below; 0: to the end */
    const char *checkpoint, *from;
} mnas_job_request;

/* What is to be measured, on these devices one after the other. */
typedef struct mnas_measure_request {
    const mnas_model *model;
    const char *const *devices; /* [n_devices] specs */
    int n_devices;
} mnas_measure_request;

/* What is known so far. `done` is the last news. */
typedef struct mnas_job_news {
    double frac; /* of the training, 0..1 or NaN */
    bool done;
    int status;               /* when done: 0 or what failed; MNAS_ERR_CHILD: it crashed */
    mnas_train_result result; /* of a training, when done with 0 */
    mnas_latency *latencies;  /* of a measuring: [n_latencies] of the first devices; belongs to the job */
    int n_latencies;
    double *epoch_accuracy_frac; /* [n_epochs], belongs to the job */
    int n_epochs;
    const char *error; /* when failed: message and tail of stderr; belongs to the job */
} mnas_job_news;

typedef struct mnas_job mnas_job;

typedef struct mnas_job_runner {
    int (*start)(void *user, mnas_job **out, const mnas_job_request *request);
    /* Wait until any of jobs[n] (NULL entries allowed) has news, at most timeout_ms; so long where all are NULL. */
    int (*wait)(void *user, mnas_job *const *jobs, size_t n, int timeout_ms);
    const mnas_job_news *(*news)(mnas_job *job); /* never NULL */
    void (*pause)(mnas_job *job);
    void (*resume)(mnas_job *job);
    void (*close)(mnas_job *job); /* stops it when needed; NULL is allowed */
    void *user;
    /* As start, for a measuring; after a failure of device i, n_latencies is i. NULL: devices are asked in this process. */
    int (*measure)(void *user, mnas_job **out, const mnas_measure_request *request);
} mnas_job_runner;

extern const mnas_job_runner mnas_job_runner_process;

#endif
