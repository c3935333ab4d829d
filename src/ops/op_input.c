/* op_input.c - the batch of images: node 0 of every graph.
 *
 * Its output is written by whoever runs the graph; the operator itself does nothing. Invariant: the builder
 * sets node->out, since there is nothing to infer it from.
 */
#include "ops/op.h"

#include "base/error.h"

static int shape(mnas_node *node, const mnas_shape *in) {
    (void)in;
    if (node->out.h >= 1 && node->out.w >= 1 && node->out.c >= 1) return 0;
    return mnas_error_set(MNAS_ERR_INVALID, "image is %dx%dx%d; allowed: 1 or more each", node->out.h,
                          node->out.w, node->out.c);
}

static void forward(const mnas_call *call) {
    (void)call;
}

const mnas_op mnas_op_input = {
    .plugin = {"input", "the batch of images", NULL, 0},
    .n_in = 0,
    .shape = shape,
    .forward = forward,
};
