/* link_adb.h - questions to an Android phone over Debian's adb, as it is. */
#ifndef MNAS_DEVICE_LINK_ADB_H
#define MNAS_DEVICE_LINK_ADB_H

#include "base/opts.h"
#include "device/link.h"

typedef struct mnas_adb_options {
    char serial[MNAS_OPT_STR]; /* "": the only phone there is */
    char agent[MNAS_OPT_STR];
} mnas_adb_options;

/* Asks nothing yet. `options` outlives the link. */
int mnas_link_open_adb(mnas_link *out, const mnas_adb_options *options);

#endif
