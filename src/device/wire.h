/* wire.h - what host and measuring process say to each other: one JSON object each way, a line the answer.
 *
 *     -> {"wire":2, "model":"<model file as YAML>", "threads":1, "core":1, "runs":20, ...}
 *     <- {"wire":2, "median_ms":0.51, "p10_ms":0.50, "runs":196, ... "core":1, "engine":"xnnpack ..."}
 *     <- {"wire":2, "layers":[["conv_stem",0.0121], ["blocks.0.0.conv_dw",0.0102], ...]}
 *     <- {"wire":2, "status":-10, "message":"the network cannot be built, the core is not there, ..."}
 *
 * Fields are those of the structs below, under their names.
 *
 * Texts only, no clocks and no processes, so that another transport (ssh, adb) can carry the same. A reader
 * trusts nothing.
 */
#ifndef MNAS_DEVICE_WIRE_H
#define MNAS_DEVICE_WIRE_H

#include "device/protocol.h"
#include "mnas.h"

enum { MNAS_WIRE_VERSION = 2, MNAS_WIRE_MAX_RUNS = 20000 };

typedef struct mnas_wire_request {
    int threads, core;         /* core -1: not pinned */
    int runs;                  /* timed runs, at least ... */
    double time_ms, warmup_ms; /* ... and at least for so long, or MNAS_WIRE_MAX_RUNS of them */
} mnas_wire_request;

typedef struct mnas_wire_reply {
    mnas_round round;
    int core;
    char engine[48];
} mnas_wire_reply;

enum { MNAS_WIRE_MAX_LAYERS = 65536 };

/* *text is malloc'ed, without a newline. */
int mnas_wire_print_request(char **text, const mnas_wire_request *request, const char *model_yaml);
/* *model_yaml is malloc'ed. */
int mnas_wire_parse_request(mnas_wire_request *out, char **model_yaml, const char *text);
int mnas_wire_print_reply(char **text, const mnas_wire_reply *reply);
/* The answer of a process that times layers; parsed, *layers is malloc'ed and has one or more. */
int mnas_wire_print_layers(char **text, const mnas_layer_time *layers, int n);
int mnas_wire_parse_layers(mnas_layer_time **layers, int *n, const char *text);
int mnas_wire_print_failure(char **text, int status, const char *message);
/* The peer's own failure comes back as its status and message. */
int mnas_wire_parse_reply(mnas_wire_reply *out, const char *text);

#endif
