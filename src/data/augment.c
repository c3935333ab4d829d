/* augment.c - pad-crop, flip and normalisation in one pass over the image. Does not decide which images or
 * seeds: the loader does.
 *
 * A table of 256 floats per channel makes the result independent of the compiler's arithmetic, and costs a
 * load a value.
 */
#include "data/augment.h"

#include <assert.h>

mnas_augment_draw mnas_augment_sample(const mnas_augment *augment, mnas_rng *rng) {
    mnas_augment_draw draw = {0};
    if (augment->pad > 0) {
        uint32_t n_offsets = 2 * (uint32_t)augment->pad + 1;
        draw.dy = (int)mnas_rng_below(rng, n_offsets) - augment->pad;
        draw.dx = (int)mnas_rng_below(rng, n_offsets) - augment->pad;
    }
    if (augment->flip) draw.flip = mnas_rng_below(rng, 2) == 1;
    return draw;
}

void mnas_normalise_init(mnas_normalise *norm, const double *mean, const double *std, int channels) {
    *norm = (mnas_normalise){0};
    for (int c = 0; c < channels; c++) {
        for (int v = 0; v < 256; v++) norm->lut[c][v] = (float)((v / 255.0 - mean[c]) / std[c]);
        norm->scale[c] = (float)(1 / (255 * std[c]));
        norm->shift[c] = (float)(-mean[c] / std[c]);
    }
}

/* n pixels; src moves by `step` pixels (1 or -1). Always inlined with constant `channels`, so that it unrolls. */
static inline __attribute__((always_inline)) void convert(float *restrict out, const uint8_t *restrict src,
                                                          int n, int step, int channels,
                                                          const mnas_normalise *norm) {
    for (int x = 0; x < n; x++, src += step * channels)
        for (int c = 0; c < channels; c++) *out++ = norm->lut[c][src[c]];
}

static void convert_row(float *out, const uint8_t *src, int n, int step, int channels,
                        const mnas_normalise *norm) {
    if (channels == 1)
        convert(out, src, n, step, 1, norm);
    else if (channels == 3)
        convert(out, src, n, step, 3, norm);
    else
        convert(out, src, n, step, channels, norm);
}

static void zero_row(float *out, int n, int channels, const mnas_normalise *norm) {
    for (int x = 0; x < n; x++)
        for (int c = 0; c < channels; c++) *out++ = norm->lut[c][0];
}

static int clamp(int v, int low, int high) {
    return v < low ? low : v > high ? high : v;
}

void mnas_augment_apply(float *out, const uint8_t *pixels, int height, int width, int channels,
                        mnas_augment_draw draw, const mnas_normalise *norm) {
    assert(channels >= 1 && channels <= 4);
    /* The crop covers the image's columns dx .. dx + W - 1: output columns [from, to) lie inside it before the flip. */
    int from = clamp(-draw.dx, 0, width), to = clamp(width - draw.dx, 0, width), n = to - from;
    int left = draw.flip ? width - to : from;
    int first = (draw.flip ? to - 1 : from) + draw.dx, step = draw.flip ? -1 : 1;
    for (int y = 0; y < height; y++, out += width * channels) {
        int row = y + draw.dy;
        if (row < 0 || row >= height || n <= 0) {
            zero_row(out, width, channels, norm);
            continue;
        }
        const uint8_t *src = pixels + ((size_t)row * (size_t)width + (size_t)first) * (size_t)channels;
        zero_row(out, left, channels, norm);
        convert_row(out + left * channels, src, n, step, channels, norm);
        zero_row(out + (left + n) * channels, width - left - n, channels, norm);
    }
}
