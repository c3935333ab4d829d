/* test_image_file.c - JPEG and PNG of every kind against what Pillow decodes them to (images/make_images.py), and every prefix
 * and many corruptions of them: an image or an error, never anything else. */
#include "fixture.h"

#include "base/error.h"
#include "base/rng.h"
#include "data/image_codec.h"

static uint8_t *load(const char *name, const char *end, size_t *n) {
    char path[1200], *data;
    snprintf(path, sizeof path, "%s%s%s", FIX_IMAGES, name, end);
    if (mnas_file_read(path, 1 << 20, &data, n) < 0) fail_msg("%s", mnas_error_message());
    return (uint8_t *)data;
}

/* Largest difference of a value from what `expected` (height, width, values) has. */
static int largest_error(const mnas_image *image, const uint8_t *expected, size_t n) {
    uint32_t size[2];
    int largest = 0;
    memcpy(size, expected, 8);
    assert_int_equal(image->height, size[0]);
    assert_int_equal(image->width, size[1]);
    assert_int_equal(n, 8 + (size_t)image->channels * size[0] * size[1]);
    for (size_t i = 0; i < n - 8; i++) {
        int error = abs(image->pixels[i] - expected[8 + i]);
        if (error > largest) largest = error;
    }
    return largest;
}

static void check(const char *name, const char *end, int channels, int tolerance) {
    size_t n, n_expected;
    uint8_t *bytes = load(name, "", &n), *expected = load(name, end, &n_expected);
    mnas_image image;
    if (mnas_image_decode(&image, bytes, n, channels, 0) < 0) fail_msg("%s: %s", name, mnas_error_message());
    assert_int_equal(image.channels, channels);
    int error = largest_error(&image, expected, n_expected);
    if (error > tolerance) fail_msg("%s: off by %d", name, error);
    int height, width;
    assert_int_equal(mnas_image_size(&height, &width, bytes, n), 0);
    assert_int_equal(height, image.height);
    assert_int_equal(width, image.width);
    free(image.pixels);
    free(bytes);
    free(expected);
}

static const char *const pngs[] = {"grey.png",      "rgb.png",           "rgba.png",    "grey_alpha.png",
                                   "palette.png",   "palette_clear.png", "one_bit.png", "deep_rgb.png",
                                   "deep_grey.png", "interlaced.png"};
static const char *const jpegs[] = {"colour.jpg",    "subsampled.jpg", "grey.jpg",    "progressive.jpg",
                                    "cmyk.jpg",      "turned2.jpg",    "turned3.jpg", "turned4.jpg",
                                    "turned5.jpg",   "turned6.jpg",    "turned7.jpg", "turned8.jpg",
                                    "wrong_name.png"};
enum { N_PNGS = sizeof pngs / sizeof *pngs, N_JPEGS = sizeof jpegs / sizeof *jpegs };

static void png_as_pillow_has_it(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PNGS; i++) check(pngs[i], ".rgb", 3, 1);
}

static void jpeg_as_pillow_has_it(void **state) {
    (void)state;
    for (size_t i = 0; i < N_JPEGS; i++) check(jpegs[i], ".rgb", 3, 2);
}

/* Any part is what the whole image shows there: libjpeg's shortcuts leave no trace. */
static void check_part(const char *name, const uint8_t *bytes, size_t n, const mnas_image *whole,
                       mnas_rect part) {
    mnas_image_part got;
    if (mnas_image_decode_part(&got, bytes, n, whole->channels, part, 0) < 0)
        fail_msg("%s: %s", name, mnas_error_message());
    assert_int_equal(got.eighths, 8);
    assert_true(got.y <= part.y && got.y + got.image.height >= part.y + part.height);
    assert_true(got.x <= part.x && got.x + got.image.width >= part.x + part.width);
    size_t pixel = (size_t)whole->channels;
    for (int y = part.y; y < part.y + part.height; y++)
        if (memcmp(got.image.pixels +
                       ((size_t)(y - (int)got.y) * (size_t)got.image.width + (size_t)(part.x - (int)got.x)) *
                           pixel,
                   whole->pixels + ((size_t)y * (size_t)whole->width + (size_t)part.x) * pixel,
                   (size_t)part.width * pixel) != 0)
            fail_msg("%s: row %d of %d %d %d %d differs", name, y, part.y, part.x, part.height, part.width);
    free(got.image.pixels);
}

