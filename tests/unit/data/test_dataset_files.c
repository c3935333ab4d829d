/* test_dataset_files.c - good files in every accepted form give the same images; broken ones an error that
 * names the file and the numbers, and leave nothing in the cache. */
#include "fixture.h"

static void check_images(const mnas_dataset *d, int n_train, int n_test) {
    size_t image = (size_t)d->info.height * (size_t)d->info.width * (size_t)d->info.channels;
    const mnas_split *train = &d->split[MNAS_SPLIT_TRAIN], *test = &d->split[MNAS_SPLIT_TEST];
    for (int i = 0; i < n_train; i++)
        for (size_t j = 0; j < image; j++)
            assert_int_equal(train->pixels[(size_t)i * image + j], pixel_of(i, j));
    for (int i = 0; i < n_test; i++)
        for (size_t j = 0; j < image; j++)
            assert_int_equal(test->pixels[(size_t)i * image + j], pixel_of(n_train + i, j));
}

static void check_idx(void) {
    mnas_dataset *d = fix_open(fix_spec("idx", ""), MNAS_ALLOW_TEST);
    assert_int_equal(d->info.height, FIX_HEIGHT);
    assert_int_equal(d->info.width, FIX_WIDTH);
    assert_int_equal(d->info.classes, FIX_CLASSES);
    assert_int_equal(d->split[MNAS_SPLIT_TEST].n, 20);
    check_images(d, 100, 20);
    for (int i = 0; i < 100; i++) assert_int_equal(d->split[MNAS_SPLIT_TRAIN].labels[i], i % FIX_CLASSES);
    for (int i = 0; i < 20; i++) assert_int_equal(d->split[MNAS_SPLIT_TEST].labels[i], i % FIX_CLASSES);
    mnas_dataset_close(d);
}

static void plain_and_gz_are_equal(void **state) {
    (void)state;
    fix_reset("files");
    fix_write_folder(100, 20, "");
    check_idx();
    fix_reset("files");
    fix_write_folder(100, 20, ".gz");
    check_idx();
}

static void dots_in_names(void **state) {
    (void)state;
    fix_reset("files");
    fix_write_images("train-images.idx3-ubyte", 100, 0, 0);
    fix_write_labels("train-labels.idx1-ubyte.gz", 100, 0);
    fix_write_images("t10k-images.idx3-ubyte.gz", 20, 0, 100);
    fix_write_labels("t10k-labels.idx1-ubyte", 20, 100);
    check_idx();
}

static void four_dimensions(void **state) {
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        fix_reset("files");
        fix_write_images("train-images-idx4-ubyte", 60, channels, 0);
        fix_write_labels("train-labels-idx1-ubyte", 60, 0);
        fix_write_images("t10k-images-idx3-ubyte", 7, channels, 60);
        fix_write_labels("t10k-labels-idx1-ubyte", 7, 60);
        mnas_dataset *d = fix_open(fix_spec("idx", ""), MNAS_ALLOW_TEST);
        assert_int_equal(d->info.channels, channels);
        check_images(d, 60, 7);
        mnas_dataset_close(d);
    }
}

static void write_cifar_folder(void) {
    static const int counts[] = {5, 2, 3, 1, 4};
    for (int i = 0, first = 0; i < 5; first += counts[i], i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
        fix_write_cifar(name, counts[i], first);
    }
    fix_write_cifar("test_batch.bin", 6, 15);
}

static void cifar_files(void **state) {
    (void)state;
    fix_reset("files");
    write_cifar_folder();
    mnas_dataset *d = fix_open(fix_spec("cifar10", "val=3"), MNAS_ALLOW_TEST);
    assert_int_equal(d->info.height * d->info.width * d->info.channels, 3072);
    assert_int_equal(d->info.classes, 10);
    assert_int_equal(d->info.n_train, 12);
    assert_int_equal(d->info.n_val, 3);
    assert_int_equal(d->info.n_test, 6);
    assert_memory_equal(d->class_names.text + d->class_names.n - 7, "\ntruck\n", 7);
    check_images(d, 15, 6);
    for (int i = 0; i < 15; i++) assert_int_equal(d->split[MNAS_SPLIT_TRAIN].labels[i], i % 10);
    mnas_dataset_close(d);
}

