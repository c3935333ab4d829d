/* init.c - draws a network's initial weights. It reads no files: starting from stored weights is the caller's
 * choice. */
#include "train/init.h"

#include <math.h>

#include "base/rng.h"

static void fill(float *w, size_t n, float value) {
    for (size_t i = 0; i < n; i++) w[i] = value;
}

static void draw_normal(float *w, size_t n, double sd, mnas_rng *rng) {
    for (size_t i = 0; i < n; i++) w[i] = (float)(sd * mnas_rng_normal(rng));
}

static void draw_uniform(float *w, size_t n, double bound, mnas_rng *rng) {
    for (size_t i = 0; i < n; i++) w[i] = (float)(bound * (2.0 * mnas_rng_uniform(rng) - 1.0));
}

static void init_param(float *w, const mnas_param *param, mnas_rng *rng) {
    double window =
        (double)param->dims[param->n_dims - 1] * param->dims[param->n_dims - 1]; /* k k of [K, C, k, k] */
    switch (param->role) {
    case MNAS_PARAM_CONV:
        draw_normal(w, param->size, sqrt(2.0 / (window * param->dims[0])), rng);
        break;
    case MNAS_PARAM_DEPTHWISE:
        draw_normal(w, param->size, sqrt(2.0 / window), rng);
        break;
    case MNAS_PARAM_DENSE:
        draw_uniform(w, param->size, 1.0 / sqrt((double)param->dims[0]), rng);
        break;
    case MNAS_PARAM_GAMMA:
    case MNAS_PARAM_VAR:
        fill(w, param->size, 1.0F);
        break;
    case MNAS_PARAM_BIAS:
    case MNAS_PARAM_BETA:
    case MNAS_PARAM_MEAN:
        fill(w, param->size, 0.0F);
        break;
    }
}

void mnas_init_weights(mnas_weights *weights, const mnas_graph *graph, uint64_t seed) {
    for (int i = 0; i < graph->n_params; i++) {
        mnas_rng rng = mnas_rng_stream(seed, (uint64_t)i, "init");
        init_param(mnas_weights_of(weights, &graph->params[i]), &graph->params[i], &rng);
    }
}

void mnas_init_calm_classifier(mnas_weights *weights, const mnas_graph *graph) {
    enum { OFFICIAL_CLASSES = 1000 };
    for (int i = 0; i < graph->n_params; i++) {
        const mnas_param *param = &graph->params[i];
        if (param->role != MNAS_PARAM_DENSE || param->dims[0] >= OFFICIAL_CLASSES) continue;
        float *w = mnas_weights_of(weights, param);
        const float scale = sqrtf((float)param->dims[0] / OFFICIAL_CLASSES);
        for (size_t j = 0; j < param->size; j++) w[j] *= scale;
    }
}
