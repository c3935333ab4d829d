/* idx.c - IDX headers and payloads checked against each other. Knows nothing of files: idx_folder.c reads those.
 *
 * Invariant: sizes are computed in 64 bits and bounded before they are used.
 */
#include "data/idx.h"

#include <inttypes.h>
#include <limits.h>

#include "base/error.h"

enum { TYPE_UBYTE = 0x08, MAX_SIDE = 4096 };
static const uint64_t MAX_PAYLOAD_BYTES = 1ULL << 40;

static uint32_t big_endian_u32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int check_magic(const uint8_t *b, const char *name) {
    if (b[0] != 0 || b[1] != 0)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: not an IDX file: starts with bytes %02x %02x, expected 00 00", name, b[0],
                              b[1]);
    if (b[2] != TYPE_UBYTE)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: IDX type is 0x%02x, expected 0x08 (unsigned bytes)", name,
                              b[2]);
    if (b[3] < 1 || b[3] > MNAS_IDX_MAX_DIMS)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: IDX header says %d dimensions, expected 1 to %d", name,
                              b[3], MNAS_IDX_MAX_DIMS);
    return 0;
}

int mnas_idx_parse_header(mnas_idx *out, const uint8_t *bytes, size_t n, const char *name) {
    *out = (mnas_idx){0};
    if (n < 4)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: truncated IDX header: %zu bytes, expected at least 4",
                              name, n);
    int rc = check_magic(bytes, name);
    if (rc < 0) return rc;
    out->n_dims = bytes[3];
    out->header_bytes = 4 + 4 * (uint64_t)out->n_dims;
    if (n < out->header_bytes)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: truncated IDX header: %zu bytes, expected %" PRIu64 " for %d dimensions",
                              name, n, out->header_bytes, out->n_dims);
    out->payload_bytes = 1;
    for (int d = 0; d < out->n_dims; d++) {
        out->dims[d] = big_endian_u32(bytes + 4 + 4 * d);
        if (out->dims[d] == 0)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s: dimension %d is 0, expected 1 or more", name, d + 1);
        if (out->payload_bytes > MAX_PAYLOAD_BYTES / out->dims[d])
            return mnas_error_set(MNAS_ERR_FORMAT,
                                  "%s: the header's dimensions (the %d. is %" PRIu32
                                  ") make more than %" PRIu64 " bytes, the most that is read",
                                  name, d + 1, out->dims[d], MAX_PAYLOAD_BYTES);
        out->payload_bytes *= out->dims[d];
    }
    return 0;
}

int mnas_idx_parse(mnas_idx *out, const uint8_t *bytes, size_t n, const char *name) {
    int rc = mnas_idx_parse_header(out, bytes, n, name);
    if (rc < 0) return rc;
    uint64_t expected = out->header_bytes + out->payload_bytes;
    if (n != expected)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: %s: %zu bytes (decompressed), expected %" PRIu64 " by its header", name,
                              n < expected ? "truncated" : "data behind the end", n, expected);
    out->payload = bytes + out->header_bytes;
    return 0;
}

int mnas_idx_as_images(mnas_idx_images *out, const mnas_idx *idx, const char *name) {
    if (idx->n_dims < 3)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: %d dimensions, expected 3 (N,H,W) or 4 (N,H,W,C) for images", name,
                              idx->n_dims);
    const uint32_t *d = idx->dims;
    uint32_t channels = idx->n_dims == 4 ? d[3] : 1;
    if (d[0] > INT_MAX)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: %" PRIu32 " images, at most %d are read", name, d[0],
                              INT_MAX);
    if (d[1] > MAX_SIDE || d[2] > MAX_SIDE)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: images of %" PRIu32 "x%" PRIu32 " pixels, expected 1 to %d a side", name,
                              d[1], d[2], MAX_SIDE);
    if (channels != 1 && channels != 3)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: %" PRIu32 " channels, expected 1 or 3", name, channels);
    *out = (mnas_idx_images){(int)d[0], (int)d[1], (int)d[2], (int)channels};
    return 0;
}

int mnas_idx_as_labels(int *n, const mnas_idx *idx, const char *name) {
    if (idx->n_dims != 1)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: %d dimensions, expected 1 for labels", name, idx->n_dims);
    if (idx->dims[0] > INT_MAX)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: %" PRIu32 " labels, at most %d are read", name,
                              idx->dims[0], INT_MAX);
    *n = (int)idx->dims[0];
    return 0;
}

int mnas_idx_check_labels(const mnas_idx *idx, int classes, const char *name) {
    for (uint64_t i = 0; i < idx->payload_bytes; i++)
        if (idx->payload[i] >= classes)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s: label %" PRIu64 " is %d, expected 0 to %d", name, i,
                                  idx->payload[i], classes - 1);
    return 0;
}
