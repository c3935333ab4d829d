/* test_zoo.c - the published networks: widths at every published multiplier, attributes, and errors of MODEL
 * arguments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

static void expect_widths(const char *name, int stem, int head, const int out[], int n) {
    mnas_model model;
    assert_int_equal(mnas_zoo_open(&model, name), 0);
    assert_string_equal(model.name, name);
    assert_int_equal(model.stem_filters, stem);
    assert_int_equal(model.head_filters, head);
    assert_int_equal(model.n_blocks, n);
    for (int i = 0; i < n; i++) {
        assert_int_equal(model.blocks[i].out, out[i]);
        if (i > 0) assert_int_equal(model.blocks[i].in, out[i - 1]);
    }
}

#define WIDTHS(name, stem, head, ...) expect_widths(name, stem, head, (const int[]){__VA_ARGS__}, 7)

/* The published counts. */
static void test_widths_of_mnasnet(void **state) {
    (void)state;
    WIDTHS("mnasnet-a1", 32, 1280, 16, 24, 40, 80, 112, 160, 320);
    WIDTHS("mnasnet-a1@0.35", 16, 1280, 8, 8, 16, 32, 40, 56, 112);
    WIDTHS("mnasnet-a1@0.5", 16, 1280, 8, 16, 24, 40, 56, 80, 160);
    WIDTHS("mnasnet-a1@0.75", 24, 1280, 16, 24, 32, 64, 88, 120, 240);
    WIDTHS("mnasnet-a1@1.3", 40, 1280, 24, 32, 56, 104, 144, 208, 416);
    WIDTHS("mnasnet-a1@1.4", 48, 1280, 24, 32, 56, 112, 160, 224, 448);
    WIDTHS("mnasnet-b1@0.35", 16, 1280, 8, 8, 16, 32, 32, 64, 112);
    WIDTHS("mnasnet-b1@0.5", 16, 1280, 8, 16, 24, 40, 48, 96, 160);
    WIDTHS("mnasnet-b1@0.75", 24, 1280, 16, 24, 32, 64, 72, 144, 240);
    WIDTHS("mnasnet-b1@1.3", 40, 1280, 24, 32, 56, 104, 128, 248, 416);
    WIDTHS("mnasnet-b1@1.4", 48, 1280, 24, 32, 56, 112, 136, 272, 448);
    WIDTHS("mnasnet-small", 8, 1280, 8, 16, 16, 32, 32, 88, 144);
}

static void test_widths_of_mobilenets(void **state) {
    (void)state;
    WIDTHS("mobilenet-v2", 32, 1280, 16, 24, 32, 64, 96, 160, 320);
    WIDTHS("mobilenet-v2@1.4", 48, 1792, 24, 32, 48, 88, 136, 224, 448);
    WIDTHS("mobilenet-v2@0.5", 16, 1280, 8, 16, 16, 32, 48, 80, 160);
    expect_widths("mobilenet-v1", 32, 0, (const int[]){64, 128, 256, 512, 1024}, 5);
    expect_widths("mobilenet-v1@0.25", 8, 0, (const int[]){16, 32, 64, 128, 256}, 5);
}

static void test_rounding(void **state) {
    (void)state;
    assert_int_equal(mnas_model_round_filters(32, 0.01), 8);
    assert_int_equal(mnas_model_round_filters(32, 1), 32);
    assert_int_equal(mnas_model_round_filters(16, 0.75), 16); /* 12 -> 16: int(16) / 8 * 8 */
    assert_int_equal(mnas_model_round_filters(24, 0.5), 16);
    assert_int_equal(mnas_model_round_filters(32, 0.35), 16); /* 11.2 -> 8, under 0.9 of it -> 16 */
}

static void test_attributes(void **state) {
    (void)state;
    mnas_model a1, v1, v2, small;
    assert_int_equal(mnas_zoo_open(&a1, "mnasnet-a1"), 0);
    assert_int_equal(mnas_zoo_open(&small, "mnasnet-small"), 0);
    assert_int_equal(mnas_zoo_open(&v1, "mobilenet-v1"), 0);
    assert_int_equal(mnas_zoo_open(&v2, "mobilenet-v2"), 0);
    assert_int_equal(a1.act, MNAS_ACT_RELU);
    assert_true(a1.bn_momentum == 0.99 && a1.bn_epsilon == 1e-3 && a1.mean[0] == 0.485 && a1.dropout == 0.2);
    assert_true(a1.blocks[2].se_ratio == 0.25 && a1.blocks[0].skip == MNAS_SKIP_NONE);
    assert_int_equal(small.blocks[0].in, 16); /* behind a stem of 8 */
    assert_int_equal(small.stem_filters, 8);
    assert_int_equal(v2.act, MNAS_ACT_RELU6);
    assert_true(v2.bn_momentum == 0.997 && v2.mean[1] == 0.5 && v2.std[2] == 0.5);
    assert_int_equal(v2.blocks[0].op, MNAS_OP_MBCONV);
    assert_int_equal(v2.blocks[0].expand, 1);
    int layers = 0;
    for (int i = 0; i < v1.n_blocks; i++) {
        assert_int_equal(v1.blocks[i].op, MNAS_OP_SEP);
        assert_int_equal(v1.blocks[i].skip, MNAS_SKIP_NONE);
        layers += v1.blocks[i].repeats;
    }
    assert_int_equal(layers, 13);
    assert_true(v1.padding == MNAS_PAD_SAME && v1.classes == 1000 && v1.input_size == 224);
}

