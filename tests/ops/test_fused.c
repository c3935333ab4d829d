/* test_fused.c - a kernel that does the batch-norms around it in passing (model/kernel.h) against the composition of
 * reference loops: the norm in front applied, the operator's own loops, the norm behind; backward the same from the
 * other end. Every instruction set this CPU has, one and two threads, every activation, norms on either side or both.
 *
 * The norms' tables are random: what a kernel makes of them is a formula, whether or not they are statistics of
 * anything. A tensor agrees when ||a - b|| <= 1e-5 ||b||; what must be overwritten starts as NaN.
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
#include "kernels/kernels.h"
#include "kernels/norm.h"
#include "model/act.h"
#include "ops/op.h"

#define TOLERANCE 1e-5
enum { GUARD_BYTES = 64, GUARD = 0x5a };

/* Sanitized loops take ten times as long: each set then runs with one number of threads, shapes come once. */
#ifdef __SANITIZE_ADDRESS__
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif

static int max_threads; /* 2, or what OMP_NUM_THREADS allows */

typedef struct shape_case {
    int batch, h, w, c, filters, kernel, stride;
    int same; /* padding: 'SAME' or symmetric */
} shape_case;

/* Which norms stand around the operator, and how. */
typedef struct around {
    bool in[MNAS_MAX_INPUTS], out;
    bool passed; /* what comes back through the norm behind has passed its activation already */
    mnas_act act;
    bool unwanted; /* no gradient of the inputs */
} around;

static void *alloc(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(p);
    return p;
}

static float *random_floats(mnas_rng *rng, size_t n, double mean, double sd) {
    float *x = alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(mean + sd * (3.4 * mnas_rng_uniform(rng) - 1.7));
    return x;
}

static float *nans(size_t n) {
    float *x = alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = NAN;
    return x;
}

static double distance(const float *a, const float *b, size_t n) {
    double d = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return d == 0 ? 0 : sqrt(d / norm);
}

/* ---- the norms ---- */

/* Near what x of mean 0.2 and spread 1 would have; `which` has the same values whenever it is made. */
static mnas_norm make_norm(uint64_t which, mnas_act act, int channels) {
    mnas_rng stream = mnas_rng_stream(11, which, "norm"), *rng = &stream;
    const mnas_node bn = {.name = "norm", .act = act};
    mnas_norm norm;
    assert_int_equal(mnas_norm_open(&norm, &bn, channels), 0);
    for (size_t c = 0; c < norm.channels; c++) {
        mnas_norm_set(&norm, norm.shift, c, 0.2 + 0.1 * mnas_rng_normal(rng));
        mnas_norm_set(&norm, norm.mean, c, 0.2 + 0.1 * mnas_rng_normal(rng));
        mnas_norm_set(&norm, norm.scale, c, 1.5 + 0.3 * mnas_rng_normal(rng));
        mnas_norm_set(&norm, norm.beta, c, 0.5 * mnas_rng_normal(rng));
        mnas_norm_set(&norm, norm.slope, c, 0.2 * mnas_rng_normal(rng));
        mnas_norm_set(&norm, norm.offset, c, 0.2 * mnas_rng_normal(rng));
    }
    for (size_t i = 0; i < 2 * norm.columns * (size_t)norm.n_shares; i++) norm.sums[i] = NAN;
    return norm;
}

static double normed(const mnas_norm *norm, const float *x, size_t i) {
    const size_t c = i % norm->channels;
    return ((double)x[i] - (double)norm->mean[c]) * (double)norm->scale[c] + (double)norm->beta[c];
}

