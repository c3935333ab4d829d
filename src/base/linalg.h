/* linalg.h - small dense systems: Cholesky's factor and what is solved with it, least squares with weights of no negative sign.
 *
 * Matrices are row-major doubles [n, n], of a few hundred rows: plain loops, no threads. Nothing here allocates.
 *
 * Packed ones hold the lower triangle alone, row i at mnas_packed_row(i), so that a row may be added behind the others; they
 * may have some thousand rows. A factor that grew by rows and one made at once are the same to the bit.
 */
#ifndef MNAS_BASE_LINALG_H
#define MNAS_BASE_LINALG_H

#include <stdbool.h>
#include <stddef.h>

/* a = L L^T in place: of a only the lower triangle is read, and is L afterwards. False where a is not positive definite. */
bool mnas_cholesky(double *a, size_t n);
/* x = a^-1 x, in place. */
void mnas_cholesky_solve(const double *l, size_t n, double *x);
/* The diagonal of a^-1; column[n] is scratch. */
void mnas_cholesky_inverse_diagonal(const double *l, size_t n, double *diagonal, double *column);

/* w >= 0 that minimises w^T G w / 2 - b^T w, for a symmetric G [n, n] with a positive diagonal. */
void mnas_nonnegative_solve(double *w, const double *gram, const double *b, size_t n);

static inline size_t mnas_packed_row(size_t i) {
    return i * (i + 1) / 2;
}
/* Rows first .. n-1 become those of L, where the rows before are already. False where a is not positive definite. */
bool mnas_packed_cholesky(double *a, size_t first, size_t n);
void mnas_packed_forward(const double *l, size_t n, double *x);  /* x = L^-1 x */
void mnas_packed_backward(const double *l, size_t n, double *x); /* x = L^-T x */
/* The lower triangle of (L L^T)^-1, packed; columns[n, n] is scratch. */
void mnas_packed_inverse(const double *l, size_t n, double *inverse, double *columns);

double mnas_dot(const double *a, const double *b, size_t n);

#endif
