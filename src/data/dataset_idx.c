/* dataset_idx.c - `idx:path=DIR`: any folder with the four files of MNIST (idx_folder.h says their names). */
#include "data/common.h"
#include "data/idx_folder.h"

typedef struct idx_opts {
    char path[MNAS_OPT_STR];
    int64_t classes;
    mnas_dataset_common common;
} idx_opts;

static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(idx_opts, path), NULL, 0, 0, "DIR",
     "folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and the same as t10k-, plain or .gz",
     NULL},
    {"classes", MNAS_OPT_INT, offsetof(idx_opts, classes), "0", 0, 256, NULL,
     "number of classes; 0: the largest training label + 1", NULL},
    MNAS_DATASET_COMMON_OPTS(idx_opts),
    MNAS_OPT_END,
};

static int sources(const void *opts, mnas_str *paths) {
    return mnas_idx_folder_sources(((const idx_opts *)opts)->path, paths);
}

static int shape(const void *opts, mnas_dataset_shape *out) {
    const idx_opts *o = opts;
    return mnas_idx_folder_shape(o->path, (int)o->classes, out);
}

static int decode(const void *opts, bool test, const mnas_decode_sink *sink) {
    const idx_opts *o = opts;
    return mnas_idx_folder_decode(o->path, (int)o->classes, test, sink);
}

extern const mnas_dataset_class mnas_dataset_class_idx;
const mnas_dataset_class mnas_dataset_class_idx = {
    .plugin = {"idx", "images in MNIST's IDX files, 1 or 3 channels", table, sizeof(idx_opts)},
    .sources = sources,
    .shape = shape,
    .decode = decode,
    .common = offsetof(idx_opts, common),
};
