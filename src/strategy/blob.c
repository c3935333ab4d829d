/* blob.c - see blob.h. It knows no structs: what is written in which order is the strategies' affair. */
#include "strategy/blob.h"

#include <limits.h>
#include <math.h>
#include <string.h>

void mnas_blob_put_u64(mnas_str *out, uint64_t value) {
    char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (char)(unsigned char)(value >> (8 * i));
    mnas_str_append_n(out, bytes, sizeof bytes);
}

void mnas_blob_put_f64s(mnas_str *out, const double *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        mnas_blob_put_u64(out, bits);
    }
}

void mnas_blob_put_ints(mnas_str *out, const int *values, size_t n) {
    for (size_t i = 0; i < n; i++) mnas_blob_put_u64(out, (uint64_t)(int64_t)values[i]);
}

void mnas_blob_put_rng(mnas_str *out, const mnas_rng *rng) {
    for (int i = 0; i < 4; i++) mnas_blob_put_u64(out, rng->s[i]);
}

mnas_blob_reader mnas_blob_reader_of(const char *bytes, size_t n) {
    const unsigned char *at = (const unsigned char *)bytes;
    return (mnas_blob_reader){at, at + n, false};
}

uint64_t mnas_blob_get_u64(mnas_blob_reader *in) {
    uint64_t value = 0;
    if (in->bad || in->end - in->at < 8) {
        in->bad = true;
        return 0;
    }
    for (int i = 0; i < 8; i++) value |= (uint64_t)in->at[i] << (8 * i);
    in->at += 8;
    return value;
}

uint64_t mnas_blob_get_max(mnas_blob_reader *in, uint64_t max) {
    uint64_t value = mnas_blob_get_u64(in);
    if (value <= max) return value;
    in->bad = true;
    return 0;
}

void mnas_blob_get_f64s(mnas_blob_reader *in, double *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = mnas_blob_get_u64(in);
        memcpy(&values[i], &bits, sizeof bits);
        if (!isfinite(values[i])) {
            in->bad = true;
            values[i] = 0;
        }
    }
}

void mnas_blob_get_ints(mnas_blob_reader *in, int *values, size_t n) {
    for (size_t i = 0; i < n; i++) values[i] = (int)mnas_blob_get_max(in, INT_MAX);
}

void mnas_blob_get_rng(mnas_blob_reader *in, mnas_rng *rng) {
    uint64_t any = 0;
    for (int i = 0; i < 4; i++) any |= rng->s[i] = mnas_blob_get_u64(in);
    if (any == 0) in->bad = true;
}

bool mnas_blob_done(const mnas_blob_reader *in) {
    return !in->bad && in->at == in->end;
}
