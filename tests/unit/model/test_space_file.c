/* test_space_file.c - space files: what each key means, and broken files, each with its place and remedy. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"
#include "model/space.h"
#include "yaml_fixture.h"

#define PATH MNAS_TEST_TMP "/test_space_file.yaml"

static int open_text(mnas_space **space, const char *text) {
    write_text(PATH, text);
    int rc = mnas_space_open(space, PATH);
    remove(PATH);
    return rc;
}

static mnas_space *open_good(const char *text) {
    mnas_space *space = NULL;
    if (open_text(&space, text) < 0) fail_msg("%s", mnas_error_message());
    return space;
}

#define STEM    "stem: 16\n"
#define NET     "blocks: [r2_k3_s11_e6_i16_o16]\n"
#define CHOICES "choices:\n- kernel: [3, 5]\n"

static void test_anything_can_be_left_out(void **state) {
    (void)state;
    mnas_space *space = open_good(STEM NET CHOICES);
    assert_string_equal(mnas_space_name(space), "test_space_file");
    assert_string_equal(mnas_space_n_encodings(space), "2");
    assert_int_equal(mnas_space_n_decisions(space), 1);
    mnas_model model;
    assert_int_equal(mnas_space_decode(space, (int[]){1}, &model), 0);
    char *arch;
    assert_int_equal(mnas_model_arch(&model, &arch), 0);
    assert_string_equal(arch, "r2_k5_s11_e6_i16_o16");
    free(arch);
    mnas_space_close(space);
}

static void test_order_of_choices_is_order_of_decisions(void **state) {
    (void)state;
    mnas_space *space =
        open_good(STEM NET "choices:\n- layers: [r, r+2, 7]\n- op: [mbconv, conv_skippool]\n- se: [0, 1]\n");
    assert_string_equal(mnas_space_decision(space, 0)->name, "block1.layers");
    assert_string_equal(mnas_space_decision(space, 0)->choices[1], "4");
    assert_string_equal(mnas_space_decision(space, 0)->choices[2], "7");
    assert_string_equal(mnas_space_decision(space, 1)->name, "block1.op");
    mnas_model model;
    char *arch;
    assert_int_equal(mnas_space_decode(space, (int[]){2, 1, 1}, &model), 0);
    assert_int_equal(mnas_model_arch(&model, &arch), 0);
    assert_string_equal(arch, "r7_k3_s11_e6_i16_o16_se1_opconv_skippool");
    free(arch);
    mnas_space_close(space);
}

static void test_blocks_have_lists_of_their_own(void **state) {
    (void)state;
    mnas_space *space = open_good(STEM "blocks:\n- r1_k3_s11_e6_i16_o16\n"
                                       "- {net: r1_k3_s22_e6_i16_o24, kernel: [7], filters: [x0.5, 20]}\n"
                                       "choices:\n- kernel: [3, 5]\n- filters: [x1, x1.5]\n");
    assert_int_equal(mnas_space_n_decisions(space), 3); /* one option is no decision */
    assert_string_equal(mnas_space_decision(space, 2)->name, "block2.filters");
    mnas_model model;
    char *arch;
    assert_int_equal(mnas_space_decode(space, (int[]){0, 1, 0}, &model), 0);
    assert_int_equal(mnas_model_arch(&model, &arch), 0);
    assert_string_equal(arch, "r1_k3_s11_e6_i16_o24 r1_k7_s22_e6_i24_o12");
    int tokens[3];
    assert_int_equal(mnas_space_encode(space, &model, tokens), 0);
    assert_int_equal(tokens[1], 1);
    model.blocks[1].kernel = 3;
    assert_int_equal(mnas_space_encode(space, &model, tokens), MNAS_ERR_ARG);
    assert_non_null(strstr(mnas_error_message(), "kernel is 3; allowed: 7"));
    free(arch);
    mnas_space_close(space);
}

static void test_filters_are_truncated(void **state) {
    (void)state;
    mnas_space *space = open_good(
        "stem: 15\nblocks: [r1_k3_s11_e1_i15_o15]\nchoices:\n- filters: [x0.75, x1, x1.25, x0.5]\n");
    static const double wanted[] = {11, 15, 18, 7};
    for (int k = 0; k < 4; k++) assert_true(mnas_space_decision(space, 0)->values[k] == wanted[k]);
    mnas_space_close(space);
}

