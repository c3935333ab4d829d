/* leaf_types.h - what every file of leaf loops begins with: the vectors of one instruction set. Included by leaf_all.h and
 * leaf_tile.h, for which isa_*.c and tile_*.c define MNAS_LEAF_ISA (its name), MNAS_LEAF_LANES (floats in its widest
 * vector), and MNAS_LEAF_BF16 where tensors hold bf16.
 *
 * Vectors are GCC's vector extension with the alignment of a float, so that any address may be loaded.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/isa.h"

#define LEAF_CAT2(a, b) a##b
#define LEAF_CAT(a, b)  LEAF_CAT2(a, b)
#define LEAF_TEXT2(a)   #a
#define LEAF_TEXT(a)    LEAF_TEXT2(a)
#define LEAF_INLINE     static inline __attribute__((always_inline))

typedef float vec16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float vec1 __attribute__((aligned(4), may_alias));
typedef LEAF_CAT(vec, MNAS_LEAF_LANES) vec;
typedef uint32_t bits16 __attribute__((vector_size(64)));
typedef uint32_t bits8 __attribute__((vector_size(32)));
typedef uint32_t bits4 __attribute__((vector_size(16)));
typedef uint32_t bits1;
typedef int32_t mask4 __attribute__((vector_size(16)));

#ifdef MNAS_LEAF_BF16
typedef uint16_t elem;
#else
typedef float elem;
#endif
