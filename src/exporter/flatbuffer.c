/* flatbuffer.c - see flatbuffer.h; the format: flatbuffers.dev, "FlatBuffer Internals".
 *
 * Invariant: whatever is aligned is aligned counted from the end, and finishing rounds the whole to 16, so that it is so
 * counted from the beginning too.
 */
#include "exporter/flatbuffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/round.h"

enum { ALIGN = 16 };
static const size_t max_bytes = ((size_t)1 << 31) - 1; /* offsets are signed in part */

static bool grow(mnas_flat *f, size_t bytes) {
    if (f->used + bytes <= f->cap) return true;
    size_t cap = f->cap ? f->cap : 1024;
    while (cap < f->used + bytes) cap *= 2;
    uint8_t *data = cap <= 2 * max_bytes && f->used + bytes <= max_bytes ? malloc(cap) : NULL;
    if (!data) {
        f->failed = true;
        return false;
    }
    if (f->used) memcpy(data + cap - f->used, f->data + f->cap - f->used, f->used);
    free(f->data);
    f->data = data;
    f->cap = cap;
    return true;
}

/* Puts n bytes in front; false where there is no room. */
static bool put(mnas_flat *f, const void *bytes, size_t n) {
    if (f->failed || !grow(f, n)) return false;
    f->used += n;
    if (n) memcpy(f->data + f->cap - f->used, bytes, n);
    return true;
}

/* Zeros, until what is put next, `bytes` long, begins at a multiple of `align`. */
static void pad(mnas_flat *f, size_t align, size_t bytes) {
    static const uint8_t zeros[ALIGN];
    put(f, zeros, mnas_round_up(f->used + bytes, align) - f->used - bytes);
}

static void put_u32(mnas_flat *f, uint32_t value) {
    put(f, &value, sizeof value); /* little-endian, as all our targets are */
}

/* The offset of something written from the place the offset itself takes. */
static void put_offset(mnas_flat *f, mnas_flat_ref to) {
    put_u32(f, (uint32_t)f->used + 4 - to);
}

static mnas_flat_ref here(const mnas_flat *f) {
    return f->failed ? 0 : (mnas_flat_ref)f->used;
}

static mnas_flat_ref vector(mnas_flat *f, const void *bytes, size_t n, size_t item_bytes, size_t align) {
    pad(f, align, n * item_bytes);
    put(f, bytes, n * item_bytes);
    put_u32(f, (uint32_t)n);
    return here(f);
}

mnas_flat_ref mnas_flat_string(mnas_flat *f, const char *text) {
    const size_t n = strlen(text);
    pad(f, 4, n + 1);
    put(f, text, n + 1);
    put_u32(f, (uint32_t)n); /* without the NUL behind it */
    return here(f);
}

mnas_flat_ref mnas_flat_bytes(mnas_flat *f, const void *bytes, size_t n) {
    return vector(f, bytes, n, 1, ALIGN);
}

mnas_flat_ref mnas_flat_ints(mnas_flat *f, const int32_t *values, size_t n) {
    return vector(f, values, n, sizeof *values, 4);
}

mnas_flat_ref mnas_flat_refs(mnas_flat *f, const mnas_flat_ref *refs, size_t n) {
    pad(f, 4, 0);
    for (size_t i = n; i-- > 0;) put_offset(f, refs[i]);
    put_u32(f, (uint32_t)n);
    return here(f);
}

/* A table is the distance to its vtable, then its fields; the vtable stands in front and has where each field is in it. */
mnas_flat_ref mnas_flat_table(mnas_flat *f, const mnas_flat_field *fields) {
    uint16_t vtable[2 + MNAS_FLAT_MAX_FIELDS] = {0};
    size_t at[MNAS_FLAT_MAX_FIELDS] = {0};
    int n_ids = 0;
    pad(f, 4, 0);
    const size_t end = f->used;
    for (; fields->bytes; fields++) {
        assert(fields->id < MNAS_FLAT_MAX_FIELDS);
        if (fields->bytes < 0 && fields->value == 0) continue;
        pad(f, 4, 4); /* bytes too take four: there are few of them */
        if (fields->bytes < 0)
            put_offset(f, fields->value);
        else
            put_u32(f, fields->bytes == 1 ? fields->value & 255 : fields->value);
        at[fields->id] = f->used;
        if (fields->id >= n_ids) n_ids = fields->id + 1;
    }
    const size_t vtable_bytes = (2 + (size_t)n_ids) * sizeof *vtable,
                 gap = mnas_round_up(vtable_bytes, 4) - vtable_bytes;
    put_u32(f, (uint32_t)(vtable_bytes + gap)); /* from the vtable in front of it */
    const mnas_flat_ref table = here(f);
    vtable[0] = (uint16_t)vtable_bytes;
    vtable[1] = (uint16_t)(f->used - end);
    for (int i = 0; i < n_ids; i++)
        if (at[i]) vtable[2 + i] = (uint16_t)(f->used - at[i]);
    put(f, (const uint8_t[4]){0}, gap); /* between both: the vtable begins at a multiple of 4 */
    put(f, vtable, vtable_bytes);
    return table;
}

void mnas_flat_finish(mnas_flat *f, mnas_flat_ref root, const char *identifier) {
    pad(f, ALIGN, 8);
    put(f, identifier, 4);
    put_offset(f, root);
}

bool mnas_flat_ok(const mnas_flat *f) {
    return !f->failed;
}

void mnas_flat_free(mnas_flat *f) {
    free(f->data);
    *f = (mnas_flat){0};
}
