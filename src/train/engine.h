/* engine.h - runs a graph: forward, loss, backward, in one preallocated slab.
 *
 * An engine knows no optimiser and no data; train/trainer.h composes them. Each node runs on the first
 * implementation that supports it: our own kernels (kernels/kernels.h), oneDNN lowerings, the reference loops.
 */
#ifndef MNAS_TRAIN_ENGINE_H
#define MNAS_TRAIN_ENGINE_H

#include "model/weights.h"
#include "ops/loss.h"

typedef struct mnas_engine mnas_engine;

typedef enum { MNAS_ENGINE_FAST, MNAS_ENGINE_REFERENCE } mnas_engine_kind;

/* `graph` outlives the engine. training false: forward only, smaller slab. */
int mnas_engine_create(mnas_engine **out, const mnas_graph *graph, int batch, bool training,
                       mnas_engine_kind kind);
void mnas_engine_destroy(mnas_engine *engine);

/* Logits [n, classes] of images [n, H, W, C], n <= batch (a shorter batch is padded with zeros inside).
 * Moving statistics, no dropout. Owned by the engine. */
int mnas_engine_infer(mnas_engine *engine, const mnas_weights *weights, const float *images, int n,
                      const float **logits);

/* One forward and backward of a full batch. gradients (same graph) is overwritten for trainable parameters;
 * `weights`' moving statistics are updated. smoothing: of the labels; seed: of this step's dropout. */
int mnas_engine_step(mnas_engine *engine, mnas_weights *weights, mnas_weights *gradients, const float *images,
                     const int32_t *labels, double smoothing, uint64_t seed, mnas_loss *loss);

/* A forward pass of a full batch as in training, for the sake of the moving statistics alone. */
int mnas_engine_observe(mnas_engine *engine, mnas_weights *weights, const float *images);

/* Activations: what the cost model calls train_bytes. */
size_t mnas_engine_slab_bytes(const mnas_engine *engine);
/* One line a node: name, operator, implementation, shape; its shortest run so far. For benchmarks. */
void mnas_engine_describe(const mnas_engine *engine, FILE *out);

#endif
