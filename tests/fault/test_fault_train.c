/* test_fault_train.c - a training's checkpoint written and read, and a whole training with checkpoint, best weights and metrics, with
 * the n-th allocation, write, sync, rename, ... failing, and on a disk of N bytes: the old checkpoint stands until the new one is whole,
 * training goes on without it, and the same command ends with what an undisturbed training gives. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "../e2e/tiny_images.h"
#include "blocks/net.h"
#include "fault_loop.h"
#include "mnas.h"
#include "train/checkpoint.h"

static char dir[400], checkpoint_path[512], best_path[512], weights_path[512], metrics_path[512], data[600];
static mnas_graph *graph;
static mnas_weights *weights, *momentum;

static const char *const kinds[] = {"malloc", "write", "sync", "open", "read", "map", "rename", "unlink"};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* ---- the file ---- */

static mnas_checkpoint one_at(int64_t step) {
    mnas_checkpoint c = {.graph = graph,
                         .slabs = {{"model.", "", weights, false}, {"", ".momentum", momentum, true}},
                         .n_slabs = 2,
                         .n_facts = 1,
                         .progress = mnas_progress_begin()};
    c.facts[0].name = "seed";
    mnas_str_append(&c.facts[0].text, "1");
    c.progress.step = step;
    return c;
}

static void fill(float value) {
    for (size_t i = 0; i < weights->n_floats; i++) weights->data[i] = momentum->data[i] = value;
}

static int write_step(int64_t step) {
    mnas_checkpoint c = one_at(step);
    fill((float)step);
    int rc = mnas_str_ok(&c.facts[0].text) ? mnas_checkpoint_write(&c, checkpoint_path) : MNAS_ERR_MEMORY;
    mnas_checkpoint_free(&c);
    return rc;
}

static int write_new(void) {
    return write_step(2);
}

static int read_any(void) {
    mnas_checkpoint c = one_at(0);
    fill(0);
    int rc = mnas_str_ok(&c.facts[0].text) ? mnas_checkpoint_read(&c, checkpoint_path) : MNAS_ERR_MEMORY;
    if (rc == 0)
        assert_true(weights->data[0] == (float)c.progress.step && momentum->data[0] == weights->data[0]);
    if (rc < 0) assert_true(weights->data[0] == 0 && momentum->data[0] == 0);
    mnas_checkpoint_free(&c);
    return rc;
}

static void put_old(void) {
    assert_int_equal(write_step(1), 0);
}

static void expect_step(float step) {
    if (read_any() < 0) fail_msg("%s", mnas_error_message());
    assert_true(weights->data[0] == step);
}
static void expect_old(void) {
    expect_step(1);
}
static void expect_new(void) {
    expect_step(2);
}

static const char *const words[] = {dir, "ut of memory", "cannot be described", NULL};

static void test_file(void **state) {
    (void)state;
    const fault_case writing = {"write a checkpoint", dir,        put_old, write_new,
                                expect_new,           expect_old, words,   0};
    const fault_case reading = {"read a checkpoint", dir, NULL, read_any, expect_new, expect_new, words, 0};
    for (int i = 0; i < N_KINDS; i++) fault_loop(&writing, kinds[i]);
    assert_int_equal(write_new(), 0);
    for (int i = 0; i < N_KINDS; i++) fault_loop(&reading, kinds[i]);
}

static void test_file_on_a_full_disk(void **state) {
    (void)state;
    const fault_case writing = {"write a checkpoint", dir,        put_old, write_new,
                                expect_new,           expect_old, words,   0};
    for (long room = 0;; room += 1 + room / 2) {
        char spec[64];
        snprintf(spec, sizeof spec, "disk:%ld", room);
        put_old();
        fault_arm(spec);
        const int rc = write_new();
        if (!fault_disarm()) break;
        assert_int_equal(rc, MNAS_ERR_FULL);
        assert_non_null(strstr(mnas_error_message(), checkpoint_path));
        expect_old();
        fault_once(&writing, spec);
    }
}

/* ---- a training ---- */

typedef struct bytes {
    char *data;
    size_t n;
} bytes;
static bytes undisturbed;
static int undisturbed_lines;

static bytes contents(const char *path) {
    bytes b;
    if (mnas_file_read(path, 1 << 26, &b.data, &b.n) < 0) fail_msg("%s", mnas_error_message());
    return b;
}

static int train(void) {
    mnas_model model;
    mnas_train_result result;
    mnas_train_options options = {.data = data,
                                  .recipe = "imagenet-mnasnet:batch=16,group=8,epochs=2.5,ema-decay=0.9",
                                  .epochs = (double)NAN,
                                  .threads = 1,
                                  .seed = 3,
                                  .output = weights_path,
                                  .checkpoint = checkpoint_path,
                                  .metrics = metrics_path,
                                  .metrics_steps = 1};
    mnas_model_defaults(&model);
    model.stem_filters = 4;
    int rc = mnas_model_set_arch(&model, "r1_k3_s22_e1_i4_o8");
    return rc < 0 ? rc : mnas_train(&result, &model, &options);
}

