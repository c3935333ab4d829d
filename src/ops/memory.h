/* memory.h - where every activation lives in the one slab of a plan, sized by liveness before anything runs.
 *
 * The cost model and the trainer use this one planner, so that `train_bytes` is what the engine allocates.
 */
#ifndef MNAS_OPS_MEMORY_H
#define MNAS_OPS_MEMORY_H

#include "ops/fusion.h"

#define MNAS_NO_PLACE SIZE_MAX
enum { MNAS_MAX_BATCH = 1 << 20 }; /* images; a buffer then stays below 2^54 bytes */

typedef struct mnas_memory_plan {
    size_t bytes; /* of the slab; 64-byte aligned pieces */
    /* [n_nodes] byte offset of each node's output (node 0: the batch of images); of a batch-norm that its consumer
     * does: of its input, which stands for it */
    size_t *act;
    size_t *grad; /* [n_nodes] of the gradient of each node's output, or MNAS_NO_PLACE (inference, node 0) */
    /* [n_nodes] or MNAS_NO_PLACE; in inference for the node's own forward only (se needs it) */
    size_t *saved;
    /* [n_nodes] where a second consumer's gradient of this node goes before it is added, or MNAS_NO_PLACE */
    size_t *extra;
} mnas_memory_plan;

/* Forward and backward of a batch. Backward runs nodes in reverse. The gradient of an `add` is its inputs' gradient: where
 * the add is the first in backward order to give an input its gradient, that input's grad has the add's offset. Where an
 * operator has inplace_backward and is the only consumer of its input, grad[input] == grad[node], unless another node's
 * gradient stands in that place and is still to be read (the shortcut's, beside the last bn of a residual layer). So
 * compare offsets, and do not conclude from the operators. `fusion`: [n_nodes], or NULL. */
int mnas_memory_plan_training(mnas_memory_plan *out, const mnas_graph *graph, const mnas_fusion *fusion,
                              int batch);
/* Forward only. */
int mnas_memory_plan_inference(mnas_memory_plan *out, const mnas_graph *graph, const mnas_fusion *fusion,
                               int batch);
/* Peak of the activations that are live at one time in a forward pass: what any executor needs at least. */
int mnas_memory_peak_inference(size_t *bytes, const mnas_graph *graph, int batch);
void mnas_memory_plan_free(mnas_memory_plan *plan);

#endif
