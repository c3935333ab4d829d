/* order.c - shuffles. Reads no images.
 *
 * Invariant: after mnas_order_start `at` is a permutation of 0 .. n-1.
 */
#include "data/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "data/examples.h"

static int no_memory(size_t n) {
    return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the order of %zu images", n);
}

/* ---- which images ---- */

static int compare_u32(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int choose_subset(mnas_order *o, size_t n_split) {
    uint32_t *all = malloc(n_split * sizeof *all);
    if (!all) return no_memory(n_split);
    for (size_t i = 0; i < n_split; i++) all[i] = (uint32_t)i;
    mnas_rng rng = mnas_rng_stream(o->seed, 0, "subset");
    mnas_rng_shuffle(&rng, all, n_split);
    memcpy(o->subset, all, (size_t)o->n * sizeof *all);
    free(all);
    return 0;
}

/* A run is what of the subset lies in one shard. */
static int find_runs(mnas_order *o, const mnas_dataset *d, const mnas_split *split) {
    uint32_t last = UINT32_MAX;
    qsort(o->subset, (size_t)o->n, sizeof *o->subset, compare_u32);
    o->runs = malloc(((size_t)o->n + 1) * sizeof *o->runs);
    o->entry = malloc((size_t)o->n * sizeof *o->entry);
    if (!o->runs || !o->entry) return no_memory((size_t)o->n);
    for (int i = 0; i < o->n; i++) {
        uint32_t place = d->examples->list[split->index[o->subset[i]]].place;
        if (place != last) o->runs[o->n_runs++] = (uint32_t)i;
        last = place;
    }
    o->runs[o->n_runs] = (uint32_t)o->n;
    o->interleave = d->interleave, o->buffer = d->buffer;
    return 0;
}

int mnas_order_init(mnas_order *out, const mnas_dataset *dataset, const mnas_split *split, int n,
                    bool shuffle, uint64_t seed) {
    *out = (mnas_order){.n = n, .shuffle = shuffle, .seed = seed};
    out->subset = malloc((size_t)n * sizeof *out->subset);
    out->at = malloc((size_t)n * sizeof *out->at);
    if (!out->subset || !out->at) return no_memory((size_t)n);
    int rc = 0;
    if (n < split->n)
        rc = choose_subset(out, (size_t)split->n);
    else
        for (int i = 0; i < n; i++) out->subset[i] = (uint32_t)i;
    if (rc == 0 && shuffle && dataset->interleave > 0) rc = find_runs(out, dataset, split);
    return rc;
}

void mnas_order_free(mnas_order *order) {
    free(order->subset);
    free(order->at);
    free(order->runs);
    free(order->entry);
    *order = (mnas_order){0};
}

/* ---- shards ---- */

typedef struct shuffle_buffer {
    uint32_t *items;
    uint32_t n, cap;
    uint32_t *out; /* what comes goes here at last */
    mnas_rng rng;
} shuffle_buffer;

static void push(shuffle_buffer *b, uint32_t item) {
    if (b->n < b->cap) {
        b->items[b->n++] = item;
        return;
    }
    uint32_t k = mnas_rng_below(&b->rng, b->n);
    *b->out++ = b->items[k];
    b->items[k] = item;
}

static void drain(shuffle_buffer *b) {
    mnas_rng_shuffle(&b->rng, b->items, b->n);
    for (uint32_t i = 0; i < b->n; i++) *b->out++ = b->items[i];
}

typedef struct cursor {
    uint32_t next, end;
} cursor;

/* One of each open shard in turn; the next shard takes the place of one that is through. */
static void interleave(const mnas_order *o, const uint32_t *shards, cursor *open, shuffle_buffer *b) {
    int n_open = 0, n_begun = 0;
    for (; n_begun < o->n_runs && n_open < o->interleave; n_begun++)
        open[n_open++] = (cursor){o->runs[shards[n_begun]], o->runs[shards[n_begun] + 1]};
    uint32_t *entry = o->entry;
    for (int k = 0; n_open > 0;) {
        *entry++ = open[k].next;
        push(b, open[k].next++);
        if (open[k].next < open[k].end) {
            k++;
        } else if (n_begun < o->n_runs) {
            open[k] = (cursor){o->runs[shards[n_begun]], o->runs[shards[n_begun] + 1]};
            n_begun++, k++;
        } else {
            memmove(&open[k], &open[k + 1], (size_t)(--n_open - k) * sizeof *open);
        }
        if (k >= n_open) k = 0;
    }
    drain(b);
}

static int start_shards(mnas_order *o, int epoch) {
    uint32_t cap = o->buffer > 0 ? (uint32_t)o->buffer : 1;
    uint32_t *shards = malloc((size_t)o->n_runs * sizeof *shards);
    cursor *open = malloc((size_t)o->interleave * sizeof *open);
    shuffle_buffer b = {.items = malloc(cap * sizeof *b.items), .cap = cap, .out = o->at};
    int rc = shards && open && b.items ? 0 : no_memory((size_t)o->n);
    if (rc == 0) {
        b.rng = mnas_rng_stream(o->seed, (uint64_t)epoch, "shards");
        for (int i = 0; i < o->n_runs; i++) shards[i] = (uint32_t)i;
        mnas_rng_shuffle(&b.rng, shards, (size_t)o->n_runs);
        interleave(o, shards, open, &b);
    }
    free(b.items), free(open), free(shards);
    return rc;
}

int mnas_order_start(mnas_order *o, int epoch) {
    if (o->n_runs > 0) return start_shards(o, epoch);
    for (int i = 0; i < o->n; i++) o->at[i] = (uint32_t)i;
    if (!o->shuffle) return 0;
    mnas_rng rng = mnas_rng_stream(o->seed, (uint64_t)epoch, "shuffle");
    mnas_rng_shuffle(&rng, o->at, (size_t)o->n);
    return 0;
}
