/* device_adb.c - an Android phone that adb reaches: mnas-agent runs there, meter.c does the rest. */
#include "device/device_metered.h"
#include "device/link_adb.h"

typedef struct adb_opts {
    mnas_adb_options adb;
    mnas_meter_options meter;
} adb_opts;

#define AT(field) offsetof(adb_opts, adb.field)
static const mnas_opt options[] = {{"serial", MNAS_OPT_STRING, AT(serial), "", 0, 0, "SERIAL",
                                    "as `adb devices` lists it; none: the only one there is", NULL},
                                   {"agent", MNAS_OPT_STRING, AT(agent), "", 0, 0, "DIR",
                                    "where the program for it lies; none: beside this one", NULL},
                                   MNAS_METER_OPTS(adb_opts),
                                   MNAS_OPT_END};
#undef AT

static int adb_open(void **state, const void *opts) {
    const adb_opts *o = opts;
    char name[MNAS_OPT_STR + 64];
    mnas_link link;
    snprintf(name, sizeof name, "adb%s%s", o->adb.serial[0] ? ":serial=" : "", o->adb.serial);
    const int rc = mnas_link_open_adb(&link, &o->adb);
    return rc < 0 ? rc : mnas_device_metered_open(state, link, &o->meter, name);
}

const mnas_device_class mnas_device_class_adb = {
    .plugin = {"adb", "an Android phone's CPU, reached over adb, batch 1", options, sizeof(adb_opts)},
    .identity = "serial",
    .open = adb_open,
    .examine = mnas_device_examine_shell,
    MNAS_DEVICE_METERED,
};