static void parts_are_of_the_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < N_JPEGS + 3; i++) {
        const char *name = i < N_JPEGS ? jpegs[i] : i == N_JPEGS ? "large.jpg" : pngs[i - N_JPEGS];
        size_t n;
        uint8_t *bytes = load(name, "", &n);
        for (int channels = 1; channels <= 3; channels += 2) {
            mnas_image whole;
            assert_int_equal(mnas_image_decode(&whole, bytes, n, channels, 0), 0);
            for (uint64_t k = 0; k < 60; k++) {
                mnas_rng rng = mnas_rng_stream(1, k, "part");
                int h = 1 + (int)mnas_rng_below(&rng, (uint32_t)whole.height),
                    w = 1 + (int)mnas_rng_below(&rng, (uint32_t)whole.width);
                int y = (int)mnas_rng_below(&rng, (uint32_t)(whole.height - h + 1)),
                    x = (int)mnas_rng_below(&rng, (uint32_t)(whole.width - w + 1));
                check_part(name, bytes, n, &whole, (mnas_rect){y, x, h, w});
            }
            check_part(name, bytes, n, &whole, (mnas_rect){0, 0, whole.height, whole.width});
            free(whole.pixels);
        }
        free(bytes);
    }
}

/* Scaled down as far as the part stays as large as it must be, and all that interpolation needs is there. */
static void parts_come_scaled(void **state) {
    (void)state;
    static const char *const names[] = {"large.jpg", "turned6.jpg", "turned3.jpg", "progressive.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n;
        uint8_t *bytes = load(names[i], "", &n);
        int height, width;
        assert_int_equal(mnas_image_size(&height, &width, bytes, n), 0);
        mnas_rect part = {height / 5, width / 7, height / 2, width / 2};
        int side = part.height < part.width ? part.height : part.width;
        for (int eighths = 1; eighths <= 8; eighths *= 2) {
            mnas_image_part got;
            int min_side = side * eighths / 8;
            if (min_side == 0) continue;
            assert_int_equal(mnas_image_decode_part(&got, bytes, n, 3, part, min_side), 0);
            assert_int_equal(got.eighths, eighths);
            double low = (part.y + 0.5) * eighths / 8 - 0.5, high = low + (part.height - 1) * eighths / 8.0;
            double last = height * eighths / 8.0 - 1;
            assert_true(got.y <= fmax(low, 0));
            assert_true(got.y + got.image.height - 1 >= fmin(high, last));
            free(got.image.pixels);
        }
        free(bytes);
    }
}

static void grey_is_luma(void **state) {
    (void)state;
    check("colour.jpg", ".grey", 1, 4); /* Y as stored, not made of rounded RGB */
    check("rgba.png", ".grey", 1, 2);
    size_t n;
    uint8_t *bytes = load("cmyk.jpg", "", &n);
    mnas_image colour, grey;
    assert_int_equal(mnas_image_decode(&colour, bytes, n, 3, 0), 0);
    assert_int_equal(mnas_image_decode(&grey, bytes, n, 1, 0), 0);
    for (int i = 0; i < grey.height * grey.width; i++)
        assert_int_equal(grey.pixels[i], mnas_image_luma(colour.pixels + 3 * (size_t)i));
    free(colour.pixels), free(grey.pixels), free(bytes);
}

