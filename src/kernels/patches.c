/* patches.c - see patches.h. */
#include "kernels/patches.h"

#include <string.h>

#include "base/round.h"

enum { VECTOR = 16, COPY_BYTES = MNAS_PATCHES_SLACK };

mnas_patches mnas_patches_of(const mnas_node *node, mnas_shape in, int batch) {
    const size_t size = (size_t)node->kernel * (size_t)node->kernel * (size_t)in.c;
    const size_t elem_bytes = mnas_elem_bytes(node->elem);
    return (mnas_patches){.in = in,
                          .out = node->out,
                          .kernel = node->kernel,
                          .stride = node->stride,
                          .pad_top = node->pad_top,
                          .pad_left = node->pad_left,
                          .columns = mnas_round_up(size, VECTOR),
                          .elem_bytes = elem_bytes,
                          .images_bytes = (size_t)batch * mnas_shape_size(in) * elem_bytes};
}

/* A row of a window: [kernel, C]. */
static size_t run_bytes(const mnas_patches *p) {
    return (size_t)p->kernel * (size_t)p->in.c * p->elem_bytes;
}

/* Windows of one output row. */
typedef struct windows {
    const mnas_patches *p;
    const char *image; /* the one they are of */
    const char *end;   /* of all images */
    int y;             /* first input row */
} windows;

/* Row `ky` of the window at x, which may lie partly outside. */
static void gather_run(const windows *w, int ky, int x, char *to) {
    const mnas_patches *p = w->p;
    const size_t pixel = (size_t)p->in.c * p->elem_bytes;
    const int y = w->y + ky, begin = x < 0 ? -x : 0;
    const int left = p->in.w - x, end = left < p->kernel ? left : p->kernel;
    memset(to, 0, run_bytes(p));
    if (y < 0 || y >= p->in.h || begin >= end) return;
    memcpy(to + (size_t)begin * pixel, w->image + (size_t)(y * p->in.w + x + begin) * pixel,
           (size_t)(end - begin) * pixel);
}

/* Where the window at x begins in the image. */
static const char *window_at(const windows *w, int x) {
    return w->image + (size_t)(w->y * w->p->in.w + x) * (size_t)w->p->in.c * w->p->elem_bytes;
}

/* Whether all of the window is in the image, and may be copied in pieces of COPY_BYTES. */
static bool is_inside(const windows *w, int x) {
    const mnas_patches *p = w->p;
    if (w->y < 0 || x < 0 || w->y + p->kernel > p->in.h || x + p->kernel > p->in.w) return false;
    const size_t row = (size_t)p->in.w * (size_t)p->in.c * p->elem_bytes;
    return run_bytes(p) <= COPY_BYTES &&
           w->end - window_at(w, x) >= (ptrdiff_t)((size_t)(p->kernel - 1) * row + COPY_BYTES);
}

/* n windows from x on, all inside. Each row is copied with some bytes behind it, which the next copy overwrites, or which
 * meet weights of zero: a length known to the compiler is one load and one store. */
static void gather_inside(const windows *w, int x, int n, char *to) {
    const mnas_patches *p = w->p;
    const size_t run = run_bytes(p), row = (size_t)p->in.w * (size_t)p->in.c * p->elem_bytes;
    const size_t step = (size_t)(p->stride * p->in.c) * p->elem_bytes, columns = p->columns * p->elem_bytes;
    const char *from = window_at(w, x);
    for (int i = 0; i < n; i++, from += step, to += columns)
        for (int ky = 0; ky < p->kernel; ky++)
            memcpy(to + (size_t)ky * run, from + (size_t)ky * row, COPY_BYTES);
}

/* How many of n windows from x on are inside, one after another. */
static int n_inside(const windows *w, int x, int n) {
    const int stride = w->p->stride;
    if (!is_inside(w, x)) return 0;
    const int fit = (w->p->in.w - w->p->kernel - x) / stride + 1;
    if (n > fit) n = fit;
    while (!is_inside(w, x + (n - 1) * stride)) n--; /* at the very end of the images */
    return n;
}

static void gather_row(const windows *w, int first, int n, char *to) {
    const mnas_patches *p = w->p;
    const size_t columns = p->columns * p->elem_bytes;
    for (int i = 0; i < n;) {
        const int x = (first + i) * p->stride - p->pad_left;
        const int inside = n_inside(w, x, n - i);
        gather_inside(w, x, inside, to + (size_t)i * columns);
        i += inside;
        for (int ky = 0; inside == 0 && ky < p->kernel; ky++)
            gather_run(w, ky, x, to + (size_t)i * columns + (size_t)ky * run_bytes(p));
        i += inside == 0;
    }
}

void mnas_patches_gather(const mnas_patches *p, const void *images, size_t first, size_t n, void *rows) {
    const size_t width = (size_t)p->out.w, image_bytes = mnas_shape_size(p->in) * p->elem_bytes;
    char *to = rows;
    while (n > 0) {
        const size_t row = first / width, x = first % width, left = width - x, m = n < left ? n : left;
        const windows w = {.p = p,
                           .image = (const char *)images + row / (size_t)p->out.h * image_bytes,
                           .end = (const char *)images + p->images_bytes,
                           .y = (int)(row % (size_t)p->out.h) * p->stride - p->pad_top};
        gather_row(&w, (int)x, (int)m, to);
        to += m * p->columns * p->elem_bytes;
        first += m;
        n -= m;
    }
}

/* Where weight (c, ky, kx) stands in a row. */
static size_t column_of(const mnas_patches *p, int tap, int c) {
    return (size_t)tap * (size_t)p->in.c + (size_t)c;
}

void mnas_patches_arrange(const mnas_patches *p, const float *weight, float *rows) {
    const int taps = p->kernel * p->kernel;
    memset(rows, 0, (size_t)p->out.c * p->columns * sizeof *rows);
    for (int k = 0; k < p->out.c; k++, rows += p->columns)
        for (int c = 0; c < p->in.c; c++)
            for (int tap = 0; tap < taps; tap++) rows[column_of(p, tap, c)] = *weight++;
}

void mnas_patches_restore(const mnas_patches *p, const float *rows, float *weight) {
    const int taps = p->kernel * p->kernel;
    for (int k = 0; k < p->out.c; k++, rows += p->columns)
        for (int c = 0; c < p->in.c; c++)
            for (int tap = 0; tap < taps; tap++) *weight++ = rows[column_of(p, tap, c)];
}
