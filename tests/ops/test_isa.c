/* test_isa.c - every leaf of every instruction set this CPU has (kernels/isa.h) against the same leaf in plain C, on odd sizes
 * and with every activation. Whether plain C is right is for test_kernels.c and test_fused.c to say.
 *
 * Inputs are multiples of 1/8 up to 4: products and sums of a few are exact in any order, so that sets agree to the last bit,
 * at the corners of activations, too, and where a tensor's neighbours must stay as they are. Curves are rounded: 1e-5.
 * Needs no library: tests/optional/test_aarch64.sh builds it for another processor.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/isa.h"

enum { IMAGES = 2, TAIL = 16, MAX_ROOMS = 16 };

/* One call of a leaf; what the numbers mean is up to whoever makes the call. */
typedef struct leaf_case {
    size_t channels;
    int n; /* pixels, rows or elements */
    int mode, kernel, stride;
    mnas_act act;
} leaf_case;

static const mnas_act acts[] = {MNAS_ACT_NONE, MNAS_ACT_RELU, MNAS_ACT_RELU6, MNAS_ACT_SWISH,
                                MNAS_ACT_HSWISH};
static const size_t channels[] = {1, 3, 4, 7, 12, 16, 17, 31, 61};

/* ---- buffers of a call, which release() frees ---- */

static void *rooms[MAX_ROOMS];
static int n_rooms;

static float *nans(size_t n) {
    float *x = aligned_alloc(64, (n * sizeof *x + 127) / 64 * 64);
    assert_true(x && n_rooms < MAX_ROOMS);
    for (size_t i = 0; i < n; i++) x[i] = NAN;
    return rooms[n_rooms++] = x;
}

static float *eighths(mnas_rng *rng, size_t n) {
    float *x = nans(n);
    for (size_t i = 0; i < n; i++) x[i] = (float)mnas_rng_below(rng, 65) / 8 - 4;
    return x;
}

static double *zeros(size_t n) {
    double *x = (double *)(void *)nans(2 * n);
    return memset(x, 0, n * sizeof *x);
}

static void release(void) {
    while (n_rooms > 0) free(rooms[--n_rooms]);
}

static mnas_norm make_norm(mnas_rng *rng, mnas_act act, size_t columns) {
    const bool clips = act == MNAS_ACT_RELU || act == MNAS_ACT_RELU6;
    float *table = eighths(rng, 6 * columns);
    return (mnas_norm){.act = act,
                       .low = clips ? 0.0f : -INFINITY,
                       .high = act == MNAS_ACT_RELU6 ? 6.0f : INFINITY,
                       .channels = columns,
                       .repeat = 1,
                       .columns = columns,
                       .shift = table,
                       .mean = table + columns,
                       .scale = table + 2 * columns,
                       .beta = table + 3 * columns,
                       .slope = table + 4 * columns,
                       .offset = table + 5 * columns};
}

/* ---- blocks of channels: [n, width] of [n, channels] ---- */

#define FOR_BLOCKS(isa, n_channels)                                                                          \
    for (size_t c = 0, width; c < (n_channels) && (width = mnas_isa_width(isa, (n_channels)-c)); c += width)

static void gather(const float *all, size_t n, size_t n_channels, size_t c, size_t width, float *block) {
    for (size_t i = 0; i < n; i++) memcpy(block + i * width, all + i * n_channels + c, width * sizeof *all);
}

static void scatter(const float *block, size_t n, size_t n_channels, size_t c, size_t width, float *all) {
    for (size_t i = 0; i < n; i++) memcpy(all + i * n_channels + c, block + i * width, width * sizeof *all);
}

/* ---- comparing ---- */

/* Makes the call and leaves its n_out results, floats of [.., channels], in out. */
typedef void maker(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out);

static float *results(const mnas_isa *isa, const leaf_case *k, maker *make, size_t n_out) {
    float *out = malloc((n_out + TAIL) * sizeof *out);
    assert_true(out != NULL);
    for (size_t i = 0; i < n_out + TAIL; i++) out[i] = NAN;
    mnas_rng rng = mnas_rng_stream(3, (uint64_t)k->n, "leaves");
    make(isa, k, &rng, out);
    release();
    return out;
}

