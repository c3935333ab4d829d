/* test_crop.c - the paper's crops: against a second, literal telling of TensorFlow's rules, against values worked out by hand, and the
 * sampling that brings a crop to size. */
#include "fixture.h"

#include "data/crop.h"
#include "data/sample.h"

/* ---- TensorFlow's kernel once more, from its text ---- */

/* sample_distorted_bounding_box_op.cc, one attempt; false: rejected. */
static bool reference_attempt(mnas_rect *out, int height, int width, mnas_rng *rng) {
    float aspect = (float)mnas_rng_uniform(rng) * (4.0f / 3 - 0.75f) + 0.75f;
    float min_area = 0.08f * (float)width * (float)height, max_area = (float)width * (float)height;
    int low = (int)lrintf(sqrtf(min_area / aspect)), high = (int)lrintf(sqrtf(max_area / aspect));
    while (lrintf((float)high * aspect) > width) high--;
    if (high > height) high = height;
    if (low > high) low = high;
    int h = low < high ? low + (int)mnas_rng_below(rng, (uint32_t)(high - low + 1)) : low;
    if ((double)h * (double)lrintf((float)h * aspect) < min_area) h++;
    if ((double)h * (double)lrintf((float)h * aspect) > max_area) h--;
    int w = (int)lrintf((float)h * aspect);
    double area = (double)w * h;
    if (area < min_area || area > max_area || w > width || h > height || w < 1 || h < 1) return false;
    int y = h < height ? (int)mnas_rng_below(rng, (uint32_t)(height - h)) : 0;
    int x = w < width ? (int)mnas_rng_below(rng, (uint32_t)(width - w)) : 0;
    *out = (mnas_rect){y, x, h, w};
    return area / ((double)width * height) >= 0.1;
}

static mnas_rect reference(int height, int width, int size, mnas_rng *rng) {
    mnas_rect part;
    for (int i = 0; i < 10; i++)
        if (reference_attempt(&part, height, width, rng))
            return part.height == height && part.width == width ? mnas_crop_centre(height, width, size)
                                                                : part;
    return mnas_crop_centre(height, width, size);
}

static const int sizes[][2] = {{375, 500},  {500, 375}, {224, 224}, {32, 32}, {28, 28},     {1, 1},    {2, 3},
                               {100, 1000}, {1000, 90}, {7, 300},   {13, 17}, {3000, 4000}, {333, 334}};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static void crops_are_tensorflows(void **state) {
    (void)state;
    for (size_t k = 0; k < N_SIZES; k++)
        for (uint64_t i = 0; i < 3000; i++) {
            mnas_rng a = mnas_rng_stream(7, i, "test"), b = a;
            mnas_rect got = mnas_crop_area(sizes[k][0], sizes[k][1], 224, &a),
                      expected = reference(sizes[k][0], sizes[k][1], 224, &b);
            if (memcmp(&got, &expected, sizeof got) != 0)
                fail_msg("%dx%d, draw %d: %d %d %d %d, expected %d %d %d %d", sizes[k][0], sizes[k][1],
                         (int)i, got.y, got.x, got.height, got.width, expected.y, expected.x, expected.height,
                         expected.width);
        }
}

