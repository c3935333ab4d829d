/* peak.h - what this machine can do at most: bytes a second from each level of memory, multiply-adds a second.
 *
 * Every figure is the best of several runs of the plainest loop there is. Not measured: latency, AMX tiles (a machine
 * that has them computes bf16 faster than bf16_flops says).
 */
#ifndef MNAS_BENCH_PEAK_H
#define MNAS_BENCH_PEAK_H

#include <stddef.h>

typedef enum { PEAK_L2, PEAK_L3, PEAK_MEMORY, PEAK_LEVELS } peak_level;

/* bytes of copy: read + written; of triad: 2 reads + 1 write; what a write fetches beforehand is not counted */
typedef struct peak_bandwidth {
    double copy, triad, read; /* bytes per second */
} peak_bandwidth;

typedef struct peak {
    int threads;
    size_t
        bytes[PEAK_LEVELS]; /* size of a level for all threads together; of memory: what was measured with */
    peak_bandwidth at[PEAK_LEVELS];
    double flops, bf16_flops; /* 2 for a multiply-add; bf16 0: this CPU (or compiler) has no vdpbf16ps */
} peak;

extern const char *const peak_level_names[PEAK_LEVELS];

/* A few seconds. 0, or -1 where memory is missing. */
int peak_measure(peak *out, int threads);

#endif