static void test_large_counts(void **state) {
    (void)state;
    mnas_str text = {0};
    mnas_str_append(&text, STEM "blocks:\n");
    for (int i = 0; i < 64; i++) mnas_str_append(&text, "- r1_k3_s11_e6_i16_o16\n");
    mnas_str_append(
        &text, "choices:\n- op: [conv, sep]\n- filters: [1,2,3,4,5,6,7,8,9,10]\n- layers: [1,2,3,4,5]\n");
    mnas_space *space = open_good(text.data);
    const char *n = mnas_space_n_encodings(space); /* 100^64 */
    assert_int_equal(strlen(n), 129);
    assert_int_equal(n[0], '1');
    assert_int_equal(strspn(n + 1, "0"), 128);
    mnas_space_close(space);
    mnas_str_free(&text);
}

/* What docs/spaces.md advises: mnasnet with three lists changed contains A1 and B1. */
static void test_published_networks_fit_an_edited_space(void **state) {
    (void)state;
    static const char *const edits[][2] = {
        {"{net: r1_k3_s11_e1_i32_o16,",
         "{net: r1_k3_s11_e1_i32_o16, op: [conv, sep, mbconv1, mbconv3, mbconv6],"},
        {"- r3_k3_s11_e6_i64_o96", "- {net: r3_k3_s11_e6_i64_o96, filters: [72, 96, 112, 120]}"},
        {"- r3_k3_s22_e6_i96_o160", "- {net: r3_k3_s22_e6_i96_o160, filters: [120, 160, 192, 200]}"},
    };
    size_t n;
    const char *rest = mnas_space_builtin_text("mnasnet", &n);
    mnas_str text = {0};
    for (int i = 0; i < 3; i++) {
        const char *at = strstr(rest, edits[i][0]);
        assert_non_null(at);
        mnas_str_append_n(&text, rest, (size_t)(at - rest));
        mnas_str_append(&text, edits[i][1]);
        rest = at + strlen(edits[i][0]);
    }
    mnas_str_append(&text, rest);
    mnas_space *space = open_good(text.data);
    for (int i = 0; i < 2; i++) {
        int tokens[42];
        mnas_model model, back;
        char *wanted, *got;
        assert_int_equal(mnas_zoo_open(&model, i ? "mnasnet-b1" : "mnasnet-a1"), 0);
        if (mnas_space_encode(space, &model, tokens) < 0) fail_msg("%s", mnas_error_message());
        assert_int_equal(mnas_space_decode(space, tokens, &back), 0);
        assert_int_equal(mnas_model_arch(&model, &wanted), 0);
        assert_int_equal(mnas_model_arch(&back, &got), 0);
        assert_string_equal(got, wanted);
        free(wanted);
        free(got);
    }
    mnas_space_close(space);
    mnas_str_free(&text);
}

