/* leaf_gate.h - pooling, gating and adding of pixels behind a batch-norm, for WIDTH channels; included by leaf_all.h
 * once for each width. See isa.h for the formulas.
 *
 * Without a norm every one of them takes the tensor as it is. Four sums at a time need not wait for each other.
 */
#define V     LEAF_CAT(vec, WIDTH)
#define FN(x) LEAF_CAT(x##_, WIDTH)

typedef enum FN(gate_mode) { FN(GATE_POOL), FN(GATE_SCALE), FN(GATE_DOTS), FN(GATE_GRADIENT) } FN(gate_mode);

typedef struct FN(gate_block) {
    FN(coefficients) k;
    V scale, add, sum[4], product[4];
} FN(gate_block);

/* The pixel at `at`; mode, normed and act are constants. */
LEAF_INLINE void FN(gate_pixel)(const mnas_gate *g, FN(gate_block) * b, size_t at, const FN(gate_mode) mode,
                                const bool normed, const mnas_act act, const int lane) {
    const FN(coefficients) *k = &b->k;
    const V x = mode == FN(GATE_GRADIENT) && !normed ? (V){0} : FN(get)((const elem *)g->x + at);
    const V distance = x - k->mean, value = distance * k->scale + k->beta;
    if (mode == FN(GATE_GRADIENT)) {
        V passed = b->add;
        if (g->dy) passed += b->scale * FN(get)((const elem *)g->dy + at);
        if (normed) {
            passed = FN(passed_back)(value, k->low, k->high, passed, act);
            b->sum[lane] += passed;
            b->product[lane] += passed * distance;
        }
        if (g->dst) FN(put)((elem *)g->dst + at, passed);
        return;
    }
    const V y = normed ? FN(activated)(value, k->low, k->high, act) : x;
    if (mode == FN(GATE_POOL)) b->sum[lane] += y;
    if (mode == FN(GATE_SCALE)) FN(put)((elem *)g->dst + at, y * b->scale);
    if (mode == FN(GATE_DOTS)) b->sum[lane] += y * FN(get)((const elem *)g->dy + at);
}

LEAF_INLINE void FN(gate_pixels)(const mnas_gate *g, const FN(gate_mode) mode, const bool normed,
                                 const mnas_act act) {
    FN(gate_block) b = {.k = FN(coefficients_of)(normed ? g->norm : NULL, g->c)};
    if (g->scale) b.scale = FN(load)(g->scale + g->c);
    if (g->add) b.add = FN(load)(g->add + g->c);
    size_t at = g->at, i = 0;
    for (; i + 4 <= g->n; i += 4)
#pragma GCC unroll 4
        for (int lane = 0; lane < 4; lane++, at += g->channels)
            FN(gate_pixel)(g, &b, at, mode, normed, act, lane);
    for (; i < g->n; i++, at += g->channels) FN(gate_pixel)(g, &b, at, mode, normed, act, 0);
    const V sum = b.sum[0] + b.sum[1] + (b.sum[2] + b.sum[3]);
    if (mode == FN(GATE_POOL) || mode == FN(GATE_DOTS)) FN(store)(g->sum + g->c, sum);
    if (mode != FN(GATE_GRADIENT) || !normed) return;
    FN(add_to)(g->total, sum);
    FN(add_to)(g->total + g->norm->columns, b.product[0] + b.product[1] + (b.product[2] + b.product[3]));
}

LEAF_INLINE void FN(gate_of_act)(const mnas_gate *g, const FN(gate_mode) mode) {
    if (!g->norm)
        FN(gate_pixels)(g, mode, false, MNAS_ACT_NONE);
    else if (g->norm->act == MNAS_ACT_SWISH)
        FN(gate_pixels)(g, mode, true, MNAS_ACT_SWISH);
    else if (g->norm->act == MNAS_ACT_HSWISH)
        FN(gate_pixels)(g, mode, true, MNAS_ACT_HSWISH);
    else
        FN(gate_pixels)(g, mode, true, MNAS_ACT_NONE);
}

static void FN(gate_pool)(const mnas_gate *g) {
    FN(gate_of_act)(g, FN(GATE_POOL));
}
static void FN(gate_scale)(const mnas_gate *g) {
    FN(gate_of_act)(g, FN(GATE_SCALE));
}
static void FN(gate_dots)(const mnas_gate *g) {
    FN(gate_of_act)(g, FN(GATE_DOTS));
}
static void FN(gate_gradient)(const mnas_gate *g) {
    FN(gate_of_act)(g, FN(GATE_GRADIENT));
}

/* No norm: the coefficients that change nothing. */
LEAF_INLINE FN(coefficients) FN(coefficients_or_one)(const mnas_norm *norm, size_t c) {
    if (norm) return FN(coefficients_of)(norm, c);
    const V infinity = (V){0} + __builtin_inff();
    return (FN(coefficients)){.scale = (V){0} + 1.0f, .low = -infinity, .high = infinity};
}

LEAF_INLINE V FN(normed)(const void *x, size_t at, const FN(coefficients) * k, mnas_act act) {
    const V value = (FN(get)((const elem *)x + at) - k->mean) * k->scale + k->beta;
    return FN(activated)(value, k->low, k->high, act);
}

LEAF_INLINE void FN(add_pixels)(const mnas_add *a, mnas_act first, mnas_act second) {
    const FN(coefficients) k = FN(coefficients_or_one)(a->norm[0], a->c),
                           l = FN(coefficients_or_one)(a->norm[1], a->c);
    size_t at = a->at;
    for (size_t i = 0; i < a->n; i++, at += a->channels)
        FN(put)
        ((elem *)a->dst + at, FN(normed)(a->x[0], at, &k, first) + FN(normed)(a->x[1], at, &l, second));
}

/* What stands behind a residual addition's norms is no curve in any known network: those need not be fast. */
static void FN(add_normed)(const mnas_add *a) {
    const mnas_act first = a->norm[0] ? a->norm[0]->act : MNAS_ACT_NONE,
                   second = a->norm[1] ? a->norm[1]->act : MNAS_ACT_NONE;
    const bool curved = first == MNAS_ACT_SWISH || first == MNAS_ACT_HSWISH || second == MNAS_ACT_SWISH ||
                        second == MNAS_ACT_HSWISH;
    if (curved)
        FN(add_pixels)(a, first, second);
    else
        FN(add_pixels)(a, MNAS_ACT_NONE, MNAS_ACT_NONE);
}

#undef V
#undef FN
