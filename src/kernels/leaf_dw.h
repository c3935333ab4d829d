/* leaf_dw.h - depthwise loops over WIDTH channels; included by leaf_all.h once for each width. See isa.h for
 * the formulas.
 *
 * Tensors are touched by get and put alone, in dw_fill and dw_drain; everything between reads and writes planes
 * and rows of floats. Taps and pixels of a tile are constants after inlining: a tile's sums and what is
 * multiplied with several of its pixels stay in registers, and each pixel of a plane is loaded once for all taps
 * that meet it.
 */
#define V     LEAF_CAT(vec, WIDTH)
#define FN(x) LEAF_CAT(x##_, WIDTH)

/* A norm's coefficients of the block's channels. */
typedef struct FN(coefficients) {
    V shift, mean, scale, beta, slope, offset, low, high;
} FN(coefficients);

LEAF_INLINE FN(coefficients) FN(coefficients_of)(const mnas_norm *norm, size_t c) {
    if (!norm) return (FN(coefficients)){0};
    return (FN(coefficients)){.shift = FN(load)(norm->shift + c),
                              .mean = FN(load)(norm->mean + c),
                              .scale = FN(load)(norm->scale + c),
                              .beta = FN(load)(norm->beta + c),
                              .slope = FN(load)(norm->slope + c),
                              .offset = FN(load)(norm->offset + c),
                              .low = (V){0} + norm->low,
                              .high = (V){0} + norm->high};
}

/* ---------------------------------------------------------------------------------- tensor to plane */

/* What the plane holds of the pixel at `at`. mode and act are constants. */
LEAF_INLINE V FN(fill_pixel)(const mnas_dw_fill *f, size_t at, const FN(coefficients) * k,
                             const mnas_dw_fill_mode mode, const mnas_act act) {
    const V value = FN(get)((const elem *)f->src + at);
    if (mode == MNAS_DW_COPY) return value;
    if (mode == MNAS_DW_APPLY)
        return FN(activated)((value - k->mean) * k->scale + k->beta, k->low, k->high, act);
    const V d = FN(get)((const elem *)f->x + at) - k->mean;
    const V g = mode == MNAS_DW_GRADIENT
                    ? FN(passed_back)(d * k->scale + k->beta, k->low, k->high, value, act)
                    : value;
    return g * k->scale - d * k->slope - k->offset;
}

/* Asks for what the fill will come to soon. Where all channels of a row are done soon, the first block does so
 * for all, in the order of memory; else each block has its own lines fetched. */
LEAF_INLINE void FN(ask_ahead)(const mnas_dw_fill *f, size_t at, const mnas_dw_fill_mode mode) {
    enum { ELEMENTS = 2048, PIXELS = 24, LINE = 64 / sizeof(elem) };
    const bool gradient = mode == MNAS_DW_GRADIENT || mode == MNAS_DW_GRADIENT_PASSED;
    const size_t begin = at + (f->all_channels ? ELEMENTS : PIXELS * f->channels);
    if (f->all_channels && f->c > 0) return;
    for (size_t i = begin; i < begin + (f->all_channels ? f->channels : LINE); i += LINE) {
        __builtin_prefetch((const elem *)f->src + i);
        if (gradient) __builtin_prefetch((const elem *)f->x + i);
    }
}

LEAF_INLINE void FN(fill_rows)(const mnas_dw_fill *f, const mnas_dw_fill_mode mode, const mnas_act act) {
    const FN(coefficients) k = FN(coefficients_of)(f->norm, f->c);
    const size_t row = (size_t)f->src_cols * f->channels;
    for (int n = 0; n < f->n; n++)
        for (int y = f->first_row; y < f->first_row + f->rows; y++) {
            size_t at = f->at + (size_t)n * f->src_image + (size_t)y * row;
            float *to = f->plane + (size_t)((n * f->ring + y % f->ring) * f->cols) * WIDTH;
            for (int x = 0; x < f->left; x++, to += WIDTH) FN(store)(to, (V){0});
            for (int x = 0; x < f->src_cols; x++, to += WIDTH, at += f->channels) {
                FN(ask_ahead)(f, at, mode);
                FN(store)(to, FN(fill_pixel)(f, at, &k, mode, act));
            }
            for (int x = f->left + f->src_cols; x < f->cols; x++, to += WIDTH) FN(store)(to, (V){0});
        }
}

static void FN(fill_apply)(const mnas_dw_fill *f) {
    if (f->norm->act == MNAS_ACT_SWISH)
        FN(fill_rows)(f, MNAS_DW_APPLY, MNAS_ACT_SWISH);
    else if (f->norm->act == MNAS_ACT_HSWISH)
        FN(fill_rows)(f, MNAS_DW_APPLY, MNAS_ACT_HSWISH);
    else
        FN(fill_rows)(f, MNAS_DW_APPLY, MNAS_ACT_NONE);
}

