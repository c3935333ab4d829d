/* test_opts.c - option tables and specs: what is accepted, what is said about the rest, and the canonical form. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/registry.h"

typedef struct {
    char path[MNAS_OPT_STR], output[MNAS_OPT_STR];
    int64_t val, kind, extra;
    double rate, limit;
    bool shuffle;
} demo;

static const char *const kinds[] = {"slow", "fast", NULL};
static const mnas_opt table[] = {
    {"path", MNAS_OPT_STRING, offsetof(demo, path), NULL, 0, 0, "DIR", "folder of the files", NULL},
    {"val", MNAS_OPT_INT, offsetof(demo, val), "5000", 1, 1e6, "images", "held out", NULL},
    {"rate", MNAS_OPT_FLOAT, offsetof(demo, rate), "0.1", 0, INFINITY, NULL, "learning rate", NULL},
    {"limit", MNAS_OPT_FLOAT, offsetof(demo, limit), NULL, 0, 0, "ms", "no limit unless given", NULL},
    {"extra", MNAS_OPT_INT, offsetof(demo, extra), NULL, 0, 0, NULL, "unset unless given", NULL},
    {"shuffle", MNAS_OPT_BOOL, offsetof(demo, shuffle), "false", 0, 0, NULL, "mix", NULL},
    {"kind", MNAS_OPT_CHOICE, offsetof(demo, kind), "slow", 0, 0, NULL, "which", kinds},
    {"output", MNAS_OPT_STRING, offsetof(demo, output), "", 0, 0, "FILE", "result", NULL},
    MNAS_OPT_END,
};

static int parse(demo *d, const char *pairs) {
    return mnas_opts_parse_pairs(table, d, "dataset demo", pairs);
}

static void defaults(void **state) {
    (void)state;
    demo d;
    memset(&d, 0xAA, sizeof d);
    mnas_opts_defaults(table, &d);
    assert_string_equal(d.path, "");
    assert_int_equal(d.val, 5000);
    assert_true(d.rate == 0.1 && isnan(d.limit) && d.extra == MNAS_OPT_UNSET);
    assert_false(d.shuffle);
    assert_int_equal(d.kind, 0);
}

static void pairs_set_fields(void **state) {
    (void)state;
    demo d;
    assert_int_equal(parse(&d, "path=photos,val=12,rate=1e-3,limit=-2.5,shuffle,kind=fast,extra=-4"), 0);
    assert_string_equal(d.path, "photos");
    assert_true(d.val == 12 && d.rate == 1e-3 && d.limit == -2.5 && d.shuffle && d.kind == 1 &&
                d.extra == -4);
    assert_int_equal(parse(&d, "path=a=b,shuffle=no"), 0); /* only the first = divides */
    assert_string_equal(d.path, "a=b");
}

static void quotes_hold_commas(void **state) {
    (void)state;
    demo d;
    assert_int_equal(parse(&d, "path=\"a,b \"\"c\"\"\",val=7"), 0);
    assert_string_equal(d.path, "a,b \"c\"");
    assert_int_equal(d.val, 7);
    assert_int_equal(parse(&d, "path=x,output=\"\""), 0);
    assert_string_equal(d.output, "");
}

static void errors_say_what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *pairs, *words[3];
    } cases[] = {
        {"path=p,vak=3", {"dataset demo", "vak", "did you mean val?"}},
        {"path=p,zzzzzzzz=3", {"zzzzzzzz", "known: path, val", "output"}},
        {"path=p,val=0", {"val", "\"0\"", "1 to 1000000 images"}},
        {"path=p,val=1000001", {"val", "1000001", "1 to 1000000 images"}},
        {"path=p,val=12x", {"val", "12x", "images"}},
        {"path=p,val=", {"val", "\"\"", "1 to 1000000"}},
        {"path=p,val=99999999999999999999", {"val", "9999", "images"}},
        {"path=p,val", {"val", "needs a value", "images"}},
        {"path=p,rate=-0.1", {"rate", "-0.1", "0 or more"}},
        {"path=p,rate=nan", {"rate", "nan", "0 or more"}},
        {"path=p,limit=soon", {"limit", "soon", "number of ms"}},
        {"path=p,extra=1.5", {"extra", "1.5", "whole number"}},
        {"path=p,shuffle=maybe", {"shuffle", "maybe", "yes, no"}},
        {"path=p,kind=slw", {"kind", "slw", "slow, fast"}},
        {"path=p,", {"dataset demo", "last comma", ""}},
        {"path=p,,val=3", {"name is missing", "val=3", ""}},
        {"=3", {"name is missing", "=3", ""}},
        {"path=\"open", {"path", "quoted", ""}},
        {"path=\"a\"b", {"path", "quoted", ""}},
        {"val=3", {"path=DIR is required", "folder of the files", ""}},
        {NULL, {"path=DIR is required", "", ""}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        demo d;
        assert_int_equal(parse(&d, cases[i].pairs), MNAS_ERR_ARG);
        for (int w = 0; w < 3; w++) {
            if (!strstr(mnas_error_message(), cases[i].words[w])) {
                fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].pairs, mnas_error_message(), cases[i].words[w]);
            }
        }
    }
}

