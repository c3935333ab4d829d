/* loss.h - softmax cross-entropy with label smoothing, mean over the batch.
 *
 * Targets are (1 - s) [k = label] + s / K, as TensorFlow's label_smoothing. The gradient is of the mean loss.
 */
#ifndef MNAS_OPS_LOSS_H
#define MNAS_OPS_LOSS_H

#include <stdint.h>

typedef struct mnas_loss {
    double loss; /* mean; NaN or infinite when the logits are not finite */
    /* labels with fewer than 1 (5) logits greater; ties count for the label with the lower index */
    int n_top1, n_top5;
} mnas_loss;

/* logits [n, classes]; dlogits [n, classes] or NULL. */
mnas_loss mnas_loss_softmax(const float *logits, const int32_t *labels, int n, int classes, double smoothing,
                            float *dlogits);

#endif
