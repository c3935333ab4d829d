/* placement.c - greedy interval placement, largest first; see placement.h.
 *
 * O(n^2) for some hundred buffers, which is far below a millisecond. It is not optimal: on the zoo a training
 * step's slab is within 1.5 % of the peak of live bytes; an inference's, of few and unlike buffers, within 25 per cent.
 */
#include "ops/placement.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/round.h"

static size_t rounded(size_t bytes) {
    return mnas_round_up(bytes, MNAS_PLACE_ALIGN_BYTES);
}

static bool meet(const mnas_interval *a, const mnas_interval *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* Larger first; among equals the earlier item, so that the order is total. */
static int by_size(const void *a, const void *b) {
    const mnas_interval *x = *(mnas_interval *const *)a, *y = *(mnas_interval *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return (x > y) - (x < y);
}

/* placed[n] is sorted by offset. */
static size_t lowest_gap(mnas_interval *const *placed, int n, const mnas_interval *item) {
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        const mnas_interval *p = placed[i];
        if (!meet(p, item)) continue;
        if (p->offset >= at + rounded(item->bytes)) break;
        size_t end = p->offset + rounded(p->bytes);
        if (end > at) at = end;
    }
    return at;
}

static void insert_by_offset(mnas_interval **placed, int n, mnas_interval *item) {
    int i = n;
    for (; i > 0 && placed[i - 1]->offset > item->offset; i--) placed[i] = placed[i - 1];
    placed[i] = item;
}

int mnas_placement_assign(mnas_interval *items, int n, size_t *bytes) {
    mnas_interval **order = malloc(2 * ((size_t)n + 1) * sizeof(mnas_interval *));
    if (!order) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: placing %d buffers", n);
    mnas_interval **placed = order + n;
    int n_placed = 0;
    for (int i = 0; i < n; i++) order[i] = &items[i];
    qsort(order, (size_t)n, sizeof *order, by_size);
    *bytes = 0;
    for (int i = 0; i < n && order[i]->bytes > 0; i++) {
        mnas_interval *item = order[i];
        item->offset = lowest_gap(placed, n_placed, item);
        insert_by_offset(placed, n_placed++, item);
        if (item->offset + rounded(item->bytes) > *bytes) *bytes = item->offset + rounded(item->bytes);
    }
    free(order);
    return 0;
}
