/* folder_list.c - walking, classes and splits of a folder of images. */
#include "data/folder_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "data/grow.h"
#include "data/image_file.h"
#include "data/label_list.h"

enum { MAX_DEPTH = 32 };

static int no_memory(const char *dir) {
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory to list %s", dir);
}

/* ---- one folder ---- */

typedef struct entries {
    struct dirent **list;
    int n;
} entries;

static int is_visible(const struct dirent *e) {
    return e->d_name[0] != '.';
}

/* By bytes, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_entries(entries *e, const char *path) {
    e->n = scandir(path, &e->list, is_visible, by_name);
    if (e->n >= 0) return 0;
    e->n = 0, e->list = NULL;
    if (errno == ENOENT) return mnas_error_set(MNAS_ERR_MISSING, "%s/: not there", path);
    return mnas_error_errno("folder %s", path);
}

static void free_entries(entries *e) {
    for (int i = 0; i < e->n; i++) free(e->list[i]);
    free(e->list);
}

static char *join(const char *dir, const char *name) {
    mnas_str path = {0};
    mnas_str_appendf(&path, "%s%s%s", dir, *dir ? "/" : "", name);
    return path.data;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- walking a class ---- */

typedef struct walk {
    mnas_folder_list *list;
    const mnas_label_list *labels; /* NULL: all are of class `label` */
    int label;
    mnas_split_kind split;
    bool stat_files;
    uint32_t folder; /* the one we are in */
    int depth;
    struct {
        dev_t dev;
        ino_t ino;
    } above[MAX_DEPTH]; /* the folders we are in: one of them again is a loop */
} walk;

