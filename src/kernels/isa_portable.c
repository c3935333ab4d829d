/* isa_portable.c - the leaf loops as plain C, one float at a time: for any target, and what the sets with vectors are compared
 * with. The code is in leaf_*.h. */
#define MNAS_LEAF_ISA   portable
#define MNAS_LEAF_LANES 1
#include "kernels/leaf_all.h"
