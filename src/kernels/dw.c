/* dw.c - cuts depthwise passes into rows for the leaf loops. It holds no arithmetic of its own.
 *
 * Data gradient: with y + pad = q s + phase, the taps that reach input row y are phase, phase + s, ..., and
 * tap phase + i s reads gradient row q - i; the same along x. So each phase is a correlation of stride 1 with
 * every s-th tap reversed, whose results lie s pixels apart, and forward's leaf serves for it.
 */
#include "kernels/dw.h"

#include <omp.h>
#include <string.h>

/* A group of rows that is walked once per block of channels should stay in the second cache meanwhile; the
 * slice of one block of channels that a weight gradient walks `kernel` times in the first. */
enum { GROUP_BYTES = 192 * 1024, SLICE_BYTES = 24 * 1024, MAX_IMAGES = 16, SMALL_WORK = 1 << 14 };

mnas_dw mnas_dw_of(const mnas_node *node, mnas_shape in, int batch) {
    return (mnas_dw){.isa = mnas_isa_get(),
                     .n_threads = omp_get_max_threads(),
                     .batch = batch,
                     .kernel = node->kernel,
                     .stride = node->stride,
                     .pad_top = node->pad_top,
                     .pad_left = node->pad_left,
                     .in = in,
                     .out = node->out};
}

size_t mnas_dw_packed_floats(const mnas_dw *dw) {
    return (size_t)dw->kernel * (size_t)dw->kernel * (size_t)dw->in.c;
}

void mnas_dw_pack_forward(const mnas_dw *dw, const float *weight, float *packed) {
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < channels; c++) packed[tap * channels + c] = weight[c * taps + tap];
}

static int n_taps_of(int kernel, int stride, int phase) {
    return kernel > phase ? (kernel - phase + stride - 1) / stride : 0;
}

/* Row i of the taps keeps its place; within it, phase after phase, the last tap first. */
void mnas_dw_pack_backward(const mnas_dw *dw, const float *weight, float *packed) {
    const int kernel = dw->kernel;
    const size_t taps = (size_t)kernel * (size_t)kernel, channels = (size_t)dw->in.c;
    for (int i = 0; i < kernel; i++)
        for (int phase = 0; phase < dw->stride; phase++)
            for (int h = n_taps_of(kernel, dw->stride, phase) - 1; h >= 0; h--) {
                const float *from = weight + i * kernel + phase + h * dw->stride;
                for (size_t c = 0; c < channels; c++) packed[c] = from[c * taps];
                packed += channels;
            }
}

static size_t row_floats(mnas_shape s) {
    return (size_t)s.w * (size_t)s.c;
}

static void forward_row(const mnas_dw *dw, const float *src, const float *packed, float *dst, int y, size_t c,
                        size_t width) {
    const size_t channels = (size_t)dw->in.c;
    mnas_dw_row row = {.n_h = dw->kernel,
                       .n_out = dw->out.w,
                       .dst_step = 1,
                       .src_step = dw->stride,
                       .src_off = -dw->pad_left,
                       .src_cols = dw->in.w,
                       .channels = channels,
                       .dst = dst + (size_t)y * row_floats(dw->out)};
    for (int i = 0; i < dw->kernel; i++) {
        const int from = y * dw->stride - dw->pad_top + i;
        if (from < 0 || from >= dw->in.h) continue;
        row.src[row.n_v] = src + (size_t)from * row_floats(dw->in);
        row.weight[row.n_v++] = packed + (size_t)i * (size_t)dw->kernel * channels;
    }
    dw->isa->dw_row(&row, c, width);
}

static void backward_row(const mnas_dw *dw, const float *ddst, const float *packed, float *dsrc, int y,
                         size_t c, size_t width) {
    const int s = dw->stride, q = (y + dw->pad_top) / s, phase_y = (y + dw->pad_top) % s;
    const size_t channels = (size_t)dw->in.c;
    mnas_dw_row row = {.dst_step = s, .src_step = 1, .src_cols = dw->out.w, .channels = channels};
    const float *weight[MNAS_DW_MAX_KERNEL];
    for (int i = 0; phase_y + i * s < dw->kernel; i++) {
        if (q - i < 0 || q - i >= dw->out.h) continue;
        row.src[row.n_v] = ddst + (size_t)(q - i) * row_floats(dw->out);
        weight[row.n_v++] = packed + (size_t)((phase_y + i * s) * dw->kernel) * channels;
    }
    size_t done = 0; /* taps of the phases before */
    for (int phase = 0; phase < s; phase++) {
        const int x = ((phase - dw->pad_left) % s + s) % s;
        row.n_h = n_taps_of(dw->kernel, s, phase);
        row.n_out = (dw->in.w - x + s - 1) / s;
        row.src_off = (x + dw->pad_left - phase) / s - (row.n_h - 1);
        row.dst = dsrc + (size_t)y * row_floats(dw->in) + (size_t)x * channels;
        for (int v = 0; v < row.n_v; v++) row.weight[v] = weight[v] + done * channels;
        if (row.n_out > 0) dw->isa->dw_row(&row, c, width);
        done += (size_t)row.n_h;
    }
}

typedef void row_fn(const mnas_dw *dw, const float *from, const float *packed, float *to, int y, size_t c,
                    size_t width);

