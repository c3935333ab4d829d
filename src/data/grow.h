/* grow.h - an array that doubles when it is full. */
#ifndef MNAS_DATA_GROW_H
#define MNAS_DATA_GROW_H

#include <stdbool.h>
#include <stdlib.h>

/* Room for item n (from 0) in the array that `array` points to. False: no memory, and nothing has changed. */
static inline bool mnas_grow(void *array, size_t *cap, size_t n, size_t item_bytes) {
    void **at = array;
    if (n < *cap) return true;
    size_t bigger = *cap ? 2 * *cap : 256;
    void *moved = realloc(*at, bigger * item_bytes);
    if (!moved) return false;
    *at = moved;
    *cap = bigger;
    return true;
}

#endif
