/* leaf_act.h - activations on WIDTH floats, forward and backward; included by leaf_all.h once for each width.
 *
 * `act` is a constant wherever these are called, so that each pass is compiled once per activation and nothing
 * is decided inside a loop. Values and slopes are those of model/act.h, in float.
 */
#define V     LEAF_CAT(vec, WIDTH)
#define FN(x) LEAF_CAT(x##_, WIDTH)

/* clamped: NaN stays NaN, so that a diverged step shows; on x86 the second operand of max and min wins then.
 * where_inside: x where low < y < high, else 0. */
#if WIDTH == 16
LEAF_INLINE V FN(clamped)(V x, V low, V high) {
    return _mm512_min_ps(high, _mm512_max_ps(low, x));
}
LEAF_INLINE V FN(where_inside)(V y, V low, V high, V x) {
    const __mmask16 above = _mm512_cmp_ps_mask(y, low, _CMP_GT_OQ);
    return _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask(above, y, high, _CMP_LT_OQ), x);
}
#elif WIDTH == 8
LEAF_INLINE V FN(clamped)(V x, V low, V high) {
    return _mm256_min_ps(high, _mm256_max_ps(low, x));
}
LEAF_INLINE V FN(where_inside)(V y, V low, V high, V x) {
    const __m256 above = _mm256_cmp_ps(y, low, _CMP_GT_OQ), below = _mm256_cmp_ps(y, high, _CMP_LT_OQ);
    return _mm256_and_ps(x, _mm256_and_ps(above, below));
}
#elif WIDTH == 4
LEAF_INLINE V FN(where_inside)(V y, V low, V high, V x) {
    return (V)((mask4)x & (y > low) & (y < high));
}
LEAF_INLINE V FN(clamped)(V x, V low, V high) {
    const mask4 below = x<low, above = x> high;
    return (V)((below & (mask4)low) | (above & (mask4)high) | (~(below | above) & (mask4)x));
}
#else
LEAF_INLINE V FN(where_inside)(V y, V low, V high, V x) {
    return y > low && y < high ? x : 0;
}
LEAF_INLINE V FN(clamped)(V x, V low, V high) {
    return x < low ? low : x > high ? high : x;
}
#endif

/* 2^n of the integer in the low bits of shifted. */
LEAF_INLINE V FN(power_of_two)(V shifted) {
    LEAF_CAT(bits, WIDTH) n;
    memcpy(&n, &shifted, sizeof n);
    n = (n << 23) + 0x3f800000;
    memcpy(&shifted, &n, sizeof n);
    return shifted;
}

/* exp(x) for x in [-87, 87]: 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2, and e^r as a polynomial (Cephes'
 * expf; 2 units in the last place). Adding 1.5 * 2^23 rounds, and leaves n in the low bits of the float. NaN stays NaN. */
LEAF_INLINE V FN(exponential)(V x) {
    const V shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts */
    V p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * FN(power_of_two)(shifted);
}

LEAF_INLINE V FN(sigmoid)(V x) {
    const V bound = (V){0} + 87.0f;
    return 1.0f / (1.0f + FN(exponential)(-FN(clamped)(x, -bound, bound)));
}

LEAF_INLINE V FN(hard_sigmoid)(V x) {
    return FN(clamped)(x * (1 / 6.0f) + 0.5f, (V){0}, (V){0} + 1.0f);
}

/* Clipping activations are the bounds themselves; for the others low and high are not looked at. */
LEAF_INLINE V FN(activated)(V x, V low, V high, const mnas_act act) {
    if (act == MNAS_ACT_SWISH) return x * FN(sigmoid)(x);
    if (act == MNAS_ACT_HSWISH) return x * FN(hard_sigmoid)(x);
    return FN(clamped)(x, low, high);
}

/* dy times the slope at x: (x s)' = s + x s' */
LEAF_INLINE V FN(passed_back)(V x, V low, V high, V dy, const mnas_act act) {
    if (act == MNAS_ACT_SWISH) {
        const V s = FN(sigmoid)(x);
        return dy * (s + x * s * (1.0f - s));
    }
    if (act == MNAS_ACT_HSWISH) {
        const V three = (V){0} + 3.0f;
        return dy * (FN(hard_sigmoid)(x) + FN(where_inside)(x, -three, three, x * (1 / 6.0f)));
    }
    return FN(where_inside)(x, low, high, dy);
}

#undef V
#undef FN
