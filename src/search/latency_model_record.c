/* latency_model_record.c - measurements of a plan on disk, so that a process that is killed goes on where it was.
 *
 * Both files are JSON lines, appended with one write each. It decides nothing about what to measure.
 */
#include "search/latency_model.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/jsonl.h"
#include "base/log.h"
#include "base/str.h"
#include "device/latency_json.h"

enum { MAX_BYTES = 256 << 20, MAX_LAYERS = 65536 };
static const double scale_frac = 0.02;

typedef struct latency_line {
    char key[MNAS_KEY_BYTES];
    mnas_latency latency;
} latency_line;

typedef struct layers_line {
    char key[MNAS_KEY_BYTES];
    mnas_layer_time *layers;
    int n;
} layers_line;

struct mnas_lm_record {
    char path[1024], layers_path[1040];
    latency_line *lines;
    layers_line *layers;
    size_t n_lines, n_layers;
    bool warned;
};

/* ---- lines ---- */

static int grow(void **list, size_t n, size_t bytes) {
    if (n & (n - 1)) return 0; /* doubled where n is a power of two */
    void *grown = realloc(*list, (n ? 2 * n : 1) * bytes);
    if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu measurements", n + 1);
    *list = grown;
    return 0;
}

static int keep(mnas_lm_record *r, const char *key, const mnas_latency *latency) {
    const int rc = grow((void **)&r->lines, r->n_lines, sizeof *r->lines);
    if (rc < 0) return rc;
    memcpy(r->lines[r->n_lines].key, key, MNAS_KEY_BYTES);
    r->lines[r->n_lines++].latency = *latency;
    return 0;
}

static int read_latency(void *user, const json_t *object, int line) {
    char key[MNAS_KEY_BYTES];
    mnas_latency latency;
    int rc = mnas_json_read_key(key, object);
    (void)line;
    if (rc == 0) rc = mnas_latency_from_json(&latency, object);
    return rc == 0 ? keep(user, key, &latency) : rc;
}

static int read_layer(mnas_layer_time *out, const json_t *pair) {
    const char *name = json_string_value(json_array_get(pair, 0));
    const double ms = json_number_value(json_array_get(pair, 1));
    if (!name || strlen(name) >= sizeof out->name || !(ms >= 0) || !isfinite(ms))
        return mnas_error_set(MNAS_ERR_FORMAT, "a layer is no pair of a name and milliseconds");
    *out = (mnas_layer_time){.ms = ms};
    memcpy(out->name, name, strlen(name));
    return 0;
}

static int read_layers(void *user, const json_t *object, int line) {
    mnas_lm_record *r = user;
    (void)line;
    const json_t *list = json_object_get(object, "layers");
    const size_t n = json_array_size(list);
    if (n < 1 || n > MAX_LAYERS)
        return mnas_error_set(MNAS_ERR_FORMAT, "\"layers\" has %zu; allowed: 1 to %d", n, MAX_LAYERS);
    int rc = grow((void **)&r->layers, r->n_layers, sizeof *r->layers);
    if (rc < 0) return rc;
    layers_line *to = &r->layers[r->n_layers];
    if ((rc = mnas_json_read_key(to->key, object)) < 0) return rc;
    if (!(to->layers = malloc(n * sizeof *to->layers)))
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: times of %zu layers", n);
    to->n = (int)n;
    r->n_layers++;
    for (size_t i = 0; i < n && rc == 0; i++) rc = read_layer(&to->layers[i], json_array_get(list, i));
    return rc;
}

/* ---- files ---- */

static int read_file(mnas_lm_record *r, const char *path, mnas_jsonl_reader *read) {
    return mnas_file_exists(path) ? mnas_jsonl_read(path, MAX_BYTES, true, read, r) : 0;
}

