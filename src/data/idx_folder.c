/* idx_folder.c - finds, reads and cross-checks the IDX files of a folder. Does not cache and does not split.
 *
 * Invariant: nothing is emitted before both files of the split have passed every check.
 */
#include "data/idx_folder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "data/idx.h"

/* What a file may hold beyond its header's promise and still be read whole, so that the message can say how
 * much it is. */
enum { SLACK_BYTES = 1 << 16, PATH_BYTES = 1200 };

typedef struct idx_file {
    char path[PATH_BYTES];
    uint8_t *bytes;
    mnas_idx idx;
} idx_file;

/* False, and the most usual name, where no variant exists. */
static bool find_file(char path[PATH_BYTES], const char *dir, bool test, bool images) {
    static const char *const separators[] = {"-", "."}, *const ends[] = {"", ".gz"};
    const char *stem = test ? "t10k" : "train", *what = images ? "images" : "labels";
    int least_dims = images ? 3 : 1, most_dims = images ? 4 : 1;
    for (int dims = least_dims; dims <= most_dims; dims++)
        for (int v = 0; v < 4; v++) {
            snprintf(path, PATH_BYTES, "%s/%s-%s%sidx%d-ubyte%s", dir, stem, what, separators[v / 2], dims,
                     ends[v % 2]);
            if (mnas_file_exists(path)) return true;
        }
    snprintf(path, PATH_BYTES, "%s/%s-%s-idx%d-ubyte", dir, stem, what, least_dims);
    return false;
}

static int find_or_fail(idx_file *file, const char *dir, bool test, bool images) {
    if (find_file(file->path, dir, test, images)) return 0;
    return mnas_error_set(MNAS_ERR_MISSING, "%s is not there (nor with .gz behind it)", file->path);
}

static int read_header(idx_file *file) {
    uint8_t bytes[MNAS_IDX_HEADER_BYTES];
    gzFile gz = gzopen(file->path, "rb"); /* reads plain files as they are */
    if (!gz) return mnas_error_errno("%s", file->path);
    int n = gzread(gz, bytes, sizeof bytes), code;
    int rc = n < 0 ? mnas_error_set(MNAS_ERR_FORMAT, "cannot read the header of %s", gzerror(gz, &code))
                   : mnas_idx_parse_header(&file->idx, bytes, (size_t)n, file->path);
    gzclose(gz);
    return rc;
}

/* The header first: it bounds what is decompressed. */
static int read_whole(idx_file *file) {
    int rc = read_header(file);
    if (rc < 0) return rc;
    uint64_t expected = file->idx.header_bytes + file->idx.payload_bytes;
    size_t n = 0;
    rc = mnas_file_read_gz(file->path, (size_t)expected + SLACK_BYTES, &file->bytes, &n);
    if (rc < 0) {
        struct stat st;
        int64_t on_disk = stat(file->path, &st) == 0 ? (int64_t)st.st_size : -1;
        return mnas_error_context(rc,
                                  "%s (%" PRId64 " bytes on disk): expected %" PRIu64 " bytes by its header",
                                  file->path, on_disk, expected);
    }
    mnas_idx promised = file->idx;
    rc = mnas_idx_parse(&file->idx, file->bytes, n, file->path);
    if (rc < 0) return rc;
    if (promised.n_dims != file->idx.n_dims ||
        memcmp(promised.dims, file->idx.dims, sizeof promised.dims) != 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s: changed while it was read", file->path);
    return 0;
}

static int images_header(idx_file *file, mnas_idx_images *out, const char *dir, bool test) {
    int rc = find_or_fail(file, dir, test, true);
    if (rc == 0) rc = read_header(file);
    return rc < 0 ? rc : mnas_idx_as_images(out, &file->idx, file->path);
}

static int labels_header(idx_file *file, int n_images, const idx_file *images, const char *dir, bool test) {
    int n_labels;
    int rc = find_or_fail(file, dir, test, false);
    if (rc == 0) rc = read_header(file);
    if (rc == 0) rc = mnas_idx_as_labels(&n_labels, &file->idx, file->path);
    if (rc == 0 && n_labels != n_images)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: %d labels, expected %d, the images of %s", file->path,
                            n_labels, n_images, images->path);
    return rc;
}

static int count_classes(idx_file *labels, int *classes) {
    int rc = read_whole(labels);
    if (rc < 0) return rc;
    int largest = 1;
    for (uint64_t i = 0; i < labels->idx.payload_bytes; i++)
        if (labels->idx.payload[i] > largest) largest = labels->idx.payload[i];
    *classes = largest + 1;
    return 0;
}

int mnas_idx_folder_sources(const char *dir, mnas_str *paths) {
    for (int i = 0; i < 4; i++) {
        char path[PATH_BYTES];
        find_file(path, dir, i / 2 == 1, i % 2 == 0);
        mnas_str_appendf(paths, "%s\n", path);
    }
    return mnas_str_ok(paths) ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory for the paths of %s", dir);
}

int mnas_idx_folder_shape(const char *dir, int classes, mnas_dataset_shape *out) {
    idx_file images = {0}, labels = {0}, test_images = {0};
    mnas_idx_images train, test;
    *out = (mnas_dataset_shape){.classes = classes};
    int rc = images_header(&images, &train, dir, false);
    if (rc == 0) rc = labels_header(&labels, train.n, &images, dir, false);
    if (rc == 0 && classes == 0) rc = count_classes(&labels, &out->classes);
    if (rc < 0) goto out;
    out->height = train.height, out->width = train.width, out->channels = train.channels;
    out->n_train = train.n;
    out->n_test = images_header(&test_images, &test, dir, true) < 0 ? -1 : test.n;
out:
    free(labels.bytes);
    return rc;
}

static int check_same_size(const idx_file *file, const mnas_idx_images *found,
                           const mnas_dataset_shape *expected) {
    if (found->height == expected->height && found->width == expected->width &&
        found->channels == expected->channels)
        return 0;
    return mnas_error_set(MNAS_ERR_FORMAT, "%s: images of %dx%dx%d, expected %dx%dx%d as in training",
                          file->path, found->height, found->width, found->channels, expected->height,
                          expected->width, expected->channels);
}

static int emit_all(const idx_file *images, const idx_file *labels, int n, size_t image_bytes,
                    const mnas_decode_sink *sink) {
    for (int i = 0; i < n; i++) {
        int rc =
            sink->emit(sink->user, images->idx.payload + (size_t)i * image_bytes, labels->idx.payload[i]);
        if (rc < 0) return rc;
    }
    return 0;
}

int mnas_idx_folder_decode(const char *dir, int classes, bool test, const mnas_decode_sink *sink) {
    idx_file images = {0}, labels = {0};
    mnas_idx_images size;
    mnas_dataset_shape shape;
    int rc = mnas_idx_folder_shape(dir, classes, &shape);
    if (rc == 0) rc = images_header(&images, &size, dir, test);
    if (rc == 0) rc = check_same_size(&images, &size, &shape);
    if (rc == 0) rc = labels_header(&labels, size.n, &images, dir, test);
    if (rc == 0) rc = read_whole(&labels);
    if (rc == 0) rc = mnas_idx_check_labels(&labels.idx, shape.classes, labels.path);
    if (rc == 0) rc = read_whole(&images);
    if (rc == 0)
        rc = emit_all(&images, &labels, size.n,
                      (size_t)size.height * (size_t)size.width * (size_t)size.channels, sink);
    free(labels.bytes);
    free(images.bytes);
    return rc;
}
