/* test_graph.c - the graph's storage: indices, names, aligned places of parameters. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "model/graph.h"
#include "model/model.h"

static mnas_graph *create(void) {
    mnas_graph *graph = NULL;
    mnas_model model;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_graph_create(&graph, &model), 0);
    return graph;
}

static int add(mnas_graph *graph, const char *name, int n_in, int in0, int in1) {
    mnas_node node = {.n_in = n_in, .in = {in0, in1}, .out = {4, 5, graph->n_nodes + 1}, .n_params = 3};
    snprintf(node.name, sizeof node.name, "%s", name);
    return mnas_graph_add_node(graph, &node);
}

static void test_nodes_and_consumers(void **state) {
    (void)state;
    mnas_graph *graph = create();
    assert_int_equal(add(graph, "input", 0, 0, 0), 0);
    assert_int_equal(add(graph, "a", 1, 0, 0), 1);
    assert_int_equal(add(graph, "b", 1, 1, 0), 2);
    assert_int_equal(add(graph, "sum", 2, 1, 2), 3);
    assert_int_equal(add(graph, "double", 2, 3, 3), 4);
    assert_int_equal(graph->nodes[1].n_params, 0);
    assert_int_equal(mnas_graph_n_consumers(graph, 0), 1);
    assert_int_equal(mnas_graph_n_consumers(graph, 1), 2);
    assert_int_equal(mnas_graph_n_consumers(graph, 3), 2);
    assert_int_equal(mnas_graph_n_consumers(graph, 4), 0);
    assert_int_equal(mnas_graph_find_node(graph, "sum"), 3);
    assert_int_equal(mnas_graph_find_node(graph, "su"), -1);
    mnas_shape in[MNAS_MAX_INPUTS];
    assert_int_equal(mnas_graph_in_shapes(graph, &graph->nodes[3], in), 2);
    assert_int_equal(in[0].c, 2);
    assert_int_equal(in[1].c, 3);
    assert_int_equal(mnas_shape_size(in[1]), 60);
    assert_int_equal(mnas_graph_in_shapes(graph, &graph->nodes[0], in), 0);
    mnas_graph_destroy(graph);
}

static void test_parameters_are_aligned_and_disjoint(void **state) {
    (void)state;
    mnas_graph *graph = create();
    size_t end = 0;
    for (int i = 0; i < 100; i++) { /* also makes both arrays grow several times */
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add(graph, name, i > 0, i - 1, 0), i);
        assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_CONV, "weight", 4, (int[]){i + 1, 2, 3, 3}),
                         0);
        assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_MEAN, "running_mean", 1, (int[]){i + 1}), 0);
        assert_int_equal(graph->nodes[i].n_params, 2);
        for (int k = 0; k < 2; k++) {
            const mnas_param *param = &graph->params[graph->nodes[i].params[k]];
            assert_int_equal(param->offset % 16, 0);
            assert_true(param->offset >= end);
            end = param->offset + param->size;
            assert_int_equal(param->trainable, k == 0);
        }
    }
    assert_true(graph->weight_floats >= end && graph->weight_floats % 16 == 0);
    int found = mnas_graph_find_param(graph, "n7.running_mean");
    assert_int_equal(found, graph->nodes[7].params[1]);
    assert_int_equal(graph->params[found].dims[0], 8);
    assert_int_equal(mnas_graph_find_param(graph, "n7"), -1);
    mnas_graph_destroy(graph);
}

static void test_too_large_parameters_are_refused(void **state) {
    (void)state;
    mnas_graph *graph = create();
    add(graph, "huge", 0, 0, 0);
    int dims[] = {65536, 65536, 7, 7};
    assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_CONV, "weight", 4, dims), MNAS_ERR_INVALID);
    assert_non_null(strstr(mnas_error_message(), "huge.weight"));
    assert_int_equal(graph->n_params, 0);
    char suffix[100];
    memset(suffix, 's', sizeof suffix);
    suffix[99] = '\0';
    assert_int_equal(mnas_graph_add_param(graph, MNAS_PARAM_BIAS, suffix, 1, (int[]){4}), MNAS_ERR_INVALID);
    mnas_graph_destroy(graph);
    mnas_graph_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_and_consumers),
        cmocka_unit_test(test_parameters_are_aligned_and_disjoint),
        cmocka_unit_test(test_too_large_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
