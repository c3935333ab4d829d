/* meter.h - measures networks over a link: what the devices that run networks have in common (local, ssh, adb).
 *
 * protocol.h judges rounds, wire.h says what they are asked and answer, link.h brings it there; this runs them, keeps the
 * drift of the device by a sentinel network, and makes of it all one mnas_latency.
 */
#ifndef MNAS_DEVICE_METER_H
#define MNAS_DEVICE_METER_H

#include "base/opts.h"
#include "device/link.h"
#include "device/wire.h"
#include "mnas.h"

typedef struct mnas_meter_options {
    int64_t threads, core, rounds, max_rounds, runs;
    double time_ms, warmup_ms, ci, timeout_s;
    bool wide;                  /* a result whose interval stays wider than ci stands, and says so; else it is refused */
    bool sentinel, calibrate;   /* follow the device's drift; take its reference anew */
    char engine[MNAS_OPT_STR];  /* spec, infer/engine.h */
    char state[MNAS_OPT_STR];   /* file that keeps the sentinel's reference; "": in the cache, by device */
} mnas_meter_options;

/* clang-format off */
/* The rows of an option table of `type`, which has a member `meter`. */
#define MNAS_METER_OPTS(type)                                                                                                  \
    {"threads", MNAS_OPT_INT, offsetof(type, meter.threads), "1", 1, 1024, "threads",                                          \
     "of the network; more than 1 are not pinned", NULL},                                                                      \
    {"core", MNAS_OPT_INT, offsetof(type, meter.core), "-1", -2, 1023, "core",                                                 \
     "to pin to; -1: the fastest, else the last; -2: none", NULL},                                                             \
    {"engine", MNAS_OPT_STRING, offsetof(type, meter.engine), "xnnpack", 0, 0, "ENGINE",                                       \
     "what runs the network; `mnas devices` lists them", NULL},                                                                \
    {"ci", MNAS_OPT_FLOAT, offsetof(type, meter.ci), "0.01", 0.0001, 1, "of the median",                                       \
     "more rounds until half the interval is so narrow", NULL},                                                                \
    {"wide", MNAS_OPT_BOOL, offsetof(type, meter.wide), "false", 0, 0, NULL,                                                   \
     "a result whose interval stays wider stands, and says so; else it is refused", NULL},                                     \
    {"rounds", MNAS_OPT_INT, offsetof(type, meter.rounds), "5", 3, MNAS_PROTOCOL_MAX_ROUNDS, "processes",                      \
     "calm rounds at least", NULL},                                                                                            \
    {"max-rounds", MNAS_OPT_INT, offsetof(type, meter.max_rounds), "100", 3, MNAS_PROTOCOL_MAX_ROUNDS, "processes",            \
     "rounds at most, disturbed ones counted", NULL},                                                                          \
    {"runs", MNAS_OPT_INT, offsetof(type, meter.runs), "10", 5, MNAS_WIRE_MAX_RUNS, "runs",                                    \
     "timed in a round at least", NULL},                                                                                       \
    {"time", MNAS_OPT_FLOAT, offsetof(type, meter.time_ms), "40", 1, 60000, "ms",                                             \
     "timed in a round at least, or 20000 runs", NULL},                                                                        \
    {"warmup", MNAS_OPT_FLOAT, offsetof(type, meter.warmup_ms), "20", 1, 60000, "ms",                                          \
     "before timing at least; longer until stable", NULL},                                                                     \
    {"sentinel", MNAS_OPT_BOOL, offsetof(type, meter.sentinel), "true", 0, 0, NULL,                                            \
     "time a fixed network beside, to follow the device's drift", NULL},                                                       \
    {"calibrate", MNAS_OPT_BOOL, offsetof(type, meter.calibrate), "false", 0, 0, NULL,                                         \
     "take the fixed network's reference anew", NULL},                                                                         \
    {"state", MNAS_OPT_STRING, offsetof(type, meter.state), "", 0, 0, "FILE",                                                  \
     "keeps that reference; none: in the cache, by device", NULL},                                                             \
    {"timeout", MNAS_OPT_FLOAT, offsetof(type, meter.timeout_s), "120", 1, 86400, "s", "for one round", NULL}
/* clang-format on */

typedef struct mnas_meter mnas_meter;

/* Takes the link over, also when it fails. `name` ("local", "ssh:host=pi") stands in results and messages; the
 * options outlive it. Nothing is asked yet. */
int mnas_meter_open(mnas_meter **out, mnas_link link, const mnas_meter_options *options, const char *name);
const mnas_link *mnas_meter_link(const mnas_meter *meter);
/* As in device.h. */
void mnas_meter_limit(mnas_meter *meter, double deadline_s, const volatile bool *cancel);
int mnas_meter_measure(mnas_meter *meter, const mnas_model *model, mnas_latency *out);
int mnas_meter_layers(mnas_meter *meter, const mnas_model *model, mnas_layer_time **layers, int *n);
int mnas_meter_info(mnas_meter *meter, mnas_wire_info *out); /* mnas_wire_free_info it */
int mnas_meter_peaks(mnas_meter *meter, mnas_peaks *out); /* of one thread on the core */
int mnas_meter_logits(mnas_meter *meter, const mnas_model *model, int seed, float **logits, int *n);
void mnas_meter_close(mnas_meter *meter); /* NULL is allowed */

#endif
