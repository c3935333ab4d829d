/* cache.h - decoded images in one file that all processes map: NAME-KEY.train, and NAME-KEY.test for the test images.
 *
 * The key is a hash of the plug-in, the options that change pixels or labels, and every source file's name,
 * size and time; so a changed source or another `size` gets a new cache, and another validation split does not. A cache that is
 * damaged, cut short or of another format is decoded again. Files are replaced atomically: processes that
 * decode at the same time do double work and no harm. Old caches are never removed; the folder may be emptied
 * at any time.
 */
#ifndef MNAS_DATA_CACHE_H
#define MNAS_DATA_CACHE_H

#include "data/dataset.h"

typedef struct mnas_cache {
    char path[1024];
    const void *map;
    size_t map_bytes;
    int height, width, channels, classes;
    int n;                  /* images in this file */
    int n_val;              /* the last so many are the validation split; 0: whoever opens it chooses */
    int n_test;             /* -1: unknown */
    int n_skipped;          /* of this file: did not decode */
    int n_ignored;          /* files that are no images */
    const uint8_t *pixels;  /* [n, height, width, channels] */
    const uint16_t *labels; /* [n] */
    mnas_cache_text class_names, skipped;
} mnas_cache;

/* Map the training (or test) images, decoding them when there is no good cache. Reads only the sources of
 * that part, and of the test images whatever cls->shape reads. The caller unmaps `map`. */
int mnas_cache_open(mnas_cache *out, const mnas_dataset_class *cls, const void *opts, bool test);

#endif