static void test_broken_files(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ".yaml:1:1: the file is empty"},
        {STEM NET, ":1:1: 'choices' is missing; allowed: a list such as - kernel: [3, 5]"},
        {STEM CHOICES, ":1:1: 'blocks' is missing; allowed: the reference network"},
        {STEM NET "choices: []\n", ":3:10: no choices"},
        {STEM NET "choices: {kernel: [3, 5]}\n", ":3:10: choices is of the wrong kind; allowed: a list"},
        {STEM NET "choices:\n- kernel\n", ":4:3: a choice is of the wrong kind; allowed: keys and values"},
        {STEM NET "choices:\n- kernels: [3, 5]\n", ":4:3: unknown key 'kernels'; did you mean 'kernel'?; "
                                                   "allowed: op, expand, kernel, se, skip, act, filters, layers"},
        {STEM NET "choices:\n- kernel: [3, 5]\n  se: [0]\n", ":4:3: a choice has 2 keys; allowed: one"},
        {STEM NET "choices:\n- {}\n", ":4:3: a choice has 0 keys"},
        {STEM NET CHOICES "- kernel: [5, 7]\n", ":5:3: second 'kernel'; allowed: each choice once"},
        {STEM NET "choices:\n- kernel: 3\n", ":4:11: kernel is of the wrong kind; allowed: a list"},
        {STEM NET "choices:\n- kernel: []\n", ":4:11: kernel has 0 options; allowed: 1 to 64"},
        {STEM NET "choices:\n- kernel: [3, 4]\n", ":4:15: kernel is '4'; allowed: 3, 5, 7"},
        {STEM NET "choices:\n- kernel: [3, 3]\n", ":4:15: kernel: 3 and 3 are the same in block 1"},
        {STEM NET "choices:\n- kernel: [3, [5]]\n",
         ":4:15: kernel is of the wrong kind; allowed: a single value"},
        {STEM NET "choices:\n- kernel: [3]\n", ":4:1: nothing to decide"},
        {STEM NET "choices:\n- se: [0, 1.5]\n", ":4:11: se is '1.5'; allowed: numbers from 0 to 1"},
        {STEM NET "choices:\n- se: [0, 0.0]\n", ":4:11: se: 0 and 0.0 are the same in block 1"},
        {STEM NET "choices:\n- skip: [none, pol]\n",
         ":4:16: skip is 'pol'; did you mean 'pool'?; allowed: identity, none, pool"},
        {STEM NET "choices:\n- act: [relu, hsvish]\n",
         ":4:15: act is 'hsvish'; did you mean 'hswish'?; allowed: relu, relu6, swish, hswish"},
        {STEM NET "choices:\n- act: [swish, swish]\n", ":4:16: act: swish and swish are the same in block 1"},
        {STEM NET "choices:\n- op: [conv, dconv]\n",
         ":4:14: op 'dconv' is unknown; allowed: conv, sep, mbconv, mbconv1 to mbconv32"},
        {STEM NET "choices:\n- op: [conv, sep3]\n", ":4:14: op 'sep3' is unknown"},
        {STEM NET "choices:\n- op: [conv, mbconv0]\n", ":4:14: op 'mbconv0' is unknown"},
        {STEM NET "choices:\n- op: [conv, mbconv33]\n", ":4:14: op 'mbconv33' is unknown"},
        {STEM NET "choices:\n- op: [conv, mbconv6_x]\n", ":4:14: op 'mbconv6_x' is unknown"},
        {STEM NET "choices:\n- op: [mbconv, mbconv6]\n",
         ":4:16: op: mbconv and mbconv6 are the same in block 1"},
        {STEM NET "choices:\n- op: [conv, mbconv6]\n- expand: [3, 6]\n",
         ":4:14: op 'mbconv6' sets the expansion, which is a choice of its own; allowed: mbconv"},
        {STEM NET "choices:\n- op: [conv_noskip, sep]\n- skip: [none, pool]\n",
         ":4:8: op 'conv_noskip' sets the skip, which is a choice of its own; allowed: conv"},
        {STEM NET "choices:\n- expand: [0, 6]\n",
         ":4:12: expand is '0'; allowed: whole numbers from 1 to 32"},
        {STEM NET "choices:\n- filters: [x0.75, y]\n", ":4:20: filters is 'y'; allowed: xSCALE"},
        {STEM NET "choices:\n- filters: [x0, x1]\n",
         ":4:13: filters is 'x0'; allowed: xSCALE above x0 to x16"},
        {STEM NET "choices:\n- filters: [x1, x-1]\n", ":4:17: filters is 'x-1'"},
        {STEM NET "choices:\n- filters: [x1, 0.75]\n",
         ":4:17: filters is '0.75'; allowed: whole numbers from 1"},
        {STEM NET "choices:\n- filters: [x0.01, x1]\n",
         ":4:13: x0.01 times the 16 filters of block 1 gives 0; allowed: 1 to 65536"},
        {STEM NET "choices:\n- filters: [x1, x1.01]\n",
         ":4:17: filters: x1 and x1.01 are the same in block 1"},
        {STEM NET "choices:\n- layers: [r, r-2]\n",
         ":4:15: layers r-2 gives 0 in block 1, whose reference has r2; allowed: 1 to 64: give that block a "
         "list of its own"},
        {STEM NET "choices:\n- layers: [r, 2]\n", ":4:15: layers: r and 2 are the same in block 1"},
        {STEM NET "choices:\n- layers: [r, r*2]\n", ":4:15: layers is 'r*2'; allowed: r, r-1, r+1"},
        {STEM NET "choices:\n- layers: [r, 0]\n",
         ":4:15: layers is '0'; allowed: whole numbers from 1 to 64"},
        {STEM NET "per: layer\nchoices:\n- layers: [r, r+1]\n",
         ":5:3: layers is no choice with per: layer; allowed: per: block"},
        {STEM NET CHOICES "per: net\n", ":5:6: per is 'net'; allowed: block, layer"},
        {STEM NET CHOICES "hed: 8\n", ":5:1: unknown key 'hed'; did you mean 'head'?; allowed: name, input"},
        {"stem: 8\n" NET CHOICES, ":2:10: input filters are 16, but the stem puts out 8; allowed: i8"},
        {STEM "blocks: []\n" CHOICES, ":2:9: no blocks"},
        {STEM "blocks: [r2_k3_s11_e6_i16]\n" CHOICES, ":2:10: r2_k3_s11_e6_i16: position 17: the string ends "
                                                      "without o; allowed: strings with all of r k s e i o"},
        {STEM "blocks: [r2_k3_s11_e6_i16_o16, r1_k3_s11_e1_i8_o8]\n" CHOICES,
         ":2:32: input filters are 8, but"},
        {STEM "blocks: [{kernel: [3]}]\n" CHOICES, ":2:10: 'net' is missing"},
        {STEM "blocks: [{net: r1_k3_s11_e6_i16_o16, filters: [8]}]\n" CHOICES,
         ":2:38: unknown key 'filters'; allowed: net, kernel"},
        {STEM "blocks: [[r1_k3_s11_e6_i16_o16]]\n" CHOICES, ":2:10: a block is of the wrong kind"},
        {STEM "per: layer\nblocks: [r40_k3_s11_e6_i16_o16, r40_k3_s11_e6_i16_o16]\n" CHOICES,
         ":3:33: too many blocks; allowed: at most 64"},
        {STEM "per: layer\nblocks: [r60_k3_s11_e6_i16_o16, r5_k3_s11_e6_i16_o16]\n" CHOICES,
         ":3:33: too many blocks"},
        {STEM "per: layer\nblocks: [r65_k3_s11_e6_i16_o16]\n" CHOICES,
         ":3:10: r65_k3_s11_e6_i16_o16: position 1: repeats is '65'; allowed: 1 to 64"},
        {STEM NET "choices: &c\n- kernel: [3, 5]\n", ":3:10: an anchor (&name) is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mnas_space *space = NULL;
        int rc = open_text(&space, cases[i][0]);
        if (rc != MNAS_ERR_FORMAT || !strstr(mnas_error_message(), cases[i][1]) ||
            !has_form(PATH, mnas_error_message()))
            fail_msg("%s\n%d \"%s\" lacks \"%s\"", cases[i][0], rc, mnas_error_message(), cases[i][1]);
        assert_null(space);
    }
}

