/* tflite_graph.c - TensorFlow Lite's tables by the numbers of their fields (tensorflow/compiler/mlir/lite/schema/schema.fbs).
 *
 * Tables are written as they come; what refers to them, the subgraph and the model, at the end. Invariant: buffer 0 is
 * empty and is that of every tensor that is no constant, as the schema wants.
 */
#include "exporter/tflite_graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "exporter/flatbuffer.h"

enum { SCHEMA_VERSION = 3, TYPE_FLOAT32 = 0, TYPE_INT32 = 2, MAX_KINDS = 16, MAX_INPUTS = 4 };

/* A list that grows. */
typedef struct refs {
    mnas_flat_ref *at;
    size_t n, cap;
} refs;

struct mnas_tflite {
    mnas_flat flat;
    const char *name;
    refs buffers, tensors, ops;
    mnas_tflite_kind kinds[MAX_KINDS]; /* those in use; an operator has its index here */
    int n_kinds;
    int input, output;
    float *room;
    bool failed; /* memory ran out */
};

static int add(mnas_tflite *f, refs *list, mnas_flat_ref ref) {
    if (list->n == list->cap) {
        const size_t cap = list->cap ? 2 * list->cap : 256;
        mnas_flat_ref *grown = f->failed ? NULL : realloc(list->at, cap * sizeof *grown);
        if (!grown) {
            f->failed = true;
            return 0;
        }
        list->at = grown;
        list->cap = cap;
    }
    list->at[list->n] = ref;
    return (int)list->n++;
}

/* Buffer: 0 data */
static int add_buffer(mnas_tflite *f, const void *bytes, size_t n) {
    const mnas_flat_ref data = n ? mnas_flat_bytes(&f->flat, bytes, n) : 0;
    return add(f, &f->buffers, MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_REF(0, data)));
}

int mnas_tflite_create(mnas_tflite **out, const char *name) {
    mnas_tflite *f = *out = calloc(1, sizeof *f);
    if (!f) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: TensorFlow Lite model");
    f->name = name;
    add_buffer(f, NULL, 0);
    return 0;
}

void mnas_tflite_destroy(mnas_tflite *f) {
    if (!f) return;
    mnas_flat_free(&f->flat);
    free(f->buffers.at);
    free(f->tensors.at);
    free(f->ops.at);
    free(f->room);
    free(f);
}

float *mnas_tflite_room(mnas_tflite *f, size_t n) {
    free(f->room);
    f->room = calloc(n, sizeof *f->room);
    if (!f->room) f->failed = true;
    return f->room;
}

/* Tensor: 0 shape, 1 type, 2 buffer, 3 name */
static int add_tensor(mnas_tflite *f, const char *name, int type, int n_dims, const int *dims, int buffer) {
    char unique[128];
    snprintf(unique, sizeof unique, "%s;%zu", name, f->tensors.n);
    const bool plain = strcmp(name, "image") == 0 || strcmp(name, "logits") == 0;
    const mnas_flat_ref text = mnas_flat_string(&f->flat, plain ? name : unique);
    const mnas_flat_ref shape = mnas_flat_ints(&f->flat, dims, (size_t)n_dims);
    return add(f, &f->tensors,
               MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_REF(0, shape), MNAS_FLAT_I8(1, type),
                               MNAS_FLAT_I32(2, buffer), MNAS_FLAT_REF(3, text)));
}

int mnas_tflite_tensor(mnas_tflite *f, const char *name, int n_dims, const int *dims) {
    return add_tensor(f, name, TYPE_FLOAT32, n_dims, dims, 0);
}

static int add_constant(mnas_tflite *f, const char *name, int type, int n_dims, const int *dims,
                        const void *values) {
    size_t bytes = 4; /* floats and ints alike */
    for (int i = 0; i < n_dims; i++) bytes *= (size_t)dims[i];
    return add_tensor(f, name, type, n_dims, dims, add_buffer(f, values, bytes));
}

int mnas_tflite_floats(mnas_tflite *f, const char *name, int n_dims, const int *dims, const float *values) {
    return add_constant(f, name, TYPE_FLOAT32, n_dims, dims, values);
}

int mnas_tflite_ints(mnas_tflite *f, const char *name, int n_dims, const int *dims, const int32_t *values) {
    return add_constant(f, name, TYPE_INT32, n_dims, dims, values);
}

static int index_of(mnas_tflite *f, mnas_tflite_kind kind) {
    for (int i = 0; i < f->n_kinds; i++)
        if (f->kinds[i] == kind) return i;
    assert(f->n_kinds < MAX_KINDS);
    f->kinds[f->n_kinds] = kind;
    return f->n_kinds++;
}

