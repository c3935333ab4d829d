/* dataset_imagefolder.c - `imagefolder:path=DIR`: JPEG and PNG files, a folder for each class (folder_list.h has the layouts).
 *
 * Files are decoded by several threads, a chunk at a time, and handed on in order. One that does not decode is skipped and named;
 * what it was for (training, validation) is not given to another. Where the machine fails (memory, descriptors, the disk) nothing
 * is skipped, since the cache would remember it: that is an error. Test files are opened for their first bytes only, unless they are
 * asked for.
 */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "data/common.h"
#include "data/dataset.h"
#include "data/folder_list.h"
#include "data/image_file.h"
#include "data/resize.h"

enum {
    SIZE_SAMPLE = 300,
    MAX_THREADS = 64,
    CHUNK = 32 /* files a thread */,
    MAX_NAMED = 10,
    REASON_BYTES = 160
};
static const size_t MAX_FILE_BYTES = 256u << 20;
static const double LIVE_AFTER_S = 0.5;

typedef enum { FIT_CROP, FIT_STRETCH, FIT_PAD } fit;
static const char *const fit_names[] = {"crop", "stretch", "pad", NULL};

typedef struct folder_opts {
    char path[MNAS_OPT_STR];
    double val, test;
    int64_t channels, fit;
    mnas_dataset_common common;
} folder_opts;

static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(folder_opts, path), NULL, 0, 0, "DIR",
     "folder with train/CLASS/*, val/CLASS/* and test/CLASS/* (the last two may be missing), or CLASS/*",
     NULL},
    MNAS_DATASET_SIZE_OPT(folder_opts, "side the images get; 0: chosen by the median of their shorter sides"),
    {"fit", MNAS_OPT_CHOICE, offsetof(folder_opts, fit), "crop", 0, 0, NULL,
     "made square by: the middle square, by stretching, or by black bars", fit_names},
    {"channels", MNAS_OPT_INT, offsetof(folder_opts, channels), "3", 1, 3, NULL, "3: colour, 1: grey", NULL},
    {"val", MNAS_OPT_FLOAT, offsetof(folder_opts, val), "0.1", 0.001, 0.9, "share",
     "of each class's training images held out for validation where there is no DIR/val", NULL},
    MNAS_DATASET_VAL_SEED_OPT(folder_opts),
    {"test", MNAS_OPT_FLOAT, offsetof(folder_opts, test), "0.1", 0, 0.9, "share",
     "of each class's images set aside for test where there is no DIR/test; 0: no test images", NULL},
    MNAS_OPT_END,
};

static int list_files(mnas_folder_list *list, const folder_opts *o) {
    int rc = mnas_folder_read(list, o->path);
    if (rc == 0) mnas_folder_split(list, o->val, o->test, (uint64_t)o->common.val_seed);
    return rc;
}

/* ---- what there is ---- */

