/* matmul.c - see matmul.h.
 *
 * A tile of 4 x 8 outputs stays in registers while p runs. Where the processor has AVX2 the same source is
 * compiled for it a second time: wider vectors, the same operations in the same order, so the same bits. It
 * does no threading and no blocking for caches: the controller's matrices are some hundred KiB.
 */
#include "strategy/matmul.h"

#if defined(__x86_64__)
#define MATMUL_AVX2 1
#endif

enum { TILE_M = 4, TILE_N = 8 };

#define MATMUL_INLINE static inline __attribute__((always_inline))

typedef double lanes
    __attribute__((vector_size(32), aligned(8), may_alias)); /* four neighbours, element by element */

MATMUL_INLINE void tile(double *out, const double *a, size_t a_m, size_t a_p, const double *w, size_t n,
                        size_t p) {
    lanes acc[TILE_M][2];
    for (size_t i = 0; i < TILE_M; i++)
        for (size_t j = 0; j < 2; j++) acc[i][j] = *(const lanes *)(out + i * n + 4 * j);
    for (size_t k = 0; k < p; k++) {
        lanes w0 = *(const lanes *)(w + k * n), w1 = *(const lanes *)(w + k * n + 4);
        for (size_t i = 0; i < TILE_M; i++) {
            double x = a[i * a_m + k * a_p];
            acc[i][0] += x * w0;
            acc[i][1] += x * w1;
        }
    }
    for (size_t i = 0; i < TILE_M; i++)
        for (size_t j = 0; j < 2; j++) *(lanes *)(out + i * n + 4 * j) = acc[i][j];
}

/* Any rectangle: one row of outputs at a time. */
MATMUL_INLINE void edge(double *out, const double *a, size_t a_m, size_t a_p, const double *w, size_t m,
                        size_t n, size_t columns, size_t p) {
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < p; k++) {
            double x = a[i * a_m + k * a_p];
            for (size_t j = 0; j < columns; j++) out[i * n + j] += x * w[k * n + j];
        }
}

MATMUL_INLINE void matmul(double *out, const double *a, size_t a_m, size_t a_p, const double *w, size_t m,
                          size_t n, size_t p) {
    size_t m_tiled = m - m % TILE_M, n_tiled = n - n % TILE_N;
    for (size_t j = 0; j < n_tiled; j += TILE_N)
        for (size_t i = 0; i < m_tiled; i += TILE_M)
            tile(out + i * n + j, a + i * a_m, a_m, a_p, w + j, n, p);
    edge(out + n_tiled, a, a_m, a_p, w + n_tiled, m_tiled, n, n - n_tiled, p);
    edge(out + m_tiled * n, a + m_tiled * a_m, a_m, a_p, w, m - m_tiled, n, n, p);
}

#ifdef MATMUL_AVX2
__attribute__((target("avx2"))) static void matmul_avx2(double *out, const double *a, size_t a_m, size_t a_p,
                                                        const double *w, size_t m, size_t n, size_t p) {
    matmul(out, a, a_m, a_p, w, m, n, p);
}
#endif

void mnas_matmul_add(double *out, const double *a, size_t a_m, size_t a_p, const double *w, size_t m,
                     size_t n, size_t p) {
#ifdef MATMUL_AVX2
    if (__builtin_cpu_supports("avx2")) {
        matmul_avx2(out, a, a_m, a_p, w, m, n, p);
        return;
    }
#endif
    matmul(out, a, a_m, a_p, w, m, n, p);
}

void mnas_matmul_transpose(double *out, const double *in, size_t m, size_t n) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) out[j * m + i] = in[i * n + j];
}
