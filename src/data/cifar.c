/* cifar.c - CIFAR-10 records. Knows nothing of files: dataset_cifar10.c reads those. */
#include "data/cifar.h"

#include <inttypes.h>
#include <limits.h>

#include "base/error.h"

int mnas_cifar_count(int *n_records, uint64_t n_bytes, const char *name) {
    uint64_t n = n_bytes / MNAS_CIFAR_RECORD_BYTES, rest = n_bytes % MNAS_CIFAR_RECORD_BYTES;
    if (rest != 0)
        return mnas_error_set(MNAS_ERR_FORMAT,
                              "%s: %" PRIu64 " bytes are %" PRIu64 " records and %" PRIu64
                              " bytes more; expected a multiple of %d bytes",
                              name, n_bytes, n, rest, MNAS_CIFAR_RECORD_BYTES);
    if (n == 0 || n > INT_MAX)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: %" PRIu64 " records; expected 1 to %d", name, n, INT_MAX);
    *n_records = (int)n;
    return 0;
}

int mnas_cifar_check(int *n_records, const uint8_t *bytes, size_t n, const char *name) {
    int rc = mnas_cifar_count(n_records, n, name);
    if (rc < 0) return rc;
    for (int i = 0; i < *n_records; i++) {
        int label = bytes[(size_t)i * MNAS_CIFAR_RECORD_BYTES];
        if (label >= MNAS_CIFAR_CLASSES)
            return mnas_error_set(MNAS_ERR_FORMAT, "%s: label of record %d is %d, expected 0 to %d", name, i,
                                  label, MNAS_CIFAR_CLASSES - 1);
    }
    return 0;
}

void mnas_cifar_pixels(uint8_t hwc[MNAS_CIFAR_IMAGE_BYTES], const uint8_t *record) {
    enum { PLANE = MNAS_CIFAR_SIDE * MNAS_CIFAR_SIDE };
    const uint8_t *chw = record + 1;
    for (int p = 0; p < PLANE; p++)
        for (int c = 0; c < MNAS_CIFAR_CHANNELS; c++) hwc[p * MNAS_CIFAR_CHANNELS + c] = chw[c * PLANE + p];
}
