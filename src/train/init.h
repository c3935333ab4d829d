/* init.h - the initial values of a network's parameters, as the official code draws them.
 *
 * Convolutions N(0, sqrt(2 / (k k out))); depthwise N(0, sqrt(2 / (k k))), the fan-out counting one filter a
 * channel; the classifier U(-1 / sqrt(classes), 1 / sqrt(classes)); biases 0, gamma 1, beta 0, moving mean 0,
 * moving variance 1. Parameter i draws from a stream of its own, so a network that shares its first layers
 * with another starts with the same values there.
 */
#ifndef MNAS_TRAIN_INIT_H
#define MNAS_TRAIN_INIT_H

#include "model/weights.h"

void mnas_init_weights(mnas_weights *weights, const mnas_graph *graph, uint64_t seed);

/* A classifier of few classes made as quiet as one of 1000 is drawn, the official code's +-1/sqrt(1000): on top of weights that
 * know something already, the draw for 5 classes begins at a loss of 4 and ends some points of accuracy lower. */
void mnas_init_calm_classifier(mnas_weights *weights, const mnas_graph *graph);

#endif
