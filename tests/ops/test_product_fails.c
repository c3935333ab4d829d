/* test_product_fails.c - a matrix product that oneDNN refuses is an error of the whole convolution, with its message,
 * whichever share of the pieces and whichever thread it happened on.
 *
 * The library's function is replaced by one that fails when told to: the program's own symbol goes before that of a
 * shared library.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "kernels/kernels.h"
#include "ops/op.h"

enum { N_THREADS = 4, BATCH = 8, SIDE = 16, CHANNELS = 32, OUT_OF_MEMORY = 1 };

static atomic_int n_products;
static int failing_product, failing_thread; /* -1: none */
static bool many_threads;                   /* thread sanitizers do not know OpenMP's barriers */

int dnnl_sgemm(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

/* Works out nothing: the results are not looked at. */
int dnnl_sgemm(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    (void)trans_a, (void)trans_b, (void)k, (void)alpha, (void)a, (void)lda, (void)b, (void)ldb, (void)beta;
    for (int64_t i = 0; i < m; i++) memset(c + i * ldc, 0, (size_t)n * sizeof *c);
    const int index = atomic_fetch_add(&n_products, 1);
    return index == failing_product || omp_get_thread_num() == failing_thread ? OUT_OF_MEMORY : 0;
}

static float *zeros(size_t n) {
    float *x = calloc(n + 16, sizeof *x);
    assert_non_null(x);
    return x;
}

typedef struct subject {
    mnas_graph *graph;
    const mnas_kernel *kernel;
    void *state;
    mnas_call call;
} subject;

static subject make_subject(void) {
    static const mnas_model model;
    subject s = {0};
    assert_int_equal(mnas_graph_create(&s.graph, &model), 0);
    const mnas_node input = {.op = &mnas_op_input, .name = "input", .out = {SIDE, SIDE, CHANNELS}};
    const mnas_node conv = {
        .op = &mnas_op_conv, .name = "conv", .n_in = 1, .kernel = 1, .stride = 1, .filters = CHANNELS};
    assert_int_equal(mnas_op_append(s.graph, &input), 0);
    assert_int_equal(mnas_op_append(s.graph, &conv), 1);
    const mnas_node *node = &s.graph->nodes[1];
    const size_t floats = (size_t)BATCH * SIDE * SIDE * CHANNELS, weights = CHANNELS * CHANNELS;
    size_t scratch_bytes;
    s.call = (mnas_call){.node = node,
                         .batch = BATCH,
                         .training = true,
                         .in = {input.out},
                         .src = {zeros(floats)},
                         .dst = zeros(floats),
                         .ddst = zeros(floats),
                         .dsrc = {zeros(floats)},
                         .param = {zeros(weights)},
                         .dparam = {zeros(weights)}};
    s.kernel = mnas_kernels_find("conv", node, s.call.in);
    assert_non_null(s.kernel);
    assert_int_equal(s.kernel->create(&s.state, node, s.call.in, BATCH, true, &scratch_bytes), 0);
    s.call.scratch = zeros(scratch_bytes / sizeof(float));
    return s;
}

static void free_subject(subject *s) {
    s->kernel->destroy(s->state);
    free((float *)s->call.src[0]);
    free(s->call.dst);
    free((float *)s->call.ddst);
    free(s->call.dsrc[0]);
    free(s->call.param[0]);
    free(s->call.dparam[0]);
    free(s->call.scratch);
    mnas_graph_destroy(s->graph);
}

static void check_fails(subject *s, bool backward) {
    mnas_error_set(MNAS_ERR_ARG, "an older message");
    atomic_store(&n_products, 0);
    const int rc = (backward ? s->kernel->backward : s->kernel->forward)(s->state, &s->call);
    assert_int_equal(rc, MNAS_ERR_MEMORY);
    assert_non_null(strstr(mnas_error_message(), "matrix product"));
}

/* One thread does all shares, as a smaller team would: the later ones' success does not hide the first one's failure. */
static void first_share_fails(void **state) {
    (void)state;
    omp_set_num_threads(N_THREADS);
    subject s = make_subject();
    failing_product = 0;
    failing_thread = -1;
    const int levels = omp_get_max_active_levels();
    omp_set_max_active_levels(0);
    check_fails(&s, false);
    check_fails(&s, true);
    omp_set_max_active_levels(levels);
    free_subject(&s);
}

static void another_thread_fails(void **state) {
    (void)state;
    if (!many_threads) {
        print_message("skipped: OMP_NUM_THREADS allows one thread\n");
        skip();
    }
    omp_set_num_threads(N_THREADS);
    subject s = make_subject();
    failing_product = -1;
    failing_thread = 1;
    check_fails(&s, false);
    check_fails(&s, true);
    failing_thread = -1;
    assert_int_equal(s.kernel->forward(s.state, &s.call), 0);
    assert_int_equal(s.kernel->backward(s.state, &s.call), 0);
    free_subject(&s);
}

int main(void) {
    many_threads = omp_get_max_threads() > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_share_fails),
        cmocka_unit_test(another_thread_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
