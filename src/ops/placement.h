/* placement.h - pieces of one slab: which bytes each buffer gets, when it is known from when to when each is needed.
 *
 * Pure arithmetic: no graph, no memory touched but the items'. Deterministic: equal items give equal offsets.
 */
#ifndef MNAS_OPS_PLACEMENT_H
#define MNAS_OPS_PLACEMENT_H

#include <stddef.h>

enum { MNAS_PLACE_ALIGN_BYTES = 64 };

typedef struct mnas_interval {
    size_t bytes;    /* 0: no buffer */
    int first, last; /* steps, both inclusive */
    size_t offset;   /* result, a multiple of MNAS_PLACE_ALIGN_BYTES */
} mnas_interval;

/* Give every item an offset such that no two which live at the same step overlap; *bytes is the slab's size.
 * The largest goes first, each to the lowest place that is free during its life. MNAS_ERR_MEMORY only. */
int mnas_placement_assign(mnas_interval *items, int n, size_t *bytes);

#endif
