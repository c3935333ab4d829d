/* dataset_fashion_mnist.c - `fashion-mnist`: 70,000 grey images of clothes, 28x28, 10 classes (Xiao et al.
 * 2017), from Debian's package dataset-fashion-mnist or a folder with the same files. */
#include <string.h>

#include "base/error.h"
#include "data/common.h"
#include "data/idx_folder.h"

enum { CLASSES = 10 };

typedef struct fashion_opts {
    char path[MNAS_OPT_STR];
    mnas_dataset_common common;
} fashion_opts;

static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(fashion_opts, path), "/usr/share/datasets/fashion-mnist", 0, 0, "DIR",
     "folder with the four IDX files; the default is where the Debian package puts them", NULL},
    MNAS_DATASET_COMMON_OPTS(fashion_opts),
    MNAS_OPT_END,
};

static const char *const class_names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                 "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static int sources(const void *opts, mnas_str *paths) {
    return mnas_idx_folder_sources(((const fashion_opts *)opts)->path, paths);
}

static int shape(const void *opts, mnas_dataset_shape *out) {
    int rc = mnas_idx_folder_shape(((const fashion_opts *)opts)->path, CLASSES, out);
    if (rc == MNAS_ERR_MISSING)
        return mnas_error_context(
            rc, "fashion-mnist is not installed (apt install dataset-fashion-mnist, or path=DIR)");
    return rc < 0 ? rc : mnas_dataset_name_classes(out, class_names, CLASSES);
}

static int decode(const void *opts, bool test, const mnas_decode_sink *sink) {
    return mnas_idx_folder_decode(((const fashion_opts *)opts)->path, CLASSES, test, sink);
}

extern const mnas_dataset_class mnas_dataset_class_fashion_mnist;
const mnas_dataset_class mnas_dataset_class_fashion_mnist = {
    .plugin = {"fashion-mnist",
               "grey images of clothes, 28x28, 10 classes (apt install dataset-fashion-mnist)", table,
               sizeof(fashion_opts)},
    .sources = sources,
    .shape = shape,
    .decode = decode,
    .common = offsetof(fashion_opts, common),
};
