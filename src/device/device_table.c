/* device_table.c - latencies recorded earlier, looked up by the network's key: replay, tests, and searches
 * whose device is elsewhere.
 *
 * A table file is JSON lines, each one measurement: {"key":..., "network":..., "input":..., <fields of
 * mnas_latency>}. The last line of a network counts. Nothing is estimated: a network that is not there is an
 * error, or the constant default-ms. Invariant: the array is sorted by key, one entry a key.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/jsonl.h"
#include "device/device.h"
#include "device/latency_json.h"
#include "model/latency.h"

static const size_t max_table_bytes = (size_t)256 << 20;

typedef struct table_opts {
    char file[MNAS_OPT_STR], device[MNAS_OPT_STR];
    double default_ms;
} table_opts;

#define FIELD(name) offsetof(table_opts, name)
static const mnas_opt options[] = {{"file", MNAS_OPT_STRING, FIELD(file), NULL, 0, 0, "FILE",
                                    "table written by `mnas measure --record FILE`", NULL},
                                   {"device", MNAS_OPT_STRING, FIELD(device), "", 0, 0, "NAME",
                                    "use only what was measured on this device", NULL},
                                   {"default-ms", MNAS_OPT_FLOAT, FIELD(default_ms), NULL, 1e-6, 1e6, "ms",
                                    "for networks not in the table; unset: they fail", NULL},
                                   MNAS_OPT_END};

typedef struct entry {
    char key[MNAS_KEY_BYTES];
    int line;
    mnas_latency latency;
} entry;

typedef struct table {
    const table_opts *opts;
    entry *entries;
    size_t n, cap;
    char last_device[sizeof((mnas_latency *)0)->device]; /* of the last line, of whatever device */
} table;

static int append_entry(table *t, const entry *e) {
    if (t->n == t->cap) {
        const size_t cap = t->cap ? t->cap * 2 : 64;
        entry *grown = realloc(t->entries, cap * sizeof *grown);
        if (!grown) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu table entries", cap);
        t->entries = grown;
        t->cap = cap;
    }
    t->entries[t->n++] = *e;
    return 0;
}

/* Two devices' times in one table are no table of either. */
static int check_device(const table *t, const mnas_latency *latency) {
    if (t->opts->device[0] || t->n == 0 || strcmp(t->entries[0].latency.device, latency->device) == 0)
        return 0;
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "measured on \"%s\", but line %d on \"%s\"; choose one with device=NAME",
                          latency->device, t->entries[0].line, t->entries[0].latency.device);
}

static int read_line(void *user, const json_t *object, int line) {
    table *t = user;
    entry e = {.line = line};
    int rc = mnas_json_read_key(e.key, object);
    if (rc == 0) rc = mnas_latency_from_json(&e.latency, object);
    if (rc < 0) return rc;
    snprintf(t->last_device, sizeof t->last_device, "%s", e.latency.device);
    if (t->opts->device[0] && strcmp(t->opts->device, e.latency.device) != 0) return 0;
    rc = check_device(t, &e.latency);
    return rc < 0 ? rc : append_entry(t, &e);
}