/* Of 500 x 375: what the rules say of the distribution, from their text alone. */
static void crops_are_distributed_as_said(void **state) {
    (void)state;
    enum { N = 40000 };
    int n_low = 0, n_high_aspect = 0, first = 0, n_whole = 0;
    double aspects = 0, areas = 0;
    for (uint64_t i = 0; i < N; i++) {
        mnas_rng rng = mnas_rng_stream(1, i, "test");
        mnas_rect r = mnas_crop_area(375, 500, 224, &rng);
        double area = r.height * (double)r.width / (375.0 * 500), aspect = r.width / (double)r.height;
        assert_true(r.y >= 0 && r.x >= 0 && r.y + r.height <= 375 && r.x + r.width <= 500);
        assert_true(r.height == 375 || r.y + r.height < 375); /* the last offset never comes */
        assert_true(area >= 0.0999 && area <= 1);             /* not 0.08: a tenth must be covered */
        assert_true(aspect > 0.74 && aspect < 1.345);
        areas += area, aspects += aspect;
        n_low += area<0.2, n_high_aspect += aspect> 1.0417, first += r.y == 0, n_whole += area > 0.95;
    }
    /* Aspect a uniform on [3/4, 4/3], height uniform between sqrt(.1 A / a) and min(375, sqrt(A / a)), A = 375 * 500; integrated
     * numerically: mean area 0.4504, mean aspect 1.0417 + a little, since flat ones are seldom rejected. */
    double sum_area = 0, sum_aspect = 0, sum_low = 0, sum_weight = 0;
    for (int i = 0; i < 400; i++) {
        double a = 0.75 + (i + 0.5) / 400 * (4.0 / 3 - 0.75), A = 375.0 * 500, top = fmin(375, sqrt(A / a));
        double low = sqrt(0.08 * A / a);
        for (int j = 0; j < 400; j++) {
            double h = low + (j + 0.5) / 400 * (top - low), area = h * h * a / A;
            if (area < 0.1) continue;
            sum_area += area, sum_aspect += a, sum_low += area < 0.2, sum_weight++;
        }
    }
    assert_true(fabs(areas / N - sum_area / sum_weight) < 0.006);
    assert_true(fabs(aspects / N - sum_aspect / sum_weight) < 0.004);
    assert_true(fabs((double)n_low / N - sum_low / sum_weight) < 0.01);
    assert_true(fabs((double)n_high_aspect / N - 0.5) < 0.02);
    assert_true(n_whole < N / 10 && first > N / 300);
}

static void evaluation_sees_the_central_square(void **state) {
    (void)state;
    static const int cases[][6] = {/* height, width, size; side, y, x */
                                   {375, 500, 224, 328, 24, 86}, {500, 375, 224, 328, 86, 24},
                                   {256, 256, 224, 224, 16, 16}, {224, 224, 224, 196, 14, 14},
                                   {300, 301, 96, 225, 38, 38},  {1, 1, 224, 1, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_rect r = mnas_crop_centre(cases[i][0], cases[i][1], cases[i][2]);
        assert_int_equal(r.height, cases[i][3]);
        assert_int_equal(r.width, cases[i][3]);
        assert_int_equal(r.y, cases[i][4]);
        assert_int_equal(r.x, cases[i][5]);
    }
}

/* An image on which no part fits: 1 x 40 has no part of 8 % with aspect 3/4 to 4/3. */
static void falls_back_to_the_centre(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        mnas_rng rng = mnas_rng_stream(1, i, "test");
        mnas_rect r = mnas_crop_area(1, 40, 224, &rng);
        assert_int_equal(r.x, 20);
        assert_int_equal(r.width, 1);
    }
}

/* ---- sampling ---- */

static mnas_normalise plain(int channels) {
    mnas_normalise norm;
    mnas_normalise_init(&norm, (double[]){0, 0, 0, 0}, (double[]){1 / 255.0, 1 / 255.0, 1 / 255.0, 1 / 255.0},
                        channels);
    return norm;
}

/* resize_bilinear of TensorFlow 1, aligned at neither corners nor centres, of the part alone. */
static double reference_pixel(const mnas_raster *r, mnas_rect part, int y, int x, int c, int height,
                              int width) {
    double at_y = (double)y * part.height / height, at_x = (double)x * part.width / width;
    int y0 = (int)at_y, x0 = (int)at_x, y1 = y0 + 1 < part.height ? y0 + 1 : y0,
        x1 = x0 + 1 < part.width ? x0 + 1 : x0;
    double v[4];
    const int at[4][2] = {{y0, x0}, {y0, x1}, {y1, x0}, {y1, x1}};
    for (int i = 0; i < 4; i++)
        v[i] = r->pixels[((size_t)(at[i][0] + part.y) * (size_t)r->width + (size_t)(at[i][1] + part.x)) *
                             (size_t)r->channels +
                         (size_t)c];
    double top = v[0] + (v[1] - v[0]) * (at_x - x0), bottom = v[2] + (v[3] - v[2]) * (at_x - x0);
    return top + (bottom - top) * (at_y - y0);
}