static void compare(const char *leaf, const mnas_isa *isa, const leaf_case *k, const float *got,
                    const float *wanted, size_t n) {
    const bool curved = k->act == MNAS_ACT_SWISH || k->act == MNAS_ACT_HSWISH;
    for (size_t i = 0; i < n; i++) {
        if (got[i] == wanted[i] || (isnan(got[i]) && isnan(wanted[i]))) continue;
        if (curved && fabs((double)got[i] - (double)wanted[i]) <= 1e-5 * (1 + fabs((double)wanted[i])))
            continue;
        fail_msg("%s of %s: %zu channels, n %d, mode %d, kernel %d, stride %d, act %d: result %zu is %.9g, "
                 "not %.9g",
                 leaf, isa->name, k->channels, k->n, k->mode, k->kernel, k->stride, (int)k->act, i,
                 (double)got[i], (double)wanted[i]);
    }
}

static void check(const char *leaf, maker *make, const leaf_case *k, size_t n_out) {
    const mnas_isa *list[MNAS_ISA_MAX_SETS];
    const size_t n = mnas_isa_list(list);
    float *wanted = results(&mnas_isa_portable, k, make, n_out);
    for (size_t i = 0; i + 1 < n; i++) {
        float *got = results(list[i], k, make, n_out);
        compare(leaf, list[i], k, got, wanted, n_out + TAIL);
        free(got);
    }
    free(wanted);
}

static void check_acts(const char *leaf, maker *make, leaf_case k, size_t n_out) {
    for (int a = 0; a < 5; a++) {
        k.act = acts[a];
        check(leaf, make, &k, n_out);
    }
}

static void to_floats(const double *total, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) out[i] = (float)total[i];
}

/* ---- depthwise ---- */

enum { FILL_ROWS = 5, FILL_RING = 4, FILL_LEFT = 2, FILL_RIGHT = 3 };

/* Rows 1 to 4 of 5, in a ring of 4. */
static void make_fill(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t row = (size_t)k->n * k->channels, image = FILL_ROWS * row;
    const int cols = FILL_LEFT + k->n + FILL_RIGHT;
    const size_t pixels = (size_t)(IMAGES * FILL_RING * cols);
    const float *src = eighths(rng, IMAGES * image), *x = eighths(rng, IMAGES * image);
    const mnas_norm norm = make_norm(rng, k->act, k->channels);
    float *plane = nans(pixels * MNAS_ISA_MAX_LANES);
    FOR_BLOCKS(isa, k->channels) {
        const mnas_dw_fill fill = {.mode = (mnas_dw_fill_mode)k->mode,
                                   .all_channels = k->n % 2,
                                   .src = src,
                                   .x = x,
                                   .norm = k->mode == MNAS_DW_COPY ? NULL : &norm,
                                   .n = IMAGES,
                                   .first_row = 1,
                                   .rows = FILL_RING,
                                   .ring = FILL_RING,
                                   .src_cols = k->n,
                                   .left = FILL_LEFT,
                                   .cols = cols,
                                   .c = c,
                                   .channels = k->channels,
                                   .at = c,
                                   .src_image = image,
                                   .plane = plane};
        isa->dw_fill(&fill, width);
        scatter(plane, pixels, k->channels, c, width, out);
    }
}

static void test_dw_fill(void **state) {
    (void)state;
    for (int i = 0; i < 9; i++)
        for (int mode = MNAS_DW_COPY; mode <= MNAS_DW_GRADIENT_PASSED; mode++) {
            const leaf_case k = {.channels = channels[i], .n = 1 + i % 4, .mode = mode};
            const int pixels = IMAGES * FILL_RING * (FILL_LEFT + k.n + FILL_RIGHT);
            check_acts("dw_fill", make_fill, k, (size_t)pixels * k.channels);
        }
}

/* The first of three rows in every other pixel of the result, of n_v = 2 rows of the plane. */
static void make_row(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    enum { N_V = 2, DST_STEP = 2 };
    const size_t tiles = (size_t)mnas_dw_whole_tiles(k->n);
    const size_t cols = (tiles - 1) * (size_t)k->stride + (size_t)k->kernel, taps = (size_t)k->kernel;
    const float *all = eighths(rng, IMAGES * N_V * cols * k->channels);
    const float *weights = eighths(rng, N_V * taps * k->channels);
    float *plane = nans(IMAGES * N_V * cols * MNAS_ISA_MAX_LANES);
    float *packed = nans(N_V * taps * MNAS_ISA_MAX_LANES);
    float *dst = nans(IMAGES * DST_STEP * tiles * MNAS_ISA_MAX_LANES);
    FOR_BLOCKS(isa, k->channels) {
        gather(all, IMAGES * N_V * cols, k->channels, c, width, plane);
        gather(weights, N_V * taps, k->channels, c, width, packed);
        const mnas_dw_row row = {.src = {plane, plane + cols * width},
                                 .weight = {packed, packed + taps * width},
                                 .n = IMAGES,
                                 .n_v = N_V,
                                 .n_h = k->kernel,
                                 .n_out = k->n,
                                 .dst_step = DST_STEP,
                                 .src_step = k->stride,
                                 .src_image = N_V * cols * width,
                                 .dst_image = DST_STEP * tiles * width,
                                 .dst = dst};
        isa->dw_row(&row, width);
        for (size_t i = 0; i < IMAGES; i++)
            for (size_t t = 0; t < (size_t)k->n; t++)
                scatter(dst + (i * tiles + t) * DST_STEP * width, 1, k->channels, c, width,
                        out + (i * (size_t)k->n + t) * k->channels);
    }
}

