/* peak.c - loops over arrays of half a cache level, and over registers.
 *
 * Each thread works on a slice of its own which it was the first to touch. A level of L2 is all threads' L2 together, L3 is
 * shared. The loops are compiled for each instruction set and chosen when run; arithmetic and reading are those of
 * device/peaks.h, which the product measures with, copying is peak_loops.h's.
 */
#include "common/peak.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "device/peaks.h"
#include "train/slab.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

const char *const peak_level_names[PEAK_LEVELS] = {"L2", "L3", "memory"};

static const double run_s = 0.05; /* at least, of a timed run */
enum { RUNS = 7, MEMORY_BYTES = 512 << 20 };

/* ---- the loops ---- */

typedef struct loops {
    void (*copy)(float *a, const float *b, size_t n);
    void (*triad)(float *a, const float *b, const float *c, size_t n);
} loops;

#define LOOPS_NAME  plain
#define LOOPS_LANES 4
#include "common/peak_loops.h"

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LOOPS_NAME  avx2
#define LOOPS_LANES 8
#include "common/peak_loops.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,prefer-vector-width=512")
#define LOOPS_NAME  avx512
#define LOOPS_LANES 16
#include "common/peak_loops.h"
#pragma GCC pop_options
#endif

static const loops *widest(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &avx2;
#endif
    return &plain;
}

#if defined(__x86_64__)
enum { CHAINS = 12 }; /* multiply-adds in flight */
static volatile float sink;

__attribute__((target("avx512f,avx512bf16"))) static double bf16_fma(long n) {
    __m512 x[CHAINS];
    __m512bh f = (__m512bh)_mm512_set1_epi16(0x3f80);
    for (int j = 0; j < CHAINS; j++) x[j] = _mm512_set1_ps((float)j);
    for (long i = 0; i < n; i++) {
        _Pragma("GCC unroll 16") for (int j = 0; j < CHAINS; j++) x[j] = _mm512_dpbf16_ps(x[j], f, f);
    }
    for (int j = 1; j < CHAINS; j++) x[0] += x[j];
    sink = x[0][0];
    return 4.0 * CHAINS * 16 * (double)n; /* two multiply-adds a lane */
}

static bool has_bf16(void) {
    return __builtin_cpu_supports("avx512bf16");
}
#else
static double bf16_fma(long n) {
    return (double)n;
}
static bool has_bf16(void) {
    return false;
}
#endif

/* ---- arithmetic ---- */

static double flops_of(double (*fma)(long n), int threads) {
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        double done = 0, began_s = mnas_clock_now_s();
#pragma omp parallel num_threads(threads) reduction(+ : done)
        {
            double until_s = mnas_clock_now_s() + run_s;
            while (mnas_clock_now_s() < until_s) done += fma(20000);
        }
        best = fmax(best, done / (mnas_clock_now_s() - began_s));
    }
    return best;
}

/* ---- memory ---- */

/* COPY_LIBC: memcpy writes past the caches where that is quicker. */
typedef enum { COPY, COPY_LIBC, TRIAD, READ, N_KINDS } kind;
/* arrays of a kind; bytes moved are as many times the array */
static const size_t n_arrays[N_KINDS] = {2, 2, 3, 1};

/* One pass over `floats` of each of the kind's arrays, which lie one behind the other. */
static void pass(kind what, const loops *l, float *a, size_t floats) {
    if (what == COPY) l->copy(a, a + floats, floats);
    if (what == COPY_LIBC) memcpy(a, a + floats, floats * sizeof *a);
    if (what == TRIAD) l->triad(a, a + floats, a + 2 * floats, floats);
    if (what == READ) mnas_peaks_widest()->read(a, floats);
    __asm__ volatile("" ::: "memory");
}

/* Bytes per second when each thread passes again and again over bytes / threads of its own. */
static double bandwidth(kind what, float *data, size_t bytes, int threads) {
    const loops *l = widest();
    size_t slice = bytes / (size_t)threads / sizeof *data, floats = slice / n_arrays[what] / 256 * 256;
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        double moved = 0, began_s = mnas_clock_now_s();
#pragma omp parallel num_threads(threads) reduction(+ : moved)
        {
            float *mine = data + (size_t)omp_get_thread_num() * slice;
            double until_s = mnas_clock_now_s() + run_s;
            while (mnas_clock_now_s() < until_s) {
                pass(what, l, mine, floats);
                moved += (double)(floats * n_arrays[what] * sizeof *data);
            }
        }
        best = fmax(best, moved / (mnas_clock_now_s() - began_s));
    }
    return best;
}

/* As the system tells it of the first core. */
static size_t cache_bytes(int level, size_t otherwise) {
    const double told = mnas_peaks_cache_bytes("", 0, level);
    return told > 0 ? (size_t)told : otherwise;
}

static void touch(float *data, size_t bytes, int threads) {
    size_t slice = bytes / (size_t)threads / sizeof *data;
#pragma omp parallel num_threads(threads)
    memset(data + (size_t)omp_get_thread_num() * slice, 0, slice * sizeof *data);
}

int peak_measure(peak *out, int threads) {
    mnas_slab slab;
    *out = (peak){.threads = threads};
    out->bytes[PEAK_L2] = cache_bytes(2, 1 << 20) * (size_t)threads;
    out->bytes[PEAK_L3] = cache_bytes(3, 8 << 20);
    out->bytes[PEAK_MEMORY] = MEMORY_BYTES;
    if (mnas_slab_map(&slab, MEMORY_BYTES) < 0) return -1;
    float *data = (float *)(void *)slab.data;
    touch(data, MEMORY_BYTES, threads);
    for (int i = 0; i < PEAK_LEVELS; i++) {
        size_t bytes = i == PEAK_MEMORY ? out->bytes[i] : out->bytes[i] / 2;
        out->at[i].copy =
            fmax(bandwidth(COPY, data, bytes, threads), bandwidth(COPY_LIBC, data, bytes, threads));
        out->at[i].triad = bandwidth(TRIAD, data, bytes, threads);
        out->at[i].read = bandwidth(READ, data, bytes, threads);
    }
    out->flops = flops_of(mnas_peaks_widest()->fma, threads);
    if (has_bf16()) out->bf16_flops = flops_of(bf16_fma, threads);
    mnas_slab_unmap(&slab);
    return 0;
}
