/* cmocka.h - as much of cmocka as tests/ops/test_isa.c uses, for processors whose cmocka is not installed. The first failure
 * ends the program. */
#ifndef MNAS_TESTS_NO_CMOCKA_H
#define MNAS_TESTS_NO_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define fail_msg(...)      (fprintf(stderr, "ERROR: " __VA_ARGS__), fputc('\n', stderr), exit(1))
#define print_message(...) printf(__VA_ARGS__)
#define assert_true(x)     ((x) ? (void)0 : fail_msg("%s, line %d", #x, __LINE__))
#define cmocka_unit_test(check)                                                                              \
    { #check, check }
#define cmocka_run_group_tests(tests, setup, teardown) run_group(tests, sizeof(tests) / sizeof *(tests))

static inline int run_group(const struct CMUnitTest *tests, size_t n) {
    for (size_t i = 0; i < n; i++) {
        void *state = NULL;
        tests[i].run(&state);
        printf("ok %s\n", tests[i].name);
    }
    return 0;
}

#endif
