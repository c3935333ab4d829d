/* image_exif.c - the one tag of EXIF that changes pixels: how the camera was held. Reads nothing else.
 *
 * An APP1 segment: "Exif\0\0", then a TIFF file: byte order, 42, offset of a directory; there 12-byte entries of tag, type,
 * count, value (TIFF 6.0, section 2; EXIF 2.3, tag 0x0112). Malformed data mean orientation 1: the picture is still good.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/image_codec.h"

typedef struct tiff {
    const uint8_t *bytes;
    size_t n;
    bool big_endian;
} tiff;

/* n_bytes 2 or 4; 0 outside the data. */
static uint32_t get(const tiff *t, size_t at, size_t n_bytes) {
    uint32_t v = 0;
    if (at > t->n || t->n - at < n_bytes) return 0;
    for (size_t i = 0; i < n_bytes; i++) v = v << 8 | t->bytes[t->big_endian ? at + i : at + n_bytes - 1 - i];
    return v;
}

int mnas_exif_orientation(const uint8_t *bytes, size_t n) {
    enum { HEADER = 6, TAG = 0x0112, SHORT = 3, ENTRY_BYTES = 12 };
    if (n < HEADER + 8 || memcmp(bytes, "Exif\0\0", HEADER) != 0) return 1;
    tiff t = {bytes + HEADER, n - HEADER, bytes[HEADER] == 'M'};
    size_t directory = get(&t, 4, 4);
    uint32_t n_entries = get(&t, directory, 2);
    for (uint32_t i = 0; i < n_entries; i++) {
        size_t entry = directory + 2 + (size_t)i * ENTRY_BYTES;
        if (get(&t, entry, 2) != TAG || get(&t, entry + 2, 2) != SHORT) continue;
        uint32_t orientation = get(&t, entry + 8, 2);
        return orientation >= 1 && orientation <= 8 ? (int)orientation : 1;
    }
    return 1;
}

/* Bit 2 of (orientation - 1): rows and columns change places; then what is mirrored. */
static const struct {
    bool turn, mirror_y, mirror_x;
} kinds[9] = {
    {0, 0, 0}, {0, 0, 0}, {0, 0, 1}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1},
};

mnas_rect mnas_exif_stored(mnas_rect part, int height, int width, int orientation) {
    mnas_rect p = part;
    if (kinds[orientation].turn) p = (mnas_rect){part.x, part.y, part.width, part.height};
    if (kinds[orientation].mirror_y) p.y = height - p.y - p.height;
    if (kinds[orientation].mirror_x) p.x = width - p.x - p.width;
    return p;
}

void mnas_exif_origin(double *y, double *x, mnas_rect stored, double height, double width, int orientation) {
    double row = kinds[orientation].mirror_y ? height - stored.y - stored.height : stored.y;
    double column = kinds[orientation].mirror_x ? width - stored.x - stored.width : stored.x;
    *y = kinds[orientation].turn ? column : row;
    *x = kinds[orientation].turn ? row : column;
}

int mnas_exif_apply(mnas_image *image, int orientation) {
    if (orientation == 1) return 0;
    bool turn = kinds[orientation].turn;
    int height = turn ? image->width : image->height, width = turn ? image->height : image->width;
    size_t pixel = (size_t)image->channels;
    uint8_t *turned = malloc((size_t)height * (size_t)width * pixel);
    if (!turned)
        return mnas_error_set(MNAS_ERR_MEMORY, "no memory to turn a %dx%d image", image->width,
                              image->height);
    uint8_t *to = turned;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, to += pixel) {
            int row = turn ? x : y, column = turn ? y : x;
            if (kinds[orientation].mirror_y) row = image->height - 1 - row;
            if (kinds[orientation].mirror_x) column = image->width - 1 - column;
            memcpy(to, image->pixels + ((size_t)row * (size_t)image->width + (size_t)column) * pixel, pixel);
        }
    free(image->pixels);
    *image = (mnas_image){height, width, image->channels, turned};
    return 0;
}
