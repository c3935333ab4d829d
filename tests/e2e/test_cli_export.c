/* test_cli_export.c - `mnas export` as users call it: what it writes, what it says of random weights, and what it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "cli_fixture.h"

#define TMP MNAS_TEST_TMP "/export"

static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *name, *begins;
        size_t at;
    } files[] = {{"net.onnx", "\x08\x07", 0}, {"net.tflite", "TFL3", 4}, {"net.yaml", "#", 0}};
    for (int i = 0; i < 3; i++) {
        char line[600], path[300], *bytes;
        size_t n;
        snprintf(path, sizeof path, TMP "/%s", files[i].name);
        remove(path);
        snprintf(line, sizeof line, "export mnasnet-small --input 32 --classes 10 -o %s", path);
        outcome o = run(line);
        if (o.exit_code != 0) fail_msg("%s", o.err);
        assert_non_null(strstr(text_of(&o), "10 classes; random weights"));
        assert_non_null(strstr(o.err, "random: enough to time it"));
        assert_int_equal(mnas_file_read(path, (size_t)1 << 28, &bytes, &n), 0);
        assert_true(n > 100 && memcmp(bytes + files[i].at, files[i].begins, strlen(files[i].begins)) == 0);
        free(bytes);
        mnas_str_free(&o.out);
    }
}

static void test_json(void **state) {
    (void)state;
    json_t *j = run_json("export mnasnet-small --input 32 --format onnx:batch=any --json -o " TMP "/any");
    assert_int_equal(integer(j, "input"), 32);
    assert_int_equal(integer(j, "channels"), 3);
    assert_int_equal(integer(j, "classes"), 1000);
    assert_true(integer(j, "bytes") > 1000000);
    assert_string_equal(json_string_value(json_object_get(j, "weights")), "random");
    json_decref(j);
}

static void test_refusals(void **state) {
    (void)state;
    check_refused("export mnasnet-small", 2, "output");
    check_refused("export mnasnet-small -o " TMP "/bad.pb", 2, ".tflite");
    check_refused("export mnasnet-smal -o " TMP "/bad.onnx", 2, "mnasnet-small");
    check_refused("export mnasnet-small --format onx -o " TMP "/bad.onnx", 2, "onnx");
    check_refused("export mnasnet-small --weights w --classes 5 -o " TMP "/bad.onnx", 2, "classes");
    check_refused("export mnasnet-small --input 9000 -o " TMP "/bad.onnx", 2, "8192");
    check_refused("export mnasnet-small --weights " TMP "/none.safetensors -o " TMP "/bad.onnx", 1,
                  "none.safetensors");
    assert_false(mnas_file_exists(TMP "/bad.onnx") || mnas_file_exists(TMP "/bad.pb"));
}

static int make_folder(void **state) {
    (void)state;
    return mnas_file_mkdirs(TMP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
