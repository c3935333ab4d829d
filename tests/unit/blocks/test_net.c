/* The net builder: layers and names, where residuals stand, costs of the zoo to the last parameter, keys of
 * equal networks. */
#include "net_fixture.h"

#include "model/model.h"

static mnas_model model_of(const char *arch) {
    mnas_model m;
    mnas_model_defaults(&m);
    m.stem_filters = 16;
    m.input_size = 33;
    if (mnas_model_set_arch(&m, arch) < 0) fail_msg("%s", mnas_error_message());
    return m;
}

/* Node names behind the stem's and in front of the pooling, joined by blanks. */
static void expect_names(const char *arch, const char *expected) {
    mnas_model m = model_of(arch);
    mnas_graph *graph = built(&m);
    char got[4096] = "";
    for (int i = 3; i < graph->n_nodes - 2; i++) {
        const char *name = graph->nodes[i].name;
        assert_memory_equal(name, "blocks.", 7);
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", *got ? " " : "", name + 7);
    }
    assert_string_equal(got, expected);
    assert_string_equal(graph->nodes[0].name, "input");
    assert_string_equal(graph->nodes[1].name, "conv_stem");
    assert_string_equal(graph->nodes[2].name, "bn1");
    assert_string_equal(graph->nodes[graph->n_nodes - 1].name, "classifier");
    mnas_graph_destroy(graph);
}

static void names(void **state) {
    (void)state;
    expect_names("r2_k3_s22_e6_i16_o24_se0.25",
                 "0.0.conv_pw 0.0.bn1 0.0.conv_dw 0.0.bn2 0.0.se 0.0.conv_pwl 0.0.bn3 "
                 "0.1.conv_pw 0.1.bn1 0.1.conv_dw 0.1.bn2 0.1.se 0.1.conv_pwl 0.1.bn3 0.1.add");
    expect_names("r1_k5_s11_e1_i16_o16_se0.25", "0.0.conv_dw 0.0.bn1 0.0.se 0.0.conv_pw 0.0.bn2 0.0.add");
    expect_names("r1_k5_s11_e1_i16_o16_opsep_noskip", "0.0.conv_dw 0.0.bn1 0.0.conv_pw 0.0.bn2");
    expect_names("r2_k3_s22_e1_i16_o16_se0.25_opconv r1_k3_s11_e1_i16_o20_opconv",
                 "0.0.conv 0.0.bn1 0.0.se 0.1.conv 0.1.bn1 0.1.se 0.1.add 1.0.conv 1.0.bn1");
    expect_names("r2_k3_s22_e1_i16_o24_skippool",
                 "0.0.skip_pool 0.0.skip_conv 0.0.skip_bn 0.0.conv_dw 0.0.bn1 0.0.conv_pw 0.0.bn2 0.0.add "
                 "0.1.conv_dw 0.1.bn1 0.1.conv_pw 0.1.bn2 0.1.add");
    expect_names("r1_k3_s11_e1_i16_o16_opconv_skippool", "0.0.skip_pool 0.0.conv 0.0.bn1 0.0.add");
}

static const mnas_node *node_named(const mnas_graph *graph, const char *name) {
    int i = mnas_graph_find_node(graph, name);
    if (i < 0) fail_msg("no node %s", name);
    return &graph->nodes[i];
}

