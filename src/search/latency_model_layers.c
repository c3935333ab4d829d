/* latency_model_layers.c - a network as the layers that an engine runs, and a layer as numbers; see latency_model.h.
 *
 * It times nothing and fits nothing. What engines run as one with a convolution (its bias, batch-norm, relu and relu6) is no
 * layer; other activations are layers of their own, since engines pass over the map for them once more.
 */
#include "search/latency_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "model/graph.h"
#include "ops/op.h"

enum { VECTOR = 16 }; /* floats of the widest vectors in use: channels are computed in whole ones */

static bool is_op(const mnas_lm_layer *layer, const char *name) {
    const size_t n = strlen(name);
    return strncmp(layer->kind, name, n) == 0 && (layer->kind[n] == '\0' || layer->kind[n] == ' ');
}

static void describe(mnas_lm_layer *out, const mnas_graph *graph, const mnas_node *node) {
    mnas_shape in[MNAS_MAX_INPUTS];
    mnas_graph_in_shapes(graph, node, in);
    const char *op = node->op->plugin.name;
    *out =
        (mnas_lm_layer){.in_size = in[0].h, .in_c = in[0].c, .out_size = node->out.h, .out_c = node->out.c};
    if (node->kernel > 0)
        snprintf(out->kind, sizeof out->kind, "%s %d/%d", op, node->kernel, node->stride);
    else
        snprintf(out->kind, sizeof out->kind, "%s", op);
    if (is_op(out, "se")) out->width = node->filters;
}

/* An activation that is a pass of its own behind the node. */
static bool describe_act(mnas_lm_layer *out, const mnas_node *node) {
    const char *name = node->act == MNAS_ACT_SWISH ? "swish" : node->act == MNAS_ACT_HSWISH ? "hswish" : NULL;
    if (!name) return false;
    *out = (mnas_lm_layer){
        .in_size = node->out.h, .in_c = node->out.c, .out_size = node->out.h, .out_c = node->out.c};
    snprintf(out->kind, sizeof out->kind, "%s", name);
    return true;
}

static int fill(mnas_lm_net *out, const mnas_graph *graph) {
    const size_t room = 2 * (size_t)graph->n_nodes;
    out->layers = calloc(room, sizeof *out->layers);
    out->names = calloc(room, sizeof *out->names);
    if (!out->layers || !out->names)
        return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: %d layers", graph->n_nodes);
    for (int i = 1; i < graph->n_nodes; i++) {
        const mnas_node *node = &graph->nodes[i];
        describe(&out->layers[out->n], graph, node);
        memcpy(out->names[out->n], node->name, sizeof node->name);
        out->macs += mnas_lm_macs(&out->layers[out->n]);
        out->n++;
        if (!describe_act(&out->layers[out->n], node)) continue;
        memcpy(out->names[out->n], node->name, sizeof node->name);
        out->n++;
    }
    return 0;
}

int mnas_lm_net_open(mnas_lm_net *out, const mnas_model *model) {
    mnas_graph *graph = NULL, *folded = NULL;
    *out = (mnas_lm_net){0};
    int rc = mnas_net_build(&graph, model);
    if (rc == 0) rc = mnas_fold_graph(&folded, graph);
    if (rc == 0) rc = fill(out, folded);
    mnas_graph_destroy(folded);
    mnas_graph_destroy(graph);
    if (rc < 0) mnas_lm_net_close(out);
    return rc;
}

void mnas_lm_net_close(mnas_lm_net *net) {
    free(net->layers);
    free(net->names);
    *net = (mnas_lm_net){0};
}

/* ---- numbers ---- */

static int64_t kernel_of(const mnas_lm_layer *layer) {
    const char *space = strchr(layer->kind, ' ');
    return space ? atoi(space + 1) : 1;
}

static int64_t map_of(int size) {
    return (int64_t)size * size;
}

/* Multiply-adds with `out_c` filters: a pool's are those of a depthwise convolution's window. */
static int64_t work(const mnas_lm_layer *l, int64_t out_c) {
    const int64_t window = kernel_of(l) * kernel_of(l);
    if (is_op(l, "conv") || is_op(l, "dense")) return map_of(l->out_size) * out_c * window * l->in_c;
    if (is_op(l, "dwconv") || is_op(l, "avgpool") || is_op(l, "maxpool"))
        return map_of(l->out_size) * out_c * window;
    return is_op(l, "se") ? 2 * (int64_t)l->in_c * l->width : 0;
}

static int64_t weights(const mnas_lm_layer *l) {
    const int64_t window = kernel_of(l) * kernel_of(l);
    if (is_op(l, "conv") || is_op(l, "dense")) return (int64_t)l->out_c * window * l->in_c;
    if (is_op(l, "dwconv")) return (int64_t)l->out_c * window;
    return is_op(l, "se") ? 2 * (int64_t)l->in_c * l->width : 0;
}

int64_t mnas_lm_macs(const mnas_lm_layer *l) {
    return is_op(l, "avgpool") || is_op(l, "maxpool") ? 0 : work(l, l->out_c);
}

void mnas_lm_features(double out[MNAS_LM_FEATURES], const mnas_lm_layer *l) {
    out[0] = (double)work(l, (int64_t)mnas_round_up((size_t)l->out_c, VECTOR)) / 1e6;
    out[1] = (double)(map_of(l->in_size) * l->in_c) * sizeof(float) / 1e6;
    out[2] = (double)(map_of(l->out_size) * l->out_c) * sizeof(float) / 1e6;
    out[3] = (double)weights(l) * sizeof(float) / 1e6;
    out[4] = 0.01;
}

void mnas_lm_place(double out[MNAS_LM_DIMS], const mnas_lm_layer *l) {
    out[0] = log2(l->out_size);
    out[1] = log2(l->in_c);
    out[2] = log2(l->out_c);
    out[3] = log2(1 + l->width);
}

double mnas_lm_distance2(const double a[MNAS_LM_DIMS], const double b[MNAS_LM_DIMS]) {
    double sum = 0;
    for (int d = 0; d < MNAS_LM_DIMS; d++) sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
}
