/* wire.c - requests and answers as JSON; see wire.h for their forms. */
#include "device/wire.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "device/json_fields.h"

enum { MOST = 1000000000 };

#define N(table) (sizeof(table) / sizeof *(table))

#define F(kind, name, min, max) MNAS_FIELD(mnas_wire_request, kind, name, min, max, true)
static const mnas_field request_fields[] = {F(INT, threads, 1, 1024),
                                            F(INT, core, MNAS_CORE_NOT_PINNED, 65535),
                                            F(INT, runs, 1, MNAS_WIRE_MAX_RUNS),
                                            F(REAL, time_ms, 0, 1e6),
                                            F(REAL, warmup_ms, 0, 1e6),
                                            F(INT, seed, 0, INT32_MAX),
                                            F(TEXT, engine, 0, 0)};
#undef F

#define F(kind, name, min, max, required) MNAS_FIELD(mnas_round, kind, name, min, max, required)
static const mnas_field round_fields[] = {
    F(REAL, median_ms, 1e-9, 1e9, true), F(REAL, p10_ms, 1e-9, 1e9, true),
    F(INT, runs, 1, MOST, true),         F(INT, n_preempted, 0, MOST, true),
    F(INT, n_cpu_timed, 0, MOST, true),  F(INT, warmup_runs, 0, MOST, true),
    F(REAL, timed_s, 1e-9, 1e9, true),   F(INT, n_switches, 0, MOST, true),
    F(REAL, cpu_frac, 0, 1e3, false),    F(REAL, steal_frac, 0, 1e9, false),
    F(REAL, freq_mhz, 0, 1e9, false),    F(REAL, sentinel_ms, 1e-9, 1e9, false),
    F(REAL, ratio, 1e-9, 1e9, false)};
#undef F

#define F(kind, name) MNAS_FIELD(mnas_conditions, kind, name, 0, 0, false)
static const mnas_field condition_fields[] = {F(REAL, load),    F(REAL, freq_mhz), F(REAL, temp_c),
                                              F(REAL, steal_s), F(TEXT, governor), F(TEXT, cpu)};
#undef F

#define F(kind, name, min, max) MNAS_FIELD(mnas_wire_reply, kind, name, min, max, true)
static const mnas_field reply_fields[] = {F(INT, core, -1, 65535), F(TEXT, engine, 0, 0), F(TEXT, arch, 0, 0),
                                          F(BOOL, emulated, 0, 0)};
#undef F

#define F(kind, name, min, max) MNAS_FIELD(mnas_wire_info, kind, name, min, max, false)
static const mnas_field info_fields[] = {
    F(TEXT, version, 0, 0),         F(TEXT, cpu, 0, 0),           F(TEXT, arch, 0, 0),
    F(TEXT, kernel, 0, 0),          F(BOOL, emulated, 0, 0),      F(BOOL, can_raise, 0, 0),
    F(REAL, memory_bytes, 0, 1e18), F(REAL, free_bytes, 0, 1e18), F(REAL, temp_c, 0, 0),
    F(INT, n_zones, 0, MOST),       F(INT, best_core, -1, 65535)};
#undef F

#define F(kind, name, min, max) MNAS_FIELD(mnas_hindrances, kind, name, min, max, false)
static const mnas_field hindrance_fields[] = {F(REAL, load, 0, 1e6),         F(TEXT, busiest, 0, 0),
                                              F(REAL, busiest_frac, 0, 1e6), F(REAL, cap_mhz, 0, 1e9),
                                              F(INT, turbo, -1, 1),          F(INT, n_throttled, -1, MOST)};
#undef F

#define F(kind, name, min, max) MNAS_FIELD(mnas_wire_core, kind, name, min, max, false)
static const mnas_field core_fields[] = {F(REAL, max_mhz, 0, 1e9), F(BOOL, allowed, 0, 0),
                                         F(TEXT, governor, 0, 0)};
#undef F

#define F(kind, name, min, max) MNAS_FIELD(mnas_peaks, kind, name, min, max, true)
static const mnas_field peaks_fields[] = {F(TEXT, isa, 0, 0), F(REAL, flops_per_s, 1, 1e18)};
#undef F

#define F(kind, name, min, max, required) MNAS_FIELD(mnas_peaks_level, kind, name, min, max, required)
static const mnas_field level_fields[] = {F(TEXT, name, 0, 0, true), F(REAL, bytes, 1, 1e18, false),
                                          F(REAL, bytes_per_s, 1, 1e18, true)};
