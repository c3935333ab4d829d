/* test_checkpoint.c - the file of a training: all of it comes back to the bit, others read its weights, what differs is named, and what
 * is malformed is refused and changes nothing. That a training goes on from it is tests/e2e/test_train_killed.c's. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "blocks/net.h"
#include "mnas.h"
#include "model/safetensors.h"
#include "train/checkpoint.h"

#define PATH MNAS_TEST_TMP "/unit.ckpt"

static mnas_graph *graph;
static mnas_weights *slabs[3];

static void fill(float value) {
    for (int s = 0; s < 3; s++)
        for (size_t i = 0; i < slabs[s]->n_floats; i++)
            slabs[s]->data[i] = value + (float)s + (float)i * 1e-4F;
}

static mnas_checkpoint of_recipe(const char *recipe) {
    mnas_checkpoint c = {.graph = graph,
                         .slabs = {{"model.", "", slabs[0], false},
                                   {"", ".trained", slabs[1], false},
                                   {"", ".momentum", slabs[2], true}},
                         .n_slabs = 3,
                         .n_facts = 2,
                         .progress = mnas_progress_begin()};
    c.facts[0].name = "recipe";
    mnas_str_append(&c.facts[0].text, recipe);
    c.facts[1].name = "seed";
    mnas_str_append(&c.facts[1].text, "7");
    return c;
}

static int setup(void **state) {
    (void)state;
    mnas_model model;
    mnas_model_defaults(&model);
    model.stem_filters = 4, model.classes = 3, model.input_size = 8, model.input_channels = 1;
    if (mnas_model_set_arch(&model, "r1_k3_s11_e1_i4_o8") < 0 || mnas_net_build(&graph, &model) < 0)
        return -1;
    for (int s = 0; s < 3; s++)
        if (mnas_weights_create(&slabs[s], graph) < 0) return -1;
    return mnas_file_mkdirs(MNAS_TEST_TMP);
}

static int teardown(void **state) {
    (void)state;
    for (int s = 0; s < 3; s++) mnas_weights_destroy(slabs[s]);
    mnas_graph_destroy(graph);
    return 0;
}

static void write_one(void) {
    mnas_checkpoint c = of_recipe("lr=0.1\nbatch=32");
    fill(1);
    c.progress.step = 1234;
    c.progress.loader_step = INT64_C(1) << 40;
    c.progress.epoch_loss = 0.1 + 0.2;
    c.progress.best_accuracy = 1.0 / 3;
    c.progress.train_s = 1e-300;
    if (mnas_checkpoint_write(&c, PATH) < 0) fail_msg("%s", mnas_error_message());
    mnas_checkpoint_free(&c);
}

static void all_comes_back(void **state) {
    (void)state;
    mnas_checkpoint c = of_recipe("lr=0.1\nbatch=32");
    write_one();
    fill(-5);
    if (mnas_checkpoint_read(&c, PATH) < 0) fail_msg("%s", mnas_error_message());
    for (int s = 0; s < 3; s++) {
        for (int p = 0; p < graph->n_params; p++) {
            const mnas_param *param = &graph->params[p];
            const bool kept = s < 2 || param->trainable;
            for (size_t i = param->offset; i < param->offset + param->size; i++)
                assert_true(slabs[s]->data[i] == (kept ? 1.0F : -5.0F) + (float)s + (float)i * 1e-4F);
        }
    }
    assert_int_equal(c.progress.step, 1234);
    assert_int_equal(c.progress.loader_step, INT64_C(1) << 40);
    assert_true(c.progress.epoch_loss == 0.1 + 0.2 && c.progress.best_accuracy == 1.0 / 3);
    assert_true(c.progress.train_s == 1e-300 && c.progress.entry_loss == 0 && isnan(c.progress.val_loss));
    mnas_checkpoint_free(&c);
}

static void others_read_its_weights(void **state) {
    (void)state;
    write_one();
    fill(-5);
    if (mnas_weights_load(slabs[0], graph, PATH) < 0) fail_msg("%s", mnas_error_message());
    const mnas_param *last = &graph->params[graph->n_params - 1];
    assert_true(slabs[0]->data[last->offset] == 1.0F + (float)last->offset * 1e-4F);
}

static void expect_refused(mnas_checkpoint *c, int status, const char *said) {
    fill(-5);
    c->progress.step = 77;
    const int rc = mnas_checkpoint_read(c, PATH);
    if (rc != status || !strstr(mnas_error_message(), said) || !strstr(mnas_error_message(), PATH))
        fail_msg("status %d, wanted %d and \"%s\": %s", rc, status, said, mnas_error_message());
    assert_int_equal(c->progress.step, 77);
    assert_true(slabs[0]->data[0] == -5 && slabs[1]->data[0] == -4 && slabs[2]->data[0] == -3);
    mnas_checkpoint_free(c);
}

static void differences_are_named(void **state) {
    (void)state;
    mnas_checkpoint c = of_recipe("lr=0.2\nbatch=32");
    write_one();
    expect_refused(&c, MNAS_ERR_MISMATCH, "its recipe has \"lr=0.1\", this one's \"lr=0.2\"");
    c = of_recipe("lr=0.1\nbatch=32\nflip=true");
    expect_refused(&c, MNAS_ERR_MISMATCH, "its recipe has \"less\", this one's \"flip=true\"");
    c = of_recipe("lr=0.1");
    expect_refused(&c, MNAS_ERR_MISMATCH, "\"batch=32\", this one's \"less\"");
    c = of_recipe("lr=0.1\nbatch=32");
    mnas_str_append(&c.facts[1].text, "1");
    expect_refused(&c, MNAS_ERR_MISMATCH, "its seed has \"7\", this one's \"71\"");
}

/* One checkpoint written in place of another kind of it. */
static void what_is_missing_is_named(void **state) {
    (void)state;
    mnas_checkpoint c = of_recipe("lr=0.1\nbatch=32");
    c.n_slabs = 2;
    assert_int_equal(mnas_checkpoint_write(&c, PATH), 0);
    c.n_slabs = 3;
    expect_refused(&c, MNAS_ERR_FORMAT, "conv_stem.weight.momentum is missing");
    c = of_recipe("lr=0.1\nbatch=32");
    c.progress.epochs_done = -1;
    assert_int_equal(mnas_checkpoint_write(&c, PATH), 0);
    expect_refused(&c, MNAS_ERR_FORMAT, "epochs-done is \"-1\"");
    c = of_recipe("lr=0.1\nbatch=32");
    c.progress.epochs_done = MNAS_OPT_UNSET;
    assert_int_equal(mnas_checkpoint_write(&c, PATH), 0);
    expect_refused(&c, MNAS_ERR_FORMAT, "epochs-done is missing");
    c = of_recipe("lr=0.1\nbatch=32");
    c.n_facts = 1;
    assert_int_equal(mnas_checkpoint_write(&c, PATH), 0);
    c.n_facts = 2;
    expect_refused(&c, MNAS_ERR_FORMAT, "of which seed");
    c = of_recipe("lr=0.1\nbatch=32");
    assert_int_equal(mnas_weights_save(slabs[0], graph, PATH, NULL), 0);
    expect_refused(&c, MNAS_ERR_FORMAT, "no checkpoint");
}