/* Half, quarter, eighth: the first that leaves enough, and its values are means of the whole image's. */
static void jpeg_comes_smaller(void **state) {
    (void)state;
    static const struct {
        int min_side, height;
    } cases[] = {{0, 64},  {1, 8},   {8, 8},   {9, 16},  {16, 16},
                 {17, 32}, {32, 32}, {33, 64}, {64, 64}, {500, 64}};
    size_t n;
    uint8_t *bytes = load("large.jpg", "", &n);
    mnas_image whole, small;
    assert_int_equal(mnas_image_decode(&whole, bytes, n, 3, 0), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(mnas_image_decode(&small, bytes, n, 3, cases[i].min_side), 0);
        assert_int_equal(small.height, cases[i].height);
        assert_int_equal(small.width, cases[i].height * 96 / 64);
        int f = 64 / small.height, sum = 0;
        for (int y = 0; y < f; y++)
            for (int x = 0; x < f; x++) sum += whole.pixels[3 * ((f + y) * 96 + f + x)];
        assert_in_range(small.pixels[3 * (small.width + 1)] + 6, sum / (f * f), sum / (f * f) + 12);
        free(small.pixels);
    }
    free(whole.pixels), free(bytes);
}

static void expect_refused(const char *name, const char *words) {
    size_t n;
    uint8_t *bytes = load(name, "", &n);
    mnas_image image;
    assert_int_equal(mnas_image_decode(&image, bytes, n, 3, 0), MNAS_ERR_FORMAT);
    assert_null(image.pixels);
    if (!strstr(mnas_error_message(), words)) fail_msg("%s: %s", name, mnas_error_message());
    free(bytes);
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    expect_refused("bad_cut.jpg", "JPEG: ");
    expect_refused("bad_cut.png", "cut short");
    expect_refused("bad_crc.png", "PNG: ");
    expect_refused("bad_garbage.jpg", "JPEG: ");
    expect_refused("bad_text.jpg", "HTML");
    expect_refused("bad_gif.jpg", "GIF");
    expect_refused("bad_empty.png", "empty");
    expect_refused("bad_huge.png", "15000x15000");
}

/* An exact copy in memory of its own, so that a read behind it is seen. */
static int try_bytes(const uint8_t *bytes, size_t n, int channels, int min_side) {
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    mnas_image image;
    int rc = mnas_image_decode(&image, copy, n, channels, min_side);
    assert_true(rc == 0 ? image.pixels != NULL : rc == MNAS_ERR_FORMAT && image.pixels == NULL);
    free(image.pixels);
    free(copy);
    return rc;
}

static void prefixes_and_flips_are_survived(void **state) {
    (void)state;
    const char *const *lists[2] = {pngs, jpegs};
    const size_t counts[2] = {N_PNGS, N_JPEGS};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < counts[l]; i++) {
            size_t n;
            uint8_t *bytes = load(lists[l][i], "", &n);
            for (size_t cut = 0; cut + 16 < n; cut += 7)
                assert_int_equal(try_bytes(bytes, cut, 3, 0), MNAS_ERR_FORMAT);
            for (size_t at = 0; at < n; at += 3) {
                bytes[at] ^= (uint8_t)(1u << at % 8);
                try_bytes(bytes, n, at % 2 ? 1 : 3, 4);
                bytes[at] ^= (uint8_t)(1u << at % 8);
            }
            free(bytes);
        }
}

static void exif_that_lies_is_upright(void **state) {
    (void)state;
    uint8_t good[] = "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    assert_int_equal(mnas_exif_orientation(good, sizeof good - 1), 6);
    for (size_t n = 0; n < 26; n++) assert_int_equal(mnas_exif_orientation(good, n), 1);
    uint8_t far[sizeof good];
    memcpy(far, good, sizeof good);
    far[10] = 0xff; /* a directory far outside */
    assert_int_equal(mnas_exif_orientation(far, sizeof far - 1), 1);
    memcpy(far, good, sizeof good);
    far[25] = 9; /* no orientation */
    assert_int_equal(mnas_exif_orientation(far, sizeof far - 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_as_pillow_has_it),
        cmocka_unit_test(jpeg_as_pillow_has_it),
        cmocka_unit_test(parts_are_of_the_whole),
        cmocka_unit_test(parts_come_scaled),
        cmocka_unit_test(grey_is_luma),
        cmocka_unit_test(jpeg_comes_smaller),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(prefixes_and_flips_are_survived),
        cmocka_unit_test(exif_that_lies_is_upright),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
