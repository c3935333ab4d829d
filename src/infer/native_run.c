/* native_run.c - one step of the built-in engine: cuts its work into tiles (kernels/tile.h), which do all arithmetic.
 *
 * A depthwise convolution takes the 1x1 expansion in front of it along: a few blocks of channels at a time, row by row, so that
 * the expanded map, the largest there is, exists as a ring of `kernel` rows that stays in the nearest cache.
 */
#include "infer/native.h"

#include <string.h>

/* Floats of one block of a map. */
static size_t block_floats(const mnas_native *net, mnas_shape s) {
    return (size_t)s.h * (size_t)s.w * net->tile->lanes;
}

/* ---------------------------------------------------------------------------------- products */

/* A call for blocks [block, block + group) of the product; where from and where to is the caller's. */
static mnas_tile_conv tile_of(const mnas_native *net, const mnas_native_product *p, int block, int group) {
    const size_t lanes = net->tile->lanes;
    return (mnas_tile_conv){.n_blocks = group,
                            .weight =
                                mnas_native_at(net, p->weight) + (size_t)block * lanes * (size_t)p->n_inputs,
                            .bias = mnas_native_at(net, p->bias) + (size_t)block * lanes,
                            .low = p->low,
                            .high = p->high};
}

/* Runs the tile; what bounds cannot say, the activation, follows while the results are near. */
static void finish_tile(const mnas_native *net, const mnas_native_product *p, mnas_tile_conv *c) {
    const float *residual = c->residual;
    if (p->act) c->residual = NULL;
    net->tile->conv(c);
    if (!p->act) return;
    for (int b = 0; b < c->n_blocks; b++) {
        const size_t at = (size_t)b * c->block;
        net->tile->activate(p->act, c->dst + at, (size_t)c->n_pixels * net->tile->lanes,
                            residual ? residual + at : NULL);
    }
}

/* [c] to [n_outputs], both in whole blocks: a product for one pixel. */
static void run_vector(const mnas_native *net, const mnas_native_product *p, const float *src, float *dst) {
    const size_t lanes = net->tile->lanes;
    const mnas_tile_segment all = {0, p->n_inputs};
    for (int block = 0, group; block < p->n_blocks; block += group) {
        group = mnas_native_group(p->n_blocks - block);
        mnas_tile_conv c = tile_of(net, p, block, group);
        c.src = src;
        c.segment = &all;
        c.n_segments = c.n_pixels = 1;
        c.dst = dst + (size_t)block * lanes;
        c.block = lanes;
        finish_tile(net, p, &c);
    }
}

/* The block's pixels times what squeeze-and-excitation found. */
static void scale_source(const mnas_native *net, const mnas_native_step *s) {
    const size_t floats = block_floats(net, s->in), lanes = net->tile->lanes;
    float *src = mnas_native_at(net, s->src);
    const float *factors = mnas_native_at(net, s->factors);
    for (int b = 0; b < mnas_native_blocks(net, s->in.c); b++)
        net->tile->scale(src + (size_t)b * floats, factors + (size_t)b * lanes, floats / lanes,
                         src + (size_t)b * floats);
}

void mnas_native_run_pointwise(const mnas_native *net, const mnas_native_step *s) {
    const size_t floats = block_floats(net, s->out);
    if (s->factors != MNAS_NATIVE_NONE) scale_source(net, s);
    for (int block = 0, group; block < s->product.n_blocks; block += group) {
        group = mnas_native_group(s->product.n_blocks - block);
        mnas_tile_conv c = tile_of(net, &s->product, block, group);
        c.src = mnas_native_at(net, s->src);
        c.pixel = net->tile->lanes;
        c.segment = s->segments;
        c.n_segments = s->n_segments;
        c.n_pixels = s->out.h * s->out.w;
        c.dst = mnas_native_at(net, s->dst) + (size_t)block * floats;
        c.block = floats;
        if (s->src2 != MNAS_NATIVE_NONE) c.residual = mnas_native_at(net, s->src2) + (size_t)block * floats;
        finish_tile(net, &s->product, &c);
    }
}

/* ---------------------------------------------------------------------------------- rows with padding */

/* The last rows of some blocks of an input: row y is row y % rows of [block, row, column, pixel], behind `left` columns of
 * zeros; `next` is the first that is not there yet. Behind the rows of a block a row of zeros stands for those outside. */
