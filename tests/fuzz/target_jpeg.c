/* JPEG files in memory: size and pixels, turned and reduced. Larger images than a million pixels are left alone: decoding
 * them is slow and shows nothing that smaller ones do not. */
#include <stdlib.h>

#include "data/image_file.h"
#include "fuzz.h"

static void decode(const uint8_t *data, size_t n, int channels, int min_side) {
    mnas_image image;
    unsigned sum = 0;
    if (mnas_image_decode(&image, data, n, channels, min_side) < 0) return;
    FUZZ_CHECK(image.channels == channels && image.height > 0 && image.width > 0);
    for (size_t i = 0; i < (size_t)image.height * (size_t)image.width * (size_t)channels; i++)
        sum += image.pixels[i];
    FUZZ_CHECK(sum < UINT32_MAX);
    free(image.pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int height, width;
    if (mnas_image_sniff(data, n) == MNAS_IMAGE_PNG) return 0; /* target_png.c's */
    if (mnas_image_size(&height, &width, data, n) < 0) {
        decode(data, n, 3, 0); /* fails, too, and may say why */
        return 0;
    }
    if ((int64_t)height * width > 1000000) return 0;
    decode(data, n, 3, 0);
    decode(data, n, 1, 4);
    return 0;
}
