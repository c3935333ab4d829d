/* latency_json.c - one table of fields for both directions, so that none is written and not read. */
#include "device/latency_json.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "model/latency.h"

typedef enum { REAL, INT, TEXT } field_type;

typedef struct field {
    const char *name;
    field_type type;
    size_t offset, bytes;
} field;

#define F(type, name)                                                                                        \
    { #name, type, offsetof(mnas_latency, name), sizeof((mnas_latency){0}.name) }
static const field fields[] = {
    F(REAL, median_ms),  F(REAL, ci_low_ms),  F(REAL, ci_high_ms),  F(REAL, ci_level), F(REAL, spread_frac),
    F(INT, rounds),      F(INT, runs),        F(INT, warmup_runs),  F(INT, threads),   F(INT, core),
    F(INT, n_disturbed), F(INT, n_cpu_timed), F(REAL, load_before), F(REAL, freq_mhz), F(REAL, temp_c),
    F(TEXT, governor),   F(TEXT, engine),     F(TEXT, device),      F(TEXT, cpu),      F(TEXT, time_utc),
    F(REAL, elapsed_s)};
#undef F
enum { N_FIELDS = sizeof fields / sizeof *fields };

static json_t *field_to_json(const field *f, const mnas_latency *latency) {
    const char *at = (const char *)latency + f->offset;
    if (f->type == TEXT) return json_string(at);
    if (f->type == INT) return json_integer(*(const int *)(const void *)at);
    const double value = *(const double *)(const void *)at;
    return isfinite(value) ? json_real(value) : json_null();
}

int mnas_latency_to_json(json_t *object, const mnas_latency *latency) {
    for (int i = 0; i < N_FIELDS; i++)
        if (json_object_set_new(object, fields[i].name, field_to_json(&fields[i], latency)) < 0)
            return mnas_error_set(MNAS_ERR_MEMORY, "latency's %s is no JSON value: out of memory or no UTF-8",
                                  fields[i].name);
    return 0;
}

static bool fits_int(json_int_t value) {
    return value >= INT_MIN && value <= INT_MAX;
}

static int field_from_json(const field *f, mnas_latency *out, const json_t *value) {
    char *at = (char *)out + f->offset;
    if (!value || json_is_null(value)) return 0;
    if (f->type == TEXT && json_is_string(value))
        snprintf(at, f->bytes, "%s", json_string_value(value));
    else if (f->type == INT && json_is_integer(value) && fits_int(json_integer_value(value)))
        *(int *)(void *)at = (int)json_integer_value(value);
    else if (f->type == REAL && json_is_number(value))
        *(double *)(void *)at = json_number_value(value);
    else
        return mnas_error_set(MNAS_ERR_FORMAT, "\"%s\" is of the wrong type; expected: a %s", f->name,
                              f->type == TEXT  ? "text"
                              : f->type == INT ? "whole number of 32 bits"
                                               : "number");
    return 0;
}

int mnas_latency_from_json(mnas_latency *out, const json_t *object) {
    *out = mnas_latency_unknown();
    for (int i = 0; i < N_FIELDS; i++) {
        const int rc = field_from_json(&fields[i], out, json_object_get(object, fields[i].name));
        if (rc < 0) return rc;
    }
    if (out->median_ms > 0) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "median_ms is missing or not above 0");
}
