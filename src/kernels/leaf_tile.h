/* leaf_tile.h - the loops of tile.h for one instruction set; included once by each tile_*.c, which defines MNAS_LEAF_ISA (its
 * name) and MNAS_LEAF_LANES. No function is visible outside: only the record.
 *
 * Sizes of tiles, taps and strides are constants after inlining, so that sums and what several of them are multiplied with are
 * registers. A multiply-add takes 4 cycles and two begin in each: a tile needs 8 sums at least to keep up.
 */
#include "kernels/leaf_types.h"

#define WIDTH MNAS_LEAF_LANES
#include "kernels/leaf_vec.h"
#include "kernels/leaf_act.h"
#undef WIDTH
#define load      LEAF_CAT(load_, MNAS_LEAF_LANES)
#define store     LEAF_CAT(store_, MNAS_LEAF_LANES)
#define clamped   LEAF_CAT(clamped_, MNAS_LEAF_LANES)
#define activated LEAF_CAT(activated_, MNAS_LEAF_LANES)
#define sigmoid   LEAF_CAT(sigmoid_, MNAS_LEAF_LANES)

/* 7 x 3 sums, 3 weights and a pixel leave a few of 32 registers; 4 x 3 take all 16. Maps of 224 >> n pixels are whole
 * tiles of 7. */
enum { LANES = MNAS_LEAF_LANES, VECTOR_AHEAD = 64 };
#if MNAS_LEAF_LANES == 16 || defined(__aarch64__)
enum { TILE = 7 };
#else
enum { TILE = 4 };
#endif

/* ---------------------------------------------------------------------------------- convolution */

LEAF_INLINE void conv_tile(const mnas_tile_conv *c, int at, const float *ahead, const int n_pixels,
                           const int n_blocks) {
    vec sum[TILE][MNAS_TILE_MAX_BLOCKS];
#pragma GCC unroll 8
    for (int p = 0; p < n_pixels; p++)
        for (int b = 0; b < n_blocks; b++) sum[p][b] = load(c->bias + b * LANES);
    const float *weight = c->weight, *tile = c->src + (size_t)at * c->pixel;
    for (int s = 0; s < c->n_segments; s++) {
        const float *src = tile + c->segment[s].at, *end = src + c->segment[s].length;
        for (; src < end; src++, weight += n_blocks * LANES) {
            vec w[MNAS_TILE_MAX_BLOCKS];
            if (n_pixels == 1) { /* a vector's product is nothing but reading weights */
                for (int b = 0; b < n_blocks; b++)
                    __builtin_prefetch(weight + (VECTOR_AHEAD * n_blocks + b) * LANES);
            } else {
                __builtin_prefetch(ahead, 0, 2);
                ahead += MNAS_TILE_LINE_FLOATS;
            }
            for (int b = 0; b < n_blocks; b++) w[b] = load(weight + b * LANES);
#pragma GCC unroll 8
            for (int p = 0; p < n_pixels; p++)
                for (int b = 0; b < n_blocks; b++) sum[p][b] += w[b] * src[(size_t)p * c->pixel];
        }
    }
    const vec low = (vec){0} + c->low, high = (vec){0} + c->high;
#pragma GCC unroll 8
    for (int p = 0; p < n_pixels; p++)
        for (int b = 0; b < n_blocks; b++) {
            const size_t to = (size_t)b * c->block + (size_t)(at + p) * LANES;
            vec y = clamped(sum[p][b], low, high);
            if (c->residual) y += load(c->residual + to);
            store(c->dst + to, y);
        }
}

/* What a tile asks for ahead; what it reads itself, which costs nothing, where all is asked for. */
LEAF_INLINE const float *ask_ahead(const mnas_tile_conv *c, int at) {
    const size_t asked = (size_t)(at / TILE) * c->n_inputs * MNAS_TILE_LINE_FLOATS;
    return asked < c->ahead_floats ? c->ahead + asked : c->weight;
}

LEAF_INLINE void conv_blocks(const mnas_tile_conv *c, const int n_blocks) {
    int at = 0;
    for (; at + TILE <= c->n_pixels; at += TILE) conv_tile(c, at, ask_ahead(c, at), TILE, n_blocks);
    const float *ahead = ask_ahead(c, at);
    switch (c->n_pixels - at) {
#if MNAS_LEAF_LANES == 16 || defined(__aarch64__)
    case 6:
        conv_tile(c, at, ahead, 6, n_blocks);
        break;
    case 5:
        conv_tile(c, at, ahead, 5, n_blocks);
        break;
    case 4:
        conv_tile(c, at, ahead, 4, n_blocks);
        break;
#endif
    case 3:
        conv_tile(c, at, ahead, 3, n_blocks);
        break;
    case 2:
        conv_tile(c, at, ahead, 2, n_blocks);
        break;
    case 1:
        conv_tile(c, at, ahead, 1, n_blocks);
        break;
    default:
        break;
    }
}

