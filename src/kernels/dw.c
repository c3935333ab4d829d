/* dw.c - walks depthwise passes through their tensors, step by step, for the leaf loops. It holds no arithmetic of its own
 * but the last sum of the weight gradient; how steps are cut is dw_cut.c's.
 *
 * Forward: the input rows of a step are filled into a plane, the batch-norm in front applied; each row of results is
 * drained towards the tensor, and summed for the batch-norm behind. Backward: the gradient of the output is filled into a
 * second plane, through the batch-norm behind; both planes together give the weight gradient, the second alone the
 * data gradient, which is drained through the activation in front. So every tensor goes through memory once. Planes are
 * rings: a row takes the place of one that no later step needs. A result that no cache can hold is collected in a stage
 * and copied past the caches, in whole lines whatever the number of channels.
 *
 * Data gradient: with y + pad = q s + phase, the taps that reach input row y are phase, phase + s, ..., and
 * tap phase + i s reads gradient row q - i; the same along x. So each phase is a correlation of stride 1 with
 * every s-th tap reversed, whose results lie s pixels apart, and forward's leaf serves for it.
 */
#include "kernels/dw.h"

#include <assert.h>
#include <string.h>

#include "kernels/norm.h"

enum { SMALL_WORK = 1 << 14 };

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
                for (int h = dw->phases[phase].n_taps - 1; h >= 0; h--, packed += width) {
                    const size_t tap = (size_t)(i * dw->kernel + phase + h * dw->stride);
                    pack_tap(width, taps, weight ? weight + c * taps + tap : NULL, packed);
                }
    }
}

/* ------------------------------------------------------------------------------------------ pieces and steps */

/* Rows [begin, end). */
typedef struct rows {
    int begin, end;
} rows;

/* The rows of a tensor that stand in a plane, of all images of a piece: row y at y modulo ring. */
typedef struct window {
    mnas_dw_plane plane;
    mnas_shape shape;
    int ring;
    rows fill; /* what this step adds */
    float *data;
} window;

/* A piece, the step in it and the block of channels that are being done. */
typedef struct piece {
    const mnas_dw *dw;
    const mnas_dw_cut *cut;
    const mnas_call *call;
    int share, first, n;    /* images [first, first + n) */
    rows out_rows, in_rows; /* of the piece: of the output, and of the data gradient */
    rows out_step, in_step; /* of the step */
    window in, out;
    size_t c, width;
    const float *packed; /* weights of this block */
    float *row, *sum;    /* sum: of the weight gradient, of this block; or NULL */
    void *stage;         /* or NULL */
} piece;

static void set_images_and_rows(piece *p, int index) {
    const mnas_dw *dw = p->dw;
    const mnas_dw_cut *cut = p->cut;
    const int part = index % cut->n_rows, last = part == cut->n_rows - 1;
    p->first = index / cut->n_rows * cut->images;
    p->n = mnas_dw_min(cut->images, dw->batch - p->first);
    p->out_rows.begin = mnas_dw_min(part * cut->rows, dw->out.h);
    p->out_rows.end = mnas_dw_min(p->out_rows.begin + cut->rows, dw->out.h);
    p->in_rows.begin = mnas_dw_min(p->out_rows.begin * dw->stride, dw->in.h);
    p->in_rows.end = last ? dw->in.h : mnas_dw_min(p->out_rows.end * dw->stride, dw->in.h);
}

static size_t row_of_plane(const piece *p, const window *w) {
    return (size_t)w->plane.cols * p->width;
}
static size_t image_of_plane(const piece *p, const window *w) {
    return (size_t)w->ring * row_of_plane(p, w);
}
/* This block's. Planes that no later step reads are one block's after the other. */
static float *block_of_plane(const piece *p, const window *w) {
    if (p->cut->step == p->cut->rows) return w->data;
    return w->data + (size_t)(p->cut->images * w->ring * w->plane.cols) * p->c;
}
/* Of the first image. */
static const float *plane_row(const piece *p, const window *w, int y) {
    return block_of_plane(p, w) + (size_t)(y % w->ring) * row_of_plane(p, w);
}
/* In the tensor, of the piece's first image. */
static size_t at_row(const piece *p, mnas_shape shape, int y) {
    const size_t above = (size_t)p->first * (size_t)shape.h + (size_t)y;
    return above * (size_t)shape.w * (size_t)shape.c;
}

