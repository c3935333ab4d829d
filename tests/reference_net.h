/* reference_net.h - networks of every kind with weights that are not trivial, and what their reference loops say of an image.
 * For programs with cmocka included; they link the layer blocks or one above.
 */
#ifndef REFERENCE_NET_H
#define REFERENCE_NET_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "model/model.h"
#include "ops/op.h"

/* ---- values ---- */

/* Mean 0, variance 1. */
static inline double draw(mnas_rng *rng) {
    return sqrt(12) * (mnas_rng_uniform(rng) - 0.5);
}

static inline float *random_image(mnas_rng *rng, const mnas_graph *g) {
    const size_t n = mnas_shape_size(g->nodes[0].out);
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)draw(rng);
    return x;
}

/* Batch-norm's variance stays away from 0, its scale near 1. */
static inline float value_of(const mnas_param *p, mnas_rng *rng) {
    const double taps = p->n_dims < 2 ? 1 : (double)(p->size / (size_t)p->dims[0]), z = draw(rng);
    if (p->role == MNAS_PARAM_VAR) return (float)(0.5 + fabs(z));
    if (p->role == MNAS_PARAM_GAMMA) return (float)(1 + 0.2 * z);
    return (float)(z * (p->n_dims < 2 ? 0.3 : sqrt(2 / taps)));
}

static inline void fill_weights(mnas_weights *w, const mnas_graph *g, mnas_rng *rng) {
    for (int i = 0; i < g->n_params; i++) {
        float *x = mnas_weights_of(w, &g->params[i]);
        for (size_t k = 0; k < g->params[i].size; k++) x[k] = value_of(&g->params[i], rng);
    }
}

/* ---- the reference loops ---- */

/* One node, inference mode; returns its output, to be freed. */
static inline float *reference_node(const mnas_graph *g, const mnas_weights *w, int i, float *const *values) {
    const mnas_node *node = &g->nodes[i];
    mnas_call call = {.node = node, .batch = 1};
    mnas_graph_in_shapes(g, node, call.in);
    for (int k = 0; k < node->n_in; k++) call.src[k] = values[node->in[k]];
    for (int k = 0; k < node->n_params; k++) call.param[k] = mnas_weights_of(w, &g->params[node->params[k]]);
    call.saved = malloc((node->op->saved_bytes ? node->op->saved_bytes(node, call.in, 1) : 0) + 1);
    call.dst = malloc(mnas_shape_size(node->out) * sizeof *call.dst);
    assert_true(call.saved && call.dst);
    node->op->forward(&call);
    free(call.saved);
    return call.dst;
}

/* The logits, to be freed. */
static inline float *reference_run(const mnas_graph *g, const mnas_weights *w, const float *image) {
    float **values = calloc((size_t)g->n_nodes, sizeof *values);
    const size_t n = mnas_shape_size(g->nodes[0].out);
    assert_non_null(values);
    values[0] = malloc(n * sizeof **values);
    assert_non_null(values[0]);
    memcpy(values[0], image, n * sizeof **values);
    for (int i = 1; i < g->n_nodes; i++) values[i] = reference_node(g, w, i, values);
    float *result = values[g->n_nodes - 1];
    for (int i = 0; i < g->n_nodes - 1; i++) free(values[i]);
    free(values);
    return result;
}

