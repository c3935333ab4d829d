/* cifar.h - the binary format of CIFAR-10, parsed from memory: records of one label byte and 32x32 pixels as
 * three planes (red, green, blue), nothing before, between or behind them.
 *
 * Pure functions: any bytes give a result or MNAS_ERR_FORMAT. `name` stands in front of messages.
 */
#ifndef MNAS_DATA_CIFAR_H
#define MNAS_DATA_CIFAR_H

#include <stddef.h>
#include <stdint.h>

enum {
    MNAS_CIFAR_SIDE = 32,
    MNAS_CIFAR_CHANNELS = 3,
    MNAS_CIFAR_CLASSES = 10,
    MNAS_CIFAR_IMAGE_BYTES = MNAS_CIFAR_SIDE * MNAS_CIFAR_SIDE * MNAS_CIFAR_CHANNELS,
    MNAS_CIFAR_RECORD_BYTES = 1 + MNAS_CIFAR_IMAGE_BYTES,
};

/* Records in a file of n_bytes; an empty file, a part of a record, or more than 2^31 - 1 records are errors. */
int mnas_cifar_count(int *n_records, uint64_t n_bytes, const char *name);
/* A whole file: its size, and every label 0..9. */
int mnas_cifar_check(int *n_records, const uint8_t *bytes, size_t n, const char *name);
/* Pixels of one record as [32,32,3]. */
void mnas_cifar_pixels(uint8_t hwc[MNAS_CIFAR_IMAGE_BYTES], const uint8_t *record);

#endif
