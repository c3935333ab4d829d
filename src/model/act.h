/* act.h - activations as plain formulas: the value and the slope of each, for whoever works one number at a time (reference
 * loops, the odd ends of kernels). The vectorised ones are in kernels/leaf_act.h and are compared with these.
 */
#ifndef MNAS_MODEL_ACT_H
#define MNAS_MODEL_ACT_H

#include <math.h>

#include "mnas.h"

static inline double mnas_act_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* relu6(x + 3) / 6, MobileNetV3's piecewise sigmoid */
static inline double mnas_act_hard_sigmoid(double x) {
    return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
}

/* Whether it is the identity between two bounds, and constant outside: what libraries fuse into a convolution. */
static inline bool mnas_act_clips(mnas_act act) {
    return act == MNAS_ACT_NONE || act == MNAS_ACT_RELU || act == MNAS_ACT_RELU6;
}

static inline double mnas_act_value(mnas_act act, double x) {
    switch (act) {
    case MNAS_ACT_RELU:
        return x > 0 ? x : 0;
    case MNAS_ACT_RELU6:
        return x > 0 ? (x < 6 ? x : 6) : 0;
    case MNAS_ACT_SWISH:
        return x * mnas_act_sigmoid(x);
    case MNAS_ACT_HSWISH:
        return x * mnas_act_hard_sigmoid(x);
    case MNAS_ACT_SIGMOID:
        return mnas_act_sigmoid(x);
    case MNAS_ACT_NONE:
        break;
    }
    return x;
}

/* Derivative at x. With s = sigmoid(x): s' = s (1 - s), and (x s)' = s + x s'. At a kink the slope is that of the flat
 * side, for hswish the product rule with the hard sigmoid's flat side. */
static inline double mnas_act_slope(mnas_act act, double x) {
    double s;
    switch (act) {
    case MNAS_ACT_RELU:
        return x > 0 ? 1 : 0;
    case MNAS_ACT_RELU6:
        return x > 0 && x < 6 ? 1 : 0;
    case MNAS_ACT_SWISH:
        s = mnas_act_sigmoid(x);
        return s + x * s * (1 - s);
    case MNAS_ACT_HSWISH:
        return mnas_act_hard_sigmoid(x) + (x > -3 && x < 3 ? x / 6 : 0);
    case MNAS_ACT_SIGMOID:
        s = mnas_act_sigmoid(x);
        return s * (1 - s);
    case MNAS_ACT_NONE:
        break;
    }
    return 1;
}

#endif