typedef struct ring {
    float *data;
    int rows, next;
    size_t left, row, block, pixel; /* floats; of what stands at the left, of a row, a block, a pixel */
} ring;

static ring ring_of(const mnas_native *net, const mnas_native_step *s, int n_blocks) {
    const size_t pixel = s->from_image ? (size_t)s->in.c : net->tile->lanes;
    ring r = {.data = mnas_native_at(net, s->ring), .rows = s->ring_rows, .pixel = pixel};
    r.left = (size_t)s->left * pixel;
    r.row = (size_t)s->ring_columns * pixel;
    r.block = r.row * (size_t)(r.rows + 1);
    for (int i = 0; i < n_blocks * (r.rows + 1); i++) {
        float *row = r.data + (size_t)i * r.row;
        const size_t used = i % (r.rows + 1) < r.rows ? (size_t)s->in.w * pixel : 0;
        memset(row, 0, r.left * sizeof *row);
        memset(row + r.left + used, 0, (r.row - r.left - used) * sizeof *row);
    }
    return r;
}

static float *ring_row(const ring *r, int block, int y, int height) {
    const int slot = y < 0 || y >= height ? r->rows : y % r->rows;
    return r->data + (size_t)block * r->block + (size_t)slot * r->row;
}

static void copy_row(const mnas_native *net, const mnas_native_step *s, const ring *r, int block,
                     int n_blocks, int y) {
    const size_t floats = (size_t)s->in.w * r->pixel, blocks = (size_t)s->in.h * floats;
    const float *src = mnas_native_at(net, s->src) + (size_t)block * blocks + (size_t)y * floats;
    for (int b = 0; b < n_blocks; b++)
        memcpy(ring_row(r, b, y, s->in.h) + r->left, src + (size_t)b * blocks, floats * sizeof *src);
}

static void expand_row(const mnas_native *net, const mnas_native_step *s, const ring *r, int block,
                       int n_blocks, int y) {
    mnas_tile_conv c = tile_of(net, &s->product, block, n_blocks);
    c.src = mnas_native_at(net, s->src) + (size_t)y * (size_t)s->in.w * r->pixel;
    c.pixel = r->pixel;
    c.segment = s->segments;
    c.n_segments = s->n_segments;
    c.n_pixels = s->in.w;
    c.dst = ring_row(r, 0, y, s->in.h) + r->left;
    c.block = r->block;
    finish_tile(net, &s->product, &c);
}

/* Rows of the input that output row y sees and that are not there yet. */
static void feed(const mnas_native *net, const mnas_native_step *s, ring *r, int block, int n_blocks, int y) {
    const int first = y * s->stride - s->top, end = first + s->kernel < s->in.h ? first + s->kernel : s->in.h;
    if (r->next < first) r->next = first;
    for (; r->next < end; r->next++) {
        if (s->product.n_outputs > 0 && s->run == mnas_native_run_depthwise)
            expand_row(net, s, r, block, n_blocks, r->next);
        else
            copy_row(net, s, r, block, n_blocks, r->next);
    }
}

/* ---------------------------------------------------------------------------------- k x k convolution */

/* Where the taps of output row y stand, in the order of the weights: the image has a row of taps in one piece, other maps
 * each tap of each block. */
static void find_segments(const mnas_native *net, const mnas_native_step *s, const ring *r, int y) {
    const int lanes = (int)net->tile->lanes, first = y * s->stride - s->top;
    mnas_tile_segment *to = s->segments;
    if (s->from_image) {
        for (int v = 0; v < s->kernel; v++)
            *to++ = (mnas_tile_segment){ring_row(r, 0, first + v, s->in.h) - r->data, s->kernel * s->in.c};
        return;
    }
    for (int c = 0; c < s->in.c; c += lanes)
        for (int v = 0; v < s->kernel; v++)
            for (int h = 0; h < s->kernel; h++)
                *to++ = (mnas_tile_segment){ring_row(r, c / lanes, first + v, s->in.h) - r->data + h * lanes,
                                            s->in.c - c < lanes ? s->in.c - c : lanes};
}