/* Wraps round for years that a file may claim and nobody sees: it is compared alone. */
static int64_t time_ns(const struct timespec *t) {
    return (int64_t)((uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec);
}

static size_t keep_name(mnas_folder_list *l, const char *name) {
    size_t at = l->names.len;
    mnas_str_append_n(&l->names, name, strlen(name) + 1);
    return at;
}

static int add_folder(mnas_folder_list *l, const char *relative, const struct stat *st) {
    if (!mnas_grow(&l->folders, &l->cap_folders, l->n_folders, sizeof *l->folders)) return no_memory(l->root);
    l->folders[l->n_folders++] = (mnas_folder_place){keep_name(l, relative), time_ns(&st->st_mtim)};
    return mnas_str_ok(&l->names) ? 0 : no_memory(l->root);
}

/* Below val/, where a list has the classes. -1: not in it. */
static int label_of(const walk *w, const char *relative) {
    if (!w->labels) return w->label;
    const char *slash = strchr(relative, '/');
    return w->labels->has_files ? mnas_label_list_find(w->labels, slash ? slash + 1 : relative) : 0;
}

static int add_file(walk *w, const char *relative, const struct stat *st) {
    mnas_folder_list *l = w->list;
    int label = label_of(w, relative);
    if (label < 0) {
        l->n_ignored++;
        return 0;
    }
    if (!mnas_grow(&l->files, &l->cap, l->n_files, sizeof *l->files)) return no_memory(l->root);
    l->files[l->n_files++] = (mnas_folder_file){.name = keep_name(l, relative),
                                                .size = st ? (int64_t)st->st_size : -1,
                                                .mtime_ns = st ? time_ns(&st->st_mtim) : 0,
                                                .folder = w->folder,
                                                .label = (uint16_t)label,
                                                .split = (uint8_t)w->split};
    return mnas_str_ok(&l->names) ? 0 : no_memory(l->root);
}

static bool is_loop(const walk *w, const struct stat *st) {
    if (w->depth == MAX_DEPTH) return true;
    for (int i = 0; i < w->depth; i++)
        if (w->above[i].dev == st->st_dev && w->above[i].ino == st->st_ino) return true;
    return false;
}

static int walk_folder(walk *w, const char *relative, const struct stat *st);

static int walk_entry(walk *w, const char *folder, const struct dirent *e) {
    struct stat st;
    char *relative = join(folder, e->d_name), *path = relative ? join(w->list->root, relative) : NULL;
    int rc = 0;
    if (!path)
        rc = no_memory(w->list->root);
    else if (e->d_type == DT_REG && !w->stat_files)
        rc = add_file(w, relative, NULL);
    else if (stat(path, &st) < 0)
        rc = add_file(w, relative, NULL);
    else if (S_ISDIR(st.st_mode))
        rc = walk_folder(w, relative, &st);
    else if (S_ISREG(st.st_mode))
        rc = add_file(w, relative, &st);
    else
        w->list->n_ignored++;
    free(relative);
    free(path);
    return rc;
}

static int walk_folder(walk *w, const char *relative, const struct stat *st) {
    entries e = {0};
    uint32_t outer = w->folder;
    if (is_loop(w, st)) {
        w->list->n_ignored++;
        return 0;
    }
    char *path = join(w->list->root, relative);
    if (!path) return no_memory(w->list->root);
    w->above[w->depth].dev = st->st_dev, w->above[w->depth].ino = st->st_ino;
    w->depth++;
    w->folder = (uint32_t)w->list->n_folders;
    int rc = add_folder(w->list, relative, st);
    if (rc == 0) rc = read_entries(&e, path);
    for (int i = 0; rc == 0 && i < e.n; i++) rc = walk_entry(w, relative, e.list[i]);
    w->depth--;
    w->folder = outer;
    free_entries(&e);
    free(path);
    return rc;
}

/* ---- classes ---- */

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find_class(const mnas_folder_list *l, const char *name) {
    char **found = bsearch(&name, l->classes, (size_t)l->n_classes, sizeof *l->classes, compare_names);
    return found ? (int)(found - l->classes) : -1;
}

/* Sub-folders of DIR/part in order: the classes of the training images. */
static int read_classes(mnas_folder_list *l, const char *part) {
    entries e = {0};
    char *path = join(l->root, part);
    int rc = path ? read_entries(&e, path) : no_memory(l->root);
    if (rc == 0 && !(l->classes = calloc((size_t)e.n + 1, sizeof *l->classes))) rc = no_memory(l->root);
    for (int i = 0; rc == 0 && i < e.n; i++) {
        char *folder = join(path, e.list[i]->d_name);
        if (!folder)
            rc = no_memory(l->root);
        else if (is_folder(folder) && !(l->classes[l->n_classes++] = strdup(e.list[i]->d_name)))
            rc = no_memory(l->root);
        free(folder);
    }
    if (rc == 0 && (l->n_classes < 2 || l->n_classes > MNAS_DATASET_MAX_CLASSES))
        rc =
            mnas_error_set(MNAS_ERR_FORMAT, "%s: %d folders of classes; expected 2 to %d, one for each class",
                           path, l->n_classes, MNAS_DATASET_MAX_CLASSES);
    free_entries(&e);
    free(path);
    return rc;
}

static int read_class(mnas_folder_list *l, const char *part, const char *name, mnas_split_kind split,
                      bool stat_files) {
    struct stat st;
    char *relative = join(part, name), *path = relative ? join(l->root, relative) : NULL;
    int rc = 0;
    if (!path) {
        rc = no_memory(l->root);
    } else if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
        l->n_ignored++;
    } else {
        int label = find_class(l, name);
        walk w = {.list = l, .label = label, .split = split, .stat_files = stat_files};
        rc = label < 0
                 ? mnas_error_set(MNAS_ERR_FORMAT, "%s: there is no class \"%s\" to train on in %s/train",
                                  path, name, l->root)
                 : walk_folder(&w, relative, &st);
    }
    free(relative);
    free(path);
    return rc;
}

static int look_at(mnas_folder_list *l, const char *part) {
    struct stat st;
    char *path = join(l->root, part);
    int rc = !path ? no_memory(l->root) : stat(path, &st) < 0 ? mnas_error_errno("%s", path) : 0;
    free(path);
    return rc < 0 ? rc : add_folder(l, part, &st);
}

static int read_part(mnas_folder_list *l, const char *part, mnas_split_kind split, bool stat_files) {
    entries e = {0};
    char *path = join(l->root, part);
    int rc = path ? look_at(l, part) : no_memory(l->root);
    if (rc == 0) rc = read_entries(&e, path);
    for (int i = 0; rc == 0 && i < e.n; i++) rc = read_class(l, part, e.list[i]->d_name, split, stat_files);
    free_entries(&e);
    free(path);
    return rc;
}

/* ---- a list of classes ---- */

