/* engine.h - what computes a network's answer to one image: XNNPACK, our own kernels with oneDNN, libraries the user has.
 *
 * An engine is one const record in engine_NAME.c and one line in engines.def. Specs read `xnnpack`,
 * `onnxruntime:library=F`. Training has engines of its own (train/engine.h); these here take inference graphs
 * (blocks/fold.h), one image at a time. They are told apart by time alone: all compute the same logits.
 */
#ifndef MNAS_INFER_ENGINE_H
#define MNAS_INFER_ENGINE_H

#include "base/registry.h"
#include "model/weights.h"

/* What an engine is to build from. All of it outlives the network. */
typedef struct mnas_infer_job {
    const mnas_graph *graph; /* inference graph */
    const mnas_weights *weights;
    int n_threads; /* 1: the calling thread alone */
    bool by_layer; /* so that single layers can be run, too, even where that makes the whole slower */
} mnas_infer_job;

typedef struct mnas_infer_class {
    mnas_plugin plugin; /* first: registry.h */
    /* Copies what it needs. MNAS_ERR_MISSING where its library is not there (names what would help), MNAS_ERR_ARG where it
     * runs no network so (n_threads), MNAS_ERR_INVALID where it cannot run such a network. */
    int (*create)(void **net, const void *opts, const mnas_infer_job *job);
    /* Where the image is to be put, [h, w, c] floats, and where the logits are found, [classes]; the network's own. */
    float *(*input)(void *net);
    /* Once for each image put there, untimed: brings it into the order the library reads it in. NULL: nothing to do. */
    void (*load)(void *net);
    const float *(*output)(void *net);
    /* Once: what is timed. It copies neither image nor logits, where the library allows it. */
    int (*invoke)(void *net);
    /* Layers in the order of running, of a network created by_layer; NULL where the engine knows whole networks alone.
     * A layer is one node of the graph, or several that the engine runs as one. */
    int (*n_layers)(void *net);
    /* The node of the graph whose output layer i makes. */
    int (*layer_node)(void *net, int i);
    int (*invoke_layer)(void *net, int i);
    const char *(*version)(void *net); /* for people: "2022-02 (Debian 12)"; the net's own */
    void (*destroy)(void *net);
} mnas_infer_class;

typedef struct mnas_infer mnas_infer;

int mnas_infer_create(mnas_infer **out, const char *engine_spec, const mnas_infer_job *job);
/* image [h, w, c] -> logits [classes]. */
int mnas_infer_run(mnas_infer *net, const float *image, float *logits);
/* Once more on the image of the last run (zeros before any), nothing copied: this is what is timed. */
int mnas_infer_invoke(mnas_infer *net);
bool mnas_infer_has_layers(const mnas_infer *net);
int mnas_infer_n_layers(mnas_infer *net);
int mnas_infer_layer_node(mnas_infer *net, int i);
int mnas_infer_invoke_layer(mnas_infer *net, int i);
const char *mnas_infer_name(const mnas_infer *net); /* "xnnpack 2022-02 (Debian 12)" */
void mnas_infer_destroy(mnas_infer *net);           /* NULL is allowed */

const mnas_plugin *const *mnas_infer_plugins(size_t *n);

#define MNAS_ENGINE(name) extern const mnas_infer_class mnas_infer_class_##name;
#include "infer/engines.def"
#undef MNAS_ENGINE

#endif
