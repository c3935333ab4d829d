/* test_kernels.c - every fast implementation against the reference loops of its operator: a table of shapes,
 * every instruction set this CPU has, one and two threads, training and inference, gradients wanted or not,
 * in place or not.
 *
 * A tensor agrees when ||a - b|| <= 1e-5 ||(b, 1)||. Buffers that an implementation must overwrite start as NaN;
 * guard bytes behind the scratch must survive.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rng.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "ops/op.h"

#define TOLERANCE 1e-5
enum { GUARD_BYTES = 64, GUARD = 0x5a };

static int
    max_threads; /* 2, or what OMP_NUM_THREADS allows: thread sanitizers do not know OpenMP's barriers */

typedef struct shape_case {
    int batch, h, w, c, filters, kernel, stride;
    int same; /* padding: 'SAME' or symmetric */
    mnas_act act;
} shape_case;

/* Everything one run of one implementation reads and writes. */
typedef struct run {
    mnas_call call;
    size_t src_floats, dst_floats, saved_bytes, scratch_bytes, param_floats[MNAS_MAX_NODE_PARAMS];
    int n_in, n_params;
} run;

static void *alloc(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(p);
    return p;
}

static float *random_floats(mnas_rng *rng, size_t n, double mean, double sd) {
    float *x = alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(mean + sd * mnas_rng_normal(rng));
    return x;
}

static void poison(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = NAN;
}

static double distance(const float *a, const float *b, size_t n) {
    double d = 0, norm = 1; /* what is added is of size 1, and a sum that cancels has no more digits */
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(d / norm);
}

static mnas_node make_node(const char *op_name, const shape_case *s) {
    const mnas_op *op = mnas_op_find(op_name);
    assert_non_null(op);
    mnas_node node = {.op = op,
                      .name = "case",
                      .n_in = op->n_in,
                      .kernel = s->kernel,
                      .stride = s->stride,
                      .filters = s->filters,
                      .bias = strcmp(op_name, "dense") == 0,
                      .act = s->act,
                      .epsilon = 1e-3,
                      .momentum = 0.9,
                      .unbiased = s->same,
                      .rate = 0.3};
    if (s->kernel > 0) {
        const mnas_pad rule = s->same ? MNAS_PAD_SAME : MNAS_PAD_SYMMETRIC;
        mnas_op_pad(rule, s->h, s->kernel, s->stride, &node.pad_top, &node.pad_bottom);
        mnas_op_pad(rule, s->w, s->kernel, s->stride, &node.pad_left, &node.pad_right);
    }
    return node;
}

/* The node in a graph of its own, which knows its parameters. */
static mnas_graph *make_graph(const char *op_name, const shape_case *s) {
    mnas_model model;
    mnas_model_defaults(&model);
    mnas_graph *graph;
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    const mnas_node input = {.op = mnas_op_find("input"), .name = "input", .out = {s->h, s->w, s->c}};
    assert_int_equal(mnas_op_append(graph, &input), 0);
    mnas_node node = make_node(op_name, s);
    const int index = mnas_op_append(graph, &node);
    if (index < 0) fail_msg("%s: %s", op_name, mnas_error_message());
    return graph;
}

static void fill_params(mnas_rng *rng, const mnas_graph *graph, run *r) {
    const mnas_node *node = r->call.node;
    r->n_params = node->n_params;
    for (int k = 0; k < node->n_params; k++) {
        const mnas_param *p = &graph->params[node->params[k]];
        const bool spread = p->role == MNAS_PARAM_GAMMA || p->role == MNAS_PARAM_VAR;
        r->param_floats[k] = p->size;
        r->call.param[k] = random_floats(rng, p->size, spread ? 1.5 : 0.1, spread ? 0.2 : 0.5);
        if (p->trainable) r->call.dparam[k] = alloc(p->size * sizeof(float));
    }
}

