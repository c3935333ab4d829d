/* image_set.c - images of a listing decoded into a cache: by several threads, a chunk at a time, and handed on in order.
 *
 * One that does not decode is skipped and named; what it was for (training, validation) is not given to another. Where the machine
 * fails (memory, descriptors, the disk) nothing is skipped, since the cache would remember it: that is an error.
 */
#include "data/image_set.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "data/image_file.h"
#include "data/resize.h"

enum {
    MAX_THREADS = 64,
    CHUNK = 32 /* files a thread */,
    MAX_NAMED = 10,
    REASON_BYTES = 160,
    NAME_BYTES = 1024
};
static const double LIVE_AFTER_S = 0.5;

const char *const mnas_decode_names[] = {"auto", "once", "each", NULL};
const char *const mnas_fit_names[] = {"crop", "stretch", "pad", NULL};

/* ---- shape ---- */

static int list(mnas_listing *listing, mnas_examples *examples, const void *opts, mnas_lister lister) {
    *listing = (mnas_listing){0};
    int rc = lister(opts, listing);
    return rc < 0 ? rc : mnas_listing_finish(listing, examples);
}

int mnas_image_set_describe(mnas_dataset_shape *out, const mnas_examples *e, const mnas_image_options *o,
                            int size) {
    *out = (mnas_dataset_shape){.height = size,
                                .width = size,
                                .channels = (int)o->channels,
                                .classes = e->classes,
                                .n_train = e->n_split[MNAS_SPLIT_TRAIN] + e->n_split[MNAS_SPLIT_VAL],
                                .n_val = e->n_split[MNAS_SPLIT_VAL],
                                .n_test = e->n_split[MNAS_SPLIT_TEST],
                                .n_ignored = e->n_ignored};
    if (e->class_names.n > 0) mnas_str_append_n(&out->class_names, e->class_names.text, e->class_names.n);
    if (mnas_str_ok(&out->class_names)) return 0;
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the names of %d classes", e->classes);
}

int mnas_image_set_shape(mnas_dataset_shape *out, const void *opts, mnas_lister lister,
                         const mnas_image_options *o, int size) {
    mnas_listing listing;
    mnas_examples e;
    *out = (mnas_dataset_shape){0};
    int rc = mnas_image_set_check(o);
    if (rc < 0) return rc;
    rc = list(&listing, &e, opts, lister);
    if (rc == 0 && size == 0) rc = mnas_examples_side(&size, &e);
    if (rc == 0) rc = mnas_image_set_describe(out, &e, o, size);
    mnas_listing_free(&listing);
    return rc;
}

int mnas_image_set_check(const mnas_image_options *o) {
    if (o->channels == 2) return mnas_error_set(MNAS_ERR_ARG, "channels is 2; allowed: 1 (grey), 3 (colour)");
    if (o->decode == MNAS_DECODE_EACH && o->fit != MNAS_FIT_CROP)
        return mnas_error_set(
            MNAS_ERR_ARG,
            "fit is %s with decode=each; allowed: crop, since training chooses what it cuts "
            "out; or decode=once",
            mnas_fit_names[o->fit]);
    return 0;
}

bool mnas_image_set_stays(const mnas_image_options *o, const mnas_examples *e, int size) {
    int64_t bytes = (int64_t)e->n * size * size * o->channels;
    if (o->decode != MNAS_DECODE_AUTO) return o->decode == MNAS_DECODE_EACH;
    return o->fit == MNAS_FIT_CROP && bytes > MNAS_DECODE_ONCE_BYTES;
}

/* ---- one image ---- */

/* What of the image goes where in the square. */
static void place(mnas_rect *from, mnas_rect *to, const mnas_image *image, int size, mnas_image_fit how) {
    *from = (mnas_rect){0, 0, image->height, image->width};
    *to = (mnas_rect){0, 0, size, size};
    if (how == MNAS_FIT_CROP) {
        mnas_square s = mnas_resize_centre(image->height, image->width);
        *from = (mnas_rect){s.y, s.x, s.side, s.side};
    } else if (how == MNAS_FIT_PAD) {
        int longer = image->height > image->width ? image->height : image->width;
        to->height = (int)lround((double)image->height * size / longer);
        to->width = (int)lround((double)image->width * size / longer);
        if (to->height < 1) to->height = 1;
        if (to->width < 1) to->width = 1;
        to->y = (size - to->height) / 2, to->x = (size - to->width) / 2;
    }
}

