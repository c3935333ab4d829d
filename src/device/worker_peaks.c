/* worker_peaks.c - answers what one thread of this machine can do at most, on the core that networks are timed on. */
#include "device/peaks.h"
#include "device/worker.h"
#include "device/worker_job.h"

int mnas_device_worker_peaks(FILE *in, FILE *out) {
    mnas_worker_job job = {0};
    mnas_peaks peaks;
    char *reply = NULL;
    int rc = mnas_worker_open(&job, in);
    if (rc == 0) rc = mnas_peaks_measure(&peaks);
    if (rc == 0) rc = mnas_wire_print_peaks(&reply, &peaks);
    mnas_worker_close(&job);
    return mnas_worker_answer(out, rc, reply);
}
