/* onnx_graph.c - protobuf-c's structs, filled. The schema is Debian's onnx.proto, compiled by the build.
 *
 * Everything but the weights lies in one arena. Invariant: arrays have their full room from the beginning, so that nothing
 * moves while pointers to it are held.
 */
#include "exporter/onnx_graph.h"

#include <assert.h>
#include <onnx.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"

enum { MAX_ATTRIBUTES = 8, MAX_INPUTS = 4, MAX_FACTS = 16 };
static const size_t max_file_bytes = ((size_t)1 << 31) - 1; /* protobuf's own limit */

struct mnas_onnx {
    mnas_arena *arena;
    int max_nodes, max_constants;
    bool failed; /* memory ran out */
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    Onnx__ValueInfoProto *inputs[1], *outputs[1];
    Onnx__StringStringEntryProto *facts[MAX_FACTS];
};

static void *room(mnas_onnx *o, size_t bytes) {
    void *p = o->failed ? NULL : mnas_arena_alloc(o->arena, bytes ? bytes : 1);
    if (!p) o->failed = true;
    return p;
}

static char *copy(mnas_onnx *o, const char *text) {
    char *p = room(o, strlen(text) + 1);
    return p ? strcpy(p, text) : NULL;
}

int mnas_onnx_create(mnas_onnx **out, const char *name, int max_nodes, int max_constants) {
    mnas_onnx *o = calloc(1, sizeof *o);
    *out = NULL;
    if (!o) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: ONNX model");
    if (!(o->arena = mnas_arena_create())) {
        free(o);
        return MNAS_ERR_MEMORY;
    }
    static char producer[] = "mnas", version[] = MNAS_VERSION, domain[] = "";
    o->max_nodes = max_nodes;
    o->max_constants = max_constants;
    onnx__model_proto__init(&o->model);
    onnx__graph_proto__init(&o->graph);
    onnx__operator_set_id_proto__init(&o->opset);
    o->opset.domain = domain;
    o->opset.has_version = o->model.has_ir_version = 1;
    o->opset.version = MNAS_ONNX_OPSET;
    o->model.ir_version = 7; /* that of opset 13 */
    o->model.producer_name = producer;
    o->model.producer_version = version;
    o->opsets[0] = &o->opset;
    o->model.opset_import = o->opsets;
    o->model.n_opset_import = 1;
    o->model.metadata_props = o->facts;
    o->model.graph = &o->graph;
    o->graph.name = copy(o, name);
    o->graph.node = room(o, (size_t)max_nodes * sizeof *o->graph.node);
    o->graph.initializer = room(o, (size_t)max_constants * sizeof *o->graph.initializer);
    o->graph.input = o->inputs;
    o->graph.output = o->outputs;
    *out = o;
    return 0;
}

void mnas_onnx_destroy(mnas_onnx *o) {
    if (!o) return;
    mnas_arena_destroy(o->arena);
    free(o);
}

static Onnx__TensorShapeProto__Dimension *dimension(mnas_onnx *o, int64_t size) {
    static char batch[] = "batch";
    Onnx__TensorShapeProto__Dimension *d = room(o, sizeof *d);
    if (!d) return NULL;
    onnx__tensor_shape_proto__dimension__init(d);
    if (size > 0) {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = size;
    } else {
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        d->dim_param = batch;
    }
    return d;
}

static Onnx__ValueInfoProto *value_info(mnas_onnx *o, const char *name, int n_dims, const int64_t *dims) {
    struct {
        Onnx__ValueInfoProto value;
        Onnx__TypeProto type;
        Onnx__TypeProto__Tensor tensor;
        Onnx__TensorShapeProto shape;
        Onnx__TensorShapeProto__Dimension *dims[MNAS_ONNX_MAX_DIMS];
    } *v = room(o, sizeof *v);
    if (!v) return NULL;
    assert(n_dims <= MNAS_ONNX_MAX_DIMS);
    onnx__value_info_proto__init(&v->value);
    onnx__type_proto__init(&v->type);
    onnx__type_proto__tensor__init(&v->tensor);
    onnx__tensor_shape_proto__init(&v->shape);
    v->value.name = copy(o, name);
    v->value.type = &v->type;
    v->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type.tensor_type = &v->tensor;
    v->tensor.has_elem_type = 1;
    v->tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    v->tensor.shape = &v->shape;
    v->shape.dim = v->dims;
    v->shape.n_dim = (size_t)n_dims;
    for (int i = 0; i < n_dims; i++) v->dims[i] = dimension(o, dims[i]);
    return &v->value;
}

void mnas_onnx_input(mnas_onnx *o, const char *name, int n_dims, const int64_t *dims) {
    assert(o->graph.n_input == 0);
    o->inputs[o->graph.n_input++] = value_info(o, name, n_dims, dims);
}

