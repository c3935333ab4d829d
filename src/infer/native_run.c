/* native_run.c - one step of the built-in engine: cuts its work into tiles (kernels/tile.h), which do all arithmetic.
 *
 * A depthwise convolution takes its neighbours along. The convolution in front makes a few blocks of channels at a time, row by
 * row, so that the expanded map, the largest there is, exists as a ring of `kernel` rows that stays in the nearest cache. Where
 * its own map is large, too, the 1x1 convolution behind takes it over in bands of rows.
 */
#include "infer/native.h"

#include <string.h>

#include "base/round.h"

/* Floats of one block of a map. */
static size_t block_floats(const mnas_native *net, mnas_shape s) {
    return (size_t)s.h * (size_t)s.w * net->tile->lanes;
}

static int min(int a, int b) {
    return a < b ? a : b;
}

/* ---------------------------------------------------------------------------------- products */

/* A call for blocks [block, block + group) of the product; where from and where to is the caller's. The weights of the next
 * group, or of the next step, lie behind those of this one. */
static mnas_tile_conv tile_of(const mnas_native *net, const mnas_native_product *p, int block, int group) {
    const size_t lanes = net->tile->lanes, column = lanes * (size_t)p->n_inputs;
    const float *weight = mnas_native_weights(net, p->weight) + (size_t)block * column;
    return (mnas_tile_conv){.n_blocks = group,
                            .n_inputs = (size_t)p->n_inputs,
                            .weight = weight,
                            .ahead = weight + (size_t)group * column,
                            .ahead_floats = (size_t)group * column,
                            .bias = mnas_native_weights(net, p->bias) + (size_t)block * lanes,
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

void mnas_native_scale_source(const mnas_native *net, const mnas_native_step *s) {
    if (s->factors == MNAS_NATIVE_NONE) return;
    const size_t floats = block_floats(net, s->in), lanes = net->tile->lanes;
    float *src = mnas_native_at(net, s->src);
    const float *factors = mnas_native_at(net, s->factors);
    for (int b = 0; b < mnas_native_blocks(net, s->in.c); b++, src += floats, factors += lanes)
        net->tile->scale(src, factors, floats / lanes, src);
}

/* A 1x1 convolution of pixels [first, first + n_pixels) of the map; src begins with them. */
static void run_points(const mnas_native *net, const mnas_native_step *s, const float *src, int first,
                       int n_pixels) {
    const size_t floats = block_floats(net, s->out), lanes = net->tile->lanes;
    for (int block = 0, group; block < s->product.n_blocks; block += group) {
        group = mnas_native_group(s->product.n_blocks - block);
        const size_t at = (size_t)block * floats + (size_t)first * lanes;
        mnas_tile_conv c = tile_of(net, &s->product, block, group);
        c.src = src;
        c.pixel = lanes;
        c.segment = s->segments;
        c.n_segments = s->n_segments;
        c.n_pixels = n_pixels;
        c.dst = mnas_native_at(net, s->dst) + at;
        c.block = floats;
        if (s->src2 != MNAS_NATIVE_NONE) c.residual = mnas_native_at(net, s->src2) + at;
        finish_tile(net, &s->product, &c);
    }
}

int mnas_native_run_pointwise(const mnas_native *net, const mnas_native_step *s) {
    mnas_native_scale_source(net, s);
    run_points(net, s, mnas_native_at(net, s->src), 0, s->out.h * s->out.w);
    return 0;
}

/* ---------------------------------------------------------------------------------- rows with padding */

/* The last rows of some blocks of an input: row y is row y % rows of [block, row, column, pixel], behind `left` floats of
 * zeros; `next` is the first that is not there yet. Behind the rows of a block a row of zeros stands for those outside. */
typedef struct ring {
    float *data;
    int rows, next;
    size_t left, row, block, pixel; /* floats; of what stands at the left, of a row, a block, a pixel */
} ring;

/* The ring in the step's buffer behind those of `first` other blocks. */
static ring ring_of(const mnas_native *net, const mnas_native_step *s, int first) {
    const size_t pixel = s->from_image ? (size_t)s->in.c : net->tile->lanes;
    ring r = {.rows = s->ring_rows, .pixel = pixel};
    r.left = (size_t)s->left * pixel;
    r.row = (size_t)s->ring_columns * pixel;
    r.block = r.row * (size_t)(r.rows + 1);
    r.data = mnas_native_at(net, s->ring) + (size_t)first * r.block;
    return r;
}

static void clear_padding(const mnas_native_step *s, const ring *r, int n_blocks) {
    for (int i = 0; i < n_blocks * (r->rows + 1); i++) {
        float *row = r->data + (size_t)i * r->row;
        const size_t used = i % (r->rows + 1) < r->rows ? (size_t)s->in.w * r->pixel : 0;
        memset(row, 0, r->left * sizeof *row);
        memset(row + r->left + used, 0, (r->row - r->left - used) * sizeof *row);
    }
}

static float *ring_row(const ring *r, int block, int y, int height) {
    const int slot = y < 0 || y >= height ? r->rows : y % r->rows;
    return r->data + (size_t)block * r->block + (size_t)slot * r->row;
}

/* Output rows up to y see the rows of the input in front of this one. */
static int end_row(const mnas_native_step *s, int y) {
    return min(y * s->stride - s->top + s->kernel, s->in.h);
}

static void skip_to(const mnas_native_step *s, ring *r, int y) {
    const int first = y * s->stride - s->top;
    if (r->next < first) r->next = first;
}

/* Where row y of blocks [block, block + group) is to be put. */
typedef struct place {
    int block, group, y;
    float *dst;
    size_t dst_block; /* floats from one block to the next */
} place;

static place next_place(const ring *r, int block, int group, int height) {
    return (place){block, group, r->next, ring_row(r, 0, r->next, height) + r->left, r->block};
}

static void copy_row(const mnas_native *net, const mnas_native_step *s, const place *to) {
    const size_t floats = (size_t)s->in.w * (s->from_image ? (size_t)s->in.c : net->tile->lanes);
    const float *src = mnas_native_at(net, s->src) + (size_t)(to->block * s->in.h + to->y) * floats;
    for (int b = 0; b < to->group; b++)
        memcpy(to->dst + (size_t)b * to->dst_block, src + (size_t)(b * s->in.h) * floats,
               floats * sizeof *src);
}

/* A row of a 1x1 convolution. Each row asks for a part of the weights that come next. */
static void point_row(const mnas_native *net, const mnas_native_step *s, const place *to) {
    const size_t lanes = net->tile->lanes, tiles = mnas_divide_up((size_t)s->out.w, net->tile->pixels);
    mnas_tile_conv c = tile_of(net, &s->product, to->block, to->group);
    const size_t asked = (size_t)to->y * tiles * c.n_inputs * MNAS_TILE_LINE_FLOATS;
    c.src = mnas_native_at(net, s->src) + (size_t)(to->y * s->in.w) * lanes;
    c.pixel = lanes;
    c.segment = s->segments;
    c.n_segments = s->n_segments;
    c.n_pixels = s->out.w;
    c.dst = to->dst;
    c.block = to->dst_block;
    c.ahead += asked;
    c.ahead_floats = asked < c.ahead_floats ? c.ahead_floats - asked : 0;
    finish_tile(net, &s->product, &c);
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
                                            min(s->in.c - c, lanes)};
}

static int source_blocks(const mnas_native *net, const mnas_native_step *s) {
    return s->from_image ? 1 : mnas_native_blocks(net, s->in.c);
}

static void window_row(const mnas_native *net, const mnas_native_step *s, ring *r, const place *to,
                       const float *residual) {
    for (skip_to(s, r, to->y); r->next < end_row(s, to->y); r->next++) {
        const place next = next_place(r, 0, source_blocks(net, s), s->in.h);
        copy_row(net, s, &next);
    }
    find_segments(net, s, r, to->y);
    mnas_tile_conv c = tile_of(net, &s->product, to->block, to->group);
    c.src = r->data;
    c.pixel = (size_t)s->stride * r->pixel;
    c.segment = s->segments;
    c.n_segments = s->n_segments;
    c.n_pixels = s->out.w;
    c.residual = residual;
    c.dst = to->dst;
    c.block = to->dst_block;
    finish_tile(net, &s->product, &c);
}

int mnas_native_run_window(const mnas_native *net, const mnas_native_step *s) {
    const size_t floats = block_floats(net, s->out), row = (size_t)s->out.w * net->tile->lanes;
    const float *residual = s->src2 == MNAS_NATIVE_NONE ? NULL : mnas_native_at(net, s->src2);
    ring r = ring_of(net, s, 0);
    clear_padding(s, &r, source_blocks(net, s));
    for (int y = 0; y < s->out.h; y++)
        for (int block = 0, group; block < s->product.n_blocks; block += group) {
            group = mnas_native_group(s->product.n_blocks - block);
            const size_t at = (size_t)block * floats + (size_t)y * row;
            const place to = {block, group, y, mnas_native_at(net, s->dst) + at, floats};
            window_row(net, s, &r, &to, residual ? residual + at : NULL);
        }
    return 0;
}

/* ---------------------------------------------------------------------------------- depthwise */

/* Blocks [block, block + group) on their way through a depthwise convolution. */
typedef struct strip {
    int block, group;
    ring rows, front; /* front: of a k x k convolution there */
    float *dst;       /* row `first` of the first block */
    int first;
    size_t dst_block;
} strip;

/* Rows of the input that output row y sees and that are not there yet. */
static void feed(const mnas_native *net, const mnas_native_step *s, strip *t, int y) {
    ring *r = &t->rows;
    for (skip_to(s, r, y); r->next < end_row(s, y); r->next++) {
        const place next = next_place(r, t->block, t->group, s->in.h);
        if (!s->front)
            copy_row(net, s, &next);
        else if (s->front->run == mnas_native_run_window)
            window_row(net, s->front, &t->front, &next, NULL);
        else
            point_row(net, s->front, &next);
    }
}

/* Of all blocks of the strip. */
static void depthwise_row(const mnas_native *net, const mnas_native_step *s, const strip *t, int y) {
    const size_t lanes = net->tile->lanes, block = (size_t)t->block, row = (size_t)s->out.w * lanes;
    const mnas_native_product *p = &s->product;
    float *sum = s->sums == MNAS_NATIVE_NONE ? NULL : mnas_native_at(net, s->sums) + block * lanes;
    mnas_tile_dw d = {.kernel = s->kernel,
                      .stride = s->stride,
                      .n_pixels = s->out.w,
                      .n_blocks = t->group,
                      .src_block = t->rows.block,
                      .weight_block = (size_t)p->n_inputs * lanes,
                      .dst_block = t->dst_block,
                      .bias = mnas_native_weights(net, p->bias) + block * lanes,
                      .low = p->low,
                      .high = p->high,
                      .dst = t->dst + (size_t)(y - t->first) * row,
                      .sum = p->act ? NULL : sum};
    const float *taps = mnas_native_weights(net, p->weight) + block * d.weight_block;
    for (int v = 0; v < s->kernel; v++) {
        const int from = y * s->stride - s->top + v;
        if (from < 0 || from >= s->in.h) continue;
        d.src[d.n_rows] = ring_row(&t->rows, 0, from, s->in.h);
        d.weight[d.n_rows++] = taps + (size_t)(v * s->kernel) * lanes;
    }
    net->tile->dw(&d);
    for (int b = 0; p->act && b < t->group; b++) {
        float *dst = d.dst + (size_t)b * d.dst_block;
        net->tile->activate(p->act, dst, row, NULL);
        if (sum) net->tile->sum(dst, (size_t)s->out.w, sum + (size_t)b * lanes);
    }
}

/* Rings of bands hold what the band before has left; otherwise all blocks share the place of the first few. */
static strip strip_of(const mnas_native *net, const mnas_native_step *s, int block, int group, int first) {
    const size_t lanes = net->tile->lanes;
    strip t = {.block = block, .group = group, .first = first};
    t.rows = ring_of(net, s, s->behind ? block : 0);
    t.rows.next = first > 0 ? end_row(s, first - 1) : 0;
    if (s->front && s->front->run == mnas_native_run_window) t.front = ring_of(net, s->front, 0);
    t.dst_block = (size_t)(s->band_rows * s->out.w) * lanes;
    t.dst = mnas_native_at(net, s->dst) + (size_t)block * t.dst_block;
    return t;
}

static void run_band(const mnas_native *net, const mnas_native_step *s, int first, int end) {
    for (int block = 0, group; block < s->product.n_blocks; block += group) {
        group = mnas_native_group(s->product.n_blocks - block);
        strip t = strip_of(net, s, block, group, first);
        for (int y = first; y < end; y++) {
            feed(net, s, &t, y);
            depthwise_row(net, s, &t, y);
        }
    }
}

int mnas_native_run_depthwise(const mnas_native *net, const mnas_native_step *s) {
    const int n_blocks = s->product.n_blocks;
    const ring all = ring_of(net, s, 0);
    clear_padding(s, &all, s->behind ? n_blocks : min(n_blocks, MNAS_TILE_MAX_BLOCKS));
    if (s->front && s->front->run == mnas_native_run_window) {
        const ring front = ring_of(net, s->front, 0);
        clear_padding(s->front, &front, source_blocks(net, s->front));
    }
    if (s->sums != MNAS_NATIVE_NONE)
        memset(mnas_native_at(net, s->sums), 0, (size_t)n_blocks * net->tile->lanes * sizeof(float));
    for (int first = 0; first < s->out.h; first += s->band_rows) {
        const int end = min(first + s->band_rows, s->out.h);
        run_band(net, s, first, end);
        if (s->behind)
            run_points(net, s->behind, mnas_native_at(net, s->dst), first * s->out.w,
                       (end - first) * s->out.w);
    }
    return 0;
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

int mnas_native_run_gap(const mnas_native *net, const mnas_native_step *s) {
    mean(net, s, false, mnas_native_at(net, s->dst));
    return 0;
}

/* Without a destination the factors alone are wanted: who reads the map applies them. */
int mnas_native_run_se(const mnas_native *net, const mnas_native_step *s) {
    const size_t floats = block_floats(net, s->in), lanes = net->tile->lanes;
    float *sums = mnas_native_at(net, s->sums), *factors = mnas_native_at(net, s->factors);
    float *reduced = mnas_native_at(net, s->ring);
    mean(net, s, s->src == MNAS_NATIVE_NONE, sums);
    run_vector(net, &s->product, sums, reduced);
    run_vector(net, &s->second, reduced, factors);
    if (s->dst == MNAS_NATIVE_NONE) return 0;
    const float *src = mnas_native_at(net, s->src);
    float *dst = mnas_native_at(net, s->dst);
    for (int b = 0; b < mnas_native_blocks(net, s->in.c); b++, factors += lanes)
        net->tile->scale(src + (size_t)b * floats, factors, floats / lanes, dst + (size_t)b * floats);
    return 0;
}

/* [*begin, *end): the part inside [0, size) of a window of `kernel` that begins at *begin. */
static void clip(int *begin, int *end, int kernel, int size) {
    *end = min(*begin + kernel, size);
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

int mnas_native_run_avgpool(const mnas_native *net, const mnas_native_step *s) {
    pool(net, s, false);
    return 0;
}

int mnas_native_run_maxpool(const mnas_native *net, const mnas_native_step *s) {
    pool(net, s, true);
    return 0;
}

size_t mnas_native_map_floats(const mnas_native *net, mnas_shape s) {
    return (size_t)mnas_native_blocks(net, s.c) * block_floats(net, s);
}

int mnas_native_run_add(const mnas_native *net, const mnas_native_step *s) {
    net->isa->add(mnas_native_at(net, s->src), mnas_native_at(net, s->src2),
                  mnas_native_map_floats(net, s->out), mnas_native_at(net, s->dst));
    return 0;
}

/* sigmoid leaves 1/2 where channels are missing: no product reads them. */
int mnas_native_run_act(const mnas_native *net, const mnas_native_step *s) {
    const size_t n = mnas_native_map_floats(net, s->out);
    float *dst = mnas_native_at(net, s->dst);
    memcpy(dst, mnas_native_at(net, s->src), n * sizeof *dst);
    net->tile->activate(s->act, dst, n, NULL);
    return 0;
}

int mnas_native_run_to_blocks(const mnas_native *net, const mnas_native_step *s) {
    const int lanes = (int)net->tile->lanes, pixels = s->in.h * s->in.w;
    const float *src = mnas_native_at(net, s->src);
    float *dst = mnas_native_at(net, s->dst);
    for (int first = 0; first < s->in.c; first += lanes)
        for (int i = 0; i < pixels; i++)
            for (int c = first; c < first + lanes; c++) *dst++ = c < s->in.c ? src[i * s->in.c + c] : 0;
    return 0;
}

int mnas_native_run_from_blocks(const mnas_native *net, const mnas_native_step *s) {
    const int lanes = (int)net->tile->lanes, pixels = s->in.h * s->in.w;
    const float *src = mnas_native_at(net, s->src);
    float *dst = mnas_native_at(net, s->dst);
    for (int i = 0; i < pixels; i++)
        for (int c = 0; c < s->in.c; c++) *dst++ = src[(c / lanes * pixels + i) * lanes + c % lanes];
    return 0;
}
