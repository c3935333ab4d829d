/* leaf_elem.h - element-wise loops over tensors, of any length; included by leaf_all.h. */

static void narrow(const float *x, size_t n, void *y) {
    elem *to = y;
    size_t i = 0;
    for (; i + MNAS_LEAF_LANES <= n; i += MNAS_LEAF_LANES) put(to + i, load(x + i));
    for (; i < n; i++) put_1(to + i, x[i]);
}

static void widen(const void *x, size_t n, float *y) {
    const elem *from = x;
    size_t i = 0;
    for (; i + MNAS_LEAF_LANES <= n; i += MNAS_LEAF_LANES) store(y + i, get(from + i));
    for (; i < n; i++) y[i] = get_1(from + i);
}

/* Whole vectors from the first aligned address on; what is in front and behind goes the usual way. */
static void copy_stream(const void *x, size_t from, size_t n, void *y, size_t to) {
    const elem *src = (const elem *)x + from;
    elem *dst = (elem *)y + to;
    size_t i = 0;
    for (; i < n && ((uintptr_t)(dst + i) & (sizeof(vec) - 1)); i++) dst[i] = src[i];
    for (; i + sizeof(vec) / sizeof(elem) <= n; i += sizeof(vec) / sizeof(elem)) {
        vec bits; /* an element's address need not be a float's */
        memcpy(&bits, src + i, sizeof bits);
        store_past_cache((float *)(void *)(dst + i), bits);
    }
    for (; i < n; i++) dst[i] = src[i];
    store_fence();
}

static void add(const void *a, const void *b, size_t n, void *y) {
    const elem *first = a, *second = b;
    elem *to = y;
    size_t i = 0;
    for (; i + MNAS_LEAF_LANES <= n; i += MNAS_LEAF_LANES) put(to + i, get(first + i) + get(second + i));
    for (; i < n; i++) put_1(to + i, get_1(first + i) + get_1(second + i));
}
