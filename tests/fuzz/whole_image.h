/* whole_image.h - an image in memory of any format, decoded and looked at: an image of what was asked for, or an error. */
#ifndef WHOLE_IMAGE_H
#define WHOLE_IMAGE_H

#include <stdlib.h>

#include "data/image_file.h"
#include "fuzz.h"

static void check_decoding(const uint8_t *data, size_t n, int channels, int min_side) {
    mnas_image image;
    unsigned sum = 0;
    if (mnas_image_decode(&image, data, n, channels, min_side) < 0) return;
    FUZZ_CHECK(image.channels == channels && image.height > 0 && image.width > 0);
    for (size_t i = 0; i < (size_t)image.height * (size_t)image.width * (size_t)channels; i++)
        sum += image.pixels[i];
    FUZZ_CHECK(sum < UINT32_MAX);
    free(image.pixels);
}

#endif
