/* test_model_file.c - model files: what is printed loads back equal, and every broken file names place and remedy. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "yaml_fixture.h"

#define PATH MNAS_TEST_TMP "/test_model_file.yaml"

static int load_text(mnas_model *model, const char *text) {
    write_text(PATH, text);
    int rc = mnas_model_load_file(model, PATH);
    remove(PATH);
    return rc;
}

static void assert_model_equal(const mnas_model *a, const mnas_model *b) {
    char *arch_a, *arch_b;
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->stem_filters, b->stem_filters);
    assert_int_equal(a->stem_stride, b->stem_stride);
    assert_int_equal(a->head_filters, b->head_filters);
    assert_int_equal(a->act, b->act);
    assert_int_equal(a->padding, b->padding);
    assert_true(a->bn_epsilon == b->bn_epsilon && a->bn_momentum == b->bn_momentum &&
                a->dropout == b->dropout);
    assert_int_equal(a->bn_unbiased, b->bn_unbiased);
    assert_int_equal(a->classes, b->classes);
    assert_int_equal(a->input_size, b->input_size);
    assert_int_equal(a->input_channels, b->input_channels);
    assert_memory_equal(a->mean, b->mean, sizeof a->mean);
    assert_memory_equal(a->std, b->std, sizeof a->std);
    assert_int_equal(a->n_blocks, b->n_blocks);
    assert_int_equal(mnas_model_arch(a, &arch_a), 0);
    assert_int_equal(mnas_model_arch(b, &arch_b), 0);
    assert_string_equal(arch_a, arch_b);
    free(arch_a);
    free(arch_b);
}

static void assert_round_trip(const mnas_model *model) {
    mnas_model back;
    char *text;
    assert_int_equal(mnas_model_print(model, &text), 0);
    int rc = load_text(&back, text);
    if (rc < 0) fail_msg("%s\n%s", mnas_error_message(), text);
    assert_model_equal(model, &back);
    free(text);
}

static void test_zoo_models_load_back(void **state) {
    (void)state;
    static const char *const multipliers[] = {"",     "@0.35", "@0.5",       "@0.75",
                                              "@1.3", "@1.4",  "@0.1234567", "@4"};
    size_t n;
    const mnas_zoo_entry *zoo = mnas_zoo_list(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof multipliers / sizeof *multipliers; k++) {
            char name[64];
            mnas_model model;
            snprintf(name, sizeof name, "%s%s", zoo[i].name, multipliers[k]);
            assert_int_equal(mnas_model_open_local(&model, name, 32 * ((int)k + 1)), 0);
            assert_round_trip(&model);
        }
}

static void test_every_attribute_loads_back(void **state) {
    (void)state;
    static const char *const names[] = {"it's",         "a: b # c", "-",  "null", "study.db:12",
                                        "\xc3\xa4rger", "- x",      "@x", "{}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mnas_model model;
        assert_int_equal(mnas_zoo_open(&model, "mnasnet-a1"), 0);
        snprintf(model.name, sizeof model.name, "%s", names[i]);
        model.stem_filters = 7, model.stem_stride = 1, model.head_filters = (int)i;
        model.act = (mnas_act)(MNAS_ACT_RELU + i % 4);
        model.padding = i % 2 ? MNAS_PAD_SAME : MNAS_PAD_SYMMETRIC;
        model.bn_epsilon = 1e-5 / 3, model.bn_momentum = 1.0 / 3, model.bn_unbiased = i % 2 == 0;
        model.dropout = 0.1 + 0.2, model.classes = 3, model.input_size = 29;
        model.input_channels = 1 + (int)i % 4;
        for (int c = 0; c < 4; c++) {
            model.mean[c] = c < model.input_channels ? 0.1 * c - 0.05 : 0;
            model.std[c] = c < model.input_channels ? 1.0 / (c + 3) : 0;
        }
        assert_round_trip(&model);
    }
}

static void test_defaults_fill_a_short_file(void **state) {
    (void)state;
    mnas_model model;
    assert_int_equal(load_text(&model, "channels: 1\nblocks: [r1_k3_s11_e1_i32_o16]\n"), 0);
    assert_string_equal(model.name, "test_model_file");
    assert_int_equal(model.input_channels, 1);
    assert_true(model.mean[0] == 0.5 && model.std[0] == 0.5 && model.mean[1] == 0);
    assert_int_equal(model.stem_filters, 32);
    assert_int_equal(model.head_filters, 0);
    assert_int_equal(load_text(&model, "blocks:\n  - o16_r1_k3_s11_e1_i32\nmean: [0, 0, 0]\nchannels: 3\n"),
                     0);
    assert_true(model.mean[0] == 0 && model.std[0] == 0.229);
}

static void test_long_file_names_are_cut_between_characters(void **state) {
    (void)state;
    static const char text[] = "blocks: [r1_k3_s11_e1_i32_o16]\n";
    char file[100] = "dir/x";
    for (int i = 0; i < 40; i++)
        strcat(file, "\xc3\xa4"); /* behind x byte 63 ends a letter, without it starts none */
    mnas_model model;
    assert_int_equal(mnas_model_parse(&model, text, strlen(text), file), 0);
    assert_int_equal(strlen(model.name), 63);
    assert_int_equal(mnas_model_parse(&model, text, strlen(text), file + 5), 0);
    assert_int_equal(strlen(model.name), 62);
    assert_memory_equal(model.name, file + 5, 62);
}

