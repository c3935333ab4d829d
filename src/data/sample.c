/* sample.c - bilinear sampling: two rows are mixed into one line of floats, then that line's pixels in pairs into the output.
 *
 * Every output is the same arithmetic on the same four bytes, whatever else is sampled with it.
 */
#include "data/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Between which two pixels of the raster an output lies: first + (second - first) * share. */
typedef struct between {
    int first, second;
    float share;
    bool outside; /* shows nothing: raw 0 */
} between;

typedef float pixel4 __attribute__((vector_size(16)));

void mnas_sampler_free(mnas_sampler *sampler) {
    free(sampler->columns);
    free(sampler->line);
    *sampler = (mnas_sampler){0};
}

static int reserve(mnas_sampler *s, size_t n_columns, size_t n_line) {
    if (n_columns > s->n_columns) {
        free(s->columns);
        s->columns = malloc(n_columns * sizeof(between));
        s->n_columns = s->columns ? n_columns : 0;
    }
    if (n_line > s->n_line) {
        free(s->line);
        s->line = malloc(n_line * sizeof(float));
        s->n_line = s->line ? n_line : 0;
    }
    return s->columns && s->line ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory to sample an image");
}

/* One side of a view: n_out outputs over `n` pixels from `from` on; the raster has n_raster from `origin` on, at eighths/8 of the
 * size. */
typedef struct axis {
    int n_out, from, n, n_raster, eighths;
    double origin;
} axis;

static between locate(const axis *a, int k) {
    if (k < 0 || k >= a->n_out) return (between){.outside = true};
    double scale = a->eighths / 8.0, at = (double)k * a->n / a->n_out, last = a->n - 1;
    double in_raster = (a->from + (at < last ? at : last) + 0.5) * scale - 0.5 - a->origin;
    if (in_raster < 0) in_raster = 0;
    if (in_raster > a->n_raster - 1) in_raster = a->n_raster - 1;
    int first = (int)in_raster;
    return (between){first, first + 1 < a->n_raster ? first + 1 : first, (float)(in_raster - first), false};
}

static void mix_rows(float *restrict line, const uint8_t *restrict first, const uint8_t *restrict second,
                     float share, size_t n) {
    for (size_t j = 0; j < n; j++) {
        float a = first[j], b = second[j];
        line[j] = a + (b - a) * share;
    }
}

/* Four at a time, of which the fourth is the next pixel's and overwritten by it; the line has one float more than it needs. */
static void mix_colour(float *out, const float *line, const between *columns, int n,
                       const mnas_normalise *norm) {
    pixel4 scale, shift;
    memcpy(&scale, norm->scale, sizeof scale);
    memcpy(&shift, norm->shift, sizeof shift);
    for (int x = 0; x < n; x++, out += 3) {
        pixel4 a, b;
        memcpy(&a, line + 3 * columns[x].first, sizeof a);
        memcpy(&b, line + 3 * columns[x].second, sizeof b);
        pixel4 v = columns[x].outside ? shift : (a + (b - a) * columns[x].share) * scale + shift;
        memcpy(out, &v, x + 1 < n ? sizeof v : 3 * sizeof *out);
    }
}

static void mix_any(float *out, const float *line, const between *columns, int n, int channels,
                    const mnas_normalise *norm) {
    for (int x = 0; x < n; x++)
        for (int c = 0; c < channels; c++) {
            float a = line[channels * columns[x].first + c], b = line[channels * columns[x].second + c];
            float v = columns[x].outside ? 0 : a + (b - a) * columns[x].share;
            *out++ = v * norm->scale[c] + norm->shift[c];
        }
}

static void fill_row(float *out, int width, int channels, const mnas_normalise *norm) {
    for (int x = 0; x < width; x++)
        for (int c = 0; c < channels; c++) *out++ = norm->shift[c];
}

int mnas_sample(float *out, const mnas_view *v, const mnas_raster *r, const mnas_normalise *norm,
                mnas_sampler *s) {
    const axis across = {v->width, v->part.x, v->part.width, r->width, r->eighths, r->x},
               down = {v->height, v->part.y, v->part.height, r->height, r->eighths, r->y};
    size_t row = (size_t)r->width * (size_t)r->channels;
    int rc = reserve(s, (size_t)v->width, row + 1);
    if (rc < 0) return rc;
    between *columns = s->columns;
    for (int x = 0; x < v->width; x++)
        columns[x] = locate(&across, (v->draw.flip ? v->width - 1 - x : x) + v->draw.dx);
    s->line[row] = 0;
    for (int y = 0; y < v->height; y++, out += v->width * r->channels) {
        between at = locate(&down, y + v->draw.dy);
        if (at.outside) {
            fill_row(out, v->width, r->channels, norm);
            continue;
        }
        mix_rows(s->line, r->pixels + (size_t)at.first * row, r->pixels + (size_t)at.second * row, at.share,
                 row);
        if (r->channels == 3)
            mix_colour(out, s->line, columns, v->width, norm);
        else
            mix_any(out, s->line, columns, v->width, r->channels, norm);
    }
    return 0;
}