static float *applied(const mnas_norm *norm, const float *x, size_t n) {
    float *y = alloc(n * sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = norm ? (float)mnas_act_value(norm->act, normed(norm, x, i)) : x[i];
    return y;
}

/* dx of the gradient dy of the norm's output. */
static float *through(const mnas_norm *norm, const float *x, const float *dy, size_t n) {
    float *dx = alloc(n * sizeof *dx);
    for (size_t i = 0; i < n; i++) {
        dx[i] = dy[i];
        if (!norm) continue;
        const size_t c = i % norm->channels;
        const double slope = norm->by_consumer ? 1 : mnas_act_slope(norm->act, normed(norm, x, i));
        dx[i] = (float)((double)norm->scale[c] * (double)dy[i] * slope -
                        ((double)x[i] - (double)norm->mean[c]) * (double)norm->slope[c] -
                        (double)norm->offset[c]);
    }
    return dx;
}

/* g = dy act', in place. */
static void pass_activation(const mnas_norm *norm, const float *x, float *dy, size_t n) {
    for (size_t i = 0; i < n; i++)
        dy[i] = (float)((double)dy[i] * mnas_act_slope(norm->act, normed(norm, x, i)));
}

/* The sums of a and of a b - its own square, or with x - mean - channel by channel. */
static void check_sums(const char *what, const mnas_norm *norm, const float *x, const float *g, size_t n) {
    const double *sum = mnas_norm_total(norm);
    double *wanted = calloc(2 * norm->channels, sizeof *wanted),
           *size = calloc(2 * norm->channels, sizeof *size);
    assert_true(wanted && size);
    for (size_t i = 0; i < n; i++) {
        const size_t c = i % norm->channels;
        const double a = g ? (double)g[i] : (double)x[i] - (double)norm->shift[c];
        const double b = a * (g ? (double)x[i] - (double)norm->mean[c] : a);
        wanted[c] += a, size[c] += fabs(a);
        wanted[norm->channels + c] += b, size[norm->channels + c] += fabs(b);
    }
    for (size_t c = 0; c < 2 * norm->channels; c++)
        if (!(fabs(sum[c] - wanted[c]) <= TOLERANCE * size[c]))
            fail_msg("%s: sum %zu of %zu is %.9g, not %.9g", what, c, norm->channels, sum[c], wanted[c]);
    free(wanted);
    free(size);
}

/* ---- a node and its tensors ---- */

typedef struct subject {
    mnas_graph *graph;
    mnas_call call; /* the composition's: what the reference loops see */
    float *x[MNAS_MAX_INPUTS], *dy;
    mnas_norm in[MNAS_MAX_INPUTS], out;
    size_t src_floats, dst_floats;
} subject;

static mnas_graph *make_graph(const char *op_name, const shape_case *s) {
    mnas_model model;
    mnas_model_defaults(&model);
    mnas_graph *graph;
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    const mnas_node input = {.op = mnas_op_find("input"), .name = "input", .out = {s->h, s->w, s->c}};
    assert_int_equal(mnas_op_append(graph, &input), 0);
    mnas_node node = {.op = mnas_op_find(op_name),
                      .name = "case",
                      .kernel = s->kernel,
                      .stride = s->stride,
                      .filters = s->filters};
    assert_non_null(node.op);
    node.n_in = node.op->n_in;
    if (s->kernel > 0) {
        const mnas_pad rule = s->same ? MNAS_PAD_SAME : MNAS_PAD_SYMMETRIC;
        mnas_op_pad(rule, s->h, s->kernel, s->stride, &node.pad_top, &node.pad_bottom);
        mnas_op_pad(rule, s->w, s->kernel, s->stride, &node.pad_left, &node.pad_right);
    }
    if (mnas_op_append(graph, &node) < 0) fail_msg("%s: %s", op_name, mnas_error_message());
    return graph;
}

static void make_params(mnas_rng *rng, subject *s) {
    const mnas_node *node = s->call.node;
    for (int k = 0; k < node->n_params; k++) {
        const size_t size = s->graph->params[node->params[k]].size;
        s->call.param[k] = random_floats(rng, size, 0.1, 0.5);
        s->call.dparam[k] = alloc(size * sizeof(float));
    }
}

/* Tables of norms have an instruction set's columns and the sums of as many shares as there are threads. */
static void make_norms(subject *s, const around *a) {
    const mnas_node *node = s->call.node;
    for (int k = 0; k < node->n_in; k++) {
        s->in[k] = make_norm((uint64_t)k, a->act, s->call.in[k].c);
        s->in[k].by_consumer = true;
    }
    s->out = make_norm(MNAS_MAX_INPUTS, a->act, node->out.c);
    s->out.by_producer = true;
    s->out.by_consumer = a->passed;
}

static void close_norms(subject *s) {
    for (int k = 0; k < s->call.node->n_in; k++) mnas_norm_close(&s->in[k]);
    mnas_norm_close(&s->out);
}

/* The composition, run: results in call, x and dy as the fused kernel gets them; whoever wants norms makes them again. */
static subject make_subject(const char *op_name, const shape_case *c, const around *a) {
    mnas_rng rng = mnas_rng_stream(11, 0, "fused");
    subject s = {.graph = make_graph(op_name, c)};
    const mnas_node *node = &s.graph->nodes[1];
    const mnas_shape in = s.graph->nodes[0].out;
    s.call = (mnas_call){.node = node, .batch = c->batch, .training = true};
    s.src_floats = (size_t)c->batch * mnas_shape_size(in);
    s.dst_floats = (size_t)c->batch * mnas_shape_size(node->out);
    for (int k = 0; k < node->n_in; k++) s.call.in[k] = in;
    make_norms(&s, a);
    for (int k = 0; k < node->n_in; k++) {
        s.x[k] = random_floats(&rng, s.src_floats, 0.2, 1);
        s.call.src[k] = applied(a->in[k] ? &s.in[k] : NULL, s.x[k], s.src_floats);
        s.call.dsrc[k] = alloc(s.src_floats * sizeof(float));
    }
    make_params(&rng, &s);
    s.call.dst = alloc(s.dst_floats * sizeof(float));
    s.call.saved = alloc((node->op->saved_bytes ? node->op->saved_bytes(node, s.call.in, c->batch) : 0) + 4);
    node->op->forward(&s.call);
    s.dy = random_floats(&rng, s.dst_floats, 0.1, 1);
    s.call.ddst = through(a->out ? &s.out : NULL, s.call.dst, s.dy, s.dst_floats);
    node->op->backward(&s.call);
    for (int k = 0; k < node->n_in; k++)
        if (a->in[k]) pass_activation(&s.in[k], s.x[k], s.call.dsrc[k], s.src_floats);
    close_norms(&s);
    return s;
}

static void free_subject(subject *s) {
    for (int k = 0; k < s->call.node->n_in; k++) {
        free(s->x[k]);
        free((float *)s->call.src[k]);
        free(s->call.dsrc[k]);
    }
    for (int k = 0; k < s->call.node->n_params; k++) free(s->call.param[k]), free(s->call.dparam[k]);
    free(s->dy);
    free((float *)s->call.ddst);
    free(s->call.dst);
    free(s->call.saved);
    mnas_graph_destroy(s->graph);
}

/* ---- the kernel ---- */

static void check(const char *what, const char *tensor, const float *a, const float *b, size_t n) {
    const double d = distance(a, b, n);
    if (!(d <= TOLERANCE)) fail_msg("%s: %s differs by %.3g", what, tensor, d);
}

static mnas_call make_call(subject *s, const around *a) {
    mnas_call call = s->call;
    const mnas_node *node = call.node;
    for (int k = 0; k < node->n_in; k++) {
        call.src[k] = s->x[k];
        call.dsrc[k] = a->unwanted ? NULL : nans(s->src_floats);
        call.norm_in[k] = a->in[k] ? &s->in[k] : NULL;
    }
    for (int k = 0; k < node->n_params; k++) call.dparam[k] = nans(s->graph->params[node->params[k]].size);
    call.norm_out = a->out ? &s->out : NULL;
    call.dst = nans(s->dst_floats);
    call.ddst = s->dy;
    call.saved = alloc((node->op->saved_bytes ? node->op->saved_bytes(node, call.in, call.batch) : 0) + 4);
    return call;
}

static void free_call(mnas_call *call) {
    for (int k = 0; k < call->node->n_in; k++) free(call->dsrc[k]);
    for (int k = 0; k < call->node->n_params; k++) free(call->dparam[k]);
    free(call->dst);
    free(call->saved);
    free(call->scratch);
}

static void check_forward(const char *what, subject *s, const mnas_call *call) {
    check(what, "dst", call->dst, s->call.dst, s->dst_floats);
    if (call->training && call->norm_out) check_sums(what, call->norm_out, call->dst, NULL, s->dst_floats);
}

static void check_backward(const char *what, subject *s, const mnas_call *call) {
    const mnas_node *node = call->node;
    for (int k = 0; k < node->n_in; k++) {
        if (call->dsrc[k])
            check(what, k ? "dsrc 1" : "dsrc 0", call->dsrc[k], s->call.dsrc[k], s->src_floats);
        if (call->norm_in[k]) check_sums(what, call->norm_in[k], s->x[k], s->call.dsrc[k], s->src_floats);
    }
    for (int k = 0; k < node->n_params; k++)
        check(what, "dparam", call->dparam[k], s->call.dparam[k], s->graph->params[node->params[k]].size);
}

static void check_guard(const char *what, const mnas_call *call, size_t scratch_bytes) {
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (((unsigned char *)call->scratch)[scratch_bytes + i] != GUARD)
            fail_msg("%s: wrote behind its scratch", what);
}

static void run(const char *what, const mnas_kernel *kernel, subject *s, const around *a) {
    mnas_call call = make_call(s, a);
    void *state;
    size_t scratch_bytes;
    assert_int_equal(kernel->create(&state, call.node, call.in, call.batch, true, &scratch_bytes), 0);
    call.scratch = alloc(scratch_bytes + GUARD_BYTES);
    memset(call.scratch, 0xff, scratch_bytes); /* NaN */
    memset((char *)call.scratch + scratch_bytes, GUARD, GUARD_BYTES);
    call.training = false;
    assert_int_equal(kernel->forward(state, &call), 0);
    check_forward(what, s, &call);
    call.training = true;
    assert_int_equal(kernel->forward(state, &call), 0);
    check_forward(what, s, &call);
    memset(call.scratch, 0xff, scratch_bytes);
    assert_int_equal(kernel->backward(state, &call), 0);
    check_backward(what, s, &call);
    check_guard(what, &call, scratch_bytes);
    kernel->destroy(state);
    free_call(&call);
}

static const char *label(const char *op, const shape_case *c, const around *a, const mnas_isa *isa) {
    static char text[256];
    snprintf(text, sizeof text,
             "%s (%s, %d threads): batch %d, %dx%dx%d, kernel %d stride %d %s, norms %s%s%s%s%s act %d", op,
             isa->name, omp_get_max_threads(), c->batch, c->h, c->w, c->c, c->kernel, c->stride,
             c->same ? "same" : "symmetric", a->in[0] ? "in " : "", a->in[1] ? "in 1 " : "",
             a->out ? "out" : "", a->passed ? " passed" : "", a->unwanted ? ", no dsrc" : "", (int)a->act);
    return text;
}

static void check_case(const char *op_name, const shape_case *c, const around *a) {
    const mnas_isa *list[MNAS_ISA_MAX_SETS];
    const size_t n_isas = mnas_isa_list(list);
    subject s = make_subject(op_name, c, a);
    const mnas_kernel *kernel = mnas_kernels_find(op_name, s.call.node, s.call.in);
    assert_non_null(kernel);
    for (int threads = 1; threads <= max_threads; threads++)
        for (size_t i = 0; i < n_isas; i++) {
            if (SLOW && max_threads > 1 && (i + (size_t)threads) % 2) continue;
            omp_set_num_threads(threads);
            mnas_isa_force(list[i]);
            make_norms(&s, a);
            run(label(op_name, c, a, list[i]), kernel, &s, a);
            close_norms(&s);
        }
    mnas_isa_force(NULL);
    free_subject(&s);
}

/* ---- tables ---- */

static const mnas_act acts[] = {MNAS_ACT_NONE, MNAS_ACT_RELU, MNAS_ACT_RELU6, MNAS_ACT_SWISH,
                                MNAS_ACT_HSWISH};

/* Of one input: which of the norms is there, and what passes. */
static around around_of(int n) {
    static const around kinds[] = {{.in = {true}, .out = true, .passed = true},
                                   {.in = {true}, .out = true},
                                   {.in = {true}},
                                   {.out = true, .passed = true},
                                   {.out = true},
                                   {.in = {true}, .out = true, .unwanted = true}};
    around a = kinds[n % 6];
    a.act = acts[n % 5];
    return a;
}

static void test_depthwise(void **state) {
    (void)state;
    static const int channels[] = {1, 3, 8, 12, 17, 24, 40, 31};
    static const int sides[][2] = {{7, 7}, {9, 14}, {2, 2}, {1, 5}, {4, 3}, {13, 11}, {5, 6}};
    int n = 0;
    for (int kernel = 1; kernel <= 7; kernel++)
        for (int stride = 1; stride <= 3; stride++)
            for (int same = 0; same <= 1; same++)
                for (int again = SLOW; again < 2; again++, n++) {
                    const int *side = sides[n % 7];
                    const shape_case c = {
                        n % 5 == 0 ? 1 : 3, side[0], side[1], channels[n % 8], 0, kernel, stride, same};
                    if (!same && (side[0] + kernel / 2 * 2 < kernel || side[1] + kernel / 2 * 2 < kernel))
                        continue;
                    const around a = around_of(n);
                    check_case("dwconv", &c, &a);
                }
}

/* Maps of more than one piece; many images in one. */
static void test_depthwise_pieces(void **state) {
    (void)state;
    static const shape_case table[] = {
        {32, 4, 4, 24, 0, 5, 1, 1},  {17, 2, 2, 17, 0, 5, 2, 1},   {1, 56, 57, 16, 0, 3, 1, 1},
        {1, 64, 90, 20, 0, 3, 2, 1}, {1, 60, 200, 16, 0, 7, 1, 0}, {2, 40, 150, 4, 0, 5, 2, 0},
    };
    for (int i = 0; i < 6; i++)
        for (int k = SLOW; k < 2; k++) {
            const around a = around_of(i + k);
            check_case("dwconv", &table[i], &a);
        }
}

/* Results too large for a cache, of channels that fill no lines: through the stage, whole images and in steps. */
static void test_depthwise_streamed(void **state) {
    (void)state;
    static const shape_case table[] = {{96, 11, 11, 188, 0, 3, 1, 1}, {4, 41, 43, 312, 0, 3, 1, 0}};
    for (int i = 0; i < 2; i++) {
        const around a = around_of(i);
        check_case("dwconv", &table[i], &a);
    }
}

static void test_squeeze_excite(void **state) {
    (void)state;
    static const shape_case table[] = {
        {3, 5, 7, 24, 6, 0, 0, 0},   {1, 1, 1, 8, 1, 0, 0, 0},     {2, 9, 9, 17, 4, 0, 0, 0},
        {32, 4, 4, 96, 12, 0, 0, 0}, {3, 14, 14, 144, 6, 0, 0, 0}, {1, 6, 6, 3, 1, 0, 0, 0},
    };
    for (int i = 0; i < 6; i++)
        for (int k = i % 2; k < 5; k += 2) {
            const around a = {.in = {true}, .act = acts[k], .unwanted = i == 5};
            check_case("se", &table[i], &a);
        }
}

static const shape_case plain[] = {
    {3, 5, 7, 17, 0, 0, 0, 0}, {1, 1, 1, 3, 0, 0, 0, 0},    {32, 14, 14, 24, 0, 0, 0, 0},
    {2, 7, 7, 96, 0, 0, 0, 0}, {1, 33, 33, 16, 0, 0, 0, 0}, {1, 3, 1, 9001, 0, 0, 0, 0},
};

static void test_global_pooling(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++)
        for (int k = i % 2; k < 5; k += 2) {
            const around a = {.in = {true}, .act = acts[k], .unwanted = i == 4};
            check_case("gap", &plain[i], &a);
        }
}

