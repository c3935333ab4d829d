/* devices.h - the devices of a study, in the order of its `--device "local + ssh:host=pi"`. The first one is that of charts
 * and verdicts. How one network is measured on all of them is measuring.h's business.
 */
#ifndef MNAS_SEARCH_DEVICES_H
#define MNAS_SEARCH_DEVICES_H

#include "device/device.h"

typedef struct mnas_device_specs {
    char *text; /* all of them, cut in pieces */
    const char *list[MNAS_MAX_DEVICES];
    int n;
} mnas_device_specs;

/* 1 to MNAS_MAX_DEVICES of them, joined as mnas_device_spec_next has it. */
int mnas_device_specs_split(mnas_device_specs *out, const char *joined);
void mnas_device_specs_free(mnas_device_specs *specs);

typedef struct mnas_devices {
    mnas_device_specs specs;
    mnas_device *list[MNAS_MAX_DEVICES];
    int n;
} mnas_devices;

int mnas_devices_open(mnas_devices *out, const char *joined);
void mnas_devices_limit(mnas_devices *devices, double deadline_s, const volatile bool *cancel);
bool mnas_devices_need_quiet(const mnas_devices *devices); /* any of them */
void mnas_devices_close(mnas_devices *devices);

#endif
