/* linalg.c - see linalg.h. */
#include "base/linalg.h"

#include <math.h>

enum { MAX_SWEEPS = 20000, LANES = 8, TILE_ROWS = 16 };
static const double converged = 1e-9; /* the largest step of a sweep over the largest weight */

/* A sum for each of some lanes: one alone would wait for itself at every step. */
double mnas_dot(const double *a, const double *b, size_t n) {
    double lane[LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] += a[i + j] * b[i + j];
    for (; i < n; i++) sum += a[i] * b[i];
    for (size_t j = 0; j < LANES; j++) sum += lane[j];
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

/* ---- packed ---- */

/* As mnas_cholesky, some rows side by side: a finished row is then read once for all of them, and theirs stay in the cache. */
static bool packed_tile(double *a, size_t first, size_t end) {
    for (size_t j = 0; j < end; j++) {
        const double *row_j = &a[mnas_packed_row(j)];
        for (size_t i = j > first ? j : first; i < end; i++) {
            double *row_i = &a[mnas_packed_row(i)];
            const double rest = row_i[j] - mnas_dot(row_i, row_j, j);
            if (i == j && !(rest > 0)) return false;
            row_i[j] = i == j ? sqrt(rest) : rest / row_j[j];
        }
    }
    return true;
}

bool mnas_packed_cholesky(double *a, size_t first, size_t n) {
    for (size_t i = first; i < n; i += TILE_ROWS)
        if (!packed_tile(a, i, i + TILE_ROWS < n ? i + TILE_ROWS : n)) return false;
    return true;
}

void mnas_packed_forward(const double *l, size_t n, double *x) {
    for (size_t i = 0; i < n; i++) {
        const double *row = &l[mnas_packed_row(i)];
        x[i] = (x[i] - mnas_dot(row, x, i)) / row[i];
    }
}

void mnas_packed_backward(const double *l, size_t n, double *x) {
    for (size_t i = n; i-- > 0;) {
        const double *row = &l[mnas_packed_row(i)];
        x[i] /= row[i];
        for (size_t j = 0; j < i; j++) x[j] -= row[j] * x[i];
    }
}

/* Column j of L^-1 is zero above j; (a^-1)_ij = sum_k>=i (L^-1)_ki (L^-1)_kj for i >= j */
void mnas_packed_inverse(const double *l, size_t n, double *inverse, double *columns) {
    for (size_t j = 0; j < n; j++) {
        double *x = &columns[j * n];
        x[j] = 1 / l[mnas_packed_row(j) + j];
        for (size_t i = j + 1; i < n; i++) {
            const double *row = &l[mnas_packed_row(i)];
            x[i] = -mnas_dot(&row[j], &x[j], i - j) / row[i];
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            inverse[mnas_packed_row(i) + j] = mnas_dot(&columns[i * n + i], &columns[j * n + i], n - i);
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
