/* dataset_imagefolder.c - `imagefolder:path=DIR`: JPEG and PNG files, a folder for each class (folder_list.h has the layouts).
 *
 * It finds the files and says what each is for; image_set.c and the loader decode them. Test files are opened for their first bytes
 * only, unless they are asked for.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "data/folder_list.h"
#include "data/image_set.h"

typedef struct folder_opts {
    char path[MNAS_OPT_STR], val_list[MNAS_OPT_STR];
    double val, test;
    mnas_image_options images;
    mnas_dataset_common common;
} folder_opts;

static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(folder_opts, path), NULL, 0, 0, "DIR",
     "folder with train/CLASS/*, val/CLASS/* and test/CLASS/* (the last two may be missing), or CLASS/*",
     NULL},
    MNAS_DATASET_SIZE_OPT(folder_opts, "side the images get; 0: chosen by the median of their shorter sides"),
    MNAS_IMAGE_OPTS(folder_opts),
    {"val-list", MNAS_OPT_STRING, offsetof(folder_opts, val_list), "", 0, 0, "FILE",
     "classes of the files in DIR/val where that has no folders: a line each, FILE LABEL-OR-CLASS", NULL},
    {"val", MNAS_OPT_FLOAT, offsetof(folder_opts, val), "0.1", 0.001, 0.9, "share",
     "of each class's training images held out for validation where there is no DIR/val", NULL},
    MNAS_DATASET_VAL_SEED_OPT(folder_opts),
    {"test", MNAS_OPT_FLOAT, offsetof(folder_opts, test), "0.1", 0, 0.9, "share",
     "of each class's images set aside for test where there is no DIR/test; 0: no test images", NULL},
    MNAS_OPT_END,
};

/* ---- what there is ---- */

static int fingerprint(const void *opts, mnas_str *text) {
    const folder_opts *o = opts;
    mnas_folder_list list;
    uint64_t hash = MNAS_HASH_INIT;
    int rc = mnas_folder_read(&list, o->path, o->val_list, true);
    for (size_t i = 0; rc == 0 && i < list.n_files; i++) {
        const mnas_folder_file *f = &list.files[i];
        const char *name = mnas_folder_name(&list, f);
        hash = mnas_hash_bytes(hash, name, strlen(name) + 1);
        hash = mnas_hash_bytes(hash, &f->label, sizeof f->label);
        hash = mnas_hash_bytes(hash, &f->size, sizeof f->size);
        hash = mnas_hash_bytes(hash, &f->mtime_ns, sizeof f->mtime_ns);
    }
    if (rc == 0) {
        mnas_str_appendf(text, "\n%s %zu files %016" PRIx64, list.root, list.n_files, hash);
        for (int k = 0; k < list.n_classes; k++) mnas_str_appendf(text, " %s", list.classes[k]);
        mnas_str_append(text, "\n");
    }
    mnas_folder_free(&list);
    return rc;
}

static int check_counts(const mnas_folder_list *list) {
    int *n_train = calloc((size_t)list->n_classes, sizeof *n_train), n_val = 0, rc = 0;
    if (!n_train) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %d classes", list->n_classes);
    for (size_t i = 0; i < list->n_files; i++) {
        const mnas_folder_file *f = &list->files[i];
        if (f->is_image && f->split == MNAS_SPLIT_TRAIN) n_train[f->label]++;
        n_val += f->is_image && f->split == MNAS_SPLIT_VAL;
    }
    for (int k = 0; rc == 0 && k < list->n_classes; k++)
        if (n_train[k] == 0)
            rc = mnas_error_set(
                MNAS_ERR_FORMAT,
                "%s: class \"%s\" has no image to train on; expected 1 or more JPEG or PNG files in "
                "its folder, or remove the folder",
                list->root, list->classes[k]);
    if (rc == 0 && n_val == 0)
        rc = mnas_error_set(
            MNAS_ERR_FORMAT, "%s: no image for validation; %s", list->root,
            list->has_val
                ? "expected files in val/CLASS/, or a list of the classes of those in val (val-list=FILE)"
                : "more images are needed, a larger share (val), or a folder val");
    free(n_train);
    return rc;
}

/* Folders become places, in their order, so that a file's number of its folder holds. */
static int add_places(mnas_listing *out, const mnas_folder_list *list, const char *val_list) {
    int rc = 0;
    for (size_t i = 0; rc >= 0 && i < list->n_folders; i++) {
        mnas_str path = {0};
        const char *relative = list->names.data + list->folders[i].name;
        mnas_str_appendf(&path, "%s%s%s", list->root, *relative ? "/" : "", relative);
        rc = mnas_str_ok(&path) ? mnas_listing_place(out, path.data)
                                : mnas_error_set(MNAS_ERR_MEMORY, "no memory");
        if (rc >= 0) out->places[rc].mtime_ns = list->folders[i].mtime_ns;
        mnas_str_free(&path);
    }
    if (rc >= 0 && *val_list) rc = mnas_listing_place(out, val_list);
    return rc < 0 ? rc : 0;
}

static int add_files(mnas_listing *out, const mnas_folder_list *list) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < list->n_files; i++) {
        const mnas_folder_file *f = &list->files[i];
        const char *slash = strrchr(mnas_folder_name(list, f), '/');
        const char *name = slash ? slash + 1 : mnas_folder_name(list, f);
        if (f->is_image)
            rc = mnas_listing_add(out, (mnas_example){.place = f->folder}, name, f->label, f->split);
    }
    return rc;
}

static int list_images(const void *opts, mnas_listing *out) {
    const folder_opts *o = opts;
    mnas_folder_list list;
    int rc = mnas_folder_read(&list, o->path, o->val_list, false);
    if (rc == 0) rc = mnas_folder_sniff(&list);
    if (rc == 0) {
        mnas_folder_split(&list, o->val, o->test, (uint64_t)o->common.val_seed);
        rc = check_counts(&list);
    }
    if (rc == 0) rc = add_places(out, &list, o->val_list);
    if (rc == 0) rc = add_files(out, &list);
    for (int k = 0; rc == 0 && k < list.n_classes; k++)
        mnas_dataset_append_line(&out->class_names, list.classes[k]);
    out->classes = list.n_classes, out->n_ignored = list.n_ignored;
    mnas_folder_free(&list);
    return rc;
}

/* ---- the plug-in ---- */

static int shape(const void *opts, mnas_dataset_shape *out) {
    const folder_opts *o = opts;
    return mnas_image_set_shape(out, opts, list_images, &o->images, (int)o->common.size);
}

static int decode(const void *opts, bool test, const mnas_decode_sink *sink) {
    const folder_opts *o = opts;
    return mnas_image_set_decode(opts, list_images, &o->images, test, sink);
}

extern const mnas_dataset_class mnas_dataset_class_imagefolder;
const mnas_dataset_class mnas_dataset_class_imagefolder = {
    .plugin = {"imagefolder", "your own photos: JPEG and PNG files, a folder for each class", table,
               sizeof(folder_opts)},
    .common = offsetof(folder_opts, common),
    .splits = true,
    .images = offsetof(folder_opts, images),
    .fingerprint = fingerprint,
    .shape = shape,
    .list = list_images,
    .decode = decode,
};
