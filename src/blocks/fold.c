/* fold.c - batch-norm into the convolution in front of it; see fold.h.
 *
 * Two passes, so that the cost model can have the graph without any weights: first the nodes, then the
 * values. A folded convolution keeps its module's name, which is how the second pass finds where its weights
 * come from. Sums in double.
 */
#include "blocks/fold.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "ops/op.h"

static bool is_convolution(const mnas_node *node) {
    return node->op == &mnas_op_conv || node->op == &mnas_op_dwconv;
}

/* The batch-norm to fold into node i: its only consumer, where i is a bare convolution; else -1. */
static int bn_behind(const mnas_graph *graph, int i) {
    const mnas_node *node = &graph->nodes[i];
    if (!is_convolution(node) || node->bias || node->act != MNAS_ACT_NONE) return -1;
    if (mnas_graph_n_consumers(graph, i) != 1) return -1;
    for (int j = i + 1; j < graph->n_nodes; j++)
        if (graph->nodes[j].n_in > 0 && graph->nodes[j].in[0] == i)
            return graph->nodes[j].op == &mnas_op_bn ? j : -1;
    return -1;
}

/* at[i]: which folded node stands for node i. */
static int fold_node(mnas_graph *folded, const mnas_graph *graph, int i, int *at) {
    mnas_node node = graph->nodes[i];
    if (node.op == &mnas_op_dropout) {
        at[i] = at[node.in[0]];
        return 0;
    }
    if (node.op == &mnas_op_bn) {
        if (bn_behind(graph, node.in[0]) == i) {
            at[i] = at[node.in[0]];
            return 0;
        }
        return mnas_error_set(MNAS_ERR_INVALID,
                              "%s: batch-norm without a convolution of its own in front of it", node.name);
    }
    int bn = bn_behind(graph, i);
    for (int k = 0; k < node.n_in; k++) node.in[k] = at[node.in[k]];
    if (bn >= 0) {
        node.bias = true;
        node.act = graph->nodes[bn].act;
    }
    at[i] = mnas_op_append(folded, &node);
    return at[i];
}

int mnas_fold_graph(mnas_graph **out, const mnas_graph *graph) {
    mnas_graph *folded = NULL;
    int *at = malloc((size_t)graph->n_nodes * sizeof *at);
    int rc =
        at ? mnas_graph_create(&folded, &graph->model) : mnas_error_set(MNAS_ERR_MEMORY, "out of memory");
    for (int i = 0; i < graph->n_nodes && rc >= 0; i++) rc = fold_node(folded, graph, i, at);
    free(at);
    if (rc < 0) {
        mnas_graph_destroy(folded);
        return rc;
    }
    *out = folded;
    return 0;
}

/* ------------------------------------------------------------------------------------------- values */

static const mnas_param *param_of(const mnas_graph *graph, int node, int k) {
    return &graph->params[graph->nodes[node].params[k]];
}

static float *values_of(const mnas_weights *weights, const mnas_graph *graph, int node, int k) {
    return mnas_weights_of(weights, param_of(graph, node, k));
}

/* w' = w gamma / sqrt(var + epsilon), bias' = beta - mean gamma / sqrt(var + epsilon), by output channel. */
static void fold_values(float *weight, float *bias, const mnas_graph *graph, const mnas_weights *from,
                        int conv, int bn) {
    const mnas_param *param = param_of(graph, conv, 0);
    const float *w = mnas_weights_of(from, param), *gamma = values_of(from, graph, bn, 0);
    const float *beta = values_of(from, graph, bn, 1), *mean = values_of(from, graph, bn, 2);
    const float *var = values_of(from, graph, bn, 3);
    size_t n_out = (size_t)param->dims[0], per_out = param->size / n_out;
    for (size_t k = 0; k < n_out; k++) {
        double scale = (double)gamma[k] / sqrt((double)var[k] + graph->nodes[bn].epsilon);
        bias[k] = (float)((double)beta[k] - (double)mean[k] * scale);
        for (size_t i = 0; i < per_out; i++)
            weight[k * per_out + i] = (float)((double)w[k * per_out + i] * scale);
    }
}

static void fold_weights(mnas_weights *to, const mnas_graph *folded, const mnas_graph *graph,
                         const mnas_weights *from) {
    for (int i = 0; i < folded->n_nodes; i++) {
        const mnas_node *node = &folded->nodes[i];
        if (node->n_params == 0) continue;
        int source = mnas_graph_find_node(graph, node->name);
        assert(source >= 0);
        int bn = bn_behind(graph, source);
        if (bn >= 0) {
            fold_values(values_of(to, folded, i, 0), values_of(to, folded, i, 1), graph, from, source, bn);
            continue;
        }
        for (int k = 0; k < node->n_params; k++)
            memcpy(values_of(to, folded, i, k), values_of(from, graph, source, k),
                   param_of(folded, i, k)->size * sizeof(float));
    }
}

static bool feeds_add(const mnas_graph *graph, int i) {
    for (int j = i + 1; j < graph->n_nodes; j++)
        for (int k = 0; k < graph->nodes[j].n_in; k++)
            if (graph->nodes[j].in[k] == i && graph->nodes[j].op == &mnas_op_add) return true;
    return false;
}

/* Variance times fan-in: 2 in front of a relu and 1 without keep the size of activations from layer to layer;
 * residual branches get a quarter, or their sums would grow twofold a layer. */
static double gain(const mnas_graph *graph, int i) {
    const mnas_node *node = &graph->nodes[i];
    double g = is_convolution(node) && node->act != MNAS_ACT_NONE ? 2 : 1;
    return feeds_add(graph, i) ? g / 4 : g;
}

static void random_weights(mnas_weights *to, const mnas_graph *graph) {
    mnas_rng rng = mnas_rng_stream(0, 0, "latency weights");
    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i].n_params; k++) {
            const mnas_param *param = param_of(graph, i, k);
            double fan_in = param->n_dims > 1 ? (double)(param->size / (size_t)param->dims[0]) : 1e4;
            double bound = sqrt(3 * gain(graph, i) / fan_in); /* uniform: variance bound^2 / 3 */
            float *values = mnas_weights_of(to, param);
            for (size_t j = 0; j < param->size; j++)
                values[j] = (float)(bound * (2 * mnas_rng_uniform(&rng) - 1));
        }
}

int mnas_fold(mnas_graph **folded, mnas_weights **folded_weights, const mnas_graph *graph,
              const mnas_weights *weights) {
    mnas_graph *out = NULL;
    int rc = mnas_fold_graph(&out, graph);
    if (rc < 0) return rc;
    if ((rc = mnas_weights_create(folded_weights, out)) < 0) {
        mnas_graph_destroy(out);
        return rc;
    }
    if (weights)
        fold_weights(*folded_weights, out, graph, weights);
    else
        random_weights(*folded_weights, out);
    *folded = out;
    return 0;
}
