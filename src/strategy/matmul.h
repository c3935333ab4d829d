/* matmul.h - the one product the controller needs.
 *
 * out[m][n] += sum over p of a(m, p) * w[p][n], where a(m, p) = a[m * a_m + p * a_p] (so the same routine
 * serves a and its transpose), out and w are dense rows. Every output is summed in order of p, element by
 * element, so the same inputs give the same bits however the rows are grouped (AVX2 is used without fused
 * multiply-add).
 */
#ifndef MNAS_STRATEGY_MATMUL_H
#define MNAS_STRATEGY_MATMUL_H

#include <stddef.h>

void mnas_matmul_add(double *out, const double *a, size_t a_m, size_t a_p, const double *w, size_t m,
                     size_t n, size_t p);
/* out[n][m] = in[m][n] transposed. */
void mnas_matmul_transpose(double *out, const double *in, size_t m, size_t n);

#endif
