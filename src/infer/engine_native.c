/* engine_native.c - our own kernels, one thread: the built-in engine that needs no library. See native.h for its parts. */
#include "infer/native.h"

static int create(void **of, const void *opts, const mnas_infer_job *job) {
    (void)opts;
    mnas_native *net;
    const int rc = mnas_native_create(&net, job, false);
    if (rc < 0) return rc;
    mnas_native_pack(net);
    *of = net;
    return 0;
}

static const char *version(void *of) {
    return ((mnas_native *)of)->tile->name;
}

const mnas_infer_class mnas_infer_class_native = {
    .plugin = {"native", "our own kernels for AVX-512, AVX2, SSE2 and NEON; one thread", NULL, 0},
    .create = create,
    .input = mnas_native_input,
    .output = mnas_native_output,
    .invoke = mnas_native_invoke,
    .n_layers = mnas_native_n_layers,
    .layer_node = mnas_native_layer_node,
    .invoke_layer = mnas_native_invoke_layer,
    .version = version,
    .destroy = mnas_native_destroy,
};
