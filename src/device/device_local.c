/* device_local.c - this machine: our own binary is the measuring program, meter.c does the rest. */
#include <stdlib.h>

#include "device/device.h"
#include "device/meter.h"

typedef struct local_opts {
    mnas_meter_options meter;
} local_opts;

static const mnas_opt options[] = {MNAS_METER_OPTS(local_opts), MNAS_OPT_END};

/* A core that this process may not use is told now, not by the first round. */
static int check_core(const mnas_meter_options *o) {
    int core;
    return o->threads == 1 ? mnas_conditions_choose_core((int)o->core, &core) : 0;
}

static int local_open(void **state, const void *opts) {
    const mnas_meter_options *o = &((const local_opts *)opts)->meter;
    mnas_link link;
    mnas_meter *meter;
    int rc = check_core(o);
    if (rc == 0) rc = mnas_link_open_local(&link);
    if (rc == 0) rc = mnas_meter_open(&meter, link, o, "local");
    if (rc == 0) *state = meter;
    return rc;
}

static void local_limit(void *state, double deadline_s, const volatile bool *cancel) {
    mnas_meter_limit(state, deadline_s, cancel);
}

static int local_measure(void *state, const mnas_model *model, mnas_latency *out) {
    return mnas_meter_measure(state, model, out);
}

static int local_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n) {
    return mnas_meter_layers(state, model, layers, n);
}

static mnas_meter *local_meter(void *state) {
    return state;
}

static void local_close(void *state) {
    mnas_meter_close(state);
}

const mnas_device_class mnas_device_class_local = {
    .plugin = {"local", "this machine's CPU, batch 1", options, sizeof(local_opts)},
    .needs_quiet = true,
    .open = local_open,
    .limit = local_limit,
    .measure = local_measure,
    .measure_layers = local_layers,
    .meter = local_meter,
    .close = local_close,
};
