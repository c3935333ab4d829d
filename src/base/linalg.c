/* linalg.c - see linalg.h. */
#include "base/linalg.h"

#include <math.h>

enum { MAX_SWEEPS = 20000 };
static const double converged = 1e-9; /* the largest step of a sweep over the largest weight */

double mnas_dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* L_ij = (a_ij - sum_k<j L_ik L_jk) / L_jj, and the root of that difference on the diagonal (Golub & Van Loan 4.2.5) */
bool mnas_cholesky(double *a, size_t n) {
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            const double rest = a[i * n + j] - mnas_dot(&a[i * n], &a[j * n], j);
            if (i == j && !(rest > 0)) return false;
            a[i * n + j] = i == j ? sqrt(rest) : rest / a[j * n + j];
        }
    }
    return true;
}

/* L y = x from row `first` on, where what stands before is zero. */
static void forward(const double *l, size_t n, double *x, size_t first) {
    for (size_t i = first; i < n; i++)
        x[i] = (x[i] - mnas_dot(&l[i * n + first], &x[first], i - first)) / l[i * n + i];
}

void mnas_cholesky_solve(const double *l, size_t n, double *x) {
    forward(l, n, x, 0);
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * n + i];
        for (size_t j = 0; j < i; j++) x[j] -= l[i * n + j] * x[i];
    }
}

/* (a^-1)_jj = |L^-1 e_j|^2 */
void mnas_cholesky_inverse_diagonal(const double *l, size_t n, double *diagonal, double *column) {
    for (size_t j = 0; j < n; j++) {
        for (size_t i = 0; i < n; i++) column[i] = i == j;
        forward(l, n, column, j);
        diagonal[j] = mnas_dot(&column[j], &column[j], n - j);
    }
}

/* Coordinate descent: each weight in turn takes its best value of no negative sign, the others held. */
void mnas_nonnegative_solve(double *w, const double *gram, const double *b, size_t n) {
    for (size_t j = 0; j < n; j++) w[j] = 0;
    for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        double step = 0, largest = 0;
        for (size_t j = 0; j < n; j++) {
            const double *row = &gram[j * n];
            const double next = fmax(0, w[j] + (b[j] - mnas_dot(row, w, n)) / row[j]);
            step = fmax(step, fabs(next - w[j]));
            largest = fmax(largest, next);
            w[j] = next;
        }
        if (step <= converged * largest) return;
    }
}
