/* net.h - from a model to its training graph: stem, blocks, head.
 *
 * Layers as TensorFlow built them (docs/models.md): a residual is added iff the block's skip is identity, the layer's
 * stride is 1 and the DECLARED input and output filters agree (so `small`'s first block, i16 behind a stem of 8, has none);
 * layers 2..r have stride 1 and input = output. Names are timm's.
 */
#ifndef MNAS_BLOCKS_NET_H
#define MNAS_BLOCKS_NET_H

#include "model/graph.h"

/* MNAS_ERR_INVALID when it cannot be built (a map smaller than 1x1, more than 2^31 elements, ...). */
int mnas_net_build(mnas_graph **out, const mnas_model *model);

#endif
