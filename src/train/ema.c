/* ema.c - the moving average as one pass over the slab. It does not decide who is evaluated; train/trainer.c does. */
#include "train/ema.h"

#include <string.h>

int mnas_ema_init(mnas_ema *ema, const mnas_graph *graph, const mnas_weights *initial, double decay) {
    *ema = (mnas_ema){.decay = decay};
    int rc = mnas_weights_create(&ema->average, graph);
    if (rc < 0) return rc;
    memcpy(ema->average->data, initial->data, initial->n_floats * sizeof(float));
    return 0;
}

void mnas_ema_free(mnas_ema *ema) {
    mnas_weights_destroy(ema->average);
    *ema = (mnas_ema){0};
}

double mnas_ema_decay_at(double decay, int64_t n_updates) {
    double ramp = (1.0 + (double)n_updates) / (10.0 + (double)n_updates);
    return ramp < decay ? ramp : decay;
}

void mnas_ema_update(mnas_ema *ema, const mnas_weights *weights) {
    float rate = (float)(1.0 - mnas_ema_decay_at(ema->decay, ema->n_updates++));
    float *restrict average = ema->average->data;
    const float *restrict value = weights->data;
    size_t n = weights->n_floats;
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < n; i++) average[i] += rate * (value[i] - average[i]);
}
