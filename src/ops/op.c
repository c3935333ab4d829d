/* op.c - the list of operators and how a node of one is put into a graph.
 *
 * It knows no operator in particular: names and order come from ops.def, everything else from the records.
 * The list of lowerings is elsewhere (onednn_list.c), so that a program without oneDNN can link this file.
 */
#include "ops/op.h"

#include <string.h>

#include "base/error.h"
#include "ops/reference.h"

static const mnas_op *const list[] = {
#define MNAS_OP(name) &mnas_op_##name,
#include "ops/ops.def"
#undef MNAS_OP
};

enum { N_OPS = sizeof list / sizeof *list };

bool mnas_op_always(const mnas_node *node) {
    (void)node;
    return true;
}

const mnas_op *const *mnas_op_list(size_t *n) {
    *n = N_OPS;
    return list;
}

const mnas_op *mnas_op_find(const char *name) {
    for (size_t i = 0; i < N_OPS; i++)
        if (strcmp(list[i]->plugin.name, name) == 0) return list[i];
    return NULL;
}

static int check_inputs(const mnas_graph *graph, const mnas_node *node) {
    const char *op = node->op->plugin.name;
    if (node->n_in != node->op->n_in)
        return mnas_error_set(MNAS_ERR_INVALID, "%s: %s has %d inputs; needs %d", node->name, op, node->n_in,
                              node->op->n_in);
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] < 0 || node->in[k] >= graph->n_nodes)
            return mnas_error_set(MNAS_ERR_INVALID, "%s: input %d is node %d; there are nodes 0..%d",
                                  node->name, k, node->in[k], graph->n_nodes - 1);
    return 0;
}

/* Indices and sizes of one image stay within 31 bits, which is what libraries' dimension types hold. */
static int check_size(const mnas_node *node) {
    mnas_shape s = node->out;
    if (s.h < 1 || s.w < 1 || s.c < 1 || (double)s.h * s.w * s.c > INT32_MAX)
        return mnas_error_set(MNAS_ERR_INVALID, "%s: output is %dx%dx%d; allowed: 1 to 2^31 - 1 elements",
                              node->name, s.h, s.w, s.c);
    return 0;
}

int mnas_op_append(mnas_graph *graph, const mnas_node *node) {
    mnas_node copy = *node;
    mnas_shape in[MNAS_MAX_INPUTS] = {{0}};
    int rc = check_inputs(graph, &copy);
    if (rc < 0) return rc;
    copy.n_params = 0;
    mnas_graph_in_shapes(graph, &copy, in);
    if ((rc = copy.op->shape(&copy, in)) < 0) return mnas_error_context(rc, "%s", copy.name);
    if ((rc = check_size(&copy)) < 0) return rc;
    int index = mnas_graph_add_node(graph, &copy);
    if (index < 0 || !copy.op->declare) return index;
    rc = copy.op->declare(graph, in);
    return rc < 0 ? mnas_error_context(rc, "%s", copy.name) : index;
}

void mnas_op_pad(mnas_pad rule, int in, int kernel, int stride, int *before, int *behind) {
    if (rule == MNAS_PAD_SYMMETRIC) {
        *before = *behind = kernel / 2;
        return;
    }
    int out = (in + stride - 1) / stride;
    int total = (out - 1) * stride + kernel - in;
    if (total < 0) total = 0;
    *before = total / 2;
    *behind = total - *before;
}

static int window_side(int *out, const char *side, int in, int kernel, int stride, int before, int behind) {
    if (kernel < 1 || stride < 1 || before < 0 || behind < 0 || before >= kernel || behind >= kernel)
        return mnas_error_set(
            MNAS_ERR_INVALID,
            "window along %s: kernel %d, stride %d, pads %d and %d; allowed: kernel and stride "
            "from 1, pads from 0 and below the kernel",
            side, kernel, stride, before, behind);
    int span = in + before + behind - kernel;
    if (span < 0)
        return mnas_error_set(MNAS_ERR_INVALID, "%s is %d pixels and %d of padding; the kernel needs %d",
                              side, in, before + behind, kernel);
    *out = span / stride + 1;
    return 0;
}

int mnas_ref_window_shape(mnas_node *node, mnas_shape in) {
    int rc = window_side(&node->out.h, "height", in.h, node->kernel, node->stride, node->pad_top,
                         node->pad_bottom);
    if (rc < 0) return rc;
    return window_side(&node->out.w, "width", in.w, node->kernel, node->stride, node->pad_left,
                       node->pad_right);
}

void mnas_ref_bias_gradient(const mnas_call *call) {
    const int channels = call->node->out.c;
    const int64_t n_pixels = mnas_ref_size(call->node->out, call->batch) / channels;
    for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t i = 0; i < n_pixels; i++) sum += (double)call->ddst[i * channels + c];
        call->dparam[1][c] = (float)sum;
    }
}

/* -------------------------------------------------------------------- the reference loops as a kernel */

static bool reference_supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static int reference_create(void **state, const mnas_node *node, const mnas_shape *in, int batch,
                            bool training, size_t *scratch_bytes) {
    (void)node, (void)in, (void)batch, (void)training;
    *state = NULL;
    *scratch_bytes = 0;
    return 0;
}

static int reference_forward(void *state, const mnas_call *call) {
    (void)state;
    call->node->op->forward(call);
    return 0;
}

static int reference_backward(void *state, const mnas_call *call) {
    (void)state;
    if (call->node->op->backward) call->node->op->backward(call);
    return 0;
}

static void reference_destroy(void *state) {
    (void)state;
}

const mnas_kernel mnas_op_reference = {"reference",
                                       reference_supports,
                                       reference_create,
                                       reference_forward,
                                       reference_backward,
                                       reference_destroy,
                                       false};
