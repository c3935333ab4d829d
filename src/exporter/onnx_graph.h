/* onnx_graph.h - the one wrapper of protobuf-c: an ONNX model put together node by node.
 *
 * Errors stick: after a failure the calls do nothing, and the status comes from mnas_onnx_print. Names are copied, weights are not:
 * they must live until it is printed. Opset 13 and IR 7, which every reader since 2020 knows.
 */
#ifndef MNAS_EXPORTER_ONNX_GRAPH_H
#define MNAS_EXPORTER_ONNX_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { MNAS_ONNX_OPSET = 13, MNAS_ONNX_MAX_DIMS = 4 };

typedef struct mnas_onnx mnas_onnx;

/* Room for so many nodes and constants. */
int mnas_onnx_create(mnas_onnx **out, const char *name, int max_nodes, int max_constants);
void mnas_onnx_destroy(mnas_onnx *onnx); /* NULL is allowed */

/* Tensors of floats that come in and go out. A first dimension of 0 is one the reader chooses, called "batch". */
void mnas_onnx_input(mnas_onnx *onnx, const char *name, int n_dims, const int64_t *dims);
void mnas_onnx_output(mnas_onnx *onnx, const char *name, int n_dims, const int64_t *dims);
/* n_dims 0: a single number. */
void mnas_onnx_constant(mnas_onnx *onnx, const char *name, const float *values, int n_dims,
                        const int64_t *dims);

/* One operator with one output; `inputs` is NULL-terminated. Attributes belong to the last one. */
void mnas_onnx_node(mnas_onnx *onnx, const char *op, const char *output, const char *const *inputs);
void mnas_onnx_attr_int(mnas_onnx *onnx, const char *name, int64_t value);
void mnas_onnx_attr_float(mnas_onnx *onnx, const char *name, float value);
void mnas_onnx_attr_ints(mnas_onnx *onnx, const char *name, int n, const int64_t *values);

void mnas_onnx_fact(mnas_onnx *onnx, const char *name, const char *text);
void mnas_onnx_describe(mnas_onnx *onnx, const char *text);

/* Appends the file's bytes. */
int mnas_onnx_print(mnas_str *out, mnas_onnx *onnx);

#endif
