/* device_pool_state.c - see device_pool_state.h.
 *
 * A file that lies is refused rather than begun anew: latencies already in a study are in units of its reference.
 */
#include "device/device_pool_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "device/json_fields.h"

static const size_t max_bytes = (size_t)1 << 20;
/* A change takes milliseconds: a lock held so long is held by somebody stopped. */
static const double lock_wait_s = 30;
#define LATEST     1e11 /* s since 1970: the year 5138 */
#define SLOWEST_MS 1e9

#define R(kind, member, min, max, required) MNAS_FIELD(mnas_pool_record, kind, member, min, max, required)
static const mnas_field record_fields[] = {
    R(TEXT, device, 0, 0, true),        R(REAL, sentinel_ms, 1e-9, SLOWEST_MS, false),
    R(REAL, half_frac, 0, 1e9, false),  R(REAL, calibrated_s, 0, LATEST, false),
    R(REAL, load, 0, 1e9, false),       R(REAL, freq_mhz, 0, 1e9, false),
    R(REAL, temp_c, -1e4, 1e4, false),  R(TEXT, governor, 0, 0, false),
    R(TEXT, engine, 0, 0, false),       R(REAL, away_s, 0, LATEST, false),
    R(REAL, retry_s, 0, LATEST, false), R(REAL, pause_s, 0, LATEST, false),
    R(TEXT, why, 0, 0, false),
};
#undef R
#define S(kind, member, min, max) MNAS_FIELD(mnas_pool_state, kind, member, min, max, false)
static const mnas_field state_fields[] = {
    S(TEXT, sentinel, 0, 0),
    S(TEXT, reference, 0, 0),
    S(REAL, reference_ms, 1e-9, SLOWEST_MS),
    S(REAL, reference_half_frac, 0, 1e9),
};
#undef S
enum {
    N_RECORD_FIELDS = sizeof record_fields / sizeof *record_fields,
    N_STATE_FIELDS = sizeof state_fields / sizeof *state_fields
};

mnas_pool_state mnas_pool_state_empty(void) {
    return (mnas_pool_state){.reference_ms = NAN, .reference_half_frac = NAN};
}

void mnas_pool_state_free(mnas_pool_state *state) {
    free(state->records);
    *state = mnas_pool_state_empty();
}

mnas_pool_record *mnas_pool_state_find(const mnas_pool_state *state, const char *device) {
    for (int i = 0; i < state->n; i++)
        if (strcmp(state->records[i].device, device) == 0) return &state->records[i];
    return NULL;
}

static mnas_pool_record *append(mnas_pool_state *state) {
    if (state->n == MNAS_POOL_MAX_MEMBERS) {
        mnas_error_set(MNAS_ERR_FORMAT, "more than %d devices in one pool", MNAS_POOL_MAX_MEMBERS);
        return NULL;
    }
    mnas_pool_record *grown = realloc(state->records, ((size_t)state->n + 1) * sizeof *grown);
    if (!grown) {
        mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d devices of a pool", state->n + 1);
        return NULL;
    }
    state->records = grown;
    grown[state->n] = (mnas_pool_record){.sentinel_ms = NAN,
                                         .half_frac = NAN,
                                         .calibrated_s = NAN,
                                         .load = NAN,
                                         .freq_mhz = NAN,
                                         .temp_c = NAN,
                                         .away_s = NAN,
                                         .retry_s = NAN,
                                         .pause_s = NAN};
    return &grown[state->n++];
}

mnas_pool_record *mnas_pool_state_record(mnas_pool_state *state, const char *device) {
    mnas_pool_record *r = mnas_pool_state_find(state, device);
    if (!r && (r = append(state))) snprintf(r->device, sizeof r->device, "%s", device);
    return r;
}

/* ---- reading ---- */

static int check_version(const json_t *object) {
    const json_t *version = json_object_get(object, "version");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return mnas_error_set(MNAS_ERR_FORMAT, "\"version\" is missing or no whole number of 1 or more");
    if (json_integer_value(version) == MNAS_POOL_STATE_VERSION) return 0;
    return mnas_error_set(MNAS_ERR_MISMATCH, "version %lld was written by a newer mnas; this one knows %d",
                          (long long)json_integer_value(version), MNAS_POOL_STATE_VERSION);
}

/* What no writer of ours puts together. */
static int check_record(const mnas_pool_state *state, const mnas_pool_record *r) {
    if (!r->device[0]) return mnas_error_set(MNAS_ERR_FORMAT, "a device without a name");
    if (mnas_pool_state_find(state, r->device) != r)
        return mnas_error_set(MNAS_ERR_FORMAT, "device %s stands there twice", r->device);
    if (isnan(r->sentinel_ms) != isnan(r->calibrated_s))
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "device %s has a sentinel time without its date, or a date "
                              "without it",
                              r->device);
    if (!isnan(r->sentinel_ms) && isnan(state->reference_ms))
        return mnas_error_set(MNAS_ERR_FORMAT, "device %s is calibrated, but there is no reference",
                              r->device);
    if (isnan(r->away_s) != isnan(r->retry_s) || isnan(r->away_s) != isnan(r->pause_s))
        return mnas_error_set(MNAS_ERR_FORMAT, "device %s is away in one respect and not in another",
                              r->device);
    return 0;
}

