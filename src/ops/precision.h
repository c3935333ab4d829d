/* precision.h - which tensors of a graph hold bf16. Weights, statistics, their gradients and the optimiser stay f32. */
#ifndef MNAS_OPS_PRECISION_H
#define MNAS_OPS_PRECISION_H

#include "ops/op.h"

/* Sets every node's elem: bf16 for all that read images and feature maps, f32 for what comes behind the pooling, which
 * is too small to gain anything and is where the loss is. f32 sets all back. */
void mnas_precision_set(mnas_graph *graph, mnas_elem elem);

/* What the node's output holds: f32 behind the pooling. */
mnas_elem mnas_precision_of_output(const mnas_node *node);

#endif