/* `fill` says what of; where from and where to is the window's. */
static void fill_window(const piece *p, const window *w, mnas_dw_fill fill) {
    fill.all_channels = p->cut->all_channels;
    fill.n = p->n;
    fill.first_row = w->fill.begin;
    fill.rows = mnas_dw_max(w->fill.end - w->fill.begin, 0);
    fill.ring = w->ring;
    fill.src_cols = w->shape.w;
    fill.left = w->plane.left;
    fill.cols = w->plane.cols;
    fill.c = p->c;
    fill.channels = (size_t)w->shape.c;
    fill.at = at_row(p, w->shape, 0) + p->c;
    fill.src_image = mnas_shape_size(w->shape);
    fill.plane = block_of_plane(p, w);
    assert(fill.rows <= fill.ring);
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

/* The result of a pass, and which of its rows a step makes. */
typedef struct target {
    void *tensor;
    mnas_shape shape;
    rows step;
} target;

static size_t stage_image(const target *t) {
    return (size_t)((t->step.end - t->step.begin) * t->shape.w) * (size_t)t->shape.c;
}

/* `drain` says what to do on the way. */
static void drain_row(const piece *p, const target *t, int y, size_t row_image, mnas_dw_drain drain) {
    const size_t row = (size_t)t->shape.w * (size_t)t->shape.c;
    drain.row = p->row;
    drain.row_image = row_image;
    drain.n = p->n;
    drain.n_pixels = t->shape.w;
    drain.c = p->c;
    drain.channels = (size_t)t->shape.c;
    drain.x_at = drain.at = at_row(p, t->shape, y) + p->c;
    drain.x_image = drain.dst_image = mnas_shape_size(t->shape);
    drain.dst = t->tensor;
    if (t->tensor && p->stage) {
        drain.dst = p->stage;
        drain.at = (size_t)(y - t->step.begin) * row + p->c;
        drain.dst_image = stage_image(t);
    }
    if (drain.norm) drain.total = mnas_norm_share(drain.norm, p->share) + p->c;
    p->dw->isa->dw_drain(&drain, p->width);
}

/* What a step has collected, all channels. */
static void copy_stage(const piece *p, const target *t) {
    const size_t n = stage_image(t);
    if (!p->stage || !t->tensor) return;
    assert(n * (size_t)p->n <= p->cut->stage_floats);
    for (int i = 0; i < p->n; i++)
        p->dw->isa->copy_stream(p->stage, (size_t)i * n, n, t->tensor,
                                at_row(p, t->shape, t->step.begin) + (size_t)i * mnas_shape_size(t->shape));
}

/* Rows that a step needs up to `end`, and the first one that it or a later one needs. */
static void advance(window *w, int begin, int end) {
    w->fill.begin = mnas_dw_max(mnas_dw_max(begin, w->fill.end), 0);
    w->fill.end = mnas_dw_max(mnas_dw_min(end, w->shape.h), w->fill.begin);
}

/* ---------------------------------------------------------------------------------------------------- forward */

static target forward_target(const piece *p) {
    return (target){.tensor = p->call->dst, .shape = p->dw->out, .step = p->out_step};
}

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
    const target t = forward_target(p);
    drain_row(p, &t, y, row.dst_image,
              (mnas_dw_drain){.mode = norm ? MNAS_DW_SUMS : MNAS_DW_COPY_OUT, .norm = norm});
}

