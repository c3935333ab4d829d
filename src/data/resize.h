/* resize.h - 8-bit images to another size: the mean over the area going down, bilinear going up, each axis by itself.
 *
 * Output pixel i covers input [i s, (i+1) s) with s = in / out. Where s >= 1 it is the mean over that interval, pixels on its
 * ends counted by the part inside (no aliasing at any ratio); where s < 1 it is interpolated linearly between the two pixel
 * centres next to its own, the outermost pixels repeated. Rounded once, to the nearest.
 */
#ifndef MNAS_DATA_RESIZE_H
#define MNAS_DATA_RESIZE_H

#include <stddef.h>
#include <stdint.h>

typedef struct mnas_resize mnas_resize;

/* Sides 1..65536, channels 1..4. One resizer serves one thread. */
int mnas_resize_create(mnas_resize **out, int in_height, int in_width, int out_height, int out_width,
                       int channels);
void mnas_resize_destroy(mnas_resize *resize);
/* out[out_height, out_width, channels], dense; rows of `in` are `in_row_bytes` apart, so that a part of an image can be taken. */
void mnas_resize_apply(mnas_resize *resize, uint8_t *out, const uint8_t *in, size_t in_row_bytes);

/* The centred square of an image: its side is the shorter one, (y, x) its first pixel. */
typedef struct mnas_square {
    int side, y, x;
} mnas_square;
mnas_square mnas_resize_centre(int height, int width);

#endif
