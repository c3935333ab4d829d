/* shards.h - images and labels in tar files, in the layout of WebDataset.
 *
 * Members that share a name up to its first dot, one behind the other, are a sample: KEY.jpg, .jpeg or .png and KEY.cls (a number as
 * text) or KEY.json (an object with "label"). Other members of a sample are passed over.
 */
#ifndef MNAS_DATA_SHARDS_H
#define MNAS_DATA_SHARDS_H

#include "data/examples.h"

/* The files a pattern means, a line each: DIR/train-{000..146}.tar, several of these braces, {a,b}, or * ? [] as in a shell. Sorted as
 * the pattern says. MNAS_ERR_MISSING where there is none, naming the first that is not there. */
int mnas_shards_find(mnas_str *paths, const char *pattern);

/* A pattern that the shell would look up has a folder whose time tells of new files; false: it names its files itself. */
bool mnas_shards_folder(char *folder, size_t n, const char *pattern);

/* Appends the samples of one shard. What of it cannot be read is named and counted, and what stands before that kept. *largest is
 * raised to the largest label. Fails only where the machine does. */
int mnas_shards_list(mnas_listing *out, const char *path, mnas_split_kind split, int *largest);

#endif
