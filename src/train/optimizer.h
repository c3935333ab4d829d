/* optimizer.h - one update of all trainable weights from their gradients, in fused loops over the flat slab.
 *
 * RMSProp has TensorFlow's semantics: the mean square starts at 1, epsilon
 * stands inside the root, and the learning rate goes into the momentum buffer, so that a change of lr does
 * not rescale what has accumulated. SGD's momentum buffer holds plain gradients (TensorFlow's
 * MomentumOptimizer and torch.optim.SGD agree). L2 decay is added to the gradient of every trainable
 * parameter but batch-norm's gamma and beta (biases decay, as in the official code).
 */
#ifndef MNAS_TRAIN_OPTIMIZER_H
#define MNAS_TRAIN_OPTIMIZER_H

#include "model/weights.h"

typedef enum { MNAS_OPTIMIZER_RMSPROP, MNAS_OPTIMIZER_SGD, MNAS_OPTIMIZER_NESTEROV } mnas_optimizer_kind;

typedef struct mnas_optimizer_options {
    mnas_optimizer_kind kind;
    double momentum;     /* 0: none */
    double rms_decay;    /* share of the old mean square kept */
    double epsilon;      /* of RMSProp, inside the root */
    double weight_decay; /* times w is added to the gradient */
} mnas_optimizer_options;

typedef struct mnas_optimizer mnas_optimizer;

int mnas_optimizer_create(mnas_optimizer **out, const mnas_graph *graph,
                          const mnas_optimizer_options *options);
void mnas_optimizer_destroy(mnas_optimizer *optimizer);
/* Both slabs belong to the graph. Moving statistics are left alone. */
void mnas_optimizer_step(mnas_optimizer *optimizer, mnas_weights *weights, const mnas_weights *gradients,
                         double lr);

/* What a step carries over to the next: NULL where the rule has no such slot. They belong to the optimiser. */
typedef struct mnas_optimizer_slots {
    mnas_weights *momentum, *mean_square;
} mnas_optimizer_slots;
mnas_optimizer_slots mnas_optimizer_slots_of(const mnas_optimizer *optimizer);

#endif
