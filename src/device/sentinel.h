/* sentinel.h - the fixed network that is timed beside every other, and what a device took for it when it was first used.
 *
 * A reference is of one way to measure on one device: other threads, another core or engine make another. It lives in a file
 * of its own, replaced as a whole, so that a kill leaves the old one or the new one. A reader trusts nothing. When references
 * are taken and what follows from them is meter_latency.c's business.
 */
#ifndef MNAS_DEVICE_SENTINEL_H
#define MNAS_DEVICE_SENTINEL_H

#include <stddef.h>

#include "mnas.h"

/* Small, so that it costs little, also on a slow device; of the kinds of layers that networks have, so that what slows
 * those slows it. To change it is to make every reference void. */
void mnas_sentinel_model(mnas_model *out);

/* What a reference is of: it holds for nothing else. */
typedef struct mnas_sentinel_key {
    char device[96], engine[96], cpu[64], arch[16];
    int threads, core;
    char network[17]; /* mnas_model_key of the sentinel */
} mnas_sentinel_key;

typedef struct mnas_sentinel_reference {
    mnas_sentinel_key key;
    double ms;        /* what the sentinel takes */
    double half_frac; /* half its interval over it */
    int rounds;
    char time_utc[32];
} mnas_sentinel_reference;

/* The file in the cache, made of all of the key. */
int mnas_sentinel_path(char *path, size_t n, const mnas_sentinel_key *key);

/* MNAS_ERR_MISSING where there is no file, MNAS_ERR_MISMATCH where it is of something else than `key`, MNAS_ERR_FORMAT where it is
 * damaged. */
int mnas_sentinel_load(mnas_sentinel_reference *out, const char *path, const mnas_sentinel_key *key);
int mnas_sentinel_save(const char *path, const mnas_sentinel_reference *reference);

int mnas_sentinel_parse(mnas_sentinel_reference *out, const char *text, size_t n);
int mnas_sentinel_print(char **text, const mnas_sentinel_reference *reference); /* malloc'ed */

#endif
