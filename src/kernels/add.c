/* add.c - residual addition, of two tensors or of what batch-norms in front of them make of them.
 *
 * The gradient of both inputs is that of the sum: a copy where the memory plan could not share the place. Behind a norm it
 * has the norm's activation to pass and is summed; where the norm has none, it is the same numbers, and may share the
 * place, too.
 */
#include <assert.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/round.h"
#include "kernels/norm.h"

enum { PIECE_FLOATS = 1 << 13 }; /* small against the first cache */

typedef struct add {
    const mnas_isa *isa;
    mnas_elem elem;
    int n_threads;
    size_t pixels, channels, piece, n_pieces; /* pixels of the batch, of a piece */
} add;

static bool supports(const mnas_node *node, const mnas_shape *in) {
    (void)node, (void)in;
    return true;
}

static int create(void **state, const mnas_node *node, const mnas_shape *in, int batch, bool training,
                  size_t *scratch_bytes) {
    (void)training;
    add *a = malloc(sizeof *a);
    if (!a) return mnas_error_set(MNAS_ERR_MEMORY, "out of memory: kernel of %s", node->name);
    *a = (add){.isa = mnas_isa_of(node->elem),
               .elem = node->elem,
               .n_threads = omp_get_max_threads(),
               .pixels = (size_t)batch * (size_t)in[0].h * (size_t)in[0].w,
               .channels = (size_t)in[0].c};
    a->piece = a->channels < PIECE_FLOATS ? PIECE_FLOATS / a->channels : 1;
    a->n_pieces = mnas_divide_up(a->pixels, a->piece);
    *scratch_bytes = 0;
    *state = a;
    return 0;
}

static size_t length(const add *a, size_t piece) {
    const size_t left = a->pixels - piece * a->piece;
    return left < a->piece ? left : a->piece;
}

static void forward_piece(const add *a, const mnas_call *call, size_t piece) {
    const size_t at = piece * a->piece * a->channels, n = length(a, piece);
    if (!call->norm_in[0] && !call->norm_in[1]) {
        a->isa->add(mnas_elem_at(a->elem, call->src[0], at), mnas_elem_at(a->elem, call->src[1], at),
                    n * a->channels, mnas_elem_of(a->elem, call->dst, at));
        return;
    }
    mnas_add sum = {.x = {call->src[0], call->src[1]},
                    .norm = {call->norm_in[0], call->norm_in[1]},
                    .channels = a->channels,
                    .at = at,
                    .n = n,
                    .dst = call->dst};
    for (size_t width; sum.c < a->channels; sum.c += width, sum.at += width) {
        width = mnas_isa_width(a->isa, a->channels - sum.c);
        a->isa->add_normed(&sum, width);
    }
}

static int forward(void *state, const mnas_call *call) {
    const add *a = state;
#pragma omp parallel for schedule(static) num_threads(a->n_threads) if (a->n_pieces > 1)
    for (size_t i = 0; i < a->n_pieces; i++) forward_piece(a, call, i);
    return 0;
}

/* What input k gets of a piece. */
static void backward_input(const add *a, const mnas_call *call, int k, size_t piece, int share) {
    const size_t at = piece * a->piece * a->channels, n = length(a, piece);
    const mnas_norm *norm = call->norm_in[k];
    void *own =
        call->dsrc[k] && call->dsrc[k] != call->ddst ? mnas_elem_of(a->elem, call->dsrc[k], at) : NULL;
    const void *from = mnas_elem_at(a->elem, call->ddst, at);
    if (norm)
        mnas_norm_add_gradient_sums(norm, mnas_elem_at(a->elem, call->src[k], at), from, n, own, share);
    else if (own)
        memcpy(own, from, n * a->channels * mnas_elem_bytes(a->elem));
}

static void backward_share(const add *a, const mnas_call *call, int share) {
    const size_t n_shares = (size_t)a->n_threads, end = a->n_pieces * ((size_t)share + 1) / n_shares;
    for (int k = 0; k < 2; k++)
        if (call->norm_in[k]) mnas_norm_clear(call->norm_in[k], share);
    for (size_t i = a->n_pieces * (size_t)share / n_shares; i < end; i++)
        for (int k = 0; k < 2; k++) backward_input(a, call, k, i, share);
}

static int backward(void *state, const mnas_call *call) {
    const add *a = state;
    for (int k = 0; k < 2; k++) {
        const mnas_norm *norm = call->norm_in[k];
        assert(!norm || norm->n_shares == a->n_threads);
        assert(!norm || norm->act == MNAS_ACT_NONE || call->dsrc[k] != call->ddst);
    }
#pragma omp parallel for schedule(static) num_threads(a->n_threads) if (a->n_pieces > 1)
    for (int share = 0; share < a->n_threads; share++) backward_share(a, call, share);
    return 0;
}

const mnas_kernel mnas_kernel_add = {"add", supports, create, forward, backward, free, true};
