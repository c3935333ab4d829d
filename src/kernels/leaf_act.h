/* leaf_act.h - activations on vectors, forward and backward; included by leaf_all.h.
 *
 * `act` is a constant wherever these are called, so that each pass is compiled once per activation and nothing
 * is decided inside a loop. Values and slopes are those of model/act.h, in float.
 */

/* exp(x) for x in [-87, 87]: 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2, and e^r as a polynomial (Cephes'
 * expf; 2 units in the last place). Adding 1.5 * 2^23 rounds, and leaves n in the low bits of the float. NaN stays NaN. */
LEAF_INLINE vec exponential(vec x) {
    const vec shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    const vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts */
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (vec)(((ivec)shifted << 23) + 0x3f800000);
}

LEAF_INLINE vec sigmoid(vec x) {
    const vec bound = (vec){0} + 87.0f;
    return 1.0f / (1.0f + exponential(-clamped(x, -bound, bound)));
}

LEAF_INLINE vec hard_sigmoid(vec x) {
    return clamped(x * (1 / 6.0f) + 0.5f, (vec){0}, (vec){0} + 1.0f);
}

/* Clipping activations are the bounds themselves; for the others low and high are not looked at. */
LEAF_INLINE vec activated(vec x, vec low, vec high, const mnas_act act) {
    if (act == MNAS_ACT_SWISH) return x * sigmoid(x);
    if (act == MNAS_ACT_HSWISH) return x * hard_sigmoid(x);
    return clamped(x, low, high);
}

/* dy times the slope at x: (x s)' = s + x s' */
LEAF_INLINE vec passed_back(vec x, vec low, vec high, vec dy, const mnas_act act) {
    if (act == MNAS_ACT_SWISH) {
        const vec s = sigmoid(x);
        return dy * (s + x * s * (1.0f - s));
    }
    if (act == MNAS_ACT_HSWISH) {
        const vec three = (vec){0} + 3.0f;
        return dy * (hard_sigmoid(x) + where_inside(x, -three, three, x * (1 / 6.0f)));
    }
    return where_inside(x, low, high, dy);
}