#undef F

static json_t *new_message(void) {
    return json_pack("{s:i}", "wire", MNAS_WIRE_VERSION);
}

/* An object with the fields of a struct; NULL where one of them is no JSON. */
static json_t *pack(const mnas_field *fields, size_t n, const void *from) {
    json_t *object = json_object();
    if (object && mnas_fields_to_json(object, fields, n, from) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* mnas_json_dumps gives malloc'ed text; takes the reference. `ok` false: the message could not be put together. */
static int dump(char **text, json_t *object, bool ok) {
    *text = object && ok ? mnas_json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
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

/* A terminal is moved by no word of another machine. */
static void clean(char *text, const char *but) {
    for (; *text; text++)
        if (((unsigned char)*text < ' ' || *text == 127) && !strchr(but, *text)) *text = '?';
}

/* A failure that the peer reports. What is interrupted, in use or out of memory here is ours to say: there it is the device's. */
static int peer_failure(const json_t *object) {
    static const int kept[] = {MNAS_ERR_ARG, MNAS_ERR_FORMAT, MNAS_ERR_INVALID, MNAS_ERR_LIBRARY,
                               MNAS_ERR_MISSING};
    const char *message = json_string_value(json_object_get(object, "message"));
    const json_int_t status = json_integer_value(json_object_get(object, "status"));
    int rc = MNAS_ERR_DEVICE;
    for (size_t i = 0; i < N(kept); i++)
        if (status == kept[i]) rc = kept[i];
    char said[1000];
    snprintf(said, sizeof said, "%s", message ? message : "the measuring process failed and gave no reason");
    clean(said, "\n");
    return mnas_error_set(rc, "%s", said);
}

static int parse_answer(json_t **object, const char *text) {
    const int rc = parse_object(object, text);
    if (rc < 0 || !json_object_get(*object, "status")) return rc;
    const int failure = peer_failure(*object);
    json_decref(*object);
    *object = NULL;
    return failure;
}

static int parse_fields(void *to, const mnas_field *fields, size_t n, const json_t *object) {
    const int rc = mnas_fields_from_json(to, fields, n, object);
    if (rc < 0) return mnas_error_context(rc, "measuring message");
    for (size_t i = 0; i < n; i++)
        if (fields[i].type == MNAS_FIELD_TEXT) clean((char *)to + fields[i].offset, "");
    return 0;
}

/* An object within a message. */
static int parse_inner(void *to, const mnas_field *fields, size_t n, const json_t *object, const char *key) {
    const json_t *inner = json_object_get(object, key);
    if (json_is_object(inner)) return parse_fields(to, fields, n, inner);
    return mnas_error_set(MNAS_ERR_FORMAT, "measuring message lacks the object \"%s\"", key);
}

/* ---- requests ---- */

int mnas_wire_print_request(char **text, const mnas_wire_request *r) {
    json_t *object = new_message();
    bool ok = object && mnas_fields_to_json(object, request_fields, N(request_fields), r) == 0;
    ok = ok && json_object_set_new(object, "model", json_string(r->model)) == 0;
    if (r->sentinel) ok = ok && json_object_set_new(object, "sentinel", json_string(r->sentinel)) == 0;
    return dump(text, object, ok);
}

static int copy_text(char **out, const json_t *object, const char *key, bool required) {
    const char *text = json_string_value(json_object_get(object, key));
    if (!text && !required) return 0;
    if (!text) return mnas_error_set(MNAS_ERR_FORMAT, "measuring message lacks the text \"%s\"", key);
    *out = strdup(text);
    return *out ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %s text", key);
}

int mnas_wire_parse_request(mnas_wire_request *out, const char *text) {
    json_t *object;
    *out = (mnas_wire_request){0};
    int rc = parse_object(&object, text);
    if (rc < 0) return rc;
    rc = mnas_fields_from_json(out, request_fields, N(request_fields), object);
    if (rc == 0) rc = copy_text(&out->model, object, "model", true);
    if (rc == 0) rc = copy_text(&out->sentinel, object, "sentinel", false);
    json_decref(object);
    return rc;
}

void mnas_wire_free_request(mnas_wire_request *request) {
    free(request->model);
    free(request->sentinel);
    request->model = request->sentinel = NULL;
}

/* ---- answers ---- */

int mnas_wire_print_failure(char **text, int status, const char *message) {
    return dump(text,
                json_pack("{s:i, s:i, s:o}", "wire", MNAS_WIRE_VERSION, "status", status, "message",
                          mnas_json_text(message)),
                true);
}

int mnas_wire_print_reply(char **text, const mnas_wire_reply *reply) {
    json_t *object = new_message();
    bool ok = object && mnas_fields_to_json(object, reply_fields, N(reply_fields), reply) == 0;
    ok = ok && json_object_set_new(object, "round", pack(round_fields, N(round_fields), &reply->round)) == 0;
    ok = ok && json_object_set_new(object, "before",
                                   pack(condition_fields, N(condition_fields), &reply->before)) == 0;
    ok = ok && json_object_set_new(object, "after",
                                   pack(condition_fields, N(condition_fields), &reply->after)) == 0;
    return dump(text, object, ok);
}

static int parse_conditions(mnas_conditions *out, const json_t *object, const char *key) {
    *out = (mnas_conditions){.load = NAN, .freq_mhz = NAN, .temp_c = NAN, .steal_s = NAN};
    return parse_inner(out, condition_fields, N(condition_fields), object, key);
}

int mnas_wire_parse_reply(mnas_wire_reply *out, const char *text) {
    json_t *object;
    *out = (mnas_wire_reply){
        .round = {.cpu_frac = NAN, .steal_frac = NAN, .freq_mhz = NAN, .sentinel_ms = NAN, .ratio = NAN}};
    int rc = parse_answer(&object, text);
    if (rc < 0) return rc;
    rc = parse_fields(out, reply_fields, N(reply_fields), object);
    if (rc == 0) rc = parse_inner(&out->round, round_fields, N(round_fields), object, "round");
    if (rc == 0) rc = parse_conditions(&out->before, object, "before");
    if (rc == 0) rc = parse_conditions(&out->after, object, "after");
    json_decref(object);
    return rc;
}

/* The list of a message, of 1 to `most` items. */
static int get_list(const json_t **list, int *n, const json_t *object, const char *key, size_t most) {
    *list = json_object_get(object, key);
    const size_t count = json_array_size(*list);
    *n = (int)count;
    if (count >= 1 && count <= most) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "measuring message has %zu %s; allowed: 1 to %zu", count, key,
                          most);
}

int mnas_wire_print_layers(char **text, const mnas_layer_time *layers, int n) {
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < n && ok; i++)
        ok = json_array_append_new(list, json_pack("[s, f]", layers[i].name, layers[i].ms)) == 0;
    return dump(text, json_pack("{s:i, s:o}", "wire", MNAS_WIRE_VERSION, "layers", list), ok);
}

static int parse_layer(mnas_layer_time *out, const json_t *item) {
    const char *name = json_string_value(json_array_get(item, 0));
    const double ms = json_number_value(json_array_get(item, 1));
    if (json_array_size(item) == 2 && name && name[0] && strlen(name) < sizeof out->name && ms > 0 &&
        ms <= 1e9) {
        snprintf(out->name, sizeof out->name, "%s", name);
        clean(out->name, "");
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
    const json_t *list;
    *layers = NULL;
    *n = 0;
    int rc = parse_answer(&object, text);
    if (rc < 0) return rc;
    rc = get_list(&list, n, object, "layers", MNAS_WIRE_MAX_LAYERS);
    if (rc == 0 && !(*layers = calloc((size_t)*n, sizeof **layers)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: times of %d layers", *n);
    for (int i = 0; i < *n && rc == 0; i++) rc = parse_layer(&(*layers)[i], json_array_get(list, (size_t)i));
    json_decref(object);
    if (rc == 0) return 0;
    free(*layers);
    *layers = NULL;
    *n = 0;
    return rc;
}

int mnas_wire_print_logits(char **text, const float *logits, int n) {
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int i = 0; i < n && ok; i++) ok = json_array_append_new(list, json_real((double)logits[i])) == 0;
    return dump(text, json_pack("{s:i, s:o}", "wire", MNAS_WIRE_VERSION, "logits", list), ok);
}

int mnas_wire_parse_logits(float **logits, int *n, const char *text) {
    json_t *object;
    const json_t *list;
    *logits = NULL;
    *n = 0;
    int rc = parse_answer(&object, text);
    if (rc < 0) return rc;
    rc = get_list(&list, n, object, "logits", MNAS_WIRE_MAX_LOGITS);
    if (rc == 0 && !(*logits = calloc((size_t)*n, sizeof **logits)))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d logits", *n);
    for (int i = 0; i < *n && rc == 0; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        if (!json_is_number(item) || fabs(json_number_value(item)) > 1e30)
            rc = mnas_error_set(MNAS_ERR_FORMAT, "measuring message: logit %d is no number up to 1e30", i);
        else
            (*logits)[i] = (float)json_number_value(item);
    }
    json_decref(object);
    if (rc == 0) return 0;
    free(*logits);
    *logits = NULL;
    *n = 0;
    return rc;
}

int mnas_wire_print_info(char **text, const mnas_wire_info *info) {
    json_t *object = pack(info_fields, N(info_fields), info), *cores = json_array();
    bool ok = object && cores;
    for (int i = 0; i < info->n_cores && ok; i++)
        ok = json_array_append_new(cores, pack(core_fields, N(core_fields), &info->cores[i])) == 0;
    if (!ok) json_decref(cores);
    ok = ok && json_object_set_new(object, "cores", cores) == 0;
    ok = ok && json_object_set_new(object, "hindrances",
                                   pack(hindrance_fields, N(hindrance_fields), &info->hindrances)) == 0;
    return dump(text, json_pack("{s:i, s:o}", "wire", MNAS_WIRE_VERSION, "info", object), ok);
}

static int parse_cores(mnas_wire_info *out, const json_t *info) {
    const json_t *list;
    int n;
    int rc = get_list(&list, &n, info, "cores", MNAS_WIRE_MAX_CORES);
    if (rc < 0) return rc;
    if (!(out->cores = calloc((size_t)n, sizeof *out->cores)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d cores", n);
    out->n_cores = n;
    for (int i = 0; i < n && rc == 0; i++) {
        out->cores[i].max_mhz = NAN;
        const json_t *core = json_array_get(list, (size_t)i);
        rc = parse_fields(&out->cores[i], core_fields, N(core_fields), core);
    }
    return rc;
}

int mnas_wire_parse_info(mnas_wire_info *out, const char *text) {
    json_t *object;
    const mnas_hindrances unknown = {.load = NAN, .cap_mhz = NAN, .turbo = -1, .n_throttled = -1};
    *out = (mnas_wire_info){
        .memory_bytes = NAN, .free_bytes = NAN, .temp_c = NAN, .best_core = -1, .hindrances = unknown};
    int rc = parse_answer(&object, text);
    if (rc < 0) return rc;
    rc = parse_inner(out, info_fields, N(info_fields), object, "info");
    const json_t *info = json_object_get(object, "info");
    if (rc == 0) rc = parse_cores(out, info);
    if (rc == 0 && json_object_get(info, "hindrances"))
        rc = parse_inner(&out->hindrances, hindrance_fields, N(hindrance_fields), info, "hindrances");
    json_decref(object);
    if (rc < 0) mnas_wire_free_info(out);
    return rc;
}

void mnas_wire_free_info(mnas_wire_info *info) {
    free(info->cores);
    info->cores = NULL;
    info->n_cores = 0;
}

int mnas_wire_print_peaks(char **text, const mnas_peaks *peaks) {
    json_t *object = pack(peaks_fields, N(peaks_fields), peaks), *levels = json_array();
    bool ok = object && levels;
    for (int i = 0; i < peaks->n_levels && ok; i++)
        ok = json_array_append_new(levels, pack(level_fields, N(level_fields), &peaks->levels[i])) == 0;
    if (!ok) json_decref(levels);
    ok = ok && json_object_set_new(object, "levels", levels) == 0;
    return dump(text, json_pack("{s:i, s:o}", "wire", MNAS_WIRE_VERSION, "peaks", object), ok);
}

static int parse_levels(mnas_peaks *out, const json_t *peaks) {
    const json_t *list;
    int n;
    int rc = get_list(&list, &n, peaks, "levels", N(out->levels));
    for (int i = 0; i < n && rc == 0; i++) {
        mnas_peaks_level *level = &out->levels[out->n_levels++];
        level->bytes = INFINITY; /* of memory, which is no number there */
        rc = parse_fields(level, level_fields, N(level_fields), json_array_get(list, (size_t)i));
    }
    return rc;
}

int mnas_wire_parse_peaks(mnas_peaks *out, const char *text) {
    json_t *object;
    *out = (mnas_peaks){0};
    int rc = parse_answer(&object, text);
    if (rc < 0) return rc;
    rc = parse_inner(out, peaks_fields, N(peaks_fields), object, "peaks");
    if (rc == 0) rc = parse_levels(out, json_object_get(object, "peaks"));
    json_decref(object);
    if (rc < 0) *out = (mnas_peaks){0};
    return rc;
}
