/* tfevents.h - TensorBoard's event files: scalars by step.
 *
 * A file is records: the length of the data (uint64, little-endian), its masked CRC32C, the data, its masked CRC32C. The data is a
 * protobuf message, written by hand since we need so little of it (tensorflow/core/util/event.proto, framework/summary.proto):
 *
 *     Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *     Summary { repeated Value value = 1; }
 *     Value   { string tag = 1; float simple_value = 2; }
 */
#ifndef MNAS_TRAIN_TFEVENTS_H
#define MNAS_TRAIN_TFEVENTS_H

#include <stdint.h>

#include "base/str.h"

typedef struct mnas_tf_scalar {
    const char *tag; /* at most 63 bytes */
    double value;    /* stored as float */
} mnas_tf_scalar;

/* Append the record that every file begins with. */
void mnas_tfevents_begin(mnas_str *out, double wall_time_s);
/* Append one record of all n scalars. */
void mnas_tfevents_add(mnas_str *out, double wall_time_s, int64_t step, const mnas_tf_scalar *scalars, int n);

/* One record as it is read back; data points into the bytes. */
typedef struct mnas_tf_record {
    const uint8_t *data;
    size_t n;        /* of data */
    size_t n_record; /* of all */
    int64_t step;
} mnas_tf_record;
/* The record at the front of bytes[n]: false where it is cut short, damaged, or no event. */
bool mnas_tfevents_read(mnas_tf_record *out, const uint8_t *bytes, size_t n);

/* CRC-32 with Castagnoli's polynomial, reflected (RFC 3720, appendix B.4 has vectors). */
uint32_t mnas_crc32c(const void *bytes, size_t n);

#endif
