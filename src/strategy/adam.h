/* adam.h - the Adam optimiser (Kingma & Ba, algorithm 1) over one flat array, and clipping of a gradient's norm. */
#ifndef MNAS_STRATEGY_ADAM_H
#define MNAS_STRATEGY_ADAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct mnas_adam {
    double lr, beta1, beta2, epsilon;
    int64_t n_steps; /* taken so far */
    double *m, *v;   /* moments, owned by the caller, zero at the start */
} mnas_adam;

void mnas_adam_step(mnas_adam *adam, double *params, const double *grad, size_t n);

/* Scale grad so that its Euclidean norm is at most `limit`; returns the norm before. limit 0: leave it. */
double mnas_adam_clip_norm(double *grad, size_t n, double limit);

#endif