/* The operator's table of options, and its number in the union BuiltinOptions; 0: none. */
static mnas_flat_ref options_of(mnas_tflite *f, mnas_tflite_kind kind, const mnas_tflite_options *o,
                                int *number) {
    enum {
        CONV = 1,
        DEPTHWISE = 2,
        POOL = 5,
        FULLY_CONNECTED = 8,
        ADD = 11,
        MUL = 21,
        PAD = 22,
        REDUCER = 27,
        PADV2 = 43
    };
    mnas_flat *flat = &f->flat;
    switch (kind) {
    case MNAS_TFLITE_CONV: /* 0 padding, 1 stride_w, 2 stride_h, 3 activation; the dilations are 1 by default */
        *number = CONV;
        return MNAS_FLAT_TABLE(flat, MNAS_FLAT_I8(0, o->padding), MNAS_FLAT_I32(1, o->stride),
                               MNAS_FLAT_I32(2, o->stride), MNAS_FLAT_I8(3, o->act));
    case MNAS_TFLITE_DWCONV: /* 0 padding, 1 stride_w, 2 stride_h, 3 depth_multiplier, 4 activation */
        *number = DEPTHWISE;
        return MNAS_FLAT_TABLE(flat, MNAS_FLAT_I8(0, o->padding), MNAS_FLAT_I32(1, o->stride),
                               MNAS_FLAT_I32(2, o->stride), MNAS_FLAT_I32(3, 1), MNAS_FLAT_I8(4, o->act));
    case MNAS_TFLITE_AVERAGE_POOL:
    case MNAS_TFLITE_MAX_POOL: /* 0 padding, 1 stride_w, 2 stride_h, 3 filter_width, 4 filter_height, 5 activation */
        *number = POOL;
        return MNAS_FLAT_TABLE(flat, MNAS_FLAT_I8(0, o->padding), MNAS_FLAT_I32(1, o->stride),
                               MNAS_FLAT_I32(2, o->stride), MNAS_FLAT_I32(3, o->kernel),
                               MNAS_FLAT_I32(4, o->kernel));
    case MNAS_TFLITE_FULLY_CONNECTED: /* 0 activation */
    case MNAS_TFLITE_ADD:
    case MNAS_TFLITE_MUL:
        *number = kind == MNAS_TFLITE_FULLY_CONNECTED ? FULLY_CONNECTED : kind == MNAS_TFLITE_ADD ? ADD : MUL;
        return MNAS_FLAT_TABLE(flat, MNAS_FLAT_I8(0, o->act));
    case MNAS_TFLITE_MEAN: /* 0 keep_dims */
        *number = REDUCER;
        return MNAS_FLAT_TABLE(flat, MNAS_FLAT_I8(0, 1));
    case MNAS_TFLITE_PAD:
    case MNAS_TFLITE_PADV2: /* nothing in it */
        *number = kind == MNAS_TFLITE_PAD ? PAD : PADV2;
        return MNAS_FLAT_TABLE(flat, MNAS_FLAT_REF(0, 0));
    default:
        *number = 0;
        return 0;
    }
}

/* Operator: 0 opcode_index, 1 inputs, 2 outputs, 3 builtin_options_type, 4 builtin_options */
void mnas_tflite_op(mnas_tflite *f, mnas_tflite_kind kind, const int *inputs, int output,
                    const mnas_tflite_options *options) {
    size_t n = 0;
    int number;
    while (inputs[n] >= 0) n++;
    const mnas_flat_ref table = options_of(f, kind, options, &number);
    const mnas_flat_ref in = mnas_flat_ints(&f->flat, inputs, n), out = mnas_flat_ints(&f->flat, &output, 1);
    add(f, &f->ops,
        MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_I32(0, index_of(f, kind)), MNAS_FLAT_REF(1, in),
                        MNAS_FLAT_REF(2, out), MNAS_FLAT_I8(3, number), MNAS_FLAT_REF(4, table)));
}

void mnas_tflite_ends(mnas_tflite *f, int input, int output) {
    f->input = input;
    f->output = output;
}

/* ---- the whole ---- */

/* OperatorCode: 0 deprecated_builtin_code (127: look at the other), 2 version, 3 builtin_code */
static mnas_flat_ref operator_codes(mnas_tflite *f) {
    mnas_flat_ref codes[MAX_KINDS];
    for (int i = 0; i < f->n_kinds; i++) {
        const int kind = f->kinds[i];
        codes[i] = MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_I8(0, kind < 127 ? kind : 127), MNAS_FLAT_I32(2, 1),
                                   MNAS_FLAT_I32(3, kind));
    }
    return mnas_flat_refs(&f->flat, codes, (size_t)f->n_kinds);
}