static void attributes(void **state) {
    (void)state;
    mnas_model m = model_of("r2_k5_s22_e3_i16_o24_se0.25 r1_k3_s11_e1_i24_o32_opsep");
    m.head_filters = 64;
    m.dropout = 0.2;
    m.act = MNAS_ACT_RELU6;
    m.input_size = 64;
    mnas_graph *graph = built(&m);
    const mnas_node *dw =
        node_named(graph, "blocks.0.0.conv_dw"); /* 32x32 behind the stem, even: 1 before, 2 behind */
    assert_int_equal(dw->stride, 2);
    assert_int_equal(dw->pad_top * 10 + dw->pad_bottom, 12);
    assert_int_equal(dw->out.h, 16);
    assert_int_equal(dw->out.c, 48);
    assert_int_equal(node_named(graph, "blocks.0.1.conv_dw")->stride, 1);
    assert_int_equal(node_named(graph, "blocks.0.0.se")->filters, 4); /* of the layer's input: 16 */
    assert_int_equal(node_named(graph, "blocks.0.1.se")->filters, 6); /* 24 */
    assert_int_equal(node_named(graph, "blocks.0.0.bn2")->act, MNAS_ACT_RELU6);
    assert_int_equal(node_named(graph, "blocks.0.0.bn3")->act, MNAS_ACT_NONE);
    assert_int_equal(node_named(graph, "blocks.1.0.bn2")->act, MNAS_ACT_RELU6); /* sep: not linear */
    assert_int_equal(node_named(graph, "conv_head")->filters, 64);
    assert_int_equal(node_named(graph, "blocks.0.1.add")->layer, 1);
    assert_true(node_named(graph, "dropout")->rate == 0.2);
    assert_true(mnas_graph_find_param(graph, "blocks.0.0.se.conv_reduce.weight") >= 0);
    assert_true(mnas_graph_find_param(graph, "bn2.running_var") >= 0);
    assert_true(mnas_graph_find_param(graph, "classifier.bias") >= 0);
    assert_int_equal(mnas_graph_find_param(graph, "conv_stem.bias"), -1);
    mnas_graph_destroy(graph);
}

/* mnasnet-small declares 16 filters into its first block, the stem has 8: no residual although 8 meet 8. */
static void declared_widths_decide(void **state) {
    (void)state;
    mnas_model m;
    assert_int_equal(mnas_model_open_local(&m, "mnasnet-small", 0), 0);
    mnas_graph *graph = built(&m);
    assert_int_equal(mnas_graph_find_node(graph, "blocks.0.0.add"), -1);
    assert_true(mnas_graph_find_node(graph, "blocks.2.1.add") > 0);
    mnas_graph_destroy(graph);
    m.blocks[0].in = 8;
    graph = built(&m);
    assert_true(mnas_graph_find_node(graph, "blocks.0.0.add") > 0);
    mnas_graph_destroy(graph);
}

typedef struct published {
    const char *name;
    int64_t params, macs; /* -1: not published to the digit */
} published;

static const published zoo[] = {
    {"mnasnet-a1", 3887038, 311579072},       {"mnasnet-b1", 4383312, 314415872},
    {"mnasnet-small", 2030264, 68339184},     {"mobilenet-v2", 3504872, 300774272},
    {"mobilenet-v2@1.4", 6108776, 582195824}, {"mobilenet-v1", 4231976, 568740352},
    {"mnasnet-a1@0.35", 1747018, -1},         {"mnasnet-a1@0.5", 2082006, -1},
    {"mnasnet-a1@0.75", 2912278, -1},         {"mnasnet-a1@1.3", 5468486, -1},
    {"mnasnet-a1@1.4", 6105992, -1},          {"mnasnet-b1@0.5", 2218512, -1},
    {"mnasnet-b1@0.75", 3170208, -1},         {"mnasnet-b1@1.3", 6282256, -1},
    {"mnasnet-b1@1.4", 7115728, -1},
};

static void zoo_is_exact(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof zoo / sizeof *zoo; i++) {
        mnas_model m;
        mnas_cost cost;
        assert_int_equal(mnas_model_open_local(&m, zoo[i].name, 224), 0);
        assert_int_equal(mnas_cost_compute(&cost, &m, 32), 0);
        int64_t params = 0, macs = 0;
        for (int l = 0; l < cost.n_layers; l++) params += cost.layers[l].params, macs += cost.layers[l].macs;
        assert_true(params == cost.params && macs == cost.macs);
        if (cost.params != zoo[i].params || (zoo[i].macs >= 0 && cost.macs != zoo[i].macs))
            fail_msg("%s: %lld params, %lld macs", zoo[i].name, (long long)cost.params, (long long)cost.macs);
        mnas_cost_free(&cost);
    }
}

