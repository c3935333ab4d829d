/* test_error.c - messages survive their own use as an argument, are cut at 1023 bytes, and belong to one thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"

static void context_goes_in_front(void **state) {
    (void)state;
    assert_int_equal(mnas_error_set(MNAS_ERR_FORMAT, "line %d is bad", 3), MNAS_ERR_FORMAT);
    assert_int_equal(mnas_error_context(MNAS_ERR_FORMAT, "%s", "a.yaml"), MNAS_ERR_FORMAT);
    assert_string_equal(mnas_error_message(), "a.yaml: line 3 is bad");
    mnas_error_context(MNAS_ERR_IO, "copy of \"%s\"", mnas_error_message());
    assert_string_equal(mnas_error_message(), "copy of \"a.yaml: line 3 is bad\": a.yaml: line 3 is bad");
}

static void long_messages_are_cut(void **state) {
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    mnas_error_set(MNAS_ERR_ARG, "%s", text);
    assert_int_equal(strlen(mnas_error_message()), 1023);
    mnas_error_context(MNAS_ERR_ARG, "front");
    assert_int_equal(strlen(mnas_error_message()), 1023);
    assert_memory_equal(mnas_error_message(), "front: xxx", 10);
}

static void errno_decides_the_status(void **state) {
    (void)state;
    errno = ENOSPC;
    assert_int_equal(mnas_error_errno("write %s", "f"), MNAS_ERR_FULL);
    assert_string_equal(mnas_error_message(), "write f: No space left on device");
    errno = ENOMEM;
    assert_int_equal(mnas_error_errno("x"), MNAS_ERR_MEMORY);
    errno = EACCES;
    assert_int_equal(mnas_error_errno("x"), MNAS_ERR_IO);
}

static void *message_of_new_thread(void *seen) {
    *(size_t *)seen = strlen(mnas_error_message());
    mnas_error_set(MNAS_ERR_ARG, "other");
    return NULL;
}

static void threads_do_not_share(void **state) {
    (void)state;
    pthread_t thread;
    size_t seen = 99;
    mnas_error_set(MNAS_ERR_ARG, "mine");
    assert_int_equal(pthread_create(&thread, NULL, message_of_new_thread, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen, 0);
    assert_string_equal(mnas_error_message(), "mine");
}

static void statuses_have_names(void **state) {
    (void)state;
    assert_string_equal(mnas_status_name(MNAS_OK), "ok");
    assert_string_equal(mnas_status_name(MNAS_ERR_EXHAUSTED), "exhausted");
    assert_string_equal(mnas_status_text(MNAS_ERR_ARG), "wrong argument");
    assert_string_equal(mnas_status_name(-1000), "unknown");
    assert_string_equal(mnas_status_name(7), "unknown");
    const char *a = mnas_status_name(MNAS_ERR_NAN), *b = mnas_status_name(MNAS_ERR_FULL);
    assert_string_equal(a, "nan"); /* a second call leaves the first result alone */
    assert_string_equal(b, "full");
    assert_non_null(strchr(mnas_version(), '.'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_goes_in_front),    cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(errno_decides_the_status), cmocka_unit_test(threads_do_not_share),
        cmocka_unit_test(statuses_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
