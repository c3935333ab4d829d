/* device_local.c - this machine: our own binary is the measuring program, meter.c does the rest. */
#include "device/device_metered.h"

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
    int rc = check_core(o);
    if (rc == 0) rc = mnas_link_open_local(&link);
    return rc < 0 ? rc : mnas_device_metered_open(state, link, o, "local");
}

const mnas_device_class mnas_device_class_local = {
    .plugin = {"local", "this machine's CPU, batch 1", options, sizeof(local_opts)},
    .needs_quiet = true,
    .open = local_open,
    MNAS_DEVICE_METERED,
};
