/* json.h - results as JSON: a "schema" number first, null for what is missing. */
#ifndef MNAS_BASE_JSON_H
#define MNAS_BASE_JSON_H

#include <jansson.h>
#include <stdio.h>

#include "mnas.h"

#define MNAS_JSON_SCHEMA 1

json_t *mnas_json_number(double value);   /* null for NaN and infinities */
json_t *mnas_json_integer(int64_t value); /* null for -1 */
json_t *mnas_json_text(const char *text); /* null for NULL and ""; '?' for bytes of what is no UTF-8 */
json_t *mnas_json_latency(const mnas_latency *latency);
json_t *mnas_json_numbers(const double *values, int n);
json_t *mnas_json_integers(const int *values, int n);
json_t *mnas_json_time(int64_t unix_ms); /* ISO 8601; null for 0 and less */

/* Reals in a JSON text become as short as they can be and read back the same, in place: jansson writes 17 digits of each. */
void mnas_json_shorten(char *text);

/* json_dumps, but whole or NULL: jansson's own leaves out a key where memory runs out just then. free() it. */
char *mnas_json_dumps(const json_t *value, size_t flags);

/* Put "schema" in front of `object`, write it, and release it (also on failure; NULL means memory ran out). */
int mnas_json_write(FILE *out, json_t *object);
int mnas_json_print(json_t *object); /* to stdout */

#endif
