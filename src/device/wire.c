/* wire.c - requests and replies as JSON; see wire.h for the two forms. */
#include "device/wire.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

/* mnas_json_dumps gives malloc'ed text; takes the reference. */
static int dump(char **text, json_t *object) {
    *text = object ? mnas_json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(object);
    return *text ? 0
                 : mnas_error_set(MNAS_ERR_MEMORY,
                                  "out of memory, or a number that JSON cannot hold (NaN), in a message");
}

static int parse_object(json_t **object, const char *text) {
    json_error_t error;
    *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!*object)
        return mnas_error_set(MNAS_ERR_FORMAT, "measuring message is no JSON: %s (byte %d)", error.text,
                              error.position);
    const json_int_t version = json_integer_value(json_object_get(*object, "wire"));
    if (version == MNAS_WIRE_VERSION) return 0;
    json_decref(*object);
    *object = NULL;
    return mnas_error_set(
        MNAS_ERR_FORMAT,
        "measuring message has wire version %lld; this side speaks %d: use one build on both sides",
        (long long)version, MNAS_WIRE_VERSION);
}

static int get_number(const json_t *object, const char *key, double min, double max, double *out) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return mnas_error_set(MNAS_ERR_FORMAT, "measuring message lacks the number \"%s\"", key);
    *out = json_number_value(value);
    if (*out >= min && *out <= max) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "measuring message: %s is %g; allowed: %g to %g", key, *out, min,
                          max);
}

static int get_int(const json_t *object, const char *key, double min, double max, int *out) {
    double value = 0;
    const int rc = get_number(object, key, min, max, &value);
    if (rc == 0) *out = (int)value;
    return rc;
}

static int get_text(const json_t *object, const char *key, const char **out) {
    *out = json_string_value(json_object_get(object, key));
    return *out ? 0 : mnas_error_set(MNAS_ERR_FORMAT, "measuring message lacks the text \"%s\"", key);
}

int mnas_wire_print_request(char **text, const mnas_wire_request *r, const char *model_yaml) {
    return dump(text, json_pack("{s:i, s:s, s:i, s:i, s:i, s:f, s:f}", "wire", MNAS_WIRE_VERSION, "model",
                                model_yaml, "threads", r->threads, "core", r->core, "runs", r->runs,
                                "time_ms", r->time_ms, "warmup_ms", r->warmup_ms));
}

int mnas_wire_parse_request(mnas_wire_request *out, char **model_yaml, const char *text) {
    json_t *object;
    const char *model;
    *model_yaml = NULL;
    int rc = parse_object(&object, text);
    if (rc < 0) return rc;
    if ((rc = get_text(object, "model", &model)) < 0) goto out;
    if ((rc = get_int(object, "threads", 1, 1024, &out->threads)) < 0) goto out;
    if ((rc = get_int(object, "core", -1, 65535, &out->core)) < 0) goto out;
    if ((rc = get_int(object, "runs", 1, MNAS_WIRE_MAX_RUNS, &out->runs)) < 0) goto out;
    if ((rc = get_number(object, "time_ms", 0, 1e6, &out->time_ms)) < 0) goto out;
    if ((rc = get_number(object, "warmup_ms", 0, 1e6, &out->warmup_ms)) < 0) goto out;
    if (!(*model_yaml = strdup(model))) rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: model text");
out:
    json_decref(object);
    return rc;
}

int mnas_wire_print_reply(char **text, const mnas_wire_reply *reply) {
    const mnas_round *r = &reply->round;
    return dump(text,
                json_pack("{s:i, s:f, s:f, s:i, s:i, s:i, s:i, s:f, s:i, s:f, s:i, s:s}", "wire",
                          MNAS_WIRE_VERSION, "median_ms", r->median_ms, "p10_ms", r->p10_ms, "runs", r->runs,
                          "n_preempted", r->n_preempted, "n_cpu_timed", r->n_cpu_timed, "warmup_runs",
                          r->warmup_runs, "timed_s", r->timed_s, "n_switches", r->n_switches, "cpu_frac",
                          r->cpu_frac, "core", reply->core, "engine", reply->engine));
}

int mnas_wire_print_layers(char **text, const mnas_layer_time *layers, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n && list; i++)
        if (json_array_append_new(list, json_pack("[s, f]", layers[i].name, layers[i].ms)) < 0) {
            json_decref(list);
            list = NULL;
        }
    return dump(text, list ? json_pack("{s:i, s:o}", "wire", MNAS_WIRE_VERSION, "layers", list) : NULL);
}

