/* meter.h - measures networks over a link: what the devices that run networks have in common (local, ssh, adb).
 *
 * protocol.h judges rounds, wire.h says what they are asked and answer, link.h brings it there; this runs them, keeps the
 * drift of the device by a sentinel network, and makes of it all one mnas_latency.
 */
#ifndef MNAS_DEVICE_METER_H
#define MNAS_DEVICE_METER_H

#include "base/opts.h"
#include "device/link.h"
#include "mnas.h"

typedef struct mnas_meter_options {
    int64_t threads, core, rounds, max_rounds, runs;
    double time_ms, warmup_ms, ci, timeout_s;
    bool wide;                  /* a result whose interval stays wider than ci stands, and says so; else it is refused */
    char engine[MNAS_OPT_STR];  /* spec, infer/engine.h */
    char state[MNAS_OPT_STR];   /* file that keeps the sentinel's reference; "": in the cache, by device */
} mnas_meter_options;

/* The rows of an option table of `type`, which has a member `meter`. */
#define MNAS_METER_OPTS(type) /* made with meter.c */

typedef struct mnas_meter mnas_meter;

/* Takes the link over, also when it fails. `name` ("local", "ssh:host=pi") stands in results and messages; options and name
 * outlive it. Nothing is asked yet. */
int mnas_meter_open(mnas_meter **out, mnas_link link, const mnas_meter_options *options, const char *name);
/* As in device.h. */
void mnas_meter_limit(mnas_meter *meter, double deadline_s, const volatile bool *cancel);
int mnas_meter_measure(mnas_meter *meter, const mnas_model *model, mnas_latency *out);
int mnas_meter_layers(mnas_meter *meter, const mnas_model *model, mnas_layer_time **layers, int *n);
void mnas_meter_close(mnas_meter *meter); /* NULL is allowed */

#endif
