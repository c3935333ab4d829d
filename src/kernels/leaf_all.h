/* leaf_all.h - all leaf loops for one instruction set; included once by each isa_*.c, which defines
 * MNAS_LEAF_ISA (its name) and MNAS_LEAF_LANES (floats in its widest vector). No include guard needed, no
 * function visible outside: only the record.
 *
 * Vectors are GCC's vector extension with the alignment of a float, so that any address may be loaded.
 */
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

/* clamped: NaN stays NaN, so that a diverged step shows; on x86 the second operand of max and min wins then.
 * where_inside: x where low < y < high, else 0. */
#if MNAS_LEAF_LANES == 16
LEAF_INLINE vec clamped(vec x, vec low, vec high) {
    return _mm512_min_ps(high, _mm512_max_ps(low, x));
}
LEAF_INLINE vec where_inside(vec y, vec low, vec high, vec x) {
    const __mmask16 above = _mm512_cmp_ps_mask(y, low, _CMP_GT_OQ);
    return _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(above, y, high, _CMP_LT_OQ), x);
}
#elif MNAS_LEAF_LANES == 8
LEAF_INLINE vec clamped(vec x, vec low, vec high) {
    return _mm256_min_ps(high, _mm256_max_ps(low, x));
}
LEAF_INLINE vec where_inside(vec y, vec low, vec high, vec x) {
    const __m256 above = _mm256_cmp_ps(y, low, _CMP_GT_OQ), below = _mm256_cmp_ps(y, high, _CMP_LT_OQ);
    return _mm256_and_ps(x, _mm256_and_ps(above, below));
}
#else
typedef int32_t mask4 __attribute__((vector_size(16)));
LEAF_INLINE vec where_inside(vec y, vec low, vec high, vec x) {
    return (vec)((mask4)x & (y > low) & (y < high));
}
LEAF_INLINE vec clamped(vec x, vec low, vec high) {
    const mask4 below = x<low, above = x> high;
    return (vec)((below & (mask4)low) | (above & (mask4)high) | (~(below | above) & (mask4)x));
}
#endif

#if MNAS_LEAF_LANES >= 16
#define WIDTH 16
#include "kernels/leaf_dw.h"
#undef WIDTH
#endif
#if MNAS_LEAF_LANES >= 8
#define WIDTH 8
#include "kernels/leaf_dw.h"
#undef WIDTH
#endif
#define WIDTH 4
#include "kernels/leaf_dw.h"
#undef WIDTH
#define WIDTH 1
#include "kernels/leaf_dw.h"
#undef WIDTH
#include "kernels/leaf_bn.h"
#include "kernels/leaf_map.h"

#if MNAS_LEAF_LANES >= 16
#define LEAF_IF_16(call)                                                                                     \
    if (width == 16) {                                                                                       \
        call(16);                                                                                            \
        return;                                                                                              \
    }
#else
#define LEAF_IF_16(call)
#endif
#if MNAS_LEAF_LANES >= 8
#define LEAF_IF_8(call)                                                                                      \
    if (width == 8) {                                                                                        \
        call(8);                                                                                             \
        return;                                                                                              \
    }
#else
#define LEAF_IF_8(call)
#endif

static void dw_row(const mnas_dw_row *row, size_t c, size_t width) {
#define CALL(w) dw_row_##w(row, c)
    LEAF_IF_16(CALL)
    LEAF_IF_8(CALL)
    if (width == 4)
        CALL(4);
    else
        CALL(1);
#undef CALL
}

static void dw_weight(const mnas_dw_weight *w, size_t c, size_t width) {
#define CALL(n) dw_weight_##n(w, c)
    LEAF_IF_16(CALL)
    LEAF_IF_8(CALL)
    if (width == 4)
        CALL(4);
    else
        CALL(1);
#undef CALL
}

const mnas_isa LEAF_CAT(mnas_isa_, MNAS_LEAF_ISA) = {
    LEAF_TEXT(MNAS_LEAF_ISA),
    MNAS_LEAF_LANES,
    dw_row,
    dw_weight,
    bn_sums,
    bn_apply,
    bn_gradient_sums,
    bn_gradient,
    accumulate,
    clamp,
    clamp_gradient,
    add,
    column_sums,
    column_dots,
    column_affine,
    multiply,
    dot,
    axpy,
};