/* Input rows that the step's output rows meet. */
static void advance_in(piece *p) {
    const mnas_dw *dw = p->dw;
    advance(&p->in, p->out_step.begin * dw->stride - dw->pad_top,
            (p->out_step.end - 1) * dw->stride - dw->pad_top + dw->kernel);
}

static void forward_block(const piece *p) {
    fill_in(p);
    for (int y = p->out_step.begin; y < p->out_step.end; y++) forward_row(p, y);
}

/* --------------------------------------------------------------------------------------------------- backward */

static target backward_target(const piece *p) {
    return (target){.tensor = p->call->dsrc[0], .shape = p->dw->in, .step = p->in_step};
}

static void data_row(const piece *p, int y) {
    const mnas_dw *dw = p->dw;
    const int s = dw->stride, q = (y + dw->pad_top) / s, phase_y = (y + dw->pad_top) % s;
    mnas_dw_row row = {.n = p->n,
                       .dst_step = s,
                       .src_step = 1,
                       .src_image = image_of_plane(p, &p->out),
                       .dst_image = (size_t)dw->data_pixels * p->width};
    const float *src[MNAS_DW_MAX_KERNEL], *weight[MNAS_DW_MAX_KERNEL];
    for (int i = 0; phase_y + i * s < dw->kernel; i++) {
        if (q - i < 0 || q - i >= dw->out.h) continue;
        src[row.n_v] = plane_row(p, &p->out, q - i);
        weight[row.n_v++] = p->packed + (size_t)((phase_y + i * s) * dw->kernel) * p->width;
    }
    size_t done = 0; /* taps of the phases before */
    for (int k = 0; k < s; k++) {
        const mnas_dw_phase phase = dw->phases[k];
        row.n_h = phase.n_taps;
        row.n_out = phase.n_out;
        row.dst = p->row + (size_t)phase.first * p->width;
        for (int v = 0; v < row.n_v; v++) {
            row.src[v] = src[v] + (size_t)(p->out.plane.left + phase.offset) * p->width;
            row.weight[v] = weight[v] + done * p->width;
        }
        dw->isa->dw_row(&row, p->width);
        done += (size_t)phase.n_taps;
    }
    const mnas_norm *norm = p->call->norm_in[0];
    const target t = backward_target(p);
    drain_row(
        p, &t, y, row.dst_image,
        (mnas_dw_drain){.mode = norm ? MNAS_DW_PASS : MNAS_DW_COPY_OUT, .norm = norm, .x = p->call->src[0]});
}

static void weight_rows(const piece *p) {
    const mnas_dw *dw = p->dw;
    const mnas_dw_weight w = {.plane = block_of_plane(p, &p->in),
                              .gradient = block_of_plane(p, &p->out) + (size_t)p->out.plane.left * p->width,
                              .plane_row = row_of_plane(p, &p->in),
                              .plane_image = image_of_plane(p, &p->in),
                              .gradient_row = row_of_plane(p, &p->out),
                              .gradient_image = image_of_plane(p, &p->out),
                              .plane_ring = p->in.ring,
                              .gradient_ring = p->out.ring,
                              .n = p->n,
                              .plane_rows = dw->in.h,
                              .top = dw->pad_top,
                              .row_begin = p->out_step.begin,
                              .row_end = p->out_step.end,
                              .out_w = dw->out.w,
                              .kernel = dw->kernel,
                              .stride = dw->stride,
                              .sum = p->sum};
    dw->isa->dw_weight(&w, p->width);
}

/* Input rows whose gradient rows are all there by the end of the step, and the gradient rows that they and the step's own
 * need. */
static void advance_out(piece *p) {
    const mnas_dw *dw = p->dw;
    const int s = dw->stride, reach = mnas_dw_divide_up(dw->kernel, s) - 1, end = p->out_step.end;
    const bool last = end == p->out_rows.end;
    p->in_step.begin = p->in_step.end;
    p->in_step.end = last ? p->in_rows.end
                          : mnas_dw_max(mnas_dw_min(end * s - dw->pad_top, p->in_rows.end), p->in_step.begin);
    const int first = mnas_dw_min((p->in_step.begin + dw->pad_top) / s - reach, p->out_step.begin);
    advance(&p->out, first, mnas_dw_max((p->in_step.end - 1 + dw->pad_top) / s + 1, end));
}

