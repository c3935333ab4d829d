/* loader.c - batches in a fixed order from one producer thread through two slots. Does not know the network
 * or the loss.
 *
 * Invariants: the producer alone touches `plan`, `order` and a slot that is not full; the consumer reads only
 * the slot it was given last. The producer computes batch after batch from the plan and never looks at the
 * consumer's timing.
 */
#include "data/loader.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/augment.h"

enum { N_SLOTS = 2, MAX_PAD = 64, MAX_BATCH = 1 << 20 };

typedef struct slot {
    float *images;   /* [batch, H, W, C] */
    int32_t *labels; /* [batch] */
    int n, epoch;
    bool full;
} slot;

struct mnas_loader {
    mnas_arena *arena;
    mnas_split split;
    int height, width, channels;
    size_t image_values; /* H * W * C */
    mnas_loader_options options;
    mnas_normalise norm;
    uint32_t *subset; /* [n]: positions in the split that are used */
    uint32_t *order;  /* [n]: of this epoch, indices into subset */
    int n, n_batches;
    struct {
        int epoch, batch; /* to be produced next; batch == n_batches: the end mark of an evaluation */
    } plan;
    slot slots[N_SLOTS];
    int64_t step;   /* calls of next so far */
    int read_slot;  /* lent to the consumer, or its next */
    bool slot_lent; /* slots[read_slot] is in the consumer's hands */
    bool stop;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
};

/* ---- the producer ---- */

/* Training draws by the image's place in the subset, so that its augmentation does not depend on the batch size. */
static void fill_image(mnas_loader *l, slot *s, int at, uint32_t i) {
    uint32_t in_split = l->subset[i];
    size_t source = l->split.index ? l->split.index[in_split] : in_split;
    mnas_augment_draw draw = {0};
    if (l->options.shuffle && (l->options.augment.pad > 0 || l->options.augment.flip)) {
        uint64_t stream = (uint64_t)s->epoch * (uint64_t)l->n + i;
        mnas_rng rng = mnas_rng_stream(l->options.seed, stream, "augment");
        draw = mnas_augment_sample(&l->options.augment, &rng);
    }
    s->labels[at] = l->split.labels[source];
    mnas_augment_apply(s->images + (size_t)at * l->image_values, l->split.pixels + source * l->image_values,
                       l->height, l->width, l->channels, draw, &l->norm);
}

/* An evaluation's end mark is a step. */
static int steps_per_epoch(const mnas_loader *l) {
    return l->n_batches + (l->options.shuffle ? 0 : 1);
}

static void start_epoch(mnas_loader *l) {
    for (int i = 0; i < l->n; i++) l->order[i] = (uint32_t)i;
    if (!l->options.shuffle) return;
    mnas_rng rng = mnas_rng_stream(l->options.seed, (uint64_t)l->plan.epoch, "shuffle");
    mnas_rng_shuffle(&rng, l->order, (size_t)l->n);
}

static void produce(mnas_loader *l, slot *s) {
    if (l->plan.batch == 0) start_epoch(l);
    int first = l->plan.batch * l->options.batch, left = l->n - first;
    s->epoch = l->plan.epoch;
    s->n = left <= 0 ? 0 : left < l->options.batch ? left : l->options.batch;
    for (int i = 0; i < s->n; i++) fill_image(l, s, i, l->order[first + i]);
    if (++l->plan.batch == steps_per_epoch(l)) l->plan.batch = 0, l->plan.epoch++;
}

static void *producer_main(void *arg) {
    mnas_loader *l = arg;
    for (int at = 0;; at = (at + 1) % N_SLOTS) {
        slot *s = &l->slots[at];
        pthread_mutex_lock(&l->mutex);
        while (s->full && !l->stop) pthread_cond_wait(&l->changed, &l->mutex);
        bool stop = l->stop;
        pthread_mutex_unlock(&l->mutex);
        if (stop) return NULL;
        produce(l, s);
        pthread_mutex_lock(&l->mutex);
        s->full = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->mutex);
    }
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
    for (int c = 0; c < channels; c++)
        if (!(o->std[c] > 0) || o->mean[c] != o->mean[c])
            return mnas_error_set(MNAS_ERR_ARG,
                                  "normalisation of channel %d: mean %g, std %g; allowed: a std above 0", c,
                                  o->mean[c], o->std[c]);
    return 0;
}

static int allocate(mnas_loader *l) {
    l->subset = mnas_arena_alloc(l->arena, (size_t)l->n * sizeof *l->subset);
    l->order = mnas_arena_alloc(l->arena, (size_t)l->n * sizeof *l->order);
    if (!l->subset || !l->order) return MNAS_ERR_MEMORY;
    size_t batch = (size_t)l->options.batch;
    for (int i = 0; i < N_SLOTS; i++) {
        l->slots[i].images = mnas_arena_alloc(l->arena, batch * l->image_values * sizeof(float));
        l->slots[i].labels = mnas_arena_alloc(l->arena, batch * sizeof(int32_t));
        if (!l->slots[i].images || !l->slots[i].labels) return MNAS_ERR_MEMORY;
    }
    return 0;
}

