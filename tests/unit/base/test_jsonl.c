/* test_jsonl.c - lines come back as they were appended; a stump of a killed writer costs nothing but itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/jsonl.h"

enum { MAX_BYTES = 4096 };
static char path[512];

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "%s/lines.%ld.jsonl", MNAS_TEST_TMP, (long)getpid());
    return mnas_file_mkdirs(MNAS_TEST_TMP);
}

static int tear_down(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

static void append_bytes(const char *text) {
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Adds up "n"; a line whose n is negative is refused. */
static int add_up(void *user, const json_t *object, int line) {
    const json_int_t n = json_integer_value(json_object_get(object, "n"));
    (void)line;
    if (n < 0) return mnas_error_set(MNAS_ERR_FORMAT, "n is below 0");
    *(json_int_t *)user += n;
    return 0;
}

static int sum_lines(json_int_t *sum, bool mend) {
    *sum = 0;
    return mnas_jsonl_read(path, MAX_BYTES, mend, add_up, sum);
}

static int append(int n) {
    return mnas_jsonl_append(path, json_pack("{s:i}", "n", n));
}

static void test_lines_come_back(void **state) {
    (void)state;
    json_int_t sum;
    assert_int_equal(append(1), 0);
    append_bytes("\n");
    assert_int_equal(append(20), 0);
    assert_int_equal(sum_lines(&sum, false), 0);
    assert_int_equal(sum, 21);
}

static void test_a_stump_is_passed_over_or_taken_off(void **state) {
    (void)state;
    json_int_t sum;
    assert_int_equal(append(1), 0);
    append_bytes("{\"n\": 7");
    assert_int_equal(sum_lines(&sum, false), 0);
    assert_int_equal(sum, 1);
    assert_int_equal(append(2), MNAS_ERR_FORMAT);
    assert_int_equal(sum_lines(&sum, true), 0);
    assert_int_equal(append(2), 0);
    assert_int_equal(sum_lines(&sum, false), 0);
    assert_int_equal(sum, 3);
}

static void test_lies_are_named(void **state) {
    (void)state;
    static const char *const lies[] = {"no\n", "{\"n\": 1, \"n\": 2}\n", "{\"n\": -1}\n", "[\n"};
    json_int_t sum;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        assert_int_equal(append(1), 0);
        append_bytes(lies[i]);
        assert_int_equal(sum_lines(&sum, false), MNAS_ERR_FORMAT);
        assert_non_null(strstr(mnas_error_message(), ".jsonl:2: "));
        unlink(path);
    }
}

static void test_where_it_cannot_write(void **state) {
    (void)state;
    assert_int_equal(mnas_jsonl_append("/dev/full", json_object()), MNAS_ERR_FULL);
    assert_int_equal(mnas_jsonl_append("/nonexistent/lines", json_object()), MNAS_ERR_IO);
    assert_int_equal(mnas_jsonl_append(path, NULL), MNAS_ERR_MEMORY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_lines_come_back),
                                       TEST(test_a_stump_is_passed_over_or_taken_off),
                                       TEST(test_lies_are_named), TEST(test_where_it_cannot_write)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
