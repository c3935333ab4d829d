/* test_fault_files.c - weights saved and loaded, images decoded into the cache and opened from it, a child process run, with
 * the n-th allocation, write, read, rename, fork, ... failing, and with a disk of N bytes: the old file stands until the
 * new one is whole. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/proc.h"
#include "blocks/net.h"
#include "data/cifar.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "fault_loop.h"
#include "model/weights.h"

enum { SIDE = 6, N_IMAGES = 60 };

static char dir[400], weights_path[512], data[600], cache[512];
static mnas_graph *graph;
static mnas_weights *weights;

static const char space_text[] =
    "name: tiny\ninput: 12\nchannels: 1\nclasses: 2\nmean: [0.5]\nstd: [0.5]\nstem: 8\n"
    "stem-stride: 2\nper: block\nchoices:\n  - kernel: [3, 5]\nblocks:\n"
    "  - {net: r1_k3_s11_e1_i8_o8}\n";

/* ---- weights ---- */

static void fill(float value) {
    for (int i = 0; i < graph->n_params; i++) {
        float *w = mnas_weights_of(weights, &graph->params[i]);
        for (size_t j = 0; j < graph->params[i].size; j++) w[j] = value;
    }
}

static int save(void) {
    static const char *const metadata[] = {"arch", "r1_k3_s11_e1_i8_o8", NULL};
    return mnas_weights_save(weights, graph, weights_path, metadata);
}

static int load(void) {
    return mnas_weights_load(weights, graph, weights_path);
}

static void expect_stored(float value) {
    mnas_weights *stored;
    assert_int_equal(mnas_weights_create(&stored, graph), 0);
    if (mnas_weights_load(stored, graph, weights_path) < 0) fail_msg("%s", mnas_error_message());
    for (int i = 0; i < graph->n_params; i++) {
        const float *w = mnas_weights_of(stored, &graph->params[i]);
        for (size_t j = 0; j < graph->params[i].size; j++) assert_true(w[j] == value);
    }
    mnas_weights_destroy(stored);
}

static void put_old(void) {
    fill(1);
    assert_int_equal(save(), 0);
    fill(2);
}
static void expect_old(void) {
    expect_stored(1);
}
static void expect_new(void) {
    expect_stored(2);
}

static const char *const kinds[] = {"malloc", "write",  "sync",   "read", "open", "map",  "rename",
                                    "mkdir",  "unlink", "thread", "fork", "pipe", "exec", "poll"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };
static const char *const weights_words[] = {"net.safetensors", "weights cannot be described", "out of memory",
                                            NULL};

static void test_weights(void **state) {
    (void)state;
    const fault_case saving = {"save weights", dir, put_old, save, expect_new, expect_old, weights_words, 0};
    const fault_case loading = {"load weights", dir, NULL, load, expect_new, expect_new, weights_words, 0};
    for (int i = 0; i < N_KINDS; i++) fault_loop(&saving, kinds[i]);
    put_old();
    assert_int_equal(save(), 0);
    for (int i = 0; i < N_KINDS; i++) fault_loop(&loading, kinds[i]);
}

static void test_weights_on_a_full_disk(void **state) {
    (void)state;
    const fault_case saving = {"save weights", dir, put_old, save, expect_new, expect_old, weights_words, 0};
    char spec[64];
    for (long room = 0;; room += 1 + room / 2) {
        snprintf(spec, sizeof spec, "disk:%ld", room);
        put_old();
        fault_arm(spec);
        const int rc = save();
        if (!fault_disarm()) break;
        assert_int_equal(rc, MNAS_ERR_FULL);
        assert_non_null(strstr(mnas_error_message(), weights_path));
        assert_non_null(strstr(mnas_error_message(), "No space left"));
        expect_old();
        fault_once(&saving, spec);
    }
}

/* ---- images ---- */

static void write_gz(const char *name, const void *bytes, size_t n) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    gzFile gz = gzopen(path, "wb1");
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, bytes, (unsigned)n), (int)n);
    assert_int_equal(gzclose(gz), Z_OK);
}

static void write_images(void) {
    static uint8_t images[16 + N_IMAGES * SIDE * SIDE] = {0, 0, 8, 3,    0, 0, 0, N_IMAGES,
                                                          0, 0, 0, SIDE, 0, 0, 0, SIDE};
    static uint8_t labels[8 + N_IMAGES] = {0, 0, 8, 1, 0, 0, 0, N_IMAGES};
    for (int i = 0; i < N_IMAGES * SIDE * SIDE; i++) images[16 + i] = (uint8_t)(i * 7);
    for (int i = 0; i < N_IMAGES; i++) labels[8 + i] = (uint8_t)(i % 3);
    write_gz("train-images-idx3-ubyte.gz", images, sizeof images);
    write_gz("train-labels-idx1-ubyte.gz", labels, sizeof labels);
}

