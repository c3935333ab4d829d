/* device.h - whatever can say how long a network takes: this machine, a phone, a program of the user's, a farm of equal phones,
 * a table of earlier measurements.
 *
 * A device is one const record in device_NAME.c and one line in devices.def. Specs read `local:core=1`, `ssh:host=pi`. Those
 * that run networks share the meter (meter.h), which asks over a link (link.h).
 */
#ifndef MNAS_DEVICE_DEVICE_H
#define MNAS_DEVICE_DEVICE_H

#include "base/findings.h"
#include "base/registry.h"
#include "device/meter.h"
#include "mnas.h"

typedef struct mnas_device_class {
    mnas_plugin plugin; /* first: registry.h */
    /* The options that say which machine it is ("host,port"), for two specs of one phone; NULL: another spec, another one. */
    const char *identity;
    /* Times are taken on this machine: nothing heavy (no training) may run meanwhile. */
    bool needs_quiet;
    bool recorded; /* it measures nothing, but tells what was measured earlier */
    /* Where needs_quiet, and whether layers can be timed, depends on the options; NULL: it is as the record says. */
    void (*traits)(const void *state, bool *needs_quiet, bool *layers);
    /* `opts` outlives the state. *state is handed to the others; may be NULL. */
    int (*open)(void **state, const void *opts);
    /* From now on end what takes longer than to deadline_s (monotonic), or is under way when *cancel (may be NULL) becomes
     * true, with MNAS_ERR_CANCELLED. deadline_s INFINITY or NaN: none. NULL where nothing takes long. */
    void (*limit)(void *state, double deadline_s, const volatile bool *cancel);
    /* Fills *out whole. MNAS_ERR_INVALID where the network cannot be built, MNAS_ERR_DEVICE where the device fails. */
    int (*measure)(void *state, const mnas_model *model, mnas_latency *out);
    /* Each layer of the folded network on its own; *layers is malloc'ed. NULL where the device cannot. */
    int (*measure_layers)(void *state, const mnas_model *model, mnas_layer_time **layers, int *n);
    /* Adds what it finds of its own set-up, in the order in which one would mend it: reached at all, allowed in, the
     * program there. Each with the way to mend it. Whether the program can run, how steady the machine is, and how long a
     * network takes is asked by the doctor itself where there is a meter. NULL: nothing to say. */
    void (*examine)(void *state, mnas_findings *findings);
    /* What runs networks there; NULL where no program of ours does. */
    mnas_meter *(*meter)(void *state);
    void (*close)(void *state);
} mnas_device_class;

typedef struct mnas_device mnas_device;

int mnas_device_open(mnas_device **out, const char *spec);
/* As measure above. A median that is no time above 0 is MNAS_ERR_DEVICE, whoever says it. */
int mnas_device_measure(mnas_device *device, const mnas_model *model, mnas_latency *out);
bool mnas_device_can_measure_layers(const mnas_device *device);
/* MNAS_ERR_DEVICE where it cannot; else as measure_layers above. */
int mnas_device_measure_layers(mnas_device *device, const mnas_model *model, mnas_layer_time **layers,
                               int *n);
void mnas_device_limit(mnas_device *device, double deadline_s,
                       const volatile bool *cancel); /* as limit above */
bool mnas_device_needs_quiet(const mnas_device *device);
bool mnas_device_is_recorded(const mnas_device *device);
void mnas_device_examine(mnas_device *device, mnas_findings *findings); /* as examine above */
mnas_meter *mnas_device_meter(mnas_device *device);                     /* NULL where it has none */
void mnas_device_close(mnas_device *device); /* NULL is allowed */
/* The next of specs joined by " + " (a + within double quotes joins nothing): *spec of *n bytes, the blanks around it left out; 0
 * where nothing stands there. *list moves behind it, and is NULL once it was the last. */
void mnas_device_spec_next(const char **list, const char **spec, size_t *n);
/* Equal for two specs of one phone: "adb:serial=A," of "adb:threads=2,serial=A". */
int mnas_device_identity(char *buf, size_t n, const char *spec);
const mnas_plugin *const *mnas_device_plugins(size_t *n);
/* For tests: these classes instead of those of devices.def. */
void mnas_device_use_plugins(const mnas_plugin *const *list, size_t n);

#define MNAS_DEVICE(name) extern const mnas_device_class mnas_device_class_##name;
#include "device/devices.def"
#undef MNAS_DEVICE

#endif
