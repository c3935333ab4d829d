/* fold.h - from a training graph and its weights to an inference graph: batch-norm folded into the convolution before it
 * (w * gamma / sqrt(var + eps), bias = beta - mean * gamma / sqrt(var + eps)), its activation moved along, dropout gone.
 */
#ifndef MNAS_BLOCKS_FOLD_H
#define MNAS_BLOCKS_FOLD_H

#include "model/weights.h"

/* `weights` NULL: *folded_weights gets deterministic random values (for latency, which does not depend on them). */
int mnas_fold(mnas_graph **folded, mnas_weights **folded_weights, const mnas_graph *graph,
              const mnas_weights *weights);

/* The graph alone, for whoever needs no values (cost). Both fail with MNAS_ERR_INVALID on a batch-norm that does not stand
 * directly behind a convolution of its own; the builder makes none. */
int mnas_fold_graph(mnas_graph **folded, const mnas_graph *graph);

#endif