/* src has a mean well away from 0, which costs careless statistics their digits. */
static run make_run(const mnas_graph *graph, int batch) {
    mnas_rng rng = mnas_rng_stream(7, 0, "kernels");
    const mnas_node *node = &graph->nodes[1];
    const mnas_shape in = graph->nodes[0].out;
    run r = {.n_in = node->n_in};
    r.call.node = node;
    r.call.batch = batch;
    r.call.seed = 99;
    r.src_floats = (size_t)batch * mnas_shape_size(in);
    r.dst_floats = (size_t)batch * mnas_shape_size(node->out);
    for (int k = 0; k < r.n_in; k++) {
        r.call.in[k] = in;
        r.call.src[k] =
            random_floats(&rng, r.src_floats, strcmp(node->op->plugin.name, "bn") == 0 ? 3 : 0.2, 1);
        r.call.dsrc[k] = alloc(r.src_floats * sizeof(float));
    }
    r.call.dst = alloc(r.dst_floats * sizeof(float));
    r.call.ddst = random_floats(&rng, r.dst_floats, 0.1, 1);
    r.saved_bytes = node->op->saved_bytes ? node->op->saved_bytes(node, r.call.in, batch) : 0;
    r.call.saved = alloc(r.saved_bytes + 4);
    fill_params(&rng, graph, &r);
    return r;
}

static void free_run(run *r) {
    for (int k = 0; k < r->n_in; k++) free((float *)r->call.src[k]), free(r->call.dsrc[k]);
    for (int k = 0; k < r->n_params; k++) free(r->call.param[k]), free(r->call.dparam[k]);
    free(r->call.dst);
    free((float *)r->call.ddst);
    free(r->call.saved);
}

static const char *label(const run *r, const mnas_kernel *kernel, const mnas_isa *isa) {
    static char text[256];
    const mnas_node *n = r->call.node;
    snprintf(text, sizeof text,
             "%s on %s (%s, %d threads): batch %d, %dx%dx%d -> %dx%dx%d, kernel %d stride %d act %d",
             n->op->plugin.name, kernel->name, isa->name, omp_get_max_threads(), r->call.batch,
             r->call.in[0].h, r->call.in[0].w, r->call.in[0].c, n->out.h, n->out.w, n->out.c, n->kernel,
             n->stride, (int)n->act);
    return text;
}

static void check(const char *what, const char *tensor, const float *a, const float *b, size_t n) {
    const double d = distance(a, b, n);
    if (!(d <= TOLERANCE)) fail_msg("%s: %s differs by %.3g", what, tensor, d);
}

/* Guarded scratch of a prepared kernel. */
typedef struct prepared {
    const mnas_kernel *kernel;
    void *state;
    size_t scratch_bytes;
} prepared;

static prepared prepare(const mnas_kernel *kernel, run *r, bool training) {
    prepared p = {.kernel = kernel};
    const int rc =
        kernel->create(&p.state, r->call.node, r->call.in, r->call.batch, training, &p.scratch_bytes);
    if (rc < 0) fail_msg("%s: %s", kernel->name, mnas_error_message());
    r->call.training = training;
    r->call.scratch = alloc(p.scratch_bytes + GUARD_BYTES);
    memset(r->call.scratch, 0xff, p.scratch_bytes); /* NaN */
    memset((char *)r->call.scratch + p.scratch_bytes, GUARD, GUARD_BYTES);
    return p;
}

static void finish(prepared *p, run *r, const char *what) {
    for (int i = 0; i < GUARD_BYTES; i++)
        if (((unsigned char *)r->call.scratch)[p->scratch_bytes + (size_t)i] != GUARD)
            fail_msg("%s: wrote behind its scratch", what);
    free(r->call.scratch);
    r->call.scratch = NULL;
    p->kernel->destroy(p->state);
}

static void poison_results(run *r) {
    poison(r->call.dst, r->dst_floats);
    for (int k = 0; k < r->n_in; k++)
        if (r->call.dsrc[k]) poison(r->call.dsrc[k], r->src_floats);
    for (int k = 0; k < r->n_params; k++)
        if (r->call.dparam[k]) poison(r->call.dparam[k], r->param_floats[k]);
}

static void check_forward(const run *fast, const run *ref, const char *what) {
    check(what, "dst", fast->call.dst, ref->call.dst, ref->dst_floats);
    for (int k = 0; k < ref->n_params; k++)
        check(what, "parameter (moving statistics)", fast->call.param[k], ref->call.param[k],
              ref->param_floats[k]);
}

static void check_backward(const run *fast, const run *ref, const char *what) {
    static const char *const names[MNAS_MAX_NODE_PARAMS] = {"dparam 0", "dparam 1", "dparam 2", "dparam 3"};
    for (int k = 0; k < ref->n_in; k++)
        if (fast->call.dsrc[k])
            check(what, k ? "dsrc 1" : "dsrc 0", fast->call.dsrc[k], ref->call.dsrc[k], ref->src_floats);
    for (int k = 0; k < ref->n_params; k++)
        if (ref->call.dparam[k])
            check(what, names[k], fast->call.dparam[k], ref->call.dparam[k], ref->param_floats[k]);
}

