/* test_space.c - the built-in spaces: sizes, order of decisions, tokens <-> networks, and what is outside. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/space.h"

static mnas_space *open_space(const char *name) {
    mnas_space *space = NULL;
    if (mnas_space_open(&space, name) < 0) fail_msg("%s", mnas_error_message());
    return space;
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        const char *name, *n_encodings;
        int n_decisions, n_blocks;
    } sizes[] = {
        {"mnasnet", "1247968747541495808", 42, 7},       {"mnasnet-google", "9749755840167936", 42, 7},
        {"mnasnet-28", "6687075336192", 30, 5},          {"mnasnet-32", "6687075336192", 30, 5},
        {"flat-28", "184884258895036416", 40, 8},        {"mnasnet-hswish", "159739999685311463424", 49, 7},
        {"mnasnet-28-hswish", "213986410758144", 35, 5},
    };
    size_t n;
    const char *const *names = mnas_space_builtins(&n);
    assert_int_equal(n, sizeof sizes / sizeof *sizes);
    for (size_t i = 0; i < n; i++) {
        mnas_space *space = open_space(names[i]);
        mnas_model reference;
        assert_string_equal(names[i], sizes[i].name);
        assert_string_equal(mnas_space_name(space), sizes[i].name);
        assert_string_equal(mnas_space_n_encodings(space), sizes[i].n_encodings);
        assert_int_equal(mnas_space_n_decisions(space), sizes[i].n_decisions);
        assert_int_equal(mnas_space_reference(space, &reference), 0);
        assert_int_equal(reference.n_blocks, sizes[i].n_blocks);
        assert_non_null(strstr(mnas_space_text(space), "\nchoices:\n"));
        mnas_space_close(space);
    }
}

static void expect_decision(const mnas_space *space, int i, const char *name, const char *choices) {
    const mnas_decision *d = mnas_space_decision(space, i);
    char text[256] = "";
    for (int k = 0; k < d->n_choices; k++) {
        if (k) strcat(text, " ");
        strcat(text, d->choices[k]);
        if (d->ordinal) assert_true(d->values[k] == strtod(d->choices[k], NULL));
    }
    assert_string_equal(d->name, name);
    assert_string_equal(text, choices);
    bool nominal = strstr(name, ".op") || strstr(name, ".skip") || strstr(name, ".act");
    assert_int_equal(d->ordinal, !nominal);
    assert_int_equal(d->values == NULL, nominal);
}

static void test_decisions_of_the_paper(void **state) {
    (void)state;
    mnas_space *space = open_space("mnasnet");
    expect_decision(space, 0, "block1.op", "conv sep mbconv3 mbconv6");
    expect_decision(space, 1, "block1.kernel", "3 5");
    expect_decision(space, 2, "block1.se", "0 0.25");
    expect_decision(space, 3, "block1.skip", "none identity pool");
    expect_decision(space, 4, "block1.filters", "12 16 20");
    expect_decision(space, 5, "block1.layers", "1 2");
    expect_decision(space, 10, "block2.filters", "18 24 30");
    expect_decision(space, 11, "block2.layers", "2 1 3");
    expect_decision(space, 23, "block4.layers", "4 3 5");
    expect_decision(space, 28, "block5.filters", "72 96 120");
    expect_decision(space, 40, "block7.filters", "240 320 400");
    expect_decision(space, 41, "block7.layers", "1 2");
    mnas_space_close(space);
}

static void test_decisions_of_google(void **state) {
    (void)state;
    mnas_space *space = open_space("mnasnet-google");
    expect_decision(space, 0, "block1.layers", "1 2");
    expect_decision(space, 1, "block1.op", "conv_noskip mbconv");
    expect_decision(space, 2, "block1.expand", "1 3 6");
    expect_decision(space, 3, "block1.kernel", "3 5");
    expect_decision(space, 4, "block1.se", "0 0.25");
    expect_decision(space, 5, "block1.filters", "12 16 20");
    expect_decision(space, 18, "block4.layers", "4 3 5");
    int tokens[42] = {0};
    mnas_model model;
    char *arch;
    tokens[2] = 2, tokens[7] = 1, tokens[8] = 1; /* block 2: mbconv, expansion 3 */
    assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
    assert_int_equal(mnas_model_arch(&model, &arch), 0);
    assert_memory_equal(arch, "r1_k3_s11_e6_i32_o12_opconv_noskip r2_k3_s22_e3_i12_o18 ", 56);
    free(arch);
    mnas_space_close(space);
}

