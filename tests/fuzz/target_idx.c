/* IDX files in memory: header, images, labels. */
#include "data/idx.h"
#include "fuzz.h"

static unsigned sum_of(const uint8_t *bytes, uint64_t n) {
    unsigned sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += bytes[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    mnas_idx idx;
    mnas_idx_images images;
    int n_labels;
    if (mnas_idx_parse_header(&idx, data, n, "input") < 0) return 0;
    mnas_idx_as_images(&images, &idx, "input");
    mnas_idx_as_labels(&n_labels, &idx, "input");
    if (mnas_idx_parse(&idx, data, n, "input") < 0) return 0;
    FUZZ_CHECK(idx.header_bytes + idx.payload_bytes == n);
    FUZZ_CHECK(sum_of(idx.payload, idx.payload_bytes) < UINT32_MAX);
    if (mnas_idx_as_images(&images, &idx, "input") == 0)
        FUZZ_CHECK((uint64_t)images.n * (uint64_t)images.height * (uint64_t)images.width *
                       (uint64_t)images.channels ==
                   idx.payload_bytes);
    mnas_idx_check_labels(&idx, 10, "input");
    return 0;
}