static void missing_package_is_named(void **state) {
    (void)state;
    fix_reset("files");
    mnas_dataset *d;
    assert_int_equal(mnas_dataset_open(&d, fix_spec("fashion-mnist", ""), 0), MNAS_ERR_MISSING);
    assert_non_null(strstr(mnas_error_message(), "apt install dataset-fashion-mnist"));
    assert_null(d);
}

static void unknown_datasets_and_options(void **state) {
    (void)state;
    mnas_dataset *d;
    assert_int_equal(mnas_dataset_open(&d, "fashion-mnits", 0), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "fashion-mnist"));
    assert_int_equal(mnas_dataset_open(&d, "idx", 0), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "path"));
    fix_reset("files");
    fix_write_folder(10, 5, "");
    assert_int_equal(mnas_dataset_open(&d, fix_spec("idx", "val=10"), 0), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "1 to 9"));
    assert_int_equal(mnas_dataset_open(&d, fix_spec("idx", "val=-1"), 0), MNAS_ERR_ARG);
}

/* ---- broken files ---- */

static const char IMAGES[] = "train-images-idx3-ubyte", LABELS[] = "train-labels-idx1-ubyte";

static void slurp(const char *name, char **data, size_t *n) {
    char path[1200];
    fix_path(path, name);
    assert_int_equal(mnas_file_read(path, 1 << 20, data, n), 0);
}

static void drop(const char *name) {
    char path[1200];
    fix_path(path, name);
    assert_int_equal(unlink(path), 0);
}

static void cut(const char *name, size_t n_left) {
    char path[1200];
    fix_path(path, name);
    assert_int_equal(truncate(path, (off_t)n_left), 0);
}

static void append(const char *name, size_t n_more) {
    char *data;
    size_t n;
    slurp(name, &data, &n);
    data = realloc(data, n + n_more);
    memset(data + n, 1, n_more);
    fix_write(name, data, n + n_more);
    free(data);
}

static void poke(const char *name, size_t at, uint8_t value) {
    char *data;
    size_t n;
    slurp(name, &data, &n);
    assert_true(at < n);
    data[at] = (char)value;
    fix_write(name, data, n);
    free(data);
}

/* Replaces a plain file by its .gz with the first n_left bytes of it (0: all) and byte `at` from the end
 * inverted (0: none). */
static void break_gz(const char *name, size_t n_left, size_t at) {
    char *data, gz[64], path[1200];
    size_t n;
    slurp(name, &data, &n);
    snprintf(gz, sizeof gz, "%s.gz", name);
    fix_write(gz, data, n);
    drop(name);
    free(data);
    slurp(gz, &data, &n);
    if (at) data[n - at] = (char)~data[n - at];
    fix_path(path, gz);
    assert_int_equal(mnas_file_write_atomic(path, data, n_left ? n_left : n), 0);
    free(data);
}

static void image_dims(uint32_t n, uint32_t h, uint32_t w, uint32_t c, size_t payload) {
    uint8_t *bytes = calloc(1, 20 + payload);
    fix_idx_header(bytes, 4, (uint32_t[]){n, h, w, c});
    fix_write(IMAGES, bytes, 20 + payload);
    free(bytes);
}

