/* json.c - see json.h. Keys, once published, keep their meaning while "schema" stays the same; new keys may come. */
#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

json_t *mnas_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *mnas_json_integer(int64_t value) {
    return value == -1 ? json_null() : json_integer(value);
}

/* What a crashed process or a file name leaves need not be UTF-8, which JSON must be. */
static json_t *ascii_of(const char *text) {
    char *plain = strdup(text);
    for (char *p = plain; p && *p; p++)
        if ((unsigned char)*p > 126) *p = '?';
    json_t *value = plain ? json_string(plain) : NULL;
    free(plain);
    return value;
}

json_t *mnas_json_text(const char *text) {
    if (!text || !text[0]) return json_null();
    json_t *value = json_string(text);
    return value ? value : ascii_of(text);
}

json_t *mnas_json_latency(const mnas_latency *l) {
    const struct {
        const char *name;
        json_t *value;
    } fields[] = {{"median_ms", mnas_json_number(l->median_ms)},
                  {"ci_low_ms", mnas_json_number(l->ci_low_ms)},
                  {"ci_high_ms", mnas_json_number(l->ci_high_ms)},
                  {"ci_level", mnas_json_number(l->ci_level)},
                  {"spread_frac", mnas_json_number(l->spread_frac)},
                  {"rounds", mnas_json_integer(l->rounds)},
                  {"runs", mnas_json_integer(l->runs)},
                  {"warmup_runs", mnas_json_integer(l->warmup_runs)},
                  {"threads", mnas_json_integer(l->threads)},
                  {"core", mnas_json_integer(l->core)},
                  {"n_disturbed", mnas_json_integer(l->n_disturbed)},
                  {"n_cpu_timed", mnas_json_integer(l->n_cpu_timed)},
                  {"raw_ms", mnas_json_number(l->raw_ms)},
                  {"sentinel_ms", mnas_json_number(l->sentinel_ms)},
                  {"drift_frac", mnas_json_number(l->drift_frac)},
                  {"n_refused", mnas_json_integer(l->n_refused)},
                  {"wide", json_boolean(l->wide)},
                  {"emulated", json_boolean(l->emulated)},
                  {"load_before", mnas_json_number(l->load_before)},
                  {"load_after", mnas_json_number(l->load_after)},
                  {"freq_before_mhz", mnas_json_number(l->freq_before_mhz)},
                  {"freq_mhz", mnas_json_number(l->freq_mhz)},
                  {"temp_before_c", mnas_json_number(l->temp_before_c)},
                  {"temp_c", mnas_json_number(l->temp_c)},
                  {"governor", mnas_json_text(l->governor)},
                  {"engine", mnas_json_text(l->engine)},
                  {"device", mnas_json_text(l->device)},
                  {"cpu", mnas_json_text(l->cpu)},
                  {"arch", mnas_json_text(l->arch)},
                  {"time_utc", mnas_json_text(l->time_utc)},
                  {"elapsed_s", mnas_json_number(l->elapsed_s)}};
    json_t *object = json_object();
    bool ok = object != NULL;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        ok = json_object_set_new(object, fields[i].name, fields[i].value) == 0 &&
             ok; /* takes it in any case */
    if (ok) return object;
    json_decref(object);
    return NULL;
}

json_t *mnas_json_numbers(const double *values, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        if (json_array_append_new(list, mnas_json_number(values[i])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

json_t *mnas_json_integers(const int *values, int n) {
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        if (json_array_append_new(list, json_integer(values[i])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

json_t *mnas_json_time(int64_t unix_ms) {
    char text[32];
    if (unix_ms <= 0) return json_null();
    mnas_clock_iso8601(unix_ms, text);
    return json_string(text);
}

static int append(const char *bytes, size_t n, void *out) {
    mnas_str_append_n(out, bytes, n);
    return 0; /* a mnas_str remembers its failure, jansson does not */
}

char *mnas_json_dumps(const json_t *value, size_t flags) {
    mnas_str text = {0};
    if (value && json_dump_callback(value, append, &text, flags) == 0 && mnas_str_ok(&text)) return text.data;
    mnas_str_free(&text);
    return NULL;
}

/* The first n bytes as a real, shorter, into buf; false: they are none, or it would be longer. A real has a point or an exponent,
 * which tells it from an integer. */
static bool shorten(const char *at, size_t n, char buf[40]) {
    double value;
    char text[32];
    if (n == 0 || n >= sizeof text || (*at != '-' && !isdigit((unsigned char)*at))) return false;
    memcpy(text, at, n);
    text[n] = '\0';
    if (!strpbrk(text, ".eE") || !mnas_str_to_f64(text, &value)) return false;
    mnas_str_from_f64(value, buf);
    if (!strpbrk(buf, ".eE")) strcat(buf, ".0");
    return strlen(buf) <= n;
}

void mnas_json_shorten(char *text) {
    char *out = text, buf[40];
    bool quoted = false;
    for (const char *in = text; *in;) {
        size_t n = quoted ? 0 : strspn(in, "+-.0123456789eE");
        if (shorten(in, n, buf)) {
            memcpy(out, buf, strlen(buf));
            out += strlen(buf);
            in += n;
            continue;
        }
        if (*in == '"') quoted = !quoted;
        if (n == 0) n = quoted && *in == '\\' && in[1] ? 2 : 1;
        memmove(out, in, n);
        out += n;
        in += n;
    }
    *out = '\0';
}

int mnas_json_write(FILE *out, json_t *object) {
    json_t *whole = json_pack("{s:i}", "schema", MNAS_JSON_SCHEMA);
    char *text = NULL;
    if (object && whole && json_object_update(whole, object) == 0) {
        text = mnas_json_dumps(whole, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    }
    json_decref(object);
    json_decref(whole);
    if (!text) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: results as JSON");
    const bool written = fprintf(out, "%s\n", text) > 0;
    free(text);
    return written ? 0 : mnas_error_errno("writing JSON");
}

int mnas_json_print(json_t *object) {
    return mnas_json_write(stdout, object);
}
