/* device.c - from a spec to an open device; the public mnas_measure. It knows no device itself. */
#include "device/device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/latency.h"

struct mnas_device {
    const mnas_device_class *class;
    void *opts, *state;
};

static const mnas_plugin *const plugins[] = {
#define MNAS_DEVICE(name) &mnas_device_class_##name.plugin,
#include "device/devices.def"
#undef MNAS_DEVICE
};

static const mnas_plugin *const *known = plugins;
static size_t n_known = sizeof plugins / sizeof *plugins;

const mnas_plugin *const *mnas_device_plugins(size_t *n) {
    *n = n_known;
    return known;
}

void mnas_device_use_plugins(const mnas_plugin *const *list, size_t n) {
    known = list;
    n_known = n;
}

/* Does the name of a device stand at `text`, as a spec begins or is whole? */
static bool begins_spec(const char *text) {
    for (size_t i = 0; i < n_known; i++) {
        const size_t n = strlen(known[i]->name);
        if (strncmp(text, known[i]->name, n) == 0 && (text[n] == ':' || !text[n])) return true;
    }
    return false;
}

/* "a+ssh:host=b" would be one device, the rest of it some option's value. */
static int check_one(const char *spec) {
    bool quoted = false;
    for (const char *at = spec; *at; at++) {
        if (*at == '"') quoted = !quoted;
        if (quoted || *at != '+' || !begins_spec(at + 1 + strspn(at + 1, " "))) continue;
        return mnas_error_set(MNAS_ERR_ARG,
                              "device %s: no blank stands before and behind the + of \"%.40s\"; write blanks "
                              "around + where another "
                              "device begins, or double quotes around a value that holds it",
                              spec, at);
    }
    return 0;
}

int mnas_device_open(mnas_device **out, const char *spec) {
    const mnas_plugin *plugin;
    size_t n;
    *out = NULL;
    int rc = check_one(spec);
    if (rc < 0) return rc;
    mnas_device *device = calloc(1, sizeof *device);
    if (!device) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: device");
    const mnas_plugin *const *list = mnas_device_plugins(&n);
    rc = mnas_registry_open(list, n, "device", spec, &plugin, &device->opts);
    if (rc < 0) goto out;
    const mnas_device_class *class = (const mnas_device_class *)plugin;
    if ((rc = class->open(&device->state, device->opts)) < 0) {
        mnas_error_context(rc, "device %s", spec);
        goto out;
    }
    device->class = class;
    *out = device;
    device = NULL;
out:
    mnas_device_close(device);
    return rc;
}

void mnas_device_spec_next(const char **list, const char **spec, size_t *n) {
    static const char separator[] = " + ";
    const char *begin = *list, *end = begin;
    for (bool quoted = false; *end && (quoted || strncmp(end, separator, strlen(separator)) != 0); end++)
        if (*end == '"') quoted = !quoted;
    *list = *end ? end + strlen(separator) - 1 : NULL; /* its last blank may be the next one's first */
    while (begin < end && *begin == ' ') begin++;
    while (end > begin && end[-1] == ' ') end--;
    *spec = begin;
    *n = (size_t)(end - begin);
}

int mnas_device_measure(mnas_device *device, const mnas_model *model, mnas_latency *out) {
    *out = mnas_latency_unknown();
    const int rc = device->class->measure(device->state, model, out);
    if (rc < 0 || (isfinite(out->median_ms) && out->median_ms > 0)) return rc;
    return mnas_error_set(MNAS_ERR_DEVICE, "the device says %g ms; allowed: more than 0", out->median_ms);
}

/* Is `name` one of the names in "name,name"? */
static bool is_among(const char *name, const char *names) {
    const size_t n = strlen(name);
    for (const char *p = names; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n])) return true;
    return false;
}

