/* xnn_layers.h - an inference graph as a chain of XNNPACK runtimes, one a layer, so that each can be timed.
 *
 * Fused things stay together as the network has them: a convolution with its bias and activation, a
 * squeeze-and-excitation block. The chain computes what the whole network does (mnas_xnn), so that run in
 * order each layer finds its input as it would there; what it lacks are the places of the activations, which
 * the whole network packs into less memory.
 */
#ifndef MNAS_OPS_XNN_LAYERS_H
#define MNAS_OPS_XNN_LAYERS_H

#include "ops/xnn.h"

typedef struct mnas_xnn_layers mnas_xnn_layers;

/* Copies what it needs of graph and weights. Runs on n_threads (1: the calling thread alone). */
int mnas_xnn_layers_create(mnas_xnn_layers **out, const mnas_graph *inference_graph,
                           const mnas_weights *weights, int n_threads);
int mnas_xnn_layers_count(const mnas_xnn_layers *layers); /* all nodes of the graph but the input */
const char *mnas_xnn_layers_name(const mnas_xnn_layers *layers, int i);
/* image [h, w, c] -> logits [classes], through all layers. */
int mnas_xnn_layers_run(mnas_xnn_layers *layers, const float *image, float *logits);
/* Its own buffers: the image that the next run reads, the logits of the last one. */
float *mnas_xnn_layers_image(mnas_xnn_layers *layers);
const float *mnas_xnn_layers_logits(const mnas_xnn_layers *layers);
/* Layer i once more on what its input holds: this is what is timed. */
int mnas_xnn_layers_invoke(mnas_xnn_layers *layers, int i);
void mnas_xnn_layers_destroy(mnas_xnn_layers *layers); /* NULL is allowed */

#endif
