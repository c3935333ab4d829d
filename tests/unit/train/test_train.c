/* test_train.c - mnas_train and mnas_eval from a dataset on disk to a weights file: counts, equal bytes from
 * equal seeds, what is saved is what was evaluated, interruption, and wrong arguments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "mnas.h"

#define FOLDER MNAS_TEST_TMP "/train_data"
#define DATA   "idx:path=" FOLDER ",val=60"

enum { SIDE = 8, N_TRAIN = 360, N_TEST = 50, CLASSES = 4 };

/* Noise with one bright quadrant, which is the class. */
static void write_split(const char *prefix, int n, uint64_t seed) {
    static uint8_t images[16 + N_TRAIN * SIDE * SIDE], labels[8 + N_TRAIN];
    char path[1024];
    mnas_rng rng = mnas_rng_stream(seed, 0, "test");
    memcpy(images,
           (uint8_t[16]){0, 0, 8, 3, 0, 0, (uint8_t)(n >> 8), (uint8_t)n, 0, 0, 0, SIDE, 0, 0, 0, SIDE}, 16);
    memcpy(labels, (uint8_t[8]){0, 0, 8, 1, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}, 8);
    for (int i = 0; i < n; i++) {
        int label = i % CLASSES;
        labels[8 + i] = (uint8_t)label;
        for (int p = 0; p < SIDE * SIDE; p++) {
            bool bright = p / SIDE * 2 / SIDE * 2 + p % SIDE * 2 / SIDE == label;
            images[16 + i * SIDE * SIDE + p] = (uint8_t)(mnas_rng_below(&rng, 128) + (bright ? 100 : 0));
        }
    }
    snprintf(path, sizeof path, FOLDER "/%s-images-idx3-ubyte", prefix);
    assert_int_equal(mnas_file_write_atomic(path, images, (size_t)(16 + n * SIDE * SIDE)), 0);
    snprintf(path, sizeof path, FOLDER "/%s-labels-idx1-ubyte", prefix);
    assert_int_equal(mnas_file_write_atomic(path, labels, (size_t)(8 + n)), 0);
}

static int setup(void **state) {
    (void)state;
    setenv("MNAS_CACHE_DIR", MNAS_TEST_TMP "/train_cache", 1);
    assert_int_equal(mnas_file_mkdirs(FOLDER), 0);
    write_split("train", N_TRAIN, 1);
    write_split("t10k", N_TEST, 2);
    return 0;
}

static void small_model(mnas_model *model) {
    mnas_model_defaults(model);
    model->stem_filters = 8;
    model->stem_stride = 1;
    assert_int_equal(mnas_model_set_arch(model, "r1_k3_s11_e3_i8_o8_se0.25 r1_k3_s22_e1_i8_o16_opsep"), 0);
}

static int eval(mnas_eval_result *out, const mnas_model *model, const char *weights, const char *split,
                int threads) {
    const mnas_eval_options options = {.weights = weights, .data = DATA, .split = split, .threads = threads};
    return mnas_eval(out, model, &options);
}

/* ThreadSanitizer takes libgomp's barriers, which it cannot see, for missing ones. */
#ifdef __SANITIZE_THREAD__
enum { SEVERAL_THREADS = 1 };
#else
enum { SEVERAL_THREADS = 2 };
#endif

typedef struct history {
    int n_calls, n_epochs_done;
    double last_accuracy;
    bool cancel;
    int cancel_at;
} history;

static void on_progress(void *user, const mnas_epoch *e) {
    history *l = user;
    l->n_calls++;
    if (isnan(e->val_accuracy_frac)) return;
    assert_int_equal(e->epoch, ++l->n_epochs_done);
    assert_true(e->step <= e->n_steps && isfinite(e->loss) && e->images_per_s > 0);
    l->last_accuracy = e->val_accuracy_frac;
    if (l->n_epochs_done == l->cancel_at) l->cancel = true;
}

static mnas_train_options options_for(history *l, const char *output) {
    return (mnas_train_options){.data = DATA,
                                .recipe = "proxy:batch=32,lr=0.05",
                                .epochs = 4,
                                .threads = 1,
                                .seed = 9,
                                .output = output,
                                .progress = on_progress,
                                .user = l,
                                .cancel = &l->cancel};
}