/* Cut anywhere, it is refused. */
static void a_part_is_refused(void **state) {
    (void)state;
    char *bytes;
    size_t n;
    write_one();
    assert_int_equal(mnas_file_read(PATH, 1 << 24, &bytes, &n), 0);
    for (size_t part = 1; part < n; part += part < 64 ? 1 : n / 50) {
        mnas_checkpoint c = of_recipe("lr=0.1\nbatch=32");
        assert_int_equal(mnas_file_write_atomic(PATH, bytes, part), 0);
        expect_refused(&c, MNAS_ERR_FORMAT, "");
    }
    free(bytes);
}

static void the_best_has_its_name(void **state) {
    (void)state;
    char path[40];
    assert_int_equal(mnas_train_best_path(path, sizeof path, "run.ckpt"), 0);
    assert_string_equal(path, "run.best.safetensors");
    assert_int_equal(mnas_train_best_path(path, sizeof path, "a/run"), 0);
    assert_string_equal(path, "a/run.best.safetensors");
    assert_int_equal(mnas_train_best_path(path, sizeof path, ".ckpt"), 0);
    assert_string_equal(path, ".ckpt.best.safetensors");
    assert_int_equal(mnas_train_best_path(path, 20, "run.ckpt"), MNAS_ERR_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_comes_back),        cmocka_unit_test(others_read_its_weights),
        cmocka_unit_test(differences_are_named), cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_part_is_refused),     cmocka_unit_test(the_best_has_its_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
