/* idx.h - the IDX format of MNIST and its relatives, parsed from memory.
 *
 * Layout: two zero bytes, a type byte (only 0x08, unsigned bytes, is read), the number of dimensions, each
 * dimension as a big-endian 32-bit count, then the values, last dimension fastest, and nothing behind them.
 * The functions are pure: any bytes give a result or MNAS_ERR_FORMAT, never a read outside bytes[n]. `name`
 * stands in front of messages.
 */
#ifndef MNAS_DATA_IDX_H
#define MNAS_DATA_IDX_H

#include <stddef.h>
#include <stdint.h>

enum { MNAS_IDX_MAX_DIMS = 4, MNAS_IDX_HEADER_BYTES = 4 + 4 * MNAS_IDX_MAX_DIMS };

typedef struct mnas_idx {
    int n_dims; /* 1..4 */
    uint32_t dims[MNAS_IDX_MAX_DIMS];
    uint64_t header_bytes, payload_bytes; /* as the header says; payload at most 2^40 */
    const uint8_t *payload;               /* into the caller's bytes; NULL after parse_header */
} mnas_idx;

/* The header alone; bytes[n] may hold more or less than the payload. */
int mnas_idx_parse_header(mnas_idx *out, const uint8_t *bytes, size_t n, const char *name);
/* A whole file: the payload must be exactly as long as the header says. */
int mnas_idx_parse(mnas_idx *out, const uint8_t *bytes, size_t n, const char *name);

/* [N,H,W] or [N,H,W,C] with C 1 or 3; N up to 2^31 - 1, H and W 1..4096. */
typedef struct mnas_idx_images {
    int n, height, width, channels;
} mnas_idx_images;
int mnas_idx_as_images(mnas_idx_images *out, const mnas_idx *idx, const char *name);
/* [N]; the header alone suffices. */
int mnas_idx_as_labels(int *n, const mnas_idx *idx, const char *name);
/* After mnas_idx_parse: every label below `classes`. */
int mnas_idx_check_labels(const mnas_idx *idx, int classes, const char *name);

#endif
