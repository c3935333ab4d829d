/* linalg.h - small dense systems: Cholesky's factor and what is solved with it, least squares with weights of no negative sign.
 *
 * Matrices are row-major doubles [n, n], of a few hundred rows: plain loops, no blocking, no threads. Nothing here
 * allocates.
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

double mnas_dot(const double *a, const double *b, size_t n);

#endif
