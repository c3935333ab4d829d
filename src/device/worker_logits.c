/* worker_logits.c - runs a network once and tells its logits, so that a target can be compared with the host. Weights and image
 * are those that latencies are taken with: functions of the model and of the seed alone. It times nothing. */
#include "device/worker.h"
#include "device/worker_job.h"

int mnas_device_worker_logits(FILE *in, FILE *out) {
    mnas_worker_job job = {0};
    mnas_worker_net net = {0};
    char *reply = NULL;
    int rc = mnas_worker_open(&job, in);
    if (rc == 0) rc = mnas_worker_build(&net, &job, job.request.model, false);
    if (rc == 0) rc = mnas_wire_print_logits(&reply, net.logits, net.n_logits);
    mnas_worker_unbuild(&net);
    mnas_worker_close(&job);
    return mnas_worker_answer(out, rc, reply);
}