/* timm's networks: what differs from their authors', and nothing else. */
static void test_timm(void **state) {
    (void)state;
    static const char *const names[] = {"mnasnet-a1", "mnasnet-b1@0.5", "mnasnet-small", "mobilenet-v1",
                                        "mobilenet-v2@1.4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[64];
        mnas_model ours, timms;
        snprintf(name, sizeof name, "%s@timm", names[i]);
        assert_int_equal(mnas_zoo_open(&ours, names[i]), 0);
        assert_int_equal(mnas_zoo_open(&timms, name), 0);
        assert_string_equal(timms.name, name);
        assert_true(timms.padding == MNAS_PAD_SYMMETRIC && timms.bn_epsilon == 1e-5);
        assert_int_equal(timms.blocks[0].in, timms.stem_filters);
        assert_true(timms.mean[0] == (strcmp(names[i], "mobilenet-v1") == 0 ? 0.5 : 0.485));
        strcpy(timms.name, ours.name);
        timms.padding = ours.padding;
        timms.bn_epsilon = ours.bn_epsilon;
        timms.blocks[0].in = ours.blocks[0].in;
        memcpy(timms.mean, ours.mean, sizeof ours.mean);
        memcpy(timms.std, ours.std, sizeof ours.std);
        char *a, *b;
        assert_int_equal(mnas_model_print(&ours, &a), 0);
        assert_int_equal(mnas_model_print(&timms, &b), 0);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
}

static void expect_error(const char *arg, int input, const char *fragment) {
    mnas_model model;
    assert_int_equal(mnas_model_open_local(&model, arg, input), MNAS_ERR_ARG);
    if (!strstr(mnas_error_message(), fragment))
        fail_msg("\"%s\" lacks \"%s\"", mnas_error_message(), fragment);
}

static void test_arguments(void **state) {
    (void)state;
    mnas_model model;
    assert_int_equal(mnas_model_open_local(&model, "mnasnet-b1@1", 96), 0);
    assert_string_equal(model.name, "mnasnet-b1");
    assert_int_equal(model.input_size, 96);
    assert_int_equal(mnas_model_open_local(&model, "mnasnet-b1@0.50", 0), 0);
    assert_string_equal(model.name, "mnasnet-b1@0.5");
    assert_int_equal(model.input_size, 224);
    expect_error("mnasnet-b1@x", 0, "mnasnet-b1: width multiplier is 'x'; allowed: above 0 to 4");
    expect_error("mnasnet-b1@", 0, "width multiplier is ''");
    expect_error("mnasnet-b1@0", 0, "width multiplier is '0'");
    expect_error("mnasnet-b1@-1", 0, "width multiplier is '-1'");
    expect_error("mnasnet-b1@4.1", 0, "width multiplier is '4.1'");
    expect_error("mnasnet-b1@nan", 0, "width multiplier is 'nan'");
    expect_error("mnasnet-b1@1e300", 0, "width multiplier is '1e300'");
    expect_error("mnasnet-b1@0.5@0.5", 0, "width multiplier is '0.5@0.5'");
    expect_error("mnasnet-b1@timm@0.5", 0, "width multiplier is 'timm@0.5'");
    expect_error("mnasnet-b1@0.5@timm@timm", 0, "width multiplier is '0.5@timm'");
    expect_error("@timm", 0, "unknown model ''");
    expect_error("mnasnet-c1@timm", 0, "unknown model 'mnasnet-c1'; did you mean 'mnasnet-a1'?");
    expect_error("mnasnet-c1", 0,
                 "unknown model 'mnasnet-c1'; did you mean 'mnasnet-a1'?; allowed: mnasnet-a1, mnasnet-b1");
    expect_error("mnasnet-b2@0.5", 0, "did you mean 'mnasnet-b1'?");
    expect_error("", 0, "unknown model ''; allowed");
    expect_error("mnasnet-a1", -1, "input size is -1 pixels; allowed: 1 to 8192");
    expect_error("mnasnet-a1", 8193, "input size is 8193");
    assert_true(mnas_model_is_path("x.yaml") && mnas_model_is_path("./x") &&
                !mnas_model_is_path("mnasnet-a1"));
}

static void test_list_and_note(void **state) {
    (void)state;
    size_t n;
    const mnas_zoo_entry *list = mnas_zoo_list(&n);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        mnas_model model;
        assert_int_equal(mnas_zoo_open(&model, list[i].name), 0);
        assert_true(list[i].help[0] && list[i].source[0]);
    }
    assert_non_null(strstr(mnas_zoo_note(), "A2"));
    assert_non_null(strstr(mnas_zoo_note(), "A3"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths_of_mnasnet),
        cmocka_unit_test(test_widths_of_mobilenets),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_timm),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_list_and_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