/* out_w = n, in rows of whole tiles; the last rows lie below the plane. */
static void make_weight(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    enum { ROWS = 4, TOP = 1 };
    const size_t tiles = (size_t)mnas_dw_whole_tiles(k->n), taps = (size_t)(k->kernel * k->kernel);
    const size_t cols = (tiles - 1) * (size_t)k->stride + (size_t)k->kernel;
    const float *all = eighths(rng, IMAGES * ROWS * cols * k->channels);
    const float *sums = eighths(rng, taps * k->channels);
    float *gradients = eighths(rng, IMAGES * ROWS * tiles * k->channels);
    for (size_t i = 0; i < IMAGES * ROWS * tiles; i++)
        if (i % tiles >= (size_t)k->n)
            memset(gradients + i * k->channels, 0, k->channels * sizeof *gradients);
    float *plane = nans(IMAGES * ROWS * cols * MNAS_ISA_MAX_LANES);
    float *gradient = nans(IMAGES * ROWS * tiles * MNAS_ISA_MAX_LANES);
    float *sum = nans(taps * MNAS_ISA_MAX_LANES);
    FOR_BLOCKS(isa, k->channels) {
        gather(all, IMAGES * ROWS * cols, k->channels, c, width, plane);
        gather(gradients, IMAGES * ROWS * tiles, k->channels, c, width, gradient);
        gather(sums, taps, k->channels, c, width, sum);
        const mnas_dw_weight weight = {.plane = plane,
                                       .gradient = gradient,
                                       .plane_row = cols * width,
                                       .plane_image = ROWS * cols * width,
                                       .gradient_row = tiles * width,
                                       .gradient_image = ROWS * tiles * width,
                                       .plane_ring = ROWS,
                                       .gradient_ring = ROWS,
                                       .n = IMAGES,
                                       .plane_rows = ROWS,
                                       .top = TOP,
                                       .row_begin = 0,
                                       .row_end = ROWS - 1,
                                       .out_w = k->n,
                                       .kernel = k->kernel,
                                       .stride = k->stride,
                                       .sum = sum};
        isa->dw_weight(&weight, width);
        scatter(sum, taps, k->channels, c, width, out);
    }
}

static void test_dw_row_and_weight(void **state) {
    (void)state;
    int i = 0;
    for (int kernel = 1; kernel <= 7; kernel++)
        for (int stride = 1; stride <= 3; stride++)
            for (int again = 0; again < 3; again++, i++) {
                const leaf_case k = {
                    .channels = channels[i % 9], .n = 1 + i % 14, .kernel = kernel, .stride = stride};
                check("dw_row", make_row, &k, IMAGES * (size_t)k.n * k.channels);
                check("dw_weight", make_weight, &k, (size_t)(kernel * kernel) * k.channels);
            }
}

/* Behind the tensor of the results, which hold a pixel more than is written, stand the two sums. */
static void make_drain(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t pixels = (size_t)k->n + 1, image = pixels * k->channels;
    const float *rows = eighths(rng, IMAGES * image), *x = eighths(rng, IMAGES * image);
    const mnas_norm norm = make_norm(rng, k->act, k->channels);
    float *row = nans(IMAGES * pixels * MNAS_ISA_MAX_LANES);
    double *total = zeros(2 * k->channels);
    FOR_BLOCKS(isa, k->channels) {
        gather(rows, IMAGES * pixels, k->channels, c, width, row);
        const mnas_dw_drain drain = {.mode = (mnas_dw_drain_mode)k->mode,
                                     .row = row,
                                     .row_image = pixels * width,
                                     .x = x,
                                     .norm = k->mode == MNAS_DW_COPY_OUT ? NULL : &norm,
                                     .n = IMAGES,
                                     .n_pixels = k->n,
                                     .c = c,
                                     .channels = k->channels,
                                     .at = c,
                                     .dst_image = image,
                                     .x_at = c,
                                     .x_image = image,
                                     .dst = out,
                                     .total = total + c};
        isa->dw_drain(&drain, width);
    }
    to_floats(total, 2 * k->channels, out + IMAGES * image);
}

