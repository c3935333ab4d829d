/* test_in_files.c - images that stay in their files: what batches hold, for any number of threads and from any step; files that do not
 * decode; the index and what it notices; lists of classes. */
#include "fixture.h"

#include <fcntl.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "data/crop.h"
#include "data/image_set.h"
#include "data/label_list.h"
#include "data/loader.h"
#include "data/sample.h"

#define AS_BYTES .mean = {0, 0, 0, 0}, .std = {1 / 255.0, 1 / 255.0, 1 / 255.0, 1 / 255.0}

enum { SIZE = 24, VALUES = SIZE * SIZE * 3 };

/* ---- folders ---- */

static const char *const kinds[] = {"large.jpg",       "rgb.png",  "colour.jpg", "turned6.jpg",
                                    "progressive.jpg", "cmyk.jpg", "grey.jpg",   "subsampled.jpg"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void add_class(const char *part, const char *name, int n) {
    char relative[200];
    for (int i = 0; i < n; i++) {
        snprintf(relative, sizeof relative, "photos/%s/%s/%03d.jpg", part, name, i);
        fix_copy_image(kinds[i % N_KINDS], relative);
    }
}

static void fresh(void) {
    fix_reset("in-files");
    add_class("train", "a", 17), add_class("train", "b", 12), add_class("train", "c", 9);
    add_class("val", "a", 8), add_class("val", "c", 3);
}

/* As if all had been there for an hour: else an index is too young to be believed. */
static int age_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= 3600;
    return utimensat(AT_FDCWD, path, (struct timespec[]){now, now}, 0);
}

