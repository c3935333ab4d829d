/* dataset.h - labelled images as one mapped, shared, read-only block of bytes.
 *
 * A dataset plug-in decodes its files once into a cache file (8-bit pixels, NHWC; 16-bit labels; header with
 * a hash of the sources' names, sizes and times), which every trial maps. What is held out for validation is
 * a fixed random part of the training set (seed and size are options of the dataset, so they are part of its spec), or what
 * the plug-in says. Images are resized on their way into the cache where the option `size` asks for it.
 *
 * The test split opens only through mnas_dataset_open(..., MNAS_ALLOW_TEST): the search never passes that
 * flag, and without it the test images are not even mapped.
 */
#ifndef MNAS_DATA_DATASET_H
#define MNAS_DATA_DATASET_H

#include "base/registry.h"
#include "mnas.h"

typedef enum { MNAS_SPLIT_TRAIN, MNAS_SPLIT_VAL, MNAS_SPLIT_TEST } mnas_split_kind;
enum { MNAS_ALLOW_TEST = 1 };

/* Images of one split. `index` selects from pixels (train and val share one block); NULL: identity. */
typedef struct mnas_split {
    int n;
    const uint8_t *pixels;  /* [*, height, width, channels], or NULL: they stay in their files */
    const uint16_t *labels; /* [*] */
    const uint32_t *index;  /* [n] or NULL */
} mnas_split;

/* Lines in the mapped file, each ended by a newline; no NUL. */
typedef struct mnas_cache_text {
    const char *text;
    size_t n;
} mnas_cache_text;

/* Images that stay in their files and are decoded anew each time: examples.h. */
typedef struct mnas_examples mnas_examples;
struct mnas_examples_index;
struct mnas_listing;

typedef struct mnas_dataset {
    mnas_dataset_info info; /* sizes, classes, spec, cache path */
    mnas_split split[3];    /* test: n = 0 and NULL unless allowed */
    const void *map;        /* the cache file */
    size_t map_bytes;
    const void *test_map;
    size_t test_map_bytes;
    uint32_t *order;                      /* owns the index arrays */
    mnas_cache_text class_names, skipped; /* of the training images; in the map */
    struct mnas_examples_index *index;    /* owns `examples` */
    const mnas_examples
        *examples;          /* NULL: decoded into `map`; else splits have no pixels, and select from these */
    int threads;            /* to decode with; 0: nobody said */
    int interleave, buffer; /* shards read side by side, images shuffled; 0: shuffled altogether */
} mnas_dataset;

/* What a plug-in hands its images to while decoding, in order. */
typedef struct mnas_decode_sink {
    /* pixels: height*width*channels bytes */
    int (*emit)(void *user, const uint8_t *pixels, int label);
    /* In place of emit, for a file that does not decode: it is counted and named, and the others move up. */
    int (*skip)(void *user, const char *file, const char *reason);
    void *user;
    int size; /* height and width that shape gave, where they are equal */
} mnas_decode_sink;

typedef struct mnas_dataset_shape {
    int height, width, channels, classes;
    int n_train, n_test;
    int n_val; /* above 0: the last so many of n_train are the validation split, and none is chosen at random */
    int n_ignored;        /* files that are no images */
    mnas_str class_names; /* a line for each class, or empty */
} mnas_dataset_shape;

/* Labels are stored in 16 bits. */
enum { MNAS_DATASET_MAX_CLASSES = 65535 };

/* Text of outside, with the newline that ends it and no control characters inside. */
void mnas_dataset_append_line(mnas_str *lines, const char *text);
/* "file: reason", so. */
void mnas_dataset_append_skipped(mnas_str *lines, const char *file, const char *reason);
/* MNAS_ERR_MEMORY, or 0. */
int mnas_dataset_name_classes(mnas_dataset_shape *shape, const char *const *names, int n);

/* One implementation: a const record in dataset_NAME.c and a line in datasets.def. Its options hold common.h's. */
typedef struct mnas_dataset_class {
    mnas_plugin plugin; /* first: registry.h */
    size_t common;      /* offset of the mnas_dataset_common in the options */
    bool splits;        /* shape gives n_val: `val` and `val-seed` are the plug-in's */
    size_t images;      /* of classes with `list`: offset of the mnas_image_options (image_set.h) */
    /* Names the source files (for the cache key): append one path a line. A file that is not there is named too. */
    int (*sources)(const void *opts, mnas_str *paths);
    /* In place of sources where they are many: text that changes with the name, size or time of any of them. Either is NULL. */
    int (*fingerprint)(const void *opts, mnas_str *text);
    /* Reads headers only. Never fails for the test files: n_test is -1 where their header cannot be read. The caller frees
     * class_names, also after a failure. */
    int (*shape)(const void *opts, mnas_dataset_shape *out);
    /* In the order of decode, where images can stay in their files (a mnas_lister, examples.h); else NULL. */
    int (*list)(const void *opts, struct mnas_listing *out);
    /* Decodes the training files (test = false) or the test files: every image that shape counted, emitted or skipped. */
    int (*decode)(const void *opts, bool test, const mnas_decode_sink *sink);
} mnas_dataset_class;

/* Without decoding anything: what is there, and whether the spec names a size. The caller frees shape->class_names. */
int mnas_dataset_look(mnas_dataset_shape *shape, bool *has_size, const char *spec);
/* The same dataset at another size, as a canonical spec. */
int mnas_dataset_spec_at(char *out, size_t n, const char *spec, int size);

int mnas_dataset_open(mnas_dataset **out, const char *spec, int flags);
void mnas_dataset_close(mnas_dataset *dataset);
const mnas_plugin *const *mnas_dataset_plugins(size_t *n);

#endif
