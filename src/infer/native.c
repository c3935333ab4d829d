/* native.c - a network of the built-in engines from its plan to its end, and how it is run.
 *
 * All weights and maps are one slab, on huge pages where the system has them: the time then does not depend on which pages a
 * process happens to get.
 */
#include "infer/native.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/round.h"

enum { HUGE_PAGE_BYTES = 2 << 20 };

static int map_slab(mnas_native *net) {
    const bool huge = net->slab_bytes >= HUGE_PAGE_BYTES;
    const size_t piece = huge ? HUGE_PAGE_BYTES : MNAS_PLACE_ALIGN_BYTES;
    net->slab_bytes = mnas_round_up(net->slab_bytes, piece);
    net->slab = aligned_alloc(piece, net->slab_bytes);
    if (!net->slab)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu MB for a network's weights and maps",
                              net->slab_bytes >> 20);
    if (huge) (void)madvise(net->slab, net->slab_bytes, MADV_HUGEPAGE); /* refused: ordinary pages */
    memset(net->slab, 0, net->slab_bytes);
    return 0;
}

void mnas_native_destroy(void *of) {
    mnas_native *net = of;
    free(net->slab);
    mnas_arena_destroy(net->arena);
    free(net);
}

int mnas_native_create(mnas_native **out, const mnas_infer_job *job, bool whole_layers) {
    *out = NULL;
    if (job->n_threads != 1)
        return mnas_error_set(MNAS_ERR_ARG, "%d threads; this engine runs on 1 (xnnpack takes more)",
                              job->n_threads); /* not INVALID: no network is at fault */
    mnas_native *net = calloc(1, sizeof *net);
    if (!net) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: network");
    net->tile = mnas_tile_get();
    net->isa = mnas_isa_get();
    net->whole_layers = whole_layers;
    int rc = (net->arena = mnas_arena_create()) ? 0 : MNAS_ERR_MEMORY;
    if (rc == 0) rc = mnas_native_plan(net, job);
    if (rc == 0) rc = map_slab(net);
    if (rc < 0) {
        mnas_native_destroy(net);
        return rc;
    }
    *out = net;
    return 0;
}

float *mnas_native_input(void *of) {
    const mnas_native *net = of;
    return mnas_native_at(net, net->image);
}

const float *mnas_native_output(void *of) {
    const mnas_native *net = of;
    return mnas_native_at(net, net->logits);
}

int mnas_native_n_layers(void *of) {
    return ((mnas_native *)of)->n_steps;
}

int mnas_native_layer_node(void *of, int i) {
    return ((mnas_native *)of)->steps[i].node;
}

int mnas_native_invoke_layer(void *of, int i) {
    const mnas_native *net = of;
    return net->steps[i].run(net, &net->steps[i]);
}

int mnas_native_invoke(void *of) {
    const mnas_native *net = of;
    for (int i = 0; i < net->n_steps; i++) {
        const int rc = net->steps[i].run(net, &net->steps[i]);
        if (rc < 0) return rc;
    }
    return 0;
}
