/* folder_list.h - which image files of which class a folder holds, and what each is for. Decodes nothing.
 *
 * Two layouts. Split: DIR/train/CLASS/..., and beside it DIR/val/CLASS/... and DIR/test/CLASS/... where there are any; the classes of
 * the files in DIR/val may stand in a list instead (label_list.h). Whole:
 * DIR/CLASS/.... All files below a class's folder are of that class; links are followed, a folder inside itself is not
 * entered again. Names that begin with '.' are left alone.
 *
 * What a folder does not say itself is drawn: a share of the training files for test (where there is no DIR/test), a share of the
 * others for validation (where there is no DIR/val). Each file is drawn by its own name and the seed, so that files which come or
 * go move no other; hence each class gives about its share, not exactly.
 */
#ifndef MNAS_DATA_FOLDER_LIST_H
#define MNAS_DATA_FOLDER_LIST_H

#include "base/str.h"
#include "data/dataset.h"

typedef struct mnas_folder_file {
    size_t name;            /* offset in names: path from DIR */
    int64_t size, mtime_ns; /* -1 and 0 where it cannot be read or was not looked at */
    uint32_t folder;        /* it lies in */
    uint16_t label;
    uint8_t split; /* mnas_split_kind */
    bool is_image; /* after mnas_folder_sniff */
} mnas_folder_file;

/* All that were read: what comes or goes in one changes its time. */
typedef struct mnas_folder_place {
    size_t name; /* offset in names: path from DIR, "" for DIR itself */
    int64_t mtime_ns;
} mnas_folder_place;

typedef struct mnas_folder_list {
    char *root;
    mnas_str names; /* of files, each ended by a NUL */
    mnas_folder_file *files;
    size_t n_files, cap;
    mnas_folder_place *folders;
    size_t n_folders, cap_folders;
    char **classes; /* sorted */
    int n_classes;
    int n_ignored;          /* in no class, loops; after sniffing also what is no image */
    bool has_val, has_test; /* folders for them */
} mnas_folder_list;

/* Reads folders in sorted order; with `stat_files` also the files' sizes and times, for which each must be looked at. val_list:
 * the file with the classes of DIR/val; "": that has folders. The caller frees also after a failure. */
int mnas_folder_read(mnas_folder_list *out, const char *dir, const char *val_list, bool stat_files);
void mnas_folder_free(mnas_folder_list *list);
const char *mnas_folder_name(const mnas_folder_list *list, const mnas_folder_file *file);

/* Draw what the folders leave open: shares 0..1, of all and of what is not test. */
void mnas_folder_split(mnas_folder_list *list, double val_frac, double test_frac, uint64_t val_seed);

/* Look at the first bytes of each file. Kept are JPEG and PNG files, and others that their names call images: they will fail to
 * decode and be named. The rest is ignored. */
int mnas_folder_sniff(mnas_folder_list *list);

#endif
