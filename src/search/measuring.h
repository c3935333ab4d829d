/* measuring.h - the latencies of one network on all devices of a study, and what it means when one does not come.
 *
 *     DUE --ask--> RUNS --poll--> DONE
 *
 * Devices that need this machine quiet are asked in this process, and whoever calls sees to the quiet. The others are asked in
 * a child process, so that trainings and other measurements go on; ask then ends in RUNS. What is measured stays measured.
 *
 * What fails is asked once more. If it fails again, another network is measured there (the probe). Where that works, and the
 * network fails a third time behind it, the failure is its own (FAILED); where it does not, the device is away. It is then
 * awaited, the network asked again from time to time, at most for wait_s; after that it is GIVEN_UP: nothing is held
 * against the network. So is at once a device that has never worked.
 *
 * A refusal (the device answers, but its times are too unsteady) is counted, and the network asked again later, up to
 * three times. Where nothing but refusals came so far, it is GIVEN_UP with the fifth; where the context keeps what is
 * refused, with the fourth.
 */
#ifndef MNAS_SEARCH_MEASURING_H
#define MNAS_SEARCH_MEASURING_H

#include "search/devices.h"
#include "search/job.h"

/* What all measurings of a search share. */
typedef struct mnas_measure_context {
    const mnas_devices *devices;
    const mnas_job_runner *runner;
    mnas_model probe;       /* one that the devices have measured; or any, while they have measured none */
    bool has_worked;        /* they have measured one */
    int n_refused_first;    /* refusals before that */
    bool keeps_refused;     /* a network is not to be lost for a noisy machine: there are hours of training in it */
    double wait_s, pause_s; /* for a device that is away, altogether; between the first two questions to it */
} mnas_measure_context;

typedef enum {
    MNAS_MEASURING_DUE, /* to be asked, at retry_at_s */
    MNAS_MEASURING_RUNS,
    MNAS_MEASURING_DONE,
    MNAS_MEASURING_FAILED,   /* the network is at fault: reason and why */
    MNAS_MEASURING_GIVEN_UP, /* the device is: status and why */
} mnas_measuring_state;

typedef struct mnas_measuring {
    mnas_measuring_state state;
    mnas_latency latency[MNAS_MAX_DEVICES];
    bool has[MNAS_MAX_DEVICES];
    mnas_job *job;
    double asked_s, idle_since_s;    /* when the job began; when it began to wait for another question */
    double measure_s, waited_s;      /* spent so far */
    bool probing, suspected;         /* another network is being asked; it has worked where this one failed */
    int device, status;              /* of the last failure */
    int n_failed, n_refused, n_away; /* failures; refusals; times that the device was found away */
    double retry_at_s, away_since_s; /* monotonic; NaN: not away */
    const char *reason;              /* as of a trial */
    char why[4200];                  /* what the network's failure said */
    char away[1024];                 /* what the device said last */
} mnas_measuring;

void mnas_measuring_begin(mnas_measuring *m);
bool mnas_measuring_is_due(const mnas_measuring *m);
/* What is to be asked next must be asked here, on a quiet machine. */
bool mnas_measuring_needs_quiet(const mnas_measuring *m, const mnas_measure_context *context);
/* `name` is what messages call the network. Below 0: MNAS_ERR_CANCELLED, or the search's own failure. */
int mnas_measuring_ask(mnas_measuring *m, mnas_measure_context *context, const mnas_model *model,
                       const char *name);
/* Of one that RUNS, after runner->wait. */
int mnas_measuring_poll(mnas_measuring *m, mnas_measure_context *context, const mnas_model *model,
                        const char *name);
/* Sets the message of one that is GIVEN_UP, and returns its status. */
int mnas_measuring_say(const mnas_measuring *m, const mnas_measure_context *context, const char *name);
/* Stops what runs. */
void mnas_measuring_end(mnas_measuring *m, const mnas_measure_context *context);

/* Child side (`mnas worker measure`). Returns the exit code. */
int mnas_measuring_worker(FILE *in, FILE *out);

#endif