static void expect_outside(const char *space_name, const mnas_model *model, const char *fragment) {
    mnas_space *space = open_space(space_name);
    int tokens[MNAS_MAX_STEPS];
    assert_int_equal(mnas_space_encode(space, model, tokens), MNAS_ERR_ARG);
    if (!strstr(mnas_error_message(), fragment))
        fail_msg("\"%s\" lacks \"%s\"", mnas_error_message(), fragment);
    mnas_space_close(space);
}

static void test_decisions_with_activations(void **state) {
    (void)state;
    mnas_space *space = open_space("mnasnet-28-hswish"), *relu = open_space("mnasnet-28");
    expect_decision(space, 4, "block1.act", "relu hswish");
    expect_decision(space, 34, "block5.layers", "1 2");
    int tokens[35] = {0}, back[35];
    mnas_model model, other, reference, plain;
    char text[96];
    tokens[11] = 1; /* block 2: hswish */
    assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
    assert_int_equal(model.act, MNAS_ACT_HSWISH);
    mnas_block_print(&model.blocks[0], text, sizeof text);
    assert_string_equal(text, "r1_k3_s11_e1_i16_o16_opconv_noskip_actrelu");
    mnas_block_print(&model.blocks[1], text, sizeof text);
    assert_string_equal(text, "r2_k3_s22_e1_i16_o24_opconv_noskip_acthswish");
    assert_int_equal(mnas_space_encode(space, &model, back), 0);
    assert_memory_equal(tokens, back, sizeof tokens);
    other = model, other.blocks[2].act = MNAS_ACT_SWISH;
    expect_outside("mnasnet-28-hswish", &other,
                   "is not in space mnasnet-28-hswish: act is swish; allowed: relu, hswish");
    expect_outside("mnasnet-28", &model, "act is relu; allowed: the model's");
    mnas_space_reference(space, &reference); /* but for the activations, mnasnet-28's */
    mnas_space_reference(relu, &plain);
    for (int b = 0; b < reference.n_blocks; b++) {
        assert_int_equal(reference.blocks[b].act, b < 2 ? MNAS_ACT_RELU : MNAS_ACT_HSWISH);
        reference.blocks[b].act = MNAS_ACT_NONE;
        assert_memory_equal(&reference.blocks[b], &plain.blocks[b], sizeof plain.blocks[b]);
    }
    mnas_space_close(space);
    mnas_space_close(relu);
}

static void test_decisions_per_layer(void **state) {
    (void)state;
    mnas_space *space = open_space("flat-28"), *blocks = open_space("mnasnet-28");
    expect_decision(space, 0, "layer1.op", "conv sep mbconv3 mbconv6");
    expect_decision(space, 39, "layer8.filters", "64 48 80");
    mnas_model flat, hierarchical;
    mnas_space_reference(space, &flat);
    mnas_space_reference(blocks, &hierarchical);
    assert_int_equal(mnas_space_split_layers(&hierarchical), 0);
    assert_int_equal(flat.n_blocks, hierarchical.n_blocks);
    assert_memory_equal(flat.blocks, hierarchical.blocks, (size_t)flat.n_blocks * sizeof *flat.blocks);
    mnas_space_close(space);
    mnas_space_close(blocks);
}

/* The small spaces promise it: each choice of filters is a multiple of 8. */
static void test_widths_are_multiples_of_8(void **state) {
    (void)state;
    static const char *const names[] = {"mnasnet-28", "mnasnet-32", "flat-28", "mnasnet-28-hswish"};
    for (int s = 0; s < 4; s++) {
        mnas_space *space = open_space(names[s]);
        for (int i = 0; i < mnas_space_n_decisions(space); i++) {
            const mnas_decision *d = mnas_space_decision(space, i);
            for (int k = 0; k < d->n_choices && strstr(d->name, ".filters"); k++)
                assert_int_equal((int)d->values[k] % 8, 0);
        }
        mnas_space_close(space);
    }
}

