/* device_pool_state.h - what the processes that measure on a farm know together: the calibration of each phone, and which
 * ones are away. One small file of JSON for a pool.
 *
 * It holds facts alone; what follows from them (whom to ask, when to calibrate again) is device_pool_farm.h's. Invariants of
 * what was read: no two records of one device; a sentinel time is positive; where a record has one, there is a reference.
 * Times are of the wall clock, which outlives a process and a restart: readers must bear with a clock that was put back.
 */
#ifndef MNAS_DEVICE_POOL_STATE_H
#define MNAS_DEVICE_POOL_STATE_H

#include <stddef.h>

#include "base/opts.h"
#include "mnas.h"

enum { MNAS_POOL_STATE_VERSION = 1, MNAS_POOL_MAX_MEMBERS = 256 };

/* Texts and numbers that are not known are "" and NaN. */
typedef struct mnas_pool_record {
    char device[MNAS_OPT_STR]; /* spec of the member */
    double sentinel_ms;        /* the sentinel network there; NaN: never measured */
    double half_frac;          /* half its interval over it */
    double calibrated_s;       /* when, since 1970 */
    double load, freq_mhz, temp_c;
    char governor[32], engine[96];
    double away_s;  /* since when it does not answer, since 1970; NaN: it answers */
    double retry_s; /* when it is tried again, since 1970 */
    double pause_s; /* from the last try to that */
    char why[512];  /* what it failed with, in ASCII */
} mnas_pool_record;

typedef struct mnas_pool_state {
    char sentinel[17]; /* key of the network that all calibrations are of */
    char reference[MNAS_OPT_STR];
    double reference_ms, reference_half_frac; /* of the member calibrated first; NaN: none was */
    mnas_pool_record *records;
    int n;
} mnas_pool_state;

mnas_pool_state mnas_pool_state_empty(void);
void mnas_pool_state_free(mnas_pool_state *state);

/* Its record, or NULL. */
mnas_pool_record *mnas_pool_state_find(const mnas_pool_state *state, const char *device);
/* Its record, made where there is none; NULL with a message where there are too many or memory ran out. */
mnas_pool_record *mnas_pool_state_record(mnas_pool_state *state, const char *device);

/* MNAS_ERR_FORMAT for what is damaged or cannot be true, MNAS_ERR_MISMATCH for a newer version's. */
int mnas_pool_state_parse(mnas_pool_state *out, const char *text, size_t n);
int mnas_pool_state_print(char **text, const mnas_pool_state *state); /* malloc'ed */

/* A file that is not there is an empty state. */
int mnas_pool_state_load(mnas_pool_state *out, const char *path);
/* Read, changed and written with no other process between; *state is what was written. A negative status of `change` leaves the
 * file as it was, and is returned. */
int mnas_pool_state_change(mnas_pool_state *state, const char *path,
                           int (*change)(mnas_pool_state *state, const void *user), const void *user);

#endif
