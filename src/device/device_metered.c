/* device_metered.c - see device_metered.h. */
#include "device/device_metered.h"

#include "device/link_shell.h"

int mnas_device_metered_open(void **state, mnas_link link, const mnas_meter_options *options,
                             const char *name) {
    mnas_meter *meter;
    const int rc = mnas_meter_open(&meter, link, options, name);
    if (rc == 0) *state = meter;
    return rc;
}

void mnas_device_metered_limit(void *state, double deadline_s, const volatile bool *cancel) {
    mnas_meter_limit(state, deadline_s, cancel);
}

int mnas_device_metered_measure(void *state, const mnas_model *model, mnas_latency *out) {
    return mnas_meter_measure(state, model, out);
}

int mnas_device_metered_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n) {
    return mnas_meter_layers(state, model, layers, n);
}

mnas_meter *mnas_device_metered_meter(void *state) {
    return state;
}

void mnas_device_metered_close(void *state) {
    mnas_meter_close(state);
}

void mnas_device_examine_shell(void *state, mnas_findings *findings) {
    mnas_link_examine_shell(mnas_meter_link(state), findings);
}
