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

static void NAME(copy)(float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i += LOOPS_LANES) *(NAME(vec) *)(a + i) = *(const NAME(vec) *)(b + i);
}

static void NAME(triad)(float *a, const float *b, const float *c, size_t n) {
    for (size_t i = 0; i < n; i += LOOPS_LANES)
        *(NAME(vec) *)(a + i) = *(const NAME(vec) *)(b + i) + *(const NAME(vec) *)(c + i) * 3.0F;
}

static const loops LOOPS_NAME = {NAME(copy), NAME(triad)};

#undef JOIN_
#undef JOIN
#undef NAME
#undef LOOPS_NAME
#undef LOOPS_LANES
