/* test_loader.c - augmentation and normalisation against values worked out by hand; batches as a function of
 * the seed alone. */
#include "fixture.h"

#include "base/clock.h"
#include "data/augment.h"
#include "data/loader.h"

/* mean 0, std 1/255: a float is the byte it came from. */
#define AS_BYTES .mean = {0, 0, 0, 0}, .std = {1 / 255.0, 1 / 255.0, 1 / 255.0, 1 / 255.0}

static mnas_normalise bytes_as_floats(int channels) {
    mnas_normalise norm;
    mnas_normalise_init(&norm, (double[]){0, 0, 0, 0}, (double[]){1 / 255.0, 1 / 255.0, 1 / 255.0, 1 / 255.0},
                        channels);
    return norm;
}

static void check_crop(mnas_augment_draw draw, const int expected[6]) {
    static const uint8_t pixels[6] = {1, 2, 3, /**/ 4, 5, 6};
    float out[8] = {-1, -1, -1, -1, -1, -1, -1, -1}; /* the last two must stay */
    mnas_normalise norm = bytes_as_floats(1);
    mnas_augment_apply(out, pixels, 2, 3, 1, draw, &norm);
    for (int i = 0; i < 6; i++) assert_int_equal(lrintf(out[i]), expected[i]);
    assert_true(out[6] == -1 && out[7] == -1);
}

/* The image is 1 2 3 / 4 5 6. */
static void crops_by_hand(void **state) {
    (void)state;
    check_crop((mnas_augment_draw){0, 0, false}, (int[]){1, 2, 3, 4, 5, 6});
    check_crop((mnas_augment_draw){0, 0, true}, (int[]){3, 2, 1, 6, 5, 4});
    check_crop((mnas_augment_draw){1, 0, false}, (int[]){4, 5, 6, 0, 0, 0});
    check_crop((mnas_augment_draw){-1, 0, false}, (int[]){0, 0, 0, 1, 2, 3});
    check_crop((mnas_augment_draw){0, 1, false}, (int[]){2, 3, 0, 5, 6, 0});
    check_crop((mnas_augment_draw){0, -1, false}, (int[]){0, 1, 2, 0, 4, 5});
    check_crop((mnas_augment_draw){0, 1, true}, (int[]){0, 3, 2, 0, 6, 5});
    check_crop((mnas_augment_draw){-1, -2, true}, (int[]){0, 0, 0, 1, 0, 0});
    check_crop((mnas_augment_draw){1, 2, true}, (int[]){0, 0, 6, 0, 0, 0});
    check_crop((mnas_augment_draw){0, 3, false}, (int[]){0, 0, 0, 0, 0, 0});
    check_crop((mnas_augment_draw){0, -5, true}, (int[]){0, 0, 0, 0, 0, 0});
    check_crop((mnas_augment_draw){2, 0, false}, (int[]){0, 0, 0, 0, 0, 0});
}

static void channels_stay_together(void **state) {
    (void)state;
    static const uint8_t pixels[6] = {1, 2, 3, /* next pixel */ 4, 5, 6};
    float out[6];
    mnas_normalise norm = bytes_as_floats(3);
    mnas_augment_apply(out, pixels, 1, 2, 3, (mnas_augment_draw){0, 0, true}, &norm);
    for (int i = 0; i < 6; i++) assert_int_equal(lrintf(out[i]), ((int[]){4, 5, 6, 1, 2, 3})[i]);
    mnas_augment_apply(out, pixels, 1, 2, 3, (mnas_augment_draw){0, 1, true}, &norm);
    for (int i = 0; i < 6; i++) assert_int_equal(lrintf(out[i]), ((int[]){0, 0, 0, 4, 5, 6})[i]);
}

static void normalises_per_channel(void **state) {
    (void)state;
    mnas_normalise norm;
    mnas_normalise_init(&norm, (double[]){0.485, 0.456, 0.406}, (double[]){0.229, 0.224, 0.225}, 3);
    static const uint8_t pixels[3] = {0, 128, 255};
    float out[3];
    mnas_augment_apply(out, pixels, 1, 1, 3, (mnas_augment_draw){0}, &norm);
    assert_float_equal(out[0], -2.117904, 1e-6); /* -0.485 / 0.229 */
    assert_float_equal(out[1], 0.205182, 1e-6);  /* (128/255 - 0.456) / 0.224 */
    assert_float_equal(out[2], 2.640000, 1e-6);  /* (1 - 0.406) / 0.225 */
    /* what the crop uncovers is a raw zero, not a normalised one */
    mnas_augment_apply(out, pixels, 1, 1, 3, (mnas_augment_draw){1, 0, false}, &norm);
    assert_float_equal(out[0], -2.117904, 1e-6);
    assert_float_equal(out[2], -1.804444, 1e-6); /* -0.406 / 0.225 */
}

