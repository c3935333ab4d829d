/* safetensors.c - reading and writing the header of weight files; the only place that knows the format.
 *
 * Invariant of a parsed file: tensors are sorted by begin, tensors[i].end == tensors[i + 1].begin, the first
 * begins at 0 and the last ends where the file ends; each size is its shape times its dtype's.
 */
#include "model/safetensors.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and so are we");

struct mnas_safetensors {
    json_t *header; /* owns the names */
    const uint8_t *data;
    size_t data_bytes, n;
    mnas_tensor *tensors;
};

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {{"F32", 4}, {"F64", 8}, {"F16", 2},     {"BF16", 2},    {"I64", 8},
              {"I32", 4}, {"I16", 2}, {"I8", 1},      {"U64", 8},     {"U32", 4},
              {"U16", 2}, {"U8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};

static size_t dtype_bytes(const char *name) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) return dtypes[i].bytes;
    return 0;
}

void mnas_tensor_describe(const mnas_tensor *tensor, char *buf, size_t n) {
    size_t used = (size_t)snprintf(buf, n, "%s [", tensor->dtype);
    for (int i = 0; i < tensor->n_dims && used < n; i++)
        used += (size_t)snprintf(buf + used, n - used, "%s%lld", i ? ", " : "", (long long)tensor->dims[i]);
    if (used < n) snprintf(buf + used, n - used, "]");
}

/* ---- reading ---- */

#define bad(...) mnas_error_set(MNAS_ERR_FORMAT, __VA_ARGS__)

static int read_shape(mnas_tensor *tensor, const json_t *shape, size_t item_bytes) {
    size_t size = item_bytes;
    if (!json_is_array(shape) || json_array_size(shape) > MNAS_TENSOR_MAX_DIMS)
        return bad("tensor %.80s: no shape; expected at most %d sizes", tensor->name, MNAS_TENSOR_MAX_DIMS);
    tensor->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < tensor->n_dims; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        json_int_t value = json_integer_value(dim);
        if (!json_is_integer(dim) || value < 0)
            return bad("tensor %.80s: size %d of the shape is no whole number from 0", tensor->name, i + 1);
        if (value > 0 && size > SIZE_MAX / (size_t)value)
            return bad("tensor %.80s: the shape has more elements than any memory", tensor->name);
        size *= (size_t)value;
        tensor->dims[i] = value;
    }
    if (size == tensor->end - tensor->begin) return 0;
    char shape_text[160];
    mnas_tensor_describe(tensor, shape_text, sizeof shape_text);
    return bad("tensor %.80s: %s takes %zu bytes, its offsets span %zu", tensor->name, shape_text, size,
               tensor->end - tensor->begin);
}

static int read_offsets(mnas_tensor *tensor, const json_t *offsets, size_t data_bytes) {
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return bad("tensor %.80s: no data_offsets; expected [begin, end] in bytes", tensor->name);
    json_int_t b = json_integer_value(begin), e = json_integer_value(end);
    if (b < 0 || e < b || (uint64_t)e > data_bytes)
        return bad("tensor %.80s: data_offsets are [%lld, %lld]; allowed: ascending, from 0 to %zu",
                   tensor->name, (long long)b, (long long)e, data_bytes);
    tensor->begin = (size_t)b;
    tensor->end = (size_t)e;
    return 0;
}

static int read_tensor(mnas_tensor *tensor, const char *name, const json_t *entry, size_t data_bytes) {
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    *tensor = (mnas_tensor){.name = name, .dtype = dtype};
    if (json_object_size(entry) != 3)
        return bad("tensor %.80s: expected exactly dtype, shape and data_offsets", name);
    size_t item_bytes = dtype ? dtype_bytes(dtype) : 0;
    if (!item_bytes)
        return bad("tensor %.80s: dtype is '%.20s'; allowed: F32, F64, I64, ...", name, dtype ? dtype : "");
    int rc = read_offsets(tensor, json_object_get(entry, "data_offsets"), data_bytes);
    return rc < 0 ? rc : read_shape(tensor, json_object_get(entry, "shape"), item_bytes);
}

static int check_metadata(const json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata)) return bad("__metadata__ is no object of texts");
    json_object_foreach((json_t *)metadata, key,
                        value) if (!json_is_string(value)) return bad("__metadata__: %.80s is no text", key);
    return 0;
}

static int by_begin(const void *a, const void *b) {
    const mnas_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end; /* empty ones first */
}

static int check_layout(const mnas_safetensors *file) {
    size_t at = 0;
    for (size_t i = 0; i < file->n; i++) {
        const mnas_tensor *tensor = &file->tensors[i];
        if (tensor->begin != at)
            return bad(
                "tensor %.80s begins at byte %zu; expected %zu: tensors must not overlap nor leave gaps",
                tensor->name, tensor->begin, at);
        at = tensor->end;
    }
    if (at == file->data_bytes) return 0;
    return bad("the tensors end at byte %zu of the data, which has %zu", at, file->data_bytes);
}