static void images_empty(void) {
    cut(IMAGES, 0);
}
static void images_three_bytes(void) {
    cut(IMAGES, 3);
}
static void images_header_cut(void) {
    cut(IMAGES, 11);
}
static void images_cut(void) {
    cut(IMAGES, 16 + 1199);
}
static void images_long(void) {
    append(IMAGES, 1);
}
static void images_very_long(void) {
    append(IMAGES, 300000);
}
static void images_lying(void) {
    poke(IMAGES, 5, 9);
}
static void images_lying_with_labels(void) {
    poke(IMAGES, 7, 200), fix_write_labels(LABELS, 200, 0);
}
static void images_magic(void) {
    poke(IMAGES, 0, 0x50);
}
static void images_type(void) {
    poke(IMAGES, 2, 0x0d);
}
static void images_no_dims(void) {
    poke(IMAGES, 3, 0);
}
static void images_five_dims(void) {
    poke(IMAGES, 3, 5);
}
static void images_zero_height(void) {
    poke(IMAGES, 11, 0);
}
static void images_overflow(void) {
    image_dims(~0u, ~0u, ~0u, ~0u, 0);
}
static void images_two_channels(void) {
    image_dims(100, 1, 1, 2, 200);
}
static void images_wide(void) {
    image_dims(100, 1, 5000, 1, 500000);
}
static void images_are_labels(void) {
    fix_write_labels(IMAGES, 100, 0);
}
static void labels_are_images(void) {
    fix_write_images(LABELS, 100, 0, 0);
}
static void labels_few(void) {
    fix_write_labels(LABELS, 99, 0);
}
static void labels_cut(void) {
    cut(LABELS, 100);
}
static void labels_range(void) {
    poke(LABELS, 8 + 42, 5);
}
static void labels_missing(void) {
    drop(LABELS);
}
static void images_missing(void) {
    drop(IMAGES);
}
static void images_gz_cut(void) {
    break_gz(IMAGES, 300, 0);
}
static void images_gz_header_cut(void) {
    break_gz(IMAGES, 5, 0);
}
static void images_gz_crc(void) {
    break_gz(IMAGES, 0, 8);
}
static void images_gz_long(void) {
    append(IMAGES, 300000), break_gz(IMAGES, 0, 0);
}
static void images_folder(void) {
    char path[1200];
    drop(IMAGES);
    fix_path(path, IMAGES);
    assert_int_equal(mnas_file_mkdirs(path), 0);
}
static void test_size(void) {
    uint8_t bytes[16 + 20] = {0};
    fix_idx_header(bytes, 3, (uint32_t[]){20, 1, 1});
    fix_write("t10k-images-idx3-ubyte", bytes, sizeof bytes);
}
static void test_missing(void) {
    drop("t10k-images-idx3-ubyte");
}
static void test_labels_range(void) {
    poke("t10k-labels-idx1-ubyte", 9, 200);
}
static void cifar_part(void) {
    append("data_batch_2.bin", 1);
}
static void cifar_cut(void) {
    cut("data_batch_4.bin", 3072);
}
static void cifar_empty(void) {
    cut("data_batch_4.bin", 0);
}
static void cifar_missing(void) {
    drop("data_batch_3.bin");
}
static void cifar_label(void) {
    poke("data_batch_1.bin", 3073, 10);
}
static void cifar_test(void) {
    cut("test_batch.bin", 100);
}

typedef struct broken {
    const char *dataset;
    void (*damage)(void);
    const char *says[3]; /* all in the message */
} broken;

