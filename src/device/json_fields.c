/* json_fields.c - see json_fields.h. It knows no struct itself. */
#include "device/json_fields.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

/* As much of it as fits, cut between two characters of UTF-8: what was read can be written again. */
static void copy_text(char *to, size_t n, const char *from) {
    size_t end = strnlen(from, n - 1);
    if (from[end])
        while (end > 0 && ((unsigned char)from[end] & 0xC0) == 0x80) end--;
    memcpy(to, from, end);
    to[end] = '\0';
}

static json_t *to_json(const mnas_field *f, const void *from) {
    const void *at = (const char *)from + f->offset;
    switch (f->type) {
    case MNAS_FIELD_TEXT:
        return json_string(at);
    case MNAS_FIELD_INT:
        return json_integer(*(const int *)at);
    case MNAS_FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case MNAS_FIELD_REAL:
        break;
    }
    const double value = *(const double *)at;
    if (isfinite(value)) return json_real(value);
    return f->required ? NULL : json_null();
}

int mnas_fields_to_json(json_t *object, const mnas_field *fields, size_t n, const void *from) {
    for (size_t i = 0; i < n; i++)
        if (json_object_set_new(object, fields[i].name, to_json(&fields[i], from)) < 0)
            return mnas_error_set(MNAS_ERR_MEMORY,
                                  "\"%s\" is no JSON value: no finite number, no UTF-8, or out of memory",
                                  fields[i].name);
    return 0;
}

static int wrong_type(const mnas_field *f) {
    static const char *const expected[] = {"number", "whole number of 32 bits", "truth value", "text"};
    return mnas_error_set(MNAS_ERR_FORMAT, "\"%s\" is of the wrong type; expected: a %s", f->name,
                          expected[f->type]);
}

static int number_from_json(const mnas_field *f, void *at, const json_t *value) {
    const double number = json_number_value(value);
    if (f->min < f->max && !(number >= f->min && number <= f->max))
        return mnas_error_set(MNAS_ERR_FORMAT, "\"%s\" is %g; allowed: %g to %g", f->name, number, f->min,
                              f->max);
    if (f->type == MNAS_FIELD_REAL)
        *(double *)at = number;
    else
        *(int *)at = (int)json_integer_value(value);
    return 0;
}

static bool fits_int(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= INT_MIN &&
           json_integer_value(value) <= INT_MAX;
}

static int from_json(const mnas_field *f, void *to, const json_t *value) {
    void *at = (char *)to + f->offset;
    if (!value || json_is_null(value)) {
        if (!f->required) return 0;
        return mnas_error_set(MNAS_ERR_FORMAT, "\"%s\" is missing", f->name);
    }
    switch (f->type) {
    case MNAS_FIELD_TEXT:
        if (!json_is_string(value)) break;
        copy_text(at, f->bytes, json_string_value(value));
        return 0;
    case MNAS_FIELD_BOOL:
        if (!json_is_boolean(value)) break;
        *(bool *)at = json_boolean_value(value);
        return 0;
    case MNAS_FIELD_INT:
        if (!fits_int(value)) break;
        return number_from_json(f, at, value);
    case MNAS_FIELD_REAL:
        if (!json_is_number(value)) break;
        return number_from_json(f, at, value);
    }
    return wrong_type(f);
}

int mnas_fields_from_json(void *to, const mnas_field *fields, size_t n, const json_t *object) {
    for (size_t i = 0; i < n; i++) {
        const int rc = from_json(&fields[i], to, json_object_get(object, fields[i].name));
        if (rc < 0) return rc;
    }
    return 0;
}
