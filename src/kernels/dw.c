/* dw.c - cuts depthwise passes into pieces for the leaf loops. It holds no arithmetic of its own but the last
 * sum of the weight gradient.
 *
 * A piece is done block by block of channels. Forward: its input rows are filled into a plane, the batch-norm in front
 * applied; each row of results is drained into the tensor, and summed for the batch-norm behind. Backward: the
 * gradient of the output is filled into a second plane, through the batch-norm behind; both planes together give
 * the weight gradient, the second alone the data gradient, which is drained through the activation in front. So every
 * tensor goes through memory once. Rows that two pieces need are read twice, the second time from a cache.
 *
 * Data gradient: with y + pad = q s + phase, the taps that reach input row y are phase, phase + s, ..., and
 * tap phase + i s reads gradient row q - i; the same along x. So each phase is a correlation of stride 1 with
 * every s-th tap reversed, whose results lie s pixels apart, and forward's leaf serves for it.
 */
#include "kernels/dw.h"

#include <assert.h>
#include <omp.h>
#include <string.h>

#include "kernels/norm.h"

/* Planes stay in the second cache beside what streams past them. Many images in one piece spare a small map
 * the overhead of a call. */
enum { FORWARD_BYTES = 96 * 1024, BACKWARD_BYTES = 256 * 1024, MAX_IMAGES = 16, SMALL_WORK = 1 << 14 };

static int min_int(int a, int b) {
    return a < b ? a : b;
}
static int max_int(int a, int b) {
    return a > b ? a : b;
}
static int ceil_div(int a, int b) {
    return (a + b - 1) / b;
}

static int n_taps_of(int kernel, int stride, int phase) {
    return kernel > phase ? ceil_div(kernel - phase, stride) : 0;
}

/* ------------------------------------------------------------------------------------------- how it is cut */

/* Along x, of one phase of the data gradient: its first result, number of results and taps, and where its
 * first tap lies. */
typedef struct phase_cols {
    int first, n_out, n_taps, offset;
} phase_cols;

static phase_cols cols_of(const mnas_dw *dw, int phase) {
    const int s = dw->stride;
    phase_cols p = {.first = ((phase - dw->pad_left) % s + s) % s, .n_taps = n_taps_of(dw->kernel, s, phase)};
    p.n_out = p.first < dw->in.w ? ceil_div(dw->in.w - p.first, s) : 0;
    p.offset = (p.first + dw->pad_left - phase) / s - (p.n_taps - 1);
    return p;
}

/* Rows of the input's plane for `rows` rows of the output, and of the output's for the input rows in front of them. */
static int in_plane_rows(const mnas_dw *dw, int rows) {
    return min_int((rows - 1) * dw->stride + dw->kernel, dw->in.h);
}
static int out_plane_rows(const mnas_dw *dw, int rows) {
    return min_int(rows + ceil_div(dw->kernel + dw->pad_top, dw->stride) + 1, dw->out.h);
}

static size_t in_floats(const mnas_dw *dw, const mnas_dw_cut *cut) {
    return (size_t)(cut->images * in_plane_rows(dw, cut->rows) * dw->in_plane.cols) * dw->isa->lanes;
}
static size_t out_floats(const mnas_dw *dw, const mnas_dw_cut *cut) {
    return (size_t)(cut->images * out_plane_rows(dw, cut->rows) * dw->out_plane.cols) * dw->isa->lanes;
}

/* As many rows as the planes may hold, in pieces of one size; or whole images. */
static mnas_dw_cut cut_pass(const mnas_dw *dw, bool backward, size_t bytes) {
    mnas_dw_cut cut = {.rows = dw->out.h, .images = 1};
    if (dw->batch < dw->n_threads) cut.rows = ceil_div(dw->out.h, dw->n_threads);
    const size_t fit = bytes / sizeof(float);
    while (cut.rows > 1 && in_floats(dw, &cut) + (backward ? out_floats(dw, &cut) : 0) > fit) cut.rows--;
    cut.n_rows = ceil_div(dw->out.h, cut.rows);
    cut.rows = ceil_div(dw->out.h, cut.n_rows);
    cut.n_rows = ceil_div(dw->out.h, cut.rows);
    if (cut.n_rows == 1) {
        const size_t image = in_floats(dw, &cut) + (backward ? out_floats(dw, &cut) : 0);
        const int share = min_int(ceil_div(dw->batch, dw->n_threads), MAX_IMAGES);
        cut.images = max_int(min_int((int)(fit / image), share), 1);
    }
    cut.n_images = ceil_div(dw->batch, cut.images);
    return cut;
}

