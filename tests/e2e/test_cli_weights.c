/* test_cli_weights.c - files of weights on the command line: what eval writes of each image, fine-tuning to other classes, and
 * files that do not fit. That timm's own files give timm's logits is tests/optional/test_timm.sh's business. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "base/file.h"
#include "base/rng.h"
#include "cli_fixture.h"
#include "model/safetensors.h"

#define FOLDER  MNAS_TEST_TMP "/cli_weights"
#define DATA    "idx:path=" FOLDER ",val=40"
#define WEIGHTS FOLDER "/three.safetensors"
#define OTHER   FOLDER "/other.safetensors"
#define LOGITS  FOLDER "/logits.safetensors"
#define TRAIN   "train mnasnet-small@timm --data " DATA " --epochs 1 --batch 16 --threads 1 -o "
#define EVAL    "eval mnasnet-small@timm --data " DATA " --threads 1 --weights "

enum { SIDE = 8, N_TRAIN = 120, N_TEST = 30, CLASSES = 3 };

static void write_split(const char *prefix, int n, uint64_t seed) {
    static uint8_t images[16 + N_TRAIN * SIDE * SIDE], labels[8 + N_TRAIN];
    char path[1024];
    mnas_rng rng = mnas_rng_stream(seed, 0, "test");
    memcpy(images, (uint8_t[16]){0, 0, 8, 3, 0, 0, 0, (uint8_t)n, 0, 0, 0, SIDE, 0, 0, 0, SIDE}, 16);
    memcpy(labels, (uint8_t[8]){0, 0, 8, 1, 0, 0, 0, (uint8_t)n}, 8);
    for (int i = 0; i < n; i++) labels[8 + i] = (uint8_t)(i % CLASSES);
    for (int i = 0; i < n * SIDE * SIDE; i++) images[16 + i] = (uint8_t)mnas_rng_below(&rng, 256);
    snprintf(path, sizeof path, FOLDER "/%s-images-idx3-ubyte", prefix);
    assert_int_equal(mnas_file_write_atomic(path, images, (size_t)(16 + n * SIDE * SIDE)), 0);
    snprintf(path, sizeof path, FOLDER "/%s-labels-idx1-ubyte", prefix);
    assert_int_equal(mnas_file_write_atomic(path, labels, (size_t)(8 + n)), 0);
}

/* `line` succeeds; *said is what it told on stderr. */
static void succeed(const char *line, char said[8192]) {
    outcome o = run(line);
    if (o.exit_code != 0) fail_msg("mnas %s: exit %d, %s", line, o.exit_code, o.err);
    snprintf(said, 8192, "%s", o.err);
    mnas_str_free(&o.out);
}

static int setup(void **state) {
    (void)state;
    char said[8192];
    setenv("MNAS_CACHE_DIR", FOLDER "/cache", 1);
    assert_int_equal(mnas_file_mkdirs(FOLDER), 0);
    write_split("train", N_TRAIN, 1);
    write_split("t10k", N_TEST, 2);
    succeed(TRAIN WEIGHTS, said);
    assert_null(strstr(said, "afresh"));
    return 0;
}

/* The test images stand in the file as they do in the dataset, and its logits have the accuracy that eval prints. */
static void eval_writes_what_it_saw(void **state) {
    (void)state;
    char *bytes;
    size_t n_bytes;
    mnas_safetensors *file;
    json_t *printed = run_json(EVAL WEIGHTS " --split test --json --logits " LOGITS);
    assert_int_equal(integer(printed, "n"), N_TEST);
    assert_int_equal(mnas_file_read(LOGITS, 1 << 20, &bytes, &n_bytes), 0);
    assert_int_equal(mnas_safetensors_parse(&file, (uint8_t *)bytes, n_bytes), 0);
    const mnas_tensor *labels = mnas_safetensors_find(file, "labels");
    const mnas_tensor *logits = mnas_safetensors_find(file, "logits");
    assert_string_equal(labels->dtype, "I64");
    assert_string_equal(logits->dtype, "F32");
    assert_true(labels->n_dims == 1 && labels->dims[0] == N_TEST);
    assert_true(logits->n_dims == 2 && logits->dims[0] == N_TEST && logits->dims[1] == CLASSES);
    int n_right = 0;
    for (size_t i = 0; i < N_TEST; i++) {
        int64_t label;
        float row[CLASSES];
        memcpy(&label, mnas_safetensors_data(file, labels) + i * sizeof label, sizeof label);
        memcpy(row, mnas_safetensors_data(file, logits) + i * sizeof row, sizeof row);
        assert_int_equal(label, i % CLASSES);
        bool right = true;
        for (int k = 0; k < CLASSES; k++) right = right && row[k] <= row[label];
        n_right += right;
    }
    const double top1 = json_number_value(json_object_get(printed, "top1_frac"));
    assert_true(fabs(top1 - (double)n_right / N_TEST) < 1e-9);
    mnas_safetensors_free(file);
    free(bytes);
    json_decref(printed);
}

