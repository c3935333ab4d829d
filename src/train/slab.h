/* slab.h - one big zeroed buffer, 2 MiB aligned and on huge pages where the system has them.
 *
 * Page faults cost a training step more than some of its arithmetic (docs/SPEED.md): everything large of an
 * engine lives in one of these, mapped once.
 */
#ifndef MNAS_TRAIN_SLAB_H
#define MNAS_TRAIN_SLAB_H

#include <stddef.h>

typedef struct mnas_slab {
    char *data;   /* NULL when bytes is 0 */
    size_t bytes; /* usable */
    void *map;
    size_t map_bytes;
} mnas_slab;

int mnas_slab_map(mnas_slab *out, size_t bytes);
void mnas_slab_unmap(mnas_slab *slab); /* safe on {0} and twice */

#endif
