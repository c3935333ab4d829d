/* test_json.c - reals as short as they can be: each reads back the same, and texts are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"

static void check(const char *text, const char *wanted) {
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    mnas_json_shorten(copy);
    assert_string_equal(copy, wanted);
}

static void test_reals_are_short(void **state) {
    (void)state;
    check("{\"reward\":0.83999999999999997,\"n\":12}", "{\"reward\":0.84,\"n\":12}");
    check("[3.0,-2.5000000000000000,100000000000000000000.0]", "[3.0,-2.5,1e+20]");
    check("[1e300,5e-324,true,false,null]", "[1e300,5e-324,true,false,null]");
    check("[12345678901234567890,0.1]", "[12345678901234567890,0.1]");
    check("", "");
}

static void test_texts_are_left_alone(void **state) {
    (void)state;
    check("{\"0.10000000000000001\":\"0.10000000000000001\"}",
          "{\"0.10000000000000001\":\"0.10000000000000001\"}");
    check("[\"a\\\"0.10000000000000001\",0.10000000000000001]", "[\"a\\\"0.10000000000000001\",0.1]");
    check("[\"\\\\\",0.10000000000000001]", "[\"\\\\\",0.1]");
}

static void test_they_read_back_the_same(void **state) {
    (void)state;
    mnas_rng rng = mnas_rng_stream(3, 0, "reals");
    for (int i = 0; i < 5000; i++) {
        json_t *value =
            json_pack("[f]", mnas_rng_normal(&rng) * pow(10, (double)mnas_rng_below(&rng, 40) - 20));
        char *text = mnas_json_dumps(value, JSON_COMPACT);
        const size_t n = strlen(text);
        mnas_json_shorten(text);
        assert_true(strlen(text) <= n);
        json_t *again = json_loads(text, 0, NULL);
        assert_true(json_equal(value, again));
        free(text);
        json_decref(value);
        json_decref(again);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reals_are_short),
                                       cmocka_unit_test(test_texts_are_left_alone),
                                       cmocka_unit_test(test_they_read_back_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
