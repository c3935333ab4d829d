/* test_adapt.c - published networks on small images: strides are kept while the map is at least 4x4, the head is scaled with
 * the width, and from 64 pixels on nothing changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "model/model.h"

static void open_zoo(mnas_model *out, const char *name, int size) {
    assert_int_equal(mnas_zoo_open(out, name), 0);
    out->input_size = size;
}

static mnas_model adapted(const char *name, int size, double multiplier) {
    mnas_model model;
    open_zoo(&model, name, size);
    mnas_model_adapt_to_size(&model, multiplier);
    return model;
}

/* Strides of the stem and of the seven blocks as digits. */
static void expect_strides(const char *name, int size, const char *strides) {
    const mnas_model model = adapted(name, size, 1);
    char text[16] = {(char)('0' + model.stem_stride)};
    assert_int_equal(model.n_blocks, 7);
    for (int i = 0; i < model.n_blocks; i++) text[1 + i] = (char)('0' + model.blocks[i].stride);
    assert_string_equal(text, strides);
}

static void test_strides(void **state) {
    (void)state;
    expect_strides("mobilenet-v2", 224, "21222121");
    expect_strides("mobilenet-v2", 63, "21222111"); /* 32 16 8 4 */
    expect_strides("mobilenet-v2", 32, "21221111"); /* 16 8 4 */
    expect_strides("mobilenet-v2", 28, "21221111"); /* 14 7 4 */
    expect_strides("mobilenet-v2", 20, "21211111"); /* 10 5, then 3 would be too small */
    expect_strides("mobilenet-v2", 6, "11111111");
    expect_strides("mnasnet-b1", 28, "21221111");
}

static void test_large_images_change_nothing(void **state) {
    (void)state;
    static const int sizes[] = {64, 224};
    for (int i = 0; i < 2; i++) {
        mnas_model published, model;
        memset(&published, 0, sizeof published);
        open_zoo(&published, "mobilenet-v2@0.5", sizes[i]);
        memcpy(&model, &published, sizeof model);
        mnas_model_adapt_to_size(&model, 0.5);
        assert_memory_equal(&model, &published, sizeof model);
    }
}

static void test_head(void **state) {
    (void)state;
    assert_int_equal(adapted("mobilenet-v2", 28, 1).head_filters, 1280);
    assert_int_equal(adapted("mobilenet-v2@1.4", 28, 1.4).head_filters, 1792); /* published */
    assert_int_equal(adapted("mobilenet-v2@0.5", 28, 0.5).head_filters, 640);
    assert_int_equal(adapted("mobilenet-v2@0.1", 28, 0.1).head_filters, 128);
    assert_int_equal(adapted("mobilenet-v2@0.1", 28, 0.05).head_filters, 128); /* no fewer */
    assert_int_equal(adapted("mobilenet-v1@0.5", 28, 0.5).head_filters, 0);    /* it has none */
}

/* Everything else stays as published. */
static void test_blocks_stay(void **state) {
    (void)state;
    mnas_model published, model = adapted("mnasnet-b1@0.5", 28, 0.5);
    open_zoo(&published, "mnasnet-b1@0.5", 28);
    assert_int_equal(model.stem_filters, published.stem_filters);
    for (int i = 0; i < published.n_blocks; i++) {
        const mnas_block *a = &model.blocks[i], *b = &published.blocks[i];
        assert_true(a->repeats == b->repeats && a->kernel == b->kernel && a->expand == b->expand);
        assert_true(a->in == b->in && a->out == b->out && a->se_ratio == b->se_ratio && a->op == b->op);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_strides),
                                       cmocka_unit_test(test_large_images_change_nothing),
                                       cmocka_unit_test(test_head), cmocka_unit_test(test_blocks_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
