/* cost.h - what one node costs; the whole network's sum is mnas_cost_compute (blocks/net_cost.c). */
#ifndef MNAS_OPS_COST_H
#define MNAS_OPS_COST_H

#include "ops/op.h"

/* Parameters (trainable), multiply-adds and output bytes of one image, f32. */
void mnas_cost_of_node(mnas_layer_cost *out, const mnas_graph *graph, int node);

#endif