static void test_addition(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++)
        for (int k = i % 2; k < 5; k += 2)
            for (int which = 1; which < 4; which++) {
                const around a = {.in = {which & 1, which & 2}, .act = acts[k], .unwanted = (i + k) % 3 == 2};
                check_case("add", &plain[i], &a);
            }
}

/* A 1x1 convolution: pieces and their tails, one pixel, more shares than pieces. */
static void test_pointwise(void **state) {
    (void)state;
    static const shape_case table[] = {
        {3, 5, 7, 17, 12, 1, 1, 1},   {1, 1, 1, 3, 8, 1, 1, 1},   {24, 7, 7, 40, 240, 1, 1, 1},
        {2, 9, 14, 144, 24, 1, 1, 1}, {1, 60, 61, 5, 1, 1, 1, 1}, {40, 1, 1, 96, 31, 1, 1, 1},
    };
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 5; k++) { /* the sixth, without an input's gradient, is the image's alone */
            around a = around_of(k);
            a.act = acts[(i + k) % 5];
            check_case("conv", &table[i], &a);
        }
}

/* A network's first convolution: windows of the image, at its borders and at the very end. */
static void test_first_convolution(void **state) {
    (void)state;
    static const shape_case table[] = {
        {3, 9, 14, 3, 17, 3, 2, 1}, {1, 1, 1, 3, 8, 3, 1, 1},    {2, 33, 31, 3, 16, 3, 2, 0},
        {4, 8, 8, 1, 5, 5, 1, 0},   {2, 12, 11, 4, 9, 7, 2, 1},  {2, 6, 5, 24, 8, 3, 1, 1},
        {2, 6, 6, 3, 8, 1, 2, 1},   {1, 40, 64, 3, 32, 3, 1, 1},
    };
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 3; k++) {
            const around a = {.out = k > 0, .passed = k > 1, .act = acts[(i + k) % 5], .unwanted = true};
            check_case("conv", &table[i], &a);
        }
}