/* out[size, size, channels] */
static int fit_image(uint8_t *out, const mnas_image *image, int size, mnas_image_fit how) {
    mnas_rect from, to;
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
    size_t image;
    uint8_t *pixels;
    int rc;
    char reason[REASON_BYTES];
} job;

typedef struct pool {
    const mnas_examples *examples;
    int size, channels, n_threads;
    mnas_image_fit how;
    job *jobs; /* [n_threads * CHUNK] */
    int n_jobs;
    atomic_int next;
    size_t n_done, n_all;
    int n_skipped;
    double start_s, shown_s;
} pool;

static void decode_one(const pool *p, job *j, mnas_bytes *bytes) {
    mnas_image image = {0};
    j->rc = mnas_examples_read(p->examples, j->image, bytes);
    if (j->rc == 0) j->rc = mnas_image_decode(&image, bytes->data, bytes->n, p->channels, p->size);
    if (j->rc == 0) j->rc = fit_image(j->pixels, &image, p->size, p->how);
    if (j->rc < 0) snprintf(j->reason, sizeof j->reason, "%s", mnas_error_message());
    free(image.pixels);
}

static void *work(void *arg) {
    pool *p = arg;
    mnas_bytes bytes = {0};
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->n_jobs;) decode_one(p, &p->jobs[i], &bytes);
    free(bytes.data);
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
    char name[NAME_BYTES];
    if (j->rc == 0) return sink->emit(sink->user, j->pixels, p->examples->labels[j->image]);
    mnas_examples_name(p->examples, j->image, name, sizeof name);
    if (mnas_is_passing(j->rc)) return mnas_error_set(j->rc, "%s: %s", name, j->reason);
    if (p->n_skipped++ < MAX_NAMED) mnas_log_warn("skipped %s: %s", name, j->reason);
    return sink->skip(sink->user, name, j->reason);
}

static void show_progress(pool *p) {
    double now_s = mnas_clock_now_s(), elapsed_s = now_s - p->start_s;
    if (now_s - p->shown_s < LIVE_AFTER_S) return;
    char left[32];
    mnas_clock_duration(elapsed_s * (double)(p->n_all - p->n_done) / (double)p->n_done, left, sizeof left);
    mnas_log_live("decoding: %zu of %zu images  ETA %s", p->n_done, p->n_all, left);
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

static int run_range(pool *p, size_t first, size_t n, const mnas_decode_sink *sink) {
    int rc = 0, chunk = p->n_threads * CHUNK;
    p->n_all = n;
    for (size_t i = first; rc == 0 && i < first + n; i++) {
        p->jobs[p->n_jobs++].image = i;
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

int mnas_image_set_decode(const void *opts, mnas_lister lister, const mnas_image_options *o, bool test,
                          const mnas_decode_sink *sink) {
    mnas_listing listing;
    mnas_examples e;
    pool p = {.examples = &e,
              .size = sink->size,
              .channels = (int)o->channels,
              .how = (mnas_image_fit)o->fit,
              .start_s = mnas_clock_now_s()};
    p.shown_s = p.start_s;
    int rc = list(&listing, &e, opts, lister);
    if (rc == 0) rc = make_jobs(&p);
    size_t n_test = rc == 0 ? (size_t)e.n_split[MNAS_SPLIT_TEST] : 0, n_others = rc == 0 ? e.n - n_test : 0;
    if (rc == 0) rc = test ? run_range(&p, n_others, n_test, sink) : run_range(&p, 0, n_others, sink);
    if (rc == 0 && p.n_skipped > MAX_NAMED)
        mnas_log_warn("skipped %d more; `mnas datasets` names them", p.n_skipped - MAX_NAMED);
    free_jobs(&p);
    mnas_listing_free(&listing);
    return rc;
}