void mnas_native_run_window(const mnas_native *net, const mnas_native_step *s) {
    const size_t floats = block_floats(net, s->out), row = (size_t)s->out.w * net->tile->lanes;
    const int n_blocks = s->from_image ? 1 : mnas_native_blocks(net, s->in.c);
    ring r = ring_of(net, s, n_blocks);
    for (int y = 0; y < s->out.h; y++) {
        feed(net, s, &r, 0, n_blocks, y);
        find_segments(net, s, &r, y);
        for (int block = 0, group; block < s->product.n_blocks; block += group) {
            group = mnas_native_group(s->product.n_blocks - block);
            const size_t at = (size_t)block * floats + (size_t)y * row;
            mnas_tile_conv c = tile_of(net, &s->product, block, group);
            c.src = r.data;
            c.pixel = (size_t)s->stride * r.pixel;
            c.segment = s->segments;
            c.n_segments = s->n_segments;
            c.n_pixels = s->out.w;
            c.dst = mnas_native_at(net, s->dst) + at;
            c.block = floats;
            if (s->src2 != MNAS_NATIVE_NONE) c.residual = mnas_native_at(net, s->src2) + at;
            finish_tile(net, &s->product, &c);
        }
    }
}

/* ---------------------------------------------------------------------------------- depthwise */

static void depthwise_row(const mnas_native *net, const mnas_native_step *s, const ring *r, int block, int b,
                          int y) {
    const size_t lanes = net->tile->lanes;
    const mnas_native_product *p = &s->second;
    const float *taps = mnas_native_at(net, p->weight) + (size_t)(block + b) * (size_t)p->n_inputs * lanes;
    mnas_tile_dw d = {
        .kernel = s->kernel, .stride = s->stride, .n_pixels = s->out.w, .low = p->low, .high = p->high};
    for (int v = 0; v < s->kernel; v++) {
        const int from = y * s->stride - s->top + v;
        if (from < 0 || from >= s->in.h) continue;
        d.src[d.n_rows] = ring_row(r, b, from, s->in.h);
        d.weight[d.n_rows++] = taps + (size_t)(v * s->kernel) * lanes;
    }
    float *sum =
        s->sums == MNAS_NATIVE_NONE ? NULL : mnas_native_at(net, s->sums) + (size_t)(block + b) * lanes;
    d.bias = mnas_native_at(net, p->bias) + (size_t)(block + b) * lanes;
    d.dst = mnas_native_at(net, s->dst) + (size_t)(block + b) * block_floats(net, s->out) +
            (size_t)y * (size_t)s->out.w * lanes;
    d.sum = p->act ? NULL : sum;
    net->tile->dw(&d);
    if (!p->act) return;
    net->tile->activate(p->act, d.dst, (size_t)s->out.w * lanes, NULL);
    if (sum) net->tile->sum(d.dst, (size_t)s->out.w, sum);
}

void mnas_native_run_depthwise(const mnas_native *net, const mnas_native_step *s) {
    const int n_blocks = s->second.n_blocks;
    ring r = ring_of(net, s, n_blocks < MNAS_TILE_MAX_BLOCKS ? n_blocks : MNAS_TILE_MAX_BLOCKS);
    if (s->sums != MNAS_NATIVE_NONE)
        memset(mnas_native_at(net, s->sums), 0, (size_t)n_blocks * net->tile->lanes * sizeof(float));
    for (int block = 0, group; block < n_blocks; block += group) {
        group = mnas_native_group(n_blocks - block);
        r.next = 0;
        for (int y = 0; y < s->out.h; y++) {
            feed(net, s, &r, block, group, y);
            for (int b = 0; b < group; b++) depthwise_row(net, s, &r, block, b, y);
        }
    }
}

/* ---------------------------------------------------------------------------------- the rest */

/* The mean of each channel over the map; sums may hold what was added up in passing. */
static void mean(const mnas_native *net, const mnas_native_step *s, bool added_up, float *sums) {
    const size_t floats = block_floats(net, s->in), lanes = net->tile->lanes;
    const size_t n = (size_t)mnas_native_blocks(net, s->in.c) * lanes;
    const float share = 1.0F / (float)(s->in.h * s->in.w);
    if (!added_up) {
        const float *src = mnas_native_at(net, s->src);
        memset(sums, 0, n * sizeof *sums);
        for (size_t c = 0; c < n; c += lanes)
            net->tile->sum(src + c / lanes * floats, floats / lanes, sums + c);
    }
    for (size_t c = 0; c < n; c++) sums[c] *= share;
}

