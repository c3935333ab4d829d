/* sample.h - a part of an image brought to a size by bilinear interpolation and normalised, in one pass, in floats.
 *
 * Positions are those of TensorFlow 1's resize_bilinear, which the paper's training used: output k of n shows position k * in / n,
 * not smoothed going down; at the far edge the last pixel is repeated.
 */
#ifndef MNAS_DATA_SAMPLE_H
#define MNAS_DATA_SAMPLE_H

#include "data/augment.h"
#include "data/image_file.h"

/* Which pixels there are: of the image at eighths/8 of its size those from (y, x) on. */
typedef struct mnas_raster {
    const uint8_t *pixels;
    int height, width, channels; /* channels 1..4 */
    double y, x;
    int eighths;
} mnas_raster;

/* Buffers that one thread uses again for each image; {0} at first. */
typedef struct mnas_sampler {
    void *columns;
    float *line;
    size_t n_columns, n_line;
} mnas_sampler;
void mnas_sampler_free(mnas_sampler *sampler);

/* What is shown, and how: a part of the whole image, in its pixels, brought to height and width, moved by dy and dx outputs and
 * mirrored. What is uncovered is raw 0. */
typedef struct mnas_view {
    int height, width;
    mnas_rect part;
    mnas_augment_draw draw;
} mnas_view;

/* out[view's height, width, channels]; all that the view needs is in the raster. MNAS_ERR_MEMORY. */
int mnas_sample(float *out, const mnas_view *view, const mnas_raster *raster, const mnas_normalise *norm,
                mnas_sampler *sampler);

#endif
