/* weights.c - the slab of a graph's parameter values, and files of them.
 *
 * Files of others, and our own, are read in weights_read.c. The format is safetensors.c's business; here names and
 * shapes are those of the graph.
 */
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/round.h"
#include "model/safetensors.h"

int mnas_weights_create(mnas_weights **out, const mnas_graph *graph) {
    mnas_weights *weights = calloc(1, sizeof *weights);
    size_t bytes = mnas_round_up(graph->weight_floats * sizeof(float), 64);
    if (weights) weights->data = aligned_alloc(64, bytes ? bytes : 64);
    if (!weights || !weights->data) {
        free(weights);
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %zu bytes of weights", bytes);
    }
    weights->n_floats = graph->weight_floats;
    memset(weights->data, 0, bytes);
    *out = weights;
    return 0;
}

void mnas_weights_destroy(mnas_weights *weights) {
    if (!weights) return;
    free(weights->data);
    free(weights);
}

float *mnas_weights_of(const mnas_weights *weights, const mnas_param *param) {
    return weights->data + param->offset;
}

static mnas_tensor tensor_of(const mnas_param *param, size_t begin) {
    mnas_tensor tensor = {.name = param->name, .dtype = "F32", .n_dims = param->n_dims, .begin = begin};
    tensor.end = begin + param->size * sizeof(float);
    for (int i = 0; i < param->n_dims; i++) tensor.dims[i] = param->dims[i];
    return tensor;
}

void mnas_weights_describe(const mnas_param *param, char *buf, size_t n) {
    const mnas_tensor tensor = tensor_of(param, 0);
    mnas_tensor_describe(&tensor, buf, n);
}

/* A file's tensors: one counter for each moving mean, then the parameters. PyTorch's batch-norm has such a
 * counter and its strict loading misses an absent one; ours are 0, which says nothing: it is read only where
 * a layer has no momentum. They come first since 8-byte elements must lie on multiples of 8. */
typedef struct contents {
    size_t n, n_counters;
    mnas_tensor *tensors;
    char (*counter_names)[96];
} contents;

static void add_counter(contents *c, const mnas_param *mean) {
    const char *dot = strrchr(mean->name, '.');
    char *name = c->counter_names[c->n_counters++];
    snprintf(name, sizeof *c->counter_names, "%.*s.num_batches_tracked", (int)(dot - mean->name), mean->name);
    size_t begin = c->n * sizeof(int64_t);
    c->tensors[c->n++] =
        (mnas_tensor){.name = name, .dtype = "I64", .begin = begin, .end = begin + sizeof(int64_t)};
}

static int list_contents(contents *c, const mnas_graph *graph) {
    size_t n_params = (size_t)graph->n_params;
    *c = (contents){.tensors = calloc(2 * n_params + 1, sizeof *c->tensors),
                    .counter_names = calloc(n_params + 1, sizeof *c->counter_names)};
    if (!c->tensors || !c->counter_names)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: names of %zu tensors", n_params);
    for (size_t i = 0; i < n_params; i++)
        if (graph->params[i].role == MNAS_PARAM_MEAN) add_counter(c, &graph->params[i]);
    size_t at = c->n_counters * sizeof(int64_t);
    for (size_t i = 0; i < n_params; i++) {
        c->tensors[c->n] = tensor_of(&graph->params[i], at);
        at = c->tensors[c->n++].end;
    }
    return 0;
}

static int write_file(mnas_file_writer *w, const mnas_str *header, size_t n_counters,
                      const mnas_weights *weights, const mnas_graph *graph) {
    static const int64_t counter = 0;
    int rc = mnas_file_writer_write(w, header->data, header->len);
    for (size_t i = 0; i < n_counters && rc == 0; i++)
        rc = mnas_file_writer_write(w, &counter, sizeof counter);
    for (int i = 0; i < graph->n_params && rc == 0; i++) {
        const mnas_param *param = &graph->params[i];
        rc = mnas_file_writer_write(w, mnas_weights_of(weights, param), param->size * sizeof(float));
    }
    return rc == 0 ? mnas_file_writer_commit(w) : rc;
}

int mnas_weights_save(const mnas_weights *weights, const mnas_graph *graph, const char *path,
                      const char *const *metadata) {
    contents c;
    mnas_str header = {0};
    mnas_file_writer writer;
    int rc = list_contents(&c, graph);
    if (rc == 0) rc = mnas_safetensors_header(&header, c.tensors, c.n, metadata);
    if (rc == 0 && (rc = mnas_file_writer_open(&writer, path)) == 0) {
        rc = write_file(&writer, &header, c.n_counters, weights, graph);
        mnas_file_writer_abort(&writer);
    }
    mnas_str_free(&header);
    free(c.counter_names);
    free(c.tensors);
    return rc;
}