static void forget(void) {
    unlink(checkpoint_path);
    unlink(best_path);
    unlink(weights_path);
    unlink(metrics_path);
}

static int count_lines(const bytes *b) {
    int n = 0;
    for (size_t i = 0; i < b->n; i++) n += b->data[i] == '\n';
    return n;
}

/* The weights of an undisturbed training; the checkpoint is whole, though not always the last. */
static void expect_undisturbed(void) {
    const bytes now = contents(weights_path), lines = contents(metrics_path);
    assert_int_equal(now.n, undisturbed.n);
    assert_memory_equal(now.data, undisturbed.data, now.n);
    assert_int_equal(count_lines(&lines), undisturbed_lines);
    free(now.data);
    free(lines.data);
    if (train() < 0) fail_msg("%s", mnas_error_message()); /* goes on from wherever it is */
    const bytes again = contents(weights_path);
    assert_int_equal(again.n, undisturbed.n);
    assert_memory_equal(again.data, undisturbed.data, again.n);
    free(again.data);
}

/* n doubles: the loops over every call are those of the file. */
static void test_training(void **state) {
    (void)state;
    static const char *const failing[] = {"write", "sync", "rename", "open"};
    const fault_case training = {"train", dir, forget, train, expect_undisturbed, NULL, words, 0};
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++) {
        char spec[64];
        long n = 1;
        do {
            snprintf(spec, sizeof spec, "%s:%ld", failing[i], n);
            n *= 2;
        } while (fault_once(&training, spec));
        assert_true(n > 16);
    }
}

/* Room for so much, then none, then room again. */
static void test_training_on_a_full_disk(void **state) {
    (void)state;
    int n_went_on = 0, n_failed = 0;
    for (long room = 0;; room = 2 * room + 1000) {
        char spec[64];
        snprintf(spec, sizeof spec, "disk:%ld", room);
        forget();
        fault_arm(spec);
        const int rc = train();
        if (!fault_disarm()) break;
        if (rc < 0 && !fault_has_word(mnas_error_message(), words)) fail_msg("%s", mnas_error_message());
        n_went_on += rc == 0;
        n_failed += rc < 0;
        if (rc < 0 && train() < 0) fail_msg("%s: %s", spec, mnas_error_message());
        const bytes now = contents(weights_path);
        assert_int_equal(now.n, undisturbed.n);
        assert_memory_equal(now.data, undisturbed.data, now.n);
        free(now.data);
    }
    print_message("a full disk: %d trainings went on, %d ended with a message\n", n_went_on, n_failed);
}

static int setup(void **state) {
    (void)state;
    mnas_model model;
    snprintf(dir, sizeof dir, "%s/fault-train-%d", MNAS_TEST_TMP, (int)getpid());
    snprintf(checkpoint_path, sizeof checkpoint_path, "%s/run.ckpt", dir);
    snprintf(best_path, sizeof best_path, "%s/run.best.safetensors", dir);
    snprintf(weights_path, sizeof weights_path, "%s/net.safetensors", dir);
    snprintf(metrics_path, sizeof metrics_path, "%s/metrics.jsonl", dir);
    snprintf(data, sizeof data, "idx:path=%s,val=8", dir);
    if (mnas_file_mkdirs(dir) < 0) return -1;
    setenv("MNAS_CACHE_DIR", dir, 1);
    setenv("MNAS_LOG", "error", 1);
    tiny_images_write(dir, "train", 48);
    tiny_images_write(dir, "t10k", 8);
    mnas_model_defaults(&model);
    model.stem_filters = 2, model.input_size = 8, model.classes = 2;
    if (mnas_model_set_arch(&model, "r1_k3_s11_e1_i2_o2") < 0 || mnas_net_build(&graph, &model) < 0)
        return -1;
    if (mnas_weights_create(&weights, graph) < 0 || mnas_weights_create(&momentum, graph) < 0) return -1;
    if (train() < 0) fail_msg("%s", mnas_error_message());
    undisturbed = contents(weights_path);
    const bytes lines = contents(metrics_path);
    undisturbed_lines = count_lines(&lines);
    free(lines.data);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    free(undisturbed.data);
    mnas_weights_destroy(weights);
    mnas_weights_destroy(momentum);
    mnas_graph_destroy(graph);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file), cmocka_unit_test(test_file_on_a_full_disk),
        cmocka_unit_test(test_training), cmocka_unit_test(test_training_on_a_full_disk)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
