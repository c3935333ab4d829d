/* image_file.h - JPEG and PNG files, from memory to 8-bit pixels.
 *
 * Any bytes give an image or an error, never more memory than the limits below allow. What a file is is told by its first bytes.
 * JPEG: baseline and progressive, grey, colour, CMYK (as Adobe writes it, inverted), turned as its EXIF orientation says. PNG: all
 * colour types and depths, interlaced or not; 16 bits are rounded to 8, transparency is laid on white, gamma is ignored.
 * Grey from colour is luma, 0.299 R + 0.587 G + 0.114 B; colour from grey repeats it.
 */
#ifndef MNAS_DATA_IMAGE_FILE_H
#define MNAS_DATA_IMAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MNAS_IMAGE_MAX_SIDE = 20000, MNAS_IMAGE_MAX_PIXELS = 100000000, MNAS_IMAGE_SNIFF_BYTES = 16 };

typedef struct mnas_image {
    int height, width, channels;
    uint8_t *pixels; /* [height, width, channels]; free() */
} mnas_image;

typedef enum { MNAS_IMAGE_UNKNOWN, MNAS_IMAGE_JPEG, MNAS_IMAGE_PNG } mnas_image_type;
mnas_image_type mnas_image_sniff(const uint8_t *bytes, size_t n);

/* channels: 1 or 3. A JPEG may come at 1/2, 1/4 or 1/8 of its size where its shorter side then still has min_side pixels:
 * that saves most of the work. 0: as it is. MNAS_ERR_FORMAT or MNAS_ERR_MEMORY; the message has no file name. */
int mnas_image_decode(mnas_image *out, const uint8_t *bytes, size_t n, int channels, int min_side);

/* Size as decode(min_side = 0) would give it, from the headers alone. */
int mnas_image_size(int *height, int *width, const uint8_t *bytes, size_t n);

#endif
