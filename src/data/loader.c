/* loader.c - batches in a fixed order from a few threads through two slots. Does not know the network or the loss.
 *
 * Invariants: `plan`, `order` and what is claimed of a slot change under the mutex alone; a claimed part of a slot belongs to the
 * thread that claimed it; the consumer reads only the slot it was given last. What comes is computed from the plan and never from
 * who was first.
 */
#include "data/loader.h"

#include <assert.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "data/order.h"
#include "data/picture.h"

enum {
    N_SLOTS = 2,
    MAX_PAD = 64,
    MAX_BATCH = 1 << 20,
    MAX_THREADS = 256,
    PARTS_A_THREAD = 8, /* a batch is claimed in */
    MAX_NAMED = 10,
    MAX_STAND_INS = 20, /* tried for one image */
    NAME_BYTES = 1024
};

typedef enum { SLOT_FREE, SLOT_OPEN, SLOT_FULL } slot_state;

typedef struct slot {
    float *images;   /* [batch, H, W, C] */
    int32_t *labels; /* [batch] */
    uint32_t *picks; /* [batch]: indices into the subset */
    uint32_t *ahead; /* [n_ahead]: of shards, what a later batch will need, in the order it lies there */
    int n_ahead;
    bool *good;  /* [batch] */
    bool is_end; /* of an evaluation's epoch */
    int n, epoch;
    int n_claimed, n_done;
    slot_state state;
} slot;

struct mnas_loader {
    mnas_arena *arena;
    const mnas_dataset *dataset;
    mnas_split split;
    mnas_loader_options options;
    mnas_picture_plan picture;
    size_t image_values; /* H * W * C */
    mnas_order order;
    int order_epoch; /* the one that `order` holds; -1: none */
    int n, n_batches;
    struct {
        int epoch, batch; /* to be opened next; batch == n_batches: the end mark of an evaluation */
    } plan;
    slot slots[N_SLOTS];
    int work_slot;  /* claimed from, or the next to be opened */
    int64_t step;   /* calls of next so far */
    int read_slot;  /* lent to the consumer, or its next */
    bool slot_lent; /* slots[read_slot] is in the consumer's hands */
    bool stop;
    int rc; /* of a failure that ends it */
    char error[512];
    bool *bad; /* [n]: did not decode */
    int n_bad;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t threads[MAX_THREADS];
    int n_threads, n_started;
};

/* ---- one image ---- */

static size_t source_of(const mnas_loader *l, uint32_t i) {
    uint32_t in_split = l->order.subset[i];
    return l->split.index ? l->split.index[in_split] : in_split;
}

static void note_bad(mnas_loader *l, uint32_t i) {
    char name[NAME_BYTES];
    pthread_mutex_lock(&l->mutex);
    bool first = !l->bad[i];
    l->bad[i] = true;
    int n = l->n_bad += first;
    pthread_mutex_unlock(&l->mutex);
    if (!first || n > MAX_NAMED) return;
    mnas_examples_name(l->dataset->examples, source_of(l, i), name, sizeof name);
    mnas_log_warn("skipped %s: %s%s", name, mnas_error_message(),
                  n == MAX_NAMED ? "; more are not named" : "");
}

/* Training draws by the image's place in the subset, so that its augmentation does not depend on the batch size. */
static int make_image(mnas_loader *l, mnas_picture_worker *w, slot *s, int at, uint32_t i, mnas_rng rng) {
    size_t source = source_of(l, i);
    s->labels[at] = l->split.labels[source];
    int rc = mnas_picture_make(s->images + (size_t)at * l->image_values, &l->picture, w, source, rng);
    if (rc == 0) return 0;
    if (!mnas_is_passing(rc)) {
        note_bad(l, i);
    } else if (l->dataset->examples) {
        char name[NAME_BYTES];
        mnas_examples_name(l->dataset->examples, source, name, sizeof name);
        mnas_error_context(rc, "%s", name);
    }
    return rc;
}

static int fill_image(mnas_loader *l, mnas_picture_worker *w, slot *s, int at) {
    uint32_t i = s->picks[at];
    uint64_t stream = (uint64_t)s->epoch * (uint64_t)l->n + i;
    mnas_rng rng = {{0}};
    if (l->options.shuffle) rng = mnas_rng_stream(l->options.seed, stream, "augment");
    int rc = make_image(l, w, s, at, i, rng);
    s->good[at] = rc == 0;
    if (rc == 0 || mnas_is_passing(rc)) return rc;
    if (!l->options.shuffle) return 0;
    mnas_rng stand_ins = mnas_rng_stream(l->options.seed, i, "stand-in");
    for (int k = 0; rc < 0 && k < MAX_STAND_INS; k++) {
        rc = make_image(l, w, s, at, mnas_rng_below(&stand_ins, (uint32_t)l->n), rng);
        if (mnas_is_passing(rc)) return rc;
    }
    s->good[at] = rc == 0;
    return rc == 0
               ? 0
               : mnas_error_context(MNAS_ERR_FORMAT, "%d images one after the other do not decode; the last",
                                    MAX_STAND_INS + 1);
}

