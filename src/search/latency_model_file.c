/* latency_model_file.c - latency models as JSON: written whole or not at all, read as a stranger's file.
 *
 *     {"latency_model": 1, "space": "mnasnet", "input_size": 224, ..., "conditions": {a latency},
 *      "error": {"way": "model", ...}, "baselines": [{"way": "macs", ...}, ...],
 *      "scale": 2, ..., "common_rate": [5 numbers], "kinds": [{"kind": "conv 3/2", "rate": [5 numbers],
 *                                  "layers": [[in_size, in_c, out_size, out_c, width, weight], ...]}, ...]}
 *
 * Fields are those of the structs, under their names. A file of another version is refused: its rates mean something else.
 */
#include "search/latency_model.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "device/json_fields.h"
#include "device/latency_json.h"
#include "model/latency.h"
#include "model/model.h"

enum {
    VERSION = 1,
    MAX_BYTES = 64 << 20,
    MAX_KINDS = 256,
    MAX_KNOTS = 200000,
    MAX_WIDTH = 1 << 24,
    KNOT_ITEMS = 6,
};
static const double max_rate = 1e6, max_weight = 1e6;

#define ABOUT(kind, name, min, max) MNAS_FIELD(mnas_latency_about, kind, name, min, max, true)
static const mnas_field about_fields[] = {ABOUT(TEXT, space, 0, 0),
                                          ABOUT(INT, input_size, 1, MNAS_MAX_INPUT),
                                          ABOUT(INT, n_networks, 1, 1e6),
                                          ABOUT(INT, n_layered, 0, 1e6),
                                          MNAS_FIELD(mnas_latency_about, REAL, target_ms, 0, 1e9, false),
                                          ABOUT(REAL, low_ms, 0, 1e9),
                                          ABOUT(REAL, high_ms, 0, 1e9)};
#undef ABOUT

#define ERROR(name, max) MNAS_FIELD(mnas_latency_error, REAL, name, 0, max, false)
static const mnas_field error_fields[] = {MNAS_FIELD(mnas_latency_error, TEXT, way, 0, 0, true),
                                          MNAS_FIELD(mnas_latency_error, INT, n, 0, 1e6, true),
                                          MNAS_FIELD(mnas_latency_error, INT, n_near, 0, 1e6, true),
                                          ERROR(mean_frac, 1e9),
                                          ERROR(near_frac, 1e9),
                                          ERROR(p90_frac, 1e9),
                                          ERROR(worst_frac, 1e9),
                                          ERROR(within_10_frac, 1),
                                          MNAS_FIELD(mnas_latency_error, REAL, kendall_tau, -1, 1, false)};
#undef ERROR

#define MODEL(kind, name, min, max) MNAS_FIELD(mnas_latency_model, kind, name, min, max, true)
static const mnas_field model_fields[] = {MODEL(REAL, scale, 0.01, 100),
                                          MODEL(INT, largest_map, 1, MNAS_MAX_INPUT),
                                          MODEL(INT, largest_width, 1, MAX_WIDTH)};
#undef MODEL
#define COUNT(table) (sizeof table / sizeof *table)

/* ---- writing ---- */

static int put(json_t *object, const char *name, json_t *value) {
    if (json_object_set_new(object, name, value) == 0) return 0;
    return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: \"%s\" of a latency model", name);
}

static int put_fields(json_t *object, const char *name, const mnas_field *fields, size_t n,
                      const void *from) {
    json_t *inner = json_object();
    const int rc = mnas_fields_to_json(inner, fields, n, from);
    if (rc == 0) return put(object, name, inner);
    json_decref(inner);
    return rc;
}