/* Columns, so that all tiles of a row find theirs. */
static void set_planes(mnas_dw *dw) {
    const int s = dw->stride, tiles = mnas_dw_whole_tiles(dw->out.w);
    mnas_dw_plane in = {.left = dw->pad_left};
    in.cols = max_int(in.left + dw->in.w, (tiles - 1) * s + dw->kernel);
    mnas_dw_plane out = {0};
    int right = tiles;
    for (int phase = 0; phase < s; phase++) {
        const phase_cols p = cols_of(dw, phase);
        out.left = max_int(out.left, -p.offset);
        right = max_int(right, p.offset + mnas_dw_whole_tiles(p.n_out) - 1 + p.n_taps);
    }
    out.cols = out.left + right;
    dw->in_plane = in;
    dw->out_plane = out;
}

static size_t row_floats(const mnas_dw *dw) {
    const int s = dw->stride, data = (mnas_dw_whole_tiles(ceil_div(dw->in.w, s)) + 1) * s;
    return (size_t)max_int(data, mnas_dw_whole_tiles(dw->out.w)) * dw->isa->lanes;
}

/* Planes behind begin at a cache line. */
static size_t whole_lines(size_t floats) {
    return (floats + MNAS_ISA_MAX_LANES - 1) / MNAS_ISA_MAX_LANES * MNAS_ISA_MAX_LANES;
}

static void grow(size_t *floats, size_t need) {
    if (need > *floats) *floats = need;
}

mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch) {
    mnas_dw dw = {.isa = mnas_isa_of(node->elem),
                  .n_threads = omp_get_max_threads(),
                  .batch = batch,
                  .kernel = node->kernel,
                  .stride = node->stride,
                  .pad_top = node->pad_top,
                  .pad_left = node->pad_left,
                  .in = in,
                  .out = node->out};
    dw.packed_floats = whole_lines((size_t)dw.kernel * (size_t)dw.kernel * (size_t)in.c);
    set_planes(&dw);
    dw.forward = cut_pass(&dw, false, FORWARD_BYTES);
    dw.backward = cut_pass(&dw, true, BACKWARD_BYTES);
    grow(&dw.in_plane.floats, in_floats(&dw, &dw.forward));
    grow(&dw.in_plane.floats, in_floats(&dw, &dw.backward));
    dw.out_plane.floats = out_floats(&dw, &dw.backward);
    dw.row_floats = row_floats(&dw) * (size_t)max_int(dw.forward.images, dw.backward.images);
    return dw;
}

/* Of one thread: a row of results, both planes. */
static size_t share_floats(const mnas_dw *dw) {
    return dw->row_floats + dw->in_plane.floats + dw->out_plane.floats;
}

/* Packed weights, every share's sums of the weight gradient, every share's planes. */
size_t mnas_dw_scratch_floats(const mnas_dw *dw, bool training) {
    const size_t threads = (size_t)dw->n_threads;
    return (training ? 1 + threads : 1) * dw->packed_floats + threads * share_floats(dw);
}

/* ------------------------------------------------------------------------------------------- weights, packed */

static void pack_tap(size_t width, size_t taps, const float *from, float *to) {
    for (size_t lane = 0; lane < width; lane++) to[lane] = from ? from[lane * taps] : 1.0f;
}

/* [block of channels][tap][channel of the block] */
static void pack_forward(const mnas_dw *dw, const float *weight, float *packed) {
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    for (size_t c = 0, width; c < channels; c += width) {
        width = mnas_isa_width(dw->isa, channels - c);
        for (size_t tap = 0; tap < taps; tap++, packed += width)
            pack_tap(width, taps, weight ? weight + c * taps + tap : NULL, packed);
    }
}

/* The same, but in a row of taps phase after phase, the last tap of each first. */
static void pack_backward(const mnas_dw *dw, const float *weight, float *packed) {
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    for (size_t c = 0, width; c < channels; c += width) {
        width = mnas_isa_width(dw->isa, channels - c);
        for (int i = 0; i < dw->kernel; i++)
            for (int phase = 0; phase < dw->stride; phase++)
                for (int h = n_taps_of(dw->kernel, dw->stride, phase) - 1; h >= 0; h--, packed += width) {
                    const size_t tap = (size_t)(i * dw->kernel + phase + h * dw->stride);
                    pack_tap(width, taps, weight ? weight + c * taps + tap : NULL, packed);
                }
    }
}

/* ----------------------------------------------------------------------------------------------------- pieces */

/* Rows [first, first + rows) of a tensor, of all images of a piece. */
typedef struct window {
    const mnas_dw_plane *plane;
    mnas_shape shape;
    int first, rows;
    float *data;
} window;

