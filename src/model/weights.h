/* weights.h - the values of a graph's parameters in one 64-byte aligned slab, and safetensors files of them.
 *
 * Files carry timm's tensor names and layouts, so that torch and timm read them without conversion. A reader of a file trusts
 * nothing: header length, JSON, dtypes, shapes, offsets and sizes are checked, overlaps and gaps refused.
 */
#ifndef MNAS_MODEL_WEIGHTS_H
#define MNAS_MODEL_WEIGHTS_H

#include "model/graph.h"

typedef struct mnas_weights {
    size_t n_floats;
    float *data; /* data + param->offset */
} mnas_weights;

int mnas_weights_create(mnas_weights **out, const mnas_graph *graph); /* zeroed */
void mnas_weights_destroy(mnas_weights *weights);
float *mnas_weights_of(const mnas_weights *weights, const mnas_param *param);

/* Beside the graph's parameters the file has PyTorch's counter of each batch-norm ("num_batches_tracked", 0), so that
 * load_state_dict(strict=True) takes it. `metadata` is written as the file's "__metadata__" (key, value pairs,
 * NULL-terminated), e.g. {"arch", "...", NULL}. */
int mnas_weights_save(const mnas_weights *weights, const mnas_graph *graph, const char *path,
                      const char *const *metadata);
/* Every parameter of the graph must be in the file with its shape, F32; extra tensors ("num_batches_tracked") are
 * ignored. Errors name the tensor, its shape and what was expected. */
int mnas_weights_load(mnas_weights *weights, const mnas_graph *graph, const char *path);
/* The same from memory. */
int mnas_weights_parse(mnas_weights *weights, const mnas_graph *graph, const uint8_t *bytes, size_t n);

#endif