static void fine_tuning(void **state) {
    (void)state;
    char said[8192];
    succeed(TRAIN OTHER " --weights " WEIGHTS, said);
    assert_null(strstr(said, "afresh")); /* as many classes: all is taken */
    succeed(TRAIN OTHER " --classes 3 --weights " WEIGHTS, said);
    assert_non_null(strstr(said, "classifier's, which begins afresh, for 3 classes"));
    succeed(TRAIN OTHER " --classes 7 --weights " WEIGHTS, said);
    assert_non_null(strstr(said, "for 7 classes"));
    check_refused(
        EVAL OTHER, 1,
        "2 tensors do not fit this network: classifier.weight is F32 [7, 1280], expected F32 [3, 1280]");
    succeed(EVAL OTHER " --classes 7", said);
    succeed(TRAIN OTHER " --weights " OTHER, said); /* the dataset has 3 */
    assert_non_null(strstr(said, "for 3 classes"));
    succeed(EVAL OTHER, said);
}

/* What was learnt is still there: without a step, the body's tensors are the file's. */
static void the_body_is_taken(void **state) {
    (void)state;
    char said[8192], *a, *b;
    size_t n_a, n_b;
    mnas_safetensors *from, *to;
    succeed(TRAIN OTHER " --recipe proxy:lr=1e-9,weight-decay=0,recalibrate=0 --classes 5 --weights " WEIGHTS,
            said);
    assert_int_equal(mnas_file_read(WEIGHTS, 64 << 20, &a, &n_a), 0);
    assert_int_equal(mnas_file_read(OTHER, 64 << 20, &b, &n_b), 0);
    assert_int_equal(mnas_safetensors_parse(&from, (uint8_t *)a, n_a), 0);
    assert_int_equal(mnas_safetensors_parse(&to, (uint8_t *)b, n_b), 0);
    const mnas_tensor *x = mnas_safetensors_find(from, "blocks.3.1.conv_pwl.weight");
    const mnas_tensor *y = mnas_safetensors_find(to, "blocks.3.1.conv_pwl.weight");
    assert_true(x->end - x->begin == y->end - y->begin && x->end > x->begin);
    for (size_t i = 0; i < x->end - x->begin; i += sizeof(float)) {
        float one, other;
        memcpy(&one, mnas_safetensors_data(from, x) + i, sizeof one);
        memcpy(&other, mnas_safetensors_data(to, y) + i, sizeof other);
        assert_true(fabsf(one - other) < 1e-4f);
    }
    mnas_safetensors_free(from);
    mnas_safetensors_free(to);
    free(a);
    free(b);
}

static void refusals(void **state) {
    (void)state;
    check_refused(EVAL WEIGHTS " --classes 2", 2, "classes is 2; allowed: from the dataset's 3 to ");
    check_refused(TRAIN OTHER " --classes 2", 2, "classes is 2; allowed: from the dataset's 3 to ");
    check_refused(EVAL WEIGHTS " --logits " WEIGHTS, 2, "would overwrite the weights");
    check_refused(EVAL WEIGHTS " --logits " FOLDER "/no-such/x", 1, "no-such");
    check_refused("eval mnasnet-a1@timm --data " DATA " --weights " WEIGHTS, 1,
                  "tensors do not fit this network");
    check_refused("train mnasnet-b1 --data " DATA " --weights " WEIGHTS " -o " OTHER, 1,
                  "expected none of this name");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eval_writes_what_it_saw),
        cmocka_unit_test(fine_tuning),
        cmocka_unit_test(the_body_is_taken),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