/* SubGraph: 0 tensors, 1 inputs, 2 outputs, 3 operators, 4 name */
static mnas_flat_ref subgraphs(mnas_tflite *f) {
    mnas_flat *flat = &f->flat;
    const mnas_flat_ref name = mnas_flat_string(flat, f->name);
    const mnas_flat_ref ops = mnas_flat_refs(flat, f->ops.at, f->ops.n);
    const mnas_flat_ref in = mnas_flat_ints(flat, &f->input, 1), out = mnas_flat_ints(flat, &f->output, 1);
    const mnas_flat_ref tensors = mnas_flat_refs(flat, f->tensors.at, f->tensors.n);
    const mnas_flat_ref graph =
        MNAS_FLAT_TABLE(flat, MNAS_FLAT_REF(0, tensors), MNAS_FLAT_REF(1, in), MNAS_FLAT_REF(2, out),
                        MNAS_FLAT_REF(3, ops), MNAS_FLAT_REF(4, name));
    return mnas_flat_refs(flat, &graph, 1);
}

/* Metadata: 0 name, 1 buffer */
static mnas_flat_ref metadata(mnas_tflite *f, const mnas_export_facts *facts) {
    mnas_flat_ref entries[MNAS_EXPORT_MAX_FACTS];
    for (int i = 0; i < facts->n; i++) {
        const int buffer = add_buffer(f, facts->text[i].data, facts->text[i].len);
        const mnas_flat_ref name = mnas_flat_string(&f->flat, facts->name[i]);
        entries[i] = MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_REF(0, name), MNAS_FLAT_I32(1, buffer));
    }
    return mnas_flat_refs(&f->flat, entries, (size_t)facts->n);
}

/* TensorMap: 0 name, 1 tensor_index */
static mnas_flat_ref tensor_map(mnas_tflite *f, const char *name, int tensor) {
    const mnas_flat_ref text = mnas_flat_string(&f->flat, name);
    const mnas_flat_ref map = MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_REF(0, text), MNAS_FLAT_I32(1, tensor));
    return mnas_flat_refs(&f->flat, &map, 1);
}

/* SignatureDef: 0 inputs, 1 outputs, 2 signature_key, 4 subgraph_index (0 by default) */
static mnas_flat_ref signatures(mnas_tflite *f) {
    const mnas_flat_ref key = mnas_flat_string(&f->flat, "serving_default");
    const mnas_flat_ref in = tensor_map(f, "image", f->input), out = tensor_map(f, "logits", f->output);
    const mnas_flat_ref signature =
        MNAS_FLAT_TABLE(&f->flat, MNAS_FLAT_REF(0, in), MNAS_FLAT_REF(1, out), MNAS_FLAT_REF(2, key));
    return mnas_flat_refs(&f->flat, &signature, 1);
}

/* Model: 0 version, 1 operator_codes, 2 subgraphs, 3 description, 4 buffers, 6 metadata, 7 signature_defs */
int mnas_tflite_print(mnas_str *out, mnas_tflite *f, const mnas_export_facts *facts) {
    mnas_flat *flat = &f->flat;
    if (f->failed) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: TensorFlow Lite model");
    const mnas_flat_ref entries = metadata(f, facts), graphs = subgraphs(f), codes = operator_codes(f);
    const mnas_flat_ref text = mnas_flat_string(flat, facts->summary.data), keys = signatures(f);
    const mnas_flat_ref buffers = mnas_flat_refs(flat, f->buffers.at, f->buffers.n);
    const mnas_flat_ref model = MNAS_FLAT_TABLE(
        flat, MNAS_FLAT_I32(0, SCHEMA_VERSION), MNAS_FLAT_REF(1, codes), MNAS_FLAT_REF(2, graphs),
        MNAS_FLAT_REF(3, text), MNAS_FLAT_REF(4, buffers), MNAS_FLAT_REF(6, entries), MNAS_FLAT_REF(7, keys));
    mnas_flat_finish(flat, model, "TFL3");
    if (f->failed || !mnas_flat_ok(flat))
        return mnas_error_set(MNAS_ERR_MEMORY,
                              "out of memory: TensorFlow Lite file, or over the 2 GiB that the format holds");
    mnas_str_append_n(out, (const char *)flat->data + flat->cap - flat->used, flat->used);
    return 0;
}
