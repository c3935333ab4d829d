/* leaf_all.h - all leaf loops for one instruction set; included once by each isa_*.c, which defines
 * MNAS_LEAF_ISA (its name) and MNAS_LEAF_LANES (floats in its widest vector), and MNAS_LEAF_BF16 where
 * tensors hold bf16. No include guard needed, no
 * function visible outside: only the record.
 */
#include "kernels/leaf_types.h"

/* Stores that leave the cache alone, for aligned addresses; store_fence() before anyone else reads. */
#if defined(__x86_64__) && MNAS_LEAF_LANES > 1
LEAF_INLINE void store_past_cache(float *p, vec x) {
#if MNAS_LEAF_LANES == 16
    _mm512_stream_ps(p, x);
#elif MNAS_LEAF_LANES == 8
    _mm256_stream_ps(p, x);
#else
    _mm_stream_ps(p, x);
#endif
}
LEAF_INLINE void store_fence(void) {
    _mm_sfence();
}
#else
LEAF_INLINE void store_past_cache(float *p, vec x) {
    *(vec *)p = x;
}
LEAF_INLINE void store_fence(void) {}
#endif

/* y is aligned to a vector of elements. */
LEAF_INLINE void put_past_cache(elem *p, vec x) {
#ifdef MNAS_LEAF_BF16
    _mm256_stream_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh(x));
#else
    store_past_cache(p, x);
#endif
}

#if MNAS_LEAF_LANES >= 16
#define WIDTH 16
#include "kernels/leaf_blocks.h"
#undef WIDTH
#endif
#if MNAS_LEAF_LANES >= 8
#define WIDTH 8
#include "kernels/leaf_blocks.h"
#undef WIDTH
#endif
#if MNAS_LEAF_LANES >= 4
#define WIDTH 4
#include "kernels/leaf_blocks.h"
#undef WIDTH
#endif
#define WIDTH 1
#include "kernels/leaf_blocks.h"
#undef WIDTH
/* Of whole vectors. */
#define activated   LEAF_CAT(activated_, MNAS_LEAF_LANES)
#define passed_back LEAF_CAT(passed_back_, MNAS_LEAF_LANES)
#define load        LEAF_CAT(load_, MNAS_LEAF_LANES)
#define store       LEAF_CAT(store_, MNAS_LEAF_LANES)
#define get         LEAF_CAT(get_, MNAS_LEAF_LANES)
#define put         LEAF_CAT(put_, MNAS_LEAF_LANES)
#include "kernels/leaf_bn.h"
#include "kernels/leaf_elem.h"
#include "kernels/leaf_map.h"

/* fn over a block of `width` channels: a call of the instance for that width. */
#if MNAS_LEAF_LANES >= 16
#define INSTANCE(fn, call)                                                                                   \
    width == 16 ? fn##_16(call) : width == 8 ? fn##_8(call) : width == 4 ? fn##_4(call) : fn##_1(call)
#elif MNAS_LEAF_LANES >= 8
#define INSTANCE(fn, call) width == 8 ? fn##_8(call) : width == 4 ? fn##_4(call) : fn##_1(call)
#elif MNAS_LEAF_LANES >= 4
#define INSTANCE(fn, call) width == 4 ? fn##_4(call) : fn##_1(call)
#else
#define INSTANCE(fn, call) (void)width, fn##_1(call)
#endif
#define BY_WIDTH(fn, record)                                                                                 \
    static void fn(const record *call, size_t width) {                                                       \
        INSTANCE(fn, call);                                                                                  \
    }

BY_WIDTH(dw_fill, mnas_dw_fill)
BY_WIDTH(dw_row, mnas_dw_row)
BY_WIDTH(dw_weight, mnas_dw_weight)
BY_WIDTH(dw_drain, mnas_dw_drain)
BY_WIDTH(gate_pool, mnas_gate)
BY_WIDTH(gate_scale, mnas_gate)
BY_WIDTH(gate_dots, mnas_gate)
BY_WIDTH(gate_gradient, mnas_gate)
BY_WIDTH(add_normed, mnas_add)

const mnas_isa LEAF_CAT(mnas_isa_, MNAS_LEAF_ISA) = {
    LEAF_TEXT(MNAS_LEAF_ISA),
    MNAS_LEAF_LANES,
    sizeof(elem),
    dw_fill,
    dw_row,
    dw_weight,
    dw_drain,
    gate_pool,
    gate_scale,
    gate_dots,
    gate_gradient,
    add_normed,
    bn_sums,
    bn_apply,
    bn_apply_stream,
    bn_gradient_sums,
    bn_gradient,
    narrow,
    widen,
    copy_stream,
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
    dropout,
};
