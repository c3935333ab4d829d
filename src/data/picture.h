/* picture.h - one image of a dataset as a batch wants it: read, decoded where it stays in its file, cut, mirrored, normalised. */
#ifndef MNAS_DATA_PICTURE_H
#define MNAS_DATA_PICTURE_H

#include "data/augment.h"
#include "data/examples.h"
#include "data/sample.h"

/* The same for all images of a loader. */
typedef struct mnas_picture_plan {
    const mnas_examples *examples; /* NULL: from pixels */
    const uint8_t *pixels;         /* [*, height, width, channels] */
    int height, width, channels;
    bool train; /* false: neither cut at random nor mirrored */
    mnas_crop crop;
    mnas_augment augment;
    mnas_normalise norm;
} mnas_picture_plan;

/* Buffers of one thread; {0} at first. */
typedef struct mnas_picture_worker {
    mnas_bytes bytes;
    mnas_sampler sampler;
} mnas_picture_worker;
void mnas_picture_worker_free(mnas_picture_worker *worker);

/* out[height, width, channels] of image `i` of the pixels or examples. Errors as of mnas_examples_read and mnas_image_decode_part. */
int mnas_picture_make(float *out, const mnas_picture_plan *plan, mnas_picture_worker *worker, size_t i,
                      mnas_rng rng);

#endif