static json_t *baselines_to_json(const mnas_latency_about *about) {
    json_t *list = json_array();
    for (int i = 0; i < MNAS_LATENCY_BASELINES; i++) {
        json_t *item = json_object();
        if (mnas_fields_to_json(item, error_fields, COUNT(error_fields), &about->baseline[i]) == 0 &&
            json_array_append(list, item) == 0) {
            json_decref(item);
            continue;
        }
        json_decref(item);
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *kind_to_json(const mnas_lm_kind *kind) {
    json_t *layers = json_array();
    for (int i = 0; i < kind->n_knots; i++) {
        const mnas_lm_layer *l = &kind->knots[i].layer;
        if (json_array_append_new(layers, json_pack("[i, i, i, i, i, f]", l->in_size, l->in_c, l->out_size,
                                                    l->out_c, l->width, kind->knots[i].weight)) == 0)
            continue;
        json_decref(layers);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:o}", "kind", kind->name, "rate",
                     mnas_json_numbers(kind->rate, MNAS_LM_FEATURES), "layers", layers);
}

static json_t *kinds_to_json(const mnas_latency_model *model) {
    json_t *list = json_array();
    for (int i = 0; i < model->n_kinds; i++) {
        if (json_array_append_new(list, kind_to_json(&model->kinds[i])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static int to_json(json_t *root, const mnas_latency_model *m) {
    json_t *conditions = json_object();
    int rc = put(root, "latency_model", json_integer(VERSION));
    if (rc == 0) rc = mnas_fields_to_json(root, about_fields, COUNT(about_fields), &m->about);
    if (rc == 0) rc = mnas_latency_to_json(conditions, &m->about.conditions);
    if (rc == 0) rc = put(root, "conditions", json_incref(conditions));
    if (rc == 0) rc = put_fields(root, "error", error_fields, COUNT(error_fields), &m->about.error);
    if (rc == 0) rc = put(root, "baselines", baselines_to_json(&m->about));
    if (rc == 0) rc = mnas_fields_to_json(root, model_fields, COUNT(model_fields), m);
    if (rc == 0) rc = put(root, "common_rate", mnas_json_numbers(m->common_rate, MNAS_LM_FEATURES));
    if (rc == 0) rc = put(root, "kinds", kinds_to_json(m));
    json_decref(conditions);
    return rc;
}

int mnas_latency_model_save(const mnas_latency_model *model, const char *path) {
    json_t *root = json_object();
    char *text = NULL;
    int rc = to_json(root, model);
    if (rc == 0 && !(text = mnas_json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(17))))
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latency model as text");
    if (rc == 0) rc = mnas_file_write_atomic(path, text, strlen(text));
    free(text);
    json_decref(root);
    return rc;
}

/* ---- reading ---- */

static int check_version(const json_t *root) {
    const json_t *version = json_object_get(root, "latency_model");
    if (!json_is_integer(version))
        return mnas_error_set(MNAS_ERR_FORMAT, "\"latency_model\" is missing; it is no latency model");
    if (json_integer_value(version) == VERSION) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "latency model of version %lld; this program reads %d: fit it again",
                          (long long)json_integer_value(version), VERSION);
}

static int read_error(mnas_latency_error *out, const json_t *object) {
    *out = mnas_lm_error_unknown();
    if (!json_is_object(object)) return mnas_error_set(MNAS_ERR_FORMAT, "the statement is missing");
    const int rc = mnas_fields_from_json(out, error_fields, COUNT(error_fields), object);
    if (rc < 0 || out->n_near <= out->n) return rc;
    return mnas_error_set(MNAS_ERR_FORMAT, "\"n_near\" is %d of %d networks", out->n_near, out->n);
}

static int read_about(mnas_latency_about *out, const json_t *root) {
    const json_t *conditions = json_object_get(root, "conditions");
    const json_t *baselines = json_object_get(root, "baselines");
    out->target_ms = NAN;
    int rc = mnas_fields_from_json(out, about_fields, COUNT(about_fields), root);
    if (rc == 0 && !(out->low_ms > 0 && out->low_ms <= out->high_ms))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "latencies from %g to %g ms", out->low_ms, out->high_ms);
    if (rc == 0 && (rc = mnas_latency_from_json(&out->conditions, conditions)) < 0)
        return mnas_error_context(rc, "\"conditions\"");
    if (rc == 0 && (rc = read_error(&out->error, json_object_get(root, "error"))) < 0)
        return mnas_error_context(rc, "\"error\"");
    for (int i = 0; i < MNAS_LATENCY_BASELINES && rc == 0; i++)
        if ((rc = read_error(&out->baseline[i], json_array_get(baselines, (size_t)i))) < 0)
            return mnas_error_context(rc, "\"baselines\" %d", i);
    return rc;
}

static int read_numbers(double *out, size_t n, const json_t *list, double min, double max) {
    if (json_array_size(list) != n)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu numbers; expected: %zu", json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        out[i] = json_number_value(value);
        if (!json_is_number(value) || !(out[i] >= min && out[i] <= max))
            return mnas_error_set(MNAS_ERR_FORMAT, "number %zu is %g; allowed: %g to %g", i, out[i], min,
                                  max);
    }
    return 0;
}

static int read_rates(double out[MNAS_LM_FEATURES], const json_t *list) {
    const int rc = read_numbers(out, MNAS_LM_FEATURES, list, 0, max_rate);
    return rc < 0 ? mnas_error_context(rc, "rates") : 0;
}

static bool in_range(double value, double min, double max) {
    return value >= min && value <= max && value == floor(value);
}

static int read_knot(mnas_lm_knot *out, const char *kind, const json_t *list) {
    double item[KNOT_ITEMS];
    const int rc = read_numbers(item, KNOT_ITEMS, list, -max_weight, MAX_WIDTH);
    if (rc < 0) return rc;
    if (!in_range(item[0], 1, MNAS_MAX_INPUT) || !in_range(item[1], 1, MAX_WIDTH) ||
        !in_range(item[2], 1, MNAS_MAX_INPUT) || !in_range(item[3], 1, MAX_WIDTH) ||
        !in_range(item[4], 0, MAX_WIDTH) || fabs(item[5]) > max_weight)
        return mnas_error_set(MNAS_ERR_FORMAT, "sizes %g, %g, %g, %g, %g or weight %g are no layer's",
                              item[0], item[1], item[2], item[3], item[4], item[5]);
    out->layer = (mnas_lm_layer){.in_size = (int)item[0],
                                 .in_c = (int)item[1],
                                 .out_size = (int)item[2],
                                 .out_c = (int)item[3],
                                 .width = (int)item[4]};
    memcpy(out->layer.kind, kind, sizeof out->layer.kind);
    out->weight = item[5];
    mnas_lm_place(out->place, &out->layer);
    return 0;
}

static int read_knots(mnas_lm_kind *out, const json_t *list) {
    const size_t n = json_array_size(list);
    if (n < 1 || n > MAX_KNOTS)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu layers; allowed: 1 to %d", n, MAX_KNOTS);
    if (!(out->knots = calloc(n, sizeof *out->knots)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu layers of a latency model", n);
    out->n_knots = (int)n;
    for (size_t i = 0; i < n; i++) {
        const int rc = read_knot(&out->knots[i], out->name, json_array_get(list, i));
        if (rc < 0) return mnas_error_context(rc, "layer %zu", i);
    }
    return 0;
}

/* In the order of their names, each once: they are searched by halves. */
static int read_kind(mnas_lm_kind *out, const mnas_lm_kind *before, const json_t *object) {
    const char *name = json_string_value(json_object_get(object, "kind"));
    if (!name || !name[0] || strlen(name) >= sizeof out->name)
        return mnas_error_set(MNAS_ERR_FORMAT, "\"kind\" is missing or longer than %zu bytes",
                              sizeof out->name - 1);
    if (before && strcmp(before->name, name) >= 0)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "\"%s\" stands behind \"%s\"; kinds come in the order of their "
                              "names, each once",
                              name, before->name);
    memcpy(out->name, name, strlen(name));
    int rc = read_rates(out->rate, json_object_get(object, "rate"));
    if (rc == 0) rc = read_knots(out, json_object_get(object, "layers"));
    return rc < 0 ? mnas_error_context(rc, "\"%s\"", name) : 0;
}

static int read_kinds(mnas_latency_model *out, const json_t *list) {
    const size_t n = json_array_size(list);
    if (n < 1 || n > MAX_KINDS)
        return mnas_error_set(MNAS_ERR_FORMAT, "%zu kinds of layers; allowed: 1 to %d", n, MAX_KINDS);
    if (!(out->kinds = calloc(n, sizeof *out->kinds)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu kinds of layers", n);
    out->n_kinds = (int)n;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = read_kind(&out->kinds[i], i > 0 ? &out->kinds[i - 1] : NULL, json_array_get(list, i));
    return rc;
}

static int parse(mnas_latency_model *out, const char *text, size_t n) {
    json_error_t error;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!root) return mnas_error_set(MNAS_ERR_FORMAT, "line %d: no JSON: %s", error.line, error.text);
    int rc = check_version(root);
    if (rc == 0) rc = read_about(&out->about, root);
    if (rc == 0) rc = mnas_fields_from_json(out, model_fields, COUNT(model_fields), root);
    if (rc == 0) rc = read_rates(out->common_rate, json_object_get(root, "common_rate"));
    if (rc == 0) rc = read_kinds(out, json_object_get(root, "kinds"));
    json_decref(root);
    return rc;
}

int mnas_latency_model_load(mnas_latency_model **out, const char *path) {
    char *text = NULL;
    size_t n;
    *out = NULL;
    mnas_latency_model *model = calloc(1, sizeof *model);
    if (!model) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: latency model");
    int rc = mnas_file_read(path, MAX_BYTES, &text, &n);
    if (rc == 0 && (rc = parse(model, text, n)) < 0) mnas_error_context(rc, "%s", path);
    free(text);
    if (rc == 0)
        *out = model;
    else
        mnas_latency_model_free(model);
    return rc;
}