static void trains_saves_and_evaluates(void **state) {
    (void)state;
    history l = {0};
    mnas_model model;
    mnas_train_result result;
    mnas_eval_result val, test;
    const char *path = MNAS_TEST_TMP "/train_a.safetensors";
    mnas_train_options options = options_for(&l, path);
    small_model(&model);
    if (mnas_train(&result, &model, &options) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(model.classes, CLASSES);
    assert_int_equal(model.input_size, SIDE);
    assert_int_equal(model.input_channels, 1);
    assert_true(model.mean[0] == 0.5 && model.bn_momentum == 0.99); /* the recipe's is no part of the model */
    assert_int_equal(result.steps, 38);                             /* ceil(4 * 300 / 32) */
    assert_int_equal(result.n_images, 38 * 32);
    assert_int_equal(l.n_epochs_done, 4);
    assert_true(result.val_accuracy_frac == l.last_accuracy);
    if (result.val_accuracy_frac < 0.9) fail_msg("accuracy %g", result.val_accuracy_frac);
    assert_true(result.slab_bytes > 0 && result.peak_rss_bytes > result.slab_bytes &&
                result.images_per_s > 0);
    assert_int_equal(eval(&val, &model, path, "val", SEVERAL_THREADS), 0);
    assert_int_equal(val.n, 60);
    assert_true(fabs(val.top1_frac - result.val_accuracy_frac) < 1e-9);
    assert_true(fabs(val.loss - result.val_loss) < 1e-4 && val.top5_frac == 1);
    assert_int_equal(eval(&test, &model, path, "test", 1), 0);
    assert_int_equal(test.n, N_TEST);
    assert_true(test.top1_frac > 0.85);
}

static void read_weights(const char *path, char **data, size_t *n) {
    assert_int_equal(mnas_file_read(path, 64 << 20, data, n), 0);
}

static void same_seed_same_file(void **state) {
    (void)state;
    char *a, *b;
    size_t n_a, n_b;
    for (int i = 0; i < 2; i++) {
        history l = {0};
        mnas_model model;
        mnas_train_result result;
        mnas_train_options options =
            options_for(&l, i ? MNAS_TEST_TMP "/train_c.safetensors" : MNAS_TEST_TMP "/train_b.safetensors");
        options.recipe = "short:batch=16,lr=0.05,flip=no,dropout=0.2,ema-decay=0.9,recalibrate=2";
        options.epochs = 1.5;
        options.threads = SEVERAL_THREADS;
        small_model(&model);
        assert_int_equal(mnas_train(&result, &model, &options), 0);
        assert_int_equal(result.steps, 29); /* ceil(1.5 * 300 / 16) */
    }
    read_weights(MNAS_TEST_TMP "/train_b.safetensors", &a, &n_a);
    read_weights(MNAS_TEST_TMP "/train_c.safetensors", &b, &n_b);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a);
    free(a);
    free(b);
}

/* Parts that end within an epoch, at its end, and in the first step: the last one ends as a training that nobody divided. */
static void parts_are_the_whole(void **state) {
    (void)state;
    static const double stops[][3] = {{0.3, 1.7, 0}, {1, 2, 0}, {0.01, 2.49, 0}};
    static const char *const whole = MNAS_TEST_TMP "/train_whole.safetensors",
                             *const last = MNAS_TEST_TMP "/train_last.safetensors",
                             *const kept[] = {MNAS_TEST_TMP "/part0.ckpt", MNAS_TEST_TMP "/part1.ckpt"};
    char *a, *b;
    size_t n_a, n_b;
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        mnas_train_result result[4];
        history l[2] = {{0}, {0}};
        mnas_model model;
        mnas_train_options options = options_for(&l[0], whole);
        options.recipe =
            "imagenet-mnasnet:batch=24,group=8,warmup-epochs=1,ema-decay=0.9,lr=0.2,recalibrate=3";
        options.epochs = 2.5;
        small_model(&model);
        assert_int_equal(mnas_train(&result[3], &model, &options), 0);
        options.user = &l[1];
        options.cancel = &l[1].cancel;
        options.checkpoint_minutes = INFINITY;
        for (int part = 0; part < 3; part++) {
            options.stop_epochs = stops[i][part];
            options.checkpoint = part < 2 ? kept[part] : NULL;
            options.from = part > 0 ? kept[part - 1] : NULL;
            options.output = part < 2 ? NULL : last;
            if (part < 2) unlink(kept[part]);
            small_model(&model);
            if (mnas_train(&result[part], &model, &options) < 0) fail_msg("%s", mnas_error_message());
            assert_int_equal(result[part].steps, part < 2 ? (int)ceil(stops[i][part] * 300 / 24) : 32);
        }
        assert_true(result[2].val_accuracy_frac == result[3].val_accuracy_frac &&
                    result[2].val_loss == result[3].val_loss && result[2].train_loss == result[3].train_loss);
        assert_int_equal(l[1].n_epochs_done, l[0].n_epochs_done);
        assert_true(result[2].earlier_s > 0 && result[2].earlier_s <= result[2].train_s + result[2].eval_s);
        assert_false(mnas_file_exists(MNAS_TEST_TMP "/part0.best.safetensors"));
        assert_false(mnas_file_exists(MNAS_TEST_TMP "/part0.ckpt.lock"));
        read_weights(whole, &a, &n_a);
        read_weights(last, &b, &n_b);
        assert_int_equal(n_a, n_b);
        assert_memory_equal(a, b, n_a);
        free(a);
        free(b);
    }
}

