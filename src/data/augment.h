/* augment.h - one image from bytes to normalised floats, on the way cropped and flipped: pure functions of
 * their arguments. */
#ifndef MNAS_DATA_AUGMENT_H
#define MNAS_DATA_AUGMENT_H

#include "base/rng.h"
#include "data/loader.h"

/* What was drawn for one image. Output pixel (y, x) shows input pixel (y + dy, x + dx), of the flipped crop
 * (y + dy, W-1-x + dx); outside the image it is raw 0. Crop first, then flip. */
typedef struct mnas_augment_draw {
    int dy, dx; /* -pad..pad */
    bool flip;
} mnas_augment_draw;

mnas_augment_draw mnas_augment_sample(const mnas_augment *augment, mnas_rng *rng);

/* (v / 255 - mean) / std of every byte v, per channel, rounded once from double; of values between bytes v * scale + shift. */
typedef struct mnas_normalise {
    float lut[4][256];
    float scale[4], shift[4];
} mnas_normalise;
void mnas_normalise_init(mnas_normalise *norm, const double *mean, const double *std, int channels);

/* out[height, width, channels] from pixels of the same shape. channels 1..4. */
void mnas_augment_apply(float *out, const uint8_t *pixels, int height, int width, int channels,
                        mnas_augment_draw draw, const mnas_normalise *norm);

#endif
