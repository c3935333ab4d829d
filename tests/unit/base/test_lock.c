/* test_lock.c - one at a time, by whatever name; what is let go is free. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"

#define DIR MNAS_TEST_TMP "/lock"

static void one_at_a_time(void **state) {
    (void)state;
    int first, second;
    assert_int_equal(mnas_file_mkdirs(DIR), 0);
    assert_int_equal(mnas_file_write_atomic(DIR "/a", "x", 1), 0);
    unlink(DIR "/link");
    assert_int_equal(symlink("a", DIR "/link"), 0);
    assert_false(mnas_lock_is_held(DIR "/a"));
    assert_int_equal(mnas_lock_take(&first, DIR "/a", "busy"), 0);
    assert_true(mnas_lock_is_held(DIR "/a"));
    assert_int_equal(mnas_lock_take(&second, DIR "/link", "somebody is at it"), MNAS_ERR_BUSY);
    assert_string_equal(mnas_error_message(), DIR "/link: somebody is at it");
    assert_int_equal(second, -1);
    assert_int_equal(mnas_lock_try(&second, DIR "/a", "taken"), MNAS_ERR_BUSY);
    assert_string_equal(mnas_error_message(), DIR "/a: taken");
    close(first);
    assert_int_equal(mnas_lock_try(&first, DIR "/a", "taken"), 0);
    close(first);
    assert_false(mnas_lock_is_held(DIR "/a"));
    assert_int_equal(mnas_lock_take(&second, DIR "/link", "busy"), 0); /* the file that was left */
    close(second);
    assert_int_equal(mnas_lock_take(&first, DIR "/absent/a", "busy"), MNAS_ERR_IO);
    assert_non_null(strstr(mnas_error_message(), "absent"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_at_a_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