static void check_sampling(const mnas_raster *raster, mnas_rect part, int size, mnas_augment_draw draw) {
    static float out[40 * 40 * 4 + 1];
    mnas_sampler sampler = {0};
    mnas_normalise norm = plain(raster->channels);
    size_t n = (size_t)size * (size_t)size * (size_t)raster->channels;
    out[n] = -7;
    assert_int_equal(mnas_sample(out, &(mnas_view){size, size, part, draw}, raster, &norm, &sampler), 0);
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            for (int c = 0; c < raster->channels; c++) {
                int from_y = y + draw.dy, from_x = (draw.flip ? size - 1 - x : x) + draw.dx;
                bool outside = from_y < 0 || from_y >= size || from_x < 0 || from_x >= size;
                double expected = outside ? 0 : reference_pixel(raster, part, from_y, from_x, c, size, size);
                double got = out[(y * size + x) * raster->channels + c];
                if (fabs(got - expected) > 1e-3)
                    fail_msg("pixel %d %d %d: %f, expected %f", y, x, c, got, expected);
            }
    assert_true(out[n] == -7);
    mnas_sampler_free(&sampler);
}

static void samples_as_tensorflow_resizes(void **state) {
    (void)state;
    static uint8_t pixels[37 * 53 * 4];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    for (int channels = 1; channels <= 4; channels++) {
        mnas_raster raster = {pixels, 37, 53, channels, 0, 0, 8};
        static const mnas_rect parts[] = {
            {0, 0, 37, 53}, {5, 7, 20, 31}, {36, 52, 1, 1}, {0, 40, 37, 13}, {3, 0, 8, 8}};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            for (int flip = 0; flip < 2; flip++) {
                check_sampling(&raster, parts[i], 16, (mnas_augment_draw){0, 0, flip});
                check_sampling(&raster, parts[i], 40, (mnas_augment_draw){0, 0, flip});
                check_sampling(&raster, parts[i], 9, (mnas_augment_draw){-2, 3, flip});
                check_sampling(&raster, parts[i], 9, (mnas_augment_draw){1, -4, flip});
            }
    }
}

/* A ramp has the same value at a place whatever the scale it was decoded at. */
static void scales_keep_places(void **state) {
    (void)state;
    enum { SIDE = 256 };
    static uint8_t full[SIDE * SIDE], part[SIDE * SIDE];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) full[y * SIDE + x] = (uint8_t)((x + y) / 2);
    mnas_normalise norm = plain(1);
    mnas_sampler sampler = {0};
    float expected[20 * 20], got[20 * 20];
    mnas_rect rect = {40, 72, 128, 100};
    const mnas_view view = {20, 20, rect, {0}};
    mnas_raster whole = {full, SIDE, SIDE, 1, 0, 0, 8};
    assert_int_equal(mnas_sample(expected, &view, &whole, &norm, &sampler), 0);
    for (int eighths = 1; eighths < 8; eighths *= 2) {
        int k = 8 / eighths, side = SIDE / k, y0 = 40 / k - 1, x0 = 72 / k - 1; /* the raster begins inside */
        for (int y = y0; y < side; y++)
            for (int x = x0; x < side; x++) {
                double sum = 0;
                for (int i = 0; i < k * k; i++) sum += full[(y * k + i / k) * SIDE + x * k + i % k];
                part[(y - y0) * (side - x0) + x - x0] = (uint8_t)lrint(sum / (k * k));
            }
        mnas_raster small = {part, side - y0, side - x0, 1, y0, x0, eighths};
        assert_int_equal(mnas_sample(got, &view, &small, &norm, &sampler), 0);
        for (int i = 0; i < 20 * 20; i++) assert_true(fabsf(got[i] - expected[i]) < 1.2f);
    }
    mnas_sampler_free(&sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_are_tensorflows),
        cmocka_unit_test(crops_are_distributed_as_said),
        cmocka_unit_test(evaluation_sees_the_central_square),
        cmocka_unit_test(falls_back_to_the_centre),
        cmocka_unit_test(samples_as_tensorflow_resizes),
        cmocka_unit_test(scales_keep_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