static void few_images_and_fractions(void **state) {
    (void)state;
    history l = {0};
    mnas_model model;
    mnas_train_result result;
    mnas_train_options options = options_for(&l, NULL);
    options.max_images = 100;
    options.epochs = 0.5;
    options.init = MNAS_TEST_TMP "/train_a.safetensors";
    small_model(&model);
    assert_int_equal(mnas_train(&result, &model, &options), 0);
    assert_int_equal(result.steps, 2); /* ceil(50 / 32) */
    assert_int_equal(l.n_epochs_done, 1);
    assert_true(result.val_accuracy_frac > 0.8); /* it started from trained weights */
}

static void cancel_is_heard(void **state) {
    (void)state;
    history l = {.cancel_at = 2};
    mnas_model model;
    mnas_train_result result;
    mnas_train_options options = options_for(&l, MNAS_TEST_TMP "/train_never.safetensors");
    small_model(&model);
    assert_int_equal(mnas_train(&result, &model, &options), MNAS_ERR_CANCELLED);
    assert_int_equal(l.n_epochs_done, 2);
    assert_false(mnas_file_exists(MNAS_TEST_TMP "/train_never.safetensors"));
}

static void divergence_is_an_error(void **state) {
    (void)state;
    history l = {0};
    mnas_model model;
    mnas_train_result result;
    mnas_train_options options = options_for(&l, NULL);
    options.recipe =
        "proxy:batch=32,lr=1000,flip=no,warmup-epochs=0,schedule=constant,optimizer=sgd,weight-decay=1";
    options.epochs = 5;
    small_model(&model);
    assert_int_equal(mnas_train(&result, &model, &options), MNAS_ERR_NAN);
}

#define PHOTOS MNAS_TEST_TMP "/train_photos"

static void write_photo(const char *folder, const char *bytes, size_t n) {
    char path[1200];
    assert_int_equal(mnas_file_mkdirs(folder), 0);
    snprintf(path, sizeof path, "%s/0.png", folder);
    assert_int_equal(mnas_file_write_atomic(path, bytes, n), 0);
}

static void an_evaluation_without_images_says_so(void **state) {
    (void)state;
    history l = {0};
    mnas_model model;
    mnas_train_result result;
    mnas_train_options options = options_for(&l, NULL);
    char *photo;
    size_t n;
    assert_int_equal(mnas_file_read(MNAS_SOURCE_DIR "/tests/unit/data/images/rgb.png", 1 << 20, &photo, &n),
                     0);
    write_photo(PHOTOS "/train/a", photo, n);
    write_photo(PHOTOS "/train/b", photo, n);
    write_photo(PHOTOS "/val/a", photo, 20);
    free(photo);
    small_model(&model);
    options.data = "imagefolder:path=" PHOTOS ",size=8,test=0,decode=each";
    options.batch = 2;
    assert_int_equal(mnas_train(&result, &model, &options), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "none of the images"));
}

static void wrong_arguments_are_named(void **state) {
    (void)state;
    history l = {0};
    mnas_model model;
    mnas_train_result result;
    mnas_eval_result unused;
    mnas_train_options options = options_for(&l, NULL);
    small_model(&model);
    options.batch = 400;
    assert_int_equal(mnas_train(&result, &model, &options), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "300"));
    options = options_for(&l, NULL);
    options.epochs = -1;
    assert_int_equal(mnas_train(&result, &model, &options), MNAS_ERR_ARG);
    options.epochs = 1e9;
    assert_int_equal(mnas_train(&result, &model, &options), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "steps; allowed: up to 2147483646"));
    assert_int_equal(eval(&unused, &model, "x", "train", 1), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "val"));
    model.stem_filters = 16;
    assert_true(eval(&unused, &model, MNAS_TEST_TMP "/train_a.safetensors", "val", 1) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trains_saves_and_evaluates),
        cmocka_unit_test(same_seed_same_file),
        cmocka_unit_test(parts_are_the_whole),
        cmocka_unit_test(few_images_and_fractions),
        cmocka_unit_test(cancel_is_heard),
        cmocka_unit_test(divergence_is_an_error),
        cmocka_unit_test(an_evaluation_without_images_says_so),
        cmocka_unit_test(wrong_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
