/* JPEG files in memory: size and pixels, turned and reduced, all of them and a part. Larger images than a million pixels are left alone: decoding
 * them is slow and shows nothing that smaller ones do not. */
#include <stdlib.h>

#include "whole_image.h"

/* A part that the input itself chooses, at any scale. */
static void decode_part(const uint8_t *data, size_t n, int height, int width) {
    mnas_image_part part;
    unsigned sum = 0, pick = data[n / 2] * 256u + data[n - 1];
    int h = 1 + (int)(pick % (unsigned)height), w = 1 + (int)(pick / 7 % (unsigned)width);
    mnas_rect want = {(height - h) / 2, (int)(pick / 3 % (unsigned)(width - w + 1)), h, w};
    if (mnas_image_decode_part(&part, data, n, pick % 2 ? 3 : 1, want, (int)(pick / 5 % 64)) < 0) return;
    const mnas_image *image = &part.image;
    FUZZ_CHECK(image->height > 0 && image->width > 0 && part.y > -1 && part.x > -1);
    for (size_t i = 0; i < (size_t)image->height * (size_t)image->width * (size_t)image->channels; i++)
        sum += image->pixels[i];
    FUZZ_CHECK(sum < UINT32_MAX);
    free(part.image.pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int height, width;
    if (mnas_image_sniff(data, n) == MNAS_IMAGE_PNG) return 0; /* target_png.c's */
    if (mnas_image_size(&height, &width, data, n) < 0) {
        check_decoding(data, n, 3, 0); /* fails, too, and may say why */
        return 0;
    }
    if ((int64_t)height * width > 1000000) return 0;
    check_decoding(data, n, 3, 0);
    check_decoding(data, n, 1, 4);
    decode_part(data, n, height, width);
    return 0;
}
