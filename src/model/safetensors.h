/* safetensors.h - the container of weight files: 8 bytes of header length, a JSON header, the tensors' bytes.
 *
 * The reader takes a file for hostile: length, JSON, dtypes, shapes and offsets are checked against each
 * other and the size; tensors must fill the buffer without overlap or gap. Nothing is copied: a tensor is a
 * place in the caller's bytes.
 */
#ifndef MNAS_MODEL_SAFETENSORS_H
#define MNAS_MODEL_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    MNAS_TENSOR_MAX_DIMS = 8,
    MNAS_SAFETENSORS_MAX_HEADER = 100000000 /* bytes, the format's own limit */
};

typedef struct mnas_tensor {
    const char *name, *dtype; /* "F32", "I64", ... */
    int n_dims;
    int64_t dims[MNAS_TENSOR_MAX_DIMS];
    size_t begin, end; /* bytes, within the data */
} mnas_tensor;

typedef struct mnas_safetensors mnas_safetensors;

/* `bytes` must outlive the result. */
int mnas_safetensors_parse(mnas_safetensors **out, const uint8_t *bytes, size_t n);
void mnas_safetensors_free(mnas_safetensors *file); /* NULL is allowed */
const mnas_tensor *mnas_safetensors_find(const mnas_safetensors *file, const char *name); /* or NULL */
size_t mnas_safetensors_n(const mnas_safetensors *file);
const mnas_tensor *mnas_safetensors_at(const mnas_safetensors *file,
                                       size_t i); /* 0..n - 1, in the file's order */
const uint8_t *mnas_safetensors_data(const mnas_safetensors *file, const mnas_tensor *tensor);
/* A value of "__metadata__", or NULL. */
const char *mnas_safetensors_metadata(const mnas_safetensors *file, const char *key);

/* Everything before the data: length, JSON padded with blanks to 8 bytes. Tensors have begin and end set, in
 * order and without gaps. `metadata` is key, value, ..., NULL, or NULL. */
int mnas_safetensors_header(mnas_str *out, const mnas_tensor *tensors, size_t n, const char *const *metadata);

/* "F32 [16, 3, 3, 3]" */
void mnas_tensor_describe(const mnas_tensor *tensor, char *buf, size_t n);

#endif
