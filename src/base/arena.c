/* arena.c - chunks of memory that are only ever freed together.
 *
 * It never gives single objects back and never moves one. Invariant: every chunk starts on a 64-byte boundary
 * and its header fills one such line, so that offsets that are multiples of 64 are aligned addresses.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define ALIGN       ((size_t)64)
#define CHUNK_BYTES ((size_t)1 << 16)

typedef struct chunk {
    struct chunk *next;
    size_t used, cap; /* bytes, the header's line included */
} chunk;

struct mnas_arena {
    chunk *chunks; /* the first one is being filled */
};

mnas_arena *mnas_arena_create(void) {
    mnas_arena *arena = calloc(1, sizeof *arena);
    if (!arena) mnas_error_set(MNAS_ERR_MEMORY, "out of memory: no arena");
    return arena;
}

void mnas_arena_destroy(mnas_arena *arena) {
    if (!arena) return;
    for (chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(arena);
}

/* A new chunk of `cap` bytes as the arena's first. */
static chunk *grow(mnas_arena *arena, size_t cap) {
    void *memory;
    if (posix_memalign(&memory, ALIGN, cap) != 0) return NULL;
    chunk *c = memory;
    *c = (chunk){arena->chunks, ALIGN, cap};
    arena->chunks = c;
    return c;
}

/* A chunk with `padded` free bytes, `exact` of which are wanted. */
static chunk *find_room(mnas_arena *arena, size_t exact, size_t padded) {
#ifdef MNAS_DEBUG_ARENA
    (void)padded;
    return grow(arena, ALIGN + exact); /* to the byte: a write past the end is seen */
#else
    (void)exact;
    chunk *c = arena->chunks;
    if (c && c->cap - c->used >= padded) return c;
    return grow(arena, ALIGN + (padded > CHUNK_BYTES ? padded : CHUNK_BYTES));
#endif
}

void *mnas_arena_alloc(mnas_arena *arena, size_t bytes) {
    size_t padded = (bytes + !bytes + ALIGN - 1) & ~(ALIGN - 1); /* at least 1: addresses are distinct */
    chunk *c = bytes < SIZE_MAX / 2 ? find_room(arena, bytes, padded) : NULL;
    if (!c) {
        mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu bytes wanted", bytes);
        return NULL;
    }
    void *memory = (char *)c + c->used;
    c->used += padded;
    return memset(memory, 0, bytes);
}

char *mnas_arena_strdup(mnas_arena *arena, const char *text) {
    size_t n = strlen(text);
    char *copy = mnas_arena_alloc(arena, n + 1);
    if (copy) memcpy(copy, text, n);
    return copy;
}
