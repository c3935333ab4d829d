/* examples.h - images that stay in their files: where each lies, what it shows, what it is for.
 *
 * A place is a folder of image files, or a shard: one file with many images inside. A listing is made by a dataset plug-in; sorted,
 * it is read as mnas_examples, and so is the index file that keeps it (examples_index.h).
 */
#ifndef MNAS_DATA_EXAMPLES_H
#define MNAS_DATA_EXAMPLES_H

#include "data/dataset.h"

typedef struct mnas_place {
    uint64_t path;    /* offset in the text */
    int64_t size;     /* bytes; -1: a folder */
    int64_t mtime_ns; /* as it was looked at */
} mnas_place;

/* Its time, and its size where it is a file. errno where it cannot be looked at. */
bool mnas_place_look(mnas_place *out, const char *path);

typedef struct mnas_example {
    uint64_t name;   /* offset in the text: the file's name in its folder, or the member's in its shard */
    uint64_t offset; /* in the shard */
    uint32_t size;   /* bytes in the shard; 0: all of the file */
    uint32_t place;
} mnas_example;

/* Memory is the listing's or the mapped index's. */
struct mnas_examples {
    size_t n;       /* of all splits: training, then validation, then test */
    int n_split[3]; /* by mnas_split_kind */
    const mnas_example *list;
    const uint16_t *labels;
    const mnas_place *places;
    size_t n_places;
    const char *text; /* names, each ended by a NUL */
    size_t n_text;
    int classes;
    int side; /* that suits their sizes: mnas_examples_side; 0: not looked at */
    int n_ignored, n_skipped;
    mnas_cache_text class_names, skipped;
};

/* ---- listing ---- */

typedef struct mnas_listing {
    mnas_str text;
    mnas_place *places;
    mnas_example *list;
    uint16_t *labels;
    uint8_t *splits;
    size_t n_places, cap_places, n, cap;
    int classes, n_ignored, n_skipped;
    mnas_str class_names, skipped; /* a line each */
} mnas_listing;

/* Lists all images of a dataset, in order; `opts` are its options. */
typedef int (*mnas_lister)(const void *opts, mnas_listing *out);

/* The number of the place, or an error. */
int mnas_listing_place(mnas_listing *listing, const char *path);
int mnas_listing_add(mnas_listing *listing, mnas_example example, const char *name, int label,
                     mnas_split_kind split);
/* A file or a part of one that cannot be used: named and counted. */
void mnas_listing_skip(mnas_listing *listing, const char *file, const char *reason);
/* Bring the splits into order and look at it. Fails where memory ran out before. */
int mnas_listing_finish(mnas_listing *listing, mnas_examples *out);
void mnas_listing_free(mnas_listing *listing);

/* ---- reading ---- */

/* A buffer that grows and is used again; {0} at first, free(data) at last. */
typedef struct mnas_bytes {
    uint8_t *data;
    size_t n, cap;
} mnas_bytes;

/* The bytes of image i. MNAS_ERR_IO and MNAS_ERR_MEMORY are the machine's failures; what is not there any more, not ours to read, cut
 * short or too large is MNAS_ERR_MISSING or MNAS_ERR_FORMAT. */
int mnas_examples_read(const mnas_examples *examples, size_t i, mnas_bytes *out);
/* Image i is needed soon: the system may read it meanwhile. */
void mnas_examples_expect(const mnas_examples *examples, size_t i);
/* Where image i lies, for people. */
void mnas_examples_name(const mnas_examples *examples, size_t i, char *out, size_t n);
/* Of this machine and moment, not of the file. */
bool mnas_is_passing(int rc);

/* The largest usual size that does not enlarge most images that are no test images; 32 where none can be read. */
int mnas_examples_side(int *side, const mnas_examples *examples);

#endif
