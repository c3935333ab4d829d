/* engine_native.c - our own kernels, one thread: the built-in engine that needs no library. See native.h for its parts.
 *
 * All weights and maps are one slab, on huge pages where the system has them: the time then does not depend on which pages a
 * process happens to get.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/round.h"
#include "infer/native.h"

enum { HUGE_PAGE_BYTES = 2 << 20 };

static int map_slab(mnas_native *net) {
    net->slab_bytes = mnas_round_up(net->slab_bytes, HUGE_PAGE_BYTES);
    net->slab = aligned_alloc(HUGE_PAGE_BYTES, net->slab_bytes);
    if (!net->slab)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu MB for a network's weights and maps",
                              net->slab_bytes >> 20);
    (void)madvise(net->slab, net->slab_bytes, MADV_HUGEPAGE); /* else ordinary pages */
    memset(net->slab, 0, net->slab_bytes);
    return 0;
}

static void destroy(void *of) {
    mnas_native *net = of;
    free(net->slab);
    mnas_arena_destroy(net->arena);
    free(net);
}

static int create(void **of, const void *opts, const mnas_infer_job *job) {
    (void)opts;
    if (job->n_threads != 1)
        return mnas_error_set(MNAS_ERR_INVALID, "%d threads; this engine runs on 1 (xnnpack takes more)",
                              job->n_threads);
    mnas_native *net = calloc(1, sizeof *net);
    if (!net) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: network");
    net->tile = mnas_tile_get();
    net->isa = mnas_isa_get();
    int rc = (net->arena = mnas_arena_create()) ? 0 : MNAS_ERR_MEMORY;
    if (rc == 0) rc = mnas_native_plan(net, job);
    if (rc == 0) rc = map_slab(net);
    if (rc < 0) {
        destroy(net);
        return rc;
    }
    mnas_native_pack(net);
    *of = net;
    return 0;
}

static float *input(void *of) {
    const mnas_native *net = of;
    return mnas_native_at(net, net->image);
}

static const float *output(void *of) {
    const mnas_native *net = of;
    return mnas_native_at(net, net->logits);
}

static int n_layers(void *of) {
    return ((mnas_native *)of)->n_steps;
}

static int layer_node(void *of, int i) {
    return ((mnas_native *)of)->steps[i].node;
}

static int invoke_layer(void *of, int i) {
    const mnas_native *net = of;
    net->steps[i].run(net, &net->steps[i]);
    return 0;
}

static int invoke(void *of) {
    for (int i = 0; i < n_layers(of); i++) (void)invoke_layer(of, i);
    return 0;
}

static const char *version(void *of) {
    return ((mnas_native *)of)->tile->name;
}

const mnas_infer_class mnas_infer_class_native = {
    .plugin = {"native", "our own kernels for AVX-512, AVX2, SSE2 and NEON; one thread", NULL, 0},
    .create = create,
    .input = input,
    .output = output,
    .invoke = invoke,
    .n_layers = n_layers,
    .layer_node = layer_node,
    .invoke_layer = invoke_layer,
    .version = version,
    .destroy = destroy,
};
