/* peak_loops.h - the loops of peak.c for one instruction set; included once for each with
 *
 *     #define LOOPS_NAME  what the record is called
 *     #define LOOPS_LANES floats of a vector
 *
 * No include guard: that is the point. Arrays are [n], n a multiple of 8 vectors.
 */
#define JOIN_(a, b) a##_##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(x)     JOIN(LOOPS_NAME, x)

typedef float NAME(vec) __attribute__((vector_size(4 * LOOPS_LANES), aligned(4), may_alias));

/* n times CHAINS multiply-adds of a vector, all in registers; returns their number of operations. */
static double NAME(fma)(long n) {
    NAME(vec) x[CHAINS], factor = {0}, total = {0};
    factor += 0.999999F;
    for (int j = 0; j < CHAINS; j++) x[j] = factor + (float)j;
    for (long i = 0; i < n; i++) {
#pragma GCC unroll 16
        for (int j = 0; j < CHAINS; j++) x[j] = x[j] * factor + factor;
    }
    for (int j = 0; j < CHAINS; j++) total += x[j];
    sink = total[0];
    return 2.0 * CHAINS * LOOPS_LANES * (double)n;
}

static void NAME(copy)(float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i += LOOPS_LANES) *(NAME(vec) *)(a + i) = *(const NAME(vec) *)(b + i);
}

static void NAME(triad)(float *a, const float *b, const float *c, size_t n) {
    for (size_t i = 0; i < n; i += LOOPS_LANES)
        *(NAME(vec) *)(a + i) = *(const NAME(vec) *)(b + i) + *(const NAME(vec) *)(c + i) * 3.0F;
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

static const loops LOOPS_NAME = {NAME(fma), NAME(copy), NAME(triad), NAME(read)};

#undef JOIN_
#undef JOIN
#undef NAME
#undef LOOPS_NAME
#undef LOOPS_LANES