static int compare_entries(const void *a, const void *b) {
    const entry *x = a, *y = b;
    const int order = strcmp(x->key, y->key);
    return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void sort_keep_last(table *t) {
    size_t n = 0;
    if (t->n == 0) return;
    qsort(t->entries, t->n, sizeof *t->entries, compare_entries);
    for (size_t i = 0; i < t->n; i++)
        if (i + 1 == t->n || strcmp(t->entries[i].key, t->entries[i + 1].key) != 0)
            t->entries[n++] = t->entries[i];
    t->n = n;
}

static void table_close(void *state) {
    table *t = state;
    free(t->entries);
    free(t);
}

static int table_open(void **state, const void *opts) {
    table *t = calloc(1, sizeof *t);
    if (!t) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device table");
    t->opts = opts;
    int rc = mnas_jsonl_read(t->opts->file, max_table_bytes, false, read_line, t);
    if (rc == 0 && t->n == 0 && t->last_device[0])
        rc = mnas_error_set(MNAS_ERR_ARG, "%s has nothing measured on device=%s; its last line is of \"%s\"",
                            t->opts->file, t->opts->device, t->last_device);
    if (rc < 0) {
        table_close(t);
        return rc;
    }
    sort_keep_last(t);
    *state = t;
    return 0;
}

static int missing(const table *t, const mnas_model *model, const char *key, mnas_latency *out) {
    char *arch = NULL;
    if (!isnan(t->opts->default_ms)) {
        out->median_ms = t->opts->default_ms;
        snprintf(out->engine, sizeof out->engine, MNAS_LATENCY_DEFAULT);
        snprintf(out->device, sizeof out->device, "table");
        return 0;
    }
    const int rc = mnas_model_arch(model, &arch);
    if (rc < 0) return rc;
    mnas_error_set(
        MNAS_ERR_MISSING,
        "%s has no latency of network %s (input %d): %s; record it with `mnas measure MODEL --record %s`",
        t->opts->file, key, model->input_size, arch, t->opts->file);
    free(arch);
    return MNAS_ERR_MISSING;
}

static int compare_key(const void *key, const void *e) {
    return strcmp(key, ((const entry *)e)->key);
}

static int table_measure(void *state, const mnas_model *model, mnas_latency *out) {
    const table *t = state;
    char key[MNAS_KEY_BYTES];
    const int rc = mnas_model_key(model, key);
    if (rc < 0) return rc;
    const entry *e = t->n ? bsearch(key, t->entries, t->n, sizeof *e, compare_key) : NULL;
    if (!e) return missing(t, model, key, out);
    *out = e->latency;
    return 0;
}

static void table_examine(void *state, mnas_findings *findings) {
    const table *t = state;
    if (t->n > 0) {
        mnas_findings_add(findings, "ok", "table", "%zu network%s, measured on %s", t->n,
                          t->n == 1 ? "" : "s", t->entries[0].latency.device);
        return;
    }
    mnas_findings_add(findings, isnan(t->opts->default_ms) ? "bad" : "note", "table", "%s holds no latency",
                      t->opts->file);
    mnas_findings_fix(findings, "mnas measure MODEL --record %s", t->opts->file);
}

const mnas_device_class mnas_device_class_table = {
    .plugin = {"table", "latencies recorded earlier, for replay and tests", options, sizeof(table_opts)},
    .recorded = true,
    .open = table_open,
    .measure = table_measure,
    .examine = table_examine,
    .close = table_close,
};

/* A line of a table. */
static int record_of(json_t **out, const mnas_model *model, const mnas_latency *latency) {
    char key[MNAS_KEY_BYTES], *arch = NULL;
    int rc = mnas_model_key(model, key);
    if (rc == 0) rc = mnas_model_arch(model, &arch);
    if (rc < 0) return rc;
    *out = json_pack("{s:s, s:s, s:s, s:i}", "key", key, "name", model->name, "network", arch, "input",
                     model->input_size);
    free(arch);
    if (!*out)
        return mnas_error_set(MNAS_ERR_MEMORY, "cannot record %s: out of memory or a name that is no UTF-8",
                              key);
    return mnas_latency_to_json(*out, latency);
}

int mnas_measure_record(const char *path, const mnas_model *model, const mnas_latency *latency) {
    json_t *record = NULL;
    if (!mnas_latency_is_measured(latency))
        return mnas_error_set(MNAS_ERR_ARG,
                              "%s: not recorded: %g ms was not measured, it is a table's default-ms; measure "
                              "on the device itself",
                              path, latency->median_ms);
    const int rc = record_of(&record, model, latency);
    if (rc == 0) return mnas_jsonl_append(path, record);
    json_decref(record);
    return rc;
}
