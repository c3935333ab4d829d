/* Tables of latencies: opened as a device, asked for a network, and appended to. */
#include <stdio.h>
#include <stdlib.h>

#include "device/device.h"
#include "fuzz.h"

/* A network of one block; its key is in the corpus. */
static const mnas_model *network(void) {
    static mnas_model model;
    if (model.n_blocks > 0) return &model;
    mnas_model_defaults(&model);
    FUZZ_CHECK(mnas_model_set_arch(&model, "r1_k3_s11_e1_i32_o16_noskip") == 0);
    return &model;
}

static void read_table(const char *path, const char *more) {
    char spec[600];
    mnas_device *device;
    mnas_latency latency;
    snprintf(spec, sizeof spec, "table:file=%s%s", path, more);
    if (mnas_device_open(&device, spec) < 0) return;
    if (mnas_device_measure(device, network(), &latency) == 0) {
        FUZZ_CHECK(latency.median_ms > 0);
        /* a text that ends within a character of UTF-8 cannot be written, a table without its last newline not grown */
        if (mnas_measure_record(path, network(), &latency) == 0)
            FUZZ_CHECK(mnas_device_measure(device, network(), &latency) == 0);
    }
    mnas_device_close(device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const char *path = fuzz_file("table.jsonl", data, n);
    read_table(path, "");
    read_table(path, ",device=one,default-ms=2");
    return 0;
}