static int hand_out_labels(mnas_folder_list *l, size_t first, const mnas_label_list *labels,
                           const char *path) {
    size_t n = l->n_files - first;
    if (!labels->has_files && n != labels->n)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s has %zu lines and %s/val %zu files; expected as many",
                              path, labels->n, l->root, n);
    for (size_t i = 0; !labels->has_files && i < n; i++)
        l->files[first + i].label = (uint16_t)labels->lines[i].label;
    if (n == 0)
        return mnas_error_set(MNAS_ERR_FORMAT, "%s names no file that is in %s/val; its first is \"%s\"",
                              path, l->root, labels->lines[0].file);
    if (n < labels->n)
        mnas_log_warn("%s names %zu files, of which %zu are in %s/val", path, labels->n, n, l->root);
    return 0;
}

static int read_listed(mnas_folder_list *l, const char *val_list, bool stat_files) {
    mnas_label_list labels;
    struct stat st;
    size_t first = l->n_files;
    char *path = join(l->root, "val");
    int rc = mnas_label_list_read(&labels, val_list, l->classes, l->n_classes);
    if (rc == 0 && !path) rc = no_memory(l->root);
    if (rc == 0 && stat(path, &st) < 0) rc = mnas_error_errno("%s", path);
    if (rc == 0) {
        walk w = {.list = l, .labels = &labels, .split = MNAS_SPLIT_VAL, .stat_files = stat_files};
        rc = walk_folder(&w, "val", &st);
    }
    if (rc == 0) rc = hand_out_labels(l, first, &labels, val_list);
    mnas_label_list_free(&labels);
    free(path);
    return rc;
}

/* ---- layouts ---- */

static bool has_folder(const char *dir, const char *name) {
    char *path = join(dir, name);
    bool found = path && is_folder(path);
    free(path);
    return found;
}

/* DIR/train and folders of other names: classes, or splits that we do not know? Somebody must say. */
static int check_split_layout(mnas_folder_list *l, const entries *e) {
    for (int i = 0; i < e->n; i++) {
        const char *name = e->list[i]->d_name;
        if (strcmp(name, "train") == 0) continue;
        if (strcmp(name, "val") == 0)
            l->has_val = has_folder(l->root, name);
        else if (strcmp(name, "test") == 0)
            l->has_test = has_folder(l->root, name);
        else if (has_folder(l->root, name))
            return mnas_error_set(
                MNAS_ERR_FORMAT,
                "%s has the folder train and the folder %s; allowed: train, val and test alone, with "
                "a folder for each class in them, or no folder train",
                l->root, name);
        else
            l->n_ignored++;
    }
    return 0;
}

/* Train/ and Test/ are no classes, and nobody would see it from the accuracies. */
static int check_whole_layout(const mnas_folder_list *l) {
    static const char *const splits[] = {"train",      "training", "val",  "valid",
                                         "validation", "dev",      "test", "testing"};
    enum { N_SPLITS = sizeof splits / sizeof *splits };
    int n_like_splits = 0;
    for (int k = 0; k < l->n_classes; k++) {
        size_t i = 0;
        while (i < N_SPLITS && strcasecmp(l->classes[k], splits[i]) != 0) i++;
        n_like_splits += i < N_SPLITS;
    }
    if (n_like_splits < l->n_classes) return 0;
    return mnas_error_set(MNAS_ERR_FORMAT,
                          "%s: its folders (%s, %s) look like splits, not like classes; name them train, val "
                          "and test, with a folder for each class in each",
                          l->root, l->classes[0], l->classes[1]);
}

static int read_splits(mnas_folder_list *l, const char *val_list, bool stat_files) {
    int rc = look_at(l, "");
    if (rc == 0) rc = read_part(l, "train", MNAS_SPLIT_TRAIN, stat_files);
    if (rc == 0 && *val_list && !l->has_val)
        rc = mnas_error_set(MNAS_ERR_ARG,
                            "val-list is \"%s\", and %s has no folder val whose files it could be of",
                            val_list, l->root);
    if (rc == 0 && l->has_val && *val_list) rc = read_listed(l, val_list, stat_files);
    if (rc == 0 && l->has_val && !*val_list) rc = read_part(l, "val", MNAS_SPLIT_VAL, stat_files);
    if (rc == 0 && l->has_test) rc = read_part(l, "test", MNAS_SPLIT_TEST, stat_files);
    return rc;
}

