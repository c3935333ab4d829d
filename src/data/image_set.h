/* image_set.h - what datasets of image files have in common: their options, their shape from a listing, and decoding them all once.
 *
 * A plug-in lists (examples.h); here is when its images are decoded: once into the cache, or each time they are needed.
 */
#ifndef MNAS_DATA_IMAGE_SET_H
#define MNAS_DATA_IMAGE_SET_H

#include "data/common.h"
#include "data/examples.h"

typedef enum { MNAS_DECODE_AUTO, MNAS_DECODE_ONCE, MNAS_DECODE_EACH } mnas_decode_mode;
typedef enum { MNAS_FIT_CROP, MNAS_FIT_STRETCH, MNAS_FIT_PAD } mnas_image_fit;
extern const char *const mnas_decode_names[], *const mnas_fit_names[];

typedef struct mnas_image_options {
    int64_t channels, fit, decode, threads;
    int64_t interleave, buffer; /* of shards */
} mnas_image_options;

#define MNAS_IMAGE_OPTS(type)                                                                                \
    {"fit",                                                                                                  \
     MNAS_OPT_CHOICE,                                                                                        \
     offsetof(type, images.fit),                                                                             \
     "crop",                                                                                                 \
     0,                                                                                                      \
     0,                                                                                                      \
     NULL,                                                                                                   \
     "made square by: the middle square, by stretching, or by black bars",                                   \
     mnas_fit_names},                                                                                        \
        {"channels",           MNAS_OPT_INT, offsetof(type, images.channels), "3", 1, 3, NULL,               \
         "3: colour, 1: grey", NULL},                                                                        \
        {"decode",                                                                                           \
         MNAS_OPT_CHOICE,                                                                                    \
         offsetof(type, images.decode),                                                                      \
         "auto",                                                                                     \
         0,                                                                                                  \
         0,                                                                                                  \
         NULL,                                                                                               \
         "once: kept decoded in a cache; each: images stay in their files; auto: by the size of the cache",  \
         mnas_decode_names},                                                                                 \
    {                                                                                                        \
        "threads", MNAS_OPT_INT, offsetof(type, images.threads), "0", 0, 256, NULL,                          \
            "that decode beside a training; 0: by the cores and how many train", NULL                        \
    }

/* Above this decoded images are not kept where nobody asks for it. */
#define MNAS_DECODE_ONCE_BYTES ((int64_t)4 << 30)

/* `size` 0: chosen by the images. The plug-in's shape and decode (dataset.h) are these. */
int mnas_image_set_shape(mnas_dataset_shape *out, const void *opts, mnas_lister lister,
                         const mnas_image_options *o, int size);
int mnas_image_set_decode(const void *opts, mnas_lister lister, const mnas_image_options *o, bool test,
                          const mnas_decode_sink *sink);

/* The shape of a listing; the caller frees class_names, also after a failure. */
int mnas_image_set_describe(mnas_dataset_shape *out, const mnas_examples *examples,
                            const mnas_image_options *o, int size);

/* MNAS_ERR_ARG where the options contradict each other. */
int mnas_image_set_check(const mnas_image_options *o);
/* Do these images, made `size` pixels wide, stay in their files? */
bool mnas_image_set_stays(const mnas_image_options *o, const mnas_examples *examples, int size);

#endif
