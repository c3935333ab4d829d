/* device_metered.h - what devices that run networks have in common (local, ssh, adb): their state is a meter, and here are
 * the members of their class that ask it.
 */
#ifndef MNAS_DEVICE_DEVICE_METERED_H
#define MNAS_DEVICE_DEVICE_METERED_H

#include "device/device.h"

/* As mnas_meter_open: *state is the meter, for the functions below. */
int mnas_device_metered_open(void **state, mnas_link link, const mnas_meter_options *options,
                             const char *name);
void mnas_device_metered_limit(void *state, double deadline_s, const volatile bool *cancel);
int mnas_device_metered_measure(void *state, const mnas_model *model, mnas_latency *out);
int mnas_device_metered_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n);
mnas_meter *mnas_device_metered_meter(void *state);
void mnas_device_metered_close(void *state);

#define MNAS_DEVICE_METERED                                                                                  \
    .limit = mnas_device_metered_limit, .measure = mnas_device_metered_measure,                              \
    .measure_layers = mnas_device_metered_layers, .meter = mnas_device_metered_meter,                        \
    .close = mnas_device_metered_close

/* For those whose link is link_shell.h's. */
void mnas_device_examine_shell(void *state, mnas_findings *findings);

#endif
