/* fixture.h - small datasets made on the spot: a folder and a cache folder of their own for each test program.
 *
 * Pixel j of image i is pixel_of(i, j), label i is i % classes: any image can be recognised wherever it turns up.
 */
#ifndef MNAS_TEST_DATA_FIXTURE_H
#define MNAS_TEST_DATA_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "data/dataset.h"

#define FIX_IMAGES MNAS_SOURCE_DIR "/tests/unit/data/images/"
enum { FIX_CLASSES = 5, FIX_HEIGHT = 3, FIX_WIDTH = 4 };

static char fix_dir[512], fix_cache[600];

static inline uint8_t pixel_of(int i, size_t j) {
    return (uint8_t)((size_t)i * 37 + j * (11 + ((size_t)i >> 8)));
}

static inline int fix_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static inline void fix_remove(const char *path) {
    nftw(path, fix_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* An empty folder and an empty cache. */
static inline void fix_reset(const char *name) {
    snprintf(fix_dir, sizeof fix_dir, "%s/data-%s-%d", MNAS_TEST_TMP, name, (int)getpid());
    snprintf(fix_cache, sizeof fix_cache, "%s/.cache", fix_dir);
    fix_remove(fix_dir);
    assert_int_equal(mnas_file_mkdirs(fix_cache), 0);
    setenv("MNAS_CACHE_DIR", fix_cache, 1);
    setenv("MNAS_LOG", "error", 1);
}

static inline int fix_teardown(void **state) {
    (void)state;
    fix_remove(fix_dir);
    return 0;
}

static inline void fix_path(char path[1200], const char *name) {
    snprintf(path, 1200, "%s/%s", fix_dir, name);
}

/* Compressed when the name ends in .gz. */
static inline void fix_write(const char *name, const void *data, size_t n) {
    char path[1200];
    fix_path(path, name);
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, ".gz") == 0) {
        gzFile gz = gzopen(path, "wb1");
        assert_non_null(gz);
        assert_int_equal(gzwrite(gz, data, (unsigned)n), (int)n);
        assert_int_equal(gzclose(gz), Z_OK);
        return;
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* One of the pictures beside the tests, under a name whose folder is made. */
static inline void fix_copy_image(const char *image, const char *name) {
    char path[1200], *data;
    size_t n;
    fix_path(path, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(mnas_file_mkdirs(path), 0);
    snprintf(path, sizeof path, "%s%s", FIX_IMAGES, image);
    assert_int_equal(mnas_file_read(path, 1 << 20, &data, &n), 0);
    fix_write(name, data, n);
    free(data);
}

/* Header into bytes, returns its length. */
static inline size_t fix_idx_header(uint8_t *bytes, int n_dims, const uint32_t *dims) {
    bytes[0] = bytes[1] = 0, bytes[2] = 8, bytes[3] = (uint8_t)n_dims;
    for (int d = 0; d < n_dims; d++)
        for (int b = 0; b < 4; b++) bytes[4 + 4 * d + b] = (uint8_t)(dims[d] >> (24 - 8 * b));
    return 4 + 4 * (size_t)n_dims;
}

/* channels 0: three dimensions. `first` is the number of the first image. */
static inline void fix_write_images(const char *name, int n, int channels, int first) {
    uint32_t dims[4] = {(uint32_t)n, FIX_HEIGHT, FIX_WIDTH, (uint32_t)channels};
    size_t image = (size_t)FIX_HEIGHT * FIX_WIDTH * (channels ? (size_t)channels : 1);
    uint8_t *bytes = malloc(20 + (size_t)n * image);
    size_t at = fix_idx_header(bytes, channels ? 4 : 3, dims);
    for (int i = 0; i < n; i++)
        for (size_t j = 0; j < image; j++) bytes[at++] = pixel_of(first + i, j);
    fix_write(name, bytes, at);
    free(bytes);
}

static inline void fix_write_labels(const char *name, int n, int first) {
    uint32_t dims[1] = {(uint32_t)n};
    uint8_t *bytes = malloc(8 + (size_t)n);
    size_t at = fix_idx_header(bytes, 1, dims);
    for (int i = 0; i < n; i++) bytes[at++] = (uint8_t)((first + i) % FIX_CLASSES);
    fix_write(name, bytes, at);
    free(bytes);
}

/* A whole idx folder; test images are numbered on from the training images. */
static inline void fix_write_folder(int n_train, int n_test, const char *end) {
    char name[64];
    snprintf(name, sizeof name, "train-images-idx3-ubyte%s", end);
    fix_write_images(name, n_train, 0, 0);
    snprintf(name, sizeof name, "train-labels-idx1-ubyte%s", end);
    fix_write_labels(name, n_train, 0);
    snprintf(name, sizeof name, "t10k-images-idx3-ubyte%s", end);
    fix_write_images(name, n_test, 0, n_train);
    snprintf(name, sizeof name, "t10k-labels-idx1-ubyte%s", end);
    fix_write_labels(name, n_test, n_train);
}

/* Records of CIFAR-10: channel c of pixel p of image i is pixel_of(i, 3 p + c), so that HWC order counts j upwards. */
static inline void fix_write_cifar(const char *name, int n, int first) {
    uint8_t *bytes = malloc((size_t)n * 3073 + 1), *b = bytes;
    for (int i = 0; i < n; i++) {
        *b++ = (uint8_t)((first + i) % 10);
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < 1024; p++) *b++ = pixel_of(first + i, 3 * p + c);
    }
    fix_write(name, bytes, (size_t)n * 3073);
    free(bytes);
}

static inline const char *fix_spec(const char *name, const char *more) {
    static char spec[1000];
    snprintf(spec, sizeof spec, "%s:path=%s%s%s", name, fix_dir, *more ? "," : "", more);
    return spec;
}

static inline mnas_dataset *fix_open(const char *spec, int flags) {
    mnas_dataset *dataset;
    int rc = mnas_dataset_open(&dataset, spec, flags);
    if (rc < 0) fail_msg("%s: %s", spec, mnas_error_message());
    return dataset;
}

/* Files in the cache folder whose names end in `end`. */
static inline int fix_count_cache(const char *end) {
    DIR *dir = opendir(fix_cache);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        if (e->d_name[0] != '.' && len >= strlen(end) && strcmp(e->d_name + len - strlen(end), end) == 0) n++;
    }
    closedir(dir);
    return n;
}

#endif
