/* device_shell.c - see device_shell.h. */
#include "device/device_shell.h"

#include <stdlib.h>

#include "base/error.h"
#include "device/link_shell.h"

typedef struct shell_device {
    mnas_link link;
    mnas_meter *meter; /* owns the link */
    char name[MNAS_OPT_STR + 64];
} shell_device;

int mnas_device_shell_open(void **state, mnas_link link, const mnas_meter_options *options,
                           const char *name) {
    shell_device *d = calloc(1, sizeof *d);
    if (!d) {
        link.class->close(link.state);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device %s", name);
    }
    snprintf(d->name, sizeof d->name, "%s", name);
    d->link = link;
    const int rc = mnas_meter_open(&d->meter, link, options, d->name);
    if (rc < 0)
        free(d);
    else
        *state = d;
    return rc;
}

void mnas_device_shell_limit(void *state, double deadline_s, const volatile bool *cancel) {
    mnas_meter_limit(((shell_device *)state)->meter, deadline_s, cancel);
}

int mnas_device_shell_measure(void *state, const mnas_model *model, mnas_latency *out) {
    return mnas_meter_measure(((shell_device *)state)->meter, model, out);
}

int mnas_device_shell_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n) {
    return mnas_meter_layers(((shell_device *)state)->meter, model, layers, n);
}

void mnas_device_shell_examine(void *state, mnas_findings *findings) {
    mnas_link_examine_shell(&((shell_device *)state)->link, findings);
}

mnas_meter *mnas_device_shell_meter(void *state) {
    return ((shell_device *)state)->meter;
}

void mnas_device_shell_close(void *state) {
    shell_device *d = state;
    mnas_meter_close(d->meter);
    free(d);
}
