/* onednn_layer.c - see onednn_layer.h. The library is left to choose the order of the weights, nothing else.
 *
 * Memory objects carry no buffer of the caller's, only the handle of the running call: a layer must not run on two threads at
 * once.
 */
#include "ops/onednn_layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ops/onednn_library.h"

struct mnas_onednn_layer {
    dnnl_primitive_t primitive;
    dnnl_memory_t src, dst, weight, bias;
    dnnl_stream_t stream;
};

/* What a primitive is described by. */
typedef struct geometry {
    dnnl_memory_desc_t src, dst, weight, weight_plain, bias;
    dnnl_dims_t strides, pad_before, pad_behind;
    dnnl_primitive_desc_t pd;
} geometry;

/* ---- 2.x and 3.x: in the one a tensor's description is a struct, in the other an object to be destroyed ---- */

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t tensor_ref;

static tensor_ref ref(const dnnl_memory_desc_t *tensor) {
    return *tensor;
}

static dnnl_status_t describe(dnnl_memory_desc_t *out, int n_dims, const dnnl_dims_t dims,
                              dnnl_format_tag_t layout) {
    return dnnl_memory_desc_create_with_tag(out, n_dims, dims, dnnl_f32, layout);
}

static void forget_tensor(dnnl_memory_desc_t tensor) {
    if (tensor) dnnl_memory_desc_destroy(tensor);
}

static dnnl_status_t describe_conv(geometry *g, dnnl_engine_t engine, dnnl_primitive_attr_t attr) {
    const dnnl_dims_t dense = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(
        &g->pd, engine, dnnl_forward_inference, dnnl_convolution_direct, g->src, g->weight, g->bias, g->dst,
        g->strides, dense, g->pad_before, g->pad_behind, attr);
}

static dnnl_status_t append_bounds(dnnl_post_ops_t then, float low, float high) {
    return isinf(high) ? dnnl_post_ops_append_eltwise(then, dnnl_eltwise_relu, 0, 0)
                       : dnnl_post_ops_append_eltwise(then, dnnl_eltwise_clip, low, high);
}

#else

typedef const dnnl_memory_desc_t *tensor_ref;

static tensor_ref ref(const dnnl_memory_desc_t *tensor) {
    return tensor;
}

static dnnl_status_t describe(dnnl_memory_desc_t *out, int n_dims, const dnnl_dims_t dims,
                              dnnl_format_tag_t layout) {
    return dnnl_memory_desc_init_by_tag(out, n_dims, dims, dnnl_f32, layout);
}

static void forget_tensor(dnnl_memory_desc_t tensor) {
    (void)tensor;
}

static dnnl_status_t describe_conv(geometry *g, dnnl_engine_t engine, dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t operation;
    const dnnl_status_t s = dnnl_convolution_forward_desc_init(
        &operation, dnnl_forward_inference, dnnl_convolution_direct, &g->src, &g->weight, &g->bias, &g->dst,
        g->strides, g->pad_before, g->pad_behind);
    return s == dnnl_success ? dnnl_primitive_desc_create(&g->pd, &operation, attr, engine, NULL) : s;
}

static dnnl_status_t append_bounds(dnnl_post_ops_t then, float low, float high) {
    return isinf(high) ? dnnl_post_ops_append_eltwise(then, 1, dnnl_eltwise_relu, 0, 0)
                       : dnnl_post_ops_append_eltwise(then, 1, dnnl_eltwise_clip, low, high);
}

#endif

/* ---- the same for both ---- */

static dnnl_format_tag_t layout_of(int lanes) {
    return lanes == 16 ? dnnl_nChw16c : lanes == 8 ? dnnl_nChw8c : lanes == 4 ? dnnl_nChw4c : dnnl_nchw;
}

static dnnl_status_t describe_all(geometry *g, const mnas_onednn_conv_layer *l) {
    const mnas_node *node = l->node;
    const int kernel = node->kernel > 0 ? node->kernel : 1;
    const dnnl_dims_t src = {1, l->in.c, l->in.h, l->in.w}, bias = {node->out.c};
    const dnnl_dims_t dst = {1, node->out.c, node->out.h, node->out.w};
    const dnnl_dims_t weight = {node->out.c, l->in.c, kernel, kernel};
    g->strides[0] = g->strides[1] = node->stride > 0 ? node->stride : 1;
    g->pad_before[0] = node->pad_top, g->pad_before[1] = node->pad_left;
    g->pad_behind[0] = node->pad_bottom, g->pad_behind[1] = node->pad_right;
    dnnl_status_t s = describe(&g->src, 4, src, layout_of(l->lanes));
    if (s == dnnl_success) s = describe(&g->dst, 4, dst, layout_of(l->lanes));
    if (s == dnnl_success) s = describe(&g->weight, 4, weight, dnnl_format_tag_any);
    if (s == dnnl_success) s = describe(&g->weight_plain, 4, weight, dnnl_oihw);
    return s == dnnl_success ? describe(&g->bias, 1, bias, dnnl_a) : s;
}