/* ---- slots: under the mutex ---- */

/* An evaluation's end mark is a step. */
static int steps_per_epoch(const mnas_loader *l) {
    return l->n_batches + (l->options.shuffle ? 0 : 1);
}

/* What enters the shuffle buffer while this batch leaves it: so the disk reads shards from front to back, and the system's cache
 * is the buffer. */
static void look_ahead(mnas_loader *l, slot *s, int first) {
    int64_t from = (int64_t)first + l->order.buffer, left = l->n - from;
    s->n_ahead = !l->order.entry || left <= 0 ? 0 : left < s->n ? (int)left : s->n;
    if (s->n_ahead > 0) memcpy(s->ahead, l->order.entry + from, (size_t)s->n_ahead * sizeof *s->ahead);
}

static int open_slot(mnas_loader *l, slot *s) {
    int first = l->plan.batch * l->options.batch, left = l->n - first, rc = 0;
    if (l->order_epoch != l->plan.epoch && (l->options.shuffle || l->order_epoch < 0))
        rc = mnas_order_start(&l->order, l->plan.epoch);
    if (rc < 0) return rc;
    l->order_epoch = l->plan.epoch;
    s->epoch = l->plan.epoch;
    s->n = left <= 0 ? 0 : left < l->options.batch ? left : l->options.batch;
    s->n_claimed = s->n_done = 0;
    s->is_end = s->n == 0;
    if (s->n > 0) memcpy(s->picks, l->order.at + first, (size_t)s->n * sizeof *s->picks);
    look_ahead(l, s, first);
    s->state = s->n > 0 ? SLOT_OPEN : SLOT_FULL;
    if (++l->plan.batch == steps_per_epoch(l)) l->plan.batch = 0, l->plan.epoch++;
    return 0;
}

/* What an evaluation could not decode is left out. */
static void close_gaps(mnas_loader *l, slot *s) {
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        if (!s->good[i]) continue;
        if (n < i) {
            memcpy(s->images + (size_t)n * l->image_values, s->images + (size_t)i * l->image_values,
                   l->image_values * sizeof(float));
            s->labels[n] = s->labels[i];
        }
        n++;
    }
    s->n = n;
}

static void fail(mnas_loader *l, int rc) {
    if (l->rc == 0) {
        l->rc = rc;
        mnas_str_format(l->error, sizeof l->error, "%.500s", mnas_error_message());
    }
    pthread_cond_broadcast(&l->changed);
}

/* A part of a batch to be made: [first, end) of *s. False: the end. */
static bool claim(mnas_loader *l, slot **s, int *first, int *end) {
    for (;;) {
        slot *at = &l->slots[l->work_slot];
        if (l->stop || l->rc < 0) return false;
        if (at->state == SLOT_OPEN && at->n_claimed < at->n) {
            int part = l->options.batch / (l->n_threads * PARTS_A_THREAD), left = at->n - at->n_claimed;
            if (part < 1) part = 1;
            if (l->n_threads == 1) part = left;
            *s = at, *first = at->n_claimed, *end = at->n_claimed += part < left ? part : left;
            if (at->n_claimed == at->n) l->work_slot = (l->work_slot + 1) % N_SLOTS;
            return true;
        }
        if (at->state == SLOT_FREE) {
            int rc = open_slot(l, at);
            if (rc < 0) fail(l, rc);
            if (at->state == SLOT_FULL) l->work_slot = (l->work_slot + 1) % N_SLOTS;
            pthread_cond_broadcast(&l->changed);
        } else {
            pthread_cond_wait(&l->changed, &l->mutex);
        }
    }
}

static void hand_in(mnas_loader *l, slot *s, int n, int rc) {
    if (rc < 0) {
        fail(l, rc);
        return;
    }
    s->n_done += n;
    if (s->n_done < s->n) return;
    if (!l->options.shuffle) close_gaps(l, s);
    s->state = SLOT_FULL;
    pthread_cond_broadcast(&l->changed);
}

/* ---- threads ---- */

static void *thread_main(void *arg) {
    mnas_loader *l = arg;
    mnas_picture_worker w = {0};
    slot *s;
    int first, end;
    pthread_mutex_lock(&l->mutex);
    while (claim(l, &s, &first, &end)) {
        pthread_mutex_unlock(&l->mutex);
        int rc = 0;
        for (int at = first; at < end && at < s->n_ahead; at++)
            mnas_examples_expect(l->dataset->examples, source_of(l, s->ahead[at]));
        for (int at = first; rc == 0 && at < end; at++) rc = fill_image(l, &w, s, at);
        pthread_mutex_lock(&l->mutex);
        hand_in(l, s, end - first, rc);
    }
    pthread_mutex_unlock(&l->mutex);
    mnas_picture_worker_free(&w);
    return NULL;
}

