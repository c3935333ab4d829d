/* A folder of IDX files, plain or compressed, as a dataset reads it.
 *
 * Input: four parts (training images and labels, test images and labels), each with a byte in front: 0 the part is the
 * file, 1 it is compressed first, so that the fuzzer reaches behind gzip's checksum, 2 there is no such file.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/idx_folder.h"
#include "fuzz.h"

static void write_compressed(const char *name, const uint8_t *part, size_t n) {
    static uint8_t packed[1 << 17];
    z_stream z = {0};
    FUZZ_CHECK(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)part, z.avail_in = (uInt)n;
    z.next_out = packed, z.avail_out = sizeof packed;
    FUZZ_CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    fuzz_file(name, packed, z.total_out);
    deflateEnd(&z);
}

static int count_pixels(void *user, const uint8_t *pixels, int label) {
    const mnas_dataset_shape *shape = user;
    unsigned sum = 0;
    for (int i = 0; i < shape->height * shape->width * shape->channels; i++) sum += pixels[i];
    FUZZ_CHECK(sum < UINT32_MAX && label >= 0 && label < shape->classes);
    return 0;
}

static void read_folder(int classes) {
    mnas_dataset_shape shape;
    mnas_str paths = {0};
    const mnas_decode_sink sink = {.emit = count_pixels, .user = &shape};
    FUZZ_CHECK(mnas_idx_folder_sources(fuzz_folder(), &paths) == 0);
    mnas_str_free(&paths);
    if (mnas_idx_folder_shape(fuzz_folder(), classes, &shape) < 0) return;
    mnas_idx_folder_decode(fuzz_folder(), classes, false, &sink);
    mnas_idx_folder_decode(fuzz_folder(), classes, true, &sink);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                        "t10k-images.idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"};
    fuzz_input in = {data, data + n};
    for (int i = 0; i < 4; i++) {
        const unsigned how = fuzz_byte(&in);
        size_t part_bytes;
        const uint8_t *part = fuzz_part(&in, &part_bytes);
        if (how == 2)
            unlink(fuzz_path(names[i]));
        else if (how == 1)
            write_compressed(names[i], part, part_bytes);
        else
            fuzz_file(names[i], part, part_bytes);
    }
    read_folder(0);
    read_folder(10);
    return 0;
}
