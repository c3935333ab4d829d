/* isa_base.c - the leaf loops for what every CPU of the compiler's target has, where those are vectors of 4 floats: SSE2 on
 * x86-64, NEON on aarch64, through the compiler's vector extensions. Other targets have isa_portable.c alone. */
#include "kernels/isa.h"

#if defined(__x86_64__)
#define MNAS_LEAF_ISA sse2
#elif defined(__aarch64__)
#define MNAS_LEAF_ISA neon
#endif
#ifdef MNAS_LEAF_ISA
#define MNAS_LEAF_LANES 4
#include "kernels/leaf_all.h"
#endif