static void append_identity(mnas_str *out, const mnas_device_class *class, const void *opts) {
    mnas_str_appendf(out, "%s:", class->plugin.name);
    for (const mnas_opt *o = class->plugin.opts; o && o->name; o++) {
        const void *at = (const char *)opts + o->offset;
        if (!is_among(o->name, class->identity)) continue;
        mnas_str_appendf(out, "%s=", o->name);
        if (o->type == MNAS_OPT_STRING)
            mnas_str_append(out, at);
        else
            mnas_str_appendf(out, "%lld", (long long)*(const int64_t *)at);
        mnas_str_append(out, ",");
    }
}

int mnas_device_identity(char *buf, size_t n, const char *spec) {
    const mnas_plugin *plugin;
    size_t n_plugins;
    void *opts;
    mnas_str text = {0};
    int rc = check_one(spec);
    if (rc < 0) return rc;
    const mnas_plugin *const *list = mnas_device_plugins(&n_plugins);
    rc = mnas_registry_open(list, n_plugins, "device", spec, &plugin, &opts);
    if (rc < 0) return rc;
    const mnas_device_class *class = (const mnas_device_class *)plugin;
    if (class->identity)
        append_identity(&text, class, opts);
    else
        mnas_str_append(&text, spec);
    rc = mnas_str_ok(&text) ? mnas_str_format(buf, n, "%s", text.data) : MNAS_ERR_MEMORY;
    if (rc == MNAS_ERR_MEMORY) mnas_error_set(rc, "out of memory: identity of %s", spec);
    mnas_str_free(&text);
    free(opts);
    return rc;
}

bool mnas_device_can_measure_layers(const mnas_device *device) {
    bool quiet, layers = device->class->measure_layers != NULL;
    if (device->class->traits) device->class->traits(device->state, &quiet, &layers);
    return layers;
}

int mnas_device_measure_layers(mnas_device *device, const mnas_model *model, mnas_layer_time **layers,
                               int *n) {
    *layers = NULL;
    *n = 0;
    if (mnas_device_can_measure_layers(device))
        return device->class->measure_layers(device->state, model, layers, n);
    return mnas_error_set(MNAS_ERR_DEVICE,
                          "device %s knows whole networks alone, not the time of each layer; "
                          "use one that runs them, such as local",
                          device->class->plugin.name);
}

void mnas_device_limit(mnas_device *device, double deadline_s, const volatile bool *cancel) {
    if (device->class->limit) device->class->limit(device->state, deadline_s, cancel);
}

bool mnas_device_needs_quiet(const mnas_device *device) {
    bool quiet = device->class->needs_quiet, layers;
    if (device->class->traits) device->class->traits(device->state, &quiet, &layers);
    return quiet;
}

bool mnas_device_is_recorded(const mnas_device *device) {
    return device->class->recorded;
}

void mnas_device_examine(mnas_device *device, mnas_findings *findings) {
    if (device->class->examine) device->class->examine(device->state, findings);
}

mnas_meter *mnas_device_meter(mnas_device *device) {
    return device->class->meter ? device->class->meter(device->state) : NULL;
}

void mnas_device_close(mnas_device *device) {
    if (!device) return;
    if (device->class) device->class->close(device->state);
    free(device->opts);
    free(device);
}

int mnas_measure(mnas_latency *out, const mnas_model *model, const char *device_spec) {
    mnas_device *device;
    *out = mnas_latency_unknown();
    int rc = mnas_device_open(&device, device_spec);
    if (rc < 0) return rc;
    rc = mnas_device_measure(device, model, out);
    mnas_device_close(device);
    return rc;
}

int mnas_measure_layers(mnas_layer_time **layers, int *n, const mnas_model *model, const char *device_spec) {
    mnas_device *device;
    *layers = NULL;
    *n = 0;
    int rc = mnas_device_open(&device, device_spec);
    if (rc < 0) return rc;
    rc = mnas_device_measure_layers(device, model, layers, n);
    mnas_device_close(device);
    return rc;
}
