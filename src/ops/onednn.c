/* onednn.c - wrapper of oneDNN's C API, of 2.6 (Debian 12) and of 3.x (Debian 13); the headers it is compiled with say which.
 *
 * The two differ in how tensors and operations are described before a primitive exists: one section below, twice.
 * It does not decide which operator runs where: lowerings do. Invariants: primitives are made in create() and
 * never in a training step; memory objects carry no buffer of their own, only the handle of the running call,
 * so one prepared convolution must not run on two threads at once. A product makes its memory objects
 * anew in each call, a microsecond against the tens that it takes, and may.
 */
#include "ops/onednn.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"
#include "ops/onednn_library.h"

enum { N_ARGS = 3, ALIGN_BYTES = 64, CACHED_PRIMITIVES = 4096 };

struct mnas_onednn_conv {
    mnas_onednn_pass pass;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive, reorder;
    dnnl_memory_t src, dst, scratchpad;
    dnnl_memory_t weight,
        weight_plain; /* as the primitive wants it; as we hold it. The same layout: reorder is NULL */
    size_t scratchpad_bytes, weight_bytes;
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_status_t start_status;

static void start(void) {
    start_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
    if (start_status == dnnl_success)
        start_status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    /* A search builds hundreds of networks of the same few layers: let the library remember them. */
    if (start_status == dnnl_success) start_status = dnnl_set_primitive_cache_capacity(CACHED_PRIMITIVES);
}

int mnas_onednn_fail(dnnl_status_t status, const char *what) {
    int rc = status == dnnl_out_of_memory ? MNAS_ERR_MEMORY : MNAS_ERR_LIBRARY;
    return mnas_error_set(rc, "oneDNN: %s failed with status %d", what, (int)status);
}

static int ensure_started(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    return start_status == dnnl_success ? 0 : mnas_onednn_fail(start_status, "starting the CPU engine");
}

int mnas_onednn_library(dnnl_engine_t *the_engine, dnnl_stream_t *the_stream) {
    const int rc = ensure_started();
    *the_engine = engine;
    *the_stream = stream;
    return rc;
}

static size_t align_up(size_t n) {
    return mnas_round_up(n, ALIGN_BYTES);
}

struct mnas_onednn_product {
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t a, b, c;
};

static dnnl_data_type_t type_of(mnas_elem elem) {
    return elem == MNAS_ELEM_BF16 ? dnnl_bf16 : dnnl_f32;
}

typedef struct geometry {
    dnnl_memory_desc_t src, dst, weight_any, weight_plain;
    dnnl_dims_t strides, pad_before, pad_behind;
} geometry;

/* ---- 2.x and 3.x: in the one a tensor's description is a struct, in the other an object to be destroyed ---- */

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t tensor_ref;

static tensor_ref ref(const dnnl_memory_desc_t *tensor) {
    return *tensor;
}

static dnnl_status_t describe_tensor(dnnl_memory_desc_t *out, int n_dims, const dnnl_dims_t dims,
                                     mnas_elem elem, dnnl_format_tag_t layout) {
    return dnnl_memory_desc_create_with_tag(out, n_dims, dims, type_of(elem), layout);
}

static void forget_tensor(dnnl_memory_desc_t tensor) {
    if (tensor) dnnl_memory_desc_destroy(tensor);
}

/* `hint` is the forward pass, for the backward ones. */
static dnnl_status_t describe_conv(dnnl_primitive_desc_t *pd, mnas_onednn_pass pass, const geometry *g,
                                   dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    const dnnl_dims_t dense = {0, 0};
    switch (pass) {
    case MNAS_ONEDNN_FORWARD:
        return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_training, direct,
                                                              g->src, g->weight_any, NULL, g->dst, g->strides,
                                                              dense, g->pad_before, g->pad_behind, attr);
    case MNAS_ONEDNN_BACKWARD_DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(pd, engine, direct, g->src, g->weight_any,
                                                                    g->dst, g->strides, dense, g->pad_before,
                                                                    g->pad_behind, hint, attr);
    default:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            pd, engine, direct, g->src, g->weight_any, NULL, g->dst, g->strides, dense, g->pad_before,
            g->pad_behind, hint, attr);
    }
}

static dnnl_status_t append_sum(dnnl_post_ops_t then) {
    return dnnl_post_ops_append_sum(then, 1.0f, 0, dnnl_data_type_undef);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *pd, const mnas_onednn_product *p,
                                      dnnl_primitive_attr_t attr) {
    return dnnl_matmul_primitive_desc_create(pd, engine, p->a, p->b, NULL, p->c, attr);
}

#else

typedef const dnnl_memory_desc_t *tensor_ref;

