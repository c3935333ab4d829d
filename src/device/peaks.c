/* peaks.c - loops over arrays of half a cache level, and over registers; see peaks.h.
 *
 * The loops (peaks_loops.h) are compiled for each instruction set and chosen when run.
 */
#include "device/peaks.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __arm__
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "device/sysfs.h"

static volatile float sink;

/* ---- the loops ---- */

#define STRING_(x) #x
#define STRING(x)  STRING_(x)

/* Two units with a latency of 4 need 8 chains, ARM's four units 16. */
#define LOOPS_MULADD(x, factor) ((x) * (factor) + (factor))
#define LOOPS_NAME              vectors
#define LOOPS_LANES             4
#ifdef __aarch64__
#define LOOPS_CHAINS 24
#else
#define LOOPS_CHAINS 12
#endif
#include "device/peaks_loops.h"

#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LOOPS_NAME   avx2
#define LOOPS_LANES  8
#define LOOPS_CHAINS 12
#include "device/peaks_loops.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,prefer-vector-width=512")
#define LOOPS_NAME   avx512
#define LOOPS_LANES  16
#define LOOPS_CHAINS 24
#include "device/peaks_loops.h"
#pragma GCC pop_options
#endif

#ifdef __arm__ /* the compiler makes no NEON of plain vectors here, since it rounds subnormal numbers to zero */
#pragma GCC push_options
#pragma GCC target("fpu=neon")
#include <arm_neon.h>
#undef LOOPS_MULADD
#define LOOPS_MULADD(x, factor)                                                                              \
    ((neon_vec)vmlaq_f32((float32x4_t)(factor), (float32x4_t)(x), (float32x4_t)(factor)))
#define LOOPS_NAME   neon
#define LOOPS_LANES  4
#define LOOPS_CHAINS 12
#include "device/peaks_loops.h"
#pragma GCC pop_options
#endif

const mnas_peaks_loops *mnas_peaks_widest(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f")) return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &avx2;
#endif
#ifdef __arm__
    if (getauxval(AT_HWCAP) & HWCAP_NEON) return &neon;
#endif
    return &vectors;
}

/* ---- rates ---- */

enum { RUNS = 7 };
static const double run_s = 0.02; /* at least, of a timed run */

static double flops_per_s(const mnas_peaks_loops *l) {
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        const double began_s = mnas_clock_now_s();
        double done = 0, spent_s;
        do done += l->fma(2000);
        while ((spent_s = mnas_clock_now_s() - began_s) < run_s);
        best = fmax(best, done / spent_s);
    }
    return best;
}

static double read_bytes_per_s(const mnas_peaks_loops *l, const float *data, size_t bytes) {
    const size_t n = bytes / sizeof *data / 128 * 128;
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        const double began_s = mnas_clock_now_s();
        double moved = 0, spent_s;
        do {
            l->read(data, n);
            moved += (double)(n * sizeof *data);
        } while ((spent_s = mnas_clock_now_s() - began_s) < run_s);
        best = fmax(best, moved / spent_s);
    }
    return best;
}

/* ---- sizes ---- */

static bool read_cache(const char *root, int core, int index, const char *what, char line[32]) {
    char name[64];
    snprintf(name, sizeof name, "cache/index%d/%s", index, what);
    return mnas_sysfs_core_line(root, core, name, line, 32);
}

/* From sysfs ("512K"): sysconf counts other machines' shares of L3 on some virtual ones. */
double mnas_peaks_cache_bytes(const char *root, int core, int level) {
    char line[32];
    long long kib;
    for (int i = 0; i < 8; i++) {
        if (!read_cache(root, core, i, "level", line) || atoi(line) != level) continue;
        if (!read_cache(root, core, i, "type", line) || strcmp(line, "Instruction") == 0) continue;
        if (!read_cache(root, core, i, "size", line)) continue;
        line[strcspn(line, "K")] = '\0';
        if (mnas_str_to_i64(line, &kib) && kib > 0) return (double)kib * 1024;
    }
    return 0;
}

/* Enough for no cache to help, and little enough for a small machine. */
static size_t memory_bytes(double last_cache_bytes) {
    const double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return (size_t)fmin(fmin(fmax(4 * last_cache_bytes, 64e6), 256e6), fmax(machine / 8, 16e6));
}

static void add_level(mnas_peaks *p, const char *name, double bytes) {
    mnas_peaks_level *level = &p->levels[p->n_levels++];
    snprintf(level->name, sizeof level->name, "%s", name);
    level->bytes = bytes;
}

/* What the system does not tell is what small processors have. */
static double list_levels(mnas_peaks *p) {
    static const char *const names[] = {"L1", "L2", "L3"};
    static const double usual[] = {32 << 10, 512 << 10, 0};
    const int core = sched_getcpu() > 0 ? sched_getcpu() : 0;
    double largest = 0;
    for (int level = 1; level <= 3; level++) {
        const double told = mnas_peaks_cache_bytes("", core, level);
        const double bytes = told > 0 ? told : usual[level - 1];
        if (bytes > largest) add_level(p, names[level - 1], largest = bytes);
    }
    return largest;
}

int mnas_peaks_measure(mnas_peaks *out) {
    const mnas_peaks_loops *l = mnas_peaks_widest();
    *out = (mnas_peaks){0};
    snprintf(out->isa, sizeof out->isa, "%s", l->isa);
    const size_t bytes = memory_bytes(list_levels(out)) / 4096 * 4096;
    float *data = aligned_alloc(4096, bytes);
    if (!data) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu bytes to read", bytes);
    memset(data, 0, bytes);
    out->flops_per_s = flops_per_s(l);
    for (int i = 0; i < out->n_levels; i++) { /* half of it: the other half is for what else lives there */
        const size_t half = (size_t)(out->levels[i].bytes / 2);
        out->levels[i].bytes_per_s = read_bytes_per_s(l, data, half < bytes ? half : bytes);
    }
    add_level(out, "memory", INFINITY);
    out->levels[out->n_levels - 1].bytes_per_s = read_bytes_per_s(l, data, bytes);
    free(data);
    return 0;
}

double mnas_peaks_bandwidth(const mnas_peaks *p, double bytes) {
    int i = 0;
    while (i < p->n_levels - 1 && bytes > p->levels[i].bytes) i++;
    return p->levels[i].bytes_per_s;
}