/* Where all cores train, decoding must not starve them. More than train are never needed, and where a process trains with a few of
 * many cores, others like it are at work on the rest: the trials of a search. */
int mnas_loader_spare_threads(int n_cores, int n_train) {
    const int spare = n_cores - n_train, least = n_train / 4;
    const int wanted = spare > n_train ? n_train : spare > least ? spare : least;
    return wanted < 1 ? 1 : wanted;
}

/* Pixels that are only moved need one thread. */
static int choose_threads(const mnas_loader_options *o, const mnas_dataset *d) {
    cpu_set_t cores;
    int n_cores = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1, n_train = 1;
    int wanted = o->threads > 0 ? o->threads : d->threads;
#ifdef _OPENMP
    n_train = omp_get_max_threads();
#endif
    if (wanted == 0) wanted = d->examples ? mnas_loader_spare_threads(n_cores, n_train) : 1;
    return wanted > MAX_THREADS ? MAX_THREADS : wanted;
}

/* Signals belong to the main thread: a Ctrl-C must not land in one of these. Fewer threads than wanted do as well. */
static int start_threads(mnas_loader *l) {
    sigset_t all, old;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (l->n_started < l->n_threads &&
           (error = pthread_create(&l->threads[l->n_started], NULL, thread_main, l)) == 0)
        l->n_started++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (l->n_started == 0)
        return mnas_error_set(MNAS_ERR_IO, "%s: cannot start a thread to load it: %s", l->dataset->info.spec,
                              strerror(error));
    return 0;
}

static void stop_threads(mnas_loader *l) {
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    for (int i = 0; i < l->n_started; i++) pthread_join(l->threads[i], NULL);
    l->n_started = 0;
    l->stop = false;
}

/* ---- making and ending ---- */

static int check_options(const mnas_loader_options *o, int channels, int64_t n) {
    if (o->batch < 1 || o->batch > MAX_BATCH)
        return mnas_error_set(MNAS_ERR_ARG, "batch is %d images; allowed: 1 to %d", o->batch, MAX_BATCH);
    if (o->max_images < 0)
        return mnas_error_set(MNAS_ERR_ARG, "max_images is %lld; allowed: 0 (all) or more",
                              (long long)o->max_images);
    if (o->shuffle && n < o->batch)
        return mnas_error_set(MNAS_ERR_ARG, "batch is %d images; allowed: 1 to the %lld images to train on",
                              o->batch, (long long)n);
    if (o->augment.pad < 0 || o->augment.pad > MAX_PAD)
        return mnas_error_set(MNAS_ERR_ARG, "pad is %d pixels; allowed: 0 to %d", o->augment.pad, MAX_PAD);
    if (o->threads < 0 || o->threads > MAX_THREADS)
        return mnas_error_set(MNAS_ERR_ARG, "threads is %d; allowed: 0 (chosen) to %d", o->threads,
                              MAX_THREADS);
    for (int c = 0; c < channels; c++)
        if (!(o->std[c] > 0) || o->mean[c] != o->mean[c])
            return mnas_error_set(MNAS_ERR_ARG,
                                  "normalisation of channel %d: mean %g, std %g; allowed: a std above 0", c,
                                  o->mean[c], o->std[c]);
    return 0;
}

static int allocate(mnas_loader *l) {
    size_t batch = (size_t)l->options.batch;
    l->arena = mnas_arena_create();
    if (!l->arena) return MNAS_ERR_MEMORY;
    l->bad = mnas_arena_alloc(l->arena, (size_t)l->n * sizeof *l->bad);
    if (!l->bad) return MNAS_ERR_MEMORY;
    for (int i = 0; i < N_SLOTS; i++) {
        slot *s = &l->slots[i];
        s->images = mnas_arena_alloc(l->arena, batch * l->image_values * sizeof(float));
        s->labels = mnas_arena_alloc(l->arena, batch * sizeof *s->labels);
        s->picks = mnas_arena_alloc(l->arena, batch * sizeof *s->picks);
        s->ahead = mnas_arena_alloc(l->arena, batch * sizeof *s->ahead);
        s->good = mnas_arena_alloc(l->arena, batch * sizeof *s->good);
        if (!s->images || !s->labels || !s->picks || !s->ahead || !s->good) return MNAS_ERR_MEMORY;
    }
    return 0;
}

