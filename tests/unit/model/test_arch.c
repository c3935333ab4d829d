/* test_arch.c - block strings: parse and print are inverse, any order, every error with its position. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/model.h"

static void assert_block_equal(const mnas_block *a, const mnas_block *b) {
    assert_int_equal(a->repeats, b->repeats);
    assert_int_equal(a->kernel, b->kernel);
    assert_int_equal(a->stride, b->stride);
    assert_int_equal(a->expand, b->expand);
    assert_int_equal(a->in, b->in);
    assert_int_equal(a->out, b->out);
    assert_true(a->se_ratio == b->se_ratio);
    assert_int_equal(a->op, b->op);
    assert_int_equal(a->skip, b->skip);
    assert_int_equal(a->act, b->act);
}

static int below(mnas_rng *rng, int n) {
    return (int)mnas_rng_below(rng, (uint32_t)n);
}

static mnas_block random_block(mnas_rng *rng) {
    return (mnas_block){
        .repeats = 1 + below(rng, MNAS_MAX_REPEATS),
        .kernel = 3 + 2 * below(rng, 3),
        .stride = 1 + below(rng, 2),
        .expand = 1 + below(rng, MNAS_MAX_EXPAND),
        .in = 1 + below(rng, MNAS_MAX_FILTERS),
        .out = 1 + below(rng, MNAS_MAX_FILTERS),
        .se_ratio = below(rng, 2)   ? 0
                    : below(rng, 2) ? 0.25
                                    : mnas_rng_uniform(rng),
        .op = (mnas_conv_op)below(rng, 3),
        .skip = (mnas_skip_op)below(rng, 3),
        .act = (mnas_act)below(rng, MNAS_ACT_HSWISH + 1),
    };
}

static void test_print_is_the_inverse_of_parse(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(1, 0, "blocks");
    for (int i = 0; i < 5000; i++) {
        mnas_block block = random_block(&rng), back;
        char text[96], again[96];
        mnas_block_print(&block, text, sizeof text);
        assert_true(strlen(text) < sizeof text - 1);
        assert_int_equal(mnas_block_parse(&back, text), 0);
        assert_block_equal(&block, &back);
        mnas_block_print(&back, again, sizeof again);
        assert_string_equal(text, again);
    }
}

static void test_keys_come_in_any_order(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(2, 0, "orders");
    for (int i = 0; i < 3000; i++) {
        mnas_block block = random_block(&rng), back;
        char text[96], copy[96], shuffled[128] = "", again[96], *words[12], *rest = copy;
        uint32_t order[12], n = 0;
        mnas_block_print(&block, text, sizeof text);
        strcpy(copy, text);
        for (char *word; (word = strsep(&rest, "_")); n++) words[order[n] = n] = word;
        mnas_rng_shuffle(&rng, order, n);
        for (uint32_t k = 0; k < n; k++) {
            if (k) strcat(shuffled, "_");
            strcat(shuffled, words[order[k]]);
        }
        assert_int_equal(mnas_block_parse(&back, shuffled), 0);
        mnas_block_print(&back, again, sizeof again);
        assert_string_equal(text, again);
    }
}

static void test_defaults_and_canonical_text(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"o16_i32_e1_s11_k3_r1_noskip", "r1_k3_s11_e1_i32_o16_noskip"},
        {"r3_k5_s22_e3_i24_o40_se0.25", "r3_k5_s22_e3_i24_o40_se0.25"},
        {"r3_k5_s22_e3_i24_o40_se0", "r3_k5_s22_e3_i24_o40"},
        {"r3_k5_s22_e3_i24_o40_se-0.0", "r3_k5_s22_e3_i24_o40"},
        {"skippool_r3_k7_s22_e3_i24_opconv_o40_se0.250", "r3_k7_s22_e3_i24_o40_se0.25_opconv_skippool"},
        {"r1_k3_s22_e1_i8_o8_se1_opsep", "r1_k3_s22_e1_i8_o8_se1_opsep"},
        {"acthswish_r1_k3_s22_e1_i8_o8_noskip_opsep", "r1_k3_s22_e1_i8_o8_opsep_noskip_acthswish"},
        {"r1_k3_s22_e1_i8_o8_actrelu", "r1_k3_s22_e1_i8_o8_actrelu"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        mnas_block block;
        char text[96];
        assert_int_equal(mnas_block_parse(&block, pairs[i][0]), 0);
        mnas_block_print(&block, text, sizeof text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void test_errors_name_the_position(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"r3_k4_s22_e3_i24_o40", "position 4: kernel is 4; allowed: 3, 5, 7"},
        {"r3_k9_s22_e3_i24_o40", "position 4: kernel is 9; allowed: 3, 5, 7"},
        {"r3_k_s22_e3_i24_o40", "position 4: kernel is ; allowed: 3, 5, 7"},
        {"r3_k3_s12_e3_i24_o40", "position 7: stride pair is 12; allowed: 11, 22"},
        {"r3_k3_s2_e3_i24_o40", "position 7: stride pair is 2; allowed: 11, 22"},
        {"r3_k3_s33_e3_i24_o40", "position 7: stride pair is 33; allowed: 11, 22"},
        {"r0_k3_s11_e3_i24_o40", "position 1: repeats is '0'; allowed: 1 to 64"},
        {"r65_k3_s11_e3_i24_o40", "position 1: repeats is '65'; allowed: 1 to 64"},
        {"r99999999999999999999_k3_s11_e3_i24_o40", "position 1: repeats is '99999999999999999999'"},
        {"r-1_k3_s11_e3_i24_o40", "position 1: repeats is '-1'"},
        {"r03_k3_s11_e3_i24_o40", "position 1: repeats is '03'"},
        {"r3_k3_s11_e0_i24_o40", "position 11: expansion is '0'; allowed: 1 to 32"},
        {"r3_k3_s11_e2.5_i24_o40", "position 11: expansion is '2.5'"},
        {"r3_k3_s11_e3_i0_o40", "position 14: input filters is '0'; allowed: 1 to 65536"},
        {"r3_k3_s11_e3_i24_o65537", "position 18: output filters is '65537'"},
        {"r3_k3_s11_e3_i24_o40_se1.5", "position 22: squeeze-and-excitation ratio is '1.5'; allowed: 0 to 1"},
        {"r3_k3_s11_e3_i24_o40_se-1", "position 22: squeeze-and-excitation ratio is '-1'"},
        {"r3_k3_s11_e3_i24_o40_se", "position 22: squeeze-and-excitation ratio is ''"},
        {"r3_k3_s11_e3_i24_o40_se0x1", "position 22: squeeze-and-excitation ratio is '0x1'"},
        {"r3_k3_s11_e3_i24_o40_se0.25x", "position 22: squeeze-and-excitation ratio is '0.25x'"},
        {"r3_k3_s11_e3_i24_o40_senan", "position 22: unknown key 'senan'; allowed: r k s e i o se"},
        {"r3_r3_k3_s11_e3_i24_o40", "position 4: second r ('r3')"},
        {"r3_k3_s11_e3_i24_o40_opsep_opconv", "position 28: second op ('opconv')"},
        {"r3_k3_s11_e3_i24_o40_noskip_skippool", "position 29: second skip ('skippool')"},
        {"r3_k3_s11_e3_i24_o40_actgelu",
         "position 22: activation is 'gelu'; allowed: relu, relu6, swish, hswish"},
        {"r3_k3_s11_e3_i24_o40_actsigmoid", "position 22: activation is 'sigmoid'"},
        {"r3_k3_s11_e3_i24_o40_act", "position 22: activation is ''"},
        {"r3_k3_s11_e3_i24_o40_actswish_acthswish", "position 31: second act ('acthswish')"},
        {"r3_k3_s11_e3_i24_o40_x1", "position 22: unknown key 'x1'"},
        {"r3_k3_s11_e3_i24_o40_skip", "position 22: unknown key 'skip'"},
        {"r3_k3_s11_e3_i24_o40_opdconv", "position 22: unknown key 'opdconv'"},
        {"r3_k3_s11_e3_i24_o40_noskipx", "position 22: unknown key 'noskipx'"},
        {"r3_k3_s11_e3_i24_o40_", "position 22: nothing here; allowed: one of r k s"},
        {"r3__k3_s11_e3_i24_o40", "position 4: nothing here"},
        {"", "position 1: nothing here"},
        {"r3_k3_s11_e3_i24_o40 ", "position 18: output filters is '40 '"},
        {"r3_k3_s11_e3_i24",
         "position 17: the string ends without o; allowed: strings with all of r k s e i o"},
        {"k3_s11_e3_i24_o40", "position 18: the string ends without r"},
        {"R3_k3_s11_e3_i24_o40", "position 1: unknown key 'R3'"},
        {"r3_k3_s11_e3_i24_o0000000000000000000000000000000000000040", "position 18: 'o00000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_block block = {.repeats = 77};
        assert_int_equal(mnas_block_parse(&block, cases[i][0]), MNAS_ERR_FORMAT);
        if (!strstr(mnas_error_message(), cases[i][1]))
            fail_msg("'%s': \"%s\" lacks \"%s\"", cases[i][0], mnas_error_message(), cases[i][1]);
        assert_int_equal(block.repeats, 77); /* untouched */
    }
}

