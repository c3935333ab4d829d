/* device_pool_farm.h - the members of a pool: which of them to ask now, calibrated against each other, away and back.
 *
 * A member that is leased, calibrated and asked is the same one throughout: a calibration never mixes two. What processes must
 * agree on is in device_pool_state.h and lease.h; here is what follows from it. It does not decide what becomes of a network
 * whose measurement failed: device_pool.c does.
 */
#ifndef MNAS_DEVICE_POOL_FARM_H
#define MNAS_DEVICE_POOL_FARM_H

#include "device/device.h"
#include "device/device_pool_state.h"
#include "device/lease.h"
#include "device/limit.h"

typedef struct mnas_farm_options {
    char devices[MNAS_OPT_STR], state[MNAS_OPT_STR];
    double calibrate_minutes, retry_s, wait_minutes, differ_frac;
} mnas_farm_options;

typedef struct mnas_farm_member {
    char spec[MNAS_OPT_STR];
    mnas_device *device; /* NULL: not open */
    mnas_lease lease;
    int n_failed; /* times it could not measure this network though it had answered before */
    bool unfit;   /* not to be asked for this network again: refused it, does not know it, or has no layers */
} mnas_farm_member;

typedef struct mnas_farm {
    const mnas_farm_options *options;
    mnas_farm_member *members;
    int n;
    char path[1200]; /* of the state */
    mnas_pool_state state;
    mnas_model sentinel;
    char sentinel_key[17];
    mnas_limit limit;
    double all_away_s; /* monotonic; since when every member has been away; NaN: not so */
    int unfit_status;  /* what the last unfit member said of this network; 0: none was */
    char unfit[512];
} mnas_farm;

/* What to do with a member now, best first. */
typedef enum {
    MNAS_FARM_READY,   /* calibrated */
    MNAS_FARM_STALE,   /* to be calibrated first: never was, or too long ago */
    MNAS_FARM_DUE,     /* away, and to be tried again */
    MNAS_FARM_AWAY,    /* not yet to be tried again */
    MNAS_FARM_UNEQUAL, /* too fast or too slow to be an equal device: left out */
} mnas_farm_standing;

/* Pauses between two tries of a member that is away double, up to so many times the first. */
enum { MNAS_FARM_MAX_PAUSES = 12 };

/* Members are opened as far as they can be; words that no device understands fail. *farm is to be closed either way. */
int mnas_farm_open(mnas_farm *farm, const mnas_farm_options *options);
void mnas_farm_close(mnas_farm *farm);

mnas_farm_standing mnas_farm_judge(const mnas_farm *farm, const mnas_farm_member *member);

/* A new network: what members did with the last one is forgotten. */
void mnas_farm_begin(mnas_farm *farm);
/* Waits for a member and leases it. MNAS_ERR_CANCELLED by deadline or cancel; MNAS_ERR_DEVICE where all have been away for
 * wait_minutes or none is left; where all others are unfit what the last of them said, such as MNAS_ERR_REFUSED. */
int mnas_farm_lease(mnas_farm *farm, bool layers, mnas_farm_member **out);
/* Open, able and calibrated: *ready; else another is to be asked. A negative status is none of the member's. */
int mnas_farm_prepare(mnas_farm *farm, mnas_farm_member *member, bool layers, bool *ready);
/* Its measurement ended with rc < 0 and a message. 0: another is to be asked; else what to return. */
int mnas_farm_failed(mnas_farm *farm, mnas_farm_member *member, int rc);
void mnas_farm_return(mnas_farm_member *member);

/* ms there times this are ms of the pool; NaN before it is calibrated. */
double mnas_farm_factor(const mnas_farm *farm, const mnas_farm_member *member);
/* Calibrated, and too fast or too slow to be an equal device. */
bool mnas_farm_is_unequal(const mnas_farm *farm, const mnas_farm_member *member);
/* From the member's time to the pool's; the interval takes in what is not known of the factor. */
void mnas_farm_scale(const mnas_farm *farm, const mnas_farm_member *member, mnas_latency *latency);
/* Asks each member that is free, and calibrates it where that is due. A finding for each: free, leased by whom, away since when and why, left out; its factor. */
void mnas_farm_describe(mnas_farm *farm, mnas_findings *findings);

#endif
