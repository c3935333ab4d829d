/* test_idx.c - IDX and CIFAR-10 parsing from memory: what is right passes, and no bytes whatever crash it. */
#include "fixture.h"

#include "base/rng.h"
#include "data/cifar.h"
#include "data/idx.h"

static void parses_three_dimensions(void **state) {
    (void)state;
    uint8_t bytes[16 + 2 * 3 * 4];
    uint32_t dims[3] = {2, 3, 4};
    size_t header = fix_idx_header(bytes, 3, dims);
    for (size_t i = header; i < sizeof bytes; i++) bytes[i] = (uint8_t)i;
    mnas_idx idx;
    mnas_idx_images images;
    assert_int_equal(mnas_idx_parse(&idx, bytes, sizeof bytes, "x"), 0);
    assert_int_equal(idx.n_dims, 3);
    assert_int_equal(idx.payload_bytes, 24);
    assert_ptr_equal(idx.payload, bytes + 16);
    assert_int_equal(mnas_idx_as_images(&images, &idx, "x"), 0);
    assert_int_equal(images.n, 2);
    assert_int_equal(images.height, 3);
    assert_int_equal(images.width, 4);
    assert_int_equal(images.channels, 1);
}

static void sizes_must_match_exactly(void **state) {
    (void)state;
    uint8_t bytes[64];
    uint32_t dims[1] = {10};
    memset(bytes, 0, sizeof bytes);
    fix_idx_header(bytes, 1, dims);
    mnas_idx idx;
    for (size_t n = 0; n <= sizeof bytes; n++)
        assert_int_equal(mnas_idx_parse(&idx, bytes, n, "x"), n == 18 ? 0 : MNAS_ERR_FORMAT);
    assert_int_equal(mnas_idx_parse(&idx, bytes, 17, "some/file"), MNAS_ERR_FORMAT);
    assert_string_equal(mnas_error_message(),
                        "some/file: truncated: 17 bytes (decompressed), expected 18 by its header");
}

static void huge_dimensions_do_not_overflow(void **state) {
    (void)state;
    uint8_t bytes[20];
    uint32_t dims[4] = {0x80000000u, 0x80000000u, 4, 1}; /* the product is 2^64 */
    fix_idx_header(bytes, 4, dims);
    mnas_idx idx;
    assert_int_equal(mnas_idx_parse_header(&idx, bytes, sizeof bytes, "x"), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "2147483648"));
}

static void labels_are_checked(void **state) {
    (void)state;
    uint8_t bytes[8 + 4] = {0};
    uint32_t dims[1] = {4};
    fix_idx_header(bytes, 1, dims);
    bytes[10] = 7;
    mnas_idx idx;
    assert_int_equal(mnas_idx_parse(&idx, bytes, sizeof bytes, "x"), 0);
    assert_int_equal(mnas_idx_check_labels(&idx, 8, "x"), 0);
    assert_int_equal(mnas_idx_check_labels(&idx, 7, "x"), MNAS_ERR_FORMAT);
    assert_string_equal(mnas_error_message(), "x: label 2 is 7, expected 0 to 6");
}

/* Exact-size allocations let the address sanitizer see any read behind the end. */
static void random_bytes_never_crash(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "fuzz");
    int n_good = 0;
    for (int trial = 0; trial < 20000; trial++) {
        size_t n = mnas_rng_below(&rng, 48);
        uint8_t *bytes = malloc(n + (n == 0));
        for (size_t i = 0; i < n; i++)
            bytes[i] =
                mnas_rng_below(&rng, 3) ? (uint8_t)mnas_rng_below(&rng, 5) : (uint8_t)mnas_rng_u64(&rng);
        if (n >= 4 && trial % 2) memcpy(bytes, (uint8_t[]){0, 0, 8, (uint8_t)(1 + trial / 2 % 4)}, 4);
        if (n >= 8 && trial % 4 == 1) /* one dimension that fits, else almost nothing is valid */
            memcpy(bytes + 3, (uint8_t[]){1, 0, 0, 0, (uint8_t)(n - 8)}, 5);
        mnas_idx idx;
        mnas_idx_images images;
        int n_labels;
        if (mnas_idx_parse(&idx, bytes, n, "x") == 0) {
            n_good++;
            mnas_idx_as_images(&images, &idx, "x");
            mnas_idx_as_labels(&n_labels, &idx, "x");
            mnas_idx_check_labels(&idx, 4, "x");
        }
        int n_records;
        assert_int_equal(mnas_cifar_check(&n_records, bytes, n, "x"), MNAS_ERR_FORMAT);
        free(bytes);
    }
    assert_true(n_good > 100);
}

static void cifar_records_become_hwc(void **state) {
    (void)state;
    static uint8_t bytes[2 * MNAS_CIFAR_RECORD_BYTES], hwc[MNAS_CIFAR_IMAGE_BYTES];
    uint8_t *record = bytes + MNAS_CIFAR_RECORD_BYTES;
    record[0] = 9;
    record[1 + 33] = 10;        /* red of pixel (1, 1) */
    record[1 + 1024 + 33] = 20; /* green */
    record[1 + 2048 + 33] = 30; /* blue */
    int n;
    assert_int_equal(mnas_cifar_check(&n, bytes, sizeof bytes, "x"), 0);
    assert_int_equal(n, 2);
    mnas_cifar_pixels(hwc, record);
    assert_int_equal(hwc[(1 * 32 + 1) * 3], 10);
    assert_int_equal(hwc[(1 * 32 + 1) * 3 + 1], 20);
    assert_int_equal(hwc[(1 * 32 + 1) * 3 + 2], 30);
    record[0] = 10;
    assert_int_equal(mnas_cifar_check(&n, bytes, sizeof bytes, "x"), MNAS_ERR_FORMAT);
    assert_string_equal(mnas_error_message(), "x: label of record 1 is 10, expected 0 to 9");
    assert_int_equal(mnas_cifar_check(&n, bytes, sizeof bytes - 1, "x"), MNAS_ERR_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_three_dimensions),         cmocka_unit_test(sizes_must_match_exactly),
        cmocka_unit_test(huge_dimensions_do_not_overflow), cmocka_unit_test(labels_are_checked),
        cmocka_unit_test(random_bytes_never_crash),        cmocka_unit_test(cifar_records_become_hwc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
