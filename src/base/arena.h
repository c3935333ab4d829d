/* arena.h - memory that is released together: one arena per process, study, trial or plan.
 *
 * Allocations are 64-byte aligned and zeroed. With MNAS_DEBUG_ARENA every object is its own malloc, so that sanitizers
 * see each one. Not thread safe. Out of memory returns NULL with MNAS_ERR_MEMORY's message set.
 */
#ifndef MNAS_BASE_ARENA_H
#define MNAS_BASE_ARENA_H

#include <stddef.h>

typedef struct mnas_arena mnas_arena;

mnas_arena *mnas_arena_create(void);
void mnas_arena_destroy(mnas_arena *arena); /* NULL is allowed */
void *mnas_arena_alloc(mnas_arena *arena, size_t bytes);
char *mnas_arena_strdup(mnas_arena *arena, const char *text);

#endif