static void test_dw_drain(void **state) {
    (void)state;
    for (int i = 0; i < 9; i++)
        for (int mode = MNAS_DW_COPY_OUT; mode <= MNAS_DW_PASS; mode++) {
            const leaf_case k = {.channels = channels[i], .n = 1 + i % 6, .mode = mode};
            check_acts("dw_drain", make_drain, k, ((size_t)(IMAGES * (k.n + 1)) + 2) * k.channels);
        }
}

/* ---- gates and additions ---- */

typedef enum gate_mode { POOL, SCALE, DOTS, GRADIENT, GRADIENT_OF_MEAN, N_GATES } gate_mode;

/* n pixels, sums, two totals. Without a norm where stride is 0. */
static void make_gate(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t floats = (size_t)k->n * k->channels;
    const mnas_norm norm = make_norm(rng, k->act, k->channels);
    double *total = zeros(2 * k->channels);
    mnas_gate gate = {.x = eighths(rng, floats),
                      .dy = k->mode == GRADIENT_OF_MEAN ? NULL : eighths(rng, floats),
                      .norm = k->stride ? &norm : NULL,
                      .channels = k->channels,
                      .n = (size_t)k->n,
                      .scale = eighths(rng, k->channels),
                      .add = eighths(rng, k->channels),
                      .sum = out + floats,
                      .dst = out};
    void (*const leaves[])(const mnas_gate *, size_t) = {isa->gate_pool, isa->gate_scale, isa->gate_dots,
                                                         isa->gate_gradient, isa->gate_gradient};
    FOR_BLOCKS(isa, k->channels) {
        gate.c = gate.at = c;
        gate.total = total + c;
        leaves[k->mode](&gate, width);
    }
    to_floats(total, 2 * k->channels, out + floats + k->channels);
}

/* mode: which of the two have a norm. */
static void make_add_normed(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t floats = (size_t)k->n * k->channels;
    const mnas_norm first = make_norm(rng, k->act, k->channels),
                    second = make_norm(rng, MNAS_ACT_RELU6, k->channels);
    mnas_add add = {.x = {eighths(rng, floats), eighths(rng, floats)},
                    .norm = {k->mode & 1 ? &first : NULL, k->mode & 2 ? &second : NULL},
                    .channels = k->channels,
                    .n = (size_t)k->n,
                    .dst = out};
    FOR_BLOCKS(isa, k->channels) {
        add.c = add.at = c;
        isa->add_normed(&add, width);
    }
}

static void test_gates(void **state) {
    (void)state;
    for (int i = 0; i < 9; i++) {
        leaf_case k = {.channels = channels[i], .n = 1 + 5 * i % 11};
        const size_t floats = (size_t)k.n * k.channels;
        for (k.mode = POOL; k.mode < N_GATES; k.mode++)
            for (k.stride = 0; k.stride <= 1; k.stride++)
                check_acts("gate", make_gate, k, floats + 3 * k.channels);
        for (k.mode = 1; k.mode <= 3; k.mode++) check_acts("add_normed", make_add_normed, k, floats);
    }
}

/* ---- batch-norm: columns are whole vectors ---- */

typedef enum bn_pass { SUMS, APPLY, APPLY_STREAM, GRADIENT_SUMS, GRADIENT_SUMS_KEPT, INPUT_GRADIENT } bn_pass;

/* The matrix of the result, then two rows of sums. Only what must be aligned is. */
static void make_bn(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t rows = (size_t)k->n, columns = k->channels, n = rows * columns;
    const float *x = eighths(rng, n + 1) + 1, *dy = eighths(rng, n + 1) + 1;
    const mnas_norm norm = make_norm(rng, k->act, columns);
    float *y = nans(n + 1) + (k->mode != APPLY_STREAM), *sum = out + n, *second = sum + columns;
    if (k->mode == SUMS) isa->bn_sums(x, norm.shift, rows, columns, sum, second);
    if (k->mode == APPLY) isa->bn_apply(x, &norm, rows, columns, y);
    if (k->mode == APPLY_STREAM) isa->bn_apply_stream(x, &norm, rows, columns, y);
    if (k->mode == GRADIENT_SUMS) isa->bn_gradient_sums(x, dy, &norm, rows, columns, sum, second, NULL);
    if (k->mode == GRADIENT_SUMS_KEPT) isa->bn_gradient_sums(x, dy, &norm, rows, columns, sum, second, y);
    if (k->mode == INPUT_GRADIENT) isa->bn_gradient(x, dy, &norm, k->act, rows, columns, y);
    memcpy(out, y, n * sizeof *y);
}