static void run_inference(const mnas_kernel *kernel, run *fast, const run *ref, const char *what) {
    prepared p = prepare(kernel, fast, false);
    poison_results(fast);
    assert_int_equal(kernel->forward(p.state, &fast->call), 0);
    check_forward(fast, ref, what);
    finish(&p, fast, what);
}

/* Backward with dsrc[0] being the buffer of ddst. */
static void run_in_place(prepared *p, run *fast, const run *ref, const char *what) {
    float *own = fast->call.dsrc[0], *shared = alloc(fast->src_floats * sizeof *shared);
    const float *ddst = fast->call.ddst;
    memcpy(shared, ddst, fast->src_floats * sizeof *shared);
    fast->call.dsrc[0] = shared;
    fast->call.ddst = shared;
    assert_int_equal(p->kernel->backward(p->state, &fast->call), 0);
    check_backward(fast, ref, what);
    fast->call.dsrc[0] = own;
    fast->call.ddst = ddst;
    free(shared);
}

static void run_training(const mnas_kernel *kernel, run *fast, const run *ref, const char *what) {
    prepared p = prepare(kernel, fast, true);
    poison_results(fast);
    assert_int_equal(kernel->forward(p.state, &fast->call), 0);
    check_forward(fast, ref, what);
    memset(fast->call.scratch, 0xff, p.scratch_bytes);
    assert_int_equal(kernel->backward(p.state, &fast->call), 0);
    check_backward(fast, ref, what);
    if (ref->call.node->op->inplace_backward) run_in_place(&p, fast, ref, what);
    float *unwanted[MNAS_MAX_INPUTS] = {fast->call.dsrc[0], fast->call.dsrc[1]};
    fast->call.dsrc[0] = fast->call.dsrc[1] = NULL;
    assert_int_equal(kernel->backward(p.state, &fast->call), 0);
    check_backward(fast, ref, what);
    fast->call.dsrc[0] = unwanted[0], fast->call.dsrc[1] = unwanted[1];
    finish(&p, fast, what);
}

/* The reference loops' results, computed once for all implementations of a node. */
typedef struct reference {
    run inference, training;
} reference;

static reference run_reference(const mnas_graph *graph, int batch) {
    reference r = {make_run(graph, batch), make_run(graph, batch)};
    const mnas_op *op = graph->nodes[1].op;
    op->forward(&r.inference.call);
    r.training.call.training = true;
    op->forward(&r.training.call);
    op->backward(&r.training.call);
    return r;
}

/* The first convolution as a product of windows: the engine never wants an image's gradient. */
static bool is_of_image(const mnas_kernel *kernel, const mnas_node *node) {
    return strcmp(kernel->name, "pointwise") == 0 && (node->kernel > 1 || node->stride > 1);
}

static void run_case(const mnas_graph *graph, const reference *ref, const mnas_kernel *kernel,
                     const mnas_isa *isa, int batch) {
    run fast = make_run(graph, batch);
    float *unwanted = NULL;
    if (is_of_image(kernel, fast.call.node)) unwanted = fast.call.dsrc[0], fast.call.dsrc[0] = NULL;
    mnas_isa_force(isa);
    const char *what = label(&fast, kernel, isa);
    run_inference(kernel, &fast, &ref->inference, what);
    run_training(kernel, &fast, &ref->training, what);
    mnas_isa_force(NULL);
    if (unwanted) fast.call.dsrc[0] = unwanted;
    free_run(&fast);
}

/* Every implementation of the node; at least one must exist. */
static void check_case(const char *op_name, const shape_case *s) {
    mnas_graph *graph = make_graph(op_name, s);
    const mnas_node *node = &graph->nodes[1];
    const mnas_shape in[MNAS_MAX_INPUTS] = {graph->nodes[0].out, graph->nodes[0].out};
    const mnas_kernel *own = mnas_kernels_find(op_name, node, in), *library = mnas_op_onednn(node, in);
    const mnas_isa *list[MNAS_ISA_MAX_SETS];
    const size_t n_isas = mnas_isa_list(list);
    reference ref = run_reference(graph, s->batch);
    assert_true(own || library);
    for (int threads = 1; threads <= max_threads; threads++) {
        omp_set_num_threads(threads);
        for (size_t i = 0; own && i < n_isas; i++) run_case(graph, &ref, own, list[i], s->batch);
        if (library) run_case(graph, &ref, library, list[0], s->batch);
    }
    free_run(&ref.inference);
    free_run(&ref.training);
    mnas_graph_destroy(graph);
}