#define BLOCKS "blocks: [r1_k3_s11_e1_i32_o16]\n"

static void test_broken_files(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ".yaml:1:1: the file is empty"},
        {"# only a comment\n", ":1:1: the file is empty"},
        {"hello\n", ":1:1: no keys at the top; allowed: keys and values"},
        {"- a\n- b\n", ":1:1: no keys at the top; allowed: keys and values"},
        {"name: x\n", ":1:1: 'blocks' is missing"},
        {"blocks: []\n", ":1:9: no blocks; allowed: a list of block strings"},
        {"blocks: r1_k3_s11_e1_i32_o16\n", ":1:9: blocks is of the wrong kind; allowed: a list"},
        {"blocks:\n  - {a: 1}\n", ":2:5: a block is of the wrong kind; allowed: a single value"},
        {"blocks:\n  - r1_k4_s11_e1_i32_o16\n",
         ":2:5: r1_k4_s11_e1_i32_o16: position 4: kernel is 4; allowed: 3, 5, 7"},
        {"blocks:\n  - r1_k3_s11_e1_i32_o16\n  - r1_k3_s11_e1_i24_o16\n",
         ":3:5: input filters are 24, but the block before puts out 16; allowed: i16"},
        {BLOCKS "steam: 16\n",
         ":2:1: unknown key 'steam'; did you mean 'stem'?; allowed: name, input, channels"},
        {BLOCKS "stem: 16\nhead: 8\nstem: 16\n", ":4:1: second 'stem' (the first is in line 2)"},
        {BLOCKS "stem: 0\n", ":2:7: stem is '0'; allowed: whole numbers from 1 to 65536"},
        {BLOCKS "stem: 3.5\n", ":2:7: stem is '3.5'; allowed: whole numbers"},
        {BLOCKS "stem:\n", "stem is ''; allowed: whole numbers"},
        {BLOCKS "stem: [1]\n", ":2:7: stem is of the wrong kind; allowed: a single value"},
        {BLOCKS "stem-stride: 3\n", ":2:14: stem-stride is '3'; allowed: whole numbers from 1 to 2"},
        {BLOCKS "activation: relu7\n",
         ":2:13: activation is 'relu7'; did you mean 'relu'?; allowed: relu, relu6"},
        {BLOCKS "activation: none\n", "activation is 'none'; allowed: relu, relu6"},
        {BLOCKS "padding: valid\n", ":2:10: padding is 'valid'; allowed: same, symmetric"},
        {BLOCKS "bn-variance: 1\n", "bn-variance is '1'; allowed: biased, unbiased"},
        {BLOCKS "bn-momentum: 1.5\n", ":2:14: bn-momentum is '1.5'; allowed: numbers from 0 to 1"},
        {BLOCKS "bn-epsilon: nan\n", "bn-epsilon is 'nan'"},
        {BLOCKS "dropout: 1\n", "dropout is '1'; allowed: numbers from 0 to 0.99"},
        {BLOCKS "channels: 5\n", ":2:11: channels is '5'; allowed: whole numbers from 1 to 4"},
        {BLOCKS "mean: [0.5]\n", ":2:7: mean has 1 values; allowed: one for each of the 3 channels"},
        {BLOCKS "std: [1, 0, 1]\n", ":2:10: std is '0'; allowed: numbers from 1e-06"},
        {BLOCKS "mean: 0.5\n", ":2:7: mean is of the wrong kind; allowed: a list"},
        {BLOCKS "name: ''\n", ":2:7: name has 0 bytes; allowed: 1 to 63"},
        {BLOCKS "name: \"a\\tb\"\n", ":2:7: name has a control character"},
        {BLOCKS "name: \"a\\0b\"\n", ":2:7: a NUL character"},
        {BLOCKS "name: &x y\n", ":2:7: an anchor (&name) is not supported"},
        {BLOCKS "name: *x\n", ":2:7: an alias (*name) is not supported"},
        {BLOCKS "stem: !!int 3\n", ":2:7: a tag (!name) is not supported"},
        {BLOCKS "? [a]\n: b\n", ":2:3: a list or map as a key; allowed: a name"},
        {BLOCKS "---\n" BLOCKS, ":2:1: a second document"},
        {BLOCKS "name: 'open\n", "not YAML: found unexpected end of stream"},
        {BLOCKS "\tname: x\n", "not YAML: "},
        {"blocks: [a, b\nname: x\n", "not YAML: "},
        {"name: \xff\xfe\n", ":1:7: not YAML: "},
        {"name: [[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]\n", ":1:22: nested too deeply; allowed: 16 levels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_model model;
        assert_int_equal(load_text(&model, cases[i][0]), MNAS_ERR_FORMAT);
        if (!strstr(mnas_error_message(), cases[i][1]) || !has_form(PATH, mnas_error_message()))
            fail_msg("%s\n\"%s\" lacks \"%s\"", cases[i][0], mnas_error_message(), cases[i][1]);
    }
}

