/* latency_json.h - a latency as a JSON object: every field of mnas_latency under its own name, null for NaN. */
#ifndef MNAS_DEVICE_LATENCY_JSON_H
#define MNAS_DEVICE_LATENCY_JSON_H

#include <jansson.h>

#include "mnas.h"

/* Sets the fields in `object`. */
int mnas_latency_to_json(json_t *object, const mnas_latency *latency);
/* Absent fields stay unknown; median_ms must be there and positive. */
int mnas_latency_from_json(mnas_latency *out, const json_t *object);

#endif
