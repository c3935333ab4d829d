/* isa_avx512.c - the leaf loops for CPUs with AVX-512: vectors of 16 floats. Nothing but the instruction set
 * differs from its sisters; the code is in leaf_*.h. */
#include "kernels/isa.h"

#if defined(__x86_64__)
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#define MNAS_LEAF_ISA   avx512
#define MNAS_LEAF_LANES 16
#include "kernels/leaf_all.h"
#endif