static void forget_cache(void) {
    DIR *d = opendir(cache);
    char path[1200];
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (d) closedir(d);
}

static int open_images(void) {
    mnas_dataset *dataset;
    const int rc = mnas_dataset_open(&dataset, data, 0);
    if (rc < 0) return rc;
    const mnas_split train = dataset->split[MNAS_SPLIT_TRAIN];
    assert_int_equal(train.n, N_IMAGES - 20);
    for (int i = 0; i < train.n; i++) {
        const size_t at = train.index ? train.index[i] : (size_t)i;
        for (size_t j = 0; j < SIDE * SIDE; j++)
            assert_int_equal(train.pixels[at * SIDE * SIDE + j], (uint8_t)((at * SIDE * SIDE + j) * 7));
        assert_int_equal(train.labels[at], at % 3);
    }
    mnas_dataset_close(dataset);
    return 0;
}

static const char *const data_words[] = {dir, "no memory for", "out of memory", "ut of memory", NULL};

static void test_images(void **state) {
    (void)state;
    const fault_case decoding = {"decode images", cache, forget_cache, open_images, NULL, NULL,
                                 data_words,      0};
    const fault_case mapping = {"open images decoded", cache, NULL, open_images, NULL, NULL, data_words, 0};
    for (int i = 0; i < N_KINDS; i++) fault_loop(&decoding, kinds[i]);
    for (int i = 0; i < N_KINDS; i++) fault_loop(&mapping, kinds[i]);
}

/* ---- CIFAR-10, and photos ---- */

enum { CIFAR_RECORDS = 4, CIFAR_FILES = 6, PHOTOS = 6 };

static void write_cifar(void) {
    static uint8_t records[CIFAR_RECORDS * MNAS_CIFAR_RECORD_BYTES];
    for (size_t i = 0; i < sizeof records; i++)
        records[i] = (uint8_t)(i % MNAS_CIFAR_RECORD_BYTES == 0 ? i / MNAS_CIFAR_RECORD_BYTES : i * 5);
    for (int f = 1; f <= CIFAR_FILES; f++) {
        char path[600], name[32];
        snprintf(name, sizeof name, f == CIFAR_FILES ? "test_batch" : "data_batch_%d", f);
        snprintf(path, sizeof path, "%s/%s.bin", dir, name);
        assert_int_equal(mnas_file_write_atomic(path, records, sizeof records), 0);
    }
}

static int open_cifar(void) {
    char spec[600];
    mnas_dataset *dataset;
    snprintf(spec, sizeof spec, "cifar10:path=%s,val=4", dir);
    const int rc = mnas_dataset_open(&dataset, spec, MNAS_ALLOW_TEST);
    if (rc < 0) return rc;
    assert_int_equal(dataset->split[MNAS_SPLIT_TRAIN].n, CIFAR_RECORDS * (CIFAR_FILES - 1) - 4);
    assert_int_equal(dataset->split[MNAS_SPLIT_TEST].n, CIFAR_RECORDS);
    mnas_dataset_close(dataset);
    return 0;
}

/* JPEG, PNG and a file without a name's end in each class. */
static void write_photos(void) {
    static const char *const images[] = {"rgb.png", "large.jpg", "grey.jpg"};
    for (int i = 0; i < 3 * PHOTOS; i++) {
        char path[700], *bytes;
        size_t n;
        snprintf(path, sizeof path, "%s/unit/data/images/%s", MNAS_SOURCE_DIR "/tests", images[i % 3]);
        assert_int_equal(mnas_file_read(path, 1 << 20, &bytes, &n), 0);
        snprintf(path, sizeof path, "%s/photos/%s/%c", dir, i < PHOTOS ? "val" : "train", "ab"[i / 3 % 2]);
        assert_int_equal(mnas_file_mkdirs(path), 0);
        const size_t used = strlen(path);
        snprintf(path + used, sizeof path - used, "/%d%s", i, i % 3 == 0 ? "" : ".jpg");
        assert_int_equal(mnas_file_write_atomic(path, bytes, n), 0);
        free(bytes);
    }
}

/* No photo may be skipped because the machine failed: the cache would remember it. */
static int open_photos(void) {
    char spec[600];
    mnas_dataset *dataset;
    snprintf(spec, sizeof spec, "imagefolder:path=%s/photos,test=0", dir);
    const int rc = mnas_dataset_open(&dataset, spec, 0);
    if (rc < 0) return rc;
    assert_int_equal(dataset->info.n_skipped + dataset->info.n_ignored, 0);
    assert_int_equal(dataset->split[MNAS_SPLIT_TRAIN].n, 2 * PHOTOS);
    assert_int_equal(dataset->split[MNAS_SPLIT_VAL].n, PHOTOS);
    mnas_dataset_close(dataset);
    return 0;
}