static void age(void) {
    char path[1200];
    fix_path(path, "photos");
    assert_int_equal(nftw(path, age_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *spec(const char *more) {
    static char text[3000];
    snprintf(text, sizeof text, "imagefolder:path=%s/photos,size=%d,test=0%s%s", fix_dir, SIZE,
             *more ? "," : "", more);
    return text;
}

static mnas_dataset *open_each(void) {
    mnas_dataset *d = fix_open(spec("decode=each"), 0);
    assert_true(d->info.in_files && d->examples && !d->split[0].pixels);
    return d;
}

static mnas_loader *create(const mnas_dataset *d, mnas_split_kind kind, const mnas_loader_options *o) {
    mnas_loader *l;
    if (mnas_loader_create(&l, d, kind, o) < 0) fail_msg("%s", mnas_error_message());
    return l;
}

/* ---- what a batch holds ---- */

static void the_listing_is_that_of_decoding_once(void **state) {
    (void)state;
    fresh();
    mnas_dataset *each = open_each(), *once = fix_open(spec("decode=once"), 0);
    assert_int_equal(each->info.classes, 3);
    assert_int_equal(each->info.n_train, 38);
    assert_int_equal(each->info.n_val, 11);
    assert_int_equal(each->info.n_train, once->info.n_train);
    assert_int_equal(each->info.n_val, once->info.n_val);
    assert_memory_equal(each->split[0].labels, once->split[0].labels, 49 * sizeof(uint16_t));
    mnas_dataset_close(each), mnas_dataset_close(once);
    mnas_class_info *classes;
    char *skipped;
    assert_int_equal(mnas_dataset_classes(&classes, &skipped, spec("decode=each")), 0);
    assert_string_equal(classes[2].name, "c");
    assert_int_equal(classes[0].n_train, 17);
    assert_int_equal(classes[2].n_val, 3);
    free(classes), free(skipped);
}

/* The whole image decoded, cut and sampled: the loader may take shortcuts, their sum must show the same. */
static void expect_picture(const float *got, const char *file, mnas_rng *rng, bool flips, double tolerance) {
    char path[1200], *data;
    size_t n;
    float expected[VALUES];
    mnas_image image;
    mnas_normalise norm;
    mnas_sampler sampler = {0};
    snprintf(path, sizeof path, "%s%s", FIX_IMAGES, file);
    assert_int_equal(mnas_file_read(path, 1 << 20, &data, &n), 0);
    assert_int_equal(mnas_image_decode(&image, (uint8_t *)data, n, 3, 0), 0);
    mnas_rect part = rng ? mnas_crop_area(image.height, image.width, SIZE, rng)
                         : mnas_crop_centre(image.height, image.width, SIZE);
    mnas_augment_draw draw = {.flip = rng && flips && mnas_rng_below(rng, 2) == 1};
    mnas_normalise_init(&norm, (double[]){0, 0, 0}, (double[]){1 / 255.0, 1 / 255.0, 1 / 255.0}, 3);
    mnas_raster raster = {image.pixels, image.height, image.width, 3, 0, 0, 8};
    assert_int_equal(mnas_sample(expected, &(mnas_view){SIZE, SIZE, part, draw}, &raster, &norm, &sampler),
                     0);
    double sum = 0;
    for (int i = 0; i < VALUES; i++) sum += fabs((double)got[i] - (double)expected[i]);
    if (sum / VALUES > tolerance) fail_msg("%s: off by %f in the mean", file, sum / VALUES);
    mnas_sampler_free(&sampler);
    free(image.pixels), free(data);
}

static void evaluation_sees_central_squares(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = open_each();
    mnas_loader_options o = {.batch = 16, AS_BYTES};
    mnas_loader *l = create(d, MNAS_SPLIT_VAL, &o);
    mnas_batch batch;
    assert_int_equal(mnas_loader_next(l, &batch), 0);
    assert_int_equal(batch.n, 11);
    for (int i = 0; i < 11; i++) {
        assert_int_equal(batch.labels[i], i < 8 ? 0 : 2);
        expect_picture(batch.images + i * VALUES, kinds[i < 8 ? i : i - 8], NULL, false, 1e-3);
    }
    mnas_loader_destroy(l);
    mnas_dataset_close(d);
}

static void training_sees_random_parts(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = open_each();
    mnas_loader_options o = {
        .batch = 38, .shuffle = true, .crop = MNAS_CROP_AREA, .augment = {.flip = true}, .seed = 5, AS_BYTES};
    mnas_loader *l = create(d, MNAS_SPLIT_TRAIN, &o);
    uint32_t order[38];
    for (int epoch = 0; epoch < 3; epoch++) {
        mnas_batch batch;
        assert_int_equal(mnas_loader_next(l, &batch), 0);
        mnas_rng shuffle = mnas_rng_stream(5, (uint64_t)epoch, "shuffle");
        for (uint32_t i = 0; i < 38; i++) order[i] = i;
        mnas_rng_shuffle(&shuffle, order, 38);
        for (int k = 0; k < 38; k++) {
            int i = (int)order[k], in_class = i < 17 ? i : i < 29 ? i - 17 : i - 29;
            mnas_rng rng = mnas_rng_stream(5, (uint64_t)(epoch * 38 + i), "augment");
            assert_int_equal(batch.labels[k], i < 17 ? 0 : i < 29 ? 1 : 2);
            /* Scaled decoding of a part much larger than needed smooths it. */
            expect_picture(batch.images + k * VALUES, kinds[in_class % N_KINDS], &rng, true,
                           in_class % N_KINDS == 0 ? 12 : 1e-3);
        }
    }
    mnas_loader_destroy(l);
    mnas_dataset_close(d);
}

static uint64_t hash_batch(uint64_t hash, const mnas_batch *b) {
    const uint8_t *bytes = (const uint8_t *)b->images;
    for (size_t i = 0; i < (size_t)b->n * VALUES * sizeof(float); i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    for (int i = 0; i < b->n; i++) hash = (hash ^ (uint64_t)(b->labels[i] + 100 * b->n)) * 1099511628211u;
    return hash;
}

static uint64_t digest(const mnas_dataset *d, const mnas_loader_options *o, int n_batches, int64_t from) {
    mnas_loader *l = create(d, o->shuffle ? MNAS_SPLIT_TRAIN : MNAS_SPLIT_VAL, o);
    uint64_t hash = 1469598103934665603u;
    assert_int_equal(mnas_loader_n_threads(l), o->threads ? o->threads : mnas_loader_n_threads(l));
    if (from > 0) assert_int_equal(mnas_loader_seek(l, from), 0);
    for (int i = 0; i < n_batches; i++) {
        mnas_batch b;
        assert_int_equal(mnas_loader_next(l, &b), 0);
        assert_int_equal(mnas_loader_step(l), from + i + 1);
        hash = hash_batch(hash, &b);
    }
    mnas_loader_destroy(l);
    return hash;
}

static void batches_are_the_same_for_any_threads(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = open_each();
    for (int kind = 0; kind < 3; kind++) {
        mnas_loader_options o = {.batch = 7,
                                 .shuffle = kind < 2,
                                 .crop = kind == 0 ? MNAS_CROP_AREA : MNAS_CROP_PAD,
                                 .augment = {.pad = 3, .flip = true},
                                 .seed = 1,
                                 .threads = 1,
                                 AS_BYTES};
        uint64_t first = digest(d, &o, 9, 0), later = digest(d, &o, 5, 4);
        for (o.threads = 2; o.threads < 9; o.threads += 3) {
            assert_int_equal(digest(d, &o, 9, 0), first);
            assert_int_equal(digest(d, &o, 5, 4), later);
        }
        o.threads = 0;
        assert_int_equal(digest(d, &o, 9, 0), first);
        o.seed = 2;
        if (kind < 2) assert_true(digest(d, &o, 9, 0) != first);
    }
    mnas_dataset_close(d);
}

/* What is kept decoded gets the same crops, of its stored pixels. */
static void random_parts_of_decoded_images(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = fix_open(spec("decode=once"), 0);
    mnas_loader_options o = {.batch = 38, .shuffle = true, .crop = MNAS_CROP_AREA, .seed = 5, AS_BYTES};
    mnas_loader *l = create(d, MNAS_SPLIT_TRAIN, &o);
    mnas_batch b;
    assert_int_equal(mnas_loader_next(l, &b), 0);
    mnas_rng shuffle = mnas_rng_stream(5, 0, "shuffle");
    uint32_t order[38];
    float expected[VALUES];
    mnas_sampler sampler = {0};
    mnas_normalise norm;
    mnas_normalise_init(&norm, (double[]){0, 0, 0}, (double[]){1 / 255.0, 1 / 255.0, 1 / 255.0}, 3);
    for (uint32_t i = 0; i < 38; i++) order[i] = i;
    mnas_rng_shuffle(&shuffle, order, 38);
    for (int k = 0; k < 38; k++) {
        mnas_rng rng = mnas_rng_stream(5, order[k], "augment");
        mnas_raster raster = {d->split[0].pixels + order[k] * (size_t)VALUES, SIZE, SIZE, 3, 0, 0, 8};
        mnas_rect part = mnas_crop_area(SIZE, SIZE, SIZE, &rng);
        assert_int_equal(mnas_sample(expected, &(mnas_view){SIZE, SIZE, part, {0}}, &raster, &norm, &sampler),
                         0);
        assert_memory_equal(b.images + k * VALUES, expected, sizeof expected);
    }
    mnas_sampler_free(&sampler);
    mnas_loader_destroy(l);
    mnas_dataset_close(d);
}

/* ---- files that do not decode ---- */

static void spoil(const char *relative, const char *how) {
    fix_copy_image(how, relative);
}

static void bad_files_are_named_and_stood_in_for(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = open_each();
    mnas_loader_options o = {
        .batch = 38, .shuffle = true, .crop = MNAS_CROP_AREA, .augment = {.flip = true}, .seed = 3, AS_BYTES};
    uint64_t whole = digest(d, &o, 4, 0);
    spoil("photos/train/a/003.jpg", "bad_garbage.jpg"), spoil("photos/train/b/004.jpg", "bad_empty.png");
    spoil("photos/val/a/001.jpg", "bad_text.jpg");
    char path[1200];
    fix_path(path, "photos/train/c/008.jpg");
    unlink(path);
    uint64_t spoilt = digest(d, &o, 4, 0);
    assert_true(spoilt != whole);
    for (o.threads = 1; o.threads < 6; o.threads += 2) assert_int_equal(digest(d, &o, 4, 0), spoilt);
    mnas_loader *l = create(d, MNAS_SPLIT_TRAIN, &o);
    mnas_batch b;
    for (int i = 0; i < 3; i++) assert_int_equal(mnas_loader_next(l, &b), 0);
    assert_int_equal(b.n, 38);
    assert_int_equal(mnas_loader_n_bad(l), 3);
    mnas_loader_destroy(l);
    /* evaluation leaves it out and goes on, also where it was a batch of its own */
    for (int batch = 1; batch < 5; batch++) {
        mnas_loader_options eval = {.batch = batch, AS_BYTES};
        l = create(d, MNAS_SPLIT_VAL, &eval);
        for (int epoch = 0; epoch < 2; epoch++) {
            int n = 0, labels[3] = {0};
            for (assert_int_equal(mnas_loader_next(l, &b), 0); b.n > 0;
                 assert_int_equal(mnas_loader_next(l, &b), 0))
                for (int i = 0; i < b.n; i++, n++) labels[b.labels[i]]++;
            assert_int_equal(n, 10);
            assert_true(labels[0] == 7 && labels[2] == 3);
        }
        assert_int_equal(mnas_loader_n_bad(l), 1);
        mnas_loader_destroy(l);
    }
    mnas_dataset_close(d);
}

static void nothing_that_decodes_is_an_error(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = open_each();
    char path[1300], moved[1300];
    fix_path(path, "photos/train"), fix_path(moved, "photos/gone");
    assert_int_equal(rename(path, moved), 0);
    mnas_loader_options o = {.batch = 4, .shuffle = true, AS_BYTES};
    mnas_loader *l = create(d, MNAS_SPLIT_TRAIN, &o);
    mnas_batch b;
    assert_int_equal(mnas_loader_next(l, &b), MNAS_ERR_FORMAT);
    assert_int_equal(b.n, 0);
    assert_non_null(strstr(mnas_error_message(), "do not decode"));
    assert_int_equal(mnas_loader_next(l, &b), MNAS_ERR_FORMAT);
    assert_int_equal(rename(moved, path), 0);
    assert_int_equal(mnas_loader_seek(l, 3), 0);
    assert_int_equal(mnas_loader_next(l, &b), 0);
    assert_int_equal(b.n, 4);
    mnas_loader_destroy(l);
    mnas_dataset_close(d);
}

/* ---- the index ---- */

static int n_listed;
static void look(int n_train, int n_val) {
    mnas_dataset *d = open_each();
    assert_int_equal(d->info.n_train, n_train);
    assert_int_equal(d->info.n_val, n_val);
    struct stat st;
    assert_int_equal(stat(d->info.cache_path, &st), 0);
    n_listed = (int)(st.st_ino & 0x7fffffff); /* another file: it was listed again */
    mnas_dataset_close(d);
}

static void the_index_notices_changes(void **state) {
    (void)state;
    char path[1200];
    fresh();
    look(38, 11);
    int first = n_listed;
    look(38, 11); /* what has just come into being may change once more within a tick of the clock */
    assert_int_not_equal(n_listed, first);
    age();
    look(38, 11);
    first = n_listed;
    look(38, 11);
    assert_int_equal(n_listed, first);
    fix_copy_image(
        "rgb.png",
        "photos/train/a/new.png"); /* its folder is young now: listed each time until it has aged */
    look(39, 11);
    fix_path(path, "photos/val/c/000.jpg");
    unlink(path);
    look(39, 10);
    fix_copy_image("rgb.png", "photos/train/a/deeper/one.png"), age();
    look(40, 10);
    first = n_listed;
    look(40, 10);
    assert_int_equal(n_listed, first);
    fix_copy_image("rgb.png", "photos/train/a/deeper/two.png"),
        fix_copy_image("rgb.png", "photos/train/d/one.png");
    look(42, 10);
    assert_int_equal(fix_count_cache(".index"), 1);
}

static void damaged_indexes_are_made_anew(void **state) {
    (void)state;
    fresh(), age();
    mnas_dataset *d = open_each();
    char path[1024], *good;
    size_t n;
    snprintf(path, sizeof path, "%s", d->info.cache_path);
    mnas_dataset_close(d);
    assert_int_equal(mnas_file_read(path, 1 << 24, &good, &n), 0);
    for (size_t at = 0; at < n; at += 61) {
        good[at] ^= 4;
        assert_int_equal(mnas_file_write_atomic(path, good, n), 0);
        good[at] ^= 4;
        look(38, 11);
    }
    for (size_t len = 0; len < n; len += 509) {
        assert_int_equal(mnas_file_write_atomic(path, good, len), 0);
        look(38, 11);
    }
    free(good);
}

static void threads_leave_cores_to_training(void **state) {
    (void)state;
    static const struct {
        int cores, train, decode;
    } cases[] = {{1, 1, 1},   {2, 1, 1},    {2, 2, 1},  {16, 8, 8},
                 {16, 12, 4}, {64, 64, 16}, {64, 4, 4}, {1, 8, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(mnas_loader_spare_threads(cases[i].cores, cases[i].train), cases[i].decode);
}

/* It is the same dataset for any number of threads, and the checkpoint of a training says which dataset it saw. */
static void threads_are_no_part_of_the_spec(void **state) {
    (void)state;
    fresh();
    mnas_dataset *d = fix_open(spec("decode=each,threads=3"), 0);
    assert_null(strstr(d->info.spec, "threads"));
    assert_non_null(strstr(d->info.spec, "decode=each"));
    mnas_loader_options o = {.batch = 4, AS_BYTES};
    mnas_loader *l = create(d, MNAS_SPLIT_VAL, &o);
    assert_int_equal(mnas_loader_n_threads(l), 3);
    mnas_loader_destroy(l);
    mnas_dataset_close(d);
}

static void large_sets_stay_in_their_files(void **state) {
    (void)state;
    mnas_image_options o = {.channels = 3};
    mnas_examples few = {.n = 28000}, many = {.n = 29000};
    assert_false(mnas_image_set_stays(&o, &few, 224));
    assert_true(mnas_image_set_stays(&o, &many, 224));
    assert_false(mnas_image_set_stays(&o, &many, 160));
    o.fit = MNAS_FIT_PAD; /* what is fitted otherwise than by cutting is decoded once */
    assert_false(mnas_image_set_stays(&o, &many, 224));
    o.decode = MNAS_DECODE_EACH;
    assert_int_equal(mnas_image_set_check(&o), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "fit is pad"));
}

/* ---- lists of classes ---- */

static void flat_val(void) {
    char path[1200];
    fresh();
    fix_path(path, "photos/val");
    fix_remove(path);
    fix_copy_image("rgb.png", "photos/val/ILSVRC2012_val_00000001.JPEG");
    fix_copy_image("large.jpg", "photos/val/ILSVRC2012_val_00000002.JPEG");
    fix_copy_image("grey.jpg", "photos/val/ILSVRC2012_val_00000003.JPEG");
}

static const char *list_spec(const char *text) {
    static char more[1300];
    fix_write("list.txt", text, strlen(text));
    snprintf(more, sizeof more, "decode=each,val-list=%s/list.txt", fix_dir);
    return spec(more);
}

static void expect_labels(const char *text, int a, int b, int c) {
    mnas_dataset *d = fix_open(list_spec(text), 0);
    const mnas_split *val = &d->split[MNAS_SPLIT_VAL];
    const int expected[] = {a, b, c};
    int n = 0;
    for (int i = 0; i < 3; i++) {
        if (expected[i] < 0) continue;
        assert_true(n < val->n);
        assert_int_equal(val->labels[val->index[n++]], expected[i]);
    }
    assert_int_equal(val->n, n);
    mnas_dataset_close(d);
}

static void expect_refused(const char *text, const char *says) {
    mnas_dataset *d;
    assert_true(mnas_dataset_open(&d, list_spec(text), 0) < 0);
    if (!strstr(mnas_error_message(), says)) fail_msg("%s", mnas_error_message());
}

#define FILE_N(n) "ILSVRC2012_val_0000000" #n

static void lists_of_every_kind(void **state) {
    (void)state;
    flat_val();
    expect_labels(FILE_N(2) ".JPEG 1\n" FILE_N(1) ".JPEG 0\n" FILE_N(3) ".JPEG 2\n", 0, 1, 2);   /* Caffe */
    expect_labels(FILE_N(1) ".JPEG 3\r\n" FILE_N(2) ".JPEG 1\r\n" FILE_N(3) ".JPEG 2", 2, 0, 1); /* from 1 */
    expect_labels(
        "ImageId,PredictionString\n" FILE_N(3) ",b 85 1 499 272 b 3 4 5 6\n" FILE_N(1) ",c 1 2 3 4\n", 2, -1,
        1);                                /* Kaggle; the second is not in it */
    expect_labels("c\n\na\nb\n", 2, 0, 1); /* TensorFlow */
    expect_labels("# which\n" FILE_N(1) ".JPEG\tb\n", 1, -1, -1);
}

static void wrong_lists_are_refused(void **state) {
    (void)state;
    flat_val();
    expect_refused("", "no lines");
    expect_refused("a\nb\n", "2 lines and");
    expect_refused("1\n2\n3\n", "numbers alone");
    expect_refused(FILE_N(1) ".JPEG z\n", "line 1: there is no class \"z\"");
    expect_refused(FILE_N(1) ".JPEG 4\n", "class number 4; there are 3 classes");
    expect_refused(FILE_N(1) ".JPEG 0\n" FILE_N(2) ".JPEG 3\n", "numbers from 0 to 3");
    expect_refused(FILE_N(1) ".JPEG 0\n" FILE_N(2) ".JPEG b\n", "1 of 2 lines have a number");
    expect_refused(FILE_N(1) ".JPEG 0\n" FILE_N(1) ".JPEG 1\n", "twice");
    expect_refused(FILE_N(1) ".JPEG a\nb\n", "line 2");
    expect_refused("other.JPEG a\n", "names no file");
    mnas_dataset *d;
    assert_int_equal(mnas_dataset_open(&d, spec("decode=each"), 0), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "val-list"));
    assert_int_equal(mnas_dataset_open(&d, spec("decode=each,val-list=/nowhere"), 0), MNAS_ERR_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_listing_is_that_of_decoding_once),
        cmocka_unit_test(evaluation_sees_central_squares),
        cmocka_unit_test(training_sees_random_parts),
        cmocka_unit_test(batches_are_the_same_for_any_threads),
        cmocka_unit_test(random_parts_of_decoded_images),
        cmocka_unit_test(bad_files_are_named_and_stood_in_for),
        cmocka_unit_test(nothing_that_decodes_is_an_error),
        cmocka_unit_test(the_index_notices_changes),
        cmocka_unit_test(damaged_indexes_are_made_anew),
        cmocka_unit_test(threads_leave_cores_to_training),
        cmocka_unit_test(threads_are_no_part_of_the_spec),
        cmocka_unit_test(large_sets_stay_in_their_files),
        cmocka_unit_test(lists_of_every_kind),
        cmocka_unit_test(wrong_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, fix_teardown);
}