static void conv_1(const mnas_tile_conv *c) {
    conv_blocks(c, 1);
}
static void conv_2(const mnas_tile_conv *c) {
    conv_blocks(c, 2);
}
static void conv_3(const mnas_tile_conv *c) {
    conv_blocks(c, 3);
}

static void conv(const mnas_tile_conv *c) {
    static void (*const by_blocks[])(const mnas_tile_conv *) = {conv_1, conv_2, conv_3};
    by_blocks[c->n_blocks - 1](c);
}

/* ---------------------------------------------------------------------------------- depthwise */

/* x is loaded here, once: the compiler would rather load it again for each multiplication. */
#if defined(__x86_64__) && MNAS_LEAF_LANES == 16
#define HOLD(x) __asm__("" : "+v"(x))
#elif defined(__x86_64__) && MNAS_LEAF_LANES > 1
#define HOLD(x) __asm__("" : "+x"(x))
#else
#define HOLD(x)
#endif

/* What a tile adds up: each pixel of a row is loaded once for all taps that meet it. */
LEAF_INLINE void dw_sums(const mnas_tile_dw *d, size_t b, int at, vec *sum, const int kernel,
                         const int stride, const int n_pixels) {
    const vec bias = load(d->bias + b * LANES);
#pragma GCC unroll 8
    for (int p = 0; p < n_pixels; p++) sum[p] = bias;
    for (int v = 0; v < d->n_rows; v++) {
        const float *src = d->src[v] + b * d->src_block + (ptrdiff_t)at * stride * LANES;
        const float *taps = d->weight[v] + b * d->weight_block;
        vec weight[MNAS_DW_MAX_KERNEL];
#pragma GCC unroll 8
        for (int h = 0; h < kernel; h++) {
            weight[h] = load(taps + h * LANES);
            HOLD(weight[h]);
        }
#pragma GCC unroll 32
        for (int x = 0; x < (n_pixels - 1) * stride + kernel; x++) {
            vec pixel = load(src + x * LANES);
            HOLD(pixel);
#pragma GCC unroll 8
            for (int h = 0; h < kernel; h++)
                if (x >= h && (x - h) % stride == 0 && (x - h) / stride < n_pixels)
                    sum[(x - h) / stride] += weight[h] * pixel;
        }
    }
}

LEAF_INLINE vec dw_tile(const mnas_tile_dw *d, size_t b, int at, const int kernel, const int stride,
                        const int n_pixels) {
    const vec low = (vec){0} + d->low, high = (vec){0} + d->high;
    float *dst = d->dst + b * d->dst_block + (size_t)at * LANES;
    vec sum[8], total = {0};
    dw_sums(d, b, at, sum, kernel, stride, n_pixels);
#pragma GCC unroll 8
    for (int p = 0; p < n_pixels; p++) {
        sum[p] = clamped(sum[p], low, high);
        total += sum[p];
        store(dst + p * LANES, sum[p]);
    }
    return total;
}

/* The copy of the call: stores to floats could change the original for all that the compiler knows. */
LEAF_INLINE void dw_tiles(const mnas_tile_dw *call, const int kernel, const int stride) {
    const mnas_tile_dw d = *call;
    for (size_t b = 0; b < (size_t)d.n_blocks; b++) {
        vec total = {0};
        int p = 0;
        for (; p + 7 <= d.n_pixels; p += 7) total += dw_tile(&d, b, p, kernel, stride, 7);
        if (p + 4 <= d.n_pixels) total += dw_tile(&d, b, p, kernel, stride, 4), p += 4;
        if (p + 2 <= d.n_pixels) total += dw_tile(&d, b, p, kernel, stride, 2), p += 2;
        if (p < d.n_pixels) total += dw_tile(&d, b, p, kernel, stride, 1);
        if (d.sum) store(d.sum + b * LANES, load(d.sum + b * LANES) + total);
    }
}

