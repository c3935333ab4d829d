/* isa_avx2.c - the leaf loops for CPUs with AVX2 and FMA: vectors of 8 floats. Nothing but the instruction
 * set differs from its sisters; the code is in leaf_*.h. */
#include "kernels/isa.h"

#if defined(__x86_64__)
#pragma GCC target("avx2,fma")
#define MNAS_LEAF_ISA   avx2
#define MNAS_LEAF_LANES 8
#include "kernels/leaf_all.h"
#endif