static int choose_subset(mnas_loader *l) {
    if (l->n == l->split.n) {
        for (int i = 0; i < l->n; i++) l->subset[i] = (uint32_t)i;
        return 0;
    }
    size_t n = (size_t)l->split.n;
    uint32_t *all = malloc(n * sizeof *all);
    if (!all) return mnas_error_set(MNAS_ERR_MEMORY, "no memory to choose %d of %zu images", l->n, n);
    for (size_t i = 0; i < n; i++) all[i] = (uint32_t)i;
    mnas_rng rng = mnas_rng_stream(l->options.seed, 0, "subset");
    mnas_rng_shuffle(&rng, all, n);
    memcpy(l->subset, all, (size_t)l->n * sizeof *all);
    free(all);
    return 0;
}

/* Signals belong to the main thread: a Ctrl-C must not land in the producer. */
static int start_thread(mnas_loader *l) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&l->thread, NULL, producer_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) return mnas_error_set(MNAS_ERR_IO, "cannot start the loader's thread: %s", strerror(error));
    l->has_thread = true;
    return 0;
}

int mnas_loader_create(mnas_loader **out, const mnas_dataset *dataset, mnas_split_kind kind,
                       const mnas_loader_options *options) {
    *out = NULL;
    const mnas_split *split = &dataset->split[kind];
    if (split->n == 0)
        return mnas_error_set(MNAS_ERR_ARG, "the test split is closed: it opens with MNAS_ALLOW_TEST");
    int64_t n = options->max_images > 0 && options->max_images < split->n ? options->max_images : split->n;
    const mnas_dataset_info *info = &dataset->info;
    int rc = check_options(options, info->channels, n);
    if (rc < 0) return rc;
    mnas_loader *l = calloc(1, sizeof *l);
    if (!l) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for a loader");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->split = *split;
    l->height = info->height, l->width = info->width, l->channels = info->channels;
    l->image_values = (size_t)l->height * (size_t)l->width * (size_t)l->channels;
    l->options = *options;
    l->n = (int)n;
    l->n_batches = options->shuffle ? l->n / options->batch : (l->n - 1) / options->batch + 1;
    mnas_normalise_init(&l->norm, options->mean, options->std, l->channels);
    l->arena = mnas_arena_create();
    rc = l->arena ? allocate(l) : MNAS_ERR_MEMORY;
    if (rc == 0) rc = choose_subset(l);
    if (rc == 0) rc = start_thread(l);
    if (rc == 0)
        *out = l;
    else
        mnas_loader_destroy(l);
    return rc;
}

static void stop_thread(mnas_loader *l) {
    if (!l->has_thread) return;
    pthread_mutex_lock(&l->mutex);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    pthread_join(l->thread, NULL);
    l->has_thread = l->stop = false;
}

void mnas_loader_destroy(mnas_loader *loader) {
    if (!loader) return;
    stop_thread(loader);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->mutex);
    mnas_arena_destroy(loader->arena);
    free(loader);
}

/* ---- the consumer ---- */

int mnas_loader_n_batches(const mnas_loader *loader) {
    return loader->n_batches;
}

int64_t mnas_loader_step(const mnas_loader *loader) {
    return loader->step;
}

int mnas_loader_seek(mnas_loader *loader, int64_t step) {
    if (step < 0 || step / steps_per_epoch(loader) > INT32_MAX)
        return mnas_error_set(MNAS_ERR_ARG, "step is %lld; allowed: 0 or more, up to 2^31 epochs",
                              (long long)step);
    stop_thread(loader);
    for (int i = 0; i < N_SLOTS; i++) loader->slots[i].full = false;
    loader->read_slot = 0, loader->slot_lent = false;
    loader->step = step;
    loader->plan.epoch = (int)(step / steps_per_epoch(loader));
    loader->plan.batch = (int)(step % steps_per_epoch(loader));
    start_epoch(loader);
    return start_thread(loader);
}

int mnas_loader_next(mnas_loader *loader, mnas_batch *out) {
    pthread_mutex_lock(&loader->mutex);
    if (loader->slot_lent) {
        loader->slots[loader->read_slot].full = false;
        loader->read_slot = (loader->read_slot + 1) % N_SLOTS;
        pthread_cond_broadcast(&loader->changed);
    }
    slot *s = &loader->slots[loader->read_slot];
    while (!s->full) pthread_cond_wait(&loader->changed, &loader->mutex);
    loader->slot_lent = true;
    pthread_mutex_unlock(&loader->mutex);
    loader->step++;
    *out = (mnas_batch){s->images, s->labels, s->n, s->epoch};
    return 0;
}
