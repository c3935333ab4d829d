/* adapter.c - a kernel of float tensors in a graph of bf16: widens what it reads and rounds what it writes.
 *
 * For operators that are rare or small, whose kernels do not know bf16 themselves. They do no batch-norm in passing, so
 * nothing here knows of one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/precision.h"

enum { LINE_FLOATS = 16 }; /* of a cache line, where every tensor begins */

typedef struct adapter {
    mnas_node node; /* as the inner kernel sees it: f32 */
    const mnas_kernel *inner;
    void *state;
    const mnas_isa *isa; /* of bf16 */
    size_t src_floats, dst_floats;
    bool training;
} adapter;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return node->elem == MNAS_ELEM_BF16;
}

static void destroy(void *state) {
    adapter *a = state;
    if (a && a->inner->destroy) a->inner->destroy(a->state);
    free(a);
}

/* Scratch: inputs, output, gradient of the output, gradients of the inputs; then the inner kernel's. */
static size_t own_floats(const adapter *a) {
    const size_t n_in = (size_t)a->node.n_in;
    return (n_in * a->src_floats + a->dst_floats) * (a->training ? 2 : 1);
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    adapter *a = calloc(1, sizeof *a);
    if (!a) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    a->node = *node;
    a->node.elem = MNAS_ELEM_F32;
    a->inner = mnas_kernels_choose(&a->node, in);
    a->isa = mnas_isa_of(MNAS_ELEM_BF16);
    a->training = training;
    a->src_floats = mnas_round_up((size_t)batch * mnas_shape_size(in[0]), LINE_FLOATS);
    a->dst_floats = mnas_round_up((size_t)batch * mnas_shape_size(node->out), LINE_FLOATS);
    size_t inner_bytes = 0;
    const int rc = a->inner->create(&a->state, &a->node, in, batch, training, &inner_bytes);
    if (rc < 0) {
        free(a);
        return rc;
    }
    *scratch_bytes = own_floats(a) * sizeof(float) + inner_bytes;
    *state = a;
    return 0;
}

/* The call with every tensor in scratch. */
static mnas_call inner_call(const adapter *a, const mnas_call *call) {
    float *at = call->scratch;
    mnas_call inner = *call;
    inner.node = &a->node;
    for (int k = 0; k < a->node.n_in; k++, at += a->src_floats) inner.src[k] = at;
    inner.dst = at, at += a->dst_floats;
    if (a->training) {
        inner.ddst = at, at += a->dst_floats;
        for (int k = 0; k < a->node.n_in; k++, at += a->src_floats) inner.dsrc[k] = call->dsrc[k] ? at : NULL;
    }
    inner.scratch = at;
    return inner;
}

static size_t input_size(const mnas_call *call) {
    return (size_t)call->batch * mnas_shape_size(call->in[0]);
}
static size_t output_size(const mnas_call *call) {
    return (size_t)call->batch * mnas_shape_size(call->node->out);
}

static void widen_inputs(const adapter *a, const mnas_call *call, const mnas_call *inner) {
    for (int k = 0; k < a->node.n_in; k++)
        a->isa->widen(call->src[k], input_size(call), (float *)inner->src[k]);
}

static void widen_output(const adapter *a, const mnas_call *call, const float *from, float *to) {
    if (mnas_precision_of_output(call->node) == MNAS_ELEM_BF16)
        a->isa->widen(from, output_size(call), to);
    else
        memcpy(to, from, output_size(call) * sizeof *to);
}

static int forward(void *state, const mnas_call *call) {
    const adapter *a = state;
    const mnas_call inner = inner_call(a, call);
    assert(!call->norm_out && !call->norm_in[0]);
    widen_inputs(a, call, &inner);
    const int rc = a->inner->forward(a->state, &inner);
    if (mnas_precision_of_output(call->node) == MNAS_ELEM_BF16)
        a->isa->narrow(inner.dst, output_size(call), call->dst);
    else
        memcpy(call->dst, inner.dst, output_size(call) * sizeof *call->dst);
    return rc;
}

static int backward(void *state, const mnas_call *call) {
    const adapter *a = state;
    const mnas_call inner = inner_call(a, call);
    if (a->node.op->backward_reads_src) widen_inputs(a, call, &inner);
    if (a->node.op->backward_reads_dst) widen_output(a, call, call->dst, inner.dst);
    widen_output(a, call, call->ddst, (float *)inner.ddst);
    const int rc = a->inner->backward(a->state, &inner);
    for (int k = 0; k < a->node.n_in; k++)
        if (call->dsrc[k]) a->isa->narrow(inner.dsrc[k], input_size(call), call->dsrc[k]);
    return rc;
}

const mnas_kernel mnas_kernel_adapter = {"adapter", supports, create, forward, backward, destroy, true};
