/* tile_portable.c - the tiles of the inference engine as plain C, one float at a time; the code is in leaf_tile.h. */
#include "kernels/tile.h"

#define MNAS_LEAF_ISA   portable
#define MNAS_LEAF_LANES 1
#include "kernels/leaf_tile.h"
