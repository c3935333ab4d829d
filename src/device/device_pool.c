/* device_pool.c - a farm: several equal devices that are asked as if they were one.
 *
 * A network goes to any member that is free. Which one, and waiting for it, is device_pool_farm.h's; here is what becomes of a
 * network: one that cannot be built anywhere fails at once; one whose member fails goes to another member; one that fails twice
 * on a member which measures the sentinel network before and after is at fault itself. Results are in the pool's unit and name
 * the member that measured.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "device/device.h"
#include "device/device_pool_farm.h"

#define FIELD(name) offsetof(mnas_farm_options, name)
static const mnas_opt options[] = {
    {"devices", MNAS_OPT_STRING, FIELD(devices), NULL, 0, 0, "\"DEVICE + DEVICE\"",
     "its members, with blanks around each +", NULL},
    {"calibrate-minutes", MNAS_OPT_FLOAT, FIELD(calibrate_minutes), "60", 0, 100000, "minutes",
     "a member's calibration is good for so long", NULL},
    {"differ", MNAS_OPT_FLOAT, FIELD(differ_frac), "0.25", 0.001, 0.9, "of the reference",
     "a member further from it is no equal device and left out", NULL},
    {"retry-s", MNAS_OPT_FLOAT, FIELD(retry_s), "5", 0.01, 3600, "s",
     "until a member that is away is tried again; doubles to twelve times that", NULL},
    {"wait-minutes", MNAS_OPT_FLOAT, FIELD(wait_minutes), "10", 0, 100000, "minutes",
     "wait so long where no member answers", NULL},
    {"state", MNAS_OPT_STRING, FIELD(state), "", 0, 0, "FILE",
     "keeps calibrations; unset: in the cache, one for each list of members", NULL},
    MNAS_OPT_END};

static void pool_close(void *state) {
    mnas_farm *farm = state;
    mnas_farm_close(farm);
    free(farm);
}

static int pool_open(void **state, const void *opts) {
    mnas_farm *farm = calloc(1, sizeof *farm);
    if (!farm) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device pool");
    const int rc = mnas_farm_open(farm, opts);
    if (rc < 0)
        pool_close(farm);
    else
        *state = farm;
    return rc;
}

static void pool_limit(void *state, double deadline_s, const volatile bool *cancel) {
    mnas_farm *farm = state;
    farm->limit = mnas_limit_of(deadline_s, cancel);
    for (int i = 0; i < farm->n; i++)
        if (farm->members[i].device) mnas_device_limit(farm->members[i].device, deadline_s, cancel);
}

static void pool_traits(const void *state, bool *needs_quiet, bool *layers) {
    const mnas_farm *farm = state;
    *needs_quiet = *layers = false;
    for (int i = 0; i < farm->n; i++) {
        const mnas_device *d = farm->members[i].device;
        *needs_quiet = *needs_quiet || (d && mnas_device_needs_quiet(d));
        *layers = *layers || (d && mnas_device_can_measure_layers(d));
    }
}

/* What is to be found of a network: its latency, or with n_layers its layers' times. */
typedef struct question {
    const mnas_model *model;
    mnas_latency *latency;
    mnas_layer_time **layers;
    int *n_layers;
} question;

static int ask(const mnas_farm *farm, mnas_farm_member *m, const question *q) {
    if (!q->layers) {
        const int rc = mnas_device_measure(m->device, q->model, q->latency);
        if (rc == 0) mnas_farm_scale(farm, m, q->latency);
        return rc;
    }
    const int rc = mnas_device_measure_layers(m->device, q->model, q->layers, q->n_layers);
    for (int i = 0; rc == 0 && i < *q->n_layers; i++) (*q->layers)[i].ms *= mnas_farm_factor(farm, m);
    return rc;
}

/* One member's turn; *done where there is an answer. */
static int take_turn(mnas_farm *farm, const question *q, bool *done) {
    mnas_farm_member *m;
    bool ready;
    int rc = mnas_farm_lease(farm, q->layers != NULL, &m);
    if (rc < 0) return rc;
    rc = mnas_farm_prepare(farm, m, q->layers != NULL, &ready);
    if (rc == 0 && ready) {
        rc = ask(farm, m, q);
        *done = rc == 0;
        if (rc < 0) rc = mnas_farm_failed(farm, m, rc);
    }
    mnas_farm_return(m);
    return rc;
}

static int answer(mnas_farm *farm, const question *q) {
    bool done = false;
    int rc = 0;
    mnas_farm_begin(farm);
    while (rc == 0 && !done) rc = take_turn(farm, q, &done);
    return rc;
}

static int pool_measure(void *state, const mnas_model *model, mnas_latency *out) {
    return answer(state, &(question){.model = model, .latency = out});
}

static int pool_measure_layers(void *state, const mnas_model *model, mnas_layer_time **layers, int *n) {
    return answer(state, &(question){.model = model, .layers = layers, .n_layers = n});
}

/* What a member finds of itself, under its name. */
static void examine_member(const mnas_farm_member *m, mnas_findings *findings) {
    const size_t first = findings->n;
    if (!m->device) return;
    mnas_device_examine(m->device, findings);
    for (size_t i = first; i < findings->n; i++) {
        mnas_finding *f = &findings->items[i];
        char text[sizeof f->text];
        memcpy(text, f->text, sizeof text);
        snprintf(f->text, sizeof f->text, "%.200s: %.800s", m->spec, text);
    }
}

static void pool_examine(void *state, mnas_findings *findings) {
    mnas_farm *farm = state;
    mnas_farm_describe(farm, findings);
    for (int i = 0; i < farm->n; i++) examine_member(&farm->members[i], findings);
}

const mnas_device_class mnas_device_class_pool = {
    .plugin = {"pool", "a farm: several equal devices, calibrated against each other", options,
               sizeof(mnas_farm_options)},
    .open = pool_open,
    .limit = pool_limit,
    .traits = pool_traits,
    .measure = pool_measure,
    .measure_layers = pool_measure_layers,
    .examine = pool_examine,
    .close = pool_close,
};