/* Any prefix of a built-in is a smaller space or a clean error. */
static void test_truncated_files(void **state) {
    (void)state;
    size_t n;
    const char *text = mnas_space_builtin_text("mnasnet-28", &n);
    for (size_t k = 1; k < n; k += 5) {
        mnas_space *space = NULL;
        char *part = strndup(text, k);
        int rc = open_text(&space, part);
        assert_true(rc == 0 || (rc == MNAS_ERR_FORMAT && strstr(mnas_error_message(), PATH ":")));
        mnas_space_close(space);
        free(part);
    }
}

/* "-0" is a number from 0, but no text of a block. */
static void test_zero_has_one_text(void **state) {
    (void)state;
    mnas_space *space = open_good(STEM NET "choices:\n- se: [-0, 0.25]\n");
    assert_string_equal(mnas_space_decision(space, 0)->choices[0], "0");
    mnas_model model;
    int token;
    assert_int_equal(mnas_space_decode(space, (int[]){0}, &model), 0);
    assert_int_equal(mnas_model_set_arch(&model, "r2_k3_s11_e6_i16_o16"), 0);
    if (mnas_space_encode(space, &model, &token) < 0) fail_msg("%s", mnas_error_message());
    assert_int_equal(token, 0);
    mnas_space_close(space);
}

/* A few random bytes changed anywhere: a space that decodes, or a clean error with its place. */
static void test_mutated_files_do_no_harm(void **state) {
    (void)state;
    static const char alphabet[] = "[]{}:,-#&*!|>'\"%@ \n\tx0r9_oks\xff";
    mnas_rng rng = mnas_rng_stream(7, 0, "mutations");
    size_t n, n_names, n_good = 0;
    const char *const *names = mnas_space_builtins(&n_names);
    for (int i = 0; i < 1500; i++) {
        const char *text = mnas_space_builtin_text(names[(size_t)i % n_names], &n);
        char *mutant = strdup(text);
        for (uint32_t k = mnas_rng_below(&rng, 3) + 1; k > 0; k--)
            mutant[mnas_rng_below(&rng, (uint32_t)n)] = alphabet[mnas_rng_below(&rng, sizeof alphabet - 1)];
        mnas_space *space = calloc(1, sizeof *space);
        space->arena = mnas_arena_create();
        int rc = mnas_space_read(space, "mutant.yaml", mutant, n), tokens[MNAS_MAX_STEPS] = {0};
        mnas_model model;
        if (rc == 0)
            assert_int_equal(mnas_space_decode(space, tokens, &model), 0);
        else
            assert_true(rc == MNAS_ERR_FORMAT && strncmp(mnas_error_message(), "mutant.yaml:", 12) == 0 &&
                        strstr(mnas_error_message(), "; allowed: "));
        n_good += rc == 0;
        mnas_space_close(space);
        free(mutant);
    }
    assert_true(n_good > 100 && n_good < 1400); /* most bytes are comments */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anything_can_be_left_out),
        cmocka_unit_test(test_order_of_choices_is_order_of_decisions),
        cmocka_unit_test(test_blocks_have_lists_of_their_own),
        cmocka_unit_test(test_filters_are_truncated),
        cmocka_unit_test(test_large_counts),
        cmocka_unit_test(test_published_networks_fit_an_edited_space),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_truncated_files),
        cmocka_unit_test(test_zero_has_one_text),
        cmocka_unit_test(test_mutated_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
