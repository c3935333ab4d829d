/* order.h - in which order an epoch shows the images: a function of the seed and the epoch.
 *
 * Images that can be read at any place are shuffled altogether. Those in shards are shuffled as far as reading from front to back
 * allows: the shards' order, then one image of each of `interleave` shards in turn, then through a buffer, from which a random one
 * is taken whenever one comes.
 */
#ifndef MNAS_DATA_ORDER_H
#define MNAS_DATA_ORDER_H

#include "data/dataset.h"

typedef struct mnas_order {
    int n;
    uint32_t *subset; /* [n]: positions in the split that are used */
    uint32_t *at;     /* [n]: of this epoch, indices into subset */
    bool shuffle;
    uint64_t seed;
    /* of shards; n_runs 0: none */
    uint32_t *runs; /* [n_runs + 1]: where in the subset each shard begins */
    uint32_t
        *entry; /* [n]: indices into subset as they enter the buffer, which reads shards from front to back */
    int n_runs, interleave, buffer;
} mnas_order;

/* n images of the split: all, or the first so many of a seed-fixed shuffle. */
int mnas_order_init(mnas_order *out, const mnas_dataset *dataset, const mnas_split *split, int n,
                    bool shuffle, uint64_t seed);
void mnas_order_free(mnas_order *order);
int mnas_order_start(mnas_order *order, int epoch); /* fills `at`; MNAS_ERR_MEMORY */

#endif
