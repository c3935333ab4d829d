/* test_arena.c - alignment, zeroing and distinct objects across chunk borders. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/arena.h"
#include "base/error.h"

static void objects_are_aligned_zeroed_and_apart(void **state) {
    (void)state;
    enum { N = 2000 };
    static unsigned char *p[N];
    mnas_arena *arena = mnas_arena_create();
    assert_non_null(arena);
    for (size_t i = 0; i < N; i++) {
        size_t n = i * 37 % 1500 + (i == 1000 ? 300000 : 0);
        p[i] = mnas_arena_alloc(arena, n + 1);
        assert_int_equal((uintptr_t)p[i] % 64, 0);
        for (size_t k = 0; k <= n; k++) assert_int_equal(p[i][k], 0);
        memset(p[i], (int)(i % 251 + 1), n + 1);
    }
    for (size_t i = 0; i < N; i++) { /* nobody wrote over a neighbour */
        size_t n = i * 37 % 1500 + (i == 1000 ? 300000 : 0);
        assert_int_equal(p[i][0], i % 251 + 1);
        assert_int_equal(p[i][n], i % 251 + 1);
    }
    mnas_arena_destroy(arena);
}

static void nothing_still_has_an_address(void **state) {
    (void)state;
    mnas_arena *arena = mnas_arena_create();
    void *a = mnas_arena_alloc(arena, 0), *b = mnas_arena_alloc(arena, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    mnas_arena_destroy(arena);
    mnas_arena_destroy(NULL);
}

static void too_much_is_an_error(void **state) {
    (void)state;
    mnas_arena *arena = mnas_arena_create();
    mnas_error_set(MNAS_ERR_ARG, "earlier");
    assert_null(mnas_arena_alloc(arena, SIZE_MAX));
    assert_null(mnas_arena_alloc(arena, SIZE_MAX - 100));
    assert_non_null(strstr(mnas_error_message(), "out of memory"));
    assert_non_null(mnas_arena_alloc(arena, 10)); /* the arena is still good */
    mnas_arena_destroy(arena);
}

static void texts(void **state) {
    (void)state;
    mnas_arena *arena = mnas_arena_create();
    char *copy = mnas_arena_strdup(arena, "block");
    char *empty = mnas_arena_strdup(arena, "");
    assert_string_equal(empty, "");
    assert_string_equal(copy, "block");
    mnas_arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_aligned_zeroed_and_apart),
        cmocka_unit_test(nothing_still_has_an_address),
        cmocka_unit_test(too_much_is_an_error),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
