/* fusion.h - which batch-norms of a graph their neighbours do in passing, and so which tensors never exist.
 *
 * A function of the graph alone: the memory planner, the cost model and the engine's fast kernels all follow it. The
 * reference engine does not (NULL everywhere below stands for "nothing is fused").
 */
#ifndef MNAS_OPS_FUSION_H
#define MNAS_OPS_FUSION_H

#include "ops/op.h"

/* Of one node. */
typedef struct mnas_fusion {
    /* bn: see mnas_norm in model/kernel.h. by_producer: its input has no gradient of its own; by_consumer: its output is
     * never written. */
    bool by_producer, by_consumer;
    bool adds; /* its kernel adds to its input's gradient where another node has begun it */
} mnas_fusion;

/* [n_nodes], to be freed. */
int mnas_fusion_plan(mnas_fusion **out, const mnas_graph *graph);

#endif
