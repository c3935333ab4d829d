/* peaks.h - what one thread can do at most here: multiply-adds a second, and bytes a second read from each level of memory.
 *
 * A layer cannot be faster than its arithmetic at the one and its data at the other; which of the two takes longer is what
 * bounds it. Each figure is the best of several runs of the plainest loop there is, so that what disturbs a run is left out.
 * Not measured: latency of memory, several threads, arithmetic on anything but float.
 */
#ifndef MNAS_DEVICE_PEAKS_H
#define MNAS_DEVICE_PEAKS_H

#include <stddef.h>

#include "mnas.h"

/* On the core that the calling thread runs on; about a second. */
int mnas_peaks_measure(mnas_peaks *out);
/* Bytes a second where `bytes` of data are read again and again: of the smallest level that holds them. */
double mnas_peaks_bandwidth(const mnas_peaks *peaks, double bytes);

/* The loops themselves, for the widest vectors that this processor has. */
typedef struct mnas_peaks_loops {
    const char *isa;       /* "avx512" */
    double (*fma)(long n); /* runs n turns in registers; returns their operations, 2 a multiply-add */
    void (*read)(const float *a, size_t n); /* a[n], n a multiple of 128 */
} mnas_peaks_loops;

const mnas_peaks_loops *mnas_peaks_widest(void);

/* Size of the core's cache of this level (1: of data), in bytes; `root` as in conditions.h; 0 where the system does not tell. */
double mnas_peaks_cache_bytes(const char *root, int core, int level);

#endif