int mnas_folder_read(mnas_folder_list *out, const char *dir, const char *val_list, bool stat_files) {
    entries top = {0};
    *out = (mnas_folder_list){0};
    int rc = read_entries(&top, dir);
    if (rc == 0 && !(out->root = realpath(dir, NULL))) rc = mnas_error_errno("folder %s", dir);
    if (rc < 0) goto out;
    bool by_split = has_folder(out->root, "train");
    if (by_split) rc = check_split_layout(out, &top);
    if (rc == 0) rc = read_classes(out, by_split ? "train" : "");
    if (rc == 0 && by_split) rc = read_splits(out, val_list, stat_files);
    if (rc < 0 || by_split) goto out;
    rc = check_whole_layout(out);
    if (rc == 0 && *val_list)
        rc = mnas_error_set(MNAS_ERR_ARG, "val-list is \"%s\", and %s has no folders train and val", val_list,
                            out->root);
    if (rc == 0) rc = read_part(out, "", MNAS_SPLIT_TRAIN, stat_files);
out:
    free_entries(&top);
    return rc;
}

void mnas_folder_free(mnas_folder_list *list) {
    for (int k = 0; k < list->n_classes; k++) free(list->classes[k]);
    free(list->classes);
    free(list->files);
    free(list->folders);
    free(list->root);
    mnas_str_free(&list->names);
    *list = (mnas_folder_list){0};
}

const char *mnas_folder_name(const mnas_folder_list *list, const mnas_folder_file *file) {
    return list->names.data + file->name;
}

/* ---- splits ---- */

/* The test images are drawn without the seed: no choice of validation images may bring them into training. */
void mnas_folder_split(mnas_folder_list *list, double val_frac, double test_frac, uint64_t val_seed) {
    for (size_t i = 0; i < list->n_files; i++) {
        mnas_folder_file *f = &list->files[i];
        if (f->split != MNAS_SPLIT_TRAIN) continue;
        const char *name = mnas_folder_name(list, f);
        uint64_t hash = mnas_hash_bytes(MNAS_HASH_INIT, name, strlen(name));
        mnas_rng test = mnas_rng_stream(0, hash, "folder test"),
                 val = mnas_rng_stream(val_seed, hash, "folder val");
        if (!list->has_test && mnas_rng_uniform(&test) < test_frac)
            f->split = MNAS_SPLIT_TEST;
        else if (!list->has_val && mnas_rng_uniform(&val) < val_frac)
            f->split = MNAS_SPLIT_VAL;
    }
}

/* ---- what is an image ---- */

static bool named_as_image(const char *name) {
    static const char *const ends[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".gif",
                                       ".bmp", ".tif",  ".tiff", ".webp", ".heic", ".avif"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t m = strlen(ends[i]);
        if (n > m && strcasecmp(name + n - m, ends[i]) == 0) return true;
    }
    return false;
}

/* What cannot be read by its rights is no image; what cannot be read for another reason is an error. */
static int begins_as_image(bool *is_image, const char *path) {
    uint8_t bytes[MNAS_IMAGE_SNIFF_BYTES];
    *is_image = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int rc = mnas_error_errno("%s", path);
        return access(path, R_OK) == 0 ? rc : 0;
    }
    ssize_t n = read(fd, bytes, sizeof bytes);
    int rc = n < 0 ? mnas_error_errno("%s", path) : 0;
    close(fd);
    *is_image = n > 0 && mnas_image_sniff(bytes, (size_t)n) != MNAS_IMAGE_UNKNOWN;
    return rc;
}

int mnas_folder_sniff(mnas_folder_list *list) {
    for (size_t i = 0; i < list->n_files; i++) {
        mnas_folder_file *f = &list->files[i];
        const char *name = mnas_folder_name(list, f);
        char *path = join(list->root, name);
        if (!path) return no_memory(list->root);
        f->is_image = named_as_image(name);
        int rc = f->is_image ? 0 : begins_as_image(&f->is_image, path);
        free(path);
        if (rc < 0) return rc;
        if (!f->is_image) list->n_ignored++;
    }
    return 0;
}
