/* device_shell.h - what devices reached over a shell have in common (ssh, adb): a link, and a meter that asks over it. */
#ifndef MNAS_DEVICE_DEVICE_SHELL_H
#define MNAS_DEVICE_DEVICE_SHELL_H

#include "device/device.h"

/* *state is for the functions below, which are members of a mnas_device_class. Takes the link over, also when it fails; the meter's
 * options outlive the state. */
int mnas_device_shell_open(void **state, mnas_link link, const mnas_meter_options *options, const char *name);
void mnas_device_shell_limit(void *state, double deadline_s, const volatile bool *cancel);
int mnas_device_shell_measure(void *state, const mnas_model *model, mnas_latency *out);
int mnas_device_shell_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n);
void mnas_device_shell_examine(void *state, mnas_findings *findings);
mnas_meter *mnas_device_shell_meter(void *state);
void mnas_device_shell_close(void *state);

#define MNAS_DEVICE_SHELL_CLASS                                                                              \
    .limit = mnas_device_shell_limit, .measure = mnas_device_shell_measure,                                  \
    .measure_layers = mnas_device_shell_layers, .examine = mnas_device_shell_examine,                        \
    .meter = mnas_device_shell_meter, .close = mnas_device_shell_close

#endif
