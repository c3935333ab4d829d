/* test_xnn_layers.c - what is timed layer by layer is the network: the chain of layers gives the logits of the whole to
 * the bit, its names are those of the cost model, and each layer can be run again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "blocks/fold.h"
#include "blocks/net.h"
#include "ops/xnn_layers.h"

/* Everything a block may have: expansion, separable, plain, squeeze-and-excitation, all shortcuts, an odd map. */
static const char arch[] =
    "r2_k3_s22_e3_i8_o16_se0.25 r2_k5_s11_e1_i16_o16_opsep r1_k3_s22_e1_i16_o24_opconv_skippool "
    "r2_k5_s22_e6_i24_o24_skippool r1_k3_s11_e3_i24_o24_noskip";

static mnas_model some_model(void) {
    mnas_model m;
    mnas_model_defaults(&m);
    assert_int_equal(mnas_model_set_arch(&m, arch), 0);
    snprintf(m.name, sizeof m.name, "layers");
    m.stem_filters = 8;
    m.head_filters = 40;
    m.input_size = 29;
    m.input_channels = 1;
    m.classes = 10;
    return m;
}

static void fold_model(mnas_graph **folded, mnas_weights **weights, const mnas_model *model) {
    mnas_graph *graph;
    assert_int_equal(mnas_net_build(&graph, model), 0);
    assert_int_equal(mnas_fold(folded, weights, graph, NULL), 0);
    mnas_graph_destroy(graph);
}

static void draw_image(float *image, size_t n) {
    mnas_rng rng = mnas_rng_stream(1, 0, "image");
    for (size_t i = 0; i < n; i++) image[i] = (float)(2 * mnas_rng_uniform(&rng) - 1);
}

static void check_equal(int n_threads) {
    const mnas_model m = some_model();
    mnas_graph *graph;
    mnas_weights *weights;
    mnas_xnn *whole;
    mnas_xnn_layers *chain;
    float image[29 * 29], a[10], b[10];
    fold_model(&graph, &weights, &m);
    draw_image(image, sizeof image / sizeof *image);
    assert_int_equal(mnas_xnn_create_threads(&whole, graph, weights, n_threads), 0);
    if (mnas_xnn_layers_create(&chain, graph, weights, n_threads) < 0) fail_msg("%s", mnas_error_message());
    mnas_weights_destroy(weights); /* both have copies of what they need */
    assert_int_equal(mnas_xnn_run(whole, image, a), 0);
    assert_int_equal(mnas_xnn_layers_run(chain, image, b), 0);
    assert_memory_equal(a, b, sizeof a);
    for (int i = 0; i < mnas_xnn_layers_count(chain); i++)
        assert_int_equal(mnas_xnn_layers_invoke(chain, i), 0);
    assert_int_equal(mnas_xnn_layers_run(chain, image, b), 0);
    assert_memory_equal(a, b, sizeof a);
    mnas_xnn_layers_destroy(chain);
    mnas_xnn_destroy(whole);
    mnas_graph_destroy(graph);
}

static void test_chain_is_the_network(void **state) {
    (void)state;
    check_equal(1);
    check_equal(2);
}

static bool is_folded_away(const mnas_layer_cost *l) {
    return strcmp(l->op, "bn") == 0 || strcmp(l->op, "dropout") == 0;
}

static void test_names_are_those_of_the_cost(void **state) {
    (void)state;
    const mnas_model m = some_model();
    mnas_graph *graph;
    mnas_weights *weights;
    mnas_xnn_layers *chain;
    mnas_cost cost;
    fold_model(&graph, &weights, &m);
    assert_int_equal(mnas_xnn_layers_create(&chain, graph, weights, 1), 0);
    assert_int_equal(mnas_cost_compute(&cost, &m, 1), 0);
    int n = 0;
    for (int i = 0; i < cost.n_layers; i++) {
        if (is_folded_away(&cost.layers[i])) continue;
        assert_true(n < mnas_xnn_layers_count(chain));
        assert_string_equal(mnas_xnn_layers_name(chain, n++), cost.layers[i].name);
    }
    assert_int_equal(n, mnas_xnn_layers_count(chain));
    mnas_cost_free(&cost);
    mnas_xnn_layers_destroy(chain);
    mnas_weights_destroy(weights);
    mnas_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_is_the_network),
        cmocka_unit_test(test_names_are_those_of_the_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
