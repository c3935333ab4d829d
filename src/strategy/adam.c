/* adam.c - see adam.h. No weight decay and no schedule: the controller needs neither. */
#include "strategy/adam.h"

#include <math.h>

void mnas_adam_step(mnas_adam *adam, double *params, const double *grad, size_t n) {
    double b1 = adam->beta1, b2 = adam->beta2, t = (double)++adam->n_steps;
    double unbias1 = 1 / (1 - pow(b1, t)), unbias2 = 1 / (1 - pow(b2, t));
    for (size_t i = 0; i < n; i++) {
        adam->m[i] = b1 * adam->m[i] + (1 - b1) * grad[i];
        adam->v[i] = b2 * adam->v[i] + (1 - b2) * grad[i] * grad[i];
        params[i] -= adam->lr * (adam->m[i] * unbias1) / (sqrt(adam->v[i] * unbias2) + adam->epsilon);
    }
}

double mnas_adam_clip_norm(double *grad, size_t n, double limit) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += grad[i] * grad[i];
    double norm = sqrt(sum);
    if (limit > 0 && norm > limit)
        for (size_t i = 0; i < n; i++) grad[i] *= limit / norm;
    return norm;
}
