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

/* A rectangle of an image, in its pixels. */
typedef struct mnas_rect {
    int y, x, height, width;
} mnas_rect;

/* What was decoded of an image. */
typedef struct mnas_image_part {
    mnas_image image;
    double y,
        x; /* where it begins in the upright image at eighths/8 of its size; where that is mirrored, between pixels */
    int eighths; /* 1, 2, 4 or 8; pixel k of the whole lies at (k + 1/2) eighths/8 - 1/2 */
} mnas_image_part;

/* Enough of the image to interpolate between all pixels of `part`, which lies inside it: of a JPEG no more than that, scaled down
 * where `part` still has min_side pixels each way. What lies behind it is not read, and damage there not seen. */
int mnas_image_decode_part(mnas_image_part *out, const uint8_t *bytes, size_t n, int channels, mnas_rect part,
                           int min_side);

/* Size as decode(min_side = 0) would give it, from the headers alone. */
int mnas_image_size(int *height, int *width, const uint8_t *bytes, size_t n);

#endif
