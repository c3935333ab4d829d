/* loader.h - batches of a split as normalised floats, prepared one ahead by threads of its own.
 *
 * What a batch holds is a function of (split, options, seed, epoch, batch number) alone, never of timing or the number of threads.
 * Images are NHWC f32, (pixel / 255 - mean) / std per channel; labels are int32. Training order is a new
 * shuffle each epoch; the last, smaller batch of an epoch is dropped in training (carry on with the next
 * epoch's shuffle) and kept in evaluation.
 *
 * An image that stays in its file and does not decode is named once and counted; in training another stands in for it, always the same,
 * in evaluation it is left out.
 */
#ifndef MNAS_DATA_LOADER_H
#define MNAS_DATA_LOADER_H

#include "data/dataset.h"

typedef struct mnas_augment {
    int pad;   /* random crop from an image padded with `pad` zeros (of the raw pixels) on every side; 0: none
                */
    bool flip; /* horizontal, with probability 1/2 */
} mnas_augment;

/* Where a training image is cut from. PAD: the whole image, moved by mnas_augment.pad. AREA: a random part of 8 to 100 % of its area,
 * aspect 3/4 to 4/3, brought to the batch's size. */
typedef enum { MNAS_CROP_PAD, MNAS_CROP_AREA } mnas_crop;

typedef struct mnas_loader_options {
    int batch;
    bool shuffle;       /* training; false: in order, each image once an epoch, no augmentation */
    int64_t max_images; /* use only the first so many of the split (of a seed-fixed shuffle of it); 0: all */
    mnas_crop crop;     /* AREA: augment.pad is not used */
    mnas_augment augment;
    double mean[4], std[4]; /* per channel */
    uint64_t seed;
    int threads; /* that prepare; 0: what the dataset says, else by its kind, the cores and how many threads train */
} mnas_loader_options;

typedef struct mnas_batch {
    const float *images;   /* [n, H, W, C]; valid until the next call */
    const int32_t *labels; /* [n] */
    int n;     /* == batch except for an evaluation's last, and where an image did not decode there */
    int epoch; /* 0.. */
} mnas_batch;

typedef struct mnas_loader mnas_loader;

/* Of n images those that max_images leaves. */
int64_t mnas_loader_n_images(int64_t max_images, int64_t n);

/* The dataset outlives the loader. */
int mnas_loader_create(mnas_loader **out, const mnas_dataset *dataset, mnas_split_kind kind,
                       const mnas_loader_options *options);
void mnas_loader_destroy(mnas_loader *loader);
int mnas_loader_n_batches(const mnas_loader *loader); /* an epoch */
int mnas_loader_n_bad(mnas_loader *loader);           /* images that did not decode so far */
int mnas_loader_n_threads(const mnas_loader *loader);
/* Threads that decode images beside n_train that train, where nobody says how many. */
int mnas_loader_spare_threads(int n_cores, int n_train);
/* The next batch. Evaluation: after the last batch n is 0 once, then it starts again. Fails only where the machine does
 * (MNAS_ERR_IO, MNAS_ERR_MEMORY) or nothing decodes any more (MNAS_ERR_FORMAT); out->n is then 0. */
int mnas_loader_next(mnas_loader *loader, mnas_batch *out);

/* The state of a loader is a pure function of (dataset, options, step). Step: how many calls of mnas_loader_next came before, an
 * evaluation's end marks counted. A loader that was created anew and moved to the step of another goes on bit for bit like it. */
int64_t mnas_loader_step(const mnas_loader *loader);
/* A batch handed out before is no longer valid. MNAS_ERR_ARG for a negative step. */
int mnas_loader_seek(mnas_loader *loader, int64_t step);

#endif
