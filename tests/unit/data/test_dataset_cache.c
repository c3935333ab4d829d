/* test_dataset_cache.c - the cache file: used when good, made anew when damaged or outdated, and never half;
 * the validation split; and the test images, which stay closed without MNAS_ALLOW_TEST. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

enum { N_TRAIN = 200, N_TEST = 30 };

static void fresh(void) {
    fix_reset("cache");
    fix_write_folder(N_TRAIN, N_TEST, "");
}

static ino_t inode(const char *path) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static mnas_dataset_info describe(const char *more) {
    mnas_dataset_info info;
    if (mnas_dataset_describe(&info, fix_spec("idx", more)) < 0) fail_msg("%s", mnas_error_message());
    return info;
}

static void check_pixels(void) {
    mnas_dataset *d = fix_open(fix_spec("idx", ""), 0);
    const mnas_split *s = &d->split[MNAS_SPLIT_TRAIN];
    size_t image = FIX_HEIGHT * FIX_WIDTH;
    for (int i = 0; i < N_TRAIN; i++) {
        assert_int_equal(s->labels[i], i % FIX_CLASSES);
        for (size_t j = 0; j < image; j++) assert_int_equal(s->pixels[(size_t)i * image + j], pixel_of(i, j));
    }
    mnas_dataset_close(d);
}

static void second_open_uses_the_file(void **state) {
    (void)state;
    fresh();
    mnas_dataset_info first = describe("");
    ino_t file = inode(first.cache_path);
    mnas_dataset_info other_split = describe("val=7,val-seed=3");
    assert_string_equal(first.cache_path, other_split.cache_path);
    assert_int_equal(inode(first.cache_path), file);
    assert_int_equal(fix_count_cache(""), 1);
    assert_int_equal(first.n_train + first.n_val, N_TRAIN);
    assert_int_equal(other_split.n_val, 7);
    assert_int_equal(first.n_test, N_TEST);
    assert_non_null(strstr(other_split.spec, "val=7,val-seed=3"));
    struct stat st;
    assert_int_equal(stat(first.cache_path, &st), 0);
    assert_int_equal(first.cache_bytes, st.st_size);
}

/* Every byte of the header, the pixels, the labels and the checksum counts. */
static void one_changed_byte_is_noticed(void **state) {
    (void)state;
    fresh();
    mnas_dataset_info info = describe("");
    for (int64_t at = 0; at < info.cache_bytes; at += at < 100 ? 3 : 97) {
        ino_t before = inode(info.cache_path);
        int fd = open(info.cache_path, O_RDWR);
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        mnas_dataset_info again = describe(""); /* while fd is open, so that the inode is not used again */
        assert_true(inode(again.cache_path) != before);
        close(fd);
    }
    check_pixels();
    assert_int_equal(fix_count_cache(""), 1);
}

static void wrong_length_is_noticed(void **state) {
    (void)state;
    fresh();
    mnas_dataset_info info = describe("");
    int64_t lengths[] = {0, 1, 4095, 4096, info.cache_bytes - 8, info.cache_bytes - 1, info.cache_bytes + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(truncate(info.cache_path, lengths[i]), 0);
        check_pixels();
        struct stat st;
        assert_int_equal(stat(info.cache_path, &st), 0);
        assert_int_equal(st.st_size, info.cache_bytes);
    }
}

static void changed_source_is_decoded_again(void **state) {
    (void)state;
    fresh();
    mnas_dataset_info before = describe("");
    char path[1200];
    fix_path(path, "train-labels-idx1-ubyte");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {st.st_mtim.tv_sec - 10, st.st_mtim.tv_nsec}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    mnas_dataset_info touched = describe("");
    assert_string_not_equal(before.cache_path, touched.cache_path);
    mnas_dataset_info other_classes = describe("classes=9");
    assert_string_not_equal(other_classes.cache_path, touched.cache_path);
    assert_int_equal(other_classes.classes, 9);
}