void mnas_onnx_output(mnas_onnx *o, const char *name, int n_dims, const int64_t *dims) {
    assert(o->graph.n_output == 0);
    o->outputs[o->graph.n_output++] = value_info(o, name, n_dims, dims);
}

void mnas_onnx_constant(mnas_onnx *o, const char *name, const float *values, int n_dims,
                        const int64_t *dims) {
    struct {
        Onnx__TensorProto tensor;
        int64_t dims[MNAS_ONNX_MAX_DIMS];
    } *t = room(o, sizeof *t);
    if (!t) return;
    assert(n_dims <= MNAS_ONNX_MAX_DIMS && o->graph.n_initializer < (size_t)o->max_constants);
    onnx__tensor_proto__init(&t->tensor);
    size_t n = 1;
    for (int i = 0; i < n_dims; i++) n *= (size_t)(t->dims[i] = dims[i]);
    t->tensor.name = copy(o, name);
    t->tensor.n_dims = (size_t)n_dims;
    t->tensor.dims = t->dims;
    t->tensor.has_data_type = t->tensor.has_raw_data = 1;
    t->tensor.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->tensor.raw_data.len = n * sizeof *values;              /* little-endian, as all our targets are */
    memcpy(&t->tensor.raw_data.data, &values, sizeof values); /* protobuf-c has no const; it only reads */
    o->graph.initializer[o->graph.n_initializer++] = &t->tensor;
}

void mnas_onnx_node(mnas_onnx *o, const char *op, const char *output, const char *const *inputs) {
    struct {
        Onnx__NodeProto node;
        Onnx__AttributeProto *attributes[MAX_ATTRIBUTES];
        char *inputs[MAX_INPUTS], *outputs[1];
    } *v = room(o, sizeof *v);
    if (!v) return;
    assert(o->graph.n_node < (size_t)o->max_nodes);
    onnx__node_proto__init(&v->node);
    v->node.op_type = copy(o, op);
    v->node.name = v->outputs[0] = copy(o, output);
    v->node.output = v->outputs;
    v->node.n_output = 1;
    v->node.input = v->inputs;
    for (; inputs[v->node.n_input]; v->node.n_input++) {
        assert(v->node.n_input < MAX_INPUTS);
        v->inputs[v->node.n_input] = copy(o, inputs[v->node.n_input]);
    }
    v->node.attribute = v->attributes;
    o->graph.node[o->graph.n_node++] = &v->node;
}

static Onnx__AttributeProto *attribute(mnas_onnx *o, const char *name) {
    Onnx__AttributeProto *a = room(o, sizeof *a);
    if (!a) return NULL;
    Onnx__NodeProto *node = o->graph.node[o->graph.n_node - 1];
    assert(node->n_attribute < MAX_ATTRIBUTES);
    onnx__attribute_proto__init(a);
    a->name = copy(o, name);
    a->has_type = 1;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void mnas_onnx_attr_int(mnas_onnx *o, const char *name, int64_t value) {
    Onnx__AttributeProto *a = attribute(o, name);
    if (!a) return;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    a->has_i = 1;
    a->i = value;
}

void mnas_onnx_attr_float(mnas_onnx *o, const char *name, float value) {
    Onnx__AttributeProto *a = attribute(o, name);
    if (!a) return;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    a->has_f = 1;
    a->f = value;
}

void mnas_onnx_attr_ints(mnas_onnx *o, const char *name, int n, const int64_t *values) {
    Onnx__AttributeProto *a = attribute(o, name);
    int64_t *ints = room(o, (size_t)n * sizeof *ints);
    if (!a || !ints) return;
    memcpy(ints, values, (size_t)n * sizeof *ints);
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    a->n_ints = (size_t)n;
    a->ints = ints;
}

void mnas_onnx_fact(mnas_onnx *o, const char *name, const char *text) {
    Onnx__StringStringEntryProto *fact = room(o, sizeof *fact);
    if (!fact) return;
    assert(o->model.n_metadata_props < MAX_FACTS);
    onnx__string_string_entry_proto__init(fact);
    fact->key = copy(o, name);
    fact->value = copy(o, text);
    o->facts[o->model.n_metadata_props++] = fact;
}

void mnas_onnx_describe(mnas_onnx *o, const char *text) {
    o->model.doc_string = copy(o, text);
}

int mnas_onnx_print(mnas_str *out, mnas_onnx *o) {
    if (o->failed) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: ONNX model");
    const size_t n = onnx__model_proto__get_packed_size(&o->model);
    if (n > max_file_bytes)
        return mnas_error_set(MNAS_ERR_INVALID, "the ONNX file has %zu bytes; allowed: %zu", n,
                              max_file_bytes);
    uint8_t *bytes = malloc(n);
    if (!bytes) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: ONNX file of %zu bytes", n);
    const size_t written = onnx__model_proto__pack(&o->model, bytes);
    assert(written == n);
    mnas_str_append_n(out, (const char *)bytes, written);
    free(bytes);
    return 0;
}