static const broken cases[] = {
    {"idx", images_empty, {"train-images-idx3-ubyte", "0 bytes", "at least 4"}},
    {"idx", images_three_bytes, {"train-images-idx3-ubyte", "3 bytes", "at least 4"}},
    {"idx", images_header_cut, {"train-images-idx3-ubyte", "11 bytes", "expected 16"}},
    {"idx", images_cut, {"train-images-idx3-ubyte", "truncated: 1215 bytes", "expected 1216"}},
    {"idx", images_long, {"train-images-idx3-ubyte", "1217 bytes", "expected 1216"}},
    {"idx", images_very_long, {"train-images-idx3-ubyte", "301216 bytes", "expected 1216"}},
    {"idx", images_lying, {"train-labels-idx1-ubyte", "100 labels", "expected 589924"}},
    {"idx", images_lying_with_labels, {"train-images-idx3-ubyte", "truncated: 1216 bytes", "expected 2416"}},
    {"idx", images_magic, {"train-images-idx3-ubyte", "50 00", "00 00"}},
    {"idx", images_type, {"train-images-idx3-ubyte", "0x0d", "0x08"}},
    {"idx", images_no_dims, {"train-images-idx3-ubyte", "0 dimensions", "1 to 4"}},
    {"idx", images_five_dims, {"train-images-idx3-ubyte", "5 dimensions", "1 to 4"}},
    {"idx", images_zero_height, {"train-images-idx3-ubyte", "dimension 2 is 0", "1 or more"}},
    {"idx", images_overflow, {"train-images-idx3-ubyte", "4294967295", "more than"}},
    {"idx", images_two_channels, {"train-images-idx3-ubyte", "2 channels", "1 or 3"}},
    {"idx", images_wide, {"train-images-idx3-ubyte", "1x5000", "1 to 4096"}},
    {"idx", images_are_labels, {"train-images-idx3-ubyte", "1 dimensions", "expected 3"}},
    {"idx", labels_are_images, {"train-labels-idx1-ubyte", "3 dimensions", "expected 1"}},
    {"idx", labels_few, {"train-labels-idx1-ubyte", "99 labels", "expected 100"}},
    {"idx", labels_cut, {"train-labels-idx1-ubyte", "100 bytes", "expected 108"}},
    {"idx", labels_range, {"train-labels-idx1-ubyte", "label 42 is 5", "0 to 4"}},
    {"idx", labels_missing, {"train-labels-idx1-ubyte", "not there", ""}},
    {"idx", images_missing, {"train-images-idx3-ubyte", "not there", ""}},
    {"idx", images_gz_cut, {"train-images-idx3-ubyte.gz", "", ""}},
    {"idx", images_gz_header_cut, {"train-images-idx3-ubyte.gz", "", ""}},
    {"idx", images_gz_crc, {"train-images-idx3-ubyte.gz", "", ""}},
    {"idx", images_gz_long, {"train-images-idx3-ubyte.gz", "expected 1216", ""}},
    {"idx", images_folder, {"train-images-idx3-ubyte", "", ""}},
    {"idx", test_size, {"t10k-images-idx3-ubyte", "1x1x1", "3x4x1"}},
    {"idx", test_missing, {"t10k-images-idx3-ubyte", "not there", ""}},
    {"idx", test_labels_range, {"t10k-labels-idx1-ubyte", "label 1 is 200", "0 to 4"}},
    {"cifar10", cifar_part, {"data_batch_2.bin", "6147 bytes", "multiple of 3073"}},
    {"cifar10", cifar_cut, {"data_batch_4.bin", "3072 bytes", "multiple of 3073"}},
    {"cifar10", cifar_empty, {"data_batch_4.bin", "0 records", "1 to"}},
    {"cifar10", cifar_missing, {"data_batch_3.bin", "not there", ""}},
    {"cifar10", cifar_label, {"data_batch_1.bin", "record 1 is 10", "0 to 9"}},
    {"cifar10", cifar_test, {"test_batch.bin", "100 bytes", "multiple of 3073"}},
};

static void broken_files_give_clear_errors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const broken *c = &cases[i];
        bool idx = strcmp(c->dataset, "idx") == 0;
        fix_reset("files");
        if (idx)
            fix_write_folder(100, 20, "");
        else
            write_cifar_folder();
        c->damage();
        mnas_dataset *d = NULL;
        int rc = mnas_dataset_open(&d, fix_spec(c->dataset, idx ? "classes=5" : ""), MNAS_ALLOW_TEST);
        if (rc == 0) fail_msg("case %zu (%s) was not noticed", i, c->says[0]);
        assert_null(d);
        for (int s = 0; s < 3; s++)
            if (!strstr(mnas_error_message(), c->says[s]))
                fail_msg("case %zu: \"%s\" lacks \"%s\"", i, mnas_error_message(), c->says[s]);
        bool of_test = strncmp(c->says[0], "t", 1) == 0 && strncmp(c->says[0], "train", 5) != 0;
        assert_int_equal(fix_count_cache(""), of_test ? 1 : 0); /* nothing half-written stays */
        if (getenv("MNAS_TEST_VERBOSE")) print_message("%s\n", mnas_error_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_gz_are_equal),
        cmocka_unit_test(dots_in_names),
        cmocka_unit_test(four_dimensions),
        cmocka_unit_test(cifar_files),
        cmocka_unit_test(missing_package_is_named),
        cmocka_unit_test(unknown_datasets_and_options),
        cmocka_unit_test(broken_files_give_clear_errors),
    };
    return cmocka_run_group_tests(tests, NULL, fix_teardown);
}