/* ---- bf16: the same leaves, rounded where they store ---- */

static void *narrowed(const float *x, size_t n) {
    uint16_t *y = alloc(n * sizeof *y);
    for (size_t i = 0; i < n; i++) y[i] = mnas_bf16_of(x[i]);
    return y;
}

static void check_rounded(const char *what, const void *a, const float *b, size_t n) {
    double d = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)mnas_bf16_to_float(((const uint16_t *)a)[i]) - (double)b[i];
        d += difference * difference;
        size += (double)b[i] * (double)b[i];
    }
    if (!(sqrt(d / size) <= 8e-3)) fail_msg("%s differs by %.3g", what, sqrt(d / size));
}

/* float_dst: the result is float whatever is read. */
static void check_bf16(const char *op_name, const shape_case *c, const around *a, bool float_dst) {
    subject s = make_subject(op_name, c, a);
    make_norms(&s, a);
    mnas_node node = *s.call.node;
    node.elem = MNAS_ELEM_BF16;
    const mnas_kernel *kernel = mnas_kernels_find(op_name, s.call.node, s.call.in);
    assert_true(kernel->bf16);
    mnas_call call = make_call(&s, a);
    call.node = &node;
    for (int k = 0; k < node.n_in; k++) call.src[k] = narrowed(s.x[k], s.src_floats);
    if (!float_dst) call.ddst = narrowed(s.dy, s.dst_floats);
    for (int k = 0; k < node.n_in; k++) s.in[k].elem = MNAS_ELEM_BF16;
    s.out.elem = MNAS_ELEM_BF16;
    void *state;
    size_t scratch_bytes;
    assert_int_equal(kernel->create(&state, &node, call.in, call.batch, true, &scratch_bytes), 0);
    call.scratch = alloc(scratch_bytes);
    assert_int_equal(kernel->forward(state, &call), 0);
    if (!float_dst) check_rounded(op_name, call.dst, s.call.dst, s.dst_floats);
    assert_int_equal(kernel->backward(state, &call), 0);
    for (int k = 0; k < node.n_in; k++) check_rounded(op_name, call.dsrc[k], s.call.dsrc[k], s.src_floats);
    kernel->destroy(state);
    for (int k = 0; k < node.n_in; k++) free((void *)call.src[k]);
    if (!float_dst) free((void *)call.ddst);
    free_call(&call);
    close_norms(&s);
    free_subject(&s);
}

