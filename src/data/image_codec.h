/* image_codec.h - what image_file.c and its two codecs share. Nobody else includes it. */
#ifndef MNAS_DATA_IMAGE_CODEC_H
#define MNAS_DATA_IMAGE_CODEC_H

#include "data/image_file.h"

/* The limits, before anything is allocated. */
int mnas_image_check_size(uint64_t height, uint64_t width, const char *format);

/* out->pixels NULL where only the size is asked for: `size_only`. `channels` as of mnas_image_decode. */
int mnas_image_decode_jpeg(mnas_image *out, const uint8_t *bytes, size_t n, int channels, int min_side,
                           bool size_only);
int mnas_image_decode_jpeg_part(mnas_image_part *out, const uint8_t *bytes, size_t n, int channels,
                                mnas_rect part, int min_side);
int mnas_image_decode_png(mnas_image *out, const uint8_t *bytes, size_t n, int channels, bool size_only);

/* EXIF's orientation, 1..8, from an APP1 segment's payload; 1 where there is none or it is malformed. */
int mnas_exif_orientation(const uint8_t *bytes, size_t n);
/* Turn and mirror the image so that orientation 1 is right. MNAS_ERR_MEMORY. */
int mnas_exif_apply(mnas_image *image, int orientation);
/* The pixels that lie in `part` of the turned image, in the stored one of height x width. */
mnas_rect mnas_exif_stored(mnas_rect part, int height, int width, int orientation);
/* And back: where the first pixel of that part lies in the turned image; in a scaled one the sides are fractions. */
void mnas_exif_origin(double *y, double *x, mnas_rect stored, double height, double width, int orientation);

static inline uint8_t mnas_image_luma(const uint8_t *rgb) {
    return (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

#endif