static void FN(fill_gradient)(const mnas_dw_fill *f) {
    if (f->norm->act == MNAS_ACT_SWISH)
        FN(fill_rows)(f, MNAS_DW_GRADIENT, MNAS_ACT_SWISH);
    else if (f->norm->act == MNAS_ACT_HSWISH)
        FN(fill_rows)(f, MNAS_DW_GRADIENT, MNAS_ACT_HSWISH);
    else
        FN(fill_rows)(f, MNAS_DW_GRADIENT, MNAS_ACT_NONE);
}

static void FN(dw_fill)(const mnas_dw_fill *f) {
    switch (f->mode) {
    case MNAS_DW_COPY:
        FN(fill_rows)(f, MNAS_DW_COPY, MNAS_ACT_NONE);
        break;
    case MNAS_DW_APPLY:
        FN(fill_apply)(f);
        break;
    case MNAS_DW_GRADIENT:
        FN(fill_gradient)(f);
        break;
    case MNAS_DW_GRADIENT_PASSED:
        FN(fill_rows)(f, MNAS_DW_GRADIENT_PASSED, MNAS_ACT_NONE);
        break;
    }
}

/* ---------------------------------------------------------------------------------- rows to tensor */

/* A pixel of the row on its way into the tensor; the two sums of what is written. */
LEAF_INLINE void FN(drain_pixel)(const mnas_dw_drain *d, const float *row, size_t at, size_t x_at,
                                 const FN(coefficients) * k, const mnas_dw_drain_mode mode,
                                 const mnas_act act, V *sum, V *product) {
    V value = FN(load)(row);
    if (mode == MNAS_DW_SUMS) {
        const V distance = value - k->shift;
        *sum += distance;
        *product += distance * distance;
    } else if (mode == MNAS_DW_PASS) {
        const V distance = FN(get)((const elem *)d->x + x_at) - k->mean;
        value = FN(passed_back)(distance * k->scale + k->beta, k->low, k->high, value, act);
        *sum += value;
        *product += value * distance;
    }
    if (d->dst) FN(put)((elem *)d->dst + at, value);
}

LEAF_INLINE void FN(add_to)(double *total, V part) {
    float lanes[WIDTH];
    FN(store)(lanes, part);
    for (int i = 0; i < WIDTH; i++) total[i] += (double)lanes[i];
}

/* Two sums each for neighbouring pixels: additions that need not wait for each other. */
LEAF_INLINE void FN(drain_rows)(const mnas_dw_drain *d, const mnas_dw_drain_mode mode, const mnas_act act) {
    const FN(coefficients) k = FN(coefficients_of)(d->norm, d->c);
    V sum[2] = {(V){0}, (V){0}}, product[2] = {(V){0}, (V){0}};
    for (int n = 0; n < d->n; n++) {
        const float *row = d->row + (size_t)n * d->row_image;
        size_t at = d->at + (size_t)n * d->dst_image, x_at = d->x_at + (size_t)n * d->x_image;
        const size_t next = d->channels;
        int x = 0;
        for (; x + 2 <= d->n_pixels; x += 2, row += 2 * WIDTH, at += 2 * next, x_at += 2 * next) {
            FN(drain_pixel)(d, row, at, x_at, &k, mode, act, &sum[0], &product[0]);
            FN(drain_pixel)(d, row + WIDTH, at + next, x_at + next, &k, mode, act, &sum[1], &product[1]);
        }
        if (x < d->n_pixels) FN(drain_pixel)(d, row, at, x_at, &k, mode, act, &sum[0], &product[0]);
    }
    if (mode == MNAS_DW_COPY_OUT) return;
    FN(add_to)(d->total, sum[0] + sum[1]);
    FN(add_to)(d->total + d->norm->columns, product[0] + product[1]);
}

static void FN(dw_drain)(const mnas_dw_drain *d) {
    if (d->mode == MNAS_DW_COPY_OUT)
        FN(drain_rows)(d, MNAS_DW_COPY_OUT, MNAS_ACT_NONE);
    else if (d->mode == MNAS_DW_SUMS)
        FN(drain_rows)(d, MNAS_DW_SUMS, MNAS_ACT_NONE);
    else if (d->norm->act == MNAS_ACT_SWISH)
        FN(drain_rows)(d, MNAS_DW_PASS, MNAS_ACT_SWISH);
    else if (d->norm->act == MNAS_ACT_HSWISH)
        FN(drain_rows)(d, MNAS_DW_PASS, MNAS_ACT_HSWISH);
    else
        FN(drain_rows)(d, MNAS_DW_PASS, MNAS_ACT_NONE);
}