/* A diverged step shows: x is no number, or no finite one. */
static void make_bn_unusual(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t columns = k->channels;
    const float unusual[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-40f, -0.0f};
    const mnas_norm norm = make_norm(rng, k->act, columns);
    float *x = nans(columns), *dy = eighths(rng, columns);
    for (size_t i = 0; i < columns; i++) x[i] = unusual[i % 7], norm.mean[i] = 0, norm.scale[i] = 1;
    isa->bn_apply(x, &norm, 1, columns, out);
    isa->bn_gradient_sums(x, dy, &norm, 1, columns, out + columns, out + 2 * columns, NULL);
}

static void test_batch_norm(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        leaf_case k = {.channels = (size_t)(16 * (1 + 3 * i % 8)), .n = 1 + 4 * i};
        for (k.mode = SUMS; k.mode <= INPUT_GRADIENT; k.mode++)
            check_acts("bn", make_bn, k, (size_t)(k.n + 2) * k.channels);
    }
    check_acts("bn of unusual numbers", make_bn_unusual, (leaf_case){.channels = 112, .n = 1}, 3 * 112);
}

/* ---- loops over n elements, none of which need be aligned ---- */

static void make_elements(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t n = (size_t)k->n;
    const float *a = eighths(rng, n + 1) + 1, *b = eighths(rng, n + 1) + 1;
    float *y = eighths(rng, n + 1) + 1;
    double *total = zeros(n);
    isa->narrow(a, n, out), out += n;
    isa->widen(b, n, out), out += n;
    isa->clamp(a, n, -1, 2.5f, out), out += n;
    isa->clamp_gradient(a, b, n, -1, 2.5f, out), out += n;
    isa->add(a, b, n, out), out += n;
    isa->multiply(a, b, n, out), out += n;
    isa->dropout(a, n, 7, 99, 0.3, 1.5f, out), out += n;
    isa->accumulate(a, n, total), to_floats(total, n, out), out += n;
    isa->axpy(0.25f, a, n, y), memcpy(out, y, n * sizeof *y), out += n;
    *out = isa->dot(a, b, n);
}

/* Within a tensor, whose other elements stay; mode: how far from an aligned address. */
static void make_copy(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t n = (size_t)k->n, to = (size_t)k->mode, all = to + n + TAIL;
    float *y = nans(all);
    isa->copy_stream(eighths(rng, n + 3), 3, n, y, to);
    memcpy(out, y, all * sizeof *y);
}

static void make_columns(const mnas_isa *isa, const leaf_case *k, mnas_rng *rng, float *out) {
    const size_t rows = (size_t)k->n, columns = k->channels;
    const float *x = eighths(rng, rows * columns), *y = eighths(rng, rows * columns);
    isa->column_sums(x, rows, columns, out);
    isa->column_dots(x, y, rows, columns, out + columns);
    isa->column_affine(x, eighths(rng, columns), eighths(rng, columns), rows, columns, out + 2 * columns);
}

static void test_elements(void **state) {
    (void)state;
    for (leaf_case k = {.n = 0}; k.n < 70; k.n++) {
        check("an element-wise leaf", make_elements, &k, 9 * (size_t)k.n + 1);
        k.mode = k.n % 19;
        check("copy_stream", make_copy, &k, (size_t)(k.mode + k.n + TAIL));
    }
    for (int i = 0; i < 9; i++)
        for (int rows = 1; rows < 140; rows += 69) {
            const leaf_case k = {.channels = channels[i] * 3, .n = rows};
            check("a leaf of columns", make_columns, &k, (size_t)(rows + 2) * k.channels);
        }
}

int main(void) {
    const mnas_isa *list[MNAS_ISA_MAX_SETS];
    const size_t n = mnas_isa_list(list);
    for (size_t i = 0; i < n; i++) print_message("%s%s", list[i]->name, i + 1 < n ? ", " : "\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dw_fill),    cmocka_unit_test(test_dw_row_and_weight),
        cmocka_unit_test(test_dw_drain),   cmocka_unit_test(test_gates),
        cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
