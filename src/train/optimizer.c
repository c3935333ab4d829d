/* optimizer.c - RMSProp and SGD over the weight slab, cut into pieces that threads share.
 *
 * A piece lies within one parameter, so decay is a constant of its loop. Each piece is updated by exactly one
 * thread and without sums across elements: the result does not depend on the number of threads.
 */
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/round.h"

enum { PIECE_FLOATS = 8192 };

typedef struct piece {
    size_t offset, size; /* floats */
    float decay;
} piece;

struct mnas_optimizer {
    mnas_optimizer_options options;
    piece *pieces;
    int n_pieces;
    mnas_weights *momentum, *mean_square; /* the latter of RMSProp alone */
};

static float decay_of(const mnas_param *param, const mnas_optimizer_options *options) {
    bool batch_norm = param->role == MNAS_PARAM_GAMMA || param->role == MNAS_PARAM_BETA;
    return batch_norm ? 0.0F : (float)options->weight_decay;
}

static int count_pieces(const mnas_graph *graph) {
    size_t n = 0;
    for (int i = 0; i < graph->n_params; i++) {
        if (graph->params[i].trainable) n += mnas_divide_up(graph->params[i].size, PIECE_FLOATS);
    }
    return (int)n;
}

static int cut_pieces(mnas_optimizer *o, const mnas_graph *graph) {
    o->pieces = calloc((size_t)count_pieces(graph) + 1, sizeof *o->pieces);
    if (!o->pieces) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for the optimiser's table");
    for (int i = 0; i < graph->n_params; i++) {
        const mnas_param *param = &graph->params[i];
        for (size_t at = 0; param->trainable && at < param->size; at += PIECE_FLOATS) {
            size_t left = param->size - at;
            o->pieces[o->n_pieces++] = (piece){param->offset + at, left < PIECE_FLOATS ? left : PIECE_FLOATS,
                                               decay_of(param, &o->options)};
        }
    }
    return 0;
}

int mnas_optimizer_create(mnas_optimizer **out, const mnas_graph *graph,
                          const mnas_optimizer_options *options) {
    mnas_optimizer *o = calloc(1, sizeof *o);
    if (!o) return mnas_error_set(MNAS_ERR_MEMORY, "no memory for an optimiser");
    o->options = *options;
    int rc = cut_pieces(o, graph);
    if (rc == 0) rc = mnas_weights_create(&o->momentum, graph);
    if (rc == 0 && options->kind == MNAS_OPTIMIZER_RMSPROP) {
        rc = mnas_weights_create(&o->mean_square, graph);
        for (size_t i = 0; rc == 0 && i < o->mean_square->n_floats; i++) o->mean_square->data[i] = 1.0F;
    }
    if (rc < 0) {
        mnas_optimizer_destroy(o);
        return rc;
    }
    *out = o;
    return 0;
}

void mnas_optimizer_destroy(mnas_optimizer *optimizer) {
    if (!optimizer) return;
    mnas_weights_destroy(optimizer->momentum);
    mnas_weights_destroy(optimizer->mean_square);
    free(optimizer->pieces);
    free(optimizer);
}

/* ms <- rho ms + (1 - rho) g^2;  mom <- mu mom + lr g / sqrt(ms + eps);  w <- w - mom */
static void rmsprop(float *restrict w, const float *restrict g, float *restrict mom, float *restrict ms,
                    const piece *p, const mnas_optimizer_options *o, float lr) {
    float mu = (float)o->momentum, rho = (float)o->rms_decay, eps = (float)o->epsilon, decay = p->decay;
    for (size_t i = p->offset; i < p->offset + p->size; i++) {
        float d = g[i] + decay * w[i];
        ms[i] = rho * ms[i] + (1.0F - rho) * d * d;
        mom[i] = mu * mom[i] + lr * d / sqrtf(ms[i] + eps);
        w[i] -= mom[i];
    }
}

/* mom <- mu mom + g;  w <- w - lr mom  (Nesterov: w <- w - lr (g + mu mom)) */
static void sgd(float *restrict w, const float *restrict g, float *restrict mom, const piece *p,
                const mnas_optimizer_options *o, float lr) {
    float mu = (float)o->momentum, decay = p->decay;
    float ahead = o->kind == MNAS_OPTIMIZER_NESTEROV ? 1.0F : 0.0F;
    for (size_t i = p->offset; i < p->offset + p->size; i++) {
        float d = g[i] + decay * w[i];
        mom[i] = mu * mom[i] + d;
        w[i] -= lr * (ahead * d + (1.0F - ahead + ahead * mu) * mom[i]);
    }
}

void mnas_optimizer_step(mnas_optimizer *optimizer, mnas_weights *weights, const mnas_weights *gradients,
                         double lr) {
    const mnas_optimizer *o = optimizer;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < o->n_pieces; i++) {
        if (o->mean_square) {
            rmsprop(weights->data, gradients->data, o->momentum->data, o->mean_square->data, &o->pieces[i],
                    &o->options, (float)lr);
        } else {
            sgd(weights->data, gradients->data, o->momentum->data, &o->pieces[i], &o->options, (float)lr);
        }
    }
}

mnas_optimizer_slots mnas_optimizer_slots_of(const mnas_optimizer *optimizer) {
    return (mnas_optimizer_slots){optimizer->momentum, optimizer->mean_square};
}
