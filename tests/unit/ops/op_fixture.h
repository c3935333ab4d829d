/* op_fixture.h - one operator in a graph of its own, with tensors of random values, for tests of the
 * reference loops. */
#ifndef MNAS_TESTS_OP_FIXTURE_H
#define MNAS_TESTS_OP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "ops/op.h"

typedef struct op_fixture {
    mnas_graph *graph;
    mnas_call call;
    float *src[2], *dsrc[2], *dst, *ddst, *param[4], *dparam[4];
    size_t n_src, n_dst, n_param[4]; /* floats */
} op_fixture;

static float *fixture_random(mnas_rng *rng, size_t n) {
    float *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = (float)mnas_rng_normal(rng);
    return x;
}

/* `node` needs op and attributes; pads are set from `rule` where it has a kernel. */
static void fixture_open(op_fixture *f, mnas_node node, mnas_shape in, int batch, mnas_pad rule,
                         mnas_rng *rng) {
    static const mnas_model model;
    *f = (op_fixture){0};
    assert_int_equal(mnas_graph_create(&f->graph, &model), 0);
    mnas_node input = {.op = &mnas_op_input, .name = "input", .out = in};
    for (int k = 0; k < node.op->n_in; k++) assert_int_equal(mnas_op_append(f->graph, &input), k);
    strcpy(node.name, "subject");
    node.n_in = node.op->n_in;
    node.in[1] = node.n_in > 1;
    if (node.kernel) {
        mnas_op_pad(rule, in.h, node.kernel, node.stride, &node.pad_top, &node.pad_bottom);
        mnas_op_pad(rule, in.w, node.kernel, node.stride, &node.pad_left, &node.pad_right);
    }
    int index = mnas_op_append(f->graph, &node);
    if (index < 0) fail_msg("%s", mnas_error_message());
    const mnas_node *made = &f->graph->nodes[index];
    f->call = (mnas_call){.node = made, .in = {in, in}, .batch = batch, .training = true, .seed = 7};
    f->n_src = (size_t)batch * mnas_shape_size(in);
    f->n_dst = (size_t)batch * mnas_shape_size(made->out);
    for (int k = 0; k < node.n_in; k++) {
        f->call.src[k] = f->src[k] = fixture_random(rng, f->n_src);
        f->call.dsrc[k] = f->dsrc[k] = fixture_random(rng, f->n_src);
    }
    f->call.dst = f->dst = fixture_random(rng, f->n_dst);
    f->call.ddst = f->ddst = fixture_random(rng, f->n_dst);
    for (int k = 0; k < made->n_params; k++) {
        f->n_param[k] = f->graph->params[made->params[k]].size;
        f->call.param[k] = f->param[k] = fixture_random(rng, f->n_param[k]);
        f->call.dparam[k] = f->dparam[k] = fixture_random(rng, f->n_param[k]);
    }
    size_t saved = made->op->saved_bytes ? made->op->saved_bytes(made, f->call.in, batch) : 0;
    if (saved) f->call.saved = malloc(saved);
}

static void fixture_close(op_fixture *f) {
    for (int k = 0; k < 2; k++) free(f->src[k]), free(f->dsrc[k]);
    for (int k = 0; k < 4; k++) free(f->param[k]), free(f->dparam[k]);
    free(f->dst);
    free(f->ddst);
    free(f->call.saved);
    mnas_graph_destroy(f->graph);
}

#endif