/* A piece, and the block of its channels that is being done. */
typedef struct piece {
    const mnas_dw *dw;
    const mnas_call *call;
    int share, first, n;                      /* images [first, first + n) */
    int out_begin, out_end, in_begin, in_end; /* rows of the results: forward, of the data gradient */
    window in, out;
    size_t c, width;
    const float *packed; /* weights of this block */
    float *row, *sum;    /* sum: of the weight gradient, of this block; or NULL */
} piece;

static piece piece_of(const mnas_dw *dw, const mnas_dw_cut *cut, int index) {
    piece p = {.dw = dw, .first = index / cut->n_rows * cut->images};
    p.n = min_int(cut->images, dw->batch - p.first);
    const int part = index % cut->n_rows;
    p.out_begin = part * cut->rows;
    p.out_end = min_int(p.out_begin + cut->rows, dw->out.h);
    p.in_begin = min_int(p.out_begin * dw->stride, dw->in.h);
    p.in_end = part == cut->n_rows - 1 ? dw->in.h : min_int(p.out_end * dw->stride, dw->in.h);
    p.in = (window){.plane = &dw->in_plane, .shape = dw->in};
    p.out = (window){.plane = &dw->out_plane, .shape = dw->out};
    return p;
}

/* Rows [begin, end) as far as they exist. */
static void set_rows(window *w, int begin, int end) {
    w->first = max_int(begin, 0);
    w->rows = max_int(min_int(end, w->shape.h) - w->first, 0);
}

static size_t row_of_plane(const piece *p, const window *w) {
    return (size_t)w->plane->cols * p->width;
}
static size_t image_of_plane(const piece *p, const window *w) {
    return (size_t)w->rows * row_of_plane(p, w);
}
/* Of the first image. */
static const float *plane_row(const piece *p, const window *w, int row) {
    return w->data + (size_t)(row - w->first) * row_of_plane(p, w);
}
/* In the tensor, of the first image and the block's first channel. */
static size_t at_row(const piece *p, mnas_shape shape, int row) {
    const size_t rows = (size_t)p->first * (size_t)shape.h + (size_t)row;
    return rows * (size_t)shape.w * (size_t)shape.c + p->c;
}

/* `fill` says what of; where from and where to is the window's. */
static void fill_window(const piece *p, const window *w, mnas_dw_fill fill) {
    assert((size_t)p->n * image_of_plane(p, w) <= w->plane->floats);
    fill.n = p->n;
    fill.first_row = w->first;
    fill.rows = w->rows;
    fill.src_cols = w->shape.w;
    fill.left = w->plane->left;
    fill.cols = w->plane->cols;
    fill.c = p->c;
    fill.channels = (size_t)w->shape.c;
    fill.at = at_row(p, w->shape, 0);
    fill.src_image = mnas_shape_size(w->shape);
    fill.plane = w->data;
    p->dw->isa->dw_fill(&fill, p->width);
}

/* The input behind its batch-norm: what forward convolves. */
static void fill_in(const piece *p) {
    const mnas_norm *norm = p->call->norm_in[0];
    fill_window(
        p, &p->in,
        (mnas_dw_fill){.mode = norm ? MNAS_DW_APPLY : MNAS_DW_COPY, .src = p->call->src[0], .norm = norm});
}

/* The gradient of the output in front of its batch-norm. */
static void fill_out(const piece *p) {
    const mnas_norm *norm = p->call->norm_out;
    const mnas_dw_fill_mode through = norm && norm->by_consumer ? MNAS_DW_GRADIENT_PASSED : MNAS_DW_GRADIENT;
    fill_window(
        p, &p->out,
        (mnas_dw_fill){
            .mode = norm ? through : MNAS_DW_COPY, .src = p->call->ddst, .x = p->call->dst, .norm = norm});
}

/* `drain` says what to do on the way; row y of the results goes to the tensor of that shape. */
static void drain_row(const piece *p, mnas_shape shape, int y, size_t row_image, mnas_dw_drain drain) {
    drain.row = p->row;
    drain.row_image = row_image;
    drain.n = p->n;
    drain.n_pixels = shape.w;
    drain.c = p->c;
    drain.channels = (size_t)shape.c;
    drain.at = at_row(p, shape, y);
    drain.dst_image = mnas_shape_size(shape);
    if (drain.norm) drain.total = mnas_norm_share(drain.norm, p->share) + p->c;
    p->dw->isa->dw_drain(&drain, p->width);
}

/* ---------------------------------------------------------------------------------------------------- forward */