static void check_table(const char *op_name, const shape_case *table, size_t n) {
    for (size_t i = 0; i < n; i++) check_case(op_name, &table[i]);
}
#define CHECK_TABLE(op, table) check_table(op, table, sizeof(table) / sizeof *(table))

/* -------------------------------------------------------------------------------------------------------------
 * tables */

static void test_depthwise(void **state) {
    (void)state;
    static const int channels[] = {1, 3, 8, 12, 17, 24, 40, 96, 144};
    static const int sides[][2] = {{7, 7}, {9, 14}, {2, 2}, {1, 5}, {4, 3}, {20, 21}};
    int n = 0;
    for (size_t c = 0; c < 9; c++)
        for (int kernel = 1; kernel <= 7; kernel += 2)
            for (int stride = 1; stride <= 2; stride++)
                for (int same = 0; same <= 1; same++) {
                    const int *side = sides[n % 6];
                    const int batch = n % 5 == 0 ? 1 : 3;
                    n++;
                    check_case("dwconv", &(shape_case){batch, side[0], side[1], channels[c], 0, kernel,
                                                       stride, same, 0});
                }
    static const shape_case more[] = {
        {32, 4, 4, 24, 0, 5, 1, 1, 0},  {32, 2, 2, 17, 0, 5, 2, 1, 0},  {1, 28, 28, 40, 0, 5, 2, 1, 0},
        {2, 33, 40, 16, 0, 3, 1, 1, 0}, {3, 12, 12, 20, 0, 3, 3, 0, 0}, {2, 9, 9, 8, 0, 2, 2, 1, 0},
        {1, 56, 57, 32, 0, 7, 2, 0, 0}, {2, 5, 6, 33, 0, 6, 1, 1, 0},   {1, 64, 200, 16, 0, 3, 1, 1, 0},
    };
    CHECK_TABLE("dwconv", more);
}

static void test_batch_norm(void **state) {
    (void)state;
    static const int channels[] = {1, 3, 8, 12, 17, 24, 40, 96, 144};
    static const mnas_act acts[] = {MNAS_ACT_NONE, MNAS_ACT_RELU, MNAS_ACT_RELU6, MNAS_ACT_SWISH,
                                    MNAS_ACT_HSWISH};
    for (size_t c = 0; c < 9; c++)
        for (size_t a = 0; a < 5; a++) {
            check_case("bn", &(shape_case){3, 5, 7, channels[c], 0, 0, 0, (int)a % 2, acts[a]});
            check_case("bn", &(shape_case){1, 3, 3, channels[c], 0, 0, 0, 1, acts[a]});
            check_case("bn", &(shape_case){32, 4, 4, channels[c], 0, 0, 0, 0, acts[a]});
        }
    static const shape_case more[] = {{1, 1, 3, 5, 0, 0, 0, 1, MNAS_ACT_NONE},
                                      {4, 32, 31, 16, 0, 0, 0, 1, MNAS_ACT_RELU},
                                      {4, 32, 31, 16, 0, 0, 0, 1, MNAS_ACT_SWISH},
                                      {4, 32, 31, 16, 0, 0, 0, 1, MNAS_ACT_HSWISH}};
    CHECK_TABLE("bn", more);
}

static void test_convolution(void **state) {
    (void)state;
    static const int channels[][2] = {{1, 8},   {3, 16},  {3, 32},  {8, 24},  {12, 17},
                                      {17, 12}, {24, 40}, {40, 96}, {144, 24}};
    static const int sides[][2] = {{7, 7}, {9, 14}, {4, 3}, {12, 11}};
    int n = 0;
    for (size_t c = 0; c < 9; c++)
        for (int kernel = 1; kernel <= 7; kernel += 2)
            for (int stride = 1; stride <= 2; stride++) {
                const int *side = sides[n % 4];
                const int batch = n % 5 == 0 ? 1 : 3, same = kernel == 1 ? 1 : n % 2;
                n++;
                if (kernel > 3 && channels[c][0] * channels[c][1] > 500) continue;
                check_case("conv", &(shape_case){batch, side[0], side[1], channels[c][0], channels[c][1],
                                                 kernel, stride, same, 0});
            }
    static const shape_case more[] = {
        {32, 4, 4, 24, 144, 1, 1, 1, 0}, {2, 7, 7, 240, 40, 1, 1, 1, 0}, {24, 7, 7, 40, 240, 1, 1, 1, 0}};
    CHECK_TABLE("conv", more);
}

