/* image_file.c - which codec a file is for, and the limits. The codecs are in image_jpeg.c and image_png.c. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "data/image_codec.h"

/* What people name .jpg all the same, so that the message can say it. */
static const struct signature {
    const char *name;
    size_t at, n;
    const char *bytes;
} foreign[] = {
    {"GIF", 0, 4, "GIF8"},       {"WebP", 8, 4, "WEBP"},        {"BMP", 0, 2, "BM"},
    {"TIFF", 0, 4, "II*\0"},     {"TIFF", 0, 4, "MM\0*"},       {"HEIC or AVIF", 4, 4, "ftyp"},
    {"JPEG 2000", 4, 4, "jP  "}, {"JPEG XL", 0, 2, "\xff\x0a"}, {"HTML or XML", 0, 1, "<"},
    {"PDF", 0, 4, "%PDF"},       {"gzip", 0, 2, "\x1f\x8b"},    {"zip", 0, 4, "PK\x03\x04"},
};

mnas_image_type mnas_image_sniff(const uint8_t *bytes, size_t n) {
    if (n >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0) return MNAS_IMAGE_JPEG;
    if (n >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return MNAS_IMAGE_PNG;
    return MNAS_IMAGE_UNKNOWN;
}

static int unknown_type(const uint8_t *bytes, size_t n) {
    if (n == 0) return mnas_error_set(MNAS_ERR_FORMAT, "empty file");
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const struct signature *s = &foreign[i];
        if (n >= s->at + s->n && memcmp(bytes + s->at, s->bytes, s->n) == 0)
            return mnas_error_set(MNAS_ERR_FORMAT, "a %s file by its first bytes; JPEG and PNG are read",
                                  s->name);
    }
    return mnas_error_set(MNAS_ERR_FORMAT, "neither JPEG nor PNG by its first bytes");
}

int mnas_image_check_size(uint64_t height, uint64_t width, const char *format) {
    if (height >= 1 && width >= 1 && height <= MNAS_IMAGE_MAX_SIDE && width <= MNAS_IMAGE_MAX_SIDE &&
        height * width <= MNAS_IMAGE_MAX_PIXELS)
        return 0;
    return mnas_error_set(
        MNAS_ERR_FORMAT, "%s of %" PRIu64 "x%" PRIu64 " pixels; allowed: sides of 1 to %d, %d million pixels",
        format, width, height, MNAS_IMAGE_MAX_SIDE, MNAS_IMAGE_MAX_PIXELS / 1000000);
}

int mnas_image_decode(mnas_image *out, const uint8_t *bytes, size_t n, int channels, int min_side) {
    *out = (mnas_image){0};
    switch (mnas_image_sniff(bytes, n)) {
    case MNAS_IMAGE_JPEG:
        return mnas_image_decode_jpeg(out, bytes, n, channels, min_side, false);
    case MNAS_IMAGE_PNG:
        return mnas_image_decode_png(out, bytes, n, channels, false);
    default:
        return unknown_type(bytes, n);
    }
}

int mnas_image_decode_part(mnas_image_part *out, const uint8_t *bytes, size_t n, int channels, mnas_rect part,
                           int min_side) {
    *out = (mnas_image_part){.eighths = 8};
    if (mnas_image_sniff(bytes, n) == MNAS_IMAGE_JPEG)
        return mnas_image_decode_jpeg_part(out, bytes, n, channels, part, min_side);
    return mnas_image_decode(&out->image, bytes, n, channels, 0);
}

int mnas_image_size(int *height, int *width, const uint8_t *bytes, size_t n) {
    mnas_image image = {0};
    int rc = 0;
    switch (mnas_image_sniff(bytes, n)) {
    case MNAS_IMAGE_JPEG:
        rc = mnas_image_decode_jpeg(&image, bytes, n, 3, 0, true);
        break;
    case MNAS_IMAGE_PNG:
        rc = mnas_image_decode_png(&image, bytes, n, 3, true);
        break;
    default:
        rc = unknown_type(bytes, n);
    }
    *height = image.height, *width = image.width;
    return rc;
}