int mnas_wire_print_failure(char **text, int status, const char *message) {
    return dump(
        text, json_pack("{s:i, s:i, s:s}", "wire", MNAS_WIRE_VERSION, "status", status, "message", message));
}

static int parse_round(mnas_round *r, const json_t *object) {
    int rc;
    if ((rc = get_number(object, "median_ms", 1e-9, 1e9, &r->median_ms)) < 0) return rc;
    if ((rc = get_number(object, "p10_ms", 1e-9, 1e9, &r->p10_ms)) < 0) return rc;
    if ((rc = get_int(object, "runs", 1, 1e9, &r->runs)) < 0) return rc;
    if ((rc = get_int(object, "n_preempted", 0, 1e9, &r->n_preempted)) < 0) return rc;
    if ((rc = get_int(object, "n_cpu_timed", 0, 1e9, &r->n_cpu_timed)) < 0) return rc;
    if ((rc = get_int(object, "warmup_runs", 0, 1e9, &r->warmup_runs)) < 0) return rc;
    if ((rc = get_number(object, "timed_s", 1e-9, 1e9, &r->timed_s)) < 0) return rc;
    if ((rc = get_int(object, "n_switches", 0, 1e9, &r->n_switches)) < 0) return rc;
    return get_number(object, "cpu_frac", 0, 1e3, &r->cpu_frac);
}

/* A failure that the peer reports: a status of ours, or MNAS_ERR_DEVICE for anything else. */
static int peer_failure(const json_t *object) {
    const char *message = json_string_value(json_object_get(object, "message"));
    const json_int_t status = json_integer_value(json_object_get(object, "status"));
    const int rc = status < 0 && status >= MNAS_ERR_EXHAUSTED ? (int)status : MNAS_ERR_DEVICE;
    return mnas_error_set(rc, "%s", message ? message : "the measuring process failed and gave no reason");
}

int mnas_wire_parse_reply(mnas_wire_reply *out, const char *text) {
    json_t *object;
    const char *engine;
    *out = (mnas_wire_reply){0};
    int rc = parse_object(&object, text);
    if (rc < 0) return rc;
    if (json_object_get(object, "status")) {
        rc = peer_failure(object);
        goto out;
    }
    if ((rc = parse_round(&out->round, object)) < 0) goto out;
    if ((rc = get_int(object, "core", -1, 65535, &out->core)) < 0) goto out;
    if ((rc = get_text(object, "engine", &engine)) < 0) goto out;
    snprintf(out->engine, sizeof out->engine, "%s", engine);
out:
    json_decref(object);
    return rc;
}

static int parse_layer(mnas_layer_time *out, const json_t *item) {
    const char *name = json_string_value(json_array_get(item, 0));
    const double ms = json_number_value(json_array_get(item, 1));
    if (json_array_size(item) == 2 && name && name[0] && strlen(name) < sizeof out->name && ms > 0 &&
        ms <= 1e9) {
        snprintf(out->name, sizeof out->name, "%s", name);
        out->ms = ms;
        return 0;
    }
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "measuring message: a layer is no pair of name and time; allowed: 1 to %zu bytes, "
                          "more than 0 to 1e9 ms",
                          sizeof out->name - 1);
}

int mnas_wire_parse_layers(mnas_layer_time **layers, int *n, const char *text) {
    json_t *object;
    *layers = NULL;
    *n = 0;
    int rc = parse_object(&object, text);
    if (rc < 0) return rc;
    const json_t *list = json_object_get(object, "layers");
    const size_t count = json_array_size(list);
    mnas_layer_time *items = NULL;
    if (json_object_get(object, "status"))
        rc = peer_failure(object);
    else if (count < 1 || count > MNAS_WIRE_MAX_LAYERS)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "measuring message has %zu layers; allowed: 1 to %d", count,
                            MNAS_WIRE_MAX_LAYERS);
    else if (!(items = calloc(count, sizeof *items)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: times of %zu layers", count);
    for (size_t i = 0; i < count && rc == 0; i++) rc = parse_layer(&items[i], json_array_get(list, i));
    json_decref(object);
    if (rc == 0) {
        *layers = items;
        *n = (int)count;
    } else {
        free(items);
    }
    return rc;
}
