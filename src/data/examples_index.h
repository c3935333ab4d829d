/* examples_index.h - a listing kept in a file, so that a million images open as fast as a thousand folders are looked at.
 *
 * NAME-KEY.index in the cache folder. The key is a hash of the plug-in and the options that choose images and their splits. An index
 * is good while the times of all its folders, and times and sizes of its shards and lists, are what they were; else, or where it is
 * damaged, all is listed anew and the file replaced atomically. Files that change in place, without a new name, are not
 * noticed, nor need they be: images are read when they are needed.
 */
#ifndef MNAS_DATA_EXAMPLES_INDEX_H
#define MNAS_DATA_EXAMPLES_INDEX_H

#include "data/examples.h"

typedef struct mnas_examples_index {
    mnas_examples examples;
    char path[1024];
    const void *map;
    size_t map_bytes;
    bool made; /* now: there was no good one */
} mnas_examples_index;

/* Lists with `lister` where there is no good index; `opts` are the plug-in's. The caller unmaps `map`. */
int mnas_examples_index_open(mnas_examples_index *out, const mnas_plugin *plugin, const void *opts,
                             mnas_lister lister);

/* The file alone, for its tests: checks everything that reading relies on. */
int mnas_examples_index_map(mnas_examples_index *out, uint64_t key);

#endif
