/* leaf_map.h - element-wise loops and column sums of any length; included by leaf_all.h. The compiler
 * vectorises these. */

static void accumulate(const float *part, size_t n, double *total) {
    for (size_t i = 0; i < n; i++) total[i] += (double)part[i];
}

static void clamp(const float *x, size_t n, float low, float high, float *y) {
    for (size_t i = 0; i < n; i++) {
        const float a = x[i] < low ? low : x[i];
        y[i] = a > high ? high : a;
    }
}

static void clamp_gradient(const float *x, const float *dy, size_t n, float low, float high, float *dx) {
    for (size_t i = 0; i < n; i++) dx[i] = x[i] > low && x[i] < high ? dy[i] : 0.0f;
}

/* Column sums: blocks of columns that stay in registers, and of rows, so that rounding errors do not pile up. */
enum { COLUMN_BLOCK = 64, ROW_BLOCK = 64 };

LEAF_INLINE void column_block(const float *x, const float *y, size_t rows, size_t columns, size_t n,
                              float *sum) {
    float part[COLUMN_BLOCK] = {0};
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < n; k++)
            part[k] += y ? x[i * columns + k] * y[i * columns + k] : x[i * columns + k];
    for (size_t k = 0; k < n; k++) sum[k] += part[k];
}

LEAF_INLINE void column_reduce(const float *x, const float *y, size_t rows, size_t columns, float *sum) {
    memset(sum, 0, columns * sizeof *sum);
    for (size_t i = 0; i < rows; i += ROW_BLOCK) {
        const size_t n_rows = rows - i < ROW_BLOCK ? rows - i : ROW_BLOCK;
        for (size_t j = 0; j < columns; j += COLUMN_BLOCK) {
            const size_t at = i * columns + j, n = columns - j < COLUMN_BLOCK ? columns - j : COLUMN_BLOCK;
            const float *second = y ? y + at : NULL;
            if (n == COLUMN_BLOCK)
                column_block(x + at, second, n_rows, columns, COLUMN_BLOCK, sum + j);
            else
                column_block(x + at, second, n_rows, columns, n, sum + j);
        }
    }
}

static void column_sums(const float *x, size_t rows, size_t columns, float *sum) {
    column_reduce(x, NULL, rows, columns, sum);
}

static void column_dots(const float *x, const float *y, size_t rows, size_t columns, float *sum) {
    column_reduce(x, y, rows, columns, sum);
}

static void column_affine(const float *x, const float *scale, const float *offset, size_t rows,
                          size_t columns, float *y) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) y[i * columns + j] = x[i * columns + j] * scale[j] + offset[j];
}

static void multiply(const float *a, const float *b, size_t n, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static float dot(const float *a, const float *b, size_t n) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void axpy(float a, const float *x, size_t n, float *y) {
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void dropout(const float *x, size_t n, uint64_t first, uint64_t seed, double rate, float scale,
                    float *y) {
    for (size_t i = 0; i < n; i++) {
        uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (first + i + 1);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        z ^= z >> 31;
        const double uniform = (double)(int64_t)(z >> 11) * 0x1p-53;
        y[i] = uniform < rate ? 0 : x[i] * scale;
    }
}