static void test_squeeze_excite(void **state) {
    (void)state;
    static const shape_case table[] = {
        {3, 5, 7, 24, 6, 0, 0, 0, 0},   {1, 1, 1, 8, 1, 0, 0, 0, 0},     {2, 9, 9, 17, 4, 0, 0, 0, 0},
        {32, 4, 4, 96, 12, 0, 0, 0, 0}, {3, 14, 14, 144, 6, 0, 0, 0, 0}, {1, 6, 6, 3, 1, 0, 0, 0, 0},
    };
    CHECK_TABLE("se", table);
}

static void test_small_operators(void **state) {
    (void)state;
    static const shape_case plain[] = {
        {3, 5, 7, 17, 0, 0, 0, 0, MNAS_ACT_RELU},     {1, 1, 1, 3, 0, 0, 0, 0, MNAS_ACT_RELU6},
        {32, 14, 14, 24, 0, 0, 0, 0, MNAS_ACT_RELU6}, {2, 7, 7, 96, 0, 0, 0, 0, MNAS_ACT_RELU},
        {1, 33, 33, 16, 0, 0, 0, 0, MNAS_ACT_RELU},
    };
    CHECK_TABLE("act", plain);
    CHECK_TABLE("add", plain);
    CHECK_TABLE("gap", plain);
    CHECK_TABLE("dropout", plain);
    static const shape_case dense[] = {{1, 1, 1, 8, 10, 0, 0, 0, 0},
                                       {3, 1, 1, 17, 7, 0, 0, 0, 0},
                                       {32, 1, 1, 320, 100, 0, 0, 0, 0},
                                       {5, 1, 1, 1, 1, 0, 0, 0, 0}};
    CHECK_TABLE("dense", dense);
}

static void test_average_pooling(void **state) {
    (void)state;
    int n = 0;
    for (int kernel = 2; kernel <= 5; kernel++)
        for (int stride = 1; stride <= 2; stride++)
            for (int same = 0; same <= 1; same++) {
                static const int channels[] = {3, 8, 17, 24, 96};
                const int c = channels[n++ % 5];
                check_case("avgpool", &(shape_case){3, 7, 8, c, 0, kernel, stride, same, 0});
                check_case("avgpool", &(shape_case){1, 5, 4, c, 0, kernel, stride, same, 0});
            }
}

/* The same call twice gives the same bits: sums do not depend on which thread was first. */
static void test_deterministic(void **state) {
    (void)state;
    static const char *const ops[] = {"dwconv", "bn"};
    omp_set_num_threads(max_threads);
    for (size_t i = 0; i < 2; i++) {
        const shape_case s = {8, 14, 14, 24, 0, i ? 0 : 5, i ? 0 : 1, 1, MNAS_ACT_NONE};
        mnas_graph *graph = make_graph(ops[i], &s);
        run a = make_run(graph, s.batch), b = make_run(graph, s.batch);
        run *both[] = {&a, &b};
        const mnas_kernel *kernel = mnas_kernels_find(ops[i], a.call.node, a.call.in);
        for (int k = 0; k < 2; k++) {
            prepared p = prepare(kernel, both[k], true);
            assert_int_equal(kernel->forward(p.state, &both[k]->call), 0);
            assert_int_equal(kernel->backward(p.state, &both[k]->call), 0);
            finish(&p, both[k], "repeated");
        }
        assert_memory_equal(a.call.dst, b.call.dst, a.dst_floats * sizeof(float));
        assert_memory_equal(a.call.dsrc[0], b.call.dsrc[0], a.src_floats * sizeof(float));
        assert_memory_equal(a.call.dparam[0], b.call.dparam[0], a.param_floats[0] * sizeof(float));
        free_run(&a);
        free_run(&b);
        mnas_graph_destroy(graph);
    }
}

int main(void) {
    max_threads = omp_get_max_threads() < 2 ? 1 : 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depthwise),       cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_convolution),     cmocka_unit_test(test_squeeze_excite),
        cmocka_unit_test(test_small_operators), cmocka_unit_test(test_average_pooling),
        cmocka_unit_test(test_deterministic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