static void forward_row(const piece *p, int y) {
    const mnas_dw *dw = p->dw;
    mnas_dw_row row = {.n = p->n,
                       .n_h = dw->kernel,
                       .n_out = dw->out.w,
                       .dst_step = 1,
                       .src_step = dw->stride,
                       .src_image = image_of_plane(p, &p->in),
                       .dst_image = (size_t)mnas_dw_whole_tiles(dw->out.w) * p->width,
                       .dst = p->row};
    for (int i = 0; i < dw->kernel; i++) {
        const int from = y * dw->stride - dw->pad_top + i;
        if (from < 0 || from >= dw->in.h) continue;
        row.src[row.n_v] = plane_row(p, &p->in, from);
        row.weight[row.n_v++] = p->packed + (size_t)(i * dw->kernel) * p->width;
    }
    dw->isa->dw_row(&row, p->width);
    const mnas_norm *norm = p->call->training ? p->call->norm_out : NULL;
    drain_row(
        p, dw->out, y, row.dst_image,
        (mnas_dw_drain){.mode = norm ? MNAS_DW_SUMS : MNAS_DW_COPY_OUT, .norm = norm, .dst = p->call->dst});
}

/* Input rows that the piece's output rows meet. */
static void set_in_rows(piece *p) {
    const mnas_dw *dw = p->dw;
    set_rows(&p->in, p->out_begin * dw->stride - dw->pad_top,
             (p->out_end - 1) * dw->stride - dw->pad_top + dw->kernel);
}

static void forward_block(piece *p) {
    set_in_rows(p);
    fill_in(p);
    for (int y = p->out_begin; y < p->out_end; y++) forward_row(p, y);
}

/* --------------------------------------------------------------------------------------------------- backward */

static void data_row(const piece *p, int y) {
    const mnas_dw *dw = p->dw;
    const int s = dw->stride, q = (y + dw->pad_top) / s, phase_y = (y + dw->pad_top) % s;
    mnas_dw_row row = {.n = p->n,
                       .dst_step = s,
                       .src_step = 1,
                       .src_image = image_of_plane(p, &p->out),
                       .dst_image = row_floats(dw) / dw->isa->lanes * p->width};
    const float *src[MNAS_DW_MAX_KERNEL], *weight[MNAS_DW_MAX_KERNEL];
    for (int i = 0; phase_y + i * s < dw->kernel; i++) {
        if (q - i < 0 || q - i >= dw->out.h) continue;
        src[row.n_v] = plane_row(p, &p->out, q - i);
        weight[row.n_v++] = p->packed + (size_t)((phase_y + i * s) * dw->kernel) * p->width;
    }
    size_t done = 0; /* taps of the phases before */
    for (int phase = 0; phase < s; phase++) {
        const phase_cols cols = cols_of(dw, phase);
        row.n_h = cols.n_taps;
        row.n_out = cols.n_out;
        row.dst = p->row + (size_t)cols.first * p->width;
        for (int v = 0; v < row.n_v; v++) {
            row.src[v] = src[v] + (size_t)(p->out.plane->left + cols.offset) * p->width;
            row.weight[v] = weight[v] + done * p->width;
        }
        dw->isa->dw_row(&row, p->width);
        done += (size_t)cols.n_taps;
    }
    const mnas_norm *norm = p->call->norm_in[0];
    drain_row(p, dw->in, y, row.dst_image,
              (mnas_dw_drain){.mode = norm ? MNAS_DW_PASS : MNAS_DW_COPY_OUT,
                              .norm = norm,
                              .x = p->call->src[0],
                              .dst = p->call->dsrc[0]});
}

static void weight_rows(const piece *p) {
    const mnas_dw *dw = p->dw;
    const mnas_dw_weight w = {.plane = p->in.data,
                              .gradient =
                                  plane_row(p, &p->out, p->out_begin) + (size_t)p->out.plane->left * p->width,
                              .plane_row = row_of_plane(p, &p->in),
                              .plane_image = image_of_plane(p, &p->in),
                              .gradient_row = row_of_plane(p, &p->out),
                              .gradient_image = image_of_plane(p, &p->out),
                              .n = p->n,
                              .plane_rows = p->in.rows,
                              .top = dw->pad_top + p->in.first,
                              .row_begin = p->out_begin,
                              .row_end = p->out_end,
                              .out_w = dw->out.w,
                              .kernel = dw->kernel,
                              .stride = dw->stride,
                              .sum = p->sum};
    dw->isa->dw_weight(&w, p->width);
}

/* Output rows that the piece's input rows are met by, and its own. */
static void set_out_rows(piece *p) {
    const mnas_dw *dw = p->dw;
    const int s = dw->stride, reach = ceil_div(dw->kernel, s) - 1;
    set_rows(&p->out, min_int((p->in_begin + dw->pad_top) / s - reach, p->out_begin),
             max_int((p->in_end - 1 + dw->pad_top) / s + 1, p->out_end));
}