static int fingerprint(const void *opts, mnas_str *text) {
    const folder_opts *o = opts;
    mnas_folder_list list;
    uint64_t hash = MNAS_HASH_INIT;
    int rc = mnas_folder_read(&list, o->path);
    for (size_t i = 0; rc == 0 && i < list.n_files; i++) {
        const mnas_folder_file *f = &list.files[i];
        const char *name = mnas_folder_name(&list, f);
        hash = mnas_hash_bytes(hash, name, strlen(name) + 1);
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

/* MNAS_ERR_IO is the machine's failure; a file that is not there any more, or not ours to read, is MNAS_ERR_MISSING. */
static int read_file(uint8_t **bytes, size_t *n, const mnas_folder_list *list, const mnas_folder_file *file) {
    mnas_str path = {0};
    char *data = NULL;
    mnas_str_appendf(&path, "%s/%s", list->root, mnas_folder_name(list, file));
    int rc = mnas_str_ok(&path) ? mnas_file_read(path.data, MAX_FILE_BYTES, &data, n)
                                : mnas_error_set(MNAS_ERR_MEMORY, "no memory for a path");
    if (rc == MNAS_ERR_IO && access(path.data, R_OK) < 0) rc = MNAS_ERR_MISSING;
    mnas_str_free(&path);
    *bytes = (uint8_t *)data;
    return rc;
}

/* Of this machine and moment, not of the file. */
static bool is_passing(int rc) {
    return rc == MNAS_ERR_MEMORY || rc == MNAS_ERR_IO;
}

static int compare_ints(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

/* Median shorter side of a sample spread over the training files; 0 where none has a size. */
static int median_side(int *median, const mnas_folder_list *list) {
    int sides[SIZE_SAMPLE + 1], n = 0;
    size_t step = list->n_files / SIZE_SAMPLE + 1;
    for (size_t i = 0; i < list->n_files && n < SIZE_SAMPLE; i += step) {
        uint8_t *bytes = NULL;
        size_t n_bytes;
        int height, width;
        const mnas_folder_file *f = &list->files[i];
        if (!f->is_image || f->split == MNAS_SPLIT_TEST) continue;
        int rc = read_file(&bytes, &n_bytes, list, f);
        if (rc == 0) rc = mnas_image_size(&height, &width, bytes, n_bytes);
        free(bytes);
        if (is_passing(rc)) return rc;
        if (rc == 0) sides[n++] = height < width ? height : width;
    }
    qsort(sides, (size_t)n, sizeof *sides, compare_ints);
    *median = n > 0 ? sides[n / 2] : 0;
    return 0;
}

/* The largest usual size that does not enlarge most images; the median itself where all are tiny. */
static int choose_size(int *size, const mnas_folder_list *list) {
    static const int usual[] = {224, 192, 160, 128, 96, 64, 48, 32};
    int rc = median_side(size, list);
    if (rc < 0) return rc;
    int median = *size;
    if (median == 0) *size = 32; /* nothing decodes: decoding will say so */
    for (size_t i = sizeof usual / sizeof *usual; i-- > 0;)
        if (usual[i] <= median) *size = usual[i];
    return 0;
}

static int count_files(mnas_dataset_shape *out, const mnas_folder_list *list) {
    int *n_train = calloc((size_t)list->n_classes, sizeof *n_train);
    if (!n_train) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for %d classes", list->n_classes);
    for (size_t i = 0; i < list->n_files; i++) {
        const mnas_folder_file *f = &list->files[i];
        if (!f->is_image) continue;
        if (f->split == MNAS_SPLIT_TRAIN) n_train[f->label]++;
        out->n_train += f->split != MNAS_SPLIT_TEST;
        out->n_val += f->split == MNAS_SPLIT_VAL;
        out->n_test += f->split == MNAS_SPLIT_TEST;
    }
    int rc = 0;
    for (int k = 0; rc == 0 && k < list->n_classes; k++)
        if (n_train[k] == 0)
            rc = mnas_error_set(
                MNAS_ERR_FORMAT,
                "%s: class \"%s\" has no image to train on; expected 1 or more JPEG or PNG files in "
                "its folder, or remove the folder",
                list->root, list->classes[k]);
    if (rc == 0 && out->n_val == 0)
        rc = mnas_error_set(MNAS_ERR_FORMAT, "%s: no image for validation; %s", list->root,
                            list->has_val ? "expected some in its folder val"
                                          : "more images are needed, a larger share (val), or a folder val");
    free(n_train);
    return rc;
}

static int shape(const void *opts, mnas_dataset_shape *out) {
    const folder_opts *o = opts;
    mnas_folder_list list;
    *out = (mnas_dataset_shape){0};
    int rc = o->channels == 2 ? mnas_error_set(MNAS_ERR_ARG, "channels is 2; allowed: 1 (grey), 3 (colour)")
                              : list_files(&list, o);
    if (o->channels == 2) return rc;
    if (rc == 0) rc = mnas_folder_sniff(&list);
    if (rc == 0) rc = count_files(out, &list);
    if (rc == 0) rc = mnas_dataset_name_classes(out, (const char *const *)list.classes, list.n_classes);
    int size = (int)o->common.size;
    if (rc == 0 && size == 0) rc = choose_size(&size, &list);
    if (rc == 0) {
        out->height = out->width = size;
        out->channels = (int)o->channels;
        out->classes = list.n_classes;
        out->n_ignored = list.n_ignored;
    }
    mnas_folder_free(&list);
    return rc;
}

/* ---- one image ---- */

typedef struct rectangle {
    int y, x, height, width;
} rectangle;

/* What of the image goes where in the square. */
static void place(rectangle *from, rectangle *to, const mnas_image *image, int size, fit how) {
    *from = (rectangle){0, 0, image->height, image->width};
    *to = (rectangle){0, 0, size, size};
    if (how == FIT_CROP) {
        mnas_square s = mnas_resize_centre(image->height, image->width);
        *from = (rectangle){s.y, s.x, s.side, s.side};
    } else if (how == FIT_PAD) {
        int longer = image->height > image->width ? image->height : image->width;
        to->height = (int)lround((double)image->height * size / longer);
        to->width = (int)lround((double)image->width * size / longer);
        if (to->height < 1) to->height = 1;
        if (to->width < 1) to->width = 1;
        to->y = (size - to->height) / 2, to->x = (size - to->width) / 2;
    }
}

/* out[size, size, channels] */
static int fit_image(uint8_t *out, const mnas_image *image, int size, fit how) {
    rectangle from, to;
    mnas_resize *resize;
    size_t pixel = (size_t)image->channels, in_row = (size_t)image->width * pixel,
           out_row = (size_t)size * pixel;
    place(&from, &to, image, size, how);
    int rc = mnas_resize_create(&resize, from.height, from.width, to.height, to.width, image->channels);
    if (rc < 0) return rc;
    uint8_t *dense = malloc((size_t)to.height * (size_t)to.width * pixel);
    if (dense) {
        mnas_resize_apply(resize, dense, image->pixels + (size_t)from.y * in_row + (size_t)from.x * pixel,
                          in_row);
        memset(out, 0, (size_t)size * out_row);
        for (int y = 0; y < to.height; y++)
            memcpy(out + (size_t)(to.y + y) * out_row + (size_t)to.x * pixel,
                   dense + (size_t)(y * to.width) * pixel, (size_t)to.width * pixel);
    } else {
        rc = mnas_error_set(MNAS_ERR_MEMORY, "no memory to resize an image");
    }
    free(dense);
    mnas_resize_destroy(resize);
    return rc;
}

/* ---- all images ---- */

typedef struct job {
    const mnas_folder_file *file;
    uint8_t *pixels;
    int rc;
    char reason[REASON_BYTES];
} job;

typedef struct pool {
    const mnas_folder_list *list;
    int size, channels, n_threads;
    fit how;
    job *jobs; /* [n_threads * CHUNK] */
    int n_jobs;
    atomic_int next;
    size_t n_done, n_all;
    int n_skipped;
    double start_s, shown_s;
} pool;

static void decode_one(const pool *p, job *j) {
    mnas_image image = {0};
    uint8_t *bytes = NULL;
    size_t n;
    j->rc = read_file(&bytes, &n, p->list, j->file);
    if (j->rc == 0) j->rc = mnas_image_decode(&image, bytes, n, p->channels, p->size);
    if (j->rc == 0) j->rc = fit_image(j->pixels, &image, p->size, p->how);
    if (j->rc < 0) snprintf(j->reason, sizeof j->reason, "%s", mnas_error_message());
    free(image.pixels);
    free(bytes);
}

static void *work(void *arg) {
    pool *p = arg;
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->n_jobs;) decode_one(p, &p->jobs[i]);
    return NULL;
}

/* This thread works too, so that all is done even where no other can be started. */
static void decode_chunk(pool *p) {
    pthread_t threads[MAX_THREADS];
    int n_started = 0;
    sigset_t all, old;
    atomic_store(&p->next, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (n_started < p->n_threads - 1 && pthread_create(&threads[n_started], NULL, work, p) == 0)
        n_started++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    work(p);
    for (int i = 0; i < n_started; i++) pthread_join(threads[i], NULL);
}

static int hand_on(pool *p, const job *j, const mnas_decode_sink *sink) {
    if (j->rc == 0) return sink->emit(sink->user, j->pixels, j->file->label);
    if (is_passing(j->rc))
        return mnas_error_set(j->rc, "%s: %s", mnas_folder_name(p->list, j->file), j->reason);
    const char *name = mnas_folder_name(p->list, j->file);
    if (p->n_skipped++ < MAX_NAMED) mnas_log_warn("skipped %s: %s", name, j->reason);
    return sink->skip(sink->user, name, j->reason);
}

static void show_progress(pool *p) {
    double now_s = mnas_clock_now_s(), elapsed_s = now_s - p->start_s;
    if (now_s - p->shown_s < LIVE_AFTER_S) return;
    char left[32];
    mnas_clock_duration(elapsed_s * (double)(p->n_all - p->n_done) / (double)p->n_done, left, sizeof left);
    mnas_log_live("decoding %s: %zu of %zu images  ETA %s", p->list->root, p->n_done, p->n_all, left);
    p->shown_s = now_s;
}

static int run_chunk(pool *p, const mnas_decode_sink *sink) {
    int rc = 0;
    decode_chunk(p);
    for (int i = 0; rc == 0 && i < p->n_jobs; i++) rc = hand_on(p, &p->jobs[i], sink);
    p->n_done += (size_t)p->n_jobs;
    p->n_jobs = 0;
    show_progress(p);
    return rc;
}

static int run_split(pool *p, mnas_split_kind split, const mnas_decode_sink *sink) {
    int rc = 0, chunk = p->n_threads * CHUNK;
    for (size_t i = 0; rc == 0 && i < p->list->n_files; i++) {
        const mnas_folder_file *f = &p->list->files[i];
        if (!f->is_image || f->split != split) continue;
        p->jobs[p->n_jobs++].file = f;
        if (p->n_jobs == chunk) rc = run_chunk(p, sink);
    }
    return rc == 0 && p->n_jobs > 0 ? run_chunk(p, sink) : rc;
}

static int make_jobs(pool *p) {
    long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    p->n_threads = n_cores < 1 ? 1 : n_cores > MAX_THREADS ? MAX_THREADS : (int)n_cores;
    int n = p->n_threads * CHUNK;
    p->jobs = calloc((size_t)n, sizeof *p->jobs);
    for (int i = 0; p->jobs && i < n; i++) {
        p->jobs[i].pixels = malloc((size_t)p->size * (size_t)p->size * (size_t)p->channels);
        if (!p->jobs[i].pixels) return mnas_error_set(MNAS_ERR_MEMORY, "no memory to decode %d images", n);
    }
    return p->jobs ? 0 : mnas_error_set(MNAS_ERR_MEMORY, "no memory to decode %d images", n);
}

static void free_jobs(pool *p) {
    for (int i = 0; p->jobs && i < p->n_threads * CHUNK; i++) free(p->jobs[i].pixels);
    free(p->jobs);
}

static size_t count_split(const mnas_folder_list *list, bool test) {
    size_t n = 0;
    for (size_t i = 0; i < list->n_files; i++)
        n += list->files[i].is_image && (list->files[i].split == MNAS_SPLIT_TEST) == test;
    return n;
}

static int decode(const void *opts, bool test, const mnas_decode_sink *sink) {
    const folder_opts *o = opts;
    mnas_folder_list list;
    pool p = {.list = &list, .channels = (int)o->channels, .how = (fit)o->fit, .start_s = mnas_clock_now_s()};
    p.shown_s = p.start_s;
    int rc = list_files(&list, o);
    if (rc == 0) rc = mnas_folder_sniff(&list);
    if (rc < 0) goto out;
    p.size = sink->size;
    p.n_all = count_split(&list, test);
    if (!test && o->common.size == 0)
        mnas_log_info("%s: images become %dx%d, by the median of their sizes; size=N chooses another",
                      list.root, p.size, p.size);
    rc = make_jobs(&p);
    if (rc == 0) rc = run_split(&p, test ? MNAS_SPLIT_TEST : MNAS_SPLIT_TRAIN, sink);
    if (rc == 0 && !test) rc = run_split(&p, MNAS_SPLIT_VAL, sink);
    if (rc == 0 && p.n_skipped > MAX_NAMED)
        mnas_log_warn("skipped %d more; `mnas datasets` names them", p.n_skipped - MAX_NAMED);
    free_jobs(&p);
out:
    mnas_folder_free(&list);
    return rc;
}

extern const mnas_dataset_class mnas_dataset_class_imagefolder;
const mnas_dataset_class mnas_dataset_class_imagefolder = {
    .plugin = {"imagefolder", "your own photos: JPEG and PNG files, a folder for each class", table,
               sizeof(folder_opts)},
    .common = offsetof(folder_opts, common),
    .splits = true,
    .fingerprint = fingerprint,
    .shape = shape,
    .decode = decode,
};