int mnas_lm_record_open(mnas_lm_record **out, const char *path) {
    *out = NULL;
    mnas_lm_record *r = calloc(1, sizeof *r);
    if (!r) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: record of measurements");
    int rc = mnas_str_format(r->path, sizeof r->path, "%s", path);
    if (rc == 0) rc = mnas_str_format(r->layers_path, sizeof r->layers_path, "%s.layers", path);
    if (rc == 0) rc = read_file(r, r->path, read_latency);
    if (rc == 0) rc = read_file(r, r->layers_path, read_layers);
    if (rc == 0)
        *out = r;
    else
        mnas_lm_record_close(r);
    return rc;
}

void mnas_lm_record_close(mnas_lm_record *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n_layers; i++) free(r->layers[i].layers);
    free(r->layers);
    free(r->lines);
    free(r);
}

/* ---- finding and adding ---- */

/* The last line of a network counts, as in a table. */
bool mnas_lm_record_find(const mnas_lm_record *r, const char *key, mnas_latency *out) {
    for (size_t i = r->n_lines; i-- > 0;) {
        if (strcmp(r->lines[i].key, key) != 0) continue;
        *out = r->lines[i].latency;
        return true;
    }
    return false;
}

/* What the device's fixed network took when drift was first counted from it; NaN where none is timed. */
static double reference_ms(const mnas_latency *l) {
    return l->sentinel_ms / (1 + l->drift_frac);
}

/* Drift is taken out against a reference: with another one, later times need not lie on the scale of the earlier ones. */
static void check_scale(mnas_lm_record *r, const mnas_latency *latency) {
    const double was = reference_ms(&r->lines[0].latency), is = reference_ms(latency);
    if (r->warned || !(fabs(is / was - 1) > scale_frac)) return;
    r->warned = true;
    mnas_log_warn(
        "%s: drift was counted from %.4g ms of the device's fixed network, now from %.4g; where the two "
        "scales differ a fit suffers: another --record starts anew",
        r->path, was, is);
}

static int check_device(mnas_lm_record *r, const mnas_latency *latency) {
    if (r->n_lines == 0) return 0;
    const mnas_latency *first = &r->lines[0].latency;
    check_scale(r, latency);
    if (strcmp(first->device, latency->device) == 0 && strcmp(first->engine, latency->engine) == 0) return 0;
    return mnas_error_set(
        MNAS_ERR_MISMATCH,
        "%s was measured on \"%s\" with \"%s\", now it would be \"%s\" with \"%s\"; give another "
        "--record",
        r->path, first->device, first->engine, latency->device, latency->engine);
}

int mnas_lm_record_add(mnas_lm_record *r, const mnas_model *network, const mnas_latency *latency) {
    char key[MNAS_KEY_BYTES];
    int rc = mnas_model_key(network, key);
    if (rc == 0) rc = check_device(r, latency);
    if (rc == 0) rc = mnas_measure_record(r->path, network, latency);
    return rc == 0 ? keep(r, key, latency) : rc;
}

int mnas_lm_record_find_layers(const mnas_lm_record *r, const char *key, mnas_layer_time **layers, int *n) {
    *layers = NULL;
    *n = 0;
    for (size_t i = r->n_layers; i-- > 0;) {
        if (strcmp(r->layers[i].key, key) != 0) continue;
        const size_t bytes = (size_t)r->layers[i].n * sizeof **layers;
        if (!(*layers = malloc(bytes)))
            return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: times of %d layers", r->layers[i].n);
        memcpy(*layers, r->layers[i].layers, bytes);
        *n = r->layers[i].n;
        return 0;
    }
    return 0;
}

/* NULL where memory runs out. */
static json_t *layers_object(const char *key, const mnas_layer_time *layers, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("[s, f]", layers[i].name, layers[i].ms));
    const bool whole = json_array_size(list) == (size_t)n;
    json_t *object = json_pack("{s:s, s:o}", "key", key, "layers", list);
    if (whole) return object;
    json_decref(object);
    return NULL;
}

int mnas_lm_record_add_layers(mnas_lm_record *r, const char *key, const mnas_layer_time *layers, int n) {
    json_t *object = layers_object(key, layers, n);
    const int rc = mnas_jsonl_append(r->layers_path, json_incref(object));
    const int kept = rc == 0 ? read_layers(r, object, 0) : rc;
    json_decref(object);
    return kept;
}
