/* tile.c - which instruction set's tiles run here: isa.c decides, for them as for all leaf loops. */
#include "kernels/tile.h"

#include <assert.h>
#include <string.h>

static const mnas_tile_isa *const sets[] = {
#if defined(__x86_64__)
    &mnas_tile_avx512,
    &mnas_tile_avx2,
    &mnas_tile_sse2,
#elif defined(__aarch64__)
    &mnas_tile_neon,
#endif
    &mnas_tile_portable,
};

const mnas_tile_isa *mnas_tile_get(void) {
    const char *name = mnas_isa_get()->name;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (strcmp(sets[i]->name, name) == 0) return sets[i];
    assert(!"every set of isa.c has its tiles");
    return &mnas_tile_portable;
}
