/* PNG files in memory. The checksums of the chunks are put right first, so that the fuzzer reaches behind them; images of
 * more than a million pixels are left alone as in target_jpeg.c. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "whole_image.h"

enum { SIGNATURE_BYTES = 8, AROUND_BYTES = 12 /* length, type and checksum of a chunk */ };

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void seal_chunks(uint8_t *bytes, size_t n) {
    size_t at = SIGNATURE_BYTES;
    while (at < n && n - at >= AROUND_BYTES) {
        const size_t length = big_endian(bytes + at);
        if (length > n - at - AROUND_BYTES) return;
        const uint32_t sum = (uint32_t)crc32(crc32(0, NULL, 0), bytes + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++) bytes[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += length + AROUND_BYTES;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int height, width;
    if (mnas_image_sniff(data, n) != MNAS_IMAGE_PNG) return 0;
    uint8_t *sealed = malloc(n ? n : 1);
    FUZZ_CHECK(sealed);
    memcpy(sealed, data, n);
    seal_chunks(sealed, n);
    const bool known = mnas_image_size(&height, &width, sealed, n) == 0;
    if (!known || (int64_t)height * width <= 1000000) {
        check_decoding(sealed, n, 3, 0);
        check_decoding(sealed, n, 1, 0);
    }
    free(sealed);
    return 0;
}