static void random_tokens(const mnas_space *space, mnas_rng *rng, int *tokens) {
    for (int i = 0; i < mnas_space_n_decisions(space); i++)
        tokens[i] = (int)mnas_rng_below(rng, (uint32_t)mnas_space_decision(space, i)->n_choices);
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { N_RANDOM = 3000 };

/* encode(decode(t)) == t; and different tokens give different strings, also where they differ in one place only. */
static void check_bijection(const mnas_space *space) {
    int n = mnas_space_n_decisions(space), tokens[MNAS_MAX_STEPS], back[MNAS_MAX_STEPS];
    char **arch = calloc(2 * N_RANDOM, sizeof *arch);
    mnas_rng rng = mnas_rng_stream(5, 0, "tokens");
    for (int i = 0; i < 2 * N_RANDOM; i++) {
        mnas_model model, parsed;
        if (i % 2 == 0) random_tokens(space, &rng, tokens);
        int d = (int)mnas_rng_below(&rng, (uint32_t)n);
        if (i % 2) tokens[d] = (tokens[d] + 1) % mnas_space_decision(space, d)->n_choices;
        assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
        assert_int_equal(mnas_model_arch(&model, &arch[i]), 0);
        mnas_space_reference(space, &parsed);
        assert_int_equal(mnas_model_set_arch(&parsed, arch[i]), 0);
        if (mnas_space_encode(space, &parsed, back) < 0) fail_msg("%s", mnas_error_message());
        assert_memory_equal(tokens, back, (size_t)n * sizeof *tokens);
    }
    qsort(arch, 2 * N_RANDOM, sizeof *arch, compare_texts);
    for (int i = 1; i < 2 * N_RANDOM; i++) assert_string_not_equal(arch[i - 1], arch[i]);
    for (int i = 0; i < 2 * N_RANDOM; i++) free(arch[i]);
    free(arch);
}

static void test_tokens_and_networks_are_a_bijection(void **state) {
    (void)state;
    size_t n;
    const char *const *names = mnas_space_builtins(&n);
    for (size_t i = 0; i < n; i++) {
        mnas_space *space = open_space(names[i]);
        check_bijection(space);
        mnas_space_close(space);
    }
}

static void test_tokens_out_of_range(void **state) {
    (void)state;
    mnas_space *space = open_space("mnasnet");
    int tokens[42] = {0};
    mnas_model model;
    tokens[8] = 2;
    assert_int_equal(mnas_space_decode(space, tokens, &model), MNAS_ERR_ARG);
    assert_string_equal(mnas_error_message(), "token 8 (block2.se) is 2; allowed: 0 to 1");
    tokens[8] = -1;
    assert_int_equal(mnas_space_decode(space, tokens, &model), MNAS_ERR_ARG);
    mnas_space_close(space);
}

/* docs/spaces.md: the published networks are partly outside the published menu. */
static void test_published_networks_are_partly_outside(void **state) {
    (void)state;
    mnas_model a1, b1, small;
    mnas_zoo_open(&a1, "mnasnet-a1");
    mnas_zoo_open(&b1, "mnasnet-b1");
    mnas_zoo_open(&small, "mnasnet-small");
    expect_outside(
        "mnasnet", &a1,
        "block 1 (r1_k3_s11_e1_i32_o16_noskip) is not in space mnasnet: op is mbconv1 (skip none); "
        "allowed: conv, sep, mbconv3, mbconv6");
    expect_outside("mnasnet", &b1, "block 1 (");
    expect_outside("mnasnet", &small, "stem is 8; allowed: 32");
    expect_outside("mnasnet-google", &a1,
                   "block 1 (r1_k3_s11_e1_i32_o16_noskip) is not in space mnasnet-google: op");
    a1.blocks[0].op = b1.blocks[0].op = MNAS_OP_SEP;
    expect_outside("mnasnet", &a1,
                   "block 5 (r2_k3_s11_e6_i80_o112_se0.25) is not in space mnasnet: filters is 112; "
                   "allowed: 72, 96, 120");
    expect_outside("mnasnet", &b1,
                   "block 6 (r4_k5_s22_e6_i96_o192) is not in space mnasnet: filters is 192; "
                   "allowed: 120, 160, 200");
}

static void test_fixed_parts_must_agree(void **state) {
    (void)state;
    mnas_space *space = open_space("mnasnet");
    int tokens[42] = {0}, back[42];
    mnas_model model, other;
    tokens[6] = 2; /* block 2: mbconv3 */
    assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
    other = model, other.blocks[1].stride = 1;
    expect_outside("mnasnet", &other,
                   "block 2 (r2_k3_s11_e3_i12_o18_noskip) is not in space mnasnet: stride is 1; allowed: 2");
    other = model, other.blocks[0].in = 16;
    expect_outside("mnasnet", &other, "input filters is 16; allowed: 32");
    other = model, other.blocks[2].se_ratio = 0.5;
    expect_outside("mnasnet", &other,
                   "block 3 (r3_k3_s22_e1_i18_o24_se0.5_opconv_noskip) is not in space mnasnet: se is 0.5");
    other = model, other.blocks[1].expand = 4;
    expect_outside("mnasnet", &other, "op is mbconv4");
    other = model, other.n_blocks = 6;
    expect_outside("mnasnet", &other, "number of blocks is 6; allowed: 7");
    other = model, other.head_filters = 0;
    expect_outside("mnasnet", &other, "head is 0; allowed: 1280");
    model.blocks[2].expand = 6; /* conv ignores it: still the same network */
    assert_int_equal(mnas_space_encode(space, &model, back), 0);
    assert_memory_equal(tokens, back, sizeof tokens);
    mnas_space_close(space);
}

static void test_a_network_in_blocks_is_in_the_flat_space(void **state) {
    (void)state;
    mnas_space *flat = open_space("flat-28"), *blocks = open_space("mnasnet-28");
    int tokens[40], hierarchical[30] = {2, 0, 0, 2, 0, 0, /**/ 3, 1, 1, 2, 1, 0};
    mnas_model model, back;
    assert_int_equal(mnas_space_decode(blocks, hierarchical, &model), 0);
    if (mnas_space_encode(flat, &model, tokens) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(mnas_space_decode(flat, tokens, &back), 0);
    assert_int_equal(back.blocks[1].skip, MNAS_SKIP_POOL);
    assert_int_equal(back.blocks[2].skip, MNAS_SKIP_IDENTITY); /* a block pools in its first layer only */
    assert_int_equal(back.blocks[2].stride, 1);
    mnas_space_close(flat);
    mnas_space_close(blocks);
}

static void test_unknown_names(void **state) {
    (void)state;
    mnas_space *space = NULL;
    assert_int_equal(mnas_space_open(&space, "mnasnet-82"), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "unknown search space 'mnasnet-82'; did you mean 'mnasnet"));
    assert_non_null(
        strstr(mnas_error_message(),
               "allowed: mnasnet, mnasnet-google, mnasnet-28, mnasnet-32, flat-28, mnasnet-hswish, "
               "mnasnet-28-hswish, or a file"));
    assert_int_equal(mnas_space_open(&space, "./no-such.yaml"), MNAS_ERR_IO);
    assert_null(space);
    mnas_space_close(NULL);
}

/* The files of spaces/ are what is built in, and open as files just as well. */
static void test_files_are_the_builtins(void **state) {
    (void)state;
    size_t n;
    const char *const *names = mnas_space_builtins(&n);
    for (size_t i = 0; i < n; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/spaces/%s.yaml", MNAS_SOURCE_DIR, names[i]);
        mnas_space *builtin = open_space(names[i]), *file = open_space(path);
        assert_string_equal(mnas_space_text(builtin), mnas_space_text(file));
        mnas_space_close(builtin);
        mnas_space_close(file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_decisions_of_the_paper),
        cmocka_unit_test(test_decisions_of_google),
        cmocka_unit_test(test_decisions_per_layer),
        cmocka_unit_test(test_decisions_with_activations),
        cmocka_unit_test(test_widths_are_multiples_of_8),
        cmocka_unit_test(test_tokens_and_networks_are_a_bijection),
        cmocka_unit_test(test_tokens_out_of_range),
        cmocka_unit_test(test_published_networks_are_partly_outside),
        cmocka_unit_test(test_fixed_parts_must_agree),
        cmocka_unit_test(test_a_network_in_blocks_is_in_the_flat_space),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_files_are_the_builtins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