static void draws_cover_their_range_evenly(void **state) {
    (void)state;
    int dy[5] = {0}, dx[5] = {0}, flips = 0;
    mnas_augment augment = {.pad = 2, .flip = true};
    for (int i = 0; i < 5000; i++) {
        mnas_rng rng = mnas_rng_stream(3, (uint64_t)i, "augment");
        mnas_augment_draw draw = mnas_augment_sample(&augment, &rng);
        assert_in_range(draw.dy + 2, 0, 4);
        assert_in_range(draw.dx + 2, 0, 4);
        dy[draw.dy + 2]++, dx[draw.dx + 2]++, flips += draw.flip;
    }
    for (int k = 0; k < 5; k++) { /* 1000 expected, standard deviation 28; flips 35 */
        assert_in_range(dy[k], 850, 1150);
        assert_in_range(dx[k], 850, 1150);
    }
    assert_in_range(flips, 2300, 2700);
}

/* ---- the loader ---- */

enum { N_TRAIN = 203, N_TEST = 20, N_VAL = 23, IMAGE = FIX_HEIGHT * FIX_WIDTH };

static mnas_dataset *dataset;

static mnas_loader *create(mnas_split_kind kind, const mnas_loader_options *options) {
    mnas_loader *loader;
    if (mnas_loader_create(&loader, dataset, kind, options) < 0) fail_msg("%s", mnas_error_message());
    return loader;
}

/* The image of the set that these values come from, or -1. */
static int recognise(const float *values) {
    for (int i = 0; i < N_TRAIN; i++) {
        size_t j = 0;
        while (j < IMAGE && lrintf(values[j]) == pixel_of(i, j)) j++;
        if (j == IMAGE) return i;
    }
    return -1;
}

