/* flatbuffer.h - writes FlatBuffers: tables, vectors and strings that refer to one another by offsets.
 *
 * The format is written from its end to its beginning, children before their parents, so that every offset points
 * forward. A thing written is known by its distance from the end (mnas_flat_ref); 0 stands for absent. The schema is the caller's:
 * fields go by their number in it. Errors stick (mnas_flat_ok); a failed buffer gives refs of 0.
 *
 *     mnas_flat_ref name = mnas_flat_string(&flat, "image");
 *     mnas_flat_ref t = MNAS_FLAT_TABLE(&flat, MNAS_FLAT_REF(3, name), MNAS_FLAT_I32(2, 7));
 *     mnas_flat_finish(&flat, t, "TFL3");
 */
#ifndef MNAS_EXPORTER_FLATBUFFER_H
#define MNAS_EXPORTER_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t mnas_flat_ref;

typedef struct mnas_flat {
    uint8_t *data; /* [cap]; what is written are its last `used` bytes */
    size_t cap, used;
    bool failed; /* out of memory, or 2 GiB are not enough */
} mnas_flat;

typedef struct mnas_flat_field {
    int id, bytes; /* 1 or 4; 0 ends a list; a negative number: `value` is a ref */
    uint32_t value;
} mnas_flat_field;

enum { MNAS_FLAT_MAX_FIELDS = 8 };
#define MNAS_FLAT_I8(id, value)                                                                              \
    { id, 1, (uint32_t)(value) }
#define MNAS_FLAT_I32(id, value)                                                                             \
    { id, 4, (uint32_t)(value) }
#define MNAS_FLAT_REF(id, value)                                                                             \
    { id, -4, value }
#define MNAS_FLAT_TABLE(flat, ...) mnas_flat_table(flat, (const mnas_flat_field[]){__VA_ARGS__, {0, 0, 0}})

mnas_flat_ref mnas_flat_string(mnas_flat *flat, const char *text);
/* n bytes, the first of them at a multiple of 16. */
mnas_flat_ref mnas_flat_bytes(mnas_flat *flat, const void *bytes, size_t n);
mnas_flat_ref mnas_flat_ints(mnas_flat *flat, const int32_t *values, size_t n);
mnas_flat_ref mnas_flat_refs(mnas_flat *flat, const mnas_flat_ref *refs, size_t n);
/* At most MNAS_FLAT_MAX_FIELDS; refs of 0 are left out. */
mnas_flat_ref mnas_flat_table(mnas_flat *flat, const mnas_flat_field *fields);
/* The file is then data + cap - used, of `used` bytes. `identifier` has 4 characters. */
void mnas_flat_finish(mnas_flat *flat, mnas_flat_ref root, const char *identifier);
bool mnas_flat_ok(const mnas_flat *flat);
void mnas_flat_free(mnas_flat *flat);

#endif
