/* engine_onednn.c - convolutions and the classifier by oneDNN, layer by layer, in its own blocked layout; what it has no quick
 * primitive for (depthwise, the image's convolution, squeeze-and-excitation, pools) by our own kernels, whose maps are laid out
 * alike. One thread.
 */
#include <omp.h>
#include <stdlib.h>

#include "infer/native.h"
#include "ops/onednn.h"
#include "ops/onednn_layer.h"

static void destroy(void *of) {
    mnas_native *net = of;
    for (int i = 0; i < net->n_steps; i++) mnas_onednn_layer_destroy(net->steps[i].library);
    mnas_native_destroy(net);
}

/* The library's part of a convolution; then what bounds cannot say, and the residual. */
static int run_conv(const mnas_native *net, const mnas_native_step *s) {
    float *src = mnas_native_at(net, s->src), *dst = mnas_native_at(net, s->dst);
    const int n_threads = omp_get_max_threads();
    mnas_native_scale_source(net, s);
    omp_set_num_threads(1);
    const int rc = mnas_onednn_layer_run(s->library, src, dst);
    omp_set_num_threads(n_threads);
    if (rc < 0 || (!s->product.act && s->src2 == MNAS_NATIVE_NONE)) return rc;
    net->tile->activate(s->product.act, dst, mnas_native_map_floats(net, s->out),
                        s->src2 == MNAS_NATIVE_NONE ? NULL : mnas_native_at(net, s->src2));
    return 0;
}

static int take_over(const mnas_native *net, mnas_native_step *s, const mnas_node *node) {
    mnas_onednn_layer *layer;
    const mnas_onednn_conv_layer conv = {
        .node = node,
        .in = s->in,
        .lanes = (int)net->tile->lanes,
        .weight = s->product.from,
        .bias = s->product.from_bias,
        .low = s->product.low,
        .high = s->product.high,
    };
    const int rc = mnas_onednn_layer_create(&layer, &conv);
    if (rc < 0 || !layer) return rc;
    s->library = layer;
    s->run = run_conv;
    s->product.n_outputs = 0; /* its weights are the library's */
    return 0;
}

static int take_over_convolutions(mnas_native *net, const mnas_graph *graph) {
    const int n_threads = omp_get_max_threads();
    int rc = 0;
    omp_set_num_threads(1);
    for (int i = 0; rc == 0 && i < net->n_steps; i++) {
        mnas_native_step *s = &net->steps[i];
        const bool conv = s->run == mnas_native_run_pointwise || s->run == mnas_native_run_window;
        if (conv && !s->from_image) rc = take_over(net, s, &graph->nodes[s->source_node]);
    }
    omp_set_num_threads(n_threads);
    return rc;
}

static int create(void **of, const void *opts, const mnas_infer_job *job) {
    (void)opts;
    mnas_native *net;
    int rc = mnas_native_create(&net, job, true);
    if (rc < 0) return rc;
    if ((rc = take_over_convolutions(net, job->graph)) < 0) {
        destroy(net);
        return rc;
    }
    mnas_native_pack(net);
    *of = net;
    return 0;
}

static const char *version(void *of) {
    (void)of;
    return mnas_onednn_version();
}

const mnas_infer_class mnas_infer_class_onednn = {
    .plugin = {"onednn", "oneDNN's convolutions, our own depthwise kernels; one thread", NULL, 0},
    .create = create,
    .input = mnas_native_input,
    .output = mnas_native_output,
    .invoke = mnas_native_invoke,
    .n_layers = mnas_native_n_layers,
    .layer_node = mnas_native_layer_node,
    .invoke_layer = mnas_native_invoke_layer,
    .version = version,
    .destroy = destroy,
};