/* A1 at 224, folded: the widest moment is the first expansion's depthwise, 112x112x96 in and 56x56x96 out. */
static void bytes(void **state) {
    (void)state;
    mnas_model m;
    mnas_cost one, two;
    assert_int_equal(mnas_model_open_local(&m, "mnasnet-a1", 224), 0);
    assert_int_equal(mnas_cost_compute(&one, &m, 1), 0);
    assert_int_equal(one.infer_bytes, 4 * (112 * 112 * 96 + 56 * 56 * 96));
    assert_int_equal(mnas_cost_compute(&two, &m, 2), 0);
    assert_int_equal(one.infer_bytes, two.infer_bytes);
    assert_true(two.train_bytes > one.train_bytes * 19 / 10 && two.train_bytes <= one.train_bytes * 2);
    assert_true(one.weight_bytes > 4 * one.params);
    assert_int_equal(one.optimizer_bytes, 3 * 4 * one.params + one.weight_bytes);
    mnas_cost_free(&one);
    mnas_cost_free(&two);
}

/* A block's own activation goes before the model's, in all of its layers and nowhere else; it costs no multiply-adds. */
static void a_block_may_have_its_own_activation(void **state) {
    (void)state;
    mnas_model plain = model_of("r2_k3_s11_e3_i16_o16 r1_k3_s11_e3_i16_o16"),
               m = model_of("r2_k3_s11_e3_i16_o16_acthswish r1_k3_s11_e3_i16_o16");
    mnas_graph *graph = built(&m);
    mnas_cost with, without;
    assert_int_equal(node_named(graph, "bn1")->act, MNAS_ACT_RELU);
    assert_int_equal(node_named(graph, "blocks.0.0.bn1")->act, MNAS_ACT_HSWISH);
    assert_int_equal(node_named(graph, "blocks.0.1.bn2")->act, MNAS_ACT_HSWISH);
    assert_int_equal(node_named(graph, "blocks.0.1.bn3")->act, MNAS_ACT_NONE);
    assert_int_equal(node_named(graph, "blocks.1.0.bn1")->act, MNAS_ACT_RELU);
    assert_int_equal(mnas_cost_compute(&with, &m, 4), 0);
    assert_int_equal(mnas_cost_compute(&without, &plain, 4), 0);
    assert_true(with.macs == without.macs && with.params == without.params);
    mnas_cost_free(&with);
    mnas_cost_free(&without);
    mnas_graph_destroy(graph);
}

/* By hand: skippool with a 1x1 convolution counts in params and macs. 33 -> stem 17x17x16 -> 9x9x24. */
static void shortcut_is_counted(void **state) {
    (void)state;
    mnas_model with = model_of("r1_k3_s22_e1_i16_o24_skippool"),
               without = model_of("r1_k3_s22_e1_i16_o24_noskip");
    mnas_cost a, b;
    assert_int_equal(mnas_cost_compute(&a, &with, 1), 0);
    assert_int_equal(mnas_cost_compute(&b, &without, 1), 0);
    assert_int_equal(a.params - b.params, 16 * 24 + 2 * 24);
    assert_int_equal(a.macs - b.macs, 9 * 9 * 16 * 24);
    mnas_cost_free(&a);
    mnas_cost_free(&b);
}

static bool same_key(const char *a, const char *b) {
    mnas_model x = model_of(a), y = model_of(b);
    char key_x[17], key_y[17];
    strcpy(y.name, "another");
    assert_int_equal(mnas_model_key(&x, key_x), 0);
    assert_int_equal(mnas_model_key(&y, key_y), 0);
    assert_int_equal(strlen(key_x), 16);
    return strcmp(key_x, key_y) == 0;
}

