/* op_conv_onednn.c - regular convolutions on oneDNN: its convolution primitives, or for a 1x1 window of
 * stride 1 a matrix product over the pixels, whichever was faster on shapes of this kind (docs/SPEED.md).
 *
 * Not for inference graphs, whose convolutions carry a bias and an activation. The choice depends on the
 * shapes alone, never on a measurement, so that a repeated run gives the same bits.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ops/onednn.h"
#include "ops/op.h"

typedef struct conv {
    int64_t pixels;            /* of the whole batch, where a matrix product may be used */
    mnas_onednn_conv *pass[3]; /* by mnas_onednn_pass; NULL: matrix product */
    bool product[3];
} conv;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)in;
    return !node->bias && node->act == MNAS_ACT_NONE;
}

static bool is_matrix(const mnas_node *node) {
    return node->kernel == 1 && node->stride == 1 && !node->pad_top && !node->pad_left && !node->pad_bottom &&
           !node->pad_right;
}

/* Measured: the product wins backward nearly everywhere; forward the primitive's blocking wins for many
 * channels on many pixels, while on few pixels reordering the weights costs more than it brings. */
static bool prefers_product(mnas_onednn_pass pass, int64_t pixels, int c, int k) {
    enum { MANY_CHANNELS = 200, FEW_PIXELS = 1024 };
    if (pass != MNAS_ONEDNN_FORWARD) return true;
    return (c < MANY_CHANNELS && k < MANY_CHANNELS) || pixels <= FEW_PIXELS;
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
    s->pixels = (int64_t)batch * in[0].h * in[0].w;
    for (mnas_onednn_pass pass = MNAS_ONEDNN_FORWARD; pass < (training ? 3 : 1); pass++) {
        s->product[pass] = is_matrix(node) && prefers_product(pass, s->pixels, in[0].c, node->out.c);
        if (s->product[pass]) continue;
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

/* src [pixels, C], weight [K, C], dst [pixels, K] */
static int forward(void *state, const mnas_call *call) {
    const conv *s = state;
    float *src = (float *)call->src[0]; /* oneDNN's handles are not const; it only reads */
    if (s->product[MNAS_ONEDNN_FORWARD])
        return mnas_onednn_matmul(false, true, s->pixels, call->node->out.c, call->in[0].c, src,
                                  call->param[0], call->dst);
    return mnas_onednn_conv_run(s->pass[MNAS_ONEDNN_FORWARD], src, call->param[0], call->dst, call->scratch);
}

static int backward_weight(const conv *s, const mnas_call *call) {
    if (s->product[MNAS_ONEDNN_BACKWARD_WEIGHT])
        return mnas_onednn_matmul(true, false, call->node->out.c, call->in[0].c, s->pixels, call->ddst,
                                  call->src[0], call->dparam[0]);
    return mnas_onednn_conv_run(s->pass[MNAS_ONEDNN_BACKWARD_WEIGHT], (float *)call->src[0], call->dparam[0],
                                (float *)call->ddst, call->scratch);
}

static int backward(void *state, const mnas_call *call) {
    const conv *s = state;
    const int rc = backward_weight(s, call);
    if (rc < 0 || !call->dsrc[0]) return rc;
    if (s->product[MNAS_ONEDNN_BACKWARD_DATA])
        return mnas_onednn_matmul(false, false, s->pixels, call->in[0].c, call->node->out.c, call->ddst,
                                  call->param[0], call->dsrc[0]);
    return mnas_onednn_conv_run(s->pass[MNAS_ONEDNN_BACKWARD_DATA], call->dsrc[0], call->param[0],
                                (float *)call->ddst, call->scratch);
}

const mnas_kernel mnas_onednn_op_conv = {"onednn", supports, create, forward, backward, destroy, false};
