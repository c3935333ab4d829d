/* dw.c - cuts depthwise passes into pieces for the leaf loops. It holds no arithmetic of its own but the last
 * sum of the weight gradient.
 *
 * Data gradient: with y + pad = q s + phase, the taps that reach input row y are phase, phase + s, ..., and
 * tap phase + i s reads gradient row q - i; the same along x. So each phase is a correlation of stride 1 with
 * every s-th tap reversed, whose results lie s pixels apart, and forward's leaf serves for it.
 */
#include "kernels/dw.h"

#include <omp.h>
#include <string.h>

/* A plane stays in the second cache beside what streams past it. Many images in one piece spare a small map
 * the overhead of a call. */
enum { PLANE_BYTES = 96 * 1024, MAX_IMAGES = 16, SMALL_WORK = 1 << 14 };

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

/* Rows of the result so that `extra + rows * step` source rows fill a plane, or whole images. */
static void cut_rows(const mnas_dw *dw, mnas_dw_cut *cut, int result_rows, double step, int extra) {
    const int row_floats = cut->cols * (int)dw->isa->lanes;
    const int fit = max_int(PLANE_BYTES / (row_floats * (int)sizeof(float)), 1);
    const int share = ceil_div(dw->batch, dw->n_threads);
    cut->rows = max_int((int)((fit - extra) / step), 1);
    cut->images = 1;
    if (cut->rows >= result_rows) {
        const int image_rows = (int)(result_rows * step) + extra;
        cut->rows = result_rows;
        cut->images = max_int(min_int(min_int(fit / image_rows, share), MAX_IMAGES), 1);
    }
    if (dw->batch < dw->n_threads) cut->rows = min_int(cut->rows, ceil_div(result_rows, dw->n_threads));
    cut->n_rows = ceil_div(result_rows, cut->rows);
    cut->n_images = ceil_div(dw->batch, cut->images);
    cut->plane_floats = (size_t)cut->images * (size_t)(cut->rows * step + extra + 1) * (size_t)row_floats;
}

mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch) {
    mnas_dw dw = {.isa = mnas_isa_get(),
                  .n_threads = omp_get_max_threads(),
                  .batch = batch,
                  .kernel = node->kernel,
                  .stride = node->stride,
                  .pad_top = node->pad_top,
                  .pad_left = node->pad_left,
                  .in = in,
                  .out = node->out};
    dw.packed_floats = (size_t)dw.kernel * (size_t)dw.kernel * (size_t)in.c;
    dw.forward.left = dw.pad_left;
    dw.forward.cols = max_int(dw.pad_left + in.w, (dw.out.w - 1) * dw.stride + dw.kernel);
    cut_rows(&dw, &dw.forward, dw.out.h, dw.stride, dw.kernel);
    int right = dw.out.w;
    for (int phase = 0; phase < dw.stride; phase++) {
        const phase_cols p = cols_of(&dw, phase);
        dw.backward.left = max_int(dw.backward.left, -p.offset);
        right = max_int(right, p.offset + p.n_out - 1 + p.n_taps);
    }
    dw.backward.cols = dw.backward.left + right;
    cut_rows(&dw, &dw.backward, in.h, 1.0 / dw.stride, ceil_div(dw.kernel, dw.stride) + 1);
    dw.plane_floats = dw.forward.plane_floats;
    if (dw.backward.plane_floats > dw.plane_floats) dw.plane_floats = dw.backward.plane_floats;
    return dw;
}