static void test_limits(void **state) {
    (void)state;
    mnas_model model;
    char *text = calloc(1, (1 << 20) + 2);
    memset(text, '#', (1 << 20) + 1);
    assert_int_equal(load_text(&model, text), MNAS_ERR_FORMAT);
    size_t n = (size_t)sprintf(text, "name: [");
    for (int i = 0; i < 10001; i++) n += (size_t)sprintf(text + n, "1,");
    assert_int_equal(load_text(&model, text), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), "more than 10000 values"));
    n = (size_t)sprintf(text, "blocks:\n");
    for (int i = 0; i < 65; i++) n += (size_t)sprintf(text + n, "- r1_k3_s11_e1_i16_o16\n");
    assert_int_equal(load_text(&model, text), MNAS_ERR_FORMAT);
    assert_non_null(strstr(mnas_error_message(), ":66:3: too many blocks; allowed: at most 64"));
    memset(text, '[', 60000);
    text[60000] = '\0';
    assert_int_equal(load_text(&model, text), MNAS_ERR_FORMAT);
    free(text);
    assert_int_equal(mnas_model_load_file(&model, MNAS_TEST_TMP "/no-such.yaml"), MNAS_ERR_IO);
    assert_non_null(strstr(mnas_error_message(), "no-such.yaml"));
}

/* Any prefix of a good file is either a smaller good file or a clean error. */
static void test_truncated_files(void **state) {
    (void)state;
    mnas_model model, part;
    char *text;
    assert_int_equal(mnas_zoo_open(&model, "mnasnet-small"), 0);
    assert_int_equal(mnas_model_print(&model, &text), 0);
    for (size_t n = strlen(text); n > 0; n -= n < 7 ? n : 7) {
        text[n] = '\0';
        int rc = load_text(&part, text);
        assert_true(rc == 0 || rc == MNAS_ERR_FORMAT);
        if (rc < 0) assert_true(strlen(mnas_error_message()) > 10);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zoo_models_load_back),
        cmocka_unit_test(test_every_attribute_loads_back),
        cmocka_unit_test(test_defaults_fill_a_short_file),
        cmocka_unit_test(test_long_file_names_are_cut_between_characters),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_truncated_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
