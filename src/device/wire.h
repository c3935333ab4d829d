/* wire.h - what host and measuring program say to each other: one JSON object each way, a line the answer.
 *
 *     -> {"wire":3, "model":"<model file as YAML>", "sentinel":"<another>", "threads":1, "core":1, "runs":20, ...}
 *     <- {"wire":3, "round":{"median_ms":0.51, "p10_ms":0.50, "runs":196, ...}, "sentinel":{...}, "core":1,
 *         "engine":"xnnpack ...", "before":{"load":0.2, ...}, "after":{...}, ...}
 *     <- {"wire":3, "layers":[["conv_stem",0.0121], ["blocks.0.0.conv_dw",0.0102], ...]}
 *     <- {"wire":3, "logits":[0.51, -0.02, ...]}
 *     <- {"wire":3, "info":{"cpu":"...", "arch":"aarch64", ..., "cores":[{"max_mhz":2400, ...}, ...]}}
 *     <- {"wire":3, "peaks":{"flops_per_s":2e11, ..., "levels":[{"name":"L1", ...}, ...]}}
 *     <- {"wire":3, "status":-10, "message":"the network cannot be built, the core is not there, ..."}
 *
 * Fields are those of the structs below, under their names. The question "info" has no request but the version.
 *
 * Texts only, no clocks and no processes, so that any transport (a pipe, ssh, adb) can carry them. A reader trusts nothing.
 */
#ifndef MNAS_DEVICE_WIRE_H
#define MNAS_DEVICE_WIRE_H

#include "base/opts.h"
#include "device/conditions.h"
#include "device/hindrances.h"
#include "device/protocol.h"
#include "mnas.h"

enum {
    MNAS_WIRE_VERSION = 3,
    MNAS_WIRE_MAX_RUNS = 20000,
    MNAS_WIRE_MAX_LAYERS = 65536,
    MNAS_WIRE_MAX_LOGITS = 1 << 20,
    MNAS_WIRE_MAX_CORES = 1024,
};

typedef struct mnas_wire_request {
    int threads;
    int core;                  /* or MNAS_CORE_BEST, MNAS_CORE_NOT_PINNED (conditions.h) */
    int runs;                  /* timed runs, at least ... */
    double time_ms, warmup_ms; /* ... and at least for so long, or MNAS_WIRE_MAX_RUNS of them */
    int seed;                  /* of the image */
    char engine[MNAS_OPT_STR]; /* spec, infer/engine.h */
    char *model, *sentinel;    /* model files; the sentinel is timed in turns with the model; NULL: none */
} mnas_wire_request;

typedef struct mnas_wire_reply {
    mnas_round round;
    int core; /* that it was pinned to; -1: to none */
    char engine[96], arch[16];
    bool emulated;
    mnas_conditions before, after;
} mnas_wire_reply;

typedef struct mnas_wire_core {
    double max_mhz; /* NaN: unknown */
    bool allowed;
    char governor[32];
} mnas_wire_core;

/* What the other machine is. */
typedef struct mnas_wire_info {
    char version[32], cpu[64], arch[16], kernel[96];
    bool emulated;
    bool can_raise; /* the priority of the measuring process */
    double memory_bytes, free_bytes, temp_c;
    int n_zones;   /* thermal zones that tell a temperature */
    int best_core; /* what MNAS_CORE_BEST comes to */
    mnas_hindrances hindrances;
    int n_cores;
    mnas_wire_core *cores; /* malloc'ed */
} mnas_wire_info;

/* *text is malloc'ed, without a newline; what is parsed is malloc'ed, too. */
int mnas_wire_print_request(char **text, const mnas_wire_request *request);
/* `out` is to be freed, even on failure. */
int mnas_wire_parse_request(mnas_wire_request *out, const char *text);
void mnas_wire_free_request(mnas_wire_request *request);

int mnas_wire_print_failure(char **text, int status, const char *message);
/* In the others' answers, the peer's own failure comes back as its message and status, or MNAS_ERR_DEVICE for one that a peer
 * cannot judge (that we are interrupted). */
int mnas_wire_print_reply(char **text, const mnas_wire_reply *reply);
int mnas_wire_parse_reply(mnas_wire_reply *out, const char *text);
int mnas_wire_print_layers(char **text, const mnas_layer_time *layers, int n);
int mnas_wire_parse_layers(mnas_layer_time **layers, int *n, const char *text); /* one or more */
int mnas_wire_print_logits(char **text, const float *logits, int n);
int mnas_wire_parse_logits(float **logits, int *n, const char *text); /* one or more */
int mnas_wire_print_info(char **text, const mnas_wire_info *info);
int mnas_wire_parse_info(mnas_wire_info *out, const char *text);
void mnas_wire_free_info(mnas_wire_info *info);
int mnas_wire_print_peaks(char **text, const mnas_peaks *peaks);
int mnas_wire_parse_peaks(mnas_peaks *out, const char *text);

#endif
