/* map.h - what the element-wise kernels share: a state of "which loops, how many threads" and equal pieces of
 * a tensor. */
#ifndef MNAS_KERNELS_MAP_H
#define MNAS_KERNELS_MAP_H

#include <omp.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/round.h"
#include "kernels/isa.h"
#include "model/kernel.h"

enum { MNAS_MAP_PIECE = 1 << 13 }; /* floats that one call of a leaf takes: small against the first cache */

typedef struct mnas_map {
    const mnas_isa *isa;
    int n_threads, batch;
    size_t size; /* floats of input 0, whole batch */
    size_t n_pieces;
} mnas_map;

static inline int mnas_map_create(void **state, const mnas_node *node, const mnas_shape *in, int batch,
                                  bool training, size_t *scratch_bytes) {
    (void)training;
    mnas_map *m = malloc(sizeof *m);
    if (!m) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    const size_t size = (size_t)batch * mnas_shape_size(in[0]);
    *m = (mnas_map){mnas_isa_get(), omp_get_max_threads(), batch, size, mnas_divide_up(size, MNAS_MAP_PIECE)};
    *scratch_bytes = 0;
    *state = m;
    return 0;
}

static inline size_t mnas_map_length(const mnas_map *m, size_t piece) {
    const size_t left = m->size - piece * MNAS_MAP_PIECE;
    return left < MNAS_MAP_PIECE ? left : MNAS_MAP_PIECE;
}

#endif
