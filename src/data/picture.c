/* picture.c - which crop an image gets, and the way through its file. Does not decide which images come: the loader does.
 *
 * An image that is decoded each time is cut from its full size: in training as the loader's options say, else the paper's central
 * square. One that is kept decoded was cut when it was stored: only training's random part is cut from it again.
 */
#include "data/picture.h"

#include <stdlib.h>

#include "data/crop.h"

void mnas_picture_worker_free(mnas_picture_worker *worker) {
    free(worker->bytes.data);
    mnas_sampler_free(&worker->sampler);
    *worker = (mnas_picture_worker){0};
}

static mnas_augment_draw draw_moves(const mnas_picture_plan *p, mnas_rng *rng) {
    mnas_augment augment = p->augment;
    if (!p->train) return (mnas_augment_draw){0};
    if (p->crop == MNAS_CROP_AREA) augment.pad = 0;
    return mnas_augment_sample(&augment, rng);
}

static int from_pixels(float *out, const mnas_picture_plan *p, mnas_picture_worker *w, size_t i,
                       mnas_rng *rng) {
    const uint8_t *pixels = p->pixels + i * (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    if (!p->train || p->crop == MNAS_CROP_PAD) {
        mnas_augment_apply(out, pixels, p->height, p->width, p->channels, draw_moves(p, rng), &p->norm);
        return 0;
    }
    const mnas_raster raster = {pixels, p->height, p->width, p->channels, 0, 0, 8};
    const mnas_rect part = mnas_crop_area(p->height, p->width, p->width, rng);
    const mnas_view view = {p->height, p->width, part, draw_moves(p, rng)};
    return mnas_sample(out, &view, &raster, &p->norm, &w->sampler);
}

static int from_file(float *out, const mnas_picture_plan *p, mnas_picture_worker *w, size_t i,
                     mnas_rng *rng) {
    int height, width, size = p->height;
    mnas_image_part got;
    int rc = mnas_examples_read(p->examples, i, &w->bytes);
    if (rc == 0) rc = mnas_image_size(&height, &width, w->bytes.data, w->bytes.n);
    if (rc < 0) return rc;
    bool at_random = p->train && p->crop == MNAS_CROP_AREA;
    mnas_rect part =
        at_random ? mnas_crop_area(height, width, size, rng) : mnas_crop_centre(height, width, size);
    rc = mnas_image_decode_part(&got, w->bytes.data, w->bytes.n, p->channels, part, size);
    if (rc < 0) return rc;
    const mnas_raster raster = {
        got.image.pixels, got.image.height, got.image.width, got.image.channels, got.y, got.x, got.eighths};
    const mnas_view view = {p->height, p->width, part, draw_moves(p, rng)};
    rc = mnas_sample(out, &view, &raster, &p->norm, &w->sampler);
    free(got.image.pixels);
    return rc;
}

int mnas_picture_make(float *out, const mnas_picture_plan *plan, mnas_picture_worker *worker, size_t i,
                      mnas_rng rng) {
    return (plan->examples ? from_file : from_pixels)(out, plan, worker, i, &rng);
}
