/* ema.h - the exponential moving average of a network: weights and batch-norm's moving statistics alike.
 *
 * As tf.train.ExponentialMovingAverage with num_updates: average <- average + (1 - d) (value - average) with
 * d = min(decay, (1 + n) / (10 + n)), n the updates made before. It starts from the initial values.
 */
#ifndef MNAS_TRAIN_EMA_H
#define MNAS_TRAIN_EMA_H

#include "model/weights.h"

typedef struct mnas_ema {
    double decay;
    int64_t n_updates;
    mnas_weights *average;
} mnas_ema;

/* A copy of `initial`. Release with mnas_ema_free. */
int mnas_ema_init(mnas_ema *ema, const mnas_graph *graph, const mnas_weights *initial, double decay);
void mnas_ema_free(mnas_ema *ema);
void mnas_ema_update(mnas_ema *ema, const mnas_weights *weights);
double mnas_ema_decay_at(double decay, int64_t n_updates);

#endif