/* Rows of `to` in groups, blocks of channels inside a group. */
static void run_rows(const mnas_dw *dw, row_fn *fn, mnas_shape from_shape, mnas_shape to_shape,
                     const float *from, const float *packed, float *to) {
    const size_t channels = (size_t)dw->in.c,
                 bytes = (row_floats(from_shape) + row_floats(to_shape)) * sizeof(float);
    int group = bytes < GROUP_BYTES ? (int)(GROUP_BYTES / bytes) : 1;
    if (group > to_shape.h) group = to_shape.h;
    if (dw->batch < dw->n_threads && group > to_shape.h / dw->n_threads + 1)
        group = to_shape.h / dw->n_threads + 1;
    const int n_groups = (to_shape.h + group - 1) / group;
    const bool parallel = (size_t)dw->batch * mnas_shape_size(to_shape) > SMALL_WORK;
#pragma omp parallel for collapse(2) schedule(static) num_threads(dw->n_threads) if (parallel)
    for (int n = 0; n < dw->batch; n++)
        for (int g = 0; g < n_groups; g++) {
            const float *image = from + (size_t)n * mnas_shape_size(from_shape);
            float *result = to + (size_t)n * mnas_shape_size(to_shape);
            const int end = (g + 1) * group < to_shape.h ? (g + 1) * group : to_shape.h;
            for (size_t c = 0, width; c < channels; c += width) {
                width = mnas_isa_width(dw->isa, channels - c);
                for (int y = g * group; y < end; y++) fn(dw, image, packed, result, y, c, width);
            }
        }
}

void mnas_dw_forward(const mnas_dw *dw, const float *src, const float *packed, float *dst) {
    run_rows(dw, forward_row, dw->in, dw->out, src, packed, dst);
}

void mnas_dw_backward_data(const mnas_dw *dw, const float *ddst, const float *packed, float *dsrc) {
    run_rows(dw, backward_row, dw->out, dw->in, ddst, packed, dsrc);
}

/* Output rows and images that one call of the weight gradient's leaf walks. */
typedef struct piece_size {
    int rows, images, n_rows, n_images; /* n_: number of pieces along each */
} piece_size;

static piece_size cut_weight(const mnas_dw *dw) {
    const int lanes = (int)dw->isa->lanes;
    const int row_bytes = lanes * (int)sizeof(float) * (dw->in.w * dw->stride + dw->out.w);
    piece_size p = {.rows = SLICE_BYTES / row_bytes, .images = 1};
    if (p.rows < 1) p.rows = 1;
    if (p.rows > dw->out.h) {
        p.images = p.rows / dw->out.h;
        p.rows = dw->out.h;
        const int share = (dw->batch + dw->n_threads - 1) / dw->n_threads;
        if (p.images > share) p.images = share;
        if (p.images > MAX_IMAGES) p.images = MAX_IMAGES;
    }
    p.n_rows = (dw->out.h + p.rows - 1) / p.rows;
    p.n_images = (dw->batch + p.images - 1) / p.images;
    return p;
}

static void weight_piece(const mnas_dw *dw, const piece_size *p, int index, const float *src,
                         const float *ddst, float *sum) {
    const int first = index / p->n_rows * p->images, row = index % p->n_rows * p->rows;
    const size_t channels = (size_t)dw->in.c;
    const mnas_dw_weight w = {.src = src + (size_t)first * mnas_shape_size(dw->in),
                              .ddst = ddst + (size_t)first * mnas_shape_size(dw->out),
                              .n = dw->batch - first < p->images ? dw->batch - first : p->images,
                              .in_h = dw->in.h,
                              .in_w = dw->in.w,
                              .out_h = dw->out.h,
                              .out_w = dw->out.w,
                              .kernel = dw->kernel,
                              .stride = dw->stride,
                              .pad_top = dw->pad_top,
                              .pad_left = dw->pad_left,
                              .row_begin = row,
                              .row_end = row + p->rows < dw->out.h ? row + p->rows : dw->out.h,
                              .channels = channels,
                              .sum = sum};
    for (size_t c = 0, width; c < channels; c += width) {
        width = mnas_isa_width(dw->isa, channels - c);
        dw->isa->dw_weight(&w, c, width);
    }
}

/* dweight[c, tap] = sum over threads, in their order, of sums[thread][tap, c] */
static void add_threads(const mnas_dw *dw, const float *sums, float *dweight) {
    const size_t taps = (size_t)dw->kernel * (size_t)dw->kernel, channels = (size_t)dw->in.c;
    for (size_t c = 0; c < channels; c++)
        for (size_t tap = 0; tap < taps; tap++) {
            float sum = 0;
            for (int t = 0; t < dw->n_threads; t++) sum += sums[((size_t)t * taps + tap) * channels + c];
            dweight[c * taps + tap] = sum;
        }
}

void mnas_dw_backward_weight(const mnas_dw *dw, const float *src, const float *ddst, float *sums,
                             float *dweight) {
    const size_t floats = mnas_dw_packed_floats(dw);
    const piece_size p = cut_weight(dw);
    const int n_pieces = p.n_rows * p.n_images;
    /* Each share of the pieces has its own sums, whichever thread takes it: a smaller team gives the same
     * result. */
#pragma omp parallel for schedule(static) num_threads(dw->n_threads)
    for (int t = 0; t < dw->n_threads; t++) {
        float *sum = sums + (size_t)t * floats;
        memset(sum, 0, floats * sizeof *sum);
        const int begin = (int)((int64_t)n_pieces * t / dw->n_threads);
        const int end = (int)((int64_t)n_pieces * (t + 1) / dw->n_threads);
        for (int i = begin; i < end; i++) weight_piece(dw, &p, i, src, ddst, sum);
    }
    add_threads(dw, sums, dweight);
}
