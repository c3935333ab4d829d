/* device_table.c - latencies recorded earlier, looked up by the network's key: replay, tests, and searches
 * whose device is elsewhere.
 *
 * A table file is JSON lines, each one measurement: {"key":..., "network":..., "input":..., <fields of
 * mnas_latency>}. The last line of a network counts. Nothing is estimated: a network that is not there is an
 * error, or the constant default-ms. Invariant: the array is sorted by key, one entry a key.
 */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/file.h"
#include "base/log.h"
#include "device/device.h"
#include "device/latency_json.h"
#include "model/latency.h"

enum { KEY_BYTES = 17 };
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
    char key[KEY_BYTES];
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

static int parse_line(table *t, const char *text, size_t n, int line) {
    json_error_t error;
    entry e = {.line = line};
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!object) return mnas_error_set(MNAS_ERR_FORMAT, "no JSON object: %s", error.text);
    const char *key = json_string_value(json_object_get(object, "key"));
    int rc = 0;
    if (!key || strlen(key) != KEY_BYTES - 1)
        rc =
            mnas_error_set(MNAS_ERR_FORMAT, "\"key\" is missing or not %d hexadecimal digits", KEY_BYTES - 1);
    if (rc == 0) rc = mnas_latency_from_json(&e.latency, object);
    if (rc == 0 && (!t->opts->device[0] || strcmp(t->opts->device, e.latency.device) == 0)) {
        memcpy(e.key, key, KEY_BYTES);
        rc = check_device(t, &e.latency);
        if (rc == 0) rc = append_entry(t, &e);
    }
    if (rc == 0) snprintf(t->last_device, sizeof t->last_device, "%s", e.latency.device);
    json_decref(object);
    return rc;
}

/* A last line without its newline was cut short by a crash while it was written: it is skipped, and said. */
static int parse_lines(table *t, const char *text) {
    int line = 1;
    for (const char *at = text, *end; *at; at = end + 1, line++) {
        end = strchr(at, '\n');
        if (!end) {
            mnas_log_warn("%s:%d: the last line is incomplete and ignored", t->opts->file, line);
            return 0;
        }
        if (end == at) continue;
        const int rc = parse_line(t, at, (size_t)(end - at), line);
        if (rc < 0) return mnas_error_context(rc, "%s:%d", t->opts->file, line);
    }
    return 0;
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
    char *text = NULL;
    size_t n;
    table *t = calloc(1, sizeof *t);
    if (!t) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device table");
    t->opts = opts;
    int rc = mnas_file_read(t->opts->file, max_table_bytes, &text, &n);
    if (rc < 0) goto out;
    if (memchr(text, '\0', n)) {
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: holds a NUL byte; it is no table of JSON lines",
                            t->opts->file);
        goto out;
    }
    if ((rc = parse_lines(t, text)) < 0) goto out;
    if (t->n == 0 && t->last_device[0]) {
        rc = mnas_error_set(MNAS_ERR_ARG, "%s has nothing measured on device=%s; its last line is of \"%s\"",
                            t->opts->file, t->opts->device, t->last_device);
        goto out;
    }
    sort_keep_last(t);
    *state = t;
    t = NULL;
out:
    free(text);
    if (t) table_close(t);
    return rc;
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
    char key[KEY_BYTES];
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

/* One line, newline included; *text is malloc'ed. */
static int print_record(char **text, const mnas_model *model, const mnas_latency *latency) {
    char key[KEY_BYTES], *arch = NULL, *json = NULL;
    json_t *object = NULL;
    *text = NULL;
    int rc;
    if ((rc = mnas_model_key(model, key)) < 0) goto out;
    if ((rc = mnas_model_arch(model, &arch)) < 0) goto out;
    object = json_pack("{s:s, s:s, s:s, s:i}", "key", key, "name", model->name, "network", arch, "input",
                       model->input_size);
    if (!object) {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "cannot record %s: out of memory or a name that is no UTF-8",
                            key);
        goto out;
    }
    if ((rc = mnas_latency_to_json(object, latency)) < 0) goto out;
    json = mnas_json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!json || asprintf(text, "%s\n", json) < 0) {
        *text = NULL;
        rc = mnas_error_set(MNAS_ERR_MEMORY, "out of memory: record of %s", key);
    }
out:
    free(json);
    free(arch);
    json_decref(object);
    return rc;
}

/* A crash of an earlier writer may have left a line without its end: ours must not grow onto it. */
static int check_last_line(int fd, const char *path) {
    char last = '\n';
    const off_t size = lseek(fd, 0, SEEK_END);
    if (size > 0 && pread(fd, &last, 1, size - 1) != 1)
        return mnas_error_errno("%s: cannot read its end", path);
    if (last == '\n') return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: its last line is incomplete; remove that line first", path);
}

int mnas_measure_record(const char *path, const mnas_model *model, const mnas_latency *latency) {
    char *text = NULL;
    if (!mnas_latency_is_measured(latency))
        return mnas_error_set(MNAS_ERR_ARG,
                              "%s: not recorded: %g ms was not measured, it is a table's default-ms; measure "
                              "on the device itself",
                              path, latency->median_ms);
    int rc = print_record(&text, model, latency);
    if (rc < 0) return rc;
    const int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        rc = mnas_error_errno("%s: cannot append", path);
        goto out;
    }
    if ((rc = check_last_line(fd, path)) < 0) goto out;
    /* one write: lines of several writers never mix */
    const ssize_t wanted = (ssize_t)strlen(text), written = write(fd, text, (size_t)wanted);
    if (written < 0)
        rc = mnas_error_errno("%s: cannot append", path);
    else if (written < wanted)
        rc = mnas_error_set(MNAS_ERR_FULL, "%s: only %zd of %zd bytes could be appended", path, written,
                            wanted);
    else if (fsync(fd) < 0)
        rc = mnas_error_errno("%s: cannot sync", path);
out:
    if (fd >= 0) close(fd);
    free(text);
    return rc;
}
