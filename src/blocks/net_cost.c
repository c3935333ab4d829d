/* net_cost.c - what a whole network costs (mnas_cost_compute of mnas.h).
 *
 * Layers, params and macs are those of the training graph. infer_bytes is the peak of live activations of the
 * folded inference graph, batch 1: a lower bound for any executor. train_bytes is the slab the trainer
 * allocates, by the trainer's own planner. Libraries' scratch is in neither.
 */
#include <stdlib.h>

#include "base/error.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "ops/cost.h"
#include "ops/memory.h"

static int infer_bytes(int64_t *out, const mnas_graph *graph) {
    mnas_graph *folded;
    size_t bytes;
    int rc = mnas_fold_graph(&folded, graph);
    if (rc < 0) return rc;
    if ((rc = mnas_memory_peak_inference(&bytes, folded, 1)) >= 0) *out = (int64_t)bytes;
    mnas_graph_destroy(folded);
    return rc;
}

static int train_bytes(int64_t *out, const mnas_graph *graph, int batch) {
    mnas_memory_plan plan;
    mnas_fusion *fusion;
    int rc = mnas_fusion_plan(&fusion, graph);
    if (rc < 0) return rc;
    rc = mnas_memory_plan_training(&plan, graph, fusion, batch);
    free(fusion);
    if (rc < 0) return rc;
    *out = (int64_t)plan.bytes;
    mnas_memory_plan_free(&plan);
    return 0;
}

static int64_t stored_floats(const mnas_graph *graph) {
    int64_t n = 0;
    for (int i = 0; i < graph->n_params; i++) n += (int64_t)graph->params[i].size;
    return n;
}

/* Every node but the input is a layer. */
static int fill_layers(mnas_cost *out, const mnas_graph *graph) {
    out->n_layers = graph->n_nodes - 1;
    out->layers = calloc((size_t)out->n_layers, sizeof *out->layers);
    if (!out->layers)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: cost of %d layers", out->n_layers);
    for (int i = 0; i < out->n_layers; i++) {
        mnas_cost_of_node(&out->layers[i], graph, i + 1);
        out->params += out->layers[i].params;
        out->macs += out->layers[i].macs;
    }
    return 0;
}

int mnas_cost_compute(mnas_cost *out, const mnas_model *model, int batch) {
    mnas_graph *graph = NULL;
    *out = (mnas_cost){.batch = batch};
    int rc = mnas_net_build(&graph, model);
    if (rc < 0) return rc;
    if ((rc = fill_layers(out, graph)) < 0) goto out;
    if ((rc = infer_bytes(&out->infer_bytes, graph)) < 0) goto out;
    if ((rc = train_bytes(&out->train_bytes, graph, batch)) < 0) goto out;
    int64_t stored = stored_floats(graph);
    out->weight_bytes = stored * (int64_t)sizeof(float);
    /* gradients, mean squares and momentum of what is trained; EMA of all that is stored */
    out->optimizer_bytes = (3 * out->params + stored) * (int64_t)sizeof(float);
out:
    mnas_graph_destroy(graph);
    if (rc < 0) mnas_cost_free(out);
    return rc;
}

void mnas_cost_free(mnas_cost *cost) {
    free(cost->layers);
    *cost = (mnas_cost){0};
}
