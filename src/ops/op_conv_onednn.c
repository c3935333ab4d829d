/* op_conv_onednn.c - k x k convolutions on oneDNN's primitives. Those of 1x1, and those
 * of the image, are matrix products (kernels/pointwise.c).
 *
 * Not for inference graphs, whose convolutions carry a bias and an activation. The library picks its implementation
 * from the shapes alone, never from a measurement, so that a repeated run gives the same bits.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ops/onednn.h"
#include "ops/op.h"

typedef struct conv {
    mnas_onednn_conv *pass[3]; /* by mnas_onednn_pass */
} conv;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return !node->bias && node->act == MNAS_ACT_NONE;
}

static void destroy(void *state) {
    conv *s = state;
    if (!s) return;
    for (int i = 0; i < 3; i++) mnas_onednn_conv_destroy(s->pass[i]);
    free(s);
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    *state = NULL;
    *scratch_bytes = 0;
    conv *s = calloc(1, sizeof *s);
    if (!s) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: convolution %s", node->name);
    for (mnas_onednn_pass pass = MNAS_ONEDNN_FORWARD; pass < (training ? 3 : 1); pass++) {
        const int rc = mnas_onednn_conv_create(&s->pass[pass], pass, node, in[0], batch);
        if (rc < 0) {
            destroy(s);
            return rc;
        }
        const size_t bytes = mnas_onednn_conv_scratch_bytes(s->pass[pass]);
        if (bytes > *scratch_bytes) *scratch_bytes = bytes;
    }
    *state = s;
    return 0;
}

/* oneDNN's handles are not const; it only reads what the pass does not make. */
static int run(const conv *s, mnas_onednn_pass pass, const mnas_call *call, const float *src, float *weight,
               const float *dst) {
    return mnas_onednn_conv_run(s->pass[pass], (float *)src, weight, (float *)dst, call->scratch);
}

static int forward(void *state, const mnas_call *call) {
    return run(state, MNAS_ONEDNN_FORWARD, call, call->src[0], call->param[0], call->dst);
}

static int backward(void *state, const mnas_call *call) {
    const int rc = run(state, MNAS_ONEDNN_BACKWARD_WEIGHT, call, call->src[0], call->dparam[0], call->ddst);
    if (rc < 0 || !call->dsrc[0]) return rc;
    return run(state, MNAS_ONEDNN_BACKWARD_DATA, call, call->dsrc[0], call->param[0], call->ddst);
}

const mnas_kernel mnas_onednn_op_conv = {"onednn", supports, create, forward, backward, destroy, false};
