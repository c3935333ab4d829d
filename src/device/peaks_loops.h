/* peaks_loops.h - the loops of peaks.c for one instruction set; included once for each with
 *
 *     #define LOOPS_NAME   what the record is called
 *     #define LOOPS_LANES  floats of a vector
 *     #define LOOPS_CHAINS multiply-adds in flight; with the factor they fit into the registers
 *
 * No include guard: that is the point.
 */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(x)     JOIN(LOOPS_NAME, x)

typedef float NAME(vec) __attribute__((vector_size(4 * LOOPS_LANES), aligned(4), may_alias));

static double NAME(fma)(long n) {
    NAME(vec) x[LOOPS_CHAINS], factor = {0}, total = {0};
    factor += 0.999999F;
    for (int j = 0; j < LOOPS_CHAINS; j++) x[j] = factor + (float)j;
    for (long i = 0; i < n; i++) {
#pragma GCC unroll 32
        for (int j = 0; j < LOOPS_CHAINS; j++) x[j] = LOOPS_MULADD(x[j], factor);
    }
    for (int j = 0; j < LOOPS_CHAINS; j++) total += x[j];
    sink = total[0];
    return 2.0 * LOOPS_CHAINS * LOOPS_LANES * (double)n;
}

static void NAME(read)(const float *a, size_t n) {
    NAME(vec) x[8] = {{0}}, total = {0};
    for (size_t i = 0; i < n; i += 8 * LOOPS_LANES) {
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++) x[j] += *(const NAME(vec) *)(a + i + j * LOOPS_LANES);
    }
    for (int j = 0; j < 8; j++) total += x[j];
    sink = total[0];
}

static const mnas_peaks_loops LOOPS_NAME = {STRING(LOOPS_NAME), NAME(fma), NAME(read)};

#undef JOIN_
#undef JOIN
#undef NAME
#undef LOOPS_NAME
#undef LOOPS_LANES
#undef LOOPS_CHAINS