static tensor_ref ref(const dnnl_memory_desc_t *tensor) {
    return tensor;
}

static dnnl_status_t describe_tensor(dnnl_memory_desc_t *out, int n_dims, const dnnl_dims_t dims,
                                     mnas_elem elem, dnnl_format_tag_t layout) {
    return dnnl_memory_desc_init_by_tag(out, n_dims, dims, type_of(elem), layout);
}

static void forget_tensor(dnnl_memory_desc_t tensor) {
    (void)tensor;
}

static dnnl_status_t describe_operation(dnnl_convolution_desc_t *out, mnas_onednn_pass pass,
                                        const geometry *g) {
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    switch (pass) {
    case MNAS_ONEDNN_FORWARD:
        return dnnl_convolution_forward_desc_init(out, dnnl_forward_training, direct, &g->src, &g->weight_any,
                                                  NULL, &g->dst, g->strides, g->pad_before, g->pad_behind);
    case MNAS_ONEDNN_BACKWARD_DATA:
        return dnnl_convolution_backward_data_desc_init(out, direct, &g->src, &g->weight_any, &g->dst,
                                                        g->strides, g->pad_before, g->pad_behind);
    default:
        return dnnl_convolution_backward_weights_desc_init(out, direct, &g->src, &g->weight_any, NULL,
                                                           &g->dst, g->strides, g->pad_before, g->pad_behind);
    }
}

/* `hint` is the forward pass, for the backward ones. */
static dnnl_status_t describe_conv(dnnl_primitive_desc_t *pd, mnas_onednn_pass pass, const geometry *g,
                                   dnnl_primitive_desc_t hint, dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t operation;
    const dnnl_status_t s = describe_operation(&operation, pass, g);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &operation, attr, engine, hint) : s;
}

static dnnl_status_t append_sum(dnnl_post_ops_t then) {
    return dnnl_post_ops_append_sum(then, 1.0f);
}

static dnnl_status_t describe_product(dnnl_primitive_desc_t *pd, const mnas_onednn_product *p,
                                      dnnl_primitive_attr_t attr) {
    dnnl_matmul_desc_t operation;
    const dnnl_status_t s = dnnl_matmul_desc_init(&operation, &p->a, &p->b, NULL, &p->c);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &operation, attr, engine, NULL) : s;
}

#endif

/* ---- the same for both ---- */

static dnnl_status_t describe(geometry *g, const mnas_node *node, mnas_shape in, int batch) {
    const mnas_elem elem = MNAS_ELEM_F32;
    const dnnl_dims_t src = {batch, in.c, in.h, in.w}, dst = {batch, node->out.c, node->out.h, node->out.w};
    const dnnl_dims_t weight = {node->out.c, in.c, node->kernel, node->kernel};
    g->strides[0] = g->strides[1] = node->stride;
    g->pad_before[0] = node->pad_top, g->pad_before[1] = node->pad_left;
    g->pad_behind[0] = node->pad_bottom, g->pad_behind[1] = node->pad_right;
    dnnl_status_t s = describe_tensor(&g->src, 4, src, elem, dnnl_nhwc);
    if (s == dnnl_success) s = describe_tensor(&g->dst, 4, dst, elem, dnnl_nhwc);
    if (s == dnnl_success) s = describe_tensor(&g->weight_any, 4, weight, elem, dnnl_format_tag_any);
    if (s == dnnl_success) s = describe_tensor(&g->weight_plain, 4, weight, elem, dnnl_oihw);
    return s;
}

static void forget(geometry *g) {
    forget_tensor(g->src);
    forget_tensor(g->dst);
    forget_tensor(g->weight_any);
    forget_tensor(g->weight_plain);
}

static dnnl_status_t create_pd(dnnl_primitive_desc_t *pd, mnas_onednn_pass pass, const geometry *g) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(&attr);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (s == dnnl_success && pass != MNAS_ONEDNN_FORWARD)
        s = describe_conv(&hint, MNAS_ONEDNN_FORWARD, g, NULL, attr);
    if (s == dnnl_success) s = describe_conv(pd, pass, g, hint, attr);
    dnnl_primitive_desc_destroy(hint);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

