/* holdout.h - the two options every dataset has: how many training images are held out for validation, and which.
 *
 * A dataset's options struct has a member `mnas_holdout_opts holdout`, its table the rows MNAS_HOLDOUT_OPTS(struct).
 */
#ifndef MNAS_DATA_HOLDOUT_H
#define MNAS_DATA_HOLDOUT_H

#include "base/opts.h"

typedef struct mnas_holdout_opts {
    int64_t val, val_seed;
} mnas_holdout_opts;

#define MNAS_HOLDOUT_OPTS(type)                                                                              \
    {"val",                                                                                                  \
     MNAS_OPT_INT,                                                                                           \
     offsetof(type, holdout.val),                                                                            \
     "0",                                                                                                    \
     0,                                                                                                      \
     1e9,                                                                                                    \
     "images",                                                                                               \
     "held out of the training set for validation; 0: 5000 of 50,000 or more, else a tenth",                 \
     NULL},                                                                                                  \
    {                                                                                                        \
        "val-seed", MNAS_OPT_INT, offsetof(type, holdout.val_seed), "0", 0, 1e15, NULL,                      \
            "which images are held out: seed of a fixed random choice", NULL                                 \
    }

#endif
