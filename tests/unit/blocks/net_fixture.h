/* net_fixture.h - random small networks of every kind of block, random weights, and a plain forward pass, for tests. */
#ifndef MNAS_TESTS_NET_FIXTURE_H
#define MNAS_TESTS_NET_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "ops/op.h"

static inline int pick(mnas_rng *rng, int n) {
    return (int)mnas_rng_below(rng, (uint32_t)n);
}

static inline mnas_block random_block(mnas_rng *rng, int in) {
    mnas_block b = {
        .repeats = 1 + pick(rng, 3), .kernel = 3 + 2 * pick(rng, 3), .stride = 1 + pick(rng, 2), .in = in};
    b.expand = 1 + pick(rng, 3);
    b.out = pick(rng, 2) ? in : 4 + pick(rng, 9);
    b.se_ratio = pick(rng, 2) ? 0.25 : 0;
    b.op = (mnas_conv_op)pick(rng, 3);
    b.skip = (mnas_skip_op)pick(rng, 3);
    b.act = (mnas_act)pick(rng, MNAS_ACT_HSWISH + 1);
    return b;
}

static inline mnas_model random_model(uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 0, "random model");
    mnas_model m;
    mnas_model_defaults(&m);
    m.stem_filters = 4 + pick(&rng, 5);
    m.stem_stride = 1 + pick(&rng, 2);
    m.input_size = 9 + pick(&rng, 12);
    m.classes = 10;
    m.act = (mnas_act)(MNAS_ACT_RELU + pick(&rng, 4));
    m.padding = (mnas_pad)pick(&rng, 2);
    m.head_filters = pick(&rng, 2) ? 16 : 0;
    m.dropout = pick(&rng, 2) ? 0.2 : 0;
    m.n_blocks = 1 + pick(&rng, 4);
    int in = m.stem_filters;
    for (int i = 0; i < m.n_blocks; i++) {
        m.blocks[i] = random_block(&rng, in);
        in = m.blocks[i].out;
    }
    return m;
}

static inline mnas_graph *built(const mnas_model *model) {
    mnas_graph *graph;
    if (mnas_net_build(&graph, model) < 0) fail_msg("%s", mnas_error_message());
    return graph;
}

/* Nothing zero, batch-norm far from the identity, activations of moderate size. */
static inline mnas_weights *random_weights(const mnas_graph *graph, uint64_t seed) {
    mnas_rng rng = mnas_rng_stream(seed, 1, "random weights");
    mnas_weights *weights;
    assert_int_equal(mnas_weights_create(&weights, graph), 0);
    for (int i = 0; i < graph->n_params; i++) {
        const mnas_param *p = &graph->params[i];
        double fan_in = (double)(p->size / (size_t)p->dims[0]);
        for (size_t j = 0; j < p->size; j++) {
            double x = mnas_rng_normal(&rng), u = mnas_rng_uniform(&rng);
            if (p->role == MNAS_PARAM_GAMMA || p->role == MNAS_PARAM_VAR) x = 0.5 + u;
            if (p->n_dims > 1) x *= sqrt(2 / fan_in);
            mnas_weights_of(weights, p)[j] = (float)x;
        }
    }
    return weights;
}

/* Logits [batch, classes] by the reference loops, moving statistics; malloc'ed. */
static inline float *reference_logits(const mnas_graph *graph, const mnas_weights *weights,
                                      const float *images, int batch) {
    float **out = calloc((size_t)graph->n_nodes, sizeof *out);
    assert_non_null(out);
    for (int i = 0; i < graph->n_nodes; i++) {
        const mnas_node *node = &graph->nodes[i];
        mnas_call call = {.node = node, .batch = batch};
        size_t n = (size_t)batch * mnas_shape_size(node->out);
        mnas_graph_in_shapes(graph, node, call.in);
        call.dst = out[i] = malloc(n * sizeof(float));
        call.saved = malloc(1 + (node->op->saved_bytes ? node->op->saved_bytes(node, call.in, batch) : 0));
        assert_true(out[i] && call.saved);
        if (i == 0) memcpy(out[0], images, n * sizeof(float));
        for (int k = 0; k < node->n_in; k++) call.src[k] = out[node->in[k]];
        for (int k = 0; k < node->n_params; k++)
            call.param[k] = mnas_weights_of(weights, &graph->params[node->params[k]]);
        assert_int_equal(mnas_op_reference.forward(NULL, &call), 0);
        free(call.saved);
    }
    float *logits = out[graph->n_nodes - 1];
    for (int i = 0; i + 1 < graph->n_nodes; i++) free(out[i]);
    free(out);
    return logits;
}

#endif
