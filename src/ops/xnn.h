/* xnn.h - the one wrapper of XNNPACK: from an inference graph to something that runs on a CPU, one thread, batch 1.
 *
 * Each operator's lowering (op_NAME_xnn.c, listed in xnn.def) adds its XNNPACK nodes to the subgraph. Only inference graphs
 * (blocks/fold.h) are taken: no batch-norm.
 */
#ifndef MNAS_OPS_XNN_H
#define MNAS_OPS_XNN_H

#include <xnnpack.h>

#include "base/arena.h"
#include "model/weights.h"

/* State while building: what a lowering may use. */
typedef struct mnas_xnn_builder {
    xnn_subgraph_t subgraph;
    const mnas_graph *graph;
    const mnas_weights *weights;
    uint32_t *value;      /* [n_nodes] XNNPACK value id of each node's output; a lowering sets its own */
    mnas_arena *arena;    /* repacked weights; lives as long as the runtime */
} mnas_xnn_builder;

typedef int (*mnas_xnn_lower)(mnas_xnn_builder *b, int node);

typedef struct mnas_xnn mnas_xnn;

int mnas_xnn_create(mnas_xnn **out, const mnas_graph *inference_graph, const mnas_weights *weights);
/* image [h, w, c] -> logits [classes]. */
int mnas_xnn_run(mnas_xnn *net, const float *image, float *logits);
void mnas_xnn_destroy(mnas_xnn *net);

#endif
