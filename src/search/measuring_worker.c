/* measuring_worker.c - the child that measures one network on devices elsewhere: `mnas worker measure`. Each device is opened
 * for this one question, so that leases and connections end with the process. */
#include <stdlib.h>

#include "base/error.h"
#include "base/proc.h"
#include "search/measuring.h"
#include "search/trial_wire.h"

static int measure_one(const char *spec, const mnas_model *model, FILE *out) {
    mnas_latency latency;
    const int rc = mnas_measure(&latency, model, spec);
    return rc < 0 ? rc : mnas_trial_wire_print_latency(out, &latency);
}

int mnas_measuring_worker(FILE *in, FILE *out) {
    char *text = NULL;
    mnas_trial_wire_measure request = {0};
    int rc = mnas_proc_read_request(&text, in, "request to measure");
    if (rc == 0) rc = mnas_trial_wire_parse_measure(&request, text);
    for (int i = 0; i < request.n_devices && rc == 0; i++)
        rc = measure_one(request.devices[i], &request.model, out);
    if (rc < 0) mnas_trial_wire_print_error(out, rc, mnas_error_message());
    mnas_trial_wire_free_measure(&request);
    free(text);
    return rc < 0 ? 1 : 0;
}
