/* onednn_layer.h - a convolution for inference by oneDNN: one image, its weights brought into the library's order once, bias and
 * bounds done in passing. As in onednn.h no oneDNN type is seen here, and both of its APIs are spoken.
 */
#ifndef MNAS_OPS_ONEDNN_LAYER_H
#define MNAS_OPS_ONEDNN_LAYER_H

#include "model/graph.h"

typedef struct mnas_onednn_layer mnas_onednn_layer;

/* Maps are in blocks of `lanes` channels (16, 8, 4 or 1), [block, row, column, lanes]. */
typedef struct mnas_onednn_conv_layer {
    const mnas_node *node; /* conv, or dense: a 1x1 convolution of one pixel */
    mnas_shape in;
    int lanes;
    const float *weight, *bias; /* [K, C, k, k]; [K] or NULL; copied */
    float low, high;            /* clamp; infinite: none */
} mnas_onednn_conv_layer;

/* On the threads that OpenMP would give the caller, now and when it runs. *out stays NULL where oneDNN has nothing but its reference
 * loops, a hundred times slower than its others. */
int mnas_onednn_layer_create(mnas_onednn_layer **out, const mnas_onednn_conv_layer *layer);
int mnas_onednn_layer_run(mnas_onednn_layer *layer, const float *src, float *dst);
void mnas_onednn_layer_destroy(mnas_onednn_layer *layer); /* NULL is allowed */

#endif