static void too_long_text_is_refused(void **state) {
    (void)state;
    demo d;
    char text[MNAS_OPT_STR + 1];
    memset(text, 'x', sizeof text);
    text[MNAS_OPT_STR] = '\0';
    mnas_opts_defaults(table, &d);
    assert_int_equal(mnas_opts_set(table, &d, "demo", "path", text), MNAS_ERR_ARG);
    assert_string_equal(d.path, ""); /* a failure leaves the old value */
    assert_int_equal(mnas_opts_set(table, &d, "demo", "path", text + 1), 0);
    assert_int_equal(strlen(d.path), MNAS_OPT_STR - 1);
}

static int parse_line(demo *d, int argc, const char *const *words, const char **left, int *n_left) {
    char *argv[16];
    for (int i = 0; i < argc; i++) argv[i] = (char *)(uintptr_t)words[i];
    mnas_opts_defaults(table, d);
    int rc = mnas_opts_parse_args(table, d, "train", argc, argv, n_left);
    for (int i = 0; i < *n_left; i++) left[i] = argv[i];
    return rc;
}

static void command_lines(void **state) {
    (void)state;
    demo d;
    const char *left[16];
    int n;
    const char *const a[] = {"net",       "--val", "3", "--rate=0.5", "-o", "f.bin",
                             "--shuffle", "more",  "-", "-1.5",       "--", "--val"};
    assert_int_equal(parse_line(&d, 12, a, left, &n), 0);
    assert_true(d.val == 3 && d.rate == 0.5 && d.shuffle);
    assert_string_equal(d.output, "f.bin");
    assert_int_equal(n, 5);
    const char *const want[] = {"net", "more", "-", "-1.5", "--val"};
    for (int i = 0; i < 5; i++) assert_string_equal(left[i], want[i]);
    const char *const negative[] = {"--limit", "-2", "--shuffle=no"};
    assert_int_equal(parse_line(&d, 3, negative, left, &n), 0);
    assert_true(d.limit == -2 && !d.shuffle);
}