static dnnl_status_t create_reorder(mnas_onednn_conv *conv, tensor_ref plain, tensor_ref wanted) {
    const bool out = conv->pass == MNAS_ONEDNN_BACKWARD_WEIGHT;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t s = dnnl_reorder_primitive_desc_create(&pd, out ? wanted : plain, engine,
                                                         out ? plain : wanted, engine, NULL);
    if (s == dnnl_success) s = dnnl_primitive_create(&conv->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    return s;
}

static dnnl_status_t create_memories(mnas_onednn_conv *conv, const geometry *g) {
    const bool out = conv->pass == MNAS_ONEDNN_BACKWARD_WEIGHT;
    const tensor_ref wanted =
        dnnl_primitive_desc_query_md(conv->pd, out ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
    const tensor_ref pad = dnnl_primitive_desc_query_md(conv->pd, dnnl_query_scratchpad_md, 0);
    conv->scratchpad_bytes = dnnl_memory_desc_get_size(pad);
    dnnl_status_t s = dnnl_memory_create(&conv->src, ref(&g->src), engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&conv->dst, ref(&g->dst), engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&conv->scratchpad, pad, engine, DNNL_MEMORY_NONE);
    if (s == dnnl_success) s = dnnl_memory_create(&conv->weight, wanted, engine, DNNL_MEMORY_NONE);
    if (s != dnnl_success || dnnl_memory_desc_equal(wanted, ref(&g->weight_plain))) return s;
    conv->weight_bytes = dnnl_memory_desc_get_size(wanted);
    s = dnnl_memory_create(&conv->weight_plain, ref(&g->weight_plain), engine, DNNL_MEMORY_NONE);
    return s == dnnl_success ? create_reorder(conv, ref(&g->weight_plain), wanted) : s;
}

int mnas_onednn_conv_create(mnas_onednn_conv **out, mnas_onednn_pass pass, const mnas_node *node,
                            mnas_shape in, int batch) {
    *out = NULL;
    int rc = ensure_started();
    if (rc < 0) return rc;
    mnas_onednn_conv *conv = calloc(1, sizeof *conv);
    if (!conv) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: convolution %s", node->name);
    conv->pass = pass;
    geometry g = {0};
    dnnl_status_t s = describe(&g, node, in, batch);
    if (s == dnnl_success) s = create_pd(&conv->pd, pass, &g);
    if (s == dnnl_success) s = dnnl_primitive_create(&conv->primitive, conv->pd);
    if (s == dnnl_success) s = create_memories(conv, &g);
    forget(&g);
    if (s != dnnl_success) {
        mnas_onednn_conv_destroy(conv);
        return mnas_error_context(mnas_onednn_fail(s, "preparing a convolution"), "%s", node->name);
    }
    *out = conv;
    return 0;
}

void mnas_onednn_conv_destroy(mnas_onednn_conv *conv) {
    if (!conv) return;
    dnnl_memory_destroy(conv->weight_plain);
    dnnl_memory_destroy(conv->weight);
    dnnl_memory_destroy(conv->scratchpad);
    dnnl_memory_destroy(conv->dst);
    dnnl_memory_destroy(conv->src);
    dnnl_primitive_destroy(conv->reorder);
    dnnl_primitive_destroy(conv->primitive);
    dnnl_primitive_desc_destroy(conv->pd);
    free(conv);
}

size_t mnas_onednn_conv_scratch_bytes(const mnas_onednn_conv *conv) {
    return align_up(conv->scratchpad_bytes) + align_up(conv->weight_bytes);
}

static dnnl_status_t run_reorder(const mnas_onednn_conv *conv) {
    const bool out = conv->pass == MNAS_ONEDNN_BACKWARD_WEIGHT;
    const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, out ? conv->weight : conv->weight_plain},
                                     {DNNL_ARG_TO, out ? conv->weight_plain : conv->weight}};
    return dnnl_primitive_execute(conv->reorder, stream, 2, args);
}

static dnnl_status_t set_buffers(mnas_onednn_conv *conv, float *src, float *weight, float *dst,
                                 void *scratch) {
    char *wanted = (char *)scratch + align_up(conv->scratchpad_bytes);
    dnnl_status_t s = dnnl_memory_set_data_handle(conv->src, src);
    if (s == dnnl_success) s = dnnl_memory_set_data_handle(conv->dst, dst);
    if (s == dnnl_success) s = dnnl_memory_set_data_handle(conv->scratchpad, scratch);
    if (s == dnnl_success)
        s = dnnl_memory_set_data_handle(conv->weight, conv->reorder ? (void *)wanted : weight);
    if (s == dnnl_success && conv->reorder) s = dnnl_memory_set_data_handle(conv->weight_plain, weight);
    return s;
}