static int parse_records(mnas_pool_state *state, const json_t *list) {
    size_t i;
    json_t *item;
    if (!json_is_array(list)) return mnas_error_set(MNAS_ERR_FORMAT, "\"members\" is missing or no list");
    json_array_foreach(list, i, item) {
        mnas_pool_record *r = append(state);
        if (!r) return state->n == MNAS_POOL_MAX_MEMBERS ? MNAS_ERR_FORMAT : MNAS_ERR_MEMORY;
        if (!json_is_object(item)) return mnas_error_set(MNAS_ERR_FORMAT, "member %zu is no object", i);
        int rc = mnas_fields_from_json(r, record_fields, N_RECORD_FIELDS, item);
        if (rc == 0) rc = check_record(state, r);
        if (rc < 0) return mnas_error_context(rc, "member %zu", i);
    }
    return 0;
}

static int parse_object(mnas_pool_state *state, const json_t *object) {
    int rc = check_version(object);
    if (rc == 0) rc = mnas_fields_from_json(state, state_fields, N_STATE_FIELDS, object);
    if (rc == 0 && !isnan(state->reference_ms) && !(state->reference[0] && state->sentinel[0]))
        rc = mnas_error_set(MNAS_ERR_FORMAT, "a reference without its device or its network");
    return rc < 0 ? rc : parse_records(state, json_object_get(object, "members"));
}

int mnas_pool_state_parse(mnas_pool_state *out, const char *text, size_t n) {
    json_error_t error;
    *out = mnas_pool_state_empty();
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return mnas_error_set(MNAS_ERR_FORMAT, "no JSON object: %s", object ? "another value" : error.text);
    }
    const int rc = parse_object(out, object);
    json_decref(object);
    if (rc < 0) mnas_pool_state_free(out);
    return rc;
}

/* ---- writing ---- */

static int to_json(json_t *object, const mnas_pool_state *state) {
    json_t *list = json_array();
    int rc = mnas_fields_to_json(object, state_fields, N_STATE_FIELDS, state);
    for (int i = 0; i < state->n && rc == 0; i++) {
        json_t *item = json_object();
        rc = mnas_fields_to_json(item, record_fields, N_RECORD_FIELDS, &state->records[i]);
        if (json_array_append_new(list, item) < 0 && rc == 0) rc = MNAS_ERR_MEMORY;
    }
    if (json_object_set_new(object, "members", list) < 0 && rc == 0) rc = MNAS_ERR_MEMORY;
    return rc == MNAS_ERR_MEMORY ? mnas_error_set(rc, "a pool's state is no JSON: out of memory or no UTF-8")
                                 : rc;
}

int mnas_pool_state_print(char **text, const mnas_pool_state *state) {
    *text = NULL;
    json_t *object = json_pack("{s:i}", "version", MNAS_POOL_STATE_VERSION);
    int rc = object ? to_json(object, state) : MNAS_ERR_MEMORY;
    if (rc == 0) *text = mnas_json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(object);
    if (rc == 0 && *text) return 0;
    return rc < 0 && object ? rc : mnas_error_set(MNAS_ERR_MEMORY, "out of memory: state of a pool");
}

/* ---- the file ---- */

int mnas_pool_state_load(mnas_pool_state *out, const char *path) {
    char *text;
    size_t n;
    *out = mnas_pool_state_empty();
    if (!mnas_file_exists(path)) return 0;
    int rc = mnas_file_read(path, max_bytes, &text, &n);
    if (rc < 0) return rc;
    rc = mnas_pool_state_parse(out, text, n);
    free(text);
    if (rc == MNAS_ERR_FORMAT || rc == MNAS_ERR_MISMATCH)
        mnas_error_context(rc, "%s is no state of a pool; remove it, and the pool is calibrated anew", path);
    return rc;
}

static int write_state(const mnas_pool_state *state, const char *path) {
    char *text;
    int rc = mnas_pool_state_print(&text, state);
    if (rc == 0) rc = mnas_file_write_atomic(path, text, strlen(text));
    free(text);
    return rc;
}

static int lock(int *fd, const char *path) {
    const double end_s = mnas_clock_now_s() + lock_wait_s;
    for (;; mnas_clock_sleep_ms(5)) {
        const int rc = mnas_lock_try(fd, path, "another process has been changing it for too long");
        if (rc != MNAS_ERR_BUSY || mnas_clock_now_s() > end_s) return rc;
    }
}

int mnas_pool_state_change(mnas_pool_state *state, const char *path,
                           int (*change)(mnas_pool_state *state, const void *user), const void *user) {
    int fd;
    mnas_pool_state_free(state);
    int rc = lock(&fd, path);
    if (rc < 0) return rc;
    rc = mnas_pool_state_load(state, path);
    if (rc == 0) rc = change(state, user);
    if (rc == 0) rc = write_state(state, path);
    close(fd);
    return rc;
}