void mnas_native_run_gap(const mnas_native *net, const mnas_native_step *s) {
    mean(net, s, false, mnas_native_at(net, s->dst));
}

/* Without a destination the factors alone are wanted: who reads the map applies them. */
void mnas_native_run_se(const mnas_native *net, const mnas_native_step *s) {
    const size_t floats = block_floats(net, s->in), lanes = net->tile->lanes;
    float *sums = mnas_native_at(net, s->sums), *factors = mnas_native_at(net, s->factors);
    float *reduced = mnas_native_at(net, s->ring);
    mean(net, s, s->src == MNAS_NATIVE_NONE, sums);
    run_vector(net, &s->product, sums, reduced);
    run_vector(net, &s->second, reduced, factors);
    if (s->dst == MNAS_NATIVE_NONE) return;
    for (int b = 0; b < mnas_native_blocks(net, s->in.c); b++)
        net->tile->scale(mnas_native_at(net, s->src) + (size_t)b * floats, factors + (size_t)b * lanes,
                         floats / lanes, mnas_native_at(net, s->dst) + (size_t)b * floats);
}

/* [*begin, *end): the part inside [0, size) of a window of `kernel` that begins at *begin. */
static void clip(int *begin, int *end, int kernel, int size) {
    *end = *begin + kernel < size ? *begin + kernel : size;
    if (*begin < 0) *begin = 0;
}

static void pool(const mnas_native *net, const mnas_native_step *s, bool max) {
    const size_t lanes = net->tile->lanes, row = (size_t)s->in.w * lanes;
    float *dst = mnas_native_at(net, s->dst);
    for (int b = 0; b < mnas_native_blocks(net, s->in.c); b++) {
        const float *src = mnas_native_at(net, s->src) + (size_t)b * block_floats(net, s->in);
        for (int i = 0; i < s->out.h * s->out.w; i++, dst += lanes) {
            int y = i / s->out.w * s->stride - s->top, x = i % s->out.w * s->stride - s->left, y_end, x_end;
            clip(&y, &y_end, s->kernel, s->in.h);
            clip(&x, &x_end, s->kernel, s->in.w);
            net->tile->pool(&(mnas_tile_pool){max, src + (size_t)y * row + (size_t)x * lanes, row, y_end - y,
                                              x_end - x, dst});
        }
    }
}

void mnas_native_run_avgpool(const mnas_native *net, const mnas_native_step *s) {
    pool(net, s, false);
}

void mnas_native_run_maxpool(const mnas_native *net, const mnas_native_step *s) {
    pool(net, s, true);
}

static size_t map_floats(const mnas_native *net, mnas_shape s) {
    return (size_t)mnas_native_blocks(net, s.c) * block_floats(net, s);
}

void mnas_native_run_add(const mnas_native *net, const mnas_native_step *s) {
    net->isa->add(mnas_native_at(net, s->src), mnas_native_at(net, s->src2), map_floats(net, s->out),
                  mnas_native_at(net, s->dst));
}

/* sigmoid leaves 1/2 where channels are missing: nobody reads them but as factors of zeros. */
void mnas_native_run_act(const mnas_native *net, const mnas_native_step *s) {
    const size_t n = map_floats(net, s->out);
    float *dst = mnas_native_at(net, s->dst);
    memcpy(dst, mnas_native_at(net, s->src), n * sizeof *dst);
    net->tile->activate(s->act, dst, n, NULL);
}

void mnas_native_run_to_blocks(const mnas_native *net, const mnas_native_step *s) {
    const int lanes = (int)net->tile->lanes, pixels = s->in.h * s->in.w;
    const float *src = mnas_native_at(net, s->src);
    float *dst = mnas_native_at(net, s->dst);
    for (int first = 0; first < s->in.c; first += lanes)
        for (int i = 0; i < pixels; i++)
            for (int c = first; c < first + lanes; c++) *dst++ = c < s->in.c ? src[i * s->in.c + c] : 0;
}

void mnas_native_run_from_blocks(const mnas_native *net, const mnas_native_step *s) {
    const int lanes = (int)net->tile->lanes, pixels = s->in.h * s->in.w;
    const float *src = mnas_native_at(net, s->src);
    float *dst = mnas_native_at(net, s->dst);
    for (int i = 0; i < pixels; i++)
        for (int c = 0; c < s->in.c; c++) *dst++ = src[(c / lanes * pixels + i) * lanes + c % lanes];
}
