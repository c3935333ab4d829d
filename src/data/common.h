/* common.h - the options every dataset has: how many training images are held out for validation, which, and the size
 * of the images.
 *
 * A dataset's options struct has a member `mnas_dataset_common common`, its table the rows MNAS_DATASET_COMMON_OPTS(struct),
 * its class `.common = offsetof(struct, common)`. What they mean is the business of dataset.c and cache.c alone.
 */
#ifndef MNAS_DATA_COMMON_H
#define MNAS_DATA_COMMON_H

#include "base/opts.h"

typedef struct mnas_dataset_common {
    int64_t val, val_seed, size;
} mnas_dataset_common;

enum { MNAS_DATASET_MAX_SIZE = 1024 };

#define MNAS_DATASET_SIZE_OPT(type, text)                                                                    \
    { "size", MNAS_OPT_INT, offsetof(type, common.size), "0", 0, MNAS_DATASET_MAX_SIZE, "pixels", text, NULL }

#define MNAS_DATASET_VAL_SEED_OPT(type)                                                                      \
    {                                                                                                        \
        "val-seed", MNAS_OPT_INT, offsetof(type, common.val_seed), "0", 0, 1e15, NULL,                       \
            "which images are held out: seed of a fixed random choice", NULL                                 \
    }

#define MNAS_DATASET_COMMON_OPTS(type)                                                                       \
    {"val",                                                                                                  \
     MNAS_OPT_INT,                                                                                           \
     offsetof(type, common.val),                                                                             \
     "0",                                                                                                    \
     0,                                                                                                      \
     1e9,                                                                                                    \
     "images",                                                                                               \
     "held out of the training set for validation; 0: 5000 of 50,000 or more, else a tenth",                 \
     NULL},                                                                                                  \
        MNAS_DATASET_VAL_SEED_OPT(type),                                                                     \
        MNAS_DATASET_SIZE_OPT(type, "side the images are resized to, once; 0: as they are stored")

#endif