/* Largest difference over max(1, largest value of a); infinite where a value is not finite. */
static inline double distance(const float *a, const float *b, size_t n) {
    double most = 1, worst = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        most = fmax(most, fabs((double)a[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    return worst / most;
}

/* ---- networks ---- */

typedef struct reference_net {
    mnas_graph *graph, *folded; /* for training; for inference */
    mnas_weights *weights, *folded_weights;
} reference_net;

static inline void open_net(reference_net *net, const mnas_model *model, mnas_rng *rng) {
    if (mnas_net_build(&net->graph, model) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_weights_create(&net->weights, net->graph), 0);
    fill_weights(net->weights, net->graph, rng);
    if (mnas_fold(&net->folded, &net->folded_weights, net->graph, net->weights) < 0)
        fail_msg("%s", mnas_error_message());
}

static inline void close_net(reference_net *net) {
    mnas_weights_destroy(net->folded_weights);
    mnas_weights_destroy(net->weights);
    mnas_graph_destroy(net->folded);
    mnas_graph_destroy(net->graph);
}

/* Every kind of block, and what stands between them. */
static const char *const block_archs[] = {
    "r2_k3_s11_e1_i8_o8_opsep r2_k3_s22_e3_i8_o12",
    "r2_k5_s22_e6_i8_o16_se0.25 r1_k3_s11_e1_i16_o16",
    "r1_k3_s22_e1_i8_o16_opconv r2_k5_s11_e1_i16_o16_se0.25_opconv",
    "r2_k3_s22_e3_i8_o24_skippool r2_k3_s11_e3_i24_o24_skippool "
    "r2_k3_s11_e1_i24_o24_se0.25_opconv_skippool",
    "r2_k7_s22_e3_i8_o10_noskip r2_k3_s11_e1_i10_o14_opsep_skippool",
    "r3_k5_s22_e3_i8_o8_se0.5_noskip r2_k3_s22_e4_i8_o20 r2_k5_s22_e2_i20_o20_skippool",
    "r2_k3_s22_e6_i8_o16_se0.25_opsep r2_k3_s11_e1_i16_o16_se0.5_opsep",
};
enum { N_BLOCK_ARCHS = sizeof block_archs / sizeof *block_archs, N_BLOCK_VARIANTS = 4 };

/* A small network with one kind of block, in four variants of activation, padding, image and head. */
static inline void block_model(mnas_model *out, const char *arch, int variant) {
    mnas_model_defaults(out);
    assert_int_equal(mnas_model_set_arch(out, arch), 0);
    out->stem_filters = 8;
    out->head_filters = variant & 1 ? 32 : 0;
    out->act = (mnas_act)(MNAS_ACT_RELU + variant);
    out->padding = variant & 2 ? MNAS_PAD_SYMMETRIC : MNAS_PAD_SAME;
    out->input_size = variant & 1 ? 29 : 32; /* odd and even sides */
    out->input_channels = variant & 2 ? 1 : 3;
    mnas_model_default_normalisation(out, out->input_channels);
    out->classes = 10;
    out->dropout = 0.2;
    snprintf(out->name, sizeof out->name, "blocks%d", variant);
}

/* Fails where `off` of a network of any kind of block, in any variant, is above the tolerance. */
static inline void check_every_kind_of_block(double (*off)(const mnas_model *, mnas_rng *),
                                             double tolerance) {
    mnas_rng rng = mnas_rng_stream(11, 0, "blocks");
    for (int i = 0; i < N_BLOCK_ARCHS * N_BLOCK_VARIANTS; i++) {
        const char *arch = block_archs[i / N_BLOCK_VARIANTS];
        mnas_model model;
        block_model(&model, arch, i % N_BLOCK_VARIANTS);
        const double d = off(&model, &rng);
        if (!(d <= tolerance)) fail_msg("%s variant %d: distance %g", arch, i % N_BLOCK_VARIANTS, d);
    }
}

/* Network i of a random space; its image is made small. */
static inline void space_model(mnas_model *out, const char *name, uint64_t i) {
    mnas_space *space;
    int tokens[512];
    mnas_rng rng = mnas_rng_stream(5, i, name);
    assert_int_equal(mnas_space_open(&space, name), 0);
    for (int d = 0; d < mnas_space_n_decisions(space); d++)
        tokens[d] = (int)mnas_rng_below(&rng, (uint32_t)mnas_space_decision(space, d)->n_choices);
    assert_int_equal(mnas_space_decode(space, tokens, out), 0);
    if (out->input_size > 64) out->input_size = 48;
    mnas_space_close(space);
}

/* Network i of all; false behind the last one. */
static inline bool model_at(mnas_model *out, int i) {
    enum { OF_A_SPACE = 2, N_BLOCKS = N_BLOCK_ARCHS * N_BLOCK_VARIANTS };
    static const char *const zoo[] = {"mnasnet-a1@0.35", "mnasnet-b1@0.35", "mnasnet-b1@0.35@timm",
                                      "mnasnet-small", "mobilenet-v2@0.35"};
    const int n_zoo = (int)(sizeof zoo / sizeof *zoo);
    size_t n_spaces;
    const char *const *spaces = mnas_space_builtins(&n_spaces);
    if (i < N_BLOCKS) {
        block_model(out, block_archs[i / N_BLOCK_VARIANTS], i % N_BLOCK_VARIANTS);
        return true;
    }
    i -= N_BLOCKS;
    if (i < n_zoo) {
        if (mnas_model_open_local(out, zoo[i], 64) < 0) fail_msg("%s", mnas_error_message());
        return true;
    }
    i -= n_zoo;
    if (i >= OF_A_SPACE * (int)n_spaces) return false;
    space_model(out, spaces[i / OF_A_SPACE], (uint64_t)i);
    return true;
}

#endif
