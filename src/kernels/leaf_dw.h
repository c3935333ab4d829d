/* leaf_dw.h - depthwise loops over WIDTH channels; included by leaf_all.h once for each width. See isa.h for
 * the formulas.
 *
 * Where every tap of a pixel lies inside the row, accumulators of several pixels (forward) or of a row of
 * taps (weight gradient) stay in registers; the pixels at the two edges take only the taps that exist, which
 * on small maps saves more than padding would cost.
 */
#define V     LEAF_CAT(vec, WIDTH)
#define FN(x) LEAF_CAT(x##_, WIDTH)

LEAF_INLINE V FN(load)(const float *p) {
    return *(const V *)p;
}
LEAF_INLINE void FN(store)(float *p, V x) {
    *(V *)p = x;
}

/* n_pixels destination pixels from t on, all of whose taps exist. n_h, n_pixels are constants after inlining.
 */
LEAF_INLINE void FN(dw_tile)(const mnas_dw_row *r, size_t c, int t, const int n_h, const int n_pixels) {
    const ptrdiff_t pixel = (ptrdiff_t)r->channels, step = pixel * r->src_step;
    const ptrdiff_t first = pixel * ((ptrdiff_t)t * r->src_step + r->src_off) + (ptrdiff_t)c;
    V sum[8];
    for (int i = 0; i < n_pixels; i++) sum[i] = (V){0};
    for (int v = 0; v < r->n_v; v++) {
        const float *src = r->src[v] + first, *weight = r->weight[v] + c;
#pragma GCC unroll 8
        for (int h = 0; h < n_h; h++) {
            const V w = FN(load)(weight + h * pixel);
#pragma GCC unroll 8
            for (int i = 0; i < n_pixels; i++) sum[i] += w * FN(load)(src + i * step + h * pixel);
        }
    }
    float *dst = r->dst + (ptrdiff_t)t * r->dst_step * pixel + (ptrdiff_t)c;
#pragma GCC unroll 8
    for (int i = 0; i < n_pixels; i++) FN(store)(dst + (ptrdiff_t)i * r->dst_step * pixel, sum[i]);
}

/* One pixel at an edge. Two sums, for shorter chains. */
LEAF_INLINE void FN(dw_edge)(const mnas_dw_row *r, size_t c, int t) {
    const ptrdiff_t pixel = (ptrdiff_t)r->channels;
    const int col = t * r->src_step + r->src_off;
    const int begin = col < 0 ? -col : 0, end = col + r->n_h > r->src_cols ? r->src_cols - col : r->n_h;
    V even = {0}, odd = {0};
    for (int v = 0; v < r->n_v; v++) {
        const float *src = r->src[v] + col * pixel + (ptrdiff_t)c, *weight = r->weight[v] + c;
        int h = begin;
        for (; h + 1 < end; h += 2) {
            even += FN(load)(weight + h * pixel) * FN(load)(src + h * pixel);
            odd += FN(load)(weight + (h + 1) * pixel) * FN(load)(src + (h + 1) * pixel);
        }
        if (h < end) even += FN(load)(weight + h * pixel) * FN(load)(src + h * pixel);
    }
    FN(store)(r->dst + (ptrdiff_t)t * r->dst_step * pixel + (ptrdiff_t)c, even + odd);
}

LEAF_INLINE void FN(dw_inside)(const mnas_dw_row *r, size_t c, int t, int end, const int n_h) {
    for (; t + 8 <= end; t += 8) FN(dw_tile)(r, c, t, n_h, 8);
    if (t + 4 <= end) FN(dw_tile)(r, c, t, n_h, 4), t += 4;
    if (t + 2 <= end) FN(dw_tile)(r, c, t, n_h, 2), t += 2;
    if (t < end) FN(dw_tile)(r, c, t, n_h, 1);
}

static void FN(dw_row)(const mnas_dw_row *r, size_t c) {
    int t = 0, end = 0;
    const int last = r->src_cols - r->n_h - r->src_off; /* largest t * src_step with all taps inside */
    if (last >= 0) end = last / r->src_step + 1;
    if (end > r->n_out) end = r->n_out;
    for (; t < r->n_out && t * r->src_step + r->src_off < 0; t++) FN(dw_edge)(r, c, t);
    if (t < end) {
        switch (r->n_h) {
        case 1:
            FN(dw_inside)(r, c, t, end, 1);
            break;
        case 2:
            FN(dw_inside)(r, c, t, end, 2);
            break;
        case 3:
            FN(dw_inside)(r, c, t, end, 3);
            break;
        case 4:
            FN(dw_inside)(r, c, t, end, 4);
            break;
        case 5:
            FN(dw_inside)(r, c, t, end, 5);
            break;
        default:
            FN(dw_inside)(r, c, t, end, r->n_h);
            break;
        }
        t = end;
    }
    for (; t < r->n_out; t++) FN(dw_edge)(r, c, t);
}