static void test_defaults_of_a_model(void **state) {
    (void)state;
    mnas_model model;
    mnas_model_defaults(&model);
    assert_int_equal(model.stem_filters, 32);
    assert_int_equal(model.stem_stride, 2);
    assert_int_equal(model.head_filters, 0);
    assert_int_equal(model.act, MNAS_ACT_RELU);
    assert_int_equal(model.padding, MNAS_PAD_SAME);
    assert_true(model.bn_epsilon == 1e-3 && model.bn_momentum == 0.99 && model.bn_unbiased);
    assert_int_equal(model.input_size, 224);
    assert_true(model.mean[2] == 0.406 && model.std[0] == 0.229);
    mnas_model_default_normalisation(&model, 1);
    assert_true(model.mean[0] == 0.5 && model.std[0] == 0.5 && model.std[1] == 0);
}

static void test_arch_of_a_model(void **state) {
    (void)state;
    mnas_model model;
    char *text = NULL;
    mnas_model_defaults(&model);
    assert_int_equal(mnas_model_set_arch(&model, " k3_r1_s11_e1_i32_o16\t\n r2_k3_s22_e6_i16_o24 \n"), 0);
    assert_int_equal(model.n_blocks, 2);
    assert_int_equal(mnas_model_arch(&model, &text), 0);
    assert_string_equal(text, "r1_k3_s11_e1_i32_o16 r2_k3_s22_e6_i16_o24");
    free(text);
    mnas_model_defaults(&model);
    assert_int_equal(mnas_model_arch(&model, &text), 0);
    assert_string_equal(text, "");
    free(text);
}