static void describe_pictures(mnas_loader *l) {
    const mnas_dataset_info *info = &l->dataset->info;
    l->picture = (mnas_picture_plan){.examples = l->dataset->examples,
                                     .pixels = l->split.pixels,
                                     .height = info->height,
                                     .width = info->width,
                                     .channels = info->channels,
                                     .train = l->options.shuffle,
                                     .crop = l->options.crop,
                                     .augment = l->options.augment};
    mnas_normalise_init(&l->picture.norm, l->options.mean, l->options.std, info->channels);
    l->image_values = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
}

int64_t mnas_loader_n_images(int64_t max_images, int64_t n) {
    return max_images > 0 && max_images < n ? max_images : n;
}

int mnas_loader_create(mnas_loader **out, const mnas_dataset *dataset, mnas_split_kind kind,
                       const mnas_loader_options *options) {
    *out = NULL;
    const mnas_split *split = &dataset->split[kind];
    if (split->n == 0)
        return mnas_error_set(MNAS_ERR_ARG, "the test split is closed: it opens with MNAS_ALLOW_TEST");
    const int64_t n = mnas_loader_n_images(options->max_images, split->n);
    int rc = check_options(options, dataset->info.channels, n);
    if (rc < 0) return rc;
    mnas_loader *l = calloc(1, sizeof *l);
    if (!l) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a loader");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->dataset = dataset;
    l->split = *split;
    l->options = *options;
    l->n = (int)n;
    l->n_batches = options->shuffle ? l->n / options->batch : (l->n - 1) / options->batch + 1;
    l->n_threads = choose_threads(options, dataset);
    l->order_epoch = -1;
    describe_pictures(l);
    rc = allocate(l);
    if (rc == 0) rc = mnas_order_init(&l->order, dataset, split, l->n, options->shuffle, options->seed);
    if (rc == 0) rc = start_threads(l);
    if (rc == 0)
        *out = l;
    else
        mnas_loader_destroy(l);
    return rc;
}

void mnas_loader_destroy(mnas_loader *loader) {
    if (!loader) return;
    stop_threads(loader);
    if (loader->n_bad > MAX_NAMED) mnas_log_warn("%d images did not decode", loader->n_bad);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->mutex);
    mnas_order_free(&loader->order);
    mnas_arena_destroy(loader->arena);
    free(loader);
}

/* ---- the consumer ---- */

int mnas_loader_n_batches(const mnas_loader *loader) {
    return loader->n_batches;
}

int mnas_loader_n_threads(const mnas_loader *loader) {
    return loader->n_threads;
}

int mnas_loader_n_bad(mnas_loader *loader) {
    pthread_mutex_lock(&loader->mutex);
    int n = loader->n_bad;
    pthread_mutex_unlock(&loader->mutex);
    return n;
}

int64_t mnas_loader_step(const mnas_loader *loader) {
    return loader->step;
}

int mnas_loader_seek(mnas_loader *loader, int64_t step) {
    if (step < 0 || step / steps_per_epoch(loader) >= INT32_MAX)
        return mnas_error_set(MNAS_ERR_ARG, "step is %lld; allowed: 0 or more, up to 2^31 epochs",
                              (long long)step);
    stop_threads(loader);
    for (int i = 0; i < N_SLOTS; i++) loader->slots[i].state = SLOT_FREE;
    loader->read_slot = loader->work_slot = 0, loader->slot_lent = false;
    loader->rc = 0;
    loader->step = step;
    loader->plan.epoch = (int)(step / steps_per_epoch(loader));
    loader->plan.batch = (int)(step % steps_per_epoch(loader));
    return start_threads(loader);
}

/* Hand back what was lent, wait for what comes. */
static slot *take_slot(mnas_loader *l) {
    if (l->slot_lent) {
        l->slots[l->read_slot].state = SLOT_FREE;
        l->read_slot = (l->read_slot + 1) % N_SLOTS;
        pthread_cond_broadcast(&l->changed);
    }
    slot *s = &l->slots[l->read_slot];
    l->slot_lent = false;
    while (s->state != SLOT_FULL && l->rc == 0) pthread_cond_wait(&l->changed, &l->mutex);
    if (s->state != SLOT_FULL) return NULL;
    l->slot_lent = true;
    l->step++;
    return s;
}

int mnas_loader_next(mnas_loader *loader, mnas_batch *out) {
    *out = (mnas_batch){0};
    pthread_mutex_lock(&loader->mutex);
    slot *s = take_slot(loader);
    while (s && s->n == 0 && !s->is_end) s = take_slot(loader); /* nothing in it decoded: no end mark */
    if (s) *out = (mnas_batch){s->images, s->labels, s->n, s->epoch};
    int rc = s ? 0 : mnas_error_set(loader->rc, "%s", loader->error);
    pthread_mutex_unlock(&loader->mutex);
    return rc;
}