/* ---------------------------------------------------------------------------------- plane to row */

/* n_pixels results from t on. n_h, step, n_pixels are constants after inlining. */
LEAF_INLINE void FN(dw_tile)(const mnas_dw_row *r, size_t image, int t, const int n_h, const int step,
                             const int n_pixels) {
    V sum[8], weight[MNAS_DW_MAX_KERNEL];
    for (int i = 0; i < n_pixels; i++) sum[i] = (V){0};
    for (int v = 0; v < r->n_v; v++) {
        const float *src = r->src[v] + image * r->src_image + (ptrdiff_t)t * step * WIDTH;
        for (int h = 0; h < n_h; h++) weight[h] = FN(load)(r->weight[v] + h * WIDTH);
#pragma GCC unroll 32
        for (int x = 0; x < (n_pixels - 1) * step + n_h; x++) {
            const V pixel = FN(load)(src + x * WIDTH);
#pragma GCC unroll 8
            for (int h = 0; h < n_h; h++)
                if (x >= h && (x - h) % step == 0 && (x - h) / step < n_pixels)
                    sum[(x - h) / step] += weight[h] * pixel;
        }
    }
    const ptrdiff_t dst_step = (ptrdiff_t)r->dst_step * WIDTH;
    float *dst = r->dst + image * r->dst_image + t * dst_step;
#pragma GCC unroll 8
    for (int i = 0; i < n_pixels; i++) FN(store)(dst + i * dst_step, sum[i]);
}

LEAF_INLINE void FN(dw_tiles)(const mnas_dw_row *r, const int n_h, const int step) {
    const int n_out = mnas_dw_whole_tiles(r->n_out);
    for (size_t n = 0; n < (size_t)r->n; n++) {
        int t = 0;
        for (; t + 8 <= n_out; t += 8) FN(dw_tile)(r, n, t, n_h, step, 8);
        if (t + 4 <= n_out) FN(dw_tile)(r, n, t, n_h, step, 4), t += 4;
        if (t + 2 <= n_out) FN(dw_tile)(r, n, t, n_h, step, 2), t += 2;
        if (t < n_out) FN(dw_tile)(r, n, t, n_h, step, 1);
    }
}

/* Any number of taps and any step. */
static void FN(dw_row_any)(const mnas_dw_row *r) {
    for (size_t n = 0; n < (size_t)r->n; n++)
        for (int t = 0; t < r->n_out; t++) {
            V sum = {0};
            for (int v = 0; v < r->n_v; v++) {
                const float *src = r->src[v] + n * r->src_image + (ptrdiff_t)t * r->src_step * WIDTH;
                for (int h = 0; h < r->n_h; h++)
                    sum += FN(load)(r->weight[v] + h * WIDTH) * FN(load)(src + h * WIDTH);
            }
            FN(store)(r->dst + n * r->dst_image + (size_t)(t * r->dst_step) * WIDTH, sum);
        }
}

static void FN(dw_row)(const mnas_dw_row *r) {
    switch (r->src_step * 8 + r->n_h) {
    case 8 + 1:
        FN(dw_tiles)(r, 1, 1);
        break;
    case 8 + 2:
        FN(dw_tiles)(r, 2, 1);
        break;
    case 8 + 3:
        FN(dw_tiles)(r, 3, 1);
        break;
    case 8 + 4:
        FN(dw_tiles)(r, 4, 1);
        break;
    case 8 + 5:
        FN(dw_tiles)(r, 5, 1);
        break;
    case 8 + 7:
        FN(dw_tiles)(r, 7, 1);
        break;
    case 16 + 3:
        FN(dw_tiles)(r, 3, 2);
        break;
    case 16 + 5:
        FN(dw_tiles)(r, 5, 2);
        break;
    case 16 + 7:
        FN(dw_tiles)(r, 7, 2);
        break;
    default:
        FN(dw_row_any)(r);
        break;
    }
}

/* ---------------------------------------------------------------------------------- weight gradient */

/* A tile of one gradient row against one row of the plane: part[set][h] += gradient[i] plane[i stride + h]. Several
 * sets of sums keep enough independent additions in flight. */
