/* latency_json.h - a latency as a JSON object: every field of mnas_latency under its own name, null for NaN. */
#ifndef MNAS_DEVICE_LATENCY_JSON_H
#define MNAS_DEVICE_LATENCY_JSON_H

#include <jansson.h>

#include "mnas.h"

enum { MNAS_KEY_BYTES = 17 }; /* of mnas_model_key */

/* Its "key", whose network the latency is of. */
int mnas_json_read_key(char key[MNAS_KEY_BYTES], const json_t *object);

/* Sets the fields in `object`. */
int mnas_latency_to_json(json_t *object, const mnas_latency *latency);
/* Absent fields stay unknown; median_ms must be there and positive. */
int mnas_latency_from_json(mnas_latency *out, const json_t *object);

#endif
