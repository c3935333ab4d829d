/* meter.c - one question at a time over the link, and all that is no latency: layers, logits, what the device is. */
#include "device/meter_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/stats.h"

static int create(mnas_meter **out, mnas_link link, const mnas_meter_options *options, const char *name) {
    if (options->max_rounds < options->rounds)
        return mnas_error_set(MNAS_ERR_ARG, "max-rounds is %lld; allowed: rounds (%lld) or more",
                              (long long)options->max_rounds, (long long)options->rounds);
    mnas_meter *meter = calloc(1, sizeof *meter);
    if (meter)
        *meter = (mnas_meter){
            .link = link, .options = options, .name = strdup(name), .limit = mnas_limit_of(INFINITY, NULL)};
    if (!meter || !meter->name) {
        free(meter);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device %s", name);
    }
    *out = meter;
    return 0;
}

int mnas_meter_open(mnas_meter **out, mnas_link link, const mnas_meter_options *options, const char *name) {
    *out = NULL;
    const int rc = create(out, link, options, name);
    if (rc < 0) link.class->close(link.state);
    return rc;
}

const mnas_link *mnas_meter_link(const mnas_meter *meter) {
    return &meter->link;
}

void mnas_meter_limit(mnas_meter *meter, double deadline_s, const volatile bool *cancel) {
    meter->limit = mnas_limit_of(deadline_s, cancel);
}

void mnas_meter_close(mnas_meter *meter) {
    if (!meter) return;
    meter->link.class->close(meter->link.state);
    free(meter->name);
    free(meter);
}

/* ---- one question ---- */

/* What is the user's to mend, or the caller's to know, is passed on; a program that gives no sensible answer has failed as a
 * device, whatever the reason. */
int mnas_meter_status(const mnas_meter *meter, int rc) {
    switch (rc) {
    case 0:
    case MNAS_ERR_MEMORY:
    case MNAS_ERR_CANCELLED:
        return rc;
    case MNAS_ERR_INVALID:
    case MNAS_ERR_ARG:
    case MNAS_ERR_MISSING:
        return mnas_error_context(rc, "device %s", meter->name);
    default:
        return mnas_error_context(MNAS_ERR_DEVICE, "device %s: measuring process", meter->name);
    }
}

/* A round that the deadline cuts short is no failure of the device. */
int mnas_meter_ask(mnas_meter *meter, const char *kind, const char *request, char **answer) {
    const mnas_limit *limit = &meter->limit;
    *answer = NULL;
    int rc = mnas_limit_check(limit);
    if (rc < 0) return rc;
    rc = meter->link.class->ask(meter->link.state, kind, request,
                                fmin(meter->options->timeout_s, limit->deadline_s - mnas_clock_now_s()),
                                limit->cancel, answer);
    if (rc != MNAS_ERR_TIMEOUT) return rc;
    if (mnas_limit_check(limit) < 0) return MNAS_ERR_CANCELLED;
    return mnas_error_context(rc, "a round takes longer than timeout=%g s", meter->options->timeout_s);
}

int mnas_meter_request(char **text, const mnas_meter *meter, const mnas_model *model,
                       const mnas_model *sentinel, int seed) {
    const mnas_meter_options *o = meter->options;
    mnas_wire_request request = {.threads = (int)o->threads,
                                 .core = (int)o->core,
                                 .runs = (int)o->runs,
                                 .time_ms = o->time_ms,
                                 .warmup_ms = o->warmup_ms,
                                 .seed = seed};
    memcpy(request.engine, o->engine, sizeof request.engine);
    *text = NULL;
    int rc = mnas_model_print(model, &request.model);
    if (rc == 0 && sentinel) rc = mnas_model_print(sentinel, &request.sentinel);
    if (rc == 0) rc = mnas_wire_print_request(text, &request);
    mnas_wire_free_request(&request);
    return rc;
}

/* ---- layers ---- */

/* One more round: round 0 makes the list, later ones must have the same. */
static int layers_round(mnas_meter *meter, mnas_layer_time **round, int *n, const char *request) {
    char *answer;
    int count = 0;
    int rc = mnas_meter_ask(meter, "layers", request, &answer);
    if (rc == 0) rc = mnas_wire_parse_layers(round, &count, answer);
    free(answer);
    if (rc == 0 && *n > 0 && count != *n)
        rc = mnas_error_set(MNAS_ERR_DEVICE, "it has %d layers in one round and %d in another", *n, count);
    *n = count;
    return mnas_meter_status(meter, rc);
}

/* Names of the first round, each layer's median over rounds. */
static int layers_median(mnas_layer_time *const *rounds, int n_rounds, int n) {
    double ms[MNAS_PROTOCOL_MAX_ROUNDS];
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n_rounds; k++) {
            ms[k] = rounds[k][i].ms;
            if (strcmp(rounds[k][i].name, rounds[0][i].name) != 0)
                return mnas_error_set(MNAS_ERR_DEVICE, "layer %d is %s in one round and %s in another", i,
                                      rounds[0][i].name, rounds[k][i].name);
        }
        rounds[0][i].ms = mnas_stats_median(ms, (size_t)n_rounds);
    }
    return 0;
}

/* As many rounds as a latency has at least: a share of it needs no interval of its own. */
int mnas_meter_layers(mnas_meter *meter, const mnas_model *model, mnas_layer_time **layers, int *n) {
    const int n_rounds = (int)meter->options->rounds;
    mnas_layer_time *rounds[MNAS_PROTOCOL_MAX_ROUNDS] = {NULL};
    char *text;
    int rc = mnas_meter_request(&text, meter, model, NULL, 0);
    *n = 0;
    for (int k = 0; k < n_rounds && rc == 0; k++) rc = layers_round(meter, &rounds[k], n, text);
    if (rc == 0) rc = layers_median(rounds, n_rounds, *n);
    if (rc == 0) {
        *layers = rounds[0];
        rounds[0] = NULL;
    }
    for (int k = 0; k < n_rounds; k++) free(rounds[k]);
    free(text);
    return rc;
}

/* ---- other questions ---- */

int mnas_meter_info(mnas_meter *meter, mnas_wire_info *out) {
    char *answer;
    *out = (mnas_wire_info){0};
    int rc = mnas_meter_ask(meter, "info", "{}", &answer);
    if (rc == 0) rc = mnas_wire_parse_info(out, answer);
    free(answer);
    return mnas_meter_status(meter, rc);
}

int mnas_meter_peaks(mnas_meter *meter, mnas_peaks *out) {
    char none[] = "", *text, *answer = NULL;
    const mnas_wire_request request = {
        .threads = 1, .core = (int)meter->options->core, .runs = 1, .model = none};
    *out = (mnas_peaks){0};
    int rc = mnas_wire_print_request(&text, &request);
    if (rc == 0) rc = mnas_meter_ask(meter, "peaks", text, &answer);
    if (rc == 0) rc = mnas_wire_parse_peaks(out, answer);
    free(answer);
    free(text);
    return mnas_meter_status(meter, rc);
}

int mnas_meter_logits(mnas_meter *meter, const mnas_model *model, int seed, float **logits, int *n) {
    char *text, *answer = NULL;
    *logits = NULL;
    *n = 0;
    int rc = mnas_meter_request(&text, meter, model, NULL, seed);
    if (rc == 0) rc = mnas_meter_ask(meter, "logits", text, &answer);
    if (rc == 0) rc = mnas_wire_parse_logits(logits, n, answer);
    free(answer);
    free(text);
    return mnas_meter_status(meter, rc);
}
