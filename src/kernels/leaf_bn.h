/* leaf_bn.h - batch-norm's four passes over a matrix [rows, columns], columns a multiple of the lanes;
 * included by leaf_all.h.
 *
 * Coefficients of a few columns stay in registers while the rows go by; four vectors of columns at a time
 * make a contiguous piece of memory and enough independent sums. Sums are float: callers keep the number of
 * rows of a call small. Tensors are elements (leaf_all.h), everything else floats.
 */
/* Runs body(j, n_vectors) over all columns, n_vectors a constant in each call. */
#define FOR_COLUMNS(body, ...)                                                                               \
    size_t j = 0;                                                                                            \
    for (; j + 4 * MNAS_LEAF_LANES <= columns; j += 4 * MNAS_LEAF_LANES) body(__VA_ARGS__, j, 4);            \
    for (; j < columns; j += MNAS_LEAF_LANES) body(__VA_ARGS__, j, 1);
/* The same with the activation as a constant, too. */
#define FOR_COLUMNS_OF_ACT(body, act, ...)                                                                   \
    if ((act) == MNAS_ACT_SWISH) {                                                                           \
        FOR_COLUMNS(body, __VA_ARGS__, MNAS_ACT_SWISH)                                                       \
    } else if ((act) == MNAS_ACT_HSWISH) {                                                                   \
        FOR_COLUMNS(body, __VA_ARGS__, MNAS_ACT_HSWISH)                                                      \
    } else {                                                                                                 \
        FOR_COLUMNS(body, __VA_ARGS__, MNAS_ACT_NONE)                                                        \
    }

LEAF_INLINE void sums_of(const elem *x, const float *shift, size_t rows, size_t columns, float *sum,
                         float *square, size_t j, const int n) {
    vec origin[4], s[4], q[4];
    for (int v = 0; v < n; v++) origin[v] = load(shift + j + v * MNAS_LEAF_LANES), s[v] = q[v] = (vec){0};
    for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < n; v++) {
            const vec d = get(x + i * columns + j + v * MNAS_LEAF_LANES) - origin[v];
            s[v] += d;
            q[v] += d * d;
        }
    }
    for (int v = 0; v < n; v++)
        store(sum + j + v * MNAS_LEAF_LANES, s[v]), store(square + j + v * MNAS_LEAF_LANES, q[v]);
}

static void bn_sums(const void *x, const float *shift, size_t rows, size_t columns, float *sum,
                    float *square){FOR_COLUMNS(sums_of, x, shift, rows, columns, sum, square)}

LEAF_INLINE void apply_to(const elem *x, const mnas_norm *bn, size_t rows, size_t columns, elem *y,
                          const bool stream, const mnas_act act, size_t j, const int n) {
    vec mean[4], scale[4], beta[4];
    const vec low = (vec){0} + bn->low, high = (vec){0} + bn->high;
    for (int v = 0; v < n; v++) {
        const size_t k = j + (size_t)v * MNAS_LEAF_LANES;
        mean[v] = load(bn->mean + k), scale[v] = load(bn->scale + k), beta[v] = load(bn->beta + k);
    }
    for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < n; v++) {
            const size_t k = i * columns + j + (size_t)v * MNAS_LEAF_LANES;
            const vec result = activated((get(x + k) - mean[v]) * scale[v] + beta[v], low, high, act);
            if (stream)
                put_past_cache(y + k, result);
            else
                put(y + k, result);
        }
    }
}

static void bn_apply(const void *x, const mnas_norm *bn, size_t rows, size_t columns, void *y) {
    FOR_COLUMNS_OF_ACT(apply_to, bn->act, x, bn, rows, columns, y, false)
}

static void bn_apply_stream(const void *x, const mnas_norm *bn, size_t rows, size_t columns, void *y) {
    FOR_COLUMNS_OF_ACT(apply_to, bn->act, x, bn, rows, columns, y, true)
    store_fence();
}

LEAF_INLINE void gradient_sums_of(const elem *x, const elem *dy, const mnas_norm *bn, size_t rows,
                                  size_t columns, float *sum, float *sum_x, elem *masked, const bool keep,
                                  const mnas_act act, size_t j, const int n) {
    vec mean[4], scale[4], beta[4], s[4], q[4];
    const vec low = (vec){0} + bn->low, high = (vec){0} + bn->high;
    for (int v = 0; v < n; v++) {
        const size_t k = j + (size_t)v * MNAS_LEAF_LANES;
        mean[v] = load(bn->mean + k), scale[v] = load(bn->scale + k), beta[v] = load(bn->beta + k);
        s[v] = q[v] = (vec){0};
    }
    for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < n; v++) {
            const size_t k = i * columns + j + (size_t)v * MNAS_LEAF_LANES;
            const vec d = get(x + k) - mean[v];
            const vec g = passed_back(d * scale[v] + beta[v], low, high, get(dy + k), act);
            s[v] += g;
            q[v] += g * d;
            if (keep) put(masked + k, g);
        }
    }
    for (int v = 0; v < n; v++)
        store(sum + j + v * MNAS_LEAF_LANES, s[v]), store(sum_x + j + v * MNAS_LEAF_LANES, q[v]);
}

static void bn_gradient_sums(const void *x, const void *dy, const mnas_norm *bn, size_t rows, size_t columns,
                             float *sum, float *sum_x, void *g) {
    if (g) {
        FOR_COLUMNS_OF_ACT(gradient_sums_of, bn->act, x, dy, bn, rows, columns, sum, sum_x, g, true)
    } else {
        FOR_COLUMNS_OF_ACT(gradient_sums_of, bn->act, x, dy, bn, rows, columns, sum, sum_x, g, false)
    }
}

/* dx = scale * (g - mean(g) - xhat * mean(g xhat)), xhat = (x - mean) / std; dx may be dy. */
LEAF_INLINE void gradient_to(const elem *x, const elem *dy, const mnas_norm *bn, const bool passed,
                             size_t rows, size_t columns, elem *dx, const mnas_act act, size_t j,
                             const int n) {
    vec mean[4], scale[4], beta[4], slope[4], offset[4];
    const vec low = (vec){0} + bn->low, high = (vec){0} + bn->high;
    for (int v = 0; v < n; v++) {
        const size_t k = j + (size_t)v * MNAS_LEAF_LANES;
        mean[v] = load(bn->mean + k), scale[v] = load(bn->scale + k), beta[v] = load(bn->beta + k);
        slope[v] = load(bn->slope + k), offset[v] = load(bn->offset + k);
    }
    for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (int v = 0; v < n; v++) {
            const size_t k = i * columns + j + (size_t)v * MNAS_LEAF_LANES;
            const vec d = get(x + k) - mean[v];
            const vec dy_k = get(dy + k);
            const vec g = passed ? dy_k : passed_back(d * scale[v] + beta[v], low, high, dy_k, act);
            put(dx + k, g * scale[v] - d * slope[v] - offset[v]);
        }
    }
}

static void bn_gradient(const void *x, const void *dy, const mnas_norm *bn, mnas_act act, size_t rows,
                        size_t columns, void *dx) {
    if (act == MNAS_ACT_NONE) {
        FOR_COLUMNS(gradient_to, x, dy, bn, true, rows, columns, dx, MNAS_ACT_NONE)
    } else {
        FOR_COLUMNS_OF_ACT(gradient_to, act, x, dy, bn, false, rows, columns, dx)
    }
}
