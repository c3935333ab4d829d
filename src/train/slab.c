/* slab.c - the mapping behind a plan. It places nothing: ops/memory.c does. */
#include "train/slab.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/error.h"

enum { HUGE_PAGE_BYTES = 2 << 20 };

int mnas_slab_map(mnas_slab *out, size_t bytes) {
    *out = (mnas_slab){0};
    if (bytes == 0) return 0;
    size_t map_bytes = bytes + HUGE_PAGE_BYTES;
    void *map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        mnas_error_errno("cannot map %zu bytes for a training step", bytes);
        return MNAS_ERR_MEMORY;
    }
    size_t over = (uintptr_t)map % HUGE_PAGE_BYTES;
    *out = (mnas_slab){(char *)map + (over ? HUGE_PAGE_BYTES - over : 0), bytes, map, map_bytes};
    madvise(map, map_bytes, MADV_HUGEPAGE); /* advice: where the kernel has none, small pages do */
    return 0;
}

void mnas_slab_unmap(mnas_slab *slab) {
    if (slab->map) munmap(slab->map, slab->map_bytes);
    *slab = (mnas_slab){0};
}