static void keys(void **state) {
    (void)state;
    const char *base = "r1_k3_s11_e3_i16_o16";
    assert_true(same_key(base, base));
    assert_true(same_key("r1_k3_s11_e3_i16_o16_opconv", "r1_k3_s11_e6_i16_o16_opconv"));
    assert_true(same_key("r1_k3_s11_e1_i16_o16_opsep", "r1_k3_s11_e6_i16_o16_opsep"));
    assert_true(same_key("r1_k3_s22_e3_i16_o24", "r1_k3_s22_e3_i16_o24_noskip"));
    assert_true(same_key("r2_k3_s11_e3_i16_o16", "r1_k3_s11_e3_i16_o16 r1_k3_s11_e3_i16_o16"));
    assert_true(same_key("r2_k3_s22_e3_i16_o24 r1_k3_s11_e3_i24_o24", "r3_k3_s22_e3_i16_o24"));
    assert_true(same_key(base, "r1_k3_s11_e3_i16_o16_actrelu")); /* as the model has it anyway */
    assert_true(same_key("r1_k3_s11_e3_i16_o16_se0.25", "r1_k3_s11_e3_i16_o16_se0.3")); /* both of width 4 */
    const char *others[] = {
        "r2_k3_s11_e3_i16_o16",          "r1_k5_s11_e3_i16_o16",          "r1_k3_s22_e3_i16_o16",
        "r1_k3_s11_e6_i16_o16",          "r1_k3_s11_e3_i16_o24",          "r1_k3_s11_e3_i16_o16_se0.25",
        "r1_k3_s11_e3_i16_o16_opconv",   "r1_k3_s11_e3_i16_o16_opsep",    "r1_k3_s11_e3_i16_o16_noskip",
        "r1_k3_s11_e1_i16_o16",          "r1_k3_s11_e3_i16_o16_skippool", "r1_k3_s11_e3_i16_o16_actrelu6",
        "r1_k3_s11_e3_i16_o16_actswish", "r1_k3_s11_e3_i16_o16_acthswish"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (same_key(base, others[i])) fail_msg("%s has the key of %s", others[i], base);
    assert_false(
        same_key("r2_k3_s22_e3_i16_o24", "r2_k3_s22_e3_i16_o24_noskip")); /* its second layer differs */
    assert_false(same_key("r2_k3_s11_e3_i16_o16_skippool",
                          "r1_k3_s11_e3_i16_o16_skippool r1_k3_s11_e3_i16_o16_skippool"));
}

static void refuse(mnas_model m, const char *word) {
    mnas_graph *graph;
    assert_int_equal(mnas_net_build(&graph, &m), MNAS_ERR_INVALID);
    if (!strstr(mnas_error_message(), word)) fail_msg("'%s' without '%s'", mnas_error_message(), word);
}

static void refusals(void **state) {
    (void)state;
    mnas_model good = model_of("r1_k3_s11_e3_i16_o16"), m;
    m = good, m.blocks[0].kernel = 4, refuse(m, "block 1: kernel is 4");
    m = good, m.blocks[0].stride = 3, refuse(m, "stride is 3");
    m = good, m.blocks[0].se_ratio = NAN, refuse(m, "squeeze ratio");
    m = good, m.stem_filters = 8,
    refuse(m, "blocks.0.0.add: cannot add"); /* declared 16 meet 16, but 8 arrive */
    m = good, m.act = MNAS_ACT_SIGMOID, refuse(m, "sigmoid");
    m = good, m.blocks[0].act = MNAS_ACT_SIGMOID, refuse(m, "block 1: activation is 5");
    m = good, m.bn_epsilon = 0, refuse(m, "epsilon is 0");
    m = good, m.dropout = 1, refuse(m, "rate is 1");
    m = good, m.dropout = NAN, refuse(m, "rate is");
    m = good, m.classes = 0, refuse(m, "classes is 0");
    m = good, m.input_size = 0, refuse(m, "input size");
    m = good, m.input_size = 8192, m.stem_filters = 65536, refuse(m, "2^31");
    mnas_cost cost;
    m = good, m.blocks[0].repeats = 0;
    assert_int_equal(mnas_cost_compute(&cost, &m, 1), MNAS_ERR_INVALID);
    assert_int_equal(mnas_cost_compute(&cost, &good, 0), MNAS_ERR_ARG);
    assert_null(cost.layers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(attributes),
        cmocka_unit_test(declared_widths_decide),
        cmocka_unit_test(zoo_is_exact),
        cmocka_unit_test(bytes),
        cmocka_unit_test(shortcut_is_counted),
        cmocka_unit_test(a_block_may_have_its_own_activation),
        cmocka_unit_test(keys),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