static void bad_command_lines(void **state) {
    (void)state;
    static const struct {
        const char *a, *b, *message;
    } cases[] = {
        {"--vall", "3", "did you mean --val?"},     {"--val", NULL, "--val needs a value (images)"},
        {"--val", "--rate", "needs a value"},       {"-x", NULL, "unknown option -x"},
        {"--val=0", NULL, "train: --val is \"0\""}, {"--kind", "odd", "allowed: slow, fast"},
        {"--=3", NULL, "unknown option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        demo d;
        const char *words[] = {cases[i].a, cases[i].b}, *left[16];
        int n;
        assert_int_equal(parse_line(&d, cases[i].b ? 2 : 1, words, left, &n), MNAS_ERR_ARG);
        if (!strstr(mnas_error_message(), cases[i].message)) fail_msg("%s", mnas_error_message());
    }
}

static void canonical_form_reads_back(void **state) {
    (void)state;
    demo d, again;
    mnas_str s = {0};
    assert_int_equal(parse(&d, "path=p"), 0);
    mnas_opts_print(table, &d, &s);
    assert_string_equal(s.data, "path=p"); /* defaults are left out */
    static const char *const specs[] = {
        "path=\"x,\"\"y\",val=17,rate=0.3,limit=1e-300,extra=-9,shuffle,kind=fast",
        "path=p,rate=0.30000000000000004,limit=0.1", "path=\"\"\"q\"", "path=p,rate=1e300,val=1000000",
        "path=p,limit=-0.012345678901234567"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        mnas_str_free(&s);
        memset(&d, 0, sizeof d);
        memset(&again, 0, sizeof again);
        assert_int_equal(parse(&d, specs[i]), 0);
        mnas_opts_print(table, &d, &s);
        assert_int_equal(parse(&again, s.data), 0);
        assert_memory_equal(&d, &again, sizeof d);
    }
    mnas_str_free(&s);
    assert_int_equal(parse(&d, "path=p,limit=0.1,rate=0.25"), 0);
    mnas_opts_print(table, &d, &s);
    assert_string_equal(s.data, "path=p,rate=0.25,limit=0.1"); /* shortest digits, table order */
    mnas_str_free(&s);
}

static void help_names_everything(void **state) {
    (void)state;
    mnas_str s = {0};
    mnas_opts_help(table, "--", &s);
    for (const mnas_opt *o = table; o->name; o++) assert_non_null(strstr(s.data, o->help));
    assert_non_null(strstr(s.data, "--val images"));
    assert_non_null(strstr(s.data, "[5000] (1 to 1000000 images)"));
    assert_non_null(strstr(s.data, "--kind slow|fast"));
    mnas_str_free(&s);
}

static const mnas_plugin with_opts = {"idx", "four files", table, sizeof(demo)};
static const mnas_plugin without = {"random", "no options", NULL, 0};
static const mnas_plugin *const plugins[] = {&with_opts, &without};

static void specs_open_plugins(void **state) {
    (void)state;
    const mnas_plugin *found;
    void *opts;
    assert_int_equal(mnas_registry_open(plugins, 2, "dataset", "idx:path=a:b,val=3", &found, &opts), 0);
    assert_ptr_equal(found, &with_opts);
    assert_string_equal(((demo *)opts)->path, "a:b");
    free(opts);
    assert_int_equal(mnas_registry_open(plugins, 2, "dataset", "random", &found, &opts), 0);
    assert_ptr_equal(found, &without);
    assert_null(opts);
    assert_int_equal(mnas_registry_open(plugins, 2, "dataset", "random:", &found, &opts), 0);
    mnas_str s = {0};
    mnas_registry_help(plugins, 2, &s);
    assert_non_null(strstr(s.data, "four files"));
    assert_non_null(strstr(s.data, "val=images"));
    mnas_str_free(&s);
}

static void bad_specs(void **state) {
    (void)state;
    static const struct {
        const char *spec, *message;
    } cases[] = {
        {"idz", "unknown dataset \"idz\"; did you mean idx? known: idx, random"},
        {"", "unknown dataset \"\"; known: idx, random"},
        {"random:x=1", "dataset random takes no options, but was given \"x=1\""},
        {"idx", "dataset idx: path=DIR is required"},
        {"idx:path=p,vall=1", "dataset idx: unknown option vall; did you mean val?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const mnas_plugin *found;
        void *opts;
        assert_int_equal(mnas_registry_open(plugins, 2, "dataset", cases[i].spec, &found, &opts),
                         MNAS_ERR_ARG);
        assert_null(found);
        assert_null(opts);
        if (!strstr(mnas_error_message(), cases[i].message)) fail_msg("%s", mnas_error_message());
    }
}

static void test_one_more_option(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"idx", "a", "idx:path=a"},
        {"idx:", "a", "idx:path=a"},
        {"idx:val=3", "a", "idx:val=3,path=a"},
        {"idx:val=3", "a:b=\"c,d\"", "idx:val=3,path=\"a:b=\"\"c,d\"\"\""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *spec;
        assert_int_equal(mnas_registry_add_option(&spec, cases[i][0], "path", cases[i][1]), 0);
        assert_string_equal(spec, cases[i][2]);
        free(spec);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_more_option),       cmocka_unit_test(defaults),
        cmocka_unit_test(pairs_set_fields),           cmocka_unit_test(quotes_hold_commas),
        cmocka_unit_test(errors_say_what_is_allowed), cmocka_unit_test(command_lines),
        cmocka_unit_test(too_long_text_is_refused),   cmocka_unit_test(bad_command_lines),
        cmocka_unit_test(canonical_form_reads_back),  cmocka_unit_test(specs_open_plugins),
        cmocka_unit_test(help_names_everything),      cmocka_unit_test(bad_specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
