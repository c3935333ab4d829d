/* leaf_vec.h - WIDTH floats from and to memory; included by leaf_all.h once for each width.
 *
 * Tensors hold elements: floats, or with MNAS_LEAF_BF16 their upper halves, rounded to even when stored: get and put.
 * load and store are for everything else, which is always float.
 */
#define V     LEAF_CAT(vec, WIDTH)
#define FN(x) LEAF_CAT(x##_, WIDTH)

LEAF_INLINE V FN(load)(const float *p) {
    return *(const V *)p;
}
LEAF_INLINE void FN(store)(float *p, V x) {
    *(V *)p = x;
}

#ifndef MNAS_LEAF_BF16
LEAF_INLINE V FN(get)(const elem *p) {
    return FN(load)(p);
}
LEAF_INLINE void FN(put)(elem *p, V x) {
    FN(store)(p, x);
}
#elif WIDTH == 16
LEAF_INLINE V FN(get)(const elem *p) {
    return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)p)), 16);
}
LEAF_INLINE void FN(put)(elem *p, V x) {
    _mm256_storeu_si256((__m256i_u *)p, (__m256i)_mm512_cvtneps_pbh(x));
}
#elif WIDTH == 8
LEAF_INLINE V FN(get)(const elem *p) {
    return (V)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i_u *)p)), 16);
}
LEAF_INLINE void FN(put)(elem *p, V x) {
    _mm_storeu_si128((__m128i_u *)p, (__m128i)_mm256_cvtneps_pbh(x));
}
#elif WIDTH == 4
LEAF_INLINE V FN(get)(const elem *p) {
    return (V)_mm_slli_epi32(_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i_u *)p)), 16);
}
LEAF_INLINE void FN(put)(elem *p, V x) {
    _mm_storel_epi64((__m128i_u *)p, (__m128i)_mm_cvtneps_pbh(x));
}
#else
LEAF_INLINE V FN(get)(const elem *p) {
    return mnas_bf16_to_float(*p);
}
LEAF_INLINE void FN(put)(elem *p, V x) {
    *p = mnas_bf16_of(x);
}
#endif

#undef V
#undef FN
