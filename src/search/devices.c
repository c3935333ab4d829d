/* devices.c - see devices.h. It measures nothing. */
#include "search/devices.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int split(mnas_device_specs *s) {
    for (const char *rest = s->text, *spec; rest;) {
        size_t n;
        if (s->n == MNAS_MAX_DEVICES)
            return mnas_error_set(MNAS_ERR_ARG, "more than %d devices; allowed: 1 to %d", MNAS_MAX_DEVICES,
                                  MNAS_MAX_DEVICES);
        mnas_device_spec_next(&rest, &spec, &n);
        if (n == 0)
            return mnas_error_set(MNAS_ERR_ARG, "device %d is empty; allowed: specs joined by \" + \"",
                                  s->n + 1);
        s->text[spec - s->text + (ptrdiff_t)n] = '\0';
        s->list[s->n++] = spec;
    }
    return 0;
}

int mnas_device_specs_split(mnas_device_specs *out, const char *joined) {
    *out = (mnas_device_specs){.text = strdup(joined)};
    if (!out->text) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: devices");
    const int rc = split(out);
    if (rc < 0) mnas_device_specs_free(out);
    return rc;
}

void mnas_device_specs_free(mnas_device_specs *specs) {
    free(specs->text);
    *specs = (mnas_device_specs){0};
}

int mnas_devices_open(mnas_devices *out, const char *joined) {
    *out = (mnas_devices){0};
    int rc = mnas_device_specs_split(&out->specs, joined);
    while (rc == 0 && out->n < out->specs.n) {
        rc = mnas_device_open(&out->list[out->n], out->specs.list[out->n]);
        if (rc == 0) out->n++;
    }
    if (rc < 0) mnas_devices_close(out);
    return rc;
}

void mnas_devices_limit(mnas_devices *devices, double deadline_s, const volatile bool *cancel) {
    for (int d = 0; d < devices->n; d++) mnas_device_limit(devices->list[d], deadline_s, cancel);
}

bool mnas_devices_need_quiet(const mnas_devices *devices) {
    bool quiet = false;
    for (int d = 0; d < devices->n; d++) quiet = quiet || mnas_device_needs_quiet(devices->list[d]);
    return quiet;
}

void mnas_devices_close(mnas_devices *devices) {
    for (int d = 0; d < devices->n; d++) mnas_device_close(devices->list[d]);
    mnas_device_specs_free(&devices->specs);
    *devices = (mnas_devices){0};
}