size_t mnas_dw_scratch_floats(const mnas_dw *dw, bool training) {
    const size_t threads = (size_t)dw->n_threads;
    return (training ? threads : 1) * dw->packed_floats + threads * dw->plane_floats;
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

/* A piece with its plane filled for one block of channels. */
typedef struct piece {
    const mnas_dw *dw;
    const mnas_dw_cut *cut;
    int first, n, row_begin, row_end; /* images [first, first + n), rows of the result */
    int plane_first, plane_rows;      /* source rows in the plane */
    size_t c, width;
    float *plane;
    const float *packed; /* weights of this block */
    float *result;       /* tensor, or sums of this block */
    const float *ddst;   /* weight gradient */
} piece;

static piece piece_of(const mnas_dw *dw, const mnas_dw_cut *cut, int index, int result_rows) {
    piece p = {.dw = dw, .cut = cut, .first = index / cut->n_rows * cut->images};
    p.n = min_int(cut->images, dw->batch - p.first);
    p.row_begin = index % cut->n_rows * cut->rows;
    p.row_end = min_int(p.row_begin + cut->rows, result_rows);
    return p;
}

/* Source rows [begin, end) that the piece's results meet, as far as they exist. */
static void set_plane_rows(piece *p, int begin, int end, int n_rows) {
    p->plane_first = max_int(begin, 0);
    p->plane_rows = max_int(min_int(end, n_rows) - p->plane_first, 0);
}

static void fill_plane(const piece *p, mnas_shape shape, const float *src) {
    const mnas_dw_fill fill = {.src = src + (size_t)p->first * mnas_shape_size(shape) + p->c,
                               .n = p->n,
                               .first_row = p->plane_first,
                               .rows = p->plane_rows,
                               .src_cols = shape.w,
                               .left = p->cut->left,
                               .cols = p->cut->cols,
                               .channels = (size_t)shape.c,
                               .src_image = mnas_shape_size(shape),
                               .plane = p->plane};
    p->dw->isa->dw_fill(&fill, p->width);
}

/* Of the piece's first image. */
static const float *plane_row(const piece *p, int row) {
    return p->plane + (size_t)((row - p->plane_first) * p->cut->cols) * p->width;
}

static float *result_row(const piece *p, mnas_shape shape, int row) {
    const size_t rows = (size_t)p->first * (size_t)shape.h + (size_t)row;
    return p->result + rows * (size_t)shape.w * (size_t)shape.c + p->c;
}

typedef void block_fn(piece *p, const float *src);

/* What all rows of a pass have in common. */
static mnas_dw_row row_of(const piece *p, mnas_shape result) {
    return (mnas_dw_row){.n = p->n,
                         .channels = (size_t)result.c,
                         .src_image = (size_t)(p->plane_rows * p->cut->cols) * p->width,
                         .dst_image = mnas_shape_size(result)};
}

static void forward_row(const piece *p, int y) {
    const mnas_dw *dw = p->dw;
    mnas_dw_row row = row_of(p, dw->out);
    row.n_h = dw->kernel;
    row.n_out = dw->out.w;
    row.dst_step = 1;
    row.src_step = dw->stride;
    row.dst = result_row(p, dw->out, y);
    for (int i = 0; i < dw->kernel; i++) {
        const int from = y * dw->stride - dw->pad_top + i;
        if (from < 0 || from >= dw->in.h) continue;
        row.src[row.n_v] = plane_row(p, from);
        row.weight[row.n_v++] = p->packed + (size_t)(i * dw->kernel) * p->width;
    }
    dw->isa->dw_row(&row, p->width);
}

static void forward_block(piece *p, const float *src) {
    const mnas_dw *dw = p->dw;
    set_plane_rows(p, p->row_begin * dw->stride - dw->pad_top,
                   (p->row_end - 1) * dw->stride - dw->pad_top + dw->kernel, dw->in.h);
    fill_plane(p, dw->in, src);
    for (int y = p->row_begin; y < p->row_end; y++) forward_row(p, y);
}

static void backward_row(const piece *p, int y) {
    const mnas_dw *dw = p->dw;
    const int s = dw->stride, q = (y + dw->pad_top) / s, phase_y = (y + dw->pad_top) % s;
    mnas_dw_row row = row_of(p, dw->in);
    row.dst_step = s;
    row.src_step = 1;
    const float *src[MNAS_DW_MAX_KERNEL], *weight[MNAS_DW_MAX_KERNEL];
    for (int i = 0; phase_y + i * s < dw->kernel; i++) {
        if (q - i < 0 || q - i >= dw->out.h) continue;
        src[row.n_v] = plane_row(p, q - i);
        weight[row.n_v++] = p->packed + (size_t)((phase_y + i * s) * dw->kernel) * p->width;
    }
    size_t done = 0; /* taps of the phases before */
    for (int phase = 0; phase < s; phase++) {
        const phase_cols cols = cols_of(dw, phase);
        row.n_h = cols.n_taps;
        row.n_out = cols.n_out;
        row.dst = result_row(p, dw->in, y) + (size_t)(cols.first * dw->in.c);
        for (int v = 0; v < row.n_v; v++) {
            row.src[v] = src[v] + (size_t)(p->cut->left + cols.offset) * p->width;
            row.weight[v] = weight[v] + done * p->width;
        }
        dw->isa->dw_row(&row, p->width);
        done += (size_t)cols.n_taps;
    }
}

static void backward_block(piece *p, const float *ddst) {
    const mnas_dw *dw = p->dw;
    const int s = dw->stride;
    set_plane_rows(p, (p->row_begin + dw->pad_top) / s - (ceil_div(dw->kernel, s) - 1),
                   (p->row_end - 1 + dw->pad_top) / s + 1, dw->out.h);
    fill_plane(p, dw->out, ddst);
    for (int y = p->row_begin; y < p->row_end; y++) backward_row(p, y);
}

static void weight_block(piece *p, const float *src) {
    const mnas_dw *dw = p->dw;
    set_plane_rows(p, p->row_begin * dw->stride - dw->pad_top,
                   (p->row_end - 1) * dw->stride - dw->pad_top + dw->kernel, dw->in.h);
    fill_plane(p, dw->in, src);
    const mnas_dw_weight w = {.plane = p->plane,
                              .ddst = p->ddst + (size_t)p->first * mnas_shape_size(dw->out) + p->c,
                              .n = p->n,
                              .plane_rows = p->plane_rows,
                              .plane_cols = p->cut->cols,
                              .top = dw->pad_top + p->plane_first,
                              .row_begin = p->row_begin,
                              .row_end = p->row_end,
                              .out_h = dw->out.h,
                              .out_w = dw->out.w,
                              .kernel = dw->kernel,
                              .stride = dw->stride,
                              .channels = (size_t)dw->in.c,
                              .sum = p->result};
    dw->isa->dw_weight(&w, p->width);
}

/* ----------------------------------------------------------------------------------------------------- passes */

/* What the blocks of a pass have in common. `per_block`: the result is packed like the weights, one share
 * after another. */
typedef struct pass {
    const mnas_dw *dw;
    const mnas_dw_cut *cut;
    block_fn *fn;
    int result_rows;
    const float *src, *ddst, *packed;
    float *result, *planes;
    bool per_block;
} pass;

static void run_piece(const pass *q, int share, int index) {
    const mnas_dw *dw = q->dw;
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    piece p = piece_of(dw, q->cut, index, q->result_rows);
    p.plane = q->planes + (size_t)share * dw->plane_floats;
    p.ddst = q->ddst;
    for (size_t width; p.c < channels; p.c += width) {
        width = p.width = mnas_isa_width(dw->isa, channels - p.c);
        p.packed = q->packed ? q->packed + p.c * taps : NULL;
        p.result = q->per_block ? q->result + (size_t)share * dw->packed_floats + p.c * taps : q->result;
        q->fn(&p, q->src);
    }
}

/* Each share of the pieces has its own plane and sums, whichever thread takes it: a smaller team gives the
 * same result. */
static void run_pass(const pass *q) {
    const mnas_dw *dw = q->dw;
    const int64_t n_pieces = (int64_t)q->cut->n_rows * q->cut->n_images;
    const bool parallel = (size_t)dw->batch * mnas_shape_size(dw->in) > SMALL_WORK;
#pragma omp parallel for schedule(static) num_threads(dw->n_threads) if (parallel)
    for (int share = 0; share < dw->n_threads; share++) {
        const int begin = (int)(n_pieces * share / dw->n_threads),
                  end = (int)(n_pieces * (share + 1) / dw->n_threads);
        if (q->per_block)
            memset(q->result + (size_t)share * dw->packed_floats, 0, dw->packed_floats * sizeof(float));
        for (int i = begin; i < end; i++) run_piece(q, share, i);
    }
}

void mnas_dw_forward(const mnas_dw *dw, const float *src, const float *weight, float *dst, float *scratch) {
    pack_forward(dw, weight, scratch);
    run_pass(&(pass){.dw = dw,
                     .cut = &dw->forward,
                     .fn = forward_block,
                     .result_rows = dw->out.h,
                     .src = src,
                     .packed = scratch,
                     .result = dst,
                     .planes = scratch + dw->packed_floats});
}

void mnas_dw_backward_data(const mnas_dw *dw, const float *ddst, const float *weight, float *dsrc,
                           float *scratch) {
    pack_backward(dw, weight, scratch);
    run_pass(&(pass){.dw = dw,
                     .cut = &dw->backward,
                     .fn = backward_block,
                     .result_rows = dw->in.h,
                     .src = ddst,
                     .packed = scratch,
                     .result = dsrc,
                     .planes = scratch + dw->packed_floats});
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

void mnas_dw_backward_weight(const mnas_dw *dw, const float *src, const float *ddst, float *dweight,
                             float *scratch) {
    run_pass(&(pass){.dw = dw,
                     .cut = &dw->forward,
                     .fn = weight_block,
                     .result_rows = dw->out.h,
                     .src = src,
                     .ddst = ddst,
                     .result = scratch,
                     .planes = scratch + (size_t)dw->n_threads * dw->packed_floats,
                     .per_block = true});
    add_shares(dw, scratch, dweight);
}
