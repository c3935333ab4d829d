/* sentinel.c - see sentinel.h. */
#include "device/sentinel.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "device/json_fields.h"

enum { SCHEMA = 1, MAX_BYTES = 65536 };

static const char arch[] = "r1_k3_s11_e1_i16_o16_noskip "
                           "r2_k3_s22_e3_i16_o24 "
                           "r2_k5_s22_e3_i24_o40_se0.25 "
                           "r2_k3_s22_e6_i40_o80 "
                           "r1_k3_s11_e6_i80_o96";

void mnas_sentinel_model(mnas_model *out) {
    mnas_model_defaults(out);
    (void)mnas_model_set_arch(out, arch); /* a constant: checked by a test */
    snprintf(out->name, sizeof out->name, "sentinel");
    out->stem_filters = 16;
    out->input_size = 160;
    out->head_filters = 640;
    out->classes = 1000; /* its classifier waits for memory, as theirs do */
}

#define F(kind, name, min, max) MNAS_FIELD(mnas_sentinel_key, kind, name, min, max, true)
static const mnas_field key_fields[] = {
    F(TEXT, device, 0, 0),     F(TEXT, engine, 0, 0),   F(TEXT, cpu, 0, 0),    F(TEXT, arch, 0, 0),
    F(INT, threads, 1, 65536), F(INT, core, -1, 65536), F(TEXT, network, 0, 0)};
#undef F
#define F(kind, name, min, max) MNAS_FIELD(mnas_sentinel_reference, kind, name, min, max, true)
static const mnas_field reference_fields[] = {F(REAL, ms, 1e-6, 1e9), F(REAL, half_frac, 0, 1e3),
                                              F(INT, rounds, 1, 1000000), F(TEXT, time_utc, 0, 0)};
#undef F
enum {
    N_KEY = sizeof key_fields / sizeof *key_fields,
    N_REFERENCE = sizeof reference_fields / sizeof *reference_fields,
};

int mnas_sentinel_print(char **text, const mnas_sentinel_reference *reference) {
    json_t *object = json_pack("{s:i}", "schema", SCHEMA);
    *text = NULL;
    if (object && mnas_fields_to_json(object, key_fields, N_KEY, &reference->key) == 0 &&
        mnas_fields_to_json(object, reference_fields, N_REFERENCE, reference) == 0)
        *text = mnas_json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(object);
    return *text ? 0
                 : mnas_error_set(MNAS_ERR_MEMORY, "out of memory, or a text that is no UTF-8: reference");
}

int mnas_sentinel_parse(mnas_sentinel_reference *out, const char *text, size_t n) {
    json_error_t error;
    json_t *object = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);
    *out = (mnas_sentinel_reference){0};
    if (!object) return mnas_error_set(MNAS_ERR_FORMAT, "no JSON: %s (byte %d)", error.text, error.position);
    const json_int_t schema = json_integer_value(json_object_get(object, "schema"));
    int rc = 0;
    if (schema != SCHEMA)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "\"schema\" is %lld; this build reads %d", (long long)schema,
                            SCHEMA);
    if (rc == 0) rc = mnas_fields_from_json(&out->key, key_fields, N_KEY, object);
    if (rc == 0) rc = mnas_fields_from_json(out, reference_fields, N_REFERENCE, object);
    json_decref(object);
    return rc;
}

/* Hashed are the bytes of each text and its end, never what lies behind it. */
static uint64_t hash_key(const mnas_sentinel_key *key) {
    const char *const texts[] = {key->device, key->engine, key->cpu, key->arch, key->network};
    uint64_t hash = MNAS_HASH_INIT;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash = mnas_hash_bytes(hash, texts[i], strlen(texts[i]) + 1);
    hash = mnas_hash_bytes(hash, &key->threads, sizeof key->threads);
    return mnas_hash_bytes(hash, &key->core, sizeof key->core);
}

int mnas_sentinel_path(char *path, size_t n, const mnas_sentinel_key *key) {
    char folder[900];
    const int rc = mnas_file_cache_dir(folder, sizeof folder);
    if (rc < 0) return rc;
    return mnas_str_format(path, n, "%s/sentinel-%016" PRIx64 ".json", folder, hash_key(key));
}

static bool same_key(const mnas_sentinel_key *a, const mnas_sentinel_key *b) {
    return hash_key(a) == hash_key(b) && strcmp(a->device, b->device) == 0 &&
           strcmp(a->engine, b->engine) == 0;
}

int mnas_sentinel_load(mnas_sentinel_reference *out, const char *path, const mnas_sentinel_key *key) {
    char *text;
    size_t n;
    if (!mnas_file_exists(path)) return mnas_error_set(MNAS_ERR_MISSING, "%s is not there", path);
    int rc = mnas_file_read(path, MAX_BYTES, &text, &n);
    if (rc < 0) return rc;
    rc = mnas_sentinel_parse(out, text, n);
    free(text);
    if (rc < 0) return mnas_error_context(rc, "%s is no reference of the sentinel network", path);
    if (same_key(&out->key, key)) return 0;
    return mnas_error_set(
        MNAS_ERR_MISMATCH,
        "%s is the reference of %s, %s, %d threads, core %d, and this is %s, %s, %d threads, core %d; "
        "give another state=FILE or remove it",
        path, out->key.device, out->key.engine, out->key.threads, out->key.core, key->device, key->engine,
        key->threads, key->core);
}

int mnas_sentinel_save(const char *path, const mnas_sentinel_reference *reference) {
    char *text;
    int rc = mnas_sentinel_print(&text, reference);
    if (rc == 0) rc = mnas_file_write_atomic(path, text, strlen(text));
    free(text);
    return rc;
}
