/* test_cli_imagefolder.c - a folder of photos through the command line: described, proposed for, trained on, evaluated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/file.h"
#include "cli_fixture.h"
#include "mnas.h"

static char folder[600];

/* Class "deep": grey.png of 17x11, class "flat": large.jpg of 96x64; as two files of very different looks they are learnt at once. */
static void write_images(const char *class, const char *image, int n) {
    char path[900], *data;
    size_t n_bytes;
    snprintf(path, sizeof path, "%s/tests/unit/data/images/%s", MNAS_SOURCE_DIR, image);
    assert_int_equal(mnas_file_read(path, 1 << 20, &data, &n_bytes), 0);
    snprintf(path, sizeof path, "%s/photos/%s", folder, class);
    assert_int_equal(mnas_file_mkdirs(path), 0);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/photos/%s/%03d", folder, class, i);
        assert_int_equal(mnas_file_write_atomic(path, data, n_bytes), 0);
    }
    free(data);
}

static int make_folder(void **state) {
    (void)state;
    char path[900];
    snprintf(folder, sizeof folder, "%s/imagefolder-%d", MNAS_TEST_TMP, (int)getpid());
    snprintf(path, sizeof path, "%s/cache", folder);
    assert_int_equal(mnas_file_mkdirs(path), 0);
    setenv("MNAS_CACHE_DIR", path, 1);
    setenv("OMP_NUM_THREADS", "1", 1);
    write_images("deep", "grey.png", 90);
    write_images("flat", "large.jpg", 40);
    snprintf(path, sizeof path, "%s/photos/flat/broken.jpg", folder);
    return mnas_file_write_atomic(path, "broken", 6);
}

/* The spec, with a size that keeps the test quick. */
static const char *command(const char *before, const char *after) {
    static char line[4000];
    snprintf(line, sizeof line, "%s imagefolder:path=%s/photos,size=24%s", before, folder, after);
    return line;
}

static outcome run_well(const char *line) {
    outcome o = run(line);
    if (o.exit_code != 0) fail_msg("mnas %s\nexit %d: %s", line, o.exit_code, o.err);
    return o;
}

static void it_is_described(void **state) {
    (void)state;
    outcome o = run_well(command("datasets", ""));
    assert_non_null(strstr(text_of(&o), "unbalanced: class 0 (deep)"));
    assert_non_null(strstr(text_of(&o), "flat/broken.jpg: neither JPEG nor PNG"));
    mnas_str_free(&o.out);
    json_t *json = run_json(command("datasets --json", ""));
    assert_true(json_is_true(json_object_get(json, "unbalanced")));
    assert_int_equal(integer(json, "n_skipped"), 1);
    int64_t n = 0;
    static const char *const keys[] = {"n_train", "n_val", "n_test"};
    for (int i = 0; i < 3; i++) n += integer(json, keys[i]);
    assert_in_range(n, 130, 131); /* the broken one may have been drawn for test, where nobody looked */
    json_decref(json);
}

static void it_is_trained_on(void **state) {
    (void)state;
    /* few layers: after a few steps at this learning rate batch-norm's moving statistics are those of earlier weights, which
     * in the deep networks of the zoo multiplies up to a loss of 1e7 or nan (and 18 with recalibrate=7) */
    static const char tiny[] =
        "name: tiny\ninput: 24\nchannels: 3\nclasses: 2\nstem: 8\nstem-stride: 2\nhead: 0\n"
        "blocks: [r1_k3_s22_e2_i8_o16_se0.25]\n";
    char weights[700], more[900], model[700], before[900];
    snprintf(model, sizeof model, "%s/tiny.yaml", folder);
    assert_int_equal(mnas_file_write_atomic(model, tiny, sizeof tiny - 1), 0);
    snprintf(weights, sizeof weights, "%s/weights.safetensors", folder);
    snprintf(more, sizeof more, " --epochs 2 --batch 8 --recipe proxy --json -o %s", weights);
    snprintf(before, sizeof before, "train %s --data", model);
    json_t *json = run_json(command(before, more));
    assert_true(json_number_value(json_object_get(json, "val_accuracy_frac")) > 0.5);
    assert_true(json_is_number(json_object_get(json, "val_balanced_frac")));
    json_decref(json);
    snprintf(more, sizeof more, " --split test --json --weights %s", weights);
    snprintf(before, sizeof before, "eval %s --data", model);
    json = run_json(command(before, more));
    assert_true(json_is_number(json_object_get(json, "balanced_frac")));
    json_decref(json);
}

static void a_space_is_suggested(void **state) {
    (void)state;
    char more[900];
    snprintf(more, sizeof more, " --json -o %s/space.yaml", folder);
    json_t *json = run_json(command("space suggest --data", more));
    assert_int_equal(integer(json, "input_size"), 24);
    assert_string_equal(json_string_value(json_object_get(json, "base")), "mnasnet-32");
    assert_non_null(strstr(json_string_value(json_object_get(json, "command")), "mnas search --space "));
    json_decref(json);
    snprintf(more, sizeof more, "space %s/space.yaml --json", folder);
    outcome o = run_well(more);
    mnas_str_free(&o.out);
    check_refused("space suggest", 2, "--data is missing");
    check_refused("space mnasnet-28 --data fashion-mnist", 2, "suggest");
    size_t n;
    const char *const *names = mnas_space_builtins(&n);
    for (size_t i = 0; i < n; i++) assert_string_not_equal(names[i], "suggest");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_described),
        cmocka_unit_test(it_is_trained_on),
        cmocka_unit_test(a_space_is_suggested),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
