/* test_resize.c - resizing against closed forms, and against Pillow's values (images/make_resize.py). */
#include "fixture.h"

#include "data/resize.h"

static void resize(uint8_t *out, int out_h, int out_w, const uint8_t *in, int h, int w, int channels) {
    mnas_resize *r;
    assert_int_equal(mnas_resize_create(&r, h, w, out_h, out_w, channels), 0);
    mnas_resize_apply(r, out, in, (size_t)(w * channels));
    mnas_resize_destroy(r);
}

static void a_constant_stays(void **state) {
    (void)state;
    static const int sides[] = {1, 2, 3, 7, 10, 31, 64, 97};
    uint8_t in[97 * 97], out[97 * 97];
    for (size_t a = 0; a < 8; a++)
        for (size_t b = 0; b < 8; b++)
            for (int v = 0; v < 256; v += 51) {
                int n = sides[a], m = sides[b];
                memset(in, v, sizeof in);
                resize(out, m, n, in, n, m, 1);
                for (int i = 0; i < n * m; i++) assert_int_equal(out[i], v);
            }
}

static void half_is_the_mean_of_four(void **state) {
    (void)state;
    uint8_t in[8][6][3], out[4][3][3];
    for (size_t i = 0; i < sizeof in; i++) (&in[0][0][0])[i] = (uint8_t)(i * i * 7 + i);
    resize(&out[0][0][0], 4, 3, &in[0][0][0], 8, 6, 3);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 3; x++)
            for (int c = 0; c < 3; c++) {
                int sum = in[2 * y][2 * x][c] + in[2 * y][2 * x + 1][c] + in[2 * y + 1][2 * x][c] +
                          in[2 * y + 1][2 * x + 1][c];
                assert_int_equal(out[y][x][c], (sum + 2) / 4);
            }
}

/* 3 -> 2: (2 a + b) / 3 and (b + 2 c) / 3. */
static void parts_of_pixels_count(void **state) {
    (void)state;
    const uint8_t in[3] = {30, 90, 240};
    uint8_t out[2];
    resize(out, 1, 2, in, 1, 3, 1);
    assert_int_equal(out[0], 50);
    assert_int_equal(out[1], 190);
}

/* A ramp of pixel centres stays one, whatever the ratio; enlarged, its ends repeat. */
static void a_ramp_stays_a_ramp(void **state) {
    (void)state;
    enum { N = 40 };
    static const int sides[] = {5, 8, 16, 27, 33, 40, 55, 80, 81};
    uint8_t in[N], out[2 * 81];
    for (int i = 0; i < N; i++) in[i] = (uint8_t)(6 * i + 3); /* 6 x at the centre x = i + 1/2 */
    for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
        double scale = (double)N / sides[s];
        resize(out, 1, sides[s], in, 1, N, 1);
        for (int i = 0; i < sides[s]; i++) {
            double x = (i + 0.5) * scale;
            double expected = 6 * fmin(fmax(x, 0.5), N - 0.5);
            double error = fabs(out[i] - expected);
            /* an area of fractional pixels is a mean of steps: at most an eighth of a step beside the line */
            if (error > 0.5 + 6.0 / 8 + 1e-3)
                fail_msg("%d -> %d at %d: %d, not %g", N, sides[s], i, out[i], expected);
        }
        resize(out, sides[s], 2, (const uint8_t[]){in[0], in[N - 1]}, 1, 2, 1);
        for (int i = 0; i < sides[s]; i++) assert_int_equal(out[2 * i], in[0]);
    }
}

static void part_of_an_image(void **state) {
    (void)state;
    uint8_t in[5][7], square[5][5], a[9], b[9];
    for (size_t i = 0; i < sizeof in; i++) (&in[0][0])[i] = (uint8_t)(i * 31);
    mnas_square s = mnas_resize_centre(5, 7);
    assert_int_equal(s.side, 5);
    assert_int_equal(s.y, 0);
    assert_int_equal(s.x, 1);
    for (int y = 0; y < 5; y++) memcpy(square[y], in[y] + 1, 5);
    mnas_resize *r;
    assert_int_equal(mnas_resize_create(&r, 5, 5, 3, 3, 1), 0);
    mnas_resize_apply(r, a, &in[s.y][s.x], sizeof in[0]);
    mnas_resize_destroy(r);
    resize(b, 3, 3, &square[0][0], 5, 5, 1);
    assert_memory_equal(a, b, 9);
    assert_int_equal(mnas_resize_centre(8, 3).y, 2);
}

/* Pillow rounds between the axes, we once at the end: one step apart at most. */
static void as_pillow_has_it(void **state) {
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(mnas_file_read(MNAS_SOURCE_DIR "/tests/unit/data/images/resize.bin", 1 << 20, &data, &n),
                     0);
    const uint8_t *at = (const uint8_t *)data, *end = at + n, *picture = at + 8;
    uint32_t size[2], first[2];
    int n_results = 0;
    memcpy(first, at, 8);
    for (; at < end; at += 8 + 3 * size[0] * size[1], n_results++) {
        memcpy(size, at, 8);
        uint8_t out[40 * 40 * 3];
        assert_true(3 * size[0] * size[1] <= sizeof out);
        resize(out, (int)size[0], (int)size[1], picture, (int)first[0], (int)first[1], 3);
        for (uint32_t i = 0; i < 3 * size[0] * size[1]; i++) assert_in_range(out[i] - at[8 + i] + 1, 0, 2);
    }
    assert_int_equal(n_results, 9);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_constant_stays),      cmocka_unit_test(half_is_the_mean_of_four),
        cmocka_unit_test(parts_of_pixels_count), cmocka_unit_test(a_ramp_stays_a_ramp),
        cmocka_unit_test(part_of_an_image),      cmocka_unit_test(as_pillow_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
