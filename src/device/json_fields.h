/* json_fields.h - structs as JSON objects by a table of their fields: one table for writing and for reading, so that none is
 * written and not read.
 *
 * Numbers that are not finite are null, and null reads as "leave what stands there": whoever reads fills in the unknowns
 * beforehand. A reader trusts nothing: type, range and length are checked.
 */
#ifndef MNAS_DEVICE_JSON_FIELDS_H
#define MNAS_DEVICE_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum { MNAS_FIELD_REAL, MNAS_FIELD_INT, MNAS_FIELD_BOOL, MNAS_FIELD_TEXT } mnas_field_type;

typedef struct mnas_field {
    const char *name;
    mnas_field_type type;
    size_t offset, bytes; /* bytes: of a text, its NUL included; a longer one is cut */
    double min, max;      /* of numbers, inclusive; equal: any */
    bool required;
} mnas_field;

/* A row of a table of `type`; the JSON name is the member's. */
#define MNAS_FIELD(type, kind, member, min, max, required)                                                   \
    { #member, MNAS_FIELD_##kind, offsetof(type, member), sizeof(((type *)0)->member), min, max, required }

/* MNAS_ERR_MEMORY, also for a text that is no UTF-8 and a required number that is not finite. */
int mnas_fields_to_json(json_t *object, const mnas_field *fields, size_t n, const void *from);
/* MNAS_ERR_FORMAT names the field. */
int mnas_fields_from_json(void *to, const mnas_field *fields, size_t n, const json_t *object);

#endif
