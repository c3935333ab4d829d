/* CIFAR-10: records in memory, and the folder of batches. The input is the first training file and the test file. */
#include <stdlib.h>

#include "data/cifar.h"
#include "data/dataset.h"
#include "fuzz.h"

extern const mnas_dataset_class mnas_dataset_class_cifar10;

static int count_pixels(void *user, const uint8_t *pixels, int label) {
    unsigned *sum = user;
    for (int i = 0; i < MNAS_CIFAR_IMAGE_BYTES; i++) *sum += pixels[i];
    FUZZ_CHECK(label >= 0 && label < MNAS_CIFAR_CLASSES);
    return 0;
}

static void read_folder(void) {
    static void *opts; /* of every run */
    const mnas_dataset_class *class = &mnas_dataset_class_cifar10;
    mnas_dataset_shape shape;
    unsigned sum = 0;
    const mnas_decode_sink sink = {.emit = count_pixels, .user = &sum};
    if (!opts) {
        opts = calloc(1, class->plugin.opts_bytes);
        FUZZ_CHECK(opts);
        mnas_opts_defaults(class->plugin.opts, opts);
        FUZZ_CHECK(mnas_opts_set(class->plugin.opts, opts, "cifar10", "path", fuzz_folder()) == 0);
    }
    shape = (mnas_dataset_shape){0};
    const int rc = class->shape(opts, &shape);
    mnas_str_free(&shape.class_names);
    if (rc < 0) return;
    class->decode(opts, false, &sink);
    class->decode(opts, true, &sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const uint8_t record[MNAS_CIFAR_RECORD_BYTES];
    int n_records;
    if (mnas_cifar_check(&n_records, data, n, "input") == 0)
        FUZZ_CHECK((size_t)n_records * MNAS_CIFAR_RECORD_BYTES == n);
    for (int i = 2; i <= 5; i++) {
        char name[32] = "data_batch_?.bin";
        name[11] = (char)('0' + i);
        fuzz_file(name, record, sizeof record);
    }
    fuzz_file("data_batch_1.bin", data, n);
    fuzz_file("test_batch.bin", data, n);
    read_folder();
    return 0;
}