LEAF_INLINE void FN(dw_weight_tile)(const float *src, const float *gradient, V *part, const int kernel,
                                    const int stride, const int sets, const int n_pixels) {
    V g[8];
    for (int i = 0; i < n_pixels; i++) g[i] = FN(load)(gradient + i * WIDTH);
#pragma GCC unroll 32
    for (int x = 0; x < (n_pixels - 1) * stride + kernel; x++) {
        const V pixel = FN(load)(src + x * WIDTH);
#pragma GCC unroll 8
        for (int h = 0; h < kernel; h++)
            if (x >= h && (x - h) % stride == 0 && (x - h) / stride < n_pixels)
                part[(x - h) / stride % sets * kernel + h] += g[(x - h) / stride] * pixel;
    }
}

LEAF_INLINE void FN(dw_weight_row)(const float *src, const float *gradient, int n, V *part, const int kernel,
                                   const int stride, const int sets) {
    enum { TILE = MNAS_LEAF_LANES == 16 ? 8 : 4 }; /* half of the registers, at least */
    int x = 0;
    for (; x + TILE <= n; x += TILE)
        FN(dw_weight_tile)(src + x * stride * WIDTH, gradient + x * WIDTH, part, kernel, stride, sets, TILE);
    if (TILE > 4 && x + 4 <= n) {
        FN(dw_weight_tile)(src + x * stride * WIDTH, gradient + x * WIDTH, part, kernel, stride, sets, 4);
        x += 4;
    }
    for (; x < n; x++)
        FN(dw_weight_tile)(src + x * stride * WIDTH, gradient + x * WIDTH, part, kernel, stride, sets, 1);
}

LEAF_INLINE void FN(dw_weight_taps)(const mnas_dw_weight *w, const int kernel, const int stride,
                                    const int sets) {
    const int out_w = mnas_dw_whole_tiles(w->out_w);
    for (int i = 0; i < kernel; i++) {
        V part[14];
        for (int j = 0; j < kernel * sets; j++) part[j] = (V){0};
        for (int n = 0; n < w->n; n++) {
            for (int y = w->row_begin; y < w->row_end; y++) {
                const int row = y * stride + i - w->top;
                if (row < 0 || row >= w->plane_rows) continue;
                FN(dw_weight_row)
                (w->plane + (size_t)n * w->plane_image + (size_t)(row % w->plane_ring) * w->plane_row,
                 w->gradient + (size_t)n * w->gradient_image +
                     (size_t)(y % w->gradient_ring) * w->gradient_row,
                 out_w, part, kernel, stride, sets);
            }
        }
        for (int j = 0; j < kernel; j++) {
            float *out = w->sum + (i * kernel + j) * WIDTH;
            V sum = FN(load)(out);
            for (int u = 0; u < sets; u++) sum += part[u * kernel + j];
            FN(store)(out, sum);
        }
    }
}

/* Any kernel and stride. */
static void FN(dw_weight_any)(const mnas_dw_weight *w) {
    for (int n = 0; n < w->n; n++)
        for (int y = w->row_begin; y < w->row_end; y++)
            for (int i = 0; i < w->kernel; i++) {
                const int row = y * w->stride + i - w->top;
                if (row < 0 || row >= w->plane_rows) continue;
                const float *src =
                    w->plane + (size_t)n * w->plane_image + (size_t)(row % w->plane_ring) * w->plane_row;
                const float *gradient = w->gradient + (size_t)n * w->gradient_image +
                                        (size_t)(y % w->gradient_ring) * w->gradient_row;
                for (int j = 0; j < w->kernel; j++) {
                    float *out = w->sum + (i * w->kernel + j) * WIDTH;
                    V sum = {0};
                    for (int x = 0; x < w->out_w; x++)
                        sum += FN(load)(gradient + x * WIDTH) * FN(load)(src + (x * w->stride + j) * WIDTH);
                    FN(store)(out, FN(load)(out) + sum);
                }
            }
}

static void FN(dw_weight)(const mnas_dw_weight *w) {
    switch (w->stride * 8 + w->kernel) {
    case 8 + 3:
        FN(dw_weight_taps)(w, 3, 1, 3);
        break;
    case 8 + 5:
        FN(dw_weight_taps)(w, 5, 1, 2);
        break;
    case 8 + 7:
        FN(dw_weight_taps)(w, 7, 1, MNAS_LEAF_LANES == 16 ? 2 : 1);
        break;
    case 16 + 3:
        FN(dw_weight_taps)(w, 3, 2, 3);
        break;
    case 16 + 5:
        FN(dw_weight_taps)(w, 5, 2, 2);
        break;
    case 16 + 7:
        FN(dw_weight_taps)(w, 7, 2, MNAS_LEAF_LANES == 16 ? 2 : 1);
        break;
    default:
        FN(dw_weight_any)(w);
        break;
    }
}

#undef V
#undef FN
