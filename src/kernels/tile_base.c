/* tile_base.c - the tiles of the inference engine for what every CPU of the compiler's target has, SSE2 or NEON; see isa_base.c. */
#include "kernels/tile.h"

#if defined(__x86_64__)
#define MNAS_LEAF_ISA sse2
#elif defined(__aarch64__)
#define MNAS_LEAF_ISA neon
#endif
#ifdef MNAS_LEAF_ISA
#define MNAS_LEAF_LANES 4
#include "kernels/leaf_tile.h"
#endif