/* One pixel of any kernel and stride. */
LEAF_INLINE vec dw_pixel(const mnas_tile_dw *d, size_t b, int p) {
    const vec low = (vec){0} + d->low, high = (vec){0} + d->high;
    vec sum = load(d->bias + b * LANES);
    for (int v = 0; v < d->n_rows; v++) {
        const float *src = d->src[v] + b * d->src_block + (ptrdiff_t)p * d->stride * LANES;
        const float *taps = d->weight[v] + b * d->weight_block;
        for (int h = 0; h < d->kernel; h++) sum += load(taps + h * LANES) * load(src + h * LANES);
    }
    return clamped(sum, low, high);
}

static void dw_any(const mnas_tile_dw *d) {
    for (size_t b = 0; b < (size_t)d->n_blocks; b++) {
        vec total = {0};
        for (int p = 0; p < d->n_pixels; p++) {
            const vec y = dw_pixel(d, b, p);
            total += y;
            store(d->dst + b * d->dst_block + (ptrdiff_t)p * LANES, y);
        }
        if (d->sum) store(d->sum + b * LANES, load(d->sum + b * LANES) + total);
    }
}

static void dw(const mnas_tile_dw *d) {
    switch (d->stride * 8 + d->kernel) {
    case 8 + 3:
        dw_tiles(d, 3, 1);
        break;
    case 8 + 5:
        dw_tiles(d, 5, 1);
        break;
    case 8 + 7:
        dw_tiles(d, 7, 1);
        break;
    case 16 + 3:
        dw_tiles(d, 3, 2);
        break;
    case 16 + 5:
        dw_tiles(d, 5, 2);
        break;
    case 16 + 7:
        dw_tiles(d, 7, 2);
        break;
    default:
        dw_any(d);
        break;
    }
}

/* ---------------------------------------------------------------------------------- the rest */

static void pool(const mnas_tile_pool *o) {
    const vec above = (vec){0} + __builtin_inff();
    vec sum = {0}, most = load(o->src);
    for (int y = 0; y < o->rows; y++)
        for (int x = 0; x < o->columns; x++) {
            const vec pixel = load(o->src + (size_t)y * o->row_floats + (size_t)x * LANES);
            sum += pixel;
            most = clamped(pixel, most, above);
        }
    if (!o->max) most = sum * (1.0F / (float)(o->rows * o->columns));
    store(o->dst, most);
}

LEAF_INLINE void activate_all(const mnas_act act, float *x, size_t n, const float *residual) {
    const vec low = (vec){0} + (act == MNAS_ACT_NONE ? -__builtin_inff() : 0.0F),
              high = (vec){0} + (act == MNAS_ACT_RELU6 ? 6.0F : __builtin_inff());
    for (size_t i = 0; i < n; i += LANES) {
        vec y = act == MNAS_ACT_SIGMOID ? sigmoid(load(x + i)) : activated(load(x + i), low, high, act);
        if (residual) y += load(residual + i);
        store(x + i, y);
    }
}

static void activate(mnas_act act, float *x, size_t n, const float *residual) {
    switch (act) {
    case MNAS_ACT_NONE:
        if (residual) activate_all(MNAS_ACT_NONE, x, n, residual);
        break;
    case MNAS_ACT_RELU:
        activate_all(MNAS_ACT_RELU, x, n, residual);
        break;
    case MNAS_ACT_RELU6:
        activate_all(MNAS_ACT_RELU6, x, n, residual);
        break;
    case MNAS_ACT_SWISH:
        activate_all(MNAS_ACT_SWISH, x, n, residual);
        break;
    case MNAS_ACT_HSWISH:
        activate_all(MNAS_ACT_HSWISH, x, n, residual);
        break;
    case MNAS_ACT_SIGMOID:
        activate_all(MNAS_ACT_SIGMOID, x, n, residual);
        break;
    }
}

static void scale(const float *src, const float *factor, size_t n_pixels, float *dst) {
    const vec f = load(factor);
    for (size_t i = 0; i < n_pixels * LANES; i += LANES) store(dst + i, load(src + i) * f);
}

static void sum_pixels(const float *src, size_t n_pixels, float *sum) {
    vec total[4];
    size_t i = 0;
    for (int j = 0; j < 4; j++) total[j] = (vec){0};
    for (; i + 4 <= n_pixels; i += 4)
        for (size_t j = 0; j < 4; j++) total[j] += load(src + (i + j) * LANES);
    for (; i < n_pixels; i++) total[0] += load(src + i * LANES);
    store(sum, load(sum) + ((total[0] + total[1]) + (total[2] + total[3])));
}

const mnas_tile_isa LEAF_CAT(mnas_tile_, MNAS_LEAF_ISA) = {
    LEAF_TEXT(MNAS_LEAF_ISA), MNAS_LEAF_LANES, TILE, conv, dw, pool, activate, scale, sum_pixels,
};