/* A whole and sound cache of something else under this name. */
static void foreign_cache_is_noticed(void **state) {
    (void)state;
    fresh();
    mnas_dataset_info info = describe(""), other = describe("classes=9");
    assert_int_equal(rename(other.cache_path, info.cache_path), 0);
    assert_int_equal(describe("").classes, FIX_CLASSES);
    char test_path[1024];
    mnas_dataset_close(fix_open(fix_spec("idx", ""), MNAS_ALLOW_TEST));
    snprintf(test_path, sizeof test_path, "%.*s.test", (int)(strlen(info.cache_path) - strlen(".train")),
             info.cache_path);
    assert_int_equal(rename(test_path, info.cache_path), 0);
    check_pixels();
}

static void processes_may_race(void **state) {
    (void)state;
    fresh();
    pid_t children[4];
    for (int c = 0; c < 4; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            mnas_dataset *d = NULL;
            int rc = mnas_dataset_open(&d, fix_spec("idx", ""), MNAS_ALLOW_TEST);
            bool good = rc == 0 && d->split[MNAS_SPLIT_TRAIN].pixels[5] == pixel_of(0, 5);
            mnas_dataset_close(d);
            _exit(good ? 0 : 1);
        }
    }
    for (int c = 0; c < 4; c++) {
        int status;
        assert_int_equal(waitpid(children[c], &status, 0), children[c]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(fix_count_cache(""), 2);
    check_pixels();
}

static void unwritable_cache_is_an_error(void **state) {
    (void)state;
    fresh();
    char path[1200];
    fix_path(path, "train-labels-idx1-ubyte");
    setenv("MNAS_CACHE_DIR", path, 1); /* a file: no folder can be made there */
    mnas_dataset *d;
    assert_true(mnas_dataset_open(&d, fix_spec("idx", ""), 0) < 0);
    assert_null(d);
    assert_non_null(strstr(mnas_error_message(), "train-labels"));
}

/* ---- the validation split ---- */

static void train_and_val_part_the_set(void **state) {
    (void)state;
    fresh();
    static const char *const specs[] = {"", "val=1", "val=199", "val=50,val-seed=9"};
    static const int n_val[] = {20, 1, 199, 50};
    for (int s = 0; s < 4; s++) {
        mnas_dataset *d = fix_open(fix_spec("idx", specs[s]), 0);
        int seen[N_TRAIN] = {0};
        assert_int_equal(d->split[MNAS_SPLIT_VAL].n, n_val[s]);
        assert_int_equal(d->info.n_val, n_val[s]);
        for (int k = MNAS_SPLIT_TRAIN; k <= MNAS_SPLIT_VAL; k++)
            for (int i = 0; i < d->split[k].n; i++) {
                assert_true(d->split[k].index[i] < N_TRAIN);
                seen[d->split[k].index[i]]++;
            }
        for (int i = 0; i < N_TRAIN; i++) assert_int_equal(seen[i], 1);
        mnas_dataset_close(d);
    }
}

static void the_split_depends_on_its_seed_alone(void **state) {
    (void)state;
    fresh();
    mnas_dataset *a = fix_open(fix_spec("idx", "val=40"), 0), *b = fix_open(fix_spec("idx", "val=40"), 0);
    mnas_dataset *c = fix_open(fix_spec("idx", "val=40,val-seed=1"), 0);
    assert_memory_equal(a->order, b->order, N_TRAIN * sizeof *a->order);
    assert_memory_not_equal(a->order, c->order, N_TRAIN * sizeof *a->order);
    int n_in_first_half =
        0; /* a random choice takes about half of them from there, the first or last 40 would not */
    for (int i = 0; i < 40; i++) n_in_first_half += a->split[MNAS_SPLIT_VAL].index[i] < N_TRAIN / 2;
    assert_in_range(n_in_first_half, 8, 32);
    mnas_dataset_close(a);
    mnas_dataset_close(b);
    mnas_dataset_close(c);
}

/* Results of different versions of the program can be compared only while this holds. */
static void the_split_is_the_same_for_ever(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = fix_open(fix_spec("idx", "val=5"), 0);
    static const uint32_t expected[5] = {12, 116, 130, 183, 199};
    for (int i = 0; i < 5; i++) assert_int_equal(d->split[MNAS_SPLIT_VAL].index[i], expected[i]);
    mnas_dataset_close(d);
}

static void default_size_of_the_validation_split(void **state) {
    (void)state;
    static const int n_train[] = {2, 15, 49999, 50020}, n_val[] = {1, 2, 5000, 5000};
    for (int i = 0; i < 4; i++) {
        fix_reset("cache");
        fix_write_folder(n_train[i], 1, "");
        mnas_dataset_info info = describe("");
        assert_int_equal(info.n_val, n_val[i]);
        assert_int_equal(info.n_train, n_train[i] - n_val[i]);
    }
}

/* ---- the lock on the test images ---- */

static bool is_mapped(const char *needle) {
    char line[2048];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) found |= strstr(line, needle) != NULL;
    fclose(maps);
    return found;
}