static void test_bf16(void **state) {
    (void)state;
    if (!mnas_isa_of(MNAS_ELEM_BF16)) {
        print_message("skipped: this CPU has no arithmetic for bf16\n");
        skip();
    }
    static const shape_case maps[] = {
        {3, 9, 14, 44, 6, 5, 1, 1}, {2, 7, 7, 31, 4, 3, 2, 0}, {4, 60, 61, 312, 2, 3, 1, 1}};
    for (int i = 0; i < 3; i++) {
        const around both = {.in = {true}, .out = true, .passed = true, .act = MNAS_ACT_NONE};
        const around one = {.in = {true}, .act = MNAS_ACT_SWISH};
        check_bf16("dwconv", &maps[i], &both, false);
        check_bf16("se", &maps[i], &one, false);
        check_bf16("gap", &maps[i], &one, true);
        check_bf16("add", &maps[i], &one, false);
    }
    static const shape_case products[] = {{3, 9, 14, 44, 6, 1, 1, 1}, {17, 1, 1, 31, 12, 1, 1, 1}};
    for (int i = 0; i < 2; i++) {
        const around all = {.in = {true}, .out = true, .act = MNAS_ACT_SWISH};
        check_bf16("conv", &products[i], &all, false);
    }
    /* Through the stage, to and from addresses that are no float's. */
    const around none = {.out = true, .act = MNAS_ACT_NONE};
    check_bf16("dwconv", &(shape_case){5, 61, 61, 231, 0, 3, 1, 1}, &none, false);
}

int main(void) {
    max_threads = omp_get_max_threads() < 2 ? 1 : 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_depthwise_pieces),
        cmocka_unit_test(test_depthwise_streamed),
        cmocka_unit_test(test_pointwise),
        cmocka_unit_test(test_first_convolution),
        cmocka_unit_test(test_squeeze_excite),
        cmocka_unit_test(test_global_pooling),
        cmocka_unit_test(test_addition),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
