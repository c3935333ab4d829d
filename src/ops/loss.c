/* loss.c - softmax cross-entropy in double from float logits; see loss.h. */
#include "ops/loss.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

/* log of the sum of exponentials, taken relative to the largest so that nothing overflows. */
static double log_sum_exp(const float *z, int classes) {
    double max = (double)z[0], sum = 0;
    for (int k = 1; k < classes; k++)
        if ((double)z[k] > max) max = (double)z[k];
    for (int k = 0; k < classes; k++) sum += exp((double)z[k] - max);
    return max + log(sum);
}

/* How many classes stand before the label. Written so that a NaN anywhere counts against it. */
static int rank_of(const float *z, int classes, int label) {
    int rank = 0;
    for (int k = 0; k < classes; k++)
        if (!(z[k] < z[label] || (z[k] == z[label] && k >= label))) rank++;
    return rank;
}

/* -sum over k of target[k] log softmax(z)[k], with target = (1 - s) [k = label] + s / K */
static double cross_entropy(const float *z, int classes, int label, double smoothing, double lse) {
    double sum = 0;
    for (int k = 0; k < classes; k++) sum += (double)z[k];
    return lse - (1 - smoothing) * (double)z[label] - smoothing * sum / classes;
}

mnas_loss mnas_loss_softmax(const float *logits, const int32_t *labels, int n, int classes, double smoothing,
                            float *dlogits) {
    assert(n > 0 && classes > 0);
    mnas_loss out = {0};
    for (int i = 0; i < n; i++) {
        const float *z = logits + (int64_t)i * classes;
        int label = labels[i];
        assert(label >= 0 && label < classes);
        int rank = rank_of(z, classes, label);
        double lse = log_sum_exp(z, classes);
        out.loss += cross_entropy(z, classes, label, smoothing, lse) / n;
        out.n_top1 += rank < 1;
        out.n_top5 += rank < 5;
        for (int k = 0; dlogits && k < classes; k++) {
            double target = smoothing / classes + (k == label ? 1 - smoothing : 0);
            dlogits[(int64_t)i * classes + k] = (float)((exp((double)z[k] - lse) - target) / n);
        }
    }
    return out;
}