static int read_tensors(mnas_safetensors *file) {
    const char *name;
    json_t *entry;
    file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
    if (!file->tensors) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory for the table of tensors");
    json_object_foreach(file->header, name, entry) {
        bool metadata = strcmp(name, "__metadata__") == 0;
        int rc = metadata ? check_metadata(entry)
                          : read_tensor(&file->tensors[file->n], name, entry, file->data_bytes);
        if (rc < 0) return rc;
        file->n += !metadata;
    }
    qsort(file->tensors, file->n, sizeof *file->tensors, by_begin);
    return check_layout(file);
}

static int read_header(mnas_safetensors *file, const uint8_t *bytes, size_t n) {
    uint64_t length;
    json_error_t error;
    if (n < sizeof length)
        return bad("%zu bytes are no safetensors file: the header's length alone takes 8", n);
    if (memcmp(bytes, "PK\3\4", 4) == 0)
        return bad(
            "this is a PyTorch file (a zip archive), not safetensors; docs/weights.md has the lines that "
            "convert it");
    memcpy(&length, bytes, sizeof length);
    if (length < 2 || length > MNAS_SAFETENSORS_MAX_HEADER)
        return bad("the header's length is %llu bytes; allowed: 2 to %d: no safetensors file?",
                   (unsigned long long)length, MNAS_SAFETENSORS_MAX_HEADER);
    if (length > n - sizeof length)
        return bad("the header has %llu bytes, but only %zu follow: the file is cut short",
                   (unsigned long long)length, n - sizeof length);
    const char *json = (const char *)bytes + sizeof length;
    if (json[0] != '{') return bad("the header does not begin with '{': no safetensors file");
    file->header = json_loadb(json, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!file->header) return bad("the header is no JSON: %s at byte %d", error.text, error.position);
    file->data = bytes + sizeof length + length;
    file->data_bytes = n - sizeof length - (size_t)length;
    return read_tensors(file);
}

int mnas_safetensors_parse(mnas_safetensors **out, const uint8_t *bytes, size_t n) {
    mnas_safetensors *file = calloc(1, sizeof *file);
    if (!file) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory for a safetensors header");
    int rc = read_header(file, bytes, n);
    if (rc == 0)
        *out = file;
    else
        mnas_safetensors_free(file);
    return rc;
}

void mnas_safetensors_free(mnas_safetensors *file) {
    if (!file) return;
    json_decref(file->header);
    free(file->tensors);
    free(file);
}

const mnas_tensor *mnas_safetensors_find(const mnas_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->n; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    return NULL;
}

size_t mnas_safetensors_n(const mnas_safetensors *file) {
    return file->n;
}

const mnas_tensor *mnas_safetensors_at(const mnas_safetensors *file, size_t i) {
    assert(i < file->n);
    return &file->tensors[i];
}

const uint8_t *mnas_safetensors_data(const mnas_safetensors *file, const mnas_tensor *tensor) {
    return file->data + tensor->begin;
}

const char *mnas_safetensors_metadata(const mnas_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

/* ---- writing ---- */

/* 0, or -1 where jansson has no memory or the texts are no UTF-8. */
static int add_tensor(json_t *header, const mnas_tensor *tensor) {
    json_t *shape = json_array();
    for (int i = 0; i < tensor->n_dims; i++)
        if (json_array_append_new(shape, json_integer(tensor->dims[i])) < 0) {
            json_decref(shape);
            return -1;
        }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->dtype, "shape", shape, "data_offsets",
                              (json_int_t)tensor->begin, (json_int_t)tensor->end);
    return json_object_set_new(header, tensor->name, entry); /* NULL entry: -1 */
}

static int add_metadata(json_t *header, const char *const *metadata) {
    if (!metadata || !metadata[0]) return 0;
    json_t *object = json_object();
    int rc = json_object_set_new(header, "__metadata__", object);
    for (; metadata[0] && rc == 0; metadata += 2) {
        assert(metadata[1]);
        rc = json_object_set_new(object, metadata[0], json_string(metadata[1]));
    }
    return rc;
}

int mnas_safetensors_header(mnas_str *out, const mnas_tensor *tensors, size_t n,
                            const char *const *metadata) {
    static const char blanks[] = "        ";
    json_t *header = json_object();
    char *json = NULL;
    int rc = add_metadata(header, metadata);
    for (size_t i = 0; i < n && rc == 0; i++) rc = add_tensor(header, &tensors[i]);
    if (rc == 0) json = mnas_json_dumps(header, JSON_COMPACT);
    json_decref(header);
    if (!json)
        return mnas_error_set(MNAS_ERR_MEMORY,
                              "weights cannot be described: out of memory, or a text is no UTF-8");
    size_t length = strlen(json), padding = (8 - length % 8) % 8;
    uint64_t total = length + padding;
    mnas_str_append_n(out, (const char *)&total, sizeof total);
    mnas_str_append_n(out, json, length);
    mnas_str_append_n(out, blanks, padding);
    free(json);
    return mnas_str_ok(out) ? 0 : MNAS_ERR_MEMORY;
}
