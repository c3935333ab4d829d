/* tiny_images.h - a folder of IDX files for tests: n images of 28 by 28 pixels in two classes, bright on the left or on the
 * right, with noise. For programs with cmocka included. */
#ifndef TINY_IMAGES_H
#define TINY_IMAGES_H

#include <stdio.h>

#include "base/rng.h"

static void tiny_images_put_u32(FILE *f, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(v >> shift & 255), f);
}

/* split: "train" or "t10k". */
static void tiny_images_write(const char *folder, const char *split, uint32_t n) {
    char path[1200];
    mnas_rng rng = mnas_rng_stream(1, n, "images");
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, split);
    FILE *images = fopen(path, "wb");
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, split);
    FILE *labels = fopen(path, "wb");
    assert_true(images && labels);
    const uint32_t image_header[] = {0x803, n, 28, 28}, label_header[] = {0x801, n};
    for (int i = 0; i < 4; i++) tiny_images_put_u32(images, image_header[i]);
    for (int i = 0; i < 2; i++) tiny_images_put_u32(labels, label_header[i]);
    for (uint32_t i = 0; i < n; i++) {
        fputc((int)(i % 2), labels);
        for (uint32_t p = 0; p < 28 * 28; p++) {
            const uint32_t bright = (p % 28 < 14) == (i % 2 == 0) ? 150 : 0;
            fputc((int)(bright + mnas_rng_below(&rng, 100)), images);
        }
    }
    assert_int_equal(fclose(images), 0);
    assert_int_equal(fclose(labels), 0);
}

#endif
