/* doctor_device.c - a device's set-up examined from outside to inside: opened, reached, its program, its state, its noise. */
#include "base/error.h"
#include "device/device.h"

int mnas_doctor_device(mnas_finding **findings, size_t *n, const char *device_spec) {
    mnas_findings f = {0};
    mnas_device *device;
    if (mnas_device_open(&device, device_spec) < 0) {
        mnas_findings_add_error(&f, "device");
    } else {
        mnas_device_examine(device, &f);
        mnas_device_close(device);
    }
    return mnas_findings_take(&f, findings, n);
}
