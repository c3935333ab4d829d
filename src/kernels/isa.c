/* isa.c - which instruction set's leaf loops run here. It holds no loop itself. */
#include "kernels/isa.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(const mnas_isa *) chosen;

/* The sets with vectors, and the one for bf16, by what the CPU says of itself; other targets than x86-64 leave no choice. */
#if defined(__x86_64__)
static size_t list_vectors(const mnas_isa **list) {
    size_t n = 0;
    __builtin_cpu_init();
    const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    if (has_avx512) list[n++] = &mnas_isa_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list[n++] = &mnas_isa_avx2;
    list[n++] = &mnas_isa_sse2;
    return n;
}
static const mnas_isa *bf16_beside(const mnas_isa *isa) {
    __builtin_cpu_init();
    return isa == &mnas_isa_avx512 && __builtin_cpu_supports("avx512bf16") ? &mnas_isa_avx512_bf16 : NULL;
}
#else
static size_t list_vectors(const mnas_isa **list) {
#if defined(__aarch64__)
    *list = &mnas_isa_neon;
    return 1;
#else
    (void)list;
    return 0;
#endif
}
static const mnas_isa *bf16_beside(const mnas_isa *isa) {
    (void)isa;
    return NULL;
}
#endif

size_t mnas_isa_list(const mnas_isa *list[MNAS_ISA_MAX_SETS]) {
    const size_t n = list_vectors(list);
    list[n] = &mnas_isa_portable;
    return n + 1;
}

static const mnas_isa *choose(void) {
    const mnas_isa *list[MNAS_ISA_MAX_SETS];
    const size_t n = mnas_isa_list(list);
    const char *wish = getenv("MNAS_ISA");
    for (size_t i = 0; wish && i < n; i++)
        if (strcmp(list[i]->name, wish) == 0) return list[i];
    return list[0];
}

const mnas_isa *mnas_isa_get(void) {
    const mnas_isa *isa = atomic_load(&chosen);
    if (isa) return isa;
    isa = choose();
    atomic_store(&chosen, isa);
    return isa;
}

const mnas_isa *mnas_isa_of(mnas_elem elem) {
    const mnas_isa *isa = mnas_isa_get();
    return elem == MNAS_ELEM_F32 ? isa : bf16_beside(isa);
}

void mnas_isa_force(const mnas_isa *isa) {
    atomic_store(&chosen, isa);
}
