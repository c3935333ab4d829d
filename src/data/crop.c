/* crop.c - crops distributed as TensorFlow's sample_distorted_bounding_box makes them, in single precision as there.
 *
 * What follows from its rules and is easily missed: the aspect is uniform (not its logarithm), then the height is (not the area);
 * the last offset never comes; and since a tenth of the one object, the whole image, must be covered, parts of 8 to 10 % are drawn
 * and thrown away.
 */
#include "data/crop.h"

#include <math.h>

static const float MIN_AREA = 0.08f, MAX_AREA = 1.0f, MIN_ASPECT = 3.0f / 4, MAX_ASPECT = 4.0f / 3,
                   MIN_COVERED = 0.1f;
enum { ATTEMPTS = 10, PADDING = 32 };

mnas_rect mnas_crop_centre(int height, int width, int size) {
    int shorter = height < width ? height : width;
    int side = (int)((float)((double)size / (size + PADDING)) * (float)shorter);
    if (side < 1) side = 1;
    return (mnas_rect){(height - side + 1) / 2, (width - side + 1) / 2, side, side};
}

static int width_at(int height, float aspect) {
    return (int)lrintf((float)height * aspect);
}

/* The largest height whose width still fits. */
static int max_height_at(float aspect, float max_area, int height, int width) {
    int most = (int)lrintf(sqrtf(max_area / aspect));
    if (width_at(most, aspect) > width) {
        most = (int)(((double)width + 0.5 - 1e-7) / (double)aspect);
        if (width_at(most, aspect) > width) most--;
    }
    return most < height ? most : height;
}

static uint32_t offset(mnas_rng *rng, int outer, int inner) {
    return inner < outer ? mnas_rng_below(rng, (uint32_t)(outer - inner)) : 0;
}

static bool attempt(mnas_rect *out, int height, int width, float aspect, mnas_rng *rng) {
    float min_area = MIN_AREA * (float)width * (float)height,
          max_area = MAX_AREA * (float)width * (float)height;
    int h = (int)lrintf(sqrtf(min_area / aspect)), most = max_height_at(aspect, max_area, height, width);
    if (h >= most)
        h = most;
    else
        h += (int)mnas_rng_below(rng, (uint32_t)(most - h + 1));
    /* A part just outside the range of areas is made one row larger, or smaller. */
    if ((float)h * (float)width_at(h, aspect) < min_area) h++;
    if ((float)h * (float)width_at(h, aspect) > max_area) h--;
    int w = width_at(h, aspect);
    float area = (float)w * (float)h;
    if (area < min_area || area > max_area || w > width || h > height || w <= 0 || h <= 0) return false;
    int y = (int)offset(rng, height, h), x = (int)offset(rng, width, w);
    *out = (mnas_rect){y, x, h, w};
    return area / ((float)width * (float)height) >= MIN_COVERED;
}

/* All of the image is what a failure gave there, and was told by its size: so a part that is all of it counts as one. */
mnas_rect mnas_crop_area(int height, int width, int size, mnas_rng *rng) {
    mnas_rect part;
    for (int i = 0; i < ATTEMPTS; i++) {
        float aspect = (float)mnas_rng_uniform(rng) * (MAX_ASPECT - MIN_ASPECT) + MIN_ASPECT;
        if (!attempt(&part, height, width, aspect, rng)) continue;
        if (part.height == height && part.width == width) break;
        return part;
    }
    return mnas_crop_centre(height, width, size);
}