static void backward_block(piece *p) {
    set_out_rows(p);
    fill_out(p);
    if (p->sum) {
        set_in_rows(p);
        fill_in(p);
        weight_rows(p);
    }
    if (!p->call->dsrc[0] && !p->call->norm_in[0]) return;
    for (int y = p->in_begin; y < p->in_end; y++) data_row(p, y);
}

/* ----------------------------------------------------------------------------------------------------- passes */

/* What the pieces of a pass have in common. */
typedef struct pass {
    const mnas_dw *dw;
    const mnas_call *call;
    const mnas_dw_cut *cut;
    void (*fn)(piece *p);
    const mnas_norm *norm;         /* that is given sums, or NULL */
    float *packed, *sums, *shares; /* sums: like the weights, one share after another; or NULL */
} pass;

static void run_piece(const pass *q, int share, int index) {
    const mnas_dw *dw = q->dw;
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    piece p = piece_of(dw, q->cut, index);
    p.call = q->call;
    p.share = share;
    p.row = q->shares + (size_t)share * share_floats(dw);
    p.in.data = p.row + dw->row_floats;
    p.out.data = p.in.data + dw->in_plane.floats;
    for (size_t width; p.c < channels; p.c += width) {
        width = p.width = mnas_isa_width(dw->isa, channels - p.c);
        p.packed = q->packed + p.c * taps;
        p.sum = q->sums ? q->sums + (size_t)share * dw->packed_floats + p.c * taps : NULL;
        q->fn(&p);
    }
}

static void run_share(const pass *q, int share) {
    const mnas_dw *dw = q->dw;
    const int64_t n_pieces = (int64_t)q->cut->n_rows * q->cut->n_images;
    const int begin = (int)(n_pieces * share / dw->n_threads),
              end = (int)(n_pieces * (share + 1) / dw->n_threads);
    if (q->norm) mnas_norm_clear(q->norm, share);
    if (q->sums) memset(q->sums + (size_t)share * dw->packed_floats, 0, dw->packed_floats * sizeof(float));
    for (int i = begin; i < end; i++) run_piece(q, share, i);
}

/* Each share of the pieces has its own planes and sums, whichever thread takes it: a smaller team gives the
 * same result. */
static void run_pass(const pass *q) {
    const mnas_dw *dw = q->dw;
    const bool parallel = (size_t)dw->batch * mnas_shape_size(dw->in) > SMALL_WORK;
    assert(!q->norm || q->norm->n_shares == dw->n_threads);
#pragma omp parallel for schedule(static) num_threads(dw->n_threads) if (parallel)
    for (int share = 0; share < dw->n_threads; share++) run_share(q, share);
}

void mnas_dw_forward(const mnas_dw *dw, const mnas_call *call) {
    float *packed = call->scratch;
    pack_forward(dw, call->param[0], packed);
    run_pass(&(pass){.dw = dw,
                     .call = call,
                     .cut = &dw->forward,
                     .fn = forward_block,
                     .norm = call->training ? call->norm_out : NULL,
                     .packed = packed,
                     .shares = packed + dw->packed_floats});
}

/* dweight[c, tap] = sum over shares, in their order, of sums[share][block of c][tap, c] */
static void add_shares(const mnas_dw *dw, const float *sums, float *dweight) {
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    for (size_t c = 0, width; c < channels; c += width) {
        width = mnas_isa_width(dw->isa, channels - c);
        for (size_t lane = 0; lane < width; lane++)
            for (size_t tap = 0; tap < taps; tap++) {
                const float *from = sums + c * taps + tap * width + lane;
                float sum = 0;
                for (int t = 0; t < dw->n_threads; t++) sum += from[(size_t)t * dw->packed_floats];
                dweight[(c + lane) * taps + tap] = sum;
            }
    }
}

void mnas_dw_backward(const mnas_dw *dw, const mnas_call *call) {
    float *packed = call->scratch, *dweight = call->dparam[0];
    float *sums = packed + dw->packed_floats;
    pack_backward(dw, call->param[0], packed);
    run_pass(&(pass){.dw = dw,
                     .call = call,
                     .cut = &dw->backward,
                     .fn = backward_block,
                     .norm = call->norm_in[0],
                     .packed = packed,
                     .sums = dweight ? sums : NULL,
                     .shares = sums + (dweight ? (size_t)dw->n_threads * dw->packed_floats : 0)});
    if (dweight) add_shares(dw, sums, dweight);
}