static void forget(geometry *g) {
    forget_tensor(g->src);
    forget_tensor(g->dst);
    forget_tensor(g->weight);
    forget_tensor(g->weight_plain);
    forget_tensor(g->bias);
    dnnl_primitive_desc_destroy(g->pd);
}

static dnnl_status_t choose(geometry *g, dnnl_engine_t engine, float low, float high) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t then = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(&attr);
    if (s == dnnl_success) s = dnnl_post_ops_create(&then);
    if (s == dnnl_success && !isinf(low)) s = append_bounds(then, low, high);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(attr, then);
    if (s == dnnl_success) s = describe_conv(g, engine, attr);
    dnnl_post_ops_destroy(then);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

static bool is_reference(const geometry *g) {
    const char *name = "";
    return dnnl_primitive_desc_query(g->pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           strncmp(name, "ref", 3) == 0;
}

/* The library's copy of the weights, in the order it asked for. */
static dnnl_status_t bring_weights(mnas_onednn_layer *layer, const geometry *g, dnnl_engine_t engine,
                                   const float *weight) {
    const tensor_ref wanted = dnnl_primitive_desc_query_md(g->pd, dnnl_query_weights_md, 0);
    dnnl_memory_t plain = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_status_t s = dnnl_memory_create(&layer->weight, wanted, engine, DNNL_MEMORY_ALLOCATE);
    if (s == dnnl_success)
        s = dnnl_memory_create(&plain, ref(&g->weight_plain), engine, (void *)(uintptr_t)weight);
    if (s == dnnl_success)
        s = dnnl_reorder_primitive_desc_create(&pd, ref(&g->weight_plain), engine, wanted, engine, NULL);
    if (s == dnnl_success) s = dnnl_primitive_create(&reorder, pd);
    const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, plain}, {DNNL_ARG_TO, layer->weight}};
    if (s == dnnl_success) s = dnnl_primitive_execute(reorder, layer->stream, 2, args);
    if (s == dnnl_success) s = dnnl_stream_wait(layer->stream);
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(plain);
    return s;
}

static dnnl_status_t bring_bias(mnas_onednn_layer *layer, const geometry *g, dnnl_engine_t engine,
                                const float *bias, int n) {
    void *to = NULL;
    dnnl_status_t s = dnnl_memory_create(&layer->bias, ref(&g->bias), engine, DNNL_MEMORY_ALLOCATE);
    if (s == dnnl_success) s = dnnl_memory_get_data_handle(layer->bias, &to);
    for (int i = 0; s == dnnl_success && i < n; i++) ((float *)to)[i] = bias ? bias[i] : 0;
    return s;
}

int mnas_onednn_layer_create(mnas_onednn_layer **out, const mnas_onednn_conv_layer *l) {
    dnnl_engine_t engine;
    geometry g = {0};
    *out = NULL;
    mnas_onednn_layer *layer = calloc(1, sizeof *layer);
    if (!layer) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: layer %s", l->node->name);
    int rc = mnas_onednn_library(&engine, &layer->stream);
    if (rc < 0) goto out;
    dnnl_status_t s = describe_all(&g, l);
    if (s == dnnl_success) s = choose(&g, engine, l->low, l->high);
    if (s == dnnl_success && is_reference(&g)) goto out;
    if (s == dnnl_success) s = dnnl_primitive_create(&layer->primitive, g.pd);
    if (s == dnnl_success) s = dnnl_memory_create(&layer->src, ref(&g.src), engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&layer->dst, ref(&g.dst), engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = bring_weights(layer, &g, engine, l->weight);
    if (s == dnnl_success) s = bring_bias(layer, &g, engine, l->bias, l->node->out.c);
    if (s == dnnl_success) {
        *out = layer;
        layer = NULL;
    } else {
        rc = mnas_error_context(mnas_onednn_fail(s, "preparing a convolution"), "%s", l->node->name);
    }
out:
    forget(&g);
    mnas_onednn_layer_destroy(layer);
    return rc;
}

int mnas_onednn_layer_run(mnas_onednn_layer *layer, const float *src, float *dst) {
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, layer->src},
                                    {DNNL_ARG_WEIGHTS, layer->weight},
                                    {DNNL_ARG_BIAS, layer->bias},
                                    {DNNL_ARG_DST, layer->dst}};
    dnnl_status_t s = dnnl_memory_set_data_handle(layer->src, (void *)(uintptr_t)src); /* it is only read */
    if (s == dnnl_success) s = dnnl_memory_set_data_handle(layer->dst, dst);
    if (s == dnnl_success) s = dnnl_primitive_execute(layer->primitive, layer->stream, 4, args);
    if (s == dnnl_success) s = dnnl_stream_wait(layer->stream);
    return s == dnnl_success ? 0 : mnas_onednn_fail(s, "running a convolution");
}

void mnas_onednn_layer_destroy(mnas_onednn_layer *layer) {
    if (!layer) return;
    dnnl_memory_destroy(layer->bias);
    dnnl_memory_destroy(layer->weight);
    dnnl_memory_destroy(layer->dst);
    dnnl_memory_destroy(layer->src);
    dnnl_primitive_destroy(layer->primitive);
    free(layer);
}