static void training_epochs_are_new_shuffles(void **state) {
    (void)state;
    mnas_loader_options o = {.batch = 32, .shuffle = true, .seed = 5, AS_BYTES};
    mnas_loader *l = create(MNAS_SPLIT_TRAIN, &o);
    int order[2][160];
    assert_int_equal(mnas_loader_n_batches(l), 5); /* 180 images: the last 20 of each shuffle are dropped */
    for (int b = 0; b < 10; b++) {
        mnas_batch batch;
        mnas_loader_next(l, &batch);
        assert_int_equal(batch.n, 32);
        assert_int_equal(batch.epoch, b / 5);
        for (int i = 0; i < batch.n; i++) {
            int image = recognise(batch.images + i * IMAGE);
            assert_true(image >= 0);
            assert_int_equal(batch.labels[i], image % FIX_CLASSES);
            order[b / 5][b % 5 * 32 + i] = image;
        }
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    for (int e = 0; e < 2; e++) {
        int seen[N_TRAIN] = {0};
        for (int i = 0; i < 160; i++) assert_int_equal(seen[order[e][i]]++, 0);
        for (int i = 0; i < N_VAL; i++) assert_int_equal(seen[dataset->split[MNAS_SPLIT_VAL].index[i]], 0);
    }
    mnas_loader_destroy(l);
}

static void evaluation_sees_each_image_once_in_order(void **state) {
    (void)state;
    mnas_loader_options o = {.batch = 10, .seed = 5, .augment = {.pad = 2, .flip = true}, AS_BYTES};
    mnas_loader *l = create(MNAS_SPLIT_VAL, &o);
    assert_int_equal(mnas_loader_n_batches(l), 3);
    static const int sizes[] = {10, 10, 3, 0};
    for (int b = 0; b < 8; b++) {
        mnas_batch batch;
        mnas_loader_next(l, &batch);
        assert_int_equal(batch.n, sizes[b % 4]);
        assert_int_equal(batch.epoch, b / 4);
        for (int i = 0; i < batch.n; i++)
            assert_int_equal(recognise(batch.images + i * IMAGE),
                             dataset->split[MNAS_SPLIT_VAL].index[b % 4 * 10 + i]);
    }
    mnas_loader_destroy(l);
}

static void evaluation_of_the_test_split(void **state) {
    (void)state;
    mnas_loader *l;
    mnas_loader_options o = {.batch = 20, AS_BYTES};
    assert_int_equal(mnas_loader_create(&l, dataset, MNAS_SPLIT_TEST, &o), MNAS_ERR_ARG);
    mnas_dataset *open = fix_open(fix_spec("idx", ""), MNAS_ALLOW_TEST);
    assert_int_equal(mnas_loader_create(&l, open, MNAS_SPLIT_TEST, &o), 0);
    mnas_batch batch;
    mnas_loader_next(l, &batch);
    assert_int_equal(batch.n, N_TEST);
    for (size_t i = 0; i < N_TEST; i++)
        for (size_t j = 0; j < IMAGE; j++)
            assert_int_equal(lrintf(batch.images[i * IMAGE + j]), pixel_of(N_TRAIN + (int)i, j));
    mnas_loader_next(l, &batch);
    assert_int_equal(batch.n, 0); /* the end, also when the last batch is full */
    mnas_loader_destroy(l);
    mnas_dataset_close(open);
}

static void max_images_is_a_fixed_part(void **state) {
    (void)state;
    int seen[3][N_TRAIN] = {{0}};
    for (int r = 0; r < 3; r++) { /* another batch size: the same part; another seed: another part */
        mnas_loader_options o = {
            .batch = r ? 10 : 25, .shuffle = true, .max_images = 50, .seed = r < 2 ? 8 : 9, AS_BYTES};
        mnas_loader *l = create(MNAS_SPLIT_TRAIN, &o);
        assert_int_equal(mnas_loader_n_batches(l), 50 / o.batch);
        for (int b = 0; b < 3 * mnas_loader_n_batches(l); b++) {
            mnas_batch batch;
            mnas_loader_next(l, &batch);
            for (int i = 0; i < batch.n; i++) seen[r][recognise(batch.images + i * IMAGE)]++;
        }
        mnas_loader_destroy(l);
    }
    int n_used = 0;
    for (int i = 0; i < N_TRAIN; i++) n_used += seen[0][i] > 0;
    assert_int_equal(n_used, 50);
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_not_equal(seen[0], seen[2], sizeof seen[0]);
}

static uint64_t digest(const mnas_loader_options *o, int n_batches, const int *pause_ms) {
    mnas_loader *l = create(MNAS_SPLIT_TRAIN, o);
    uint64_t hash = 1469598103934665603u;
    for (int b = 0; b < n_batches; b++) {
        mnas_batch batch;
        mnas_loader_next(l, &batch);
        if (pause_ms)
            mnas_clock_sleep_ms(
                pause_ms[b % 3]); /* the producer runs ahead while the batch is still in use */
        const uint8_t *bytes = (const uint8_t *)batch.images;
        for (size_t i = 0; i < (size_t)batch.n * IMAGE * sizeof(float); i++)
            hash = (hash ^ bytes[i]) * 1099511628211u;
        for (int i = 0; i < batch.n; i++) hash = (hash ^ (uint64_t)batch.labels[i]) * 1099511628211u;
    }
    mnas_loader_destroy(l);
    return hash;
}

static void batches_depend_on_the_seed_alone(void **state) {
    (void)state;
    mnas_loader_options o = {
        .batch = 16, .shuffle = true, .augment = {.pad = 1, .flip = true}, .seed = 1, AS_BYTES};
    uint64_t quick = digest(&o, 60, NULL);
    assert_int_equal(digest(&o, 60, (int[]){0, 7, 2}), quick);
    assert_int_equal(digest(&o, 60, (int[]){3, 0, 0}), quick);
    o.seed = 2;
    assert_true(digest(&o, 60, NULL) != quick);
    o.seed = 1, o.augment.flip = false;
    assert_true(digest(&o, 60, NULL) != quick);
}

/* An image's crop depends on the epoch and the image, not on the batch it falls into. */
static void augmentation_belongs_to_the_image(void **state) {
    (void)state;
    static float images[2][180][IMAGE];
    for (int r = 0; r < 2; r++) {
        mnas_loader_options o = {
            .batch = r ? 60 : 9, .shuffle = true, .augment = {.pad = 1, .flip = true}, .seed = 4, AS_BYTES};
        mnas_loader *l = create(MNAS_SPLIT_TRAIN, &o);
        for (int at = 0; at < 180;) {
            mnas_batch batch;
            mnas_loader_next(l, &batch);
            memcpy(images[r][at], batch.images, (size_t)batch.n * sizeof images[0][0]);
            at += batch.n;
        }
        mnas_loader_destroy(l);
    }
    assert_memory_equal(images[0], images[1], sizeof images[0]);
}

/* From any step of one loader another goes on: the same images and labels, epoch and size. */
static void goes_on_from_any_step(void **state) {
    (void)state;
    for (int train = 0; train < 2; train++) {
        mnas_loader_options o = {.batch = train ? 50 : 9, /* 3 batches an epoch, or 3 and the end mark */
                                 .shuffle = train,
                                 .augment = {.pad = train, .flip = train},
                                 .seed = 6,
                                 AS_BYTES};
        mnas_split_kind kind = train ? MNAS_SPLIT_TRAIN : MNAS_SPLIT_VAL;
        mnas_loader *straight = create(kind, &o), *moved = create(kind, &o);
        for (int step = 0; step < 9; step++) {
            mnas_batch expected, got;
            assert_int_equal(mnas_loader_step(straight), step);
            assert_int_equal(mnas_loader_next(straight, &expected), 0);
            if (step % 2 == 0) assert_int_equal(mnas_loader_seek(moved, step), 0);
            assert_int_equal(mnas_loader_step(moved), step);
            assert_int_equal(mnas_loader_next(moved, &got), 0);
            assert_int_equal(got.n, expected.n);
            assert_int_equal(got.epoch, expected.epoch);
            assert_memory_equal(got.images, expected.images, (size_t)got.n * IMAGE * sizeof(float));
            assert_memory_equal(got.labels, expected.labels, (size_t)got.n * sizeof *got.labels);
        }
        assert_int_equal(mnas_loader_seek(moved, -1), MNAS_ERR_ARG);
        mnas_loader_destroy(straight);
        mnas_loader_destroy(moved);
    }
}

static void ends_cleanly_at_any_moment(void **state) {
    (void)state;
    for (int taken = 0; taken < 30; taken++) {
        mnas_loader_options o = {.batch = 7, .shuffle = taken % 2, AS_BYTES};
        mnas_loader *l = create(MNAS_SPLIT_TRAIN, &o);
        mnas_batch batch;
        for (int b = 0; b < taken; b++) mnas_loader_next(l, &batch);
        mnas_loader_destroy(l);
    }
    mnas_loader_destroy(NULL);
}

static void wrong_options_are_named(void **state) {
    (void)state;
    const struct {
        mnas_loader_options o;
        const char *says;
    } wrong[] = {
        {{.batch = 0, AS_BYTES}, "batch is 0"},
        {{.batch = 181, .shuffle = true, AS_BYTES}, "180"},
        {{.batch = 60, .shuffle = true, .max_images = 50, AS_BYTES}, "50"},
        {{.batch = 8, .max_images = -1, AS_BYTES}, "max_images is -1"},
        {{.batch = 8, .augment = {.pad = -1}, AS_BYTES}, "pad is -1"},
        {{.batch = 8}, "std 0"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mnas_loader *l;
        assert_int_equal(mnas_loader_create(&l, dataset, MNAS_SPLIT_TRAIN, &wrong[i].o), MNAS_ERR_ARG);
        assert_null(l);
        if (!strstr(mnas_error_message(), wrong[i].says)) fail_msg("%s", mnas_error_message());
    }
}

static int setup(void **state) {
    (void)state;
    fix_reset("loader");
    fix_write_folder(N_TRAIN, N_TEST, "");
    dataset = fix_open(fix_spec("idx", "val=23"), 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    mnas_dataset_close(dataset);
    fix_remove(fix_dir);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crops_by_hand),
        cmocka_unit_test(channels_stay_together),
        cmocka_unit_test(normalises_per_channel),
        cmocka_unit_test(draws_cover_their_range_evenly),
        cmocka_unit_test(training_epochs_are_new_shuffles),
        cmocka_unit_test(evaluation_sees_each_image_once_in_order),
        cmocka_unit_test(evaluation_of_the_test_split),
        cmocka_unit_test(max_images_is_a_fixed_part),
        cmocka_unit_test(batches_depend_on_the_seed_alone),
        cmocka_unit_test(augmentation_belongs_to_the_image),
        cmocka_unit_test(goes_on_from_any_step),
        cmocka_unit_test(ends_cleanly_at_any_moment),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