int mnas_onednn_conv_run(mnas_onednn_conv *conv, float *src, float *weight, float *dst, void *scratch) {
    static const int args_of[3][N_ARGS] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                           {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                           {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
    const int *id = args_of[conv->pass];
    const bool reorder_after = conv->pass == MNAS_ONEDNN_BACKWARD_WEIGHT;
    const dnnl_exec_arg_t args[N_ARGS + 1] = {{id[0], conv->src},
                                              {id[1], conv->weight},
                                              {id[2], conv->dst},
                                              {DNNL_ARG_SCRATCHPAD, conv->scratchpad}};
    dnnl_status_t s = set_buffers(conv, src, weight, dst, scratch);
    if (s == dnnl_success && conv->reorder && !reorder_after) s = run_reorder(conv);
    if (s == dnnl_success) s = dnnl_primitive_execute(conv->primitive, stream, N_ARGS + 1, args);
    if (s == dnnl_success && conv->reorder && reorder_after) s = run_reorder(conv);
    if (s == dnnl_success) s = dnnl_stream_wait(stream);
    return s == dnnl_success ? 0 : mnas_onednn_fail(s, "running a convolution");
}

int mnas_onednn_matmul(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a,
                       const float *b, bool add, float *c) {
    const dnnl_status_t s = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a,
                                       transpose_a ? m : k, b, transpose_b ? k : n, add ? 1.0f : 0.0f, c, n);
    return s == dnnl_success ? 0 : mnas_onednn_fail(s, "a matrix product");
}

static dnnl_status_t prepare_product(mnas_onednn_product *p, bool add) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t then = NULL;
    dnnl_status_t s = dnnl_primitive_attr_create(&attr);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (s == dnnl_success) s = dnnl_post_ops_create(&then);
    if (s == dnnl_success && add) s = append_sum(then);
    if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(attr, then);
    if (s == dnnl_success) s = describe_product(&p->pd, p, attr);
    if (s == dnnl_success) s = dnnl_primitive_create(&p->primitive, p->pd);
    dnnl_post_ops_destroy(then);
    dnnl_primitive_attr_destroy(attr);
    return s;
}

int mnas_onednn_product_create(mnas_onednn_product **out, bool transpose_a, bool transpose_b, int64_t m,
                               int64_t n, int64_t k, mnas_elem result, bool add) {
    const dnnl_dims_t a = {m, k}, b = {k, n}, c = {m, n};
    int rc = ensure_started();
    if (rc < 0) return rc;
    mnas_onednn_product *p = calloc(1, sizeof *p);
    if (!p) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: a matrix product");
    dnnl_status_t s = describe_tensor(&p->a, 2, a, MNAS_ELEM_BF16, transpose_a ? dnnl_ba : dnnl_ab);
    if (s == dnnl_success) s = describe_tensor(&p->b, 2, b, MNAS_ELEM_BF16, transpose_b ? dnnl_ba : dnnl_ab);
    if (s == dnnl_success) s = describe_tensor(&p->c, 2, c, result, dnnl_ab);
    if (s == dnnl_success) s = prepare_product(p, add);
    if (s != dnnl_success) {
        mnas_onednn_product_destroy(p);
        return mnas_onednn_fail(s, "preparing a matrix product of bf16");
    }
    *out = p;
    return 0;
}

void mnas_onednn_product_destroy(mnas_onednn_product *product) {
    if (!product) return;
    dnnl_primitive_destroy(product->primitive);
    dnnl_primitive_desc_destroy(product->pd);
    forget_tensor(product->a);
    forget_tensor(product->b);
    forget_tensor(product->c);
    free(product);
}

static tensor_ref scratchpad_of(const mnas_onednn_product *product) {
    return dnnl_primitive_desc_query_md(product->pd, dnnl_query_scratchpad_md, 0);
}

size_t mnas_onednn_product_scratch_bytes(const mnas_onednn_product *product) {
    return align_up(dnnl_memory_desc_get_size(scratchpad_of(product)));
}

int mnas_onednn_product_run(const mnas_onednn_product *product, const uint16_t *a, const uint16_t *b, void *c,
                            void *scratch) {
    enum { N = 4 };
    const struct {
        int id;
        tensor_ref tensor;
        void *buffer;
    } what[N] = {{DNNL_ARG_SRC, ref(&product->a), (uint16_t *)a},
                 {DNNL_ARG_WEIGHTS, ref(&product->b), (uint16_t *)b},
                 {DNNL_ARG_DST, ref(&product->c), c},
                 {DNNL_ARG_SCRATCHPAD, scratchpad_of(product), scratch}};
    dnnl_exec_arg_t args[N] = {0};
    dnnl_status_t s = dnnl_success;
    for (int i = 0; i < N && s == dnnl_success; i++) {
        args[i].arg = what[i].id;
        s = dnnl_memory_create(&args[i].memory, what[i].tensor, engine, what[i].buffer);
    }
    if (s == dnnl_success) s = dnnl_primitive_execute(product->primitive, stream, N, args);
    for (int i = 0; i < N; i++) dnnl_memory_destroy(args[i].memory);
    return s == dnnl_success ? 0 : mnas_onednn_fail(s, "a matrix product of bf16");
}

const char *mnas_onednn_version(void) {
    static char text[32];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}