static void test_cifar(void **state) {
    (void)state;
    const fault_case c = {"decode CIFAR-10", cache, forget_cache, open_cifar, NULL, NULL, data_words, 0};
    write_cifar();
    for (int i = 0; i < N_KINDS; i++) fault_loop(&c, kinds[i]);
}

/* Photos in their files: listed, indexed, a few batches. What the machine fails to read is not a photo that does not decode. */
static int load_photos(void) {
    char spec[600];
    mnas_dataset *dataset;
    mnas_loader *loader = NULL;
    mnas_batch batch;
    snprintf(spec, sizeof spec, "imagefolder:path=%s/photos,test=0,size=16,decode=each", dir);
    int rc = mnas_dataset_open(&dataset, spec, 0);
    if (rc < 0) return rc;
    assert_int_equal(dataset->split[MNAS_SPLIT_TRAIN].n, 2 * PHOTOS);
    const mnas_loader_options options = {
        .batch = 4, .shuffle = true, .crop = MNAS_CROP_AREA, .std = {1, 1, 1}, .threads = 2};
    rc = mnas_loader_create(&loader, dataset, MNAS_SPLIT_TRAIN, &options);
    for (int i = 0; rc == 0 && i < 3; i++)
        if ((rc = mnas_loader_next(loader, &batch)) == 0) assert_int_equal(batch.n, 4);
    if (loader) assert_int_equal(mnas_loader_n_bad(loader), 0);
    mnas_loader_destroy(loader);
    mnas_dataset_close(dataset);
    return rc;
}

static void test_photos_in_files(void **state) {
    (void)state;
    const fault_case c = {"load photos", cache, forget_cache, load_photos, NULL, NULL, data_words, 0};
    write_photos();
    for (int i = 0; i < N_KINDS; i++) fault_loop(&c, kinds[i]);
}

static void test_photos(void **state) {
    (void)state;
    const fault_case c = {"decode photos", cache, forget_cache, open_photos, NULL, NULL, data_words, 0};
    write_photos();
    for (int i = 0; i < N_KINDS; i++) fault_loop(&c, kinds[i]);
}

static void test_images_on_a_full_disk(void **state) {
    (void)state;
    char spec[64];
    for (long room = 0;; room += 1 + room / 2) {
        snprintf(spec, sizeof spec, "disk:%ld", room);
        forget_cache();
        fault_arm(spec);
        const int rc = open_images();
        if (!fault_disarm()) break;
        assert_int_equal(rc, MNAS_ERR_FULL);
        assert_non_null(strstr(mnas_error_message(), cache));
        assert_int_equal(open_images(), 0);
    }
}

/* ---- child processes ---- */

static int run_child(void) {
    static const char *const argv[] = {"cat", NULL};
    char *output;
    const int rc = mnas_proc_run(argv, "a request\n", 20, &output);
    if (rc < 0) return rc;
    assert_string_equal(output, "a request\n");
    free(output);
    return 0;
}

static void test_child(void **state) {
    (void)state;
    static const char *const words[] = {"cat", "child process", NULL};
    static const char *const child_kinds[] = {"malloc", "pipe", "fork", "exec", "poll"};
    const fault_case c = {"run a child", dir, NULL, run_child, NULL, NULL, words, 0};
    for (size_t i = 0; i < sizeof child_kinds / sizeof *child_kinds; i++) fault_loop(&c, child_kinds[i]);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int setup(void **state) {
    (void)state;
    mnas_model model;
    snprintf(dir, sizeof dir, "%s/fault-files-%d", MNAS_TEST_TMP, (int)getpid());
    snprintf(weights_path, sizeof weights_path, "%s/net.safetensors", dir);
    snprintf(data, sizeof data, "idx:path=%s,val=20", dir);
    snprintf(cache, sizeof cache, "%s/cache", dir);
    if (mnas_file_mkdirs(cache) < 0) return -1;
    setenv("MNAS_CACHE_DIR", cache, 1);
    setenv("MNAS_LOG", "error", 1);
    write_images();
    char space_path[600];
    mnas_space *space;
    snprintf(space_path, sizeof space_path, "%s/tiny.yaml", dir);
    if (mnas_file_write_atomic(space_path, space_text, strlen(space_text)) < 0) return -1;
    if (mnas_space_open(&space, space_path) < 0 || mnas_space_reference(space, &model) < 0) return -1;
    mnas_space_close(space);
    if (mnas_net_build(&graph, &model) < 0) return -1;
    return mnas_weights_create(&weights, graph);
}

static int teardown(void **state) {
    (void)state;
    forget_cache();
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),         cmocka_unit_test(test_weights_on_a_full_disk),
        cmocka_unit_test(test_images),          cmocka_unit_test(test_images_on_a_full_disk),
        cmocka_unit_test(test_cifar),           cmocka_unit_test(test_photos),
        cmocka_unit_test(test_photos_in_files), cmocka_unit_test(test_child)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
