/* fixture_tar.h - tar files made by hand, field by field, so that every kind of header can be had, wrong ones too. */
#ifndef MNAS_TEST_DATA_FIXTURE_TAR_H
#define MNAS_TEST_DATA_FIXTURE_TAR_H

#include "base/str.h"
#include "fixture.h"

static inline void tar_seal(uint8_t *block) {
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (int i = 0; i < 512; i++) sum += block[i];
    for (int i = 153; i > 147; i--, sum >>= 3) block[i] = (uint8_t)('0' + (sum & 7));
    block[154] = 0;
}

/* The header alone; size < 0: as a binary number. */
static inline void tar_header(mnas_str *tar, const char *prefix, const char *name, char type,
                              long long size) {
    char block[512] = {0};
    memcpy(block, name, strlen(name) < 100 ? strlen(name) : 100);
    memcpy(block + 100, "0000644", 7);
    unsigned long long left = (unsigned long long)(size < 0 ? -size : size);
    for (int i = 134; i > 123; i--, left = size < 0 ? left >> 8 : left >> 3)
        block[i + (size < 0)] = (char)(size < 0 ? left & 0xff : '0' + (left & 7));
    if (size < 0) block[124] = (char)0x80;
    block[156] = type;
    memcpy(block + 257,
           "ustar\0"
           "00",
           8);
    memcpy(block + 345, prefix, strlen(prefix));
    tar_seal((uint8_t *)block);
    mnas_str_append_n(tar, block, 512);
}

static inline void tar_data(mnas_str *tar, const void *data, size_t n) {
    static const char zeros[512];
    if (n > 0) mnas_str_append_n(tar, data, n);
    mnas_str_append_n(tar, zeros, (512 - n % 512) % 512);
}

static inline void tar_file(mnas_str *tar, const char *name, const void *data, size_t n) {
    tar_header(tar, "", name, '0', (long long)n);
    tar_data(tar, data, n);
}

static inline void tar_text(mnas_str *tar, const char *name, const char *text) {
    tar_file(tar, name, text, strlen(text));
}

/* Ends it, writes it below the fixture's folder, and frees it. */
static inline void tar_write(mnas_str *tar, const char *name) {
    static const char zeros[1024];
    mnas_str_append_n(tar, zeros, sizeof zeros);
    fix_write(name, tar->data, tar->len);
    mnas_str_free(tar);
}

#endif
