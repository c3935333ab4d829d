/* Records of measurements: the latencies (first byte even) or the layers beside them (odd); read, added to, and read again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "model/latency.h"
#include "search/latency_model.h"

static const char key[] = "0123456789abcdef"; /* as in the corpus */

static int find(const mnas_lm_record *record) {
    mnas_latency latency;
    mnas_layer_time *layers;
    int n;
    if (mnas_lm_record_find(record, key, &latency)) FUZZ_CHECK(latency.median_ms > 0);
    FUZZ_CHECK(mnas_lm_record_find_layers(record, key, &layers, &n) == 0);
    for (int i = 0; i < n; i++)
        FUZZ_CHECK(layers[i].ms >= 0 && strlen(layers[i].name) < sizeof layers[i].name);
    free(layers);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const mnas_layer_time added[] = {{"stem.conv", 0.5}, {"head", 0.25}};
    mnas_lm_record *record;
    if (n == 0) return 0;
    unlink(fuzz_path("record"));
    unlink(fuzz_path("record.layers"));
    fuzz_file(data[0] & 1 ? "record.layers" : "record", data + 1, n - 1);
    if (mnas_lm_record_open(&record, fuzz_path("record")) < 0) return 0;
    find(record);
    FUZZ_CHECK(mnas_lm_record_add_layers(record, key, added, 2) == 0);
    mnas_lm_record_close(record);
    FUZZ_CHECK(mnas_lm_record_open(&record, fuzz_path("record")) == 0);
    FUZZ_CHECK(find(record) == 2);
    mnas_lm_record_close(record);
    return 0;
}