/* Taps j of one row of taps, all output pixels [x, x_end) of a row with every tap inside; `unroll` pixels at
 * a time keep enough independent sums in flight. */
LEAF_INLINE void FN(dw_weight_inside)(const float *src, const float *ddst, int n, ptrdiff_t src_step,
                                      ptrdiff_t pixel, V *sum, const int kernel, const int unroll) {
    V part[12];
    for (int i = 0; i < kernel * unroll; i++) part[i] = (V){0};
    int x = 0;
    for (; x + unroll <= n; x += unroll) {
#pragma GCC unroll 4
        for (int u = 0; u < unroll; u++) {
            const V g = FN(load)(ddst + (x + u) * pixel);
            const float *s = src + (x + u) * src_step;
#pragma GCC unroll 8
            for (int j = 0; j < kernel; j++) part[u * kernel + j] += g * FN(load)(s + j * pixel);
        }
    }
    for (; x < n; x++)
        for (int j = 0; j < kernel; j++)
            part[j] += FN(load)(ddst + x * pixel) * FN(load)(src + x * src_step + j * pixel);
    for (int i = 0; i < kernel * unroll; i++) sum[i % kernel] += part[i];
}

LEAF_INLINE void FN(dw_weight_edge)(const float *src, V g, int col, int cols, ptrdiff_t pixel, V *sum,
                                    const int kernel) {
#pragma GCC unroll 8
    for (int j = 0; j < kernel; j++)
        if (col + j >= 0 && col + j < cols) sum[j] += g * FN(load)(src + j * pixel);
}

/* Row i of the taps against one row of src and ddst. */
LEAF_INLINE void FN(dw_weight_row)(const mnas_dw_weight *w, const float *src, const float *ddst, V *sum,
                                   const int kernel) {
    const ptrdiff_t pixel = (ptrdiff_t)w->channels;
    const int last = w->in_w - kernel + w->pad_left; /* largest x * stride with all taps inside */
    int x = 0, end = last >= 0 ? last / w->stride + 1 : 0;
    if (end > w->out_w) end = w->out_w;
    const int unroll = kernel <= 3 ? 3 : kernel <= 5 ? 2 : 1;
    for (; x < w->out_w && x * w->stride < w->pad_left; x++) {
        const int col = x * w->stride - w->pad_left;
        FN(dw_weight_edge)(src + col * pixel, FN(load)(ddst + x * pixel), col, w->in_w, pixel, sum, kernel);
    }
    if (x < end) {
        FN(dw_weight_inside)
        (src + (x * w->stride - w->pad_left) * pixel, ddst + x * pixel, end - x, w->stride * pixel, pixel,
         sum, kernel, unroll);
        x = end;
    }
    for (; x < w->out_w; x++) {
        const int col = x * w->stride - w->pad_left;
        FN(dw_weight_edge)(src + col * pixel, FN(load)(ddst + x * pixel), col, w->in_w, pixel, sum, kernel);
    }
}

LEAF_INLINE void FN(dw_weight_taps)(const mnas_dw_weight *w, size_t c, const int kernel) {
    const ptrdiff_t pixel = (ptrdiff_t)w->channels;
    for (int i = 0; i < kernel; i++) {
        V sum[MNAS_DW_MAX_KERNEL];
        for (int j = 0; j < kernel; j++) sum[j] = (V){0};
        for (int n = 0; n < w->n; n++) {
            for (int y = w->row_begin; y < w->row_end; y++) {
                const int row = y * w->stride - w->pad_top + i;
                if (row < 0 || row >= w->in_h) continue;
                FN(dw_weight_row)
                (w, w->src + ((ptrdiff_t)n * w->in_h + row) * w->in_w * pixel + (ptrdiff_t)c,
                 w->ddst + ((ptrdiff_t)n * w->out_h + y) * w->out_w * pixel + (ptrdiff_t)c, sum, kernel);
            }
        }
        float *out = w->sum + (ptrdiff_t)(i * kernel) * pixel + (ptrdiff_t)c;
        for (int j = 0; j < kernel; j++) FN(store)(out + j * pixel, FN(load)(out + j * pixel) + sum[j]);
    }
}

static void FN(dw_weight)(const mnas_dw_weight *w, size_t c) {
    switch (w->kernel) {
    case 3:
        FN(dw_weight_taps)(w, c, 3);
        break;
    case 5:
        FN(dw_weight_taps)(w, c, 5);
        break;
    case 7:
        FN(dw_weight_taps)(w, c, 7);
        break;
    default:
        FN(dw_weight_taps)(w, c, w->kernel);
        break;
    }
}

#undef V
#undef FN
