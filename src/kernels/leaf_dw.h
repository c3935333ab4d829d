/* leaf_dw.h - depthwise loops over WIDTH channels; included by leaf_all.h once for each width. See isa.h for
 * the formulas.
 *
 * Taps and pixels of a tile are constants after inlining: weights of a tap row and the sums of the tile stay
 * in registers, and each pixel of the plane is loaded once for all taps that meet it.
 */
#define V     LEAF_CAT(vec, WIDTH)
#define FN(x) LEAF_CAT(x##_, WIDTH)

static void FN(dw_fill)(const mnas_dw_fill *f) {
    const size_t pixel = f->channels, row = (size_t)f->src_cols * pixel;
    float *to = f->plane;
    for (int n = 0; n < f->n; n++) {
        const float *from = f->src + (size_t)n * f->src_image + (size_t)f->first_row * row;
        for (int y = 0; y < f->rows; y++, from += row) {
            for (int x = 0; x < f->left; x++, to += WIDTH) FN(store)(to, (V){0});
            for (int x = 0; x < f->src_cols; x++, to += WIDTH)
                FN(store)(to, FN(load)(from + (size_t)x * pixel));
            for (int x = f->left + f->src_cols; x < f->cols; x++, to += WIDTH) FN(store)(to, (V){0});
        }
    }
}

/* n_pixels destination pixels from t on. n_h, step, n_pixels are constants after inlining. */
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
    const ptrdiff_t dst_step = (ptrdiff_t)r->channels * r->dst_step;
    float *dst = r->dst + image * r->dst_image + t * dst_step;
#pragma GCC unroll 8
    for (int i = 0; i < n_pixels; i++) FN(store)(dst + i * dst_step, sum[i]);
}

LEAF_INLINE void FN(dw_tiles)(const mnas_dw_row *r, const int n_h, const int step) {
    for (size_t n = 0; n < (size_t)r->n; n++) {
        int t = 0;
        for (; t + 8 <= r->n_out; t += 8) FN(dw_tile)(r, n, t, n_h, step, 8);
        if (t + 4 <= r->n_out) FN(dw_tile)(r, n, t, n_h, step, 4), t += 4;
        if (t + 2 <= r->n_out) FN(dw_tile)(r, n, t, n_h, step, 2), t += 2;
        if (t < r->n_out) FN(dw_tile)(r, n, t, n_h, step, 1);
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
            FN(store)(r->dst + n * r->dst_image + (size_t)(t * r->dst_step) * r->channels, sum);
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

/* One row of taps against one row: sum[j] += ddst[x] * src[x * stride + j]. Several pixels at a time with
 * sums of their own
 * (`part`) keep enough independent additions in flight. */
LEAF_INLINE void FN(dw_weight_row)(const float *src, const float *ddst, int n, ptrdiff_t pixel, V *part,
                                   const int kernel, const int stride, const int unroll) {
    int x = 0;
    for (; x + unroll <= n; x += unroll) {
#pragma GCC unroll 4
        for (int u = 0; u < unroll; u++) {
            const V g = FN(load)(ddst + (x + u) * pixel);
            const float *s = src + (x + u) * stride * WIDTH;
#pragma GCC unroll 8
            for (int j = 0; j < kernel; j++) part[u * kernel + j] += g * FN(load)(s + j * WIDTH);
        }
    }
    for (; x < n; x++) {
        const V g = FN(load)(ddst + x * pixel);
#pragma GCC unroll 8
        for (int j = 0; j < kernel; j++) part[j] += g * FN(load)(src + (x * stride + j) * WIDTH);
    }
}

LEAF_INLINE void FN(dw_weight_taps)(const mnas_dw_weight *w, const int kernel, const int stride,
                                    const int unroll) {
    const ptrdiff_t pixel = (ptrdiff_t)w->channels, plane_row = (ptrdiff_t)w->plane_cols * WIDTH;
    for (int i = 0; i < kernel; i++) {
        V part[12];
        for (int j = 0; j < kernel * unroll; j++) part[j] = (V){0};
        for (int n = 0; n < w->n; n++) {
            for (int y = w->row_begin; y < w->row_end; y++) {
                const int row = y * stride + i - w->top;
                if (row < 0 || row >= w->plane_rows) continue;
                FN(dw_weight_row)
                (w->plane + ((ptrdiff_t)n * w->plane_rows + row) * plane_row,
                 w->ddst + ((ptrdiff_t)n * w->out_h + y) * w->out_w * pixel, w->out_w, pixel, part, kernel,
                 stride, unroll);
            }
        }
        for (int j = 0; j < kernel; j++) {
            float *out = w->sum + (i * kernel + j) * WIDTH;
            V sum = FN(load)(out);
            for (int u = 0; u < unroll; u++) sum += part[u * kernel + j];
            FN(store)(out, sum);
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
        FN(dw_weight_taps)(w, 7, 1, 1);
        break;
    case 16 + 3:
        FN(dw_weight_taps)(w, 3, 2, 3);
        break;
    case 16 + 5:
        FN(dw_weight_taps)(w, 5, 2, 2);
        break;
    case 16 + 7:
        FN(dw_weight_taps)(w, 7, 2, 1);
        break;
    default:
        FN(dw_weight_taps)(w, w->kernel, w->stride, 1);
        break;
    }
}

#undef V
#undef FN