static void test_images_stay_closed(void **state) {
    (void)state;
    fresh();
    mnas_dataset_close(
        fix_open(fix_spec("idx", ""), MNAS_ALLOW_TEST)); /* even where a test cache exists already */
    assert_int_equal(fix_count_cache(".test"), 1);
    mnas_dataset *d = fix_open(fix_spec("idx", ""), 0);
    assert_int_equal(d->split[MNAS_SPLIT_TEST].n, 0);
    assert_null(d->split[MNAS_SPLIT_TEST].pixels);
    assert_null(d->split[MNAS_SPLIT_TEST].labels);
    assert_null(d->test_map);
    assert_true(is_mapped(".train"));
    assert_false(is_mapped(".test"));
    assert_false(is_mapped("t10k"));
    size_t image = FIX_HEIGHT * FIX_WIDTH; /* nor are the test images part of the training file */
    assert_int_equal(d->info.cache_bytes,
                     4096 + (N_TRAIN * image + 63) / 64 * 64 + (N_TRAIN * 2 + 63) / 64 * 64 + 64 + 8);
    mnas_dataset_close(d);
    d = fix_open(fix_spec("idx", ""), MNAS_ALLOW_TEST);
    assert_true(is_mapped(".test"));
    mnas_dataset_close(d);
    assert_false(is_mapped(".train"));
}

/* What is not read cannot disturb: everything behind the test images' header is broken, then all of it is gone. */
static void test_sources_are_not_read(void **state) {
    (void)state;
    fresh();
    uint8_t bytes[20];
    fix_write("t10k-images-idx3-ubyte", bytes, fix_idx_header(bytes, 3, (uint32_t[]){N_TEST, 3, 4}));
    fix_write("t10k-labels-idx1-ubyte", "rubbish", 7);
    mnas_dataset_info info = describe("");
    assert_int_equal(info.n_test, N_TEST);
    check_pixels();
    assert_int_equal(fix_count_cache(".test"), 0);
    mnas_dataset *d;
    assert_int_equal(mnas_dataset_open(&d, fix_spec("idx", ""), MNAS_ALLOW_TEST), MNAS_ERR_FORMAT);
    char path[1200];
    fix_path(path, "t10k-images-idx3-ubyte");
    assert_int_equal(unlink(path), 0);
    info = describe("");
    assert_int_equal(info.n_test, -1);
    assert_int_equal(info.n_train + info.n_val, N_TRAIN);
    assert_int_equal(mnas_dataset_open(&d, fix_spec("idx", ""), MNAS_ALLOW_TEST), MNAS_ERR_MISSING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_open_uses_the_file),
        cmocka_unit_test(one_changed_byte_is_noticed),
        cmocka_unit_test(wrong_length_is_noticed),
        cmocka_unit_test(changed_source_is_decoded_again),
        cmocka_unit_test(foreign_cache_is_noticed),
        cmocka_unit_test(processes_may_race),
        cmocka_unit_test(unwritable_cache_is_an_error),
        cmocka_unit_test(train_and_val_part_the_set),
        cmocka_unit_test(the_split_depends_on_its_seed_alone),
        cmocka_unit_test(the_split_is_the_same_for_ever),
        cmocka_unit_test(default_size_of_the_validation_split),
        cmocka_unit_test(test_images_stay_closed),
        cmocka_unit_test(test_sources_are_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, fix_teardown);
}