static void backward_block(const piece *p) {
    fill_out(p);
    if (p->sum) {
        fill_in(p);
        weight_rows(p);
    }
    if (!p->call->dsrc[0] && !p->call->norm_in[0]) return;
    for (int y = p->in_step.begin; y < p->in_step.end; y++) data_row(p, y);
}

/* ----------------------------------------------------------------------------------------------------- passes */

/* What the pieces of a pass have in common. */
typedef struct pass {
    const mnas_dw *dw;
    const mnas_call *call;
    const mnas_dw_cut *cut;
    bool backward;
    const mnas_norm *norm;         /* that is given sums, or NULL */
    float *packed, *sums, *shares; /* sums: like the weights, one share after another; or NULL */
} pass;

static void run_blocks(const pass *q, piece *p) {
    const mnas_dw *dw = q->dw;
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    for (p->c = 0; p->c < channels; p->c += p->width) {
        p->width = mnas_isa_width(dw->isa, channels - p->c);
        p->packed = q->packed + p->c * taps;
        p->sum = q->sums ? q->sums + (size_t)p->share * dw->packed_floats + p->c * taps : NULL;
        (q->backward ? backward_block : forward_block)(p);
    }
}

static void run_piece(const pass *q, piece p, int index) {
    set_images_and_rows(&p, index);
    p.in.fill = p.out.fill = (rows){0, 0};
    p.in_step.end = p.in_rows.begin;
    for (int y = p.out_rows.begin; y < p.out_rows.end; y = p.out_step.end) {
        p.out_step = (rows){y, mnas_dw_min(y + q->cut->step, p.out_rows.end)};
        advance_in(&p);
        if (q->backward) advance_out(&p);
        run_blocks(q, &p);
        const target t = q->backward ? backward_target(&p) : forward_target(&p);
        copy_stage(&p, &t);
    }
}

static void run_share(const pass *q, int share) {
    const mnas_dw *dw = q->dw;
    const mnas_dw_cut *cut = q->cut;
    const int64_t n_pieces = (int64_t)cut->n_rows * cut->n_images;
    const int begin = (int)(n_pieces * share / dw->n_threads),
              end = (int)(n_pieces * (share + 1) / dw->n_threads);
    piece p = {.dw = dw, .cut = cut, .call = q->call, .share = share};
    p.in = (window){.plane = dw->in_plane, .shape = dw->in, .ring = cut->in_ring};
    p.out = (window){.plane = dw->out_plane, .shape = dw->out, .ring = cut->out_ring};
    p.row = q->shares + (size_t)share * mnas_dw_thread_floats(cut);
    p.in.data = p.row + cut->row_floats;
    p.out.data = p.in.data + cut->in_floats;
    p.stage = cut->stream ? p.out.data + cut->out_floats : NULL;
    if (q->norm) mnas_norm_clear(q->norm, share);
    if (q->sums) memset(q->sums + (size_t)share * dw->packed_floats, 0, dw->packed_floats * sizeof(float));
    /* Forward from the last piece to the first: what the operator before has written last is still in a cache. Backward
     * that one has come from the last (pointwise.c). */
    for (int i = 0; i < end - begin; i++) run_piece(q, p, q->backward ? begin + i : end - 1 - i);
}

/* Each share of the pieces has its own buffers and sums, whichever thread takes it: a smaller team gives the
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
                     .backward = true,
                     .norm = call->norm_in[0],
                     .packed = packed,
                     .sums = dweight ? sums : NULL,
                     .shares = sums + (dweight ? (size_t)dw->n_threads * dw->packed_floats : 0)});
    if (dweight) add_shares(dw, sums, dweight);
}
