/* tfevents.c - see tfevents.h. It opens no files, and reads back only what is needed to know where a record ends and its step. */
#include "train/tfevents.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and so are we");

/* ---- checksums ---- */

/* A bit at a time: a few hundred bytes a second. */
uint32_t mnas_crc32c(const void *bytes, size_t n) {
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

/* Checksums of what holds checksums itself are weak, hence the mask (tensorflow/core/lib/hash/crc32c.h). */
static uint32_t masked(const void *bytes, size_t n) {
    const uint32_t crc = mnas_crc32c(bytes, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* ---- writing ---- */

enum { VARINT, FIXED64, BYTES, FIXED32 = 5 }; /* protobuf's wire types */

static void put(mnas_str *out, const void *bytes, size_t n) {
    mnas_str_append_n(out, bytes, n);
}

static void put_varint(mnas_str *out, uint64_t v) {
    for (; v >= 128; v >>= 7) put(out, &(uint8_t){(uint8_t)(v | 128)}, 1);
    put(out, &(uint8_t){(uint8_t)v}, 1);
}

static void put_key(mnas_str *out, int field, int type) {
    put_varint(out, (uint64_t)(field << 3 | type));
}

static void put_bytes(mnas_str *out, int field, const void *bytes, size_t n) {
    put_key(out, field, BYTES);
    put_varint(out, n);
    put(out, bytes, n);
}

/* wall_time and step */
static void put_head(mnas_str *event, double wall_time_s, int64_t step) {
    put_key(event, 1, FIXED64);
    put(event, &wall_time_s, sizeof wall_time_s);
    put_key(event, 2, VARINT);
    put_varint(event, (uint64_t)step);
}

/* `event` is released; out of memory shows in *out. */
static void put_record(mnas_str *out, mnas_str *event) {
    const uint64_t length = event->len;
    const uint32_t length_crc = masked(&length, sizeof length), data_crc = masked(event->data, event->len);
    put(out, &length, sizeof length);
    put(out, &length_crc, sizeof length_crc);
    put(out, event->data, event->len);
    put(out, &data_crc, sizeof data_crc);
    if (!mnas_str_ok(event)) out->failed = true;
    mnas_str_free(event);
}

void mnas_tfevents_begin(mnas_str *out, double wall_time_s) {
    static const char version[] = "brain.Event:2";
    mnas_str event = {0};
    put_head(&event, wall_time_s, 0);
    put_bytes(&event, 3, version, sizeof version - 1);
    put_record(out, &event);
}

void mnas_tfevents_add(mnas_str *out, double wall_time_s, int64_t step, const mnas_tf_scalar *scalars,
                       int n) {
    mnas_str event = {0}, summary = {0};
    for (int i = 0; i < n; i++) {
        mnas_str value = {0};
        const float number = (float)scalars[i].value;
        put_bytes(&value, 1, scalars[i].tag, strlen(scalars[i].tag));
        put_key(&value, 2, FIXED32);
        put(&value, &number, sizeof number);
        put_bytes(&summary, 1, value.data, value.len);
        if (!mnas_str_ok(&value)) summary.failed = true;
        mnas_str_free(&value);
    }
    put_head(&event, wall_time_s, step);
    put_bytes(&event, 5, summary.data, summary.len);
    if (!mnas_str_ok(&summary)) event.failed = true;
    mnas_str_free(&summary);
    put_record(out, &event);
}

/* ---- reading ---- */

static bool take_varint(const uint8_t **p, const uint8_t *end, uint64_t *v) {
    *v = 0;
    for (int shift = 0; shift < 64 && *p < end; shift += 7) {
        const uint8_t byte = *(*p)++;
        *v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Behind one field's value. */
static bool skip(const uint8_t **p, const uint8_t *end, uint64_t type) {
    uint64_t n = type == FIXED64 ? 8 : 4;
    if (type == VARINT) return take_varint(p, end, &n);
    if (type == BYTES && !take_varint(p, end, &n)) return false;
    if ((type != FIXED64 && type != BYTES && type != FIXED32) || n > (uint64_t)(end - *p)) return false;
    *p += n;
    return true;
}

static bool find_step(mnas_tf_record *r) {
    const uint8_t *p = r->data, *end = p + r->n;
    r->step = 0;
    while (p < end) {
        uint64_t key, step;
        if (!take_varint(&p, end, &key)) return false;
        if (key != (2 << 3 | VARINT)) {
            if (!skip(&p, end, key & 7)) return false;
            continue;
        }
        if (!take_varint(&p, end, &step)) return false;
        r->step = (int64_t)step;
    }
    return true;
}

bool mnas_tfevents_read(mnas_tf_record *out, const uint8_t *bytes, size_t n) {
    enum { LENGTH = sizeof(uint64_t), CRC = sizeof(uint32_t) };
    uint64_t length;
    uint32_t length_crc, data_crc;
    if (n < LENGTH + 2 * CRC) return false;
    memcpy(&length, bytes, LENGTH);
    memcpy(&length_crc, bytes + LENGTH, CRC);
    if (length_crc != masked(bytes, LENGTH) || length > n - LENGTH - 2 * CRC) return false;
    *out = (mnas_tf_record){.data = bytes + LENGTH + CRC, .n = length, .n_record = length + LENGTH + 2 * CRC};
    memcpy(&data_crc, out->data + length, CRC);
    return data_crc == masked(out->data, out->n) && find_step(out);
}
