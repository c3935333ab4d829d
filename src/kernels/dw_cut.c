/* dw_cut.c - how depthwise passes are cut into pieces and steps, and what memory a thread needs for one. It touches no
 * tensor.
 */
#include "kernels/dw.h"

#include <omp.h>

#include "base/round.h"

/* An image whose planes stand in the first cache is done whole, block of channels by block, and small ones by the dozen, which
 * spares the overhead of calls. Of a larger one, steps of a few rows are done, all channels of them. */
enum {
    IMAGE_BYTES = 44 * 1024,
    IMAGES_BYTES = 128 * 1024,
    MAX_IMAGES = 16,
    STEP_BYTES = 384 * 1024, /* stays in the second cache beside what streams past it */
    NEAR_BYTES = 192 * 1024, /* what is asked for at its first block is still there at its last */
    STREAM_BYTES = 8 << 20
};

static mnas_dw_phase phase_of(const mnas_dw *dw, int phase) {
    const int s = dw->stride;
    mnas_dw_phase p = {.first = ((phase - dw->pad_left) % s + s) % s,
                       .n_taps = dw->kernel > phase ? mnas_dw_divide_up(dw->kernel - phase, s) : 0};
    p.n_out = p.first < dw->in.w ? mnas_dw_divide_up(dw->in.w - p.first, s) : 0;
    p.offset = (p.first + dw->pad_left - phase) / s - (p.n_taps - 1);
    return p;
}

/* Columns, so that all tiles of a row find theirs. */
static void set_planes(mnas_dw *dw) {
    const int s = dw->stride, tiles = mnas_dw_whole_tiles(dw->out.w);
    mnas_dw_plane in = {.left = dw->pad_left}, out = {0};
    in.cols = mnas_dw_max(in.left + dw->in.w, (tiles - 1) * s + dw->kernel);
    int right = tiles;
    for (int phase = 0; phase < s; phase++) {
        const mnas_dw_phase p = dw->phases[phase] = phase_of(dw, phase);
        out.left = mnas_dw_max(out.left, -p.offset);
        right = mnas_dw_max(right, p.offset + mnas_dw_whole_tiles(p.n_out) - 1 + p.n_taps);
    }
    out.cols = out.left + right;
    dw->in_plane = in;
    dw->out_plane = out;
    dw->data_pixels = (mnas_dw_whole_tiles(mnas_dw_divide_up(dw->in.w, s)) + 1) * s;
}

/* Buffers behind begin at a cache line. */
static size_t whole_lines(size_t floats) {
    return mnas_round_up(floats, MNAS_ISA_MAX_LANES);
}

/* Rings and buffers for steps of `step` rows of `images` images. A step forward needs the input rows that its output rows
 * meet; backward also the gradient rows that meet the input rows above its own, or, at the end of a piece, below. */
static void set_step(const mnas_dw *dw, mnas_dw_cut *cut, bool backward, int step, int images) {
    const int s = dw->stride, k = dw->kernel;
    const size_t n = (size_t)images, all = (size_t)dw->in.c;
    const size_t channels = step < cut->rows ? all : MNAS_ISA_MAX_LANES; /* no row outlives a whole image */
    const int stage_rows = backward ? mnas_dw_min(step * s + dw->pad_top + k, dw->in.h) : step;
    const int stage_cols = backward ? dw->in.w : dw->out.w;
    const int row_pixels = backward ? dw->data_pixels : mnas_dw_whole_tiles(dw->out.w);
    cut->step = step;
    cut->images = images;
    cut->in_ring = mnas_dw_min((step - 1) * s + k, dw->in.h);
    cut->out_ring =
        backward ? mnas_dw_min(step + mnas_dw_divide_up(k, s) + mnas_dw_divide_up(dw->pad_top, s), dw->out.h)
                 : 0;
    cut->in_floats = whole_lines(n * (size_t)(cut->in_ring * dw->in_plane.cols) * channels);
    cut->out_floats = whole_lines(n * (size_t)(cut->out_ring * dw->out_plane.cols) * channels);
    cut->stage_floats = cut->stream ? whole_lines(n * (size_t)(stage_rows * stage_cols) * all) : 0;
    cut->row_floats = n * (size_t)row_pixels * MNAS_ISA_MAX_LANES;
}

static size_t plane_bytes(const mnas_dw_cut *cut) {
    return (cut->in_floats + cut->out_floats) * sizeof(float);
}

static size_t image_bytes(const mnas_dw *dw) {
    return mnas_shape_size(dw->in) * dw->isa->elem_bytes;
}

/* Whole images, as many as fit; or as many rows a step as do. */
static mnas_dw_cut cut_pass(const mnas_dw *dw, bool backward) {
    const mnas_shape result = backward ? dw->in : dw->out;
    mnas_dw_cut cut = {.rows = dw->out.h};
    if (dw->batch < dw->n_threads) cut.rows = mnas_dw_divide_up(dw->out.h, dw->n_threads);
    cut.n_rows = mnas_dw_divide_up(dw->out.h, cut.rows);
    cut.stream = (size_t)dw->batch * mnas_shape_size(result) * dw->isa->elem_bytes > STREAM_BYTES;
    const int share = mnas_dw_min(mnas_dw_divide_up(dw->batch, dw->n_threads), MAX_IMAGES);
    int step = cut.rows, images = cut.n_rows == 1 ? share : 1;
    set_step(dw, &cut, backward, step, images);
    while (images > 1 && plane_bytes(&cut) > IMAGES_BYTES) set_step(dw, &cut, backward, step, --images);
    while (step > 1 && images == 1 && plane_bytes(&cut) > (step < cut.rows ? STEP_BYTES : IMAGE_BYTES))
        set_step(dw, &cut, backward, --step, images);
    cut.n_images = mnas_dw_divide_up(dw->batch, cut.images);
    cut.all_channels = cut.step < cut.rows || (size_t)cut.images * image_bytes(dw) <= NEAR_BYTES;
    return cut;
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
    dw.forward = cut_pass(&dw, false);
    dw.backward = cut_pass(&dw, true);
    return dw;
}

/* Packed weights, every share's buffers; backward every share's sums of the weight gradient, too. */
size_t mnas_dw_scratch_floats(const mnas_dw *dw, bool training) {
    const size_t threads = (size_t)dw->n_threads;
    const size_t forward = dw->packed_floats + threads * mnas_dw_thread_floats(&dw->forward),
                 backward =
                     (1 + threads) * dw->packed_floats + threads * mnas_dw_thread_floats(&dw->backward);
    return training && backward > forward ? backward : forward;
}
