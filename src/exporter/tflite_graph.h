/* tflite_graph.h - a TensorFlow Lite model put together operator by operator: schema version 3, one subgraph, floats.
 *
 * Tensors are known by their numbers. Errors stick: after a failure the calls do nothing and give 0, and the status
 * comes from mnas_tflite_print. Values of constants are copied into the file at once.
 */
#ifndef MNAS_EXPORTER_TFLITE_GRAPH_H
#define MNAS_EXPORTER_TFLITE_GRAPH_H

#include "exporter/exporter.h"

/* Numbers of the schema's enumerations. */
enum { MNAS_TFLITE_SAME = 0, MNAS_TFLITE_VALID = 1 };                       /* Padding */
enum { MNAS_TFLITE_NONE = 0, MNAS_TFLITE_RELU = 1, MNAS_TFLITE_RELU6 = 3 }; /* ActivationFunctionType */
typedef enum {                                                              /* BuiltinOperator */
               MNAS_TFLITE_ADD = 0,
               MNAS_TFLITE_AVERAGE_POOL = 1,
               MNAS_TFLITE_CONV = 3,
               MNAS_TFLITE_DWCONV = 4,
               MNAS_TFLITE_FULLY_CONNECTED = 9,
               MNAS_TFLITE_LOGISTIC = 14,
               MNAS_TFLITE_MAX_POOL = 17,
               MNAS_TFLITE_MUL = 18,
               MNAS_TFLITE_OP_RELU = 19,
               MNAS_TFLITE_OP_RELU6 = 21,
               MNAS_TFLITE_PAD = 34,
               MNAS_TFLITE_MEAN = 40,
               MNAS_TFLITE_PADV2 = 60,
               MNAS_TFLITE_HARD_SWISH = 117,
} mnas_tflite_kind;

typedef struct mnas_tflite_options {
    int padding, stride, kernel; /* of convolutions and pools; kernel: of pools */
    int act;
} mnas_tflite_options;

typedef struct mnas_tflite mnas_tflite;

int mnas_tflite_create(mnas_tflite **out, const char *name);
void mnas_tflite_destroy(mnas_tflite *file); /* NULL is allowed */

/* What an operator makes, and constants. Names are for people: several tensors may share one, each gets its number behind it. */
int mnas_tflite_tensor(mnas_tflite *file, const char *name, int n_dims, const int *dims);
int mnas_tflite_floats(mnas_tflite *file, const char *name, int n_dims, const int *dims, const float *values);
int mnas_tflite_ints(mnas_tflite *file, const char *name, int n_dims, const int *dims, const int32_t *values);
/* n zeros to put values in order, valid until the next call; NULL where memory ran out. */
float *mnas_tflite_room(mnas_tflite *file, size_t n);

/* `inputs` ends with -1; options NULL: the operator has none to give. */
void mnas_tflite_op(mnas_tflite *file, mnas_tflite_kind kind, const int *inputs, int output,
                    const mnas_tflite_options *options);
/* Where the image comes in and the logits go out. */
void mnas_tflite_ends(mnas_tflite *file, int input, int output);

/* Appends the file's bytes; once. */
int mnas_tflite_print(mnas_str *out, mnas_tflite *file, const mnas_export_facts *facts);

#endif