static void expect_arch_error(const char *arch, const char *fragment) {
    mnas_model model;
    mnas_model_defaults(&model);
    model.n_blocks = 9;
    assert_int_equal(mnas_model_set_arch(&model, arch), MNAS_ERR_FORMAT);
    if (!strstr(mnas_error_message(), fragment))
        fail_msg("\"%s\" lacks \"%s\"", mnas_error_message(), fragment);
    assert_int_equal(model.n_blocks, 9);
}

static void test_arch_errors_name_the_block(void **state) {
    (void)state;
    expect_arch_error("", "no blocks");
    expect_arch_error(" \n", "no blocks");
    expect_arch_error("r1_k3_s11_e1_i32_o16 r2_k3_s22_e6_i16_o0",
                      "block 2: r2_k3_s22_e6_i16_o0: position 18: output filters is '0'");
    expect_arch_error("r1_k3_s11_e1_i32_o16 r2_k3_s22_e6_i24_o24",
                      "input filters are 24, but block 1 puts out 16");
    char many[65 * 22 + 1] = "";
    for (int i = 0; i < 65; i++) strcat(many, "r1_k3_s11_e1_i16_o16 ");
    expect_arch_error(many, "too many blocks; allowed: at most 64");
    char wide[400];
    memset(wide, 'x', sizeof wide);
    wide[399] = '\0';
    expect_arch_error(wide, "has 399 characters");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print_is_the_inverse_of_parse), cmocka_unit_test(test_keys_come_in_any_order),
        cmocka_unit_test(test_defaults_and_canonical_text),   cmocka_unit_test(test_errors_name_the_position),
        cmocka_unit_test(test_defaults_of_a_model),           cmocka_unit_test(test_arch_of_a_model),
        cmocka_unit_test(test_arch_errors_name_the_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
