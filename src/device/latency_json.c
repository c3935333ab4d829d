/* latency_json.c - the table of a latency's fields. */
#include "device/latency_json.h"

#include <string.h>

#include "base/error.h"
#include "device/json_fields.h"
#include "model/latency.h"

#define F(kind, name) MNAS_FIELD(mnas_latency, kind, name, 0, 0, false)
static const mnas_field fields[] = {F(REAL, median_ms),   F(REAL, ci_low_ms),     F(REAL, ci_high_ms),
                                    F(REAL, ci_level),    F(REAL, spread_frac),   F(INT, rounds),
                                    F(INT, runs),         F(INT, warmup_runs),    F(INT, threads),
                                    F(INT, core),         F(INT, n_disturbed),    F(INT, n_cpu_timed),
                                    F(REAL, raw_ms),      F(REAL, sentinel_ms),   F(REAL, drift_frac),
                                    F(INT, n_refused),    F(BOOL, wide),          F(BOOL, emulated),
                                    F(REAL, load_before), F(REAL, load_after),    F(REAL, freq_before_mhz),
                                    F(REAL, freq_mhz),    F(REAL, temp_before_c), F(REAL, temp_c),
                                    F(TEXT, governor),    F(TEXT, engine),        F(TEXT, device),
                                    F(TEXT, cpu),         F(TEXT, arch),          F(TEXT, time_utc),
                                    F(REAL, elapsed_s)};
#undef F
enum { N_FIELDS = sizeof fields / sizeof *fields };

int mnas_latency_to_json(json_t *object, const mnas_latency *latency) {
    return mnas_fields_to_json(object, fields, N_FIELDS, latency);
}

int mnas_latency_from_json(mnas_latency *out, const json_t *object) {
    *out = mnas_latency_unknown();
    const int rc = mnas_fields_from_json(out, fields, N_FIELDS, object);
    if (rc < 0 || out->median_ms > 0) return rc;
    return mnas_error_set(MNAS_ERR_FORMAT, "median_ms is missing or not above 0");
}

int mnas_json_read_key(char key[MNAS_KEY_BYTES], const json_t *object) {
    const char *text = json_string_value(json_object_get(object, "key"));
    if (!text || strlen(text) != MNAS_KEY_BYTES - 1)
        return mnas_error_set(MNAS_ERR_FORMAT, "\"key\" is missing or not %d hexadecimal digits",
                              MNAS_KEY_BYTES - 1);
    memcpy(key, text, MNAS_KEY_BYTES);
    return 0;
}
