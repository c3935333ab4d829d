/* isa_sse2.c - the leaf loops for every CPU of the compiler's target: vectors of 4 floats. Nothing but the
 * instruction set differs from its sisters; the code is in leaf_*.h. */
#define MNAS_LEAF_ISA   sse2
#define MNAS_LEAF_LANES 4
#include "kernels/leaf_all.h"
