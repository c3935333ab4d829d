/* dataset_cifar10.c - `cifar10:path=DIR`: CIFAR-10's binary version, data_batch_1..5.bin and test_batch.bin.
 * A file may hold any number of records, so that a part of the set can be used. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "data/cifar.h"
#include "data/common.h"
#include "data/dataset.h"

enum { TRAIN_FILES = 5, PATH_BYTES = 1200 };

typedef struct cifar_opts {
    char path[MNAS_OPT_STR];
    mnas_dataset_common common;
} cifar_opts;

static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(cifar_opts, path), NULL, 0, 0, "DIR",
     "folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin", NULL},
    MNAS_DATASET_COMMON_OPTS(cifar_opts),
    MNAS_OPT_END,
};

static const char *const class_names[MNAS_CIFAR_CLASSES] = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

/* i = 0..4: training files; 5: the test file. */
static void file_path(char path[PATH_BYTES], const cifar_opts *opts, int i) {
    if (i < TRAIN_FILES)
        snprintf(path, PATH_BYTES, "%s/data_batch_%d.bin", opts->path, i + 1);
    else
        snprintf(path, PATH_BYTES, "%s/test_batch.bin", opts->path);
}

static int sources(const void *opts, mnas_str *paths) {
    for (int i = 0; i <= TRAIN_FILES; i++) {
        char path[PATH_BYTES];
        file_path(path, opts, i);
        mnas_str_appendf(paths, "%s\n", path);
    }
    return mnas_str_ok(paths) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the paths of cifar10");
}

static int count_records(int *n, const cifar_opts *opts, int i) {
    char path[PATH_BYTES];
    struct stat st;
    file_path(path, opts, i);
    if (stat(path, &st) < 0) return mnas_error_set(MNAS_ERR_MISSING, "%s is not there", path);
    return mnas_cifar_count(n, (uint64_t)st.st_size, path);
}

static int shape(const void *opts, mnas_dataset_shape *out) {
    *out = (mnas_dataset_shape){.height = MNAS_CIFAR_SIDE,
                                .width = MNAS_CIFAR_SIDE,
                                .channels = MNAS_CIFAR_CHANNELS,
                                .classes = MNAS_CIFAR_CLASSES};
    for (int i = 0; i < TRAIN_FILES; i++) {
        int n, rc = count_records(&n, opts, i);
        if (rc == 0 && __builtin_add_overflow(out->n_train, n, &out->n_train))
            rc = mnas_error_set(MNAS_ERR_FORMAT, "cifar10: more than 2^31 - 1 training images");
        if (rc < 0) return rc;
    }
    if (count_records(&out->n_test, opts, TRAIN_FILES) < 0) out->n_test = -1;
    return mnas_dataset_name_classes(out, class_names, MNAS_CIFAR_CLASSES);
}

static int decode_file(const cifar_opts *opts, int i, const mnas_decode_sink *sink) {
    char path[PATH_BYTES], *data = NULL;
    size_t n_bytes;
    int n, rc = count_records(&n, opts, i);
    file_path(path, opts, i);
    if (rc == 0) rc = mnas_file_read(path, (size_t)n * MNAS_CIFAR_RECORD_BYTES, &data, &n_bytes);
    if (rc < 0) return rc;
    rc = mnas_cifar_check(&n, (const uint8_t *)data, n_bytes, path);
    for (int r = 0; rc == 0 && r < n; r++) {
        const uint8_t *record = (const uint8_t *)data + (size_t)r * MNAS_CIFAR_RECORD_BYTES;
        uint8_t hwc[MNAS_CIFAR_IMAGE_BYTES];
        mnas_cifar_pixels(hwc, record);
        rc = sink->emit(sink->user, hwc, record[0]);
    }
    free(data);
    return rc;
}

static int decode(const void *opts, bool test, const mnas_decode_sink *sink) {
    int first = test ? TRAIN_FILES : 0, last = test ? TRAIN_FILES : TRAIN_FILES - 1, rc = 0;
    for (int i = first; rc == 0 && i <= last; i++) rc = decode_file(opts, i, sink);
    return rc;
}

extern const mnas_dataset_class mnas_dataset_class_cifar10;
const mnas_dataset_class mnas_dataset_class_cifar10 = {
    .plugin = {"cifar10", "photos of 10 classes, 32x32, in CIFAR-10's binary files", table,
               sizeof(cifar_opts)},
    .sources = sources,
    .shape = shape,
    .decode = decode,
    .common = offsetof(cifar_opts, common),
};
