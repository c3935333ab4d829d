/* engine_xnnpack.c - XNNPACK, on which phones run networks (TensorFlow Lite uses it): the whole network as one runtime, or
 * by_layer a chain of runtimes, one a layer. */
#include <stdlib.h>

#include "base/error.h"
#include "infer/engine.h"
#include "ops/xnn.h"
#include "ops/xnn_layers.h"

typedef struct xnnpack {
    mnas_xnn *whole;         /* or ... */
    mnas_xnn_layers *layers; /* ... by_layer */
} xnnpack;

static void destroy(void *net) {
    xnnpack *x = net;
    mnas_xnn_destroy(x->whole);
    mnas_xnn_layers_destroy(x->layers);
    free(x);
}

static int create(void **net, const void *opts, const mnas_infer_job *job) {
    (void)opts;
    xnnpack *x = calloc(1, sizeof *x);
    if (!x) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: XNNPACK network");
    const int rc = job->by_layer
                       ? mnas_xnn_layers_create(&x->layers, job->graph, job->weights, job->n_threads)
                       : mnas_xnn_create_threads(&x->whole, job->graph, job->weights, job->n_threads);
    if (rc < 0)
        destroy(x);
    else
        *net = x;
    return rc;
}

static float *input(void *net) {
    const xnnpack *x = net;
    return x->layers ? mnas_xnn_layers_image(x->layers) : mnas_xnn_image(x->whole);
}

static const float *output(void *net) {
    const xnnpack *x = net;
    return x->layers ? mnas_xnn_layers_logits(x->layers) : mnas_xnn_logits(x->whole);
}

static int invoke_layer(void *net, int i) {
    return mnas_xnn_layers_invoke(((xnnpack *)net)->layers, i);
}

static int n_layers(void *net) {
    return mnas_xnn_layers_count(((xnnpack *)net)->layers);
}

static int layer_node(void *net, int i) {
    (void)net;
    return i + 1; /* all nodes but the input, in order */
}

static int invoke(void *net) {
    xnnpack *x = net;
    if (x->whole) return mnas_xnn_invoke(x->whole);
    for (int i = 0; i < n_layers(net); i++) {
        const int rc = invoke_layer(net, i);
        if (rc < 0) return rc;
    }
    return 0;
}

static const char *version(void *net) {
    (void)net;
    return "2022-02 (Debian 12)";
}

const mnas_infer_class mnas_infer_class_xnnpack = {
    .plugin = {"xnnpack", "XNNPACK, what TensorFlow Lite runs on a phone's CPU", NULL, 0},
    .create = create,
    .input = input,
    .output = output,
    .invoke = invoke,
    .n_layers = n_layers,
    .layer_node = layer_node,
    .invoke_layer = invoke_layer,
    .version = version,
    .destroy = destroy,
};
