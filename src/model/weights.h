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
void mnas_weights_describe(const mnas_param *param, char *buf, size_t n); /* "F32 [16, 3, 3, 3]" */

/* Beside the graph's parameters the file has PyTorch's counter of each batch-norm ("num_batches_tracked", 0), so that
 * load_state_dict(strict=True) takes it. `metadata` is written as the file's "__metadata__" (key, value pairs,
 * NULL-terminated), e.g. {"arch", "...", NULL}. */
int mnas_weights_save(const mnas_weights *weights, const mnas_graph *graph, const char *path,
                      const char *const *metadata);

/* What a file's classifier is to the graph's. */
typedef enum {
    MNAS_HEAD_NEEDED,  /* a parameter as any other */
    MNAS_HEAD_IF_FITS, /* taken where it is there with the graph's shape; else the graph's stays as it is */
    MNAS_HEAD_OWN,     /* the graph's stays as it is */
} mnas_weights_head;

/* The file must have every parameter of the graph with its shape, as F32, F64, F16 or BF16, and no further tensor but
 * num_batches_tracked. Names may have one prefix in common ("module.", "state_dict."); tensors without it are not looked at.
 * Errors name what is missing, misshapen or not expected, with both shapes; nothing is then changed. */
int mnas_weights_load(mnas_weights *weights, const mnas_graph *graph, const char *path);
/* *head_taken tells whether the classifier is the file's; NULL is allowed. */
int mnas_weights_load_for(mnas_weights *weights, const mnas_graph *graph, const char *path,
                          mnas_weights_head head, bool *head_taken);
/* mnas_weights_load from memory. */
int mnas_weights_parse(mnas_weights *weights, const mnas_graph *graph, const uint8_t *bytes, size_t n);

#endif
